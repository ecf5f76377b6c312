"""Gradients against complex steps through plain NumPy: no part of the package computes the oracle."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS
from rnn_calc.core.errors import DataError, NonFiniteError
from rnn_calc.core.gradients import Gradients, backpropagate
from rnn_calc.core.lag_shares import lag_gradients, longest_path
from rnn_calc.core.losses import Loss
from rnn_calc.core.network import Network
from rnn_calc.core.trace import trace
from rnn_calc.core.weights import Weights
from tests.core.drawing import random_weights, sequence
from tests.core.random_networks import written_networks
from tests.references import Array, Numbers, network_outputs

seeds = st.integers(0, 10**6)
STEP = 1e-100


def plain_loss(outputs: Numbers, kind: str, targets: Array | None) -> Numbers:
    match kind:
        case "last":
            return np.asarray(outputs[-1].sum())
        case "sum":
            return np.asarray(outputs.sum())
        case "mse":
            return np.asarray(((outputs - targets) ** 2).mean())
        case _:
            assert targets is not None
            chosen = outputs[np.arange(len(outputs)), targets.astype(int)]
            return np.asarray((np.log(np.exp(outputs).sum(axis=1)) - chosen).mean())


def drawn_loss(kind: str, outputs: Array, seed: int) -> tuple[Loss, Array | None]:
    rng = np.random.default_rng([seed, 9])
    if kind == "mse":
        targets = rng.standard_normal(outputs.shape)
        return Loss(kind, targets), targets
    if kind == "cross-entropy":
        classes = rng.integers(0, outputs.shape[1], len(outputs))
        return Loss(kind, classes), classes.astype(np.float64)
    return Loss(kind), None


@given(drawn=written_networks(largest=5), T=st.integers(1, 8), seed=seeds, data=st.data())
@settings(deadline=None, max_examples=150)
def test_every_gradient_along_a_direction_is_that_of_a_complex_step(
    drawn: tuple[Network, object], T: int, seed: int, data: st.DataObject
) -> None:
    network, rng = drawn[0], np.random.default_rng(seed)
    weights = random_weights(network, seed)
    x = rng.integers(0, network.vocab, T) if network.vocab else sequence(seed, T, network.d_in)
    done = trace(network, weights, x)
    outputs = done.h if done.y is None else done.y
    kinds = ("last", "sum", "mse", "cross-entropy") if outputs.shape[1] > 1 else ("last", "sum", "mse")
    kind = data.draw(st.sampled_from(kinds))
    loss, targets = drawn_loss(kind, outputs, seed)
    found = backpropagate(done, loss)

    def moved(arrays: Mapping[str, Numbers], inputs: Numbers) -> float:
        read = arrays["E"][x] if network.vocab and inputs is done.x else inputs
        return float(plain_loss(network_outputs(network, arrays, read), kind, targets).imag / STEP)

    scale = sum(float(np.abs(part.left).sum()) for parts in found.occurrences.values() for part in parts) + 1.0
    for name, gradient in found.parameters.items():
        assert gradient.shape == weights[name].shape
        direction = rng.standard_normal(gradient.shape)
        exact = moved({**weights.arrays, name: weights[name] + 1j * STEP * direction}, done.x)
        # A sum of many products, whose rounding is relative to their sizes and not to what is left of them.
        assert float(np.vdot(gradient, direction)) == pytest.approx(exact, rel=1e-10, abs=1e-12 * scale)
    direction = rng.standard_normal(done.x.shape)
    exact = moved(weights.arrays, done.x + 1j * STEP * direction)
    assert float(np.vdot(found.x, direction)) == pytest.approx(exact, rel=1e-10, abs=1e-12 * scale)
    assert found.loss == pytest.approx(
        float(plain_loss(network_outputs(network, weights.arrays, done.x), kind, targets))
    )
    check_shares(found)


def check_shares(found: Gradients) -> None:
    T = found.trace.steps
    for name, gradient in found.parameters.items():
        steps = [found.step_gradient(name, t) for t in range(1, T + 1)]
        size = max(float(np.abs(step).max()) for step in steps)
        np.testing.assert_allclose(sum(steps), gradient, rtol=1e-12, atol=1e-13 * T * size)
        norms = [float(np.linalg.norm(step)) for step in steps]
        np.testing.assert_allclose(10 ** found.step_log10_norms(name), norms, rtol=1e-7, atol=1e-7 * max(norms))
        if size and np.linalg.norm(gradient) > 1e-6 * size:
            shares = found.step_shares(name)
            assert shares.sum() == pytest.approx(1, abs=1e-6)
            square = float(np.vdot(gradient, gradient))
            expected = [float(np.vdot(step, gradient)) / square for step in steps]
            np.testing.assert_allclose(shares, expected, rtol=1e-8, atol=1e-8 * max(map(abs, expected)))


def tutorial() -> tuple[Network, Weights, Array]:
    network = Network(1, 2, 1)
    arrays = {
        "W_xh": np.array([[0.2], [0.3]]),
        "W_hh": np.array([[0.5, 0.1], [0.1, 0.5]]),
        "b_h": np.zeros(2),
        "W_hy": np.ones((1, 2)),
        "b_y": np.zeros(1),
    }
    return network, Weights(arrays), np.array([[1.0], [2.0]])


def test_the_tutorials_paths_are_the_shares_of_its_two_steps() -> None:
    found = backpropagate(trace(*tutorial()), Loss("last"))
    # Tutorial 003, example 2, recomputed: through h_1, directly at t = 2, and the sum.
    assert round(float(found.step_gradient("W_xh", 1)[0, 0]), 6) == 0.424307
    assert round(float(found.step_gradient("W_xh", 2)[0, 0]), 6) == 1.532045
    assert round(float(found.parameters["W_xh"][0, 0]), 6) == 1.956352


@pytest.mark.parametrize("cell", CELLS)
def test_a_loss_without_a_gradient_gives_exact_zeros(cell: str) -> None:
    network = Network(2, 3, 2, cell=CELLS[cell], layers=2)
    done = trace(network, random_weights(network, 1), sequence(1, 6, 2))
    assert done.y is not None
    found = backpropagate(done, Loss("mse", done.y))
    for gradient in found.parameters.values():
        np.testing.assert_array_equal(gradient, np.zeros_like(gradient))
    np.testing.assert_array_equal(found.x, np.zeros_like(found.x))


def test_a_gradient_far_below_float64_keeps_its_logarithm() -> None:
    # h_t = w·h_{t−1} with w = 10⁻³ and the loss h_T: ∂L/∂h_t = w^(T−t), down to 10⁻¹⁵⁰⁰.
    network = Network(1, 1, activation="identity")
    weights = Weights({"W_xh": np.zeros((1, 1)), "W_hh": np.array([[1e-3]]), "b_h": np.zeros(1)})
    done = trace(network, weights, np.zeros((501, 1)), {"h": np.ones(1)})
    state = backpropagate(done, Loss("last")).layers[0].states["h"]
    np.testing.assert_allclose(state.log10_norms, -3.0 * np.arange(500, -1, -1), rtol=0, atol=1e-10)
    assert (state.plain[:390] == 0).all()
    assert state.plain[-2] == 1e-3


def test_a_gradient_beyond_float64_has_a_logarithm_and_no_array() -> None:
    network = Network(1, 1, activation="identity")
    weights = Weights({"W_xh": np.ones((1, 1)), "W_hh": np.array([[10.0]]), "b_h": np.zeros(1)})
    x = np.zeros((401, 1))
    found = backpropagate(trace(network, weights, x), Loss("last"))
    # b_h adds up Σ 10^k for k = 0 … 400.
    assert found.gradients["b_h"].log10_norm == pytest.approx(400 + np.log10(10 / 9), abs=1e-10)
    with pytest.raises(NonFiniteError, match=r"b_h leaves float64: its norm is 10\^400"):
        _ = found.parameters


def test_steps_that_saturate_beyond_float64_keep_their_gradient() -> None:
    # tanh′(1000) = 4·e^−2000, then tanh′(0.5) on the way to the loss.
    network = Network(1, 1)
    weights = Weights({"W_xh": np.ones((1, 1)), "W_hh": np.ones((1, 1)), "b_h": np.zeros(1)})
    done = trace(network, weights, np.array([[0.0], [1000.0], [-0.5]]))
    state = backpropagate(done, Loss("last")).layers[0].states["h"]
    last = np.log10(1 - np.tanh(0.5) ** 2)
    np.testing.assert_allclose(state.log10_norms, [last + np.log10(4) - 2000 / np.log(10), last, 0], atol=1e-10)


def test_a_batch_is_refused() -> None:
    network = Network(2, 3)
    with pytest.raises(DataError, match="one sequence"):
        backpropagate(trace(network, random_weights(network, 0), np.zeros((4, 2, 2))), Loss("last"))


@given(drawn=written_networks(largest=4), T=st.integers(1, 7), seed=seeds, kind=st.sampled_from(("last", "sum", "mse")))
@settings(deadline=None, max_examples=80)
def test_the_paths_of_all_lengths_add_up_to_the_gradient(
    drawn: tuple[Network, object], T: int, seed: int, kind: str
) -> None:
    network, rng = drawn[0], np.random.default_rng(seed)
    weights = random_weights(network, seed)
    done = trace(
        network, weights, rng.integers(0, network.vocab, T) if network.vocab else sequence(seed, T, network.d_in)
    )
    loss, _ = drawn_loss(kind, done.h if done.y is None else done.y, seed)
    whole, lags = backpropagate(done, loss), list(lag_gradients(done, loss))
    assert [found.lag for found in lags] == list(range(len(lags)))
    assert len(lags) <= longest_path(done) + 1
    for name, gradient in whole.parameters.items():
        parts = [found.gradients[name].array for found in lags]
        size = max(float(np.abs(part).max()) for part in parts)
        np.testing.assert_allclose(sum(parts), gradient, rtol=1e-11, atol=1e-12 * len(parts) * size)


@pytest.mark.parametrize("cell", CELLS)
def test_with_one_loss_in_the_end_a_lag_is_a_step_before_it(cell: str) -> None:
    network = Network(2, 3, 2, cell=CELLS[cell], layers=2)
    done = trace(network, random_weights(network, 4), sequence(4, 9, 2))
    whole = backpropagate(done, Loss("last"))
    for found in lag_gradients(done, Loss("last")):
        for name, gradient in found.gradients.items():
            step = whole.step_gradient(name, done.steps - found.lag)
            np.testing.assert_allclose(gradient.array, step, rtol=1e-11, atol=1e-14)


def test_truncation_is_what_autograd_gives_for_a_graph_that_is_cut() -> None:
    # Cut by hand: of the loss of each step t, only occurrences at steps t − k … t count.
    network = Network(2, 4, 3)
    weights, x, T, k = random_weights(network, 2), sequence(2, 8, 2), 8, 3
    done = trace(network, weights, x)
    assert done.y is not None
    _, targets = drawn_loss("mse", done.y, 2)
    kept = [found.gradients["W_hh"].array for found in lag_gradients(done, Loss("mse", targets))][: k + 1]
    direction = np.random.default_rng(5).standard_normal((4, 4))
    exact = 0.0
    for t in range(1, T + 1):
        h: Numbers = done.layers[0].values.previous["h"][max(0, t - 1 - k)]
        for s in range(max(0, t - 1 - k), t):
            h = np.tanh(weights["W_xh"] @ x[s] + (weights["W_hh"] + 1j * STEP * direction) @ h + weights["b_h"])
        y = weights["W_hy"] @ h + weights["b_y"]
        exact += float((((y - targets[t - 1]) ** 2).sum() / targets.size).imag / STEP) if targets is not None else 0.0
    assert float(np.vdot(sum(kept), direction)) == pytest.approx(exact, rel=1e-11)


def test_lags_far_below_float64_keep_their_size() -> None:
    network = Network(1, 1, activation="identity")
    weights = Weights({"W_xh": np.zeros((1, 1)), "W_hh": np.array([[1e-3]]), "b_h": np.zeros(1)})
    done = trace(network, weights, np.zeros((501, 1)), {"h": np.ones(1)})
    norms = [found.gradients["b_h"].log10_norm for found in lag_gradients(done, Loss("last"))]
    np.testing.assert_allclose(norms, -3.0 * np.arange(501), rtol=0, atol=1e-10)
