from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core import memory
from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.decay import gradient_decay
from rnn_calc.core.equations import ACTIVATIONS, Sum
from rnn_calc.core.errors import NonFiniteError, TooLargeError
from rnn_calc.core.inputs import zero_states
from rnn_calc.core.network import Network
from rnn_calc.core.trace import Trace, require_finite, trace, trace_blocks
from rnn_calc.core.weights import Weights
from tests.core.drawing import random_weights, sequence
from tests.references import Array, rnn_states

every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)
seeds = st.integers(0, 10**6)

Lists = dict[str, list[list[float]] | list[float]]

CAT_SAT_HERE: Lists = {"W_xh": [[0.3, 0.7], [0.4, 0.2]], "W_hh": [[0.1, 0.5], [0.6, 0.3]], "b_h": [0.1, 0.2]}
TWO_STEP: Lists = {"W_xh": [[0.8], [0.4]], "W_hh": [[0.5, 0.2], [0.3, 0.6]], "b_h": [0.1, 0.1]}
TINY: Lists = {
    "W_xh": [[0.2], [0.3]],
    "W_hh": [[0.5, 0.1], [0.1, 0.5]],
    "b_h": [0.0, 0.0],
    "W_hy": [[1.0, 1.0]],
    "b_y": [0.0],
}


def weights_of(lists: Lists) -> Weights:
    return Weights({name: np.array(value) for name, value in lists.items()})


@pytest.mark.parametrize(
    ("lists", "x", "h"),
    [
        (TWO_STEP, [[2], [-1]], [[0.935409, 0.716298], [-0.088801, 0.388813]]),
        (
            CAT_SAT_HERE,
            [[0.5, 0.2], [0.1, 0.9], [0.8, 0.3]],
            [[0.371360, 0.413644], [0.763252, 0.645129], [0.739280, 0.843011]],
        ),
        (TINY, [[1], [2]], [[0.197375, 0.291313], [0.483712, 0.644243]]),
    ],
    ids=["tutorial 001", "tutorial 002", "tutorial 003"],
)
def test_the_worked_examples_have_the_states_worked_out_by_hand(
    lists: Lists, x: list[list[float]], h: list[list[float]]
) -> None:
    network = Network(len(x[0]), 2, 1 if "W_hy" in lists else 0)
    # Half a unit of the sixth digit, to which they are printed.
    np.testing.assert_allclose(trace(network, weights_of(lists), np.array(x)).h, h, atol=5e-7)


def test_the_tiny_example_has_the_outputs_worked_out_by_hand() -> None:
    done = trace(Network(1, 2, 1), weights_of(TINY), np.array([[1.0], [2.0]]))
    assert done.y is not None
    np.testing.assert_allclose(done.y, [[0.488688], [1.127955]], atol=5e-7)


@every_activation
@given(seed=seeds, d_in=st.integers(1, 6), d_h=st.integers(1, 10), d_out=st.integers(0, 3), T=st.integers(1, 30))
@settings(deadline=None, max_examples=20)
def test_states_are_those_of_plain_numpy(activation: str, seed: int, d_in: int, d_h: int, d_out: int, T: int) -> None:
    network = Network(d_in, d_h, d_out, activation=activation)
    weights, x = random_weights(network, seed, 0.5), sequence(seed, T, d_in)
    h0 = sequence(seed + 1, d_h)
    done = trace(network, weights, x, {"h": h0})
    expected = rnn_states(weights.arrays, x, h0, activation)
    # Weights of scale 0.5 do not let rounding grow; relative, for a relu can be large.
    np.testing.assert_allclose(done.h, expected, rtol=1e-12, atol=1e-12)
    if d_out:
        assert done.y is not None
        np.testing.assert_allclose(done.y, expected @ weights["W_hy"].T + weights["b_y"], rtol=1e-12, atol=1e-12)
    else:
        assert done.y is None


@st.composite
def networks(draw: st.DrawFn, /, cell: Cell, **fixed: Any) -> Network:
    """A network of up to three layers, without tokens, whose layers may differ in width."""
    layers = draw(st.integers(1, 3))
    widths = tuple(draw(st.lists(st.integers(1, 40), min_size=layers, max_size=layers)))
    return Network(
        draw(st.integers(1, 7)),
        widths,
        draw(st.integers(0, 3)),
        cell=cell,
        activation=draw(st.sampled_from(ACTIVATIONS)),
        biases=draw(st.integers(0, 2)),
        **fixed,
    )


def all_values(done: Trace) -> dict[str, Array]:
    """Every array of a trace that has a row a step, in the order of time."""
    found = {"x": done.x, "h": done.h} | ({} if done.y is None else {"y": done.y})
    for run in done.layers:
        found |= {f"{name}{run.layer.mark}": values for name, values in run.in_time.now.items()}
    return found


@every_cell
@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_a_stack_cut_in_two_and_resumed_gives_the_same_bits(cell: Cell, data: st.DataObject) -> None:
    seed, T = data.draw(seeds), data.draw(st.integers(2, 700))
    cut = data.draw(st.integers(1, T - 1))
    batch = data.draw(st.sampled_from([(), (), (1,), (3,)]))
    network = data.draw(networks(cell))
    weights, x = random_weights(network, seed, 0.7), sequence(seed, T, *batch, network.d_in)
    whole = trace(network, weights, x)
    first = trace(network, weights, x[:cut])
    second = all_values(trace(network, weights, x[cut:], first.final))
    for name, values in all_values(first).items():
        np.testing.assert_array_equal(np.concatenate([values, second[name]]), all_values(whole)[name])


@every_cell
@pytest.mark.parametrize("d_h", [65, 75, 97, 129])
def test_widths_that_blas_does_not_divide_evenly_give_the_same_bits(cell: Cell, d_h: int) -> None:
    # The gates' products are d_h, 2·d_h … wide: what is left over of a multiple of 8 may be rounded by its place.
    network = Network(9, d_h, 300, cell=cell)
    weights, x = random_weights(network, d_h, 0.7), sequence(d_h, 263, 9)
    whole = all_values(trace(network, weights, x))
    for cut in (1, 130, 255):
        first = trace(network, weights, x[:cut])
        second = all_values(trace(network, weights, x[cut:], first.final))
        for name, values in all_values(first).items():
            np.testing.assert_array_equal(np.concatenate([values, second[name]]), whole[name])


@every_cell
@given(data=st.data())
@settings(deadline=None, max_examples=25)
def test_a_sequence_in_blocks_gives_the_same_bits(cell: Cell, data: st.DataObject) -> None:
    T = data.draw(st.integers(1, 600))
    cuts = sorted(data.draw(st.sets(st.integers(1, T), max_size=6)) - {T})
    network = data.draw(networks(cell))
    weights, x = random_weights(network, T), sequence(T, T, network.d_in)
    first = [
        {name: sequence(T + k, layer.sizes[axis]) for name, axis in layer.state.items()}
        for k, (layer,) in enumerate(network.stack)
    ]
    whole = trace(network, weights, x, first)
    parts = list(trace_blocks(network, weights, np.split(x, cuts), first))
    assert [part.first for part in parts] == [1, *(cut + 1 for cut in cuts)]
    assert sum(part.steps for part in parts) == T
    for name, values in all_values(whole).items():
        np.testing.assert_array_equal(np.concatenate([all_values(part)[name] for part in parts]), values)
    for before, after in pairwise(parts):
        np.testing.assert_array_equal(after.h0, before.h[-1])


@every_cell
@given(data=st.data())
@settings(deadline=None, max_examples=15)
def test_a_bidirectional_sequence_in_blocks_is_one_trace_of_the_whole(cell: Cell, data: st.DataObject) -> None:
    T = data.draw(st.integers(1, 40))
    cuts = sorted(data.draw(st.sets(st.integers(1, T), max_size=4)) - {T})
    network = data.draw(networks(cell, bidirectional=True))
    weights, x = random_weights(network, T), sequence(T, T, network.d_in)
    (done,) = trace_blocks(network, weights, np.split(x, cuts))
    for name, values in all_values(trace(network, weights, x)).items():
        np.testing.assert_array_equal(all_values(done)[name], values)


@every_cell
@given(data=st.data())
@settings(deadline=None, max_examples=15)
def test_a_row_of_a_batch_is_the_single_run(cell: Cell, data: st.DataObject) -> None:
    network = data.draw(networks(cell, bidirectional=data.draw(st.booleans())))
    seed, B, T = data.draw(seeds), data.draw(st.integers(1, 5)), data.draw(st.integers(1, 30))
    weights, x = random_weights(network, seed, 0.5), sequence(seed, T, B, network.d_in)
    together = trace(network, weights, x)
    turned = trace(network, weights, x.transpose(1, 0, 2), batch_first=True)
    np.testing.assert_array_equal(turned.h, together.h)
    for b in range(B):
        # BLAS may round a row of a matrix product otherwise than a vector's.
        alone = trace(network, weights, x[:, b])
        np.testing.assert_allclose(together.h[:, b], alone.h, rtol=1e-12, atol=1e-12)
        for ours, theirs in zip(together.final, alone.final, strict=True):
            for name, state in ours.items():
                np.testing.assert_allclose(state[b], theirs[name], rtol=1e-12, atol=1e-12)


@every_cell
@given(data=st.data())
@settings(deadline=None, max_examples=20)
def test_the_summands_add_up_to_what_they_are_summands_of(cell: Cell, data: st.DataObject) -> None:
    network = data.draw(networks(cell, bidirectional=data.draw(st.booleans())))
    seed, T, batch = data.draw(seeds), data.draw(st.integers(1, 20)), data.draw(st.sampled_from([(), (4,)]))
    done = trace(network, random_weights(network, seed, 0.5), sequence(seed, T, *batch, network.d_in))
    for run in done.layers:
        terms = iter(run.terms)
        for equation in run.layer.equations:
            value = run.in_time.now[equation.name]
            if isinstance(equation.expression, Sum):
                summands = [next(terms) for _ in equation.expression.terms]
                assert tuple(term for term, _ in summands) == equation.expression.terms
                assert {array.shape for _, array in summands} == {value.shape}
                total = np.sum([array for _, array in summands], axis=0)
                # Numbers up to a few hundred (relu), five of them: a few u, relatively.
                np.testing.assert_allclose(total, value, rtol=1e-12, atol=1e-12)
            if equation.kind == "gate":
                vector, shown = next(terms)
                assert vector == equation.vector
                np.testing.assert_array_equal(shown, value)
        assert next(terms, None) is None


def test_the_summands_of_the_embedding_example_are_those_worked_out_by_hand() -> None:
    done = trace(Network(2, 2), weights_of(CAT_SAT_HERE), np.array([[0.5, 0.2], [0.1, 0.9]]))
    input_part, recurrent, bias, z = (value for _, value in done.terms)
    # W_xh (.5, .2) = (.15 + .14, .20 + .04); b = (.1, .2).
    np.testing.assert_allclose(input_part[0], [0.29, 0.24], rtol=1e-14)
    np.testing.assert_array_equal(recurrent[0], [0, 0])
    np.testing.assert_array_equal(bias[1], [0.1, 0.2])
    np.testing.assert_allclose(z[0], [0.39, 0.44], rtol=1e-14)


@every_cell
def test_a_sequence_starts_from_zeros_unless_told_otherwise(cell: Cell) -> None:
    network = Network(2, (3, 4), cell=cell)
    done = trace(network, random_weights(network, 0), np.ones((4, 2)))
    assert [set(own) for own in done.initial] == [set(cell.state)] * 2
    assert not any(state.any() for own in done.initial for state in own.values())
    assert [own["h"].shape for own in zero_states(network, (5,))] == [(5, 3), (5, 4)]
    assert (done.steps, done.x.shape, done.h.shape, done.h0.shape) == (4, (4, 2), (4, 4), (4,))


def test_a_trace_too_long_to_hold_is_refused_before_it_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(2, 3)
    weights = random_weights(network, 0)

    def never(*_: object) -> None:
        raise AssertionError("the network was run")

    monkeypatch.setattr("rnn_calc.core.trace.Engine", never)
    monkeypatch.setattr(memory, "physical_memory", lambda: 1000)
    with pytest.raises(TooLargeError, match=r"A trace of 1,000 steps held in memory needs .* streams any length"):
        trace(network, weights, np.zeros((1000, 2)))


def test_the_first_number_that_outgrew_float64_is_named() -> None:
    # h doubles from 1: 2^1023 at step 1023, infinite one later.
    network = Network(1, 2, activation="identity")
    weights = Weights({"W_xh": np.zeros((2, 1)), "W_hh": np.diag([1.0, 2.0]), "b_h": np.zeros(2)})
    done = trace(network, weights, np.zeros((1030, 1)), {"h": np.ones(2)})
    assert done.h[1022, 1] == 2.0**1023
    with pytest.raises(NonFiniteError, match=r"^z_1024\[2\] is inf: .* at step 1024\."):
        require_finite(done)
    require_finite(trace(network, weights, np.zeros((1023, 1)), {"h": np.ones(2)}))


def test_gates_too_small_for_float64_are_no_state_that_outgrew_it() -> None:
    # σ(−800) = 3.7e−348 is 0 in float64, so that each gate's share of both is 0/0.
    network = Network(1, 1, cell=CELLS["minlstm"])
    zeros = {parameter.name: np.zeros(network.shape(parameter)) for parameter in network.parameters}
    shut = Weights({**zeros, "b_f": np.array([-800.0]), "b_i": np.array([-800.0])})
    done = trace(network, shut, np.zeros((2, 1)))
    with pytest.raises(NonFiniteError, match=r"^f'_1\[1\] is nan: 0/0, .* Use smaller weights, biases or inputs"):
        require_finite(done)
    with pytest.raises(NonFiniteError, match=r"slope is unknown; scale weights, biases or inputs down\.$"):
        gradient_decay(done)


def test_the_number_that_is_named_is_the_one_of_its_own_sequence_of_the_batch() -> None:
    network = Network(1, 1, activation="identity")
    weights = Weights({"W_xh": np.ones((1, 1)), "W_hh": np.ones((1, 1)), "b_h": np.zeros(1)})
    x = np.array([[[1.0], [1.0]], [[1.0], [-np.inf]]])
    with pytest.raises(NonFiniteError, match=r"^z_2\[1\] is -inf"):
        require_finite(trace(network, weights, x))


def test_an_output_that_overflows_before_the_state_does_is_named_first() -> None:
    network = Network(1, 1, 1, activation="identity")
    weights = Weights(
        {
            "W_xh": np.zeros((1, 1)),
            "W_hh": np.array([[1e100]]),
            "b_h": np.zeros(1),
            "W_hy": np.array([[1e200]]),
            "b_y": np.zeros(1),
        }
    )
    # h: 1e100, 1e200, 1e300, inf; y = 1e200·h: 1e300, inf.
    with pytest.raises(NonFiniteError, match=r"^y_2\[1\] is inf"):
        require_finite(trace(network, weights, np.zeros((5, 1)), {"h": np.ones(1)}))


def test_a_bidirectional_sequence_is_refused_as_soon_as_its_blocks_outgrow_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = Network(1, 1, bidirectional=True)
    weights = random_weights(network, 0)
    read = []

    def blocks() -> Iterator[Array]:
        for number in range(1000):
            read.append(number)
            yield np.zeros((10, 1))

    monkeypatch.setattr(memory, "physical_memory", lambda: 10_000)
    with pytest.raises(TooLargeError, match="A bidirectional network reads from both ends and cannot be streamed"):
        list(trace_blocks(network, weights, blocks()))
    # An input, and three for each of z and h in two directions and both joined, are 19 numbers, 152 bytes: 8,000 bytes
    # hold 52 steps of them.
    assert len(read) == 6


def doubling(**changes: Any) -> tuple[Network, Weights]:
    """A network in which every state is twice the one before, whatever goes in."""
    network = Network(1, 1, activation="identity", biases=0, **changes)
    arrays = {p.name: np.full(network.shape(p), 2.0 if p.role == "recurrent" else 0.0) for p in network.parameters}
    return network, Weights(arrays)


def test_the_layer_in_which_a_number_outgrew_float64_is_named() -> None:
    network, weights = doubling(layers=2)
    states = [{"h": np.zeros(1)}, {"h": np.array([2.0**1020])}]
    with pytest.raises(NonFiniteError, match=r"^z\^\(2\)_4\[1\] of layer 2 is inf: .* at step 4\."):
        require_finite(trace(network, weights, np.zeros((9, 1)), states))


def test_a_backward_direction_outgrows_float64_at_the_step_that_it_reads() -> None:
    network, weights = doubling(bidirectional=True)
    states = [{"h": np.zeros(1)}, {"h": np.array([2.0**1020])}]
    # Steps 9, 8, 7 hold 2^1021 … 2^1023; the fourth that is read is step 6.
    with pytest.raises(NonFiniteError, match=r"^z\^\(←\)_6\[1\] of recurrent, backward is inf: .* at step 6\."):
        require_finite(trace(network, weights, np.zeros((9, 1)), states))


def test_a_backward_direction_of_a_packed_batch_outgrows_float64_from_its_own_end() -> None:
    network, weights = doubling(bidirectional=True)
    states = [{"h": np.zeros((2, 1))}, {"h": np.array([[0.0], [2.0**1020]])}]
    with pytest.raises(NonFiniteError, match=r"^z\^\(←\)_2\[1\] of recurrent, backward is inf in sequence 2"):
        require_finite(trace(network, weights, np.zeros((9, 2, 1)), states, lengths=[9, 5]))


def test_the_lower_of_two_bidirectional_layers_is_named_although_the_upper_one_reads_it_first() -> None:
    network, weights = doubling(layers=2, bidirectional=True)
    weights.arrays["W_xh^(2→)"][:] = 1
    states = [{"h": np.full(1, 2.0**1020 if k == 1 else 0.0)} for k in range(4)]
    done = trace(network, weights, np.zeros((9, 1)), states)
    assert not np.isfinite(done.layers[2].values.now["z"][0]).all()
    with pytest.raises(NonFiniteError, match=r"^z\^\(1←\)_6\[1\] of layer 1, backward is inf"):
        require_finite(done)


def test_what_follows_the_end_of_a_packed_sequence_may_be_anything() -> None:
    network, weights = doubling()
    x = np.zeros((2000, 2, 1))
    x[3:, 0] = np.nan
    done = trace(network, weights, x, lengths=[3, 2000])
    require_finite(done)
