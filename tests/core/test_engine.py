from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS
from rnn_calc.core.engine import Engine
from rnn_calc.core.equations import ACTIVATIONS
from rnn_calc.core.network import Network
from rnn_calc.core.stages import Layer
from rnn_calc.core.weights import Weights
from tests import references
from tests.core.cells import CASES, Case
from tests.core.drawing import sequence
from tests.references import Array

every_case = pytest.mark.parametrize("case", CASES, ids=[case.cell.name for case in CASES])
small = st.integers(1, 6)
seeds = st.integers(0, 10**6)


def layer_arrays(layer: Layer, case: Case, seed: int, scale: float = 1.5) -> dict[str, Array]:
    """A dense array for every parameter of a layer."""
    rng = np.random.default_rng(seed)
    shapes = {parameter.name: [layer.sizes[axis] for axis in parameter.axes] for parameter in layer.parameters}
    return case.with_constants(
        {name: scale * rng.standard_normal(shape) / np.sqrt(shape[-1]) for name, shape in shapes.items()}
    )


def first_state(layer: Layer, seed: int, *batch: int) -> dict[str, Array]:
    rng = np.random.default_rng([seed, 2])
    return {name: rng.uniform(-1, 1, (*batch, layer.sizes[axis])) for name, axis in layer.state.items()}


def only_layer(case: Case, d_in: int, d_h: int, biases: int = 1) -> Layer:
    return Network(d_in, d_h, cell=case.cell, biases=biases).stack[0][0]


def check_against_reference(layer: Layer, case: Case, arrays: dict[str, Array], seed: int, T: int) -> None:
    x, initial = sequence(seed, T, layer.sizes["d_in"]), first_state(layer, seed)
    values = Engine(layer, Weights(arrays)).run(x, initial)
    expected = references.run(case.step, arrays, x, initial)
    for name, states in expected.items():
        # Rounding grows with the weights over 12 steps at most: 1e−12 of the largest leaves digits of room.
        size = max(1.0, np.abs(states).max())
        np.testing.assert_allclose(values.now[name] / size, states / size, atol=1e-12)
        np.testing.assert_array_equal(values.previous[name], [initial[name], *values.now[name][:-1]])


@every_case
@given(seed=seeds, d_in=small, d_h=small, T=st.integers(1, 12), biases=st.integers(0, 2))
@settings(deadline=None, max_examples=20)
def test_every_cell_steps_as_its_equations_in_plain_numpy(
    case: Case, seed: int, d_in: int, d_h: int, T: int, biases: int
) -> None:
    layer = only_layer(case, d_in, d_h, biases)
    check_against_reference(layer, case, layer_arrays(layer, case, seed, 0.8), seed, T)


@given(seed=seeds, d_in=small, d_h=st.integers(3, 6), d_p=st.integers(1, 2), T=st.integers(1, 12))
@settings(deadline=None, max_examples=20)
def test_a_projected_lstm_steps_as_its_equations_in_plain_numpy(
    seed: int, d_in: int, d_h: int, d_p: int, T: int
) -> None:
    layer = Network(d_in, d_h, cell=CELLS["lstm"], d_p=d_p).stack[0][0]
    case = Case(CELLS["lstm"], references.lstm_step)
    assert {name: len(state) for name, state in first_state(layer, 0).items()} == {"h": d_p, "c": d_h}
    check_against_reference(layer, case, layer_arrays(layer, case, seed), seed, T)


def gates_of(name: str, w: dict[str, Array], x: Array, h: Array) -> dict[str, Array]:
    """The gates of one step of a cell, from its equations in plain NumPy."""
    found: dict[str, Array] = {}
    for gate in {"lstm": "ifog", "gru": "rz"}[name]:
        before = w[f"W_x{gate}"] @ x + w[f"W_h{gate}"] @ h + w[f"b_{gate}"]
        found |= {f"a_{gate}": before, gate: np.tanh(before) if gate == "g" else references.sigmoid(before)}
    return found


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_every_gate_and_pre_activation_is_kept_as_the_equations_have_it(name: str) -> None:
    case = Case(CELLS[name], references.STEPS[name])
    layer = only_layer(case, 3, 4)
    arrays, x, initial = layer_arrays(layer, case, 5), sequence(5, 6, 3), first_state(layer, 5)
    values = Engine(layer, Weights(arrays)).run(x, initial)
    assert set(values.now) == {"x", *(equation.name for equation in layer.equations)}
    for t in range(6):
        for gate, value in gates_of(name, arrays, x[t], values.previous["h"][t]).items():
            np.testing.assert_allclose(values.now[gate][t], value, atol=1e-13)


@every_case
@given(seed=seeds, d_in=small, d_h=small, B=st.integers(1, 4))
@settings(deadline=None, max_examples=10)
def test_a_row_of_a_batch_is_the_single_run(case: Case, seed: int, d_in: int, d_h: int, B: int) -> None:
    layer = only_layer(case, d_in, d_h)
    engine = Engine(layer, Weights(layer_arrays(layer, case, seed, 0.8)))
    x, initial = sequence(seed, 7, B, d_in), first_state(layer, seed, B)
    together = engine.run(x, initial)
    for b in range(B):
        alone = engine.run(x[:, b], {name: state[b] for name, state in initial.items()})
        for name, value in alone.now.items():
            # BLAS may round a row of a matrix product otherwise than a vector's: a few u a step.
            np.testing.assert_allclose(together.now[name][:, b], value, rtol=1e-11, atol=1e-12)


def test_a_batch_too_large_for_one_block_is_its_rows() -> None:
    case = Case(CELLS["lstm"], references.lstm_step)
    layer = only_layer(case, 2, 8)
    engine = Engine(layer, Weights(layer_arrays(layer, case, 1, 0.7)))
    x, initial = sequence(1, 9, 500, 2), first_state(layer, 1, 500)
    together = engine.run(x, initial)
    for b in (0, 123, 499):
        alone = engine.run(x[:, b], {name: state[b] for name, state in initial.items()})
        np.testing.assert_allclose(together.now["h"][:, b], alone.now["h"], atol=1e-13)


@every_case
@given(seed=seeds, T=st.integers(2, 40), cut=st.integers(1, 39), d_h=st.integers(1, 20))
@settings(deadline=None, max_examples=10)
def test_a_sequence_cut_and_resumed_has_the_same_bits(case: Case, seed: int, T: int, cut: int, d_h: int) -> None:
    cut = min(cut, T - 1)
    layer = only_layer(case, 3, d_h)
    engine = Engine(layer, Weights(layer_arrays(layer, case, seed, 0.8)))
    x, initial = sequence(seed, T, 3), first_state(layer, seed)
    whole = engine.run(x, initial)
    resumed = engine.run(x[cut:], {name: whole.now[name][cut - 1].copy() for name in layer.state})
    for equation in layer.equations:
        np.testing.assert_array_equal(resumed.now[equation.name], whole.now[equation.name][cut:])


@every_case
@pytest.mark.parametrize("T", [1023, 1025, 2300])
def test_a_run_over_several_blocks_of_memory_is_one_run(case: Case, T: int) -> None:
    layer = only_layer(case, 3, 4)
    # Weights of scale 0.3 contract, so rounding does not build up.
    arrays = layer_arrays(layer, case, 0, 0.3)
    x, initial = sequence(0, T, 3), first_state(layer, 0)
    states = references.run(case.step, arrays, x, initial)
    values = Engine(layer, Weights(arrays)).run(x, initial)
    for name in layer.state:
        np.testing.assert_allclose(values.now[name], states[name], atol=1e-12)


@every_case
@pytest.mark.parametrize("batch", [(), (2,)])
def test_wide_values_are_kept_over_several_blocks(case: Case, batch: tuple[int, ...]) -> None:
    # Values this wide are written where they stay, and 300 steps of them take more than one block.
    layer = only_layer(case, 3, 260)
    arrays = layer_arrays(layer, case, 0, 0.3)
    x, initial = sequence(0, 300, *batch, 3), first_state(layer, 0, *batch)
    values = Engine(layer, Weights(arrays)).run(x, initial)
    for b in np.ndindex(*batch):
        start = {name: state[b] for name, state in initial.items()}
        states = references.run(case.step, arrays, x[:, *b], start)
        for name in layer.state:
            np.testing.assert_allclose(values.now[name][:, *b], states[name], atol=1e-12)
            np.testing.assert_array_equal(values.previous[name][1:], values.now[name][:-1])


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
@given(seed=seeds, T=st.integers(1, 9), cut=st.integers(0, 9))
@settings(deadline=None, max_examples=4)
def test_a_matrix_beyond_the_cache_steps_like_a_small_one(name: str, seed: int, T: int, cut: int) -> None:
    # 520² × 8 bytes are more than the engine multiplies in one piece, and three or four times as many are far away.
    case = Case(CELLS[name], references.STEPS[name])
    layer = only_layer(case, 2, 520)
    arrays = layer_arrays(layer, case, seed, 1.0)
    engine = Engine(layer, Weights(arrays))
    x, initial = sequence(seed, T, 2), {state: np.zeros(520) for state in layer.state}
    whole = engine.run(x, initial)
    states = references.run(case.step, arrays, x, initial)
    for state in layer.state:
        # Inner products of 520 terms over 9 steps: some 520·u.
        np.testing.assert_allclose(whole.now[state], states[state], atol=1e-12)
    if 0 < cut < T:
        resumed = engine.run(x[cut:], {state: whole.now[state][cut - 1].copy() for state in layer.state})
        np.testing.assert_array_equal(resumed.now["h"], whole.now["h"][cut:])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_the_one_of_the_step(activation: str) -> None:
    layer = Network(2, 4, activation=activation).stack[0][0]
    arrays = layer_arrays(layer, CASES[0], 3, 0.7)
    x, h0 = sequence(3, 20, 2), np.array([0.3, -0.4, 0.1, 0.8])
    h = Engine(layer, Weights(arrays)).run(x, {"h": h0}).now["h"]
    expected = references.rnn_states(arrays, x, h0, activation)
    np.testing.assert_allclose(h, expected, rtol=1e-12, atol=1e-12)


def forced(layer: Layer, **pre_activations: float) -> Weights:
    """Weights that are all zero, but for biases that hold the gates' pre-activations at these numbers."""
    arrays = {p.name: np.zeros([layer.sizes[axis] for axis in p.axes]) for p in layer.parameters}
    return Weights(arrays | {f"b_{gate}": np.full(layer.sizes["d_h"], a) for gate, a in pre_activations.items()})


def test_a_saturated_gate_is_right_relatively_and_warns_of_nothing() -> None:
    layer = Network(1, 2, cell=CELLS["lstm"]).stack[0][0]
    for a in (-300.0, -40.0, 40.0, 1000.0, -1000.0):
        values = Engine(layer, forced(layer, i=-1000.0, f=a, g=1.0, o=1000.0)).run(
            np.zeros((1, 1)), {"h": np.zeros(2), "c": np.full(2, 0.5)}
        )
        exact = 0.0 if a == -1000 else 1 / (1 + math.exp(-a))
        # Two roundings; σ(−300) = 5e−131 with all its digits.
        np.testing.assert_allclose(values.now["f"], np.full((1, 2), exact), rtol=4e-16)
        np.testing.assert_allclose(values.now["c"], np.full((1, 2), 0.5 * exact), rtol=4e-16)
        np.testing.assert_array_equal(values.now["a_f"], np.full((1, 2), a))


def test_an_lstm_that_keeps_everything_keeps_its_cell_state_to_the_bit() -> None:
    layer = Network(1, 3, cell=CELLS["lstm"]).stack[0][0]
    c0 = np.array([0.1, -7.3, 1e-200])
    values = Engine(layer, forced(layer, i=-1000.0, f=1000.0, g=0.3)).run(np.ones((50, 1)), {"h": np.zeros(3), "c": c0})
    np.testing.assert_array_equal(values.now["c"], np.tile(c0, (50, 1)))


def test_no_zero_gets_a_minus_sign() -> None:
    layer = Network(1, 2, cell=CELLS["lstm"]).stack[0][0]
    values = Engine(layer, forced(layer)).run(np.zeros((2, 1)), {"h": np.zeros(2), "c": np.zeros(2)})
    for name, value in values.now.items():
        assert not np.signbit(value).any(), name


@pytest.mark.torch
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
@given(seed=seeds, d_in=small, d_h=small, T=st.integers(1, 30))
@settings(deadline=None, max_examples=10)
def test_one_layer_is_that_of_pytorch(name: str, seed: int, d_in: int, d_h: int, T: int) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(seed)
    theirs = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[name](d_in, d_h, dtype=torch.float64)
    layer = only_layer(Case(CELLS[name], references.STEPS[name]), d_in, d_h, biases=2)
    gates = {"rnn": "h", "lstm": "ifgo", "gru": "rzn"}[name]
    arrays: dict[str, Array] = {}
    for ours, symbol in {"W_x": "weight_ih", "W_h": "weight_hh", "b_": "bias_ih", "b_h": "bias_hh"}.items():
        stored = getattr(theirs, f"{symbol}_l0").detach().numpy()
        arrays |= {f"{ours}{gate}": part for gate, part in zip(gates, np.split(stored, len(gates)), strict=True)}
    x, initial = sequence(seed, T, d_in), first_state(layer, seed)
    start = tuple(torch.tensor(initial[state])[None] for state in layer.state)
    with torch.no_grad():
        output, last = theirs(torch.tensor(x), start if name == "lstm" else start[0])
    values = Engine(layer, Weights(arrays)).run(x, initial)
    np.testing.assert_allclose(values.now["h"], output.numpy(), atol=1e-12)
    if name == "lstm":
        np.testing.assert_allclose(values.now["c"][-1], last[1][0].numpy(), atol=1e-12)
