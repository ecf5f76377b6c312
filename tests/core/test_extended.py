from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core import memory
from rnn_calc.core.decay import gradient_decay
from rnn_calc.core.errors import TooLargeError
from rnn_calc.core.network import Network
from rnn_calc.core.trace import trace
from rnn_calc.core.weights import Weights
from tests.core.drawing import plain_trace
from tests.references import Array, mp_log10_norms, mp_rnn_pre_activations, mp_tanh_slope


def check(W_hh: Array, b_h: Array, steps: int) -> None:
    n = len(b_h)
    weights = {"W_xh": np.zeros((n, 1)), "W_hh": W_hh, "b_h": b_h}
    report = gradient_decay(trace(Network(1, n), Weights(weights), np.zeros((steps, 1))))
    slopes = [[mp_tanh_slope(a) for a in z] for z in mp_rnn_pre_activations(weights, np.zeros((steps, 1)), np.zeros(n))]
    exact = mp_log10_norms(W_hh, slopes, range(1, steps))
    # Rounding of a pre-activation of 2000 moves the logarithm of its slope by 2·2000·u = 4e-13.
    np.testing.assert_allclose(report.log10_norms, list(exact.values()), rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("bias", [320.0, 340.0, 370.0, 400.0, 5000.0])
def test_a_unit_that_saturates_alone_is_no_exact_zero(bias: float) -> None:
    check(np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([bias, 0.0]), 3)
    check(np.array([[1.0, 0.0], [0.5, 0.0]]), np.array([bias, 0.0]), 5)


def test_the_norms_of_a_unit_at_400_beside_one_at_0() -> None:
    weights = Weights({"W_xh": np.zeros((2, 1)), "W_hh": np.diag([1.0, 0.0]), "b_h": np.array([400.0, 0.0])})
    report = gradient_decay(trace(Network(1, 2), weights, np.zeros((3, 1))))
    np.testing.assert_allclose(report.log10_norms, np.log10([1.986, 3.94]) - [348, 696], atol=1e-3)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
@settings(deadline=None, max_examples=25)
def test_uneven_saturation_over_sparse_matrices(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    W_hh = rng.standard_normal((n, n)) * (rng.random((n, n)) < 0.5)
    W_hh[0, 0] = 1.0
    W_hh[:, 1:] *= rng.random() < 0.5  # half of the time only the first unit reaches the next step
    b_h = rng.uniform(-1, 1, n) * 10 ** rng.uniform(0, 3.3, n)
    b_h[0] = rng.uniform(300, 2000)
    check(W_hh, b_h, 6)


def test_a_whole_matrix_is_kept_where_saturation_is_uneven() -> None:
    W_hh = np.array([[1.0, 0.0], [0.5, 0.25]])
    weights = Weights({"W_xh": np.zeros((2, 1)), "W_hh": W_hh, "b_h": np.array([400.0, 0.1])})
    done = trace(Network(1, 2), weights, np.zeros((4, 1)))
    report = gradient_decay(done, jacobians=[1, 2])
    # 1/cosh², whose square is beyond float64 for the first unit: 0 there, as in the matrix.
    last, before = ([[0, 0], [0, 1 / np.cosh(z[1]) ** 2]] @ W_hh for z in done.layers[0].values.now["z"][[3, 2]])
    np.testing.assert_allclose(report.jacobians[1], last, rtol=1e-14)
    np.testing.assert_allclose(report.jacobians[2], last @ before, rtol=1e-14)


def test_the_memory_is_asked_for_before_anything_is_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    done = plain_trace(np.eye(10), 3)
    monkeypatch.setattr(memory, "physical_memory", lambda: 10_000)
    assert gradient_decay(done).verdict == "steady"  # 10 × 10 numbers of 8 bytes ten times over: 8000
    with pytest.raises(TooLargeError, match="The gradient decay of 10 hidden units needs"):
        gradient_decay(done, jacobians=[1])
    weights = {"W_xh": np.zeros((10, 1)), "W_hh": np.eye(10), "b_h": np.linspace(0, 400, 10)}
    with pytest.raises(TooLargeError):
        gradient_decay(trace(Network(1, 10), Weights(weights), np.zeros((3, 1))))
