from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.engine import Engine
from rnn_calc.core.equations import ACTIVATIONS, H_PREV, Affine, Apply, Equation
from rnn_calc.core.linearization import Linearization
from rnn_calc.core.network import Network
from rnn_calc.core.stages import Layer
from rnn_calc.core.weights import Weights
from tests import references
from tests.core.cells import CASES, Case
from tests.core.drawing import sequence
from tests.core.test_engine import first_state, forced, layer_arrays, only_layer
from tests.references import Array, complex_step_jacobian

every_case = pytest.mark.parametrize("case", CASES, ids=[case.cell.name for case in CASES])
small = st.integers(1, 6)
seeds = st.integers(0, 10**6)


def linearized(layer: Layer, arrays: dict[str, Array], seed: int, T: int) -> tuple[Linearization, Engine, Array]:
    engine, x = Engine(layer, Weights(arrays)), sequence(seed, T, layer.sizes["d_in"])
    return Linearization(engine, engine.run(x, first_state(layer, seed))), engine, x


def check_jacobians(layer: Layer, case: Case, seed: int, t: int) -> None:
    arrays, x, initial = layer_arrays(layer, case, seed), sequence(seed, t + 1, 2), first_state(layer, seed)
    engine = Engine(layer, Weights(arrays))
    values = engine.run(x, initial)
    derivative = Linearization(engine, values)
    state = {name: values.previous[name][t] for name in layer.state}
    pushed = {by: derivative.push(t, {by: np.eye(len(state[by]))}) for by in layer.state}
    for of in layer.state:
        pulled = derivative.pull(t, {of: np.eye(len(state[of]))})
        for by in layer.state:
            exact = complex_step_jacobian(case.step, arrays, x[t], state, of, by)
            # Entries are sums of a few products; relative to the largest, rounding is some n·u.
            near = 1e-12 * (np.abs(exact).max() or 1.0)
            for ours in (pulled.get(by, np.zeros_like(exact)), pushed[by][of].T):
                np.testing.assert_allclose(ours * 2.0 ** derivative.exponent(t), exact, rtol=0, atol=near)


@every_case
@given(seed=seeds, d_h=small, t=st.integers(0, 4))
@settings(deadline=None, max_examples=20)
def test_every_block_is_that_of_the_complex_step_jacobian(case: Case, seed: int, d_h: int, t: int) -> None:
    check_jacobians(only_layer(case, 2, d_h), case, seed, t)


@given(seed=seeds, d_h=st.integers(3, 6), d_p=st.integers(1, 2), t=st.integers(0, 4))
@settings(deadline=None, max_examples=20)
def test_the_blocks_of_a_projected_lstm_have_the_widths_of_its_states(seed: int, d_h: int, d_p: int, t: int) -> None:
    layer = Network(2, d_h, cell=CELLS["lstm"], d_p=d_p).stack[0][0]
    check_jacobians(layer, Case(CELLS["lstm"], references.lstm_step), seed, t)


@every_case
@given(seed=seeds, d_h=small)
@settings(deadline=None, max_examples=10)
def test_what_is_pulled_back_pairs_with_what_is_pushed_forward(case: Case, seed: int, d_h: int) -> None:
    # ⟨u, Jv⟩ = ⟨Jᵀu, v⟩, with Jv from a complex step of the plain equations along v.
    layer = only_layer(case, 2, d_h)
    arrays = layer_arrays(layer, case, seed)
    derivative, engine, x = linearized(layer, arrays, seed, 3)
    before = {name: state[2] for name, state in engine.run(x, first_state(layer, seed)).previous.items()}
    rng = np.random.default_rng([seed, 3])
    u, v = ({name: rng.standard_normal(d_h) for name in layer.state} for _ in range(2))
    moved = case.step(arrays, x[2], {name: before[name] + 1e-100j * v[name] for name in layer.state})
    terms = [u[name] * (moved[name].imag / 1e-100) for name in layer.state]
    pulled = derivative.pull(2, {name: row[None] for name, row in u.items()})
    back = [rows[0] * v[name] * 2.0 ** derivative.exponent(2) for name, rows in pulled.items()]
    # A sum of n terms, whose rounding is relative to their sizes.
    scale = sum(np.abs(term).sum() for term in (*terms, *back))
    assert sum(map(np.sum, back)) == pytest.approx(sum(map(np.sum, terms)), rel=1e-12, abs=1e-12 * scale)


@every_case
def test_many_rows_at_once_are_taken_as_a_few_are(case: Case) -> None:
    layer = only_layer(case, 2, 5)
    derivative, _, _ = linearized(layer, layer_arrays(layer, case, 6), 6, 3)
    rng = np.random.default_rng(6)
    blocks = {name: rng.standard_normal((100, 5)) for name in layer.state}
    for step in (derivative.pull, derivative.push):
        together = step(2, blocks)
        few = [
            step(2, {name: rows[start : start + 10] for name, rows in blocks.items()}) for start in range(0, 100, 10)
        ]
        for name, rows in together.items():
            apart = np.concatenate([part[name] for part in few])
            np.testing.assert_allclose(rows, apart, rtol=1e-12, atol=1e-12 * np.abs(apart).max())


@every_case
@given(seed=seeds, d_h=small)
@settings(deadline=None, max_examples=10)
def test_the_derivative_of_a_block_of_cotangents_is_linear(case: Case, seed: int, d_h: int) -> None:
    layer = only_layer(case, 2, d_h)
    derivative, _, _ = linearized(layer, layer_arrays(layer, case, seed, 0.8), seed, 3)
    rng = np.random.default_rng(seed)
    blocks = {name: rng.standard_normal((3, d_h)) for name in layer.state}
    together = derivative.pull(2, blocks)
    apart = [derivative.pull(2, {name: block}) for name, block in blocks.items()]
    for name in layer.state:
        total = sum((part[name] for part in apart if name in part), np.zeros((3, d_h)))
        np.testing.assert_allclose(together.get(name, np.zeros((3, d_h))), total, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_central_differences_agree_with_the_derivative(activation: str) -> None:
    layer = Network(2, 4, activation=activation).stack[0][0]
    arrays = layer_arrays(layer, CASES[0], 3, 1.0)
    x, h0 = sequence(3, 1, 2), np.array([0.3, -0.4, 0.1, 0.8])
    engine = Engine(layer, Weights(arrays))
    J = Linearization(engine, engine.run(x, {"h": h0})).pull(0, {"h": np.eye(4)})["h"]
    step = 1e-6
    for unit, e in enumerate(np.eye(4)):
        up, down = (references.rnn_states(arrays, x, h0 + sign * step * e, activation)[0] for sign in (1, -1))
        # Central differences: step² truncation and u/step rounding, both about 1e−10.
        np.testing.assert_allclose(J[:, unit], (up - down) / (2 * step), atol=1e-9)


def test_an_lstm_that_keeps_all_and_lets_nothing_in_has_the_identity_as_its_cc_block() -> None:
    layer = Network(1, 3, cell=CELLS["lstm"]).stack[0][0]
    engine = Engine(layer, forced(layer, i=-1000.0, f=1000.0, g=0.3))
    values = engine.run(np.ones((5, 1)), {"h": np.full(3, 0.2), "c": np.array([0.1, -7.3, 3.0])})
    derivative = Linearization(engine, values)
    for t in range(5):
        pulled = derivative.pull(t, {"c": np.eye(3)})
        np.testing.assert_array_equal(pulled["c"], np.eye(3))
        np.testing.assert_array_equal(pulled["h"], np.zeros((3, 3)))


@pytest.mark.parametrize(("name", "gate", "a"), [("gru", "z", 1000.0), ("gru-reset-before", "z", 1000.0)])
def test_a_gru_whose_update_gate_is_one_has_the_identity_as_its_jacobian(name: str, gate: str, a: float) -> None:
    layer = Network(1, 3, cell=CELLS[name]).stack[0][0]
    weights = forced(layer, **{gate: a})
    weights.arrays["W_hn"] += 0.7
    engine = Engine(layer, weights)
    derivative = Linearization(engine, engine.run(np.ones((4, 1)), {"h": np.array([0.1, -0.4, 0.9])}))
    np.testing.assert_array_equal(derivative.pull(3, {"h": np.eye(3)})["h"], np.eye(3))


def test_a_state_that_goes_around_its_function_keeps_its_derivative_however_the_function_saturates() -> None:
    # h_t = h_{t−1} + tanh(z_t): the derivative is the identity and next to nothing beside it.
    z = Equation("z", Affine("h"), "gate", "")
    h = Equation("h", H_PREV + Apply("tanh", z.vector), "state", "")
    layer = Network(1, 2, cell=Cell("residual", ("h",), (z, h), "")).stack[0][0]
    arrays = {"W_xh": np.ones((2, 1)), "W_hh": np.eye(2), "b_h": np.zeros(2)}
    engine = Engine(layer, Weights(arrays))
    derivative = Linearization(engine, engine.run(np.full((3, 1), 1000.0), {"h": np.zeros(2)}))
    np.testing.assert_array_equal(derivative.pull(2, {"h": np.eye(2)})["h"], np.eye(2))
    assert derivative.exponent(2) == 0


@pytest.mark.parametrize(("name", "recurrent"), [("rnn", "W_hh"), ("indrnn", "u_h")])
def test_a_step_that_saturates_beyond_float64_keeps_its_derivative_as_an_exponent(name: str, recurrent: str) -> None:
    # tanh′(1000) = 4·e^−2000 = 2^−2883.4…, which float64 alone would call 0.
    layer = Network(1, 1, cell=CELLS[name]).stack[0][0]
    arrays = {"W_xh": np.ones((1, 1)), "b_h": np.zeros(1), recurrent: np.full((1, 1), 2.0)[0 if name != "rnn" else ()]}
    engine = Engine(layer, Weights(arrays))
    derivative = Linearization(engine, engine.run(np.array([[1000.0]]), {"h": np.zeros(1)}))
    log2 = np.log2(derivative.pull(0, {"h": np.eye(1)})["h"][0, 0]) + derivative.exponent(0)
    # log₂(2·4·e^−2000); the logarithm is of a number with a few u of error.
    assert log2 == pytest.approx(3 - 2000 / np.log(2), abs=1e-12 * 2886)
