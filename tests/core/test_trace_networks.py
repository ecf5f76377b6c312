"""Whole networks against plain NumPy: stacks, two directions and their merges, packed batches, embeddings, readouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.equations import MERGES
from rnn_calc.core.network import Network
from rnn_calc.core.trace import trace
from rnn_calc.core.weights import Weights
from tests import references
from tests.core.drawing import random_weights, sequence
from tests.references import Array

every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
every_merge = pytest.mark.parametrize("merge", MERGES)
seeds = st.integers(0, 10**6)

STEPS = {
    "rnn": references.rnn_step,
    "lstm": references.lstm_step,
    "lstm-peephole": references.peephole_step,
    "gru": references.gru_after_step,
    "gru-reset-before": references.gru_before_step,
}

JOINED: dict[str, Callable[[Array, Array], Array]] = {
    "concat": lambda forward, backward: np.hstack([forward, backward]),
    "sum": lambda forward, backward: forward + backward,
    "average": lambda forward, backward: (forward + backward) / 2,
    "product": lambda forward, backward: forward * backward,
}


def plain_run(
    network: Network, weights: Weights, x: Array, initial: list[dict[str, Array]]
) -> tuple[Array, list[dict[str, Array]], list[dict[str, Array]]]:
    """The top output, and of each layer and direction the states of every step and the last ones."""
    marks = ["→", "←"] if network.bidirectional else [""]
    every: list[dict[str, Array]] = []
    last: list[dict[str, Array]] = []
    for layer in range(network.layers):
        number = str(layer + 1) if network.layers > 1 else ""
        outputs = []
        for mark in marks:
            end = f"^({number}{mark})" if number or mark else ""
            own = {name.removesuffix(end): array for name, array in weights.arrays.items() if name.endswith(end)}
            order = slice(None, None, -1 if mark == "←" else 1)
            read = references.run(STEPS[network.cell.name], own, x[order], initial[len(every)])
            last.append({name: states[-1] for name, states in read.items()})
            every.append({name: states[order] for name, states in read.items()})
            outputs.append(every[-1]["h"])
        x = JOINED[network.merge](*outputs) if network.bidirectional else outputs[0]
    return x, every, last


@pytest.mark.parametrize("name", STEPS)
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_stacks_in_one_or_two_directions_are_those_of_plain_numpy(name: str, data: st.DataObject) -> None:
    draw = data.draw
    bidirectional = draw(st.booleans())
    network = Network(
        draw(st.integers(1, 5)),
        tuple(draw(st.lists(st.integers(1, 8), min_size=1, max_size=3))),
        draw(st.integers(0, 3)),
        cell=CELLS[name],
        bidirectional=bidirectional,
        merge=draw(st.sampled_from(MERGES)) if bidirectional else "concat",
    )
    seed, T = draw(seeds), draw(st.integers(1, 12))
    weights, x = random_weights(network, seed), sequence(seed, T, network.d_in)
    layers = [layer for directions in network.stack for layer in directions]
    first = [{state: sequence(seed + k, layer.sizes["d_h"]) for state in layer.state} for k, layer in enumerate(layers)]
    done = trace(network, weights, x, first)
    output, every, last = plain_run(network, weights, x, first)
    # Numbers of size about 1 over 12 steps and 3 layers: 1e−11 leaves room for weights that let rounding grow.
    np.testing.assert_allclose(done.h, output, atol=1e-11)
    for run, states, finals in zip(done.layers, every, last, strict=True):
        for state, values in states.items():
            np.testing.assert_allclose(run.in_time.now[state], values, atol=1e-11)
            np.testing.assert_allclose(run.final[state], finals[state], atol=1e-11)
    if done.y is not None:
        np.testing.assert_allclose(done.y, output @ weights["W_hy"].T + weights["b_y"], atol=1e-11)
    if "c" in network.cell.state:
        top = every[-network.directions :]
        assert done.c is not None
        np.testing.assert_allclose(done.c, np.hstack([states["c"] for states in top]), atol=1e-11)
    np.testing.assert_array_equal(done.h0, np.hstack([own["h"] for own in first[-network.directions :]]))


@every_cell
@every_merge
def test_both_directions_of_a_layer_are_merged_as_keras_does_it(cell: Cell, merge: str) -> None:
    network = Network(3, 4, cell=cell, bidirectional=True, merge=merge)
    done = trace(network, random_weights(network, 1), sequence(1, 9, 3))
    forward, backward = (run.h for run in done.layers)
    np.testing.assert_array_equal(done.h, JOINED[merge](forward, backward))


@every_cell
@given(seed=seeds, T=st.integers(1, 20))
@settings(deadline=None, max_examples=8)
def test_a_backward_direction_is_the_forward_one_of_the_sequence_turned_around(cell: Cell, seed: int, T: int) -> None:
    both, one = Network(3, 4, cell=cell, bidirectional=True), Network(3, 4, cell=cell)
    weights, x = random_weights(both, seed), sequence(seed, T, 3)
    own = {p.name: weights[f"{p.name}^(←)"] for p in one.parameters}
    alone = trace(one, Weights(own), x[::-1])
    backward = trace(both, weights, x).layers[1]
    for name, values in alone.layers[0].values.now.items():
        np.testing.assert_array_equal(backward.values.now[name], values)
        np.testing.assert_array_equal(backward.in_time.now[name], values[::-1])
    for name, values in backward.in_time.previous.items():
        # What a step of a backward direction starts from is the state of the step after it.
        np.testing.assert_array_equal(values[:-1], backward.in_time.now[name][1:])
        np.testing.assert_array_equal(values[-1], backward.initial[name])


@every_cell
@given(data=st.data())
@settings(deadline=None, max_examples=15)
def test_a_row_of_a_packed_batch_is_the_run_of_its_own_sequence(cell: Cell, data: st.DataObject) -> None:
    draw = data.draw
    network = Network(3, (5, 4), 2, cell=cell, bidirectional=draw(st.booleans()))
    seed, T, B = draw(seeds), draw(st.integers(1, 12)), draw(st.integers(1, 4))
    lengths = draw(st.lists(st.integers(1, T), min_size=B, max_size=B))
    weights, x = random_weights(network, seed), sequence(seed, T, B, 3)
    done = trace(network, weights, x, lengths=lengths)
    assert done.y is not None
    for b, length in enumerate(lengths):
        alone = trace(network, weights, x[:length, b])
        assert alone.y is not None
        # BLAS may round a row of a matrix product otherwise than a vector's.
        np.testing.assert_allclose(done.h[:length, b], alone.h, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(done.y[:length, b], alone.y, rtol=1e-12, atol=1e-12)
        assert not done.h[length:, b].any()
        assert not done.y[length:, b].any()
        for ours, theirs in zip(done.layers, alone.layers, strict=True):
            for name, state in ours.final.items():
                np.testing.assert_allclose(state[b], theirs.final[name], rtol=1e-12, atol=1e-12)
            for (_, values), (_, single) in zip(ours.terms, theirs.terms, strict=True):
                np.testing.assert_allclose(values[:length, b], single, rtol=1e-12, atol=1e-12)
                assert not values[length:, b].any()


@every_cell
@given(seed=seeds, T=st.integers(1, 15), V=st.integers(1, 9), batch=st.sampled_from([(), (3,)]))
@settings(deadline=None, max_examples=8)
def test_tokens_are_rows_of_the_embedding(cell: Cell, seed: int, T: int, V: int, batch: tuple[int, ...]) -> None:
    with_table = Network(4, 3, 2, cell=cell, vocab=V)
    without = Network(4, 3, 2, cell=cell)
    weights = random_weights(with_table, seed)
    tokens = np.random.default_rng(seed).integers(V, size=(T, *batch))
    done = trace(with_table, weights, tokens)
    bare = trace(without, Weights({p.name: weights[p.name] for p in without.parameters}), weights["E"][tokens])
    assert done.tokens is not None
    np.testing.assert_array_equal(done.tokens, tokens)
    np.testing.assert_array_equal(done.x, weights["E"][tokens])
    np.testing.assert_array_equal(done.h, bare.h)
    assert done.y is not None
    np.testing.assert_array_equal(done.y, bare.y)
    # Whole numbers may come as floats, as a file gives them.
    np.testing.assert_array_equal(trace(with_table, weights, tokens.astype(float)).h, bare.h)


@pytest.mark.parametrize("readout_bias", [True, False])
def test_a_tied_readout_multiplies_by_the_embedding(readout_bias: bool) -> None:
    network = Network(4, 4, 7, cell=CELLS["gru"], vocab=7, tied=True, readout_bias=readout_bias)
    weights = random_weights(network, 3)
    done = trace(network, weights, np.array([6, 0, 3]))
    expected = done.h @ weights["E"].T + (weights["b_y"] if readout_bias else 0)
    assert done.y is not None
    # Four products of size about 1: a few u.
    np.testing.assert_allclose(done.y, expected, rtol=1e-14, atol=1e-14)
    assert ("b_y" in weights.arrays) is readout_bias


def test_values_are_found_by_name_where_the_name_says_which() -> None:
    one = Network(2, (3, 4), 2, cell=CELLS["lstm"])
    done = trace(one, random_weights(one, 0), sequence(0, 5, 2))
    same: dict[str, Any] = {"x": done.x, "h": done.h, "c": done.c, "y": done.y, "i": done.layers[1].values.now["i"]}
    for name, values in same.items():
        assert done.value(name) is values
    assert done.value("q") is None
    both = Network(2, 3, cell=CELLS["lstm"], bidirectional=True)
    done = trace(both, random_weights(both, 0), sequence(0, 5, 2))
    assert done.value("y") is None
    assert done.value("i") is None  # of which direction?
    assert done.terms == ()
    assert [run.terms[0][1].shape for run in done.layers] == [(5, 3), (5, 3)]
