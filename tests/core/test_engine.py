from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import Cell
from rnn_calc.core.engine import Engine
from rnn_calc.core.equations import ACTIVATIONS, H_PREV, Affine, Apply, Equation
from rnn_calc.core.evaluation import Values
from rnn_calc.core.linearization import Linearization
from rnn_calc.core.network import Network
from rnn_calc.core.weights import Weights
from tests import references
from tests.core.cells import CASES, Case
from tests.core.drawing import random_arrays, sequence
from tests.references import Array, complex_step_jacobian

every_case = pytest.mark.parametrize("case", CASES, ids=[case.cell.name for case in CASES])
every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)
small = st.integers(1, 6)
seeds = st.integers(0, 10**6)


def set_up(case: Case, seed: int, d_in: int, d_h: int, d_out: int = 0) -> tuple[Network, dict[str, Array]]:
    network = Network(d_in, d_h, d_out, cell=case.cell)
    return network, case.with_constants(random_arrays(network, seed, 1.5))


def first_state(case: Case, seed: int, *shape: int) -> dict[str, Array]:
    rng = np.random.default_rng([seed, 2])
    return {name: rng.uniform(-1, 1, shape) for name in case.cell.state}


@every_case
@given(seed=seeds, d_in=small, d_h=small, T=st.integers(1, 12))
@settings(deadline=None, max_examples=20)
def test_every_cell_steps_as_its_equations_in_plain_numpy(case: Case, seed: int, d_in: int, d_h: int, T: int) -> None:
    network, arrays = set_up(case, seed, d_in, d_h)
    x, initial = sequence(seed, T, d_in), first_state(case, seed, d_h)
    values = Engine(network, Weights(arrays)).run(x, initial)
    expected = references.run(case.step, arrays, x, initial)
    for name, states in expected.items():
        # Rounding grows with the weights over 12 steps at most: 1e−12 leaves four digits of room.
        np.testing.assert_allclose(values.now[name], states, atol=1e-12)
        np.testing.assert_array_equal(values.previous[name], [initial[name], *values.now[name][:-1]])


@every_case
@given(seed=seeds, d_in=small, d_h=small, B=st.integers(1, 4))
@settings(deadline=None, max_examples=10)
def test_a_row_of_a_batch_is_the_single_run(case: Case, seed: int, d_in: int, d_h: int, B: int) -> None:
    network, arrays = set_up(case, seed, d_in, d_h, 2)
    engine = Engine(network, Weights(arrays))
    x, initial = sequence(seed, 7, B, d_in), first_state(case, seed, B, d_h)
    together = engine.run(x, initial)
    for b in range(B):
        alone = engine.run(x[:, b], {name: state[b] for name, state in initial.items()})
        for name, value in alone.now.items():
            # BLAS may round a row of a matrix product otherwise than a vector's: a few u a step.
            np.testing.assert_allclose(together.now[name][:, b], value, atol=1e-12)


@every_case
@pytest.mark.parametrize("T", [511, 513, 1100])
def test_a_run_over_several_blocks_of_memory_is_one_run(case: Case, T: int) -> None:
    network = Network(3, 4, 2, cell=case.cell)
    arrays = case.with_constants(random_arrays(network, 0, 0.7))
    x, initial = sequence(0, T, 3), first_state(case, 0, 4)
    states = references.run(case.step, arrays, x, initial)
    values = Engine(network, Weights(arrays)).run(x, initial)
    for name in case.cell.state:
        # Weights of scale 0.7 contract, so rounding does not build up.
        np.testing.assert_allclose(values.now[name], states[name], atol=1e-12)
    np.testing.assert_allclose(values.now["y"], states["h"] @ arrays["W_hy"].T + arrays["b_y"], atol=1e-12)


def rows_of(case: Case, network: Network, arrays: dict[str, Array], values: Values, t: int) -> None:
    derivative = Linearization(Engine(network, Weights(arrays)), values)
    state = {name: values.previous[name][t] for name in case.cell.state}
    for of in case.cell.state:
        pulled = derivative.pull(t, {of: np.eye(network.d_h)})
        for by in case.cell.state:
            exact = complex_step_jacobian(case.step, arrays, values.now["x"][t], state, of, by)
            ours = pulled.get(by, np.zeros_like(exact))
            # Entries are sums of a few products; relative to the largest, rounding is some n·u.
            np.testing.assert_allclose(ours, exact, atol=1e-12 * max(1.0, np.abs(exact).max()))


@every_case
@given(seed=seeds, d_in=small, d_h=small, t=st.integers(0, 4))
@settings(deadline=None, max_examples=20)
def test_the_transposed_derivative_is_the_complex_step_jacobian(
    case: Case, seed: int, d_in: int, d_h: int, t: int
) -> None:
    network, arrays = set_up(case, seed, d_in, d_h)
    values = Engine(network, Weights(arrays)).run(sequence(seed, 5, d_in), first_state(case, seed, d_h))
    rows_of(case, network, arrays, values, t)


@every_case
@given(seed=seeds, d_h=small)
@settings(deadline=None, max_examples=10)
def test_the_derivative_of_a_block_of_cotangents_is_linear(case: Case, seed: int, d_h: int) -> None:
    network, arrays = set_up(case, seed, 2, d_h)
    values = Engine(network, Weights(arrays)).run(sequence(seed, 3, 2), first_state(case, seed, d_h))
    derivative = Linearization(Engine(network, Weights(arrays)), values)
    rng = np.random.default_rng(seed)
    blocks = {name: rng.standard_normal((3, d_h)) for name in case.cell.state}
    together = derivative.pull(2, blocks)
    apart = [derivative.pull(2, {name: block}) for name, block in blocks.items()]
    for name in case.cell.state:
        total = sum((part[name] for part in apart if name in part), np.zeros((3, d_h)))
        np.testing.assert_allclose(together.get(name, np.zeros((3, d_h))), total, atol=1e-12)


@every_activation
def test_central_differences_agree_with_the_derivative(activation: str) -> None:
    network = Network(2, 4, activation=activation)
    arrays = random_arrays(network, 3)
    x, h0 = sequence(3, 1, 2), np.array([0.3, -0.4, 0.1, 0.8])
    engine = Engine(network, Weights(arrays))
    J = Linearization(engine, engine.run(x, {"h": h0})).pull(0, {"h": np.eye(4)})["h"]
    step = 1e-6
    for unit, e in enumerate(np.eye(4)):
        up, down = (references.rnn_states(arrays, x, h0 + sign * step * e, activation)[0] for sign in (1, -1))
        # Central differences: step² truncation and u/step rounding, both about 1e−10.
        np.testing.assert_allclose(J[:, unit], (up - down) / (2 * step), atol=1e-9)


@given(seed=seeds, T=st.integers(1, 9), cut=st.integers(0, 9))
@settings(deadline=None, max_examples=8)
def test_a_matrix_beyond_the_cache_steps_like_a_small_one(seed: int, T: int, cut: int) -> None:
    # 520² × 8 bytes are more than the engine multiplies in one piece.
    network = Network(2, 520)
    arrays = random_arrays(network, seed)
    engine = Engine(network, Weights(arrays))
    x, h0 = sequence(seed, T, 2), np.zeros(520)
    whole = engine.run(x, {"h": h0}).now["h"]
    # Inner products of 520 terms over 9 steps: some 520·u.
    np.testing.assert_allclose(whole, references.rnn_states(arrays, x, h0), atol=1e-12)
    if cut < T:
        state = {"h": whole[cut - 1].copy() if cut else h0}
        np.testing.assert_array_equal(engine.run(x[cut:], state).now["h"], whole[cut:])


def test_a_saturated_sigmoid_warns_of_nothing() -> None:
    np.testing.assert_array_equal(
        Engine(
            Network(1, 1, activation="sigmoid"),
            Weights(
                {
                    "W_xh": np.ones((1, 1)),
                    "W_hh": np.ones((1, 1)),
                    "b_h": np.zeros(1),
                }
            ),
        )
        .run(np.array([[-1000.0], [1000.0]]), {"h": np.zeros(1)})
        .now["h"],
        [[0.0], [1.0]],
    )


def test_a_state_that_goes_around_its_function_keeps_its_derivative_however_the_function_saturates() -> None:
    # h_t = h_{t−1} + tanh(z_t): the derivative is the identity and next to nothing beside it.
    z = Equation("z", Affine("h"), "gate", "")
    h = Equation("h", H_PREV + Apply("tanh", z.vector), "state", "")
    network = Network(1, 2, cell=Cell("residual", ("h",), (z, h), ""))
    arrays = {"W_xh": np.ones((2, 1)), "W_hh": np.eye(2), "b_h": np.zeros(2)}
    engine = Engine(network, Weights(arrays))
    derivative = Linearization(engine, engine.run(np.full((3, 1), 1000.0), {"h": np.zeros(2)}))
    np.testing.assert_array_equal(derivative.pull(2, {"h": np.eye(2)})["h"], np.eye(2))
    assert derivative.exponent(2) == 0
