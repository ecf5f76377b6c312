from __future__ import annotations

from math import inf

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS
from rnn_calc.core.convoy import Family
from rnn_calc.core.decay import gradient_decay
from rnn_calc.core.equations import ACTIVATIONS
from rnn_calc.core.growth import linear_norm, power_norm, slopes_of
from rnn_calc.core.network import Network
from rnn_calc.core.trace import trace
from tests.core.drawing import plain_trace, random_weights, sequence


@given(seed=st.integers(0, 10**6), n=st.integers(1, 6), exponent=st.integers(1, 300), size=st.floats(1e-9, 1e9))
@settings(deadline=None, max_examples=40)
def test_the_norm_of_a_power_is_that_of_high_precision(seed: int, n: int, exponent: int, size: float) -> None:
    W = size * np.random.default_rng(seed).standard_normal((n, n))
    with mpmath.workprec(400):
        power = mpmath.matrix(W.tolist()) ** exponent
        gram = power.T * power
        largest = max(mpmath.eigsy(gram, eigvals_only=True))
        exact = float(mpmath.log10(largest) / 2)
    found = power_norm(W, exponent)
    # Half a unit of the third digit, which is what 5 % of a nudge by 1e−12 leaves room for, and far more than is lost.
    assert found is None or found == pytest.approx(exact, abs=2e-3)


def test_the_power_of_a_jordan_block_grows_before_it_falls() -> None:
    W = np.array([[0.9, 5.0], [0.0, 0.9]])
    for k in (1, 9, 55, 400):
        exact = 0.9**k * np.array([[1, 5 * k / 0.9], [0, 1]])
        assert power_norm(W, k) == pytest.approx(np.log10(np.linalg.norm(exact, 2)), abs=1e-9)


def test_a_power_that_is_exactly_0_has_no_logarithm() -> None:
    W = np.array([[0.0, 100.0], [0.0, 0.0]])
    assert power_norm(W, 1) == pytest.approx(2)
    assert power_norm(W, 2) == -inf
    assert power_norm(np.zeros((3, 3)), 7) == -inf
    assert power_norm(np.zeros(3), 7) == -inf


def test_a_power_that_rounding_has_eaten_is_not_told() -> None:
    # Nilpotent in another basis: the float64 power is nothing but rounding.
    basis = np.linalg.qr(np.random.default_rng(1).standard_normal((6, 6)))[0]
    nilpotent = basis @ np.triu(np.random.default_rng(2).standard_normal((6, 6)), 1) @ basis.T
    assert power_norm(nilpotent, 40) is None


def test_a_diagonal_is_the_matrix_of_it() -> None:
    diagonal = np.array([0.5, -1.5, 0.1])
    assert power_norm(diagonal, 30) == pytest.approx(power_norm(np.diag(diagonal), 30), rel=1e-12)


def test_the_linear_norm_is_what_a_linear_network_measures() -> None:
    W = np.random.default_rng(5).standard_normal((5, 5))
    report = gradient_decay(plain_trace(W, 60))
    for lag in (1, 7, 59):
        assert linear_norm(report, lag) == pytest.approx(report.log10_norm(lag), abs=1e-9)


@pytest.mark.parametrize("cell", ["rnn", "indrnn"])
@pytest.mark.parametrize("family", ["back", "forward"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_slopes_are_those_of_the_steps_between(activation: str, family: Family, cell: str) -> None:
    network = Network(2, 3, cell=CELLS[cell], activation=activation, bidirectional=True)
    done = trace(network, random_weights(network, 4), sequence(4, 9, 2))
    for run in done.layers:
        found = slopes_of(gradient_decay(done, layer=run, family=family))
        a = run.values.now["z"][1 if family == "back" else 0 :]
        slopes = {
            "tanh": 1 / np.cosh(a) ** 2,
            "sigmoid": 1 / (2 * np.cosh(a / 2)) ** 2,
            "relu": (a > 0) * 1.0,
            "identity": np.ones_like(a),
        }[activation]
        assert found.mean == pytest.approx(slopes.mean(), rel=1e-12)
        assert found.small == np.mean(slopes < slopes.dtype.type(0.1 * (0.25 if activation == "sigmoid" else 1)))
        assert found.largest == (0.25 if activation == "sigmoid" else 1)


def test_slopes_of_many_steps_are_taken_block_by_block() -> None:
    network = Network(1, 2)
    done = trace(network, random_weights(network, 4), sequence(4, 9000, 1))
    a = done.layers[0].values.now["z"][1:]
    assert slopes_of(gradient_decay(done)).mean == pytest.approx((1 / np.cosh(a) ** 2).mean(), rel=1e-12)
