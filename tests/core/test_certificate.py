"""The interval of every norm, against arithmetic of 200 bits and against products of which nothing is dropped."""

from __future__ import annotations

from math import inf, sqrt

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.certificate import NormFinder
from rnn_calc.core.compression import FAILURE, GUARDS, Forecast, Schedule, directions, norm_shown
from rnn_calc.core.decay import gradient_decay
from rnn_calc.core.errors import DataError
from rnn_calc.core.lanczos import lanczos
from rnn_calc.core.network import Network
from rnn_calc.core.trace import Trace, trace
from rnn_calc.core.weights import Weights
from tests.core.drawing import plain_trace, random_arrays, sequence
from tests.references import Array

seeds = st.integers(0, 10**6)


def norm_of_200_bits(rows: Array) -> mpmath.mpf:
    """The 2-norm by a power method on the Gram matrix squared again and again, in 200 bits."""
    with mpmath.workprec(200):
        matrix = mpmath.matrix(rows.tolist())
        gram = matrix.T * matrix if rows.shape[1] < rows.shape[0] else matrix * matrix.T
        power, doublings, shift = gram, 80, mpmath.mpf(0)
        for _ in range(doublings):
            size = sum(power[i, i] for i in range(power.rows))
            shift = 2 * shift + mpmath.log(size)
            power = (power / size) ** 2
        # trace(G^(2^k))^(1/2^k) is the largest eigenvalue, but for a factor n^(1/2^k).
        total = sum(power[i, i] for i in range(power.rows))
        return mpmath.exp((2 * shift + mpmath.log(total)) / mpmath.mpf(2) ** (doublings + 1))


@given(seed=seeds, r=st.integers(1, 6), n=st.integers(1, 6), fall=st.floats(0, 12), times=st.integers(1, 4))
@settings(deadline=None, max_examples=40)
def test_the_interval_holds_the_norm_of_200_bits(seed: int, r: int, n: int, fall: float, times: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((r, n)) * 10 ** -(fall * rng.random((r, 1)))
    rows /= np.abs(rows).max()
    right, finder = norm_of_200_bits(rows), NormFinder(1e-10)
    for _ in range(times):  # warm starts hold it too
        found = finder.bound(rows)
        assert found.low <= right <= found.high
        assert found.low <= found.norm <= found.high
        assert found.high - found.low <= 2e-10 * found.norm


def spectrum(name: str, n: int) -> Array:
    """Singular values with a gap, without one, alike in part or all, or falling fast."""
    i = np.arange(n)
    return {
        "falling": 0.8**i,
        "slowly falling": 1 / (1 + i) ** 0.25,
        "all alike": np.ones(n),
        "half alike": np.where(i < n // 2, 1.0, 0.3),
        "two alike": np.where(i < 2, 1.0, 0.1**i),
        "nearly alike": 1 - 1e-9 * i,
        "one": np.where(i < 1, 1.0, 0.0),
    }[name]


@pytest.mark.parametrize(
    "name", ["falling", "slowly falling", "all alike", "half alike", "two alike", "nearly alike", "one"]
)
@pytest.mark.parametrize(("r", "n"), [(20, 40), (120, 150), (150, 120), (200, 200)])
@pytest.mark.parametrize("tolerance", [1e-12, 1e-10, 1e-6])
def test_the_interval_holds_a_norm_that_is_known_whatever_the_others_are(
    name: str, r: int, n: int, tolerance: float
) -> None:
    rng = np.random.default_rng(r)
    k = min(r, n)
    left, right = (np.linalg.qr(rng.standard_normal((m, k)))[0] for m in (r, n))
    rows = left * spectrum(name, k) @ right.T
    finder = NormFinder(tolerance)
    for _ in range(3):
        found = finder.bound(rows)
        # The matrix was rounded when it was made: by about √n·u, relative to the norm.
        assert found.low - 1e-14 * sqrt(n) <= 1 <= found.high + 1e-14 * sqrt(n)
        assert found.high - found.low <= 2 * tolerance * found.norm


def test_a_norm_that_stands_out_needs_no_decomposition_and_equal_ones_do() -> None:
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((200, 200)))[0]
    for values, decomposed in ((0.6 ** np.arange(200), False), (np.ones(200), True)):
        finder = NormFinder(1e-10)
        found = [finder.bound(Q * values @ Q.T).decomposed for _ in range(4)]
        assert found[-1] is decomposed


def test_a_start_that_misses_the_largest_direction_is_not_believed() -> None:
    # The left vector kept from before is exactly orthogonal to the largest direction, and an eigenvector itself.
    rows = np.diag([1.0, *np.full(99, 1e-3)])
    finder = NormFinder(1e-10)
    finder.bound(rows)
    finder.left = np.eye(100)[1]
    found = finder.bound(rows)
    assert found.low <= 1 <= found.high


@given(seed=seeds, n=st.integers(97, 160), fall=st.floats(0.5, 0.99))
@settings(deadline=None, max_examples=20)
def test_a_krylov_space_proves_the_largest_eigenvalue_or_nothing(seed: int, n: int, fall: float) -> None:
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    found = lanczos(Q * fall ** np.arange(n) @ Q.T, None, 1e-11)
    if found is not None:
        assert found.low - 1e-14 <= 1 <= found.high + 1e-14
        assert found.high - found.low <= 1e-10
        assert abs(found.vector @ Q[:, 0]) == pytest.approx(1, abs=1e-6)


# ---- what is dropped ----


@given(seed=seeds, r=st.integers(1, 30), n=st.integers(1, 30), fall=st.floats(0.1, 1))
@settings(deadline=None, max_examples=60)
def test_guards_show_a_bound_on_the_norm_of_what_they_combine(seed: int, r: int, n: int, fall: float) -> None:
    rng = np.random.default_rng(seed)
    rows = fall ** np.arange(r)[:, None] * rng.standard_normal((r, n))
    shown = norm_shown(rng.standard_normal((GUARDS, r)) @ rows)
    assert shown >= np.linalg.norm(rows, 2)
    assert 0 < FAILURE <= 1e-12


@pytest.mark.parametrize("fall", [0.5, 0.7, 0.8])
def test_directions_keep_all_but_about_what_may_be_dropped(fall: float) -> None:
    rng = np.random.default_rng(1)
    n = 150
    left, right = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    rows = left * fall ** np.arange(n) @ right.T
    found = directions(rows, 20, 1e-8, rng)
    assert found is not None
    Q = found.Q
    np.testing.assert_allclose(Q.T @ Q, np.eye(Q.shape[1]), atol=1e-13)
    left_out = np.linalg.norm(rows - Q @ (Q.T @ rows), 2)
    assert left_out <= 1e-6
    assert norm_shown(found.leftover @ rows) >= left_out
    assert directions(left, 20, 1e-8, rng) is None, "every direction of a rotation matters"


def test_a_forecast_follows_the_number_of_factors() -> None:
    forecast = Forecast(10, 0.1 ** np.arange(8.0))
    # σᵢ = 10^−i at lag 10 is 10^−2i at lag 20: those above 1e−6.5 are i ≤ 3.
    assert forecast.ranks(np.array([10, 20, 100]), 10**-6.5).tolist() == [7, 4, 1]


def test_nothing_is_planned_where_every_direction_matters() -> None:
    schedule = Schedule(1e-8)
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((60, 60)))[0]
    assert schedule.due(8)
    assert schedule.rank(8, rotation) is None
    assert not schedule.due(15)


# ---- over all lags ----


def wide(n: int, T: int, scale: float) -> Trace:
    network = Network(3, n)
    return trace(network, Weights(random_arrays(network, n, scale)), sequence(n, T, 3))


@pytest.mark.parametrize("scale", [0.7, 1.0, 2.0])
@pytest.mark.parametrize("family", ["back", "forward"])
def test_every_interval_holds_the_norm_of_the_product_of_which_nothing_is_dropped(scale: float, family: str) -> None:
    done = wide(120, 200, scale)
    dropped = gradient_decay(done, family=family)  # type: ignore[arg-type]
    assert 0 < dropped.certificate.dropped < 1e-5
    assert dropped.certificate.failure == FAILURE
    assert not dropped.certificate.recomputed
    in_full = gradient_decay(done, family=family, jacobians=[1])  # type: ignore[arg-type]
    assert in_full.certificate.dropped == in_full.certificate.failure == 0
    # Both products round by about T·√n·u, in their own ways.
    room = 10 * dropped.rounding / np.log(10)
    assert (dropped.log10_low - room <= in_full.log10_norms).all()
    assert (in_full.log10_norms <= dropped.log10_high + room).all()
    for report in (dropped, in_full):
        assert report.certificate.met
        assert report.certificate.iterated + report.certificate.decomposed == len(report.lags)
        assert (report.log10_low <= report.log10_norms).all()
        assert (report.log10_norms <= report.log10_high).all()
        widths = (report.log10_high - report.log10_low) * np.log(10) / 2
        assert widths.max() <= 1.1 * report.certificate.widest + 1e-12


@pytest.mark.parametrize("tolerance", [1e-12, 1e-8, 1e-4])
def test_the_tolerance_is_the_half_width_that_is_asked_for(tolerance: float) -> None:
    certificate = gradient_decay(wide(100, 150, 1.0), tolerance=tolerance).certificate
    assert certificate.tolerance == tolerance
    assert certificate.met
    assert certificate.widest <= tolerance


def test_a_dropped_direction_that_comes_back_is_recomputed_and_the_certificate_says_so() -> None:
    # 120 units grow, 80 shrink and are dropped; at t = 2 the 120 die.
    factors = np.array([4.0] * 120 + [0.25] * 80)
    n, steps = len(factors), 60
    x = np.tile(1 - factors, (steps, 1))
    x[1, :120], x[2, :120] = -1000, 1
    weights = Weights({"W_xh": np.eye(n), "W_hh": np.diag(factors), "b_h": np.zeros(n)})
    report = gradient_decay(trace(Network(n, n, activation="relu"), weights, x, {"h": np.ones(n)}))
    assert report.certificate.recomputed
    assert report.certificate.dropped == 0
    assert report.log10_norm(steps - 1) == pytest.approx((steps - 1) * np.log10(0.25), rel=1e-12)


def test_an_exact_zero_has_an_exact_interval() -> None:
    report = gradient_decay(plain_trace(np.array([[0.0, 100.0], [0.0, 0.0]]), 5))
    assert report.log10_low[1:].tolist() == report.log10_high[1:].tolist() == [-inf] * 3


@pytest.mark.parametrize("tolerance", [0.0, 1e-13, 0.1, -1.0, float("nan")])
def test_a_tolerance_that_float64_cannot_keep_is_refused(tolerance: float) -> None:
    with pytest.raises(DataError, match=r"tolerance must lie between 1e-12 and 0\.001"):
        gradient_decay(plain_trace(np.eye(2), 4), tolerance=tolerance)


@given(factor=st.floats(1e-200, 1e200), steps=st.integers(2, 100))
@settings(deadline=None, max_examples=40)
def test_the_interval_of_a_scalar_holds_its_power(factor: float, steps: int) -> None:
    report = gradient_decay(plain_trace(np.array([[factor]]), steps))
    with mpmath.workprec(200):
        exact = float(mpmath.log(mpmath.mpf(factor), 10) * (steps - 1))
    # One rounding of u a factor is the product's own.
    room = (steps + abs(exact) * 4) * 2**-53
    assert report.log10_low[-1] - room <= exact <= report.log10_high[-1] + room
