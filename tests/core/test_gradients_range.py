"""Gradients whose parts leave float64, against mpmath: saturated steps, products of small numbers, far scales."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from rnn_calc.core import backward
from rnn_calc.core.cells import CELLS
from rnn_calc.core.engine import Engine
from rnn_calc.core.gradients import Gradients, backpropagate
from rnn_calc.core.lag_shares import lag_gradients
from rnn_calc.core.losses import Loss
from rnn_calc.core.network import Network
from rnn_calc.core.stored_gradients import lag_shares
from rnn_calc.core.trace import trace
from rnn_calc.core.weights import Weights
from tests.core.drawing import random_weights
from tests.references import Array

# Slopes of tanh hold to some ulp, and their arguments of up to 1,000 to as many ulp.
TOLERANCE = 1e-11


def slope(a: Any) -> Any:
    return 1 / mp.cosh(a) ** 2


FUNCTIONS = {
    "tanh": (mp.tanh, slope),
    "relu": (lambda a: max(a, mp.mpf(0)), lambda a: mp.mpf(a > 0)),
    "identity": (lambda a: a, lambda _: mp.mpf(1)),
}


class Exact:
    """What every step adds to the gradients of a layer, in high precision; `own` is ∂L_t/∂h_t, or that of Σ h_T."""

    def __init__(self, arrays: dict[str, Array], x: Array, own: Array | None = None, activation: str = "tanh") -> None:
        function, slope_of = FUNCTIONS[activation]
        W_xh, W_hh = (mp.matrix(arrays[name].tolist()) for name in ("W_xh", "W_hh"))
        b_h = mp.matrix(arrays["b_h"].tolist())
        states, slopes = [mp.zeros(len(b_h), 1)], []
        for x_t in x.tolist():
            a = W_xh * mp.matrix(x_t) + W_hh * states[-1] + b_h
            states.append(a.apply(function))
            slopes.append(a.apply(slope_of))
        delta = mp.zeros(len(b_h), 1)
        self.steps: list[dict[str, Any]] = []
        for t in reversed(range(len(x))):
            if own is not None:
                delta += mp.matrix(own[t].tolist())
            elif t == len(x) - 1:
                delta = mp.ones(len(b_h), 1)
            node = mp.matrix([d * s for d, s in zip(delta, slopes[t], strict=True)])
            added = {"W_xh": node * mp.matrix(x[t].tolist()).T, "W_hh": node * states[t].T, "b_h": node}
            self.steps.insert(0, added)
            delta = W_hh.T * node

    def log10_norms(self, name: str) -> list[float]:
        return [log10_norm(step[name]) for step in self.steps]

    def total(self, name: str) -> Any:
        first, *others = (step[name] for step in self.steps)
        return sum(others, first)


def log10_norm(matrix: Any) -> float:
    norm = mp.mnorm(matrix, "f")
    return float(mp.log10(norm)) if norm else float("-inf")


def found_of(network: Network, arrays: dict[str, Array], x: Array) -> Gradients:
    return backpropagate(trace(network, Weights(arrays), x), Loss("last"))


def check_against(found: Gradients, exact: Exact) -> None:
    lags = list(lag_gradients(found.trace, Loss("last")))
    shares = lag_shares(found)
    for name, gradient in found.gradients.items():
        total = log10_norm(exact.total(name))
        assert gradient.log10_norm == pytest.approx(total, abs=TOLERANCE)
        expected = exact.log10_norms(name)
        np.testing.assert_allclose(found.step_log10_norms(name), expected, rtol=0, atol=TOLERANCE)
        by_lag = [own.gradients[name].log10_norm for own in lags]
        np.testing.assert_allclose(by_lag, expected[::-1][: len(lags)], rtol=0, atol=TOLERANCE)
        if total > float("-inf"):
            assert found.step_shares(name).sum() == pytest.approx(1, abs=1e-12)
            assert shares[name].shares.sum() == pytest.approx(1, abs=1e-12)


@pytest.fixture(autouse=True)
def digits() -> Any:
    with mp.workdps(4000):
        yield


@pytest.mark.parametrize("T", [1, 2, 3])
def test_where_every_step_saturates_the_gradient_is_that_of_the_pre_activations(T: int) -> None:
    arrays = {"W_xh": np.array([[500.0], [450.0]]), "W_hh": np.array([[1.0, 0.5], [-0.5, 1.0]]), "b_h": np.zeros(2)}
    x = np.ones((T, 1))
    check_against(found_of(Network(1, 2), arrays, x), Exact(arrays, x))


@pytest.mark.parametrize("places", [(3,), (0, 7), (2, 3, 4)])
def test_steps_that_saturate_among_others_add_next_to_nothing(places: tuple[int, ...]) -> None:
    arrays = {"W_xh": np.array([[1.0, 0.2], [0.9, -0.3]]), "W_hh": np.array([[0.6, 0.2], [-0.1, 0.7]])}
    arrays["b_h"] = np.array([0.1, -0.2])
    x = np.random.default_rng(3).standard_normal((8, 2))
    x[list(places), 0] = 600
    check_against(found_of(Network(2, 2), arrays, x), Exact(arrays, x))


def test_a_saturated_top_layer_lets_as_little_through_to_the_layer_below() -> None:
    network = Network(1, 1, layers=2)
    arrays = {name: np.array([[w]]) for name, w in zip(("W_xh^(1)", "W_xh^(2)"), (0.5, 900.0), strict=True)}
    arrays |= {"W_hh^(1)": np.array([[0.3]]), "W_hh^(2)": np.array([[0.4]])}
    arrays |= {"b_h^(1)": np.zeros(1), "b_h^(2)": np.zeros(1)}
    found = found_of(network, arrays, np.ones((1, 1)))
    below = mp.mpf(0.5)
    top = slope(900 * mp.tanh(below))
    expected = {"W_xh^(2)": top * mp.tanh(below), "b_h^(2)": top, "b_h^(1)": top * 900 * slope(below)}
    (lag,) = lag_gradients(found.trace, Loss("last"))
    for name, exact in expected.items():
        # The argument of 415 is rounded, and its slope by that times as much.
        assert found.gradients[name].log10_norm == pytest.approx(float(mp.log10(exact)), abs=1e-11)
        assert lag.gradients[name].log10_norm == pytest.approx(float(mp.log10(exact)), abs=1e-11)


def test_an_independent_unit_that_saturates_has_the_gradient_of_its_own_recurrent_weight() -> None:
    network = Network(1, 1, cell=CELLS["indrnn"], activation="tanh")
    arrays = {"W_xh": np.array([[400.0]]), "u_h": np.array([0.5]), "b_h": np.zeros(1)}
    found = found_of(network, arrays, np.ones((2, 1)))
    # h_1 = 1 to all digits, so a_2 = 400.5.
    expected = float(mp.log10(slope(mp.mpf(400.5))))
    assert found.gradients["u_h"].log10_norm == pytest.approx(expected, abs=1e-11)


def test_a_product_of_a_small_cotangent_and_a_small_state_is_not_zero() -> None:
    # h_t = 2^−(t−1) and ∂y_T/∂h_t = 2^−(T−t+600): every step but the first adds 2^−(T+598).
    arrays = {"W_xh": np.ones((1, 1)), "W_hh": np.array([[0.5]]), "b_h": np.zeros(1)}
    arrays |= {"W_hy": np.full((1, 1), 2.0**-600), "b_y": np.zeros(1)}
    T = 1060
    x = np.zeros((T, 1))
    x[0] = 1
    found = found_of(Network(1, 1, 1, activation="identity"), arrays, x)
    norms = found.step_log10_norms("W_hh")
    np.testing.assert_allclose(norms[1:], -(T + 598) * np.log10(2), rtol=0, atol=TOLERANCE)
    assert found.gradients["W_hh"].log10_norm == pytest.approx(np.log10(T - 1) - (T + 598) * np.log10(2), abs=TOLERANCE)
    np.testing.assert_allclose(found.step_shares("W_hh")[1:], 1 / (T - 1), rtol=1e-12)
    shares = lag_shares(found)["W_hh"]
    np.testing.assert_allclose(shares.shares[: T - 1], 1 / (T - 1), rtol=1e-12)


@pytest.mark.parametrize(("size", "weight"), [(1e-200, 1e-200), (1e200, 1e160)])
def test_inputs_and_readouts_of_extreme_size_leave_the_gradient_its_logarithm(size: float, weight: float) -> None:
    network = Network(1, 1, 1, activation="identity")
    arrays = {"W_xh": np.array([[1e-300]]), "W_hh": np.array([[0.5]]), "b_h": np.zeros(1)}
    arrays |= {"W_hy": np.array([[weight]]), "b_y": np.zeros(1)}
    found = found_of(network, arrays, np.full((3, 1), size))
    expected = np.log10(1.75) + np.log10(size) + np.log10(weight)
    assert found.gradients["W_xh"].log10_norm == pytest.approx(expected, abs=TOLERANCE)
    np.testing.assert_allclose(found.step_shares("W_xh"), np.array([1, 2, 4]) / 7, rtol=1e-14)
    norms = [own.gradients["W_xh"].log10_norm for own in lag_gradients(found.trace, Loss("last"))]
    np.testing.assert_allclose(np.diff(norms), -np.log10(2), atol=TOLERANCE)
    np.testing.assert_allclose(lag_shares(found)["W_xh"].shares, np.array([4, 2, 1]) / 7, rtol=1e-14)


def test_a_direction_that_nothing_comes_through_leaves_the_other_its_tiny_gradients() -> None:
    # The loss is at T, which the backward direction reads first: at all other steps its gradient is exactly 0.
    network = Network(1, 1, bidirectional=True, vocab=2, layers=2, activation="identity")
    found = backpropagate(trace(network, random_weights(network, 2), np.zeros(400, dtype=int)), Loss("last"))
    network = Network(1, 1, bidirectional=True, vocab=2, activation="identity")
    arrays = {name: np.full_like(random_weights(network, 1)[name], 0.01) for name in random_weights(network, 1).arrays}
    found = backpropagate(trace(network, Weights(arrays), np.zeros(400, dtype=int)), Loss("last"))
    # ∂h→_T/∂h→_t = 0.01^(T−t), and E is 0.01 before that.
    expected = -2.0 * np.arange(400, 0, -1)
    np.testing.assert_allclose(found.step_log10_norms("E")[:-1], expected[:-1], rtol=0, atol=TOLERANCE)
    assert all(before < after for before, after in pairwise(found.step_log10_norms("E")))


def test_a_tied_readout_that_loses_nothing_before_the_end_leaves_the_embeddings_tiny_steps() -> None:
    network = Network(1, 1, 1, vocab=1, tied=True, activation="identity")
    arrays = {"E": np.ones((1, 1)), "W_xh": np.ones((1, 1)), "W_hh": np.array([[0.01]]), "b_h": np.zeros(1)}
    arrays["b_y"] = np.zeros(1)
    found = backpropagate(trace(network, Weights(arrays), np.zeros(400, dtype=int)), Loss("last"))
    np.testing.assert_allclose(found.step_log10_norms("E")[:-1], -2.0 * np.arange(399, 0, -1), rtol=0, atol=TOLERANCE)


def test_a_step_whose_loss_is_far_below_that_of_another_keeps_its_pre_activations_however_saturated() -> None:
    arrays = {"W_xh": np.ones((1, 1)), "W_hh": np.zeros((1, 1)), "b_h": np.zeros(1)}
    done = trace(Network(1, 1), Weights(arrays), np.array([[0.1], [250.0], [0.3]]))
    found = backpropagate(done, Loss("mse", [1e150, 2.0, 1.0], "sum"))
    expected = np.log10(2) + float(mp.log10(slope(250)))
    assert found.step_log10_norms("b_h")[1] == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize("seed", range(3))
def test_losses_of_very_different_sizes_keep_what_each_step_adds(
    activation: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backward, "_MOST_STEPS", (2, 5, 1024)[seed % 3])
    rng = np.random.default_rng(seed)
    arrays = {"W_xh": rng.standard_normal((2, 2)), "W_hh": rng.standard_normal((2, 2)), "b_h": np.zeros(2)}
    arrays["W_hh"] *= 1 if activation == "tanh" else 1e-20
    x = rng.standard_normal((24, 2)) * (1000 if activation == "tanh" else 1) ** rng.integers(0, 2, (24, 1))
    done = trace(Network(2, 2, activation=activation), Weights(arrays), x)
    targets = rng.standard_normal((24, 2)) * 10.0 ** rng.choice([0, -150, 150], (24, 1))
    loss = Loss("mse", np.where(rng.random((24, 1)) < 0.5, targets, np.nan), "sum")
    found = backpropagate(done, loss)
    with mp.workdps(1200):
        exact = Exact(arrays, x, loss.gradient(done.h), activation)
    # Digits of a saturated slope are those of its argument, of some hundred; arguments are rounded sums.
    for name in found.gradients:
        np.testing.assert_allclose(found.step_log10_norms(name), exact.log10_norms(name), rtol=1e-12, atol=1e-9)


def test_a_block_of_steps_stays_whole_where_a_relu_lets_nothing_through() -> None:
    network, T = Network(1, 1, activation="relu"), 200
    arrays = {"W_xh": np.ones((1, 1)), "W_hh": np.full((1, 1), 0.5), "b_h": np.zeros(1)}
    x = np.where(np.arange(T)[:, None] % 3, 1.0, -5.0)
    run = trace(network, Weights(arrays), x).layers[0]
    ones = backward.Scaled(np.ones((T, 1)), np.zeros(T, dtype=np.int64))
    (block,) = backward.Backward(Engine(run.layer, Weights(arrays)), run.values, ones.__getitem__).blocks()
    # Steps 197 to 200, of which 199 is dead: half of what is there comes back from the others.
    np.testing.assert_array_equal(block.states["h"][-4:, 0], [1.5, 1, 1.5, 1])
