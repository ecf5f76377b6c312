from __future__ import annotations

from math import inf, isnan, log, log10, sqrt

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rnn_calc.core.block_norms import BlockDecay, BlockNorms
from rnn_calc.core.decay import DecayReport, gradient_decay
from rnn_calc.core.equations import ACTIVATIONS
from rnn_calc.core.errors import DataError, NonFiniteError
from rnn_calc.core.linearization import Linearization
from rnn_calc.core.network import Network
from rnn_calc.core.trace import Trace, trace
from rnn_calc.core.weights import Weights
from tests.core.drawing import plain_trace, random_arrays, sequence
from tests.references import (
    Array,
    mp_log10_norms,
    mp_rnn_pre_activations,
    mp_sigmoid_slope,
    mp_tanh_slope,
    scaled_norms,
)

seeds = st.integers(0, 10**6)

# What is promised of every log₁₀ norm.
PROMISED = 1e-9


def scalar(factor: float, steps: int, threshold: float = 1e-3) -> DecayReport:
    return gradient_decay(plain_trace(np.array([[factor]]), steps), threshold=threshold)


def slopes_of(done: Trace) -> Array:
    """tanh′ at every step by a formula of its own: 1/cosh²."""
    return np.asarray(1 / np.cosh(done.layers[0].values.now["z"]) ** 2)


def second_pass(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows when the norms are computed again without dropping anything."""
    taken: list[int] = []
    original = BlockNorms._in_full

    def spy(norms: BlockNorms, derivative: Linearization, state: str) -> BlockDecay | None:
        taken.append(1)
        return original(norms, derivative, state)

    monkeypatch.setattr(BlockNorms, "_in_full", spy)
    return taken


# ---- the cases to have right ----


def test_a_shear_grows_to_19_at_lag_9_though_its_spectral_radius_is_below_one() -> None:
    report = gradient_decay(plain_trace(np.array([[0.9, 5.0], [0.0, 0.9]]), 400))
    assert report.spectral_radius == pytest.approx(0.9)
    assert report.peak == 9
    assert 10 ** report.log10_norm(9) == pytest.approx(19.4, abs=0.05)
    assert next(lag for lag in report.lags if report.log10_norm(lag) < 0) == 55
    assert report.verdict == "vanishing"
    for lag in (1, 9, 54, 399):
        # W^k = 0.9^(k−1) [[0.9, 5k], [0, 0.9]]; the norm of [[a, b], [0, a]] is (b + √(b² + 4a²))/2.
        exact = (lag - 1) * log10(0.9) + log10((5 * lag + sqrt(25 * lag**2 + 4 * 0.81)) / 2)
        assert report.log10_norm(lag) == pytest.approx(exact, abs=PROMISED)


def test_saturation_vanishes_though_the_spectral_norm_is_three() -> None:
    h0 = np.array([0.5, 0.5])
    done = plain_trace(3 * np.eye(2), 51, activation="tanh", h0=h0)
    report = gradient_decay(done)
    slopes = [[mp_tanh_slope(a) for a in z] for z in mp_rnn_pre_activations(done.weights.arrays, done.x, h0)]
    exact = mp_log10_norms(3 * np.eye(2), slopes, range(1, 51))
    np.testing.assert_allclose(report.log10_norms, list(exact.values()), atol=PROMISED)
    assert report.spectral_norm == pytest.approx(3)
    assert report.verdict == "vanishing"
    assert -76 < report.log10_norm(50) < -74


def test_a_nilpotent_matrix_has_norm_100_and_then_exact_zeros() -> None:
    report = gradient_decay(plain_trace(np.array([[0.0, 100.0], [0.0, 0.0]]), 6))
    assert report.log10_norm(1) == pytest.approx(2, abs=1e-15)
    assert report.log10_norms[1:].tolist() == [-inf] * 4
    assert (report.rate_per_step, report.verdict, report.first_below, report.peak) == (0, "vanishing", 2, 1)
    assert (report.half_life, report.doubling_time) == (None, None)


@pytest.mark.parametrize("steps", [2, 3, 10])
def test_the_identity_keeps_the_norm_at_exactly_one(steps: int) -> None:
    report = gradient_decay(plain_trace(np.eye(3), steps))
    assert report.log10_norms.tolist() == [0] * (steps - 1)
    assert (report.rate_per_step, report.verdict) == (1, "steady")
    assert (report.half_life, report.doubling_time) == (None, None)


@given(angle=st.floats(0, 7))
@settings(deadline=None, max_examples=20)
def test_a_rotation_keeps_the_norm_at_one(angle: float) -> None:
    c, s = np.cos(angle), np.sin(angle)
    report = gradient_decay(plain_trace(np.array([[c, -s], [s, c]]), 100))
    # cos and sin are rounded once, and c² + s² is off by u a step.
    np.testing.assert_allclose(report.log10_norms, 0, atol=1e-13)
    assert report.verdict == "steady"
    assert report.rate_per_step == pytest.approx(1, abs=1e-13)


@pytest.mark.parametrize(("factor", "exponent"), [(1e-100, -400_000), (1e100, 400_000)])
def test_a_norm_is_right_far_beyond_float64(factor: float, exponent: int) -> None:
    report = scalar(factor, 4001)
    assert report.log10_norm(4000) == pytest.approx(exponent, rel=1e-14)
    assert report.log10_bound(4000) == pytest.approx(exponent, rel=1e-14)


def dying(factors: Array, dead: Array, steps: int) -> Trace:
    """A relu network whose units multiply by `factors`, kept at 1 by their inputs, until those in `dead` die at t = 2.

    1·f + (1 − f) is 1 exactly for the factors used here, so every slope is 1 but those of the dead units at t = 2.
    """
    n = len(factors)
    network = Network(n, n, activation="relu")
    x = np.tile(1 - factors, (steps, 1))
    x[1, dead] = -100
    x[2, dead] = 1
    done = trace(
        network,
        Weights({"W_xh": np.eye(n), "W_hh": np.diag(factors), "b_h": np.zeros(n)}),
        x,
        {"h": np.ones(n)},
    )
    alive = np.ones((steps, n))
    alive[1, dead] = 0
    np.testing.assert_array_equal(done.h, alive)
    return done


def test_a_direction_of_1e_minus_401_is_found_when_the_one_of_1e400_dies() -> None:
    report = gradient_decay(dying(np.array([10, 0.1]), np.array([True, False]), 402))
    assert report.log10_norm(400) == pytest.approx(400, rel=1e-14)
    assert report.log10_norm(401) == pytest.approx(-401, rel=1e-14)


@pytest.mark.parametrize(("high", "low"), [(4.0, 0.25), (2.0, 0.5)])
def test_it_is_found_among_many_units_too_where_it_had_been_dropped(
    high: float, low: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = second_pass(monkeypatch)
    factors = np.array([high] * 120 + [low] * 80)
    done = dying(factors, factors == high, 402)
    report = gradient_decay(done)
    np.testing.assert_allclose(report.log10_norms[:-1], np.arange(1, 401) * log10(high), rtol=1e-12)
    assert report.log10_norm(401) == pytest.approx(401 * log10(low), rel=1e-12)
    assert taken, "the norms must have been computed a second time, without dropping"


@pytest.mark.parametrize("kept", [(), (401,)])
def test_a_direction_lost_within_a_row_is_found_when_the_other_one_dies(kept: tuple[int, ...]) -> None:
    # Unit 3 adds up units 1 and 2, which grow and shrink; only it is alive at the end, and unit 1 dies at t = 2.
    W, T = np.array([[10.0, 0.0, 0.0], [0.0, 0.1, 0.0], [1.0, 1.0, 0.0]]), 403
    alive = np.tile([1.0, 1.0, 0.0], (T, 1))
    alive[1], alive[-1] = [0, 1, 0], [0, 0, 1]
    before = np.vstack([np.ones(3), alive[:-1]])
    x = 2 * alive - 1 - before @ W.T
    weights = Weights({"W_xh": np.eye(3), "W_hh": W, "b_h": np.zeros(3)})
    done = trace(Network(3, 3, activation="relu"), weights, x, {"h": np.ones(3)})
    np.testing.assert_allclose(done.h, alive, atol=1e-14)
    report = gradient_decay(done, jacobians=kept)
    # The row of unit 3 is (10^j, 0.1^j, 0) after j more steps, and (0, 0.1^402, 0) in the end.
    j = np.arange(1, 401)
    np.testing.assert_allclose(report.log10_norms[1:-1], j + np.log10(1 + 1e-4**j) / 2, rtol=1e-13)
    assert report.log10_norm(402) == pytest.approx(-401, rel=1e-14)


def test_many_units_that_all_die_leave_an_exact_zero_at_whatever_lag() -> None:
    for steps in (3, 33, 34, 35, 66):
        report = gradient_decay(dying(np.full(40, 0.5), np.full(40, True), steps))
        assert report.log10_norms[-1] == -inf
        np.testing.assert_allclose(report.log10_norms[:-1], np.arange(1, steps - 1) * log10(0.5), rtol=1e-12)


def test_the_tiny_example_has_the_jacobian_worked_out_by_hand() -> None:
    weights = {"W_xh": [[0.2], [0.3]], "W_hh": [[0.5, 0.1], [0.1, 0.5]], "b_h": [0.0, 0.0]}
    done = trace(Network(1, 2), Weights({n: np.array(a) for n, a in weights.items()}), np.array([[1.0], [2.0]]))
    report = gradient_decay(done, jacobians=[1])
    # Tutorial 003, recomputed; half a unit of the sixth digit.
    np.testing.assert_allclose(report.jacobians[1], [[0.383011, 0.076602], [0.058495, 0.292475]], atol=5e-7)


# ---- against arithmetic of 400 bits ----


@given(seed=seeds, n=st.integers(1, 6), T=st.integers(2, 120), scale=st.floats(0.05, 0.9))
@settings(deadline=None, max_examples=12)
def test_norms_of_networks_that_contract_match_400_bits_throughout(seed: int, n: int, T: int, scale: float) -> None:
    network = Network(2, n)
    arrays = random_arrays(network, seed, scale)
    arrays["W_hh"] *= scale / np.linalg.norm(arrays["W_hh"], 2)
    x, h0 = sequence(seed, T, 2), sequence(seed + 1, n)
    report = gradient_decay(trace(network, Weights(arrays), x, {"h": h0}))
    slopes = [[mp_tanh_slope(a) for a in z] for z in mp_rnn_pre_activations(arrays, x, h0)]
    for lag, exact in mp_log10_norms(
        arrays["W_hh"], slopes, {1, T // 3 + 1, T // 2 + 1, T - 1} & {*report.lags}
    ).items():
        assert report.log10_norm(lag) == pytest.approx(exact, abs=PROMISED)


@pytest.mark.parametrize(("n", "T"), [(1, 300), (2, 300), (4, 300), (6, 300), (3, 2000)])
@pytest.mark.parametrize("scale", [0.7, 1.5, 4.0])
def test_norms_of_any_network_match_400_bits_at_its_own_pre_activations(n: int, T: int, scale: float) -> None:
    network = Network(2, n)
    arrays = random_arrays(network, n, scale)
    done = trace(network, Weights(arrays), sequence(n, T, 2))
    report = gradient_decay(done)
    # Beyond scale 1 the states are chaotic, so the oracle starts from the float64 pre-activations.
    slopes = [[mp_tanh_slope(float(a)) for a in z] for z in done.layers[0].values.now["z"]]
    for lag, exact in mp_log10_norms(arrays["W_hh"], slopes, {1, 2, 10, T // 2, T - 1}).items():
        assert report.log10_norm(lag) == pytest.approx(exact, abs=PROMISED)


# ---- against plain NumPy ----


@pytest.mark.parametrize("n", [40, 57, 80])
@pytest.mark.parametrize("scale", [0.8, 1.0, 1.6])
def test_norms_of_large_networks_match_the_plain_product(n: int, scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = second_pass(monkeypatch)
    network = Network(3, n)
    arrays = random_arrays(network, n, scale)
    done = trace(network, Weights(arrays), sequence(n, 200, 3))
    jacobians = [slope[:, None] * arrays["W_hh"] for slope in slopes_of(done)]
    report = gradient_decay(done)
    np.testing.assert_allclose(report.log10_norms, scaled_norms(jacobians[1:]), atol=PROMISED)
    assert not taken, "a random network needs no second pass"
    in_full = gradient_decay(done, jacobians=[5])
    assert taken
    np.testing.assert_allclose(in_full.log10_norms, report.log10_norms, atol=PROMISED)
    expected = np.linalg.multi_dot(jacobians[:-6:-1])
    np.testing.assert_allclose(in_full.jacobians[5], expected, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("n", [5, 45])
def test_every_activation_has_the_norms_of_its_central_differences(activation: str, n: int) -> None:
    network = Network(2, n, activation=activation)
    arrays = random_arrays(network, 1, 0.9)
    x, h0 = sequence(1, 6, 2), sequence(2, n)
    report = gradient_decay(trace(network, Weights(arrays), x, {"h": h0}), jacobians=[5])
    h1 = trace(network, Weights(arrays), x[:1], {"h": h0}).h[0]
    step = 1e-6
    columns = []
    for e in np.eye(n):
        up, down = (trace(network, Weights(arrays), x[1:], {"h": h1 + sign * step * e}).h[-1] for sign in (1, -1))
        columns.append((up - down) / (2 * step))
    # Rounding u/step and truncation step² are about 1e−10 of the largest entry.
    differences = np.array(columns).T
    np.testing.assert_allclose(report.jacobians[5], differences, atol=1e-8 * max(1.0, np.abs(differences).max()))
    assert report.log10_norm(5) == pytest.approx(log10(np.linalg.norm(report.jacobians[5], 2)), abs=PROMISED)


# ---- properties ----


def some_trace(seed: int, n: int, T: int, activation: str = "tanh", scale: float = 1.2) -> Trace:
    network = Network(2, n, activation=activation)
    return trace(
        network,
        Weights(random_arrays(network, seed, scale)),
        sequence(seed, T, 2),
        {"h": sequence(seed + 1, n)},
    )


@given(seed=seeds, n=st.integers(1, 8), T=st.integers(3, 20), data=st.data())
@settings(deadline=None, max_examples=25)
def test_a_jacobian_over_two_stretches_is_the_product_of_theirs(seed: int, n: int, T: int, data: st.DataObject) -> None:
    done = some_trace(seed, n, T)
    m = data.draw(st.integers(2, T - 1))
    k = data.draw(st.integers(1, m - 1))
    earlier = trace(done.network, done.weights, done.x[:m], done.initial)
    late = gradient_decay(done, jacobians=[T - m, T - k]).jacobians
    early = gradient_decay(earlier, jacobians=[m - k]).jacobians
    room = float(np.linalg.norm(late[T - m], 2) * np.linalg.norm(early[m - k], 2))
    # Twenty products of n ≤ 8: 20·8·u, relative to the norms of the parts.
    np.testing.assert_allclose(late[T - k], late[T - m] @ early[m - k], atol=2e-14 * room)


@given(seed=seeds, n=st.sampled_from([2, 5, 40]), T=st.integers(2, 40), activation=st.sampled_from(ACTIVATIONS))
@settings(deadline=None, max_examples=25)
def test_permuting_the_hidden_units_changes_no_norm(seed: int, n: int, T: int, activation: str) -> None:
    done = some_trace(seed, n, T, activation, 0.9)
    order = np.random.default_rng(seed).permutation(n)
    w = done.weights
    moved = Weights({"W_xh": w["W_xh"][order], "W_hh": w["W_hh"][np.ix_(order, order)], "b_h": w["b_h"][order]})
    other = trace(done.network, moved, done.x, {"h": done.h0[order]})
    assume(
        activation != "relu" or np.abs(done.layers[0].values.now["z"]).min() > 1e-9
    )  # a kink may fall to either side
    ours, theirs = gradient_decay(done), gradient_decay(other)
    np.testing.assert_allclose(theirs.log10_norms, ours.log10_norms, atol=PROMISED)
    assert theirs.spectral_norm == pytest.approx(ours.spectral_norm, rel=1e-12)


@given(seed=seeds, n=st.sampled_from([1, 5, 40]), T=st.integers(2, 40))
@settings(deadline=None, max_examples=25)
def test_flipping_the_sign_of_a_tanh_unit_changes_no_norm(seed: int, n: int, T: int) -> None:
    done = some_trace(seed, n, T, scale=0.9)
    sign = np.random.default_rng(seed).choice([-1.0, 1.0], n)
    w = done.weights
    flipped = Weights(
        {"W_xh": sign[:, None] * w["W_xh"], "W_hh": sign[:, None] * w["W_hh"] * sign, "b_h": sign * w["b_h"]}
    )
    other = trace(done.network, flipped, done.x, {"h": sign * done.h0})
    np.testing.assert_allclose(gradient_decay(other).log10_norms, gradient_decay(done).log10_norms, atol=PROMISED)


@given(seed=seeds, n=st.sampled_from([1, 3, 33, 50]))
@settings(deadline=None, max_examples=15)
def test_an_orthogonal_linear_network_keeps_the_norm_at_one(seed: int, n: int) -> None:
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]
    report = gradient_decay(plain_trace(Q, 80))
    # 80·√50·u is 6e−14.
    np.testing.assert_allclose(report.log10_norms, 0, atol=1e-12)
    assert report.verdict == "steady"


@given(
    seed=seeds,
    n=st.sampled_from([1, 4, 40]),
    T=st.integers(2, 60),
    activation=st.sampled_from(ACTIVATIONS),
    scale=st.floats(0.1, 5),
)
@settings(deadline=None, max_examples=40)
def test_no_norm_passes_its_bound_and_no_step_grows_it_by_more(
    seed: int, n: int, T: int, activation: str, scale: float
) -> None:
    report = gradient_decay(some_trace(seed, n, T, activation, scale))
    W = report.trace.weights["W_hh"]
    gamma = 0.25 if activation == "sigmoid" else 1.0
    assert report.bound_per_step == pytest.approx(gamma * np.sqrt(np.linalg.eigvalsh(W.T @ W)[-1]), rel=1e-9)
    assert report.bound_per_step is not None
    previous = 0.0
    for lag in report.lags:
        bound = report.log10_bound(lag)
        assert bound == pytest.approx(lag * log10(report.bound_per_step), abs=1e-12)
        assert bound is not None
        assert report.log10_norm(lag) <= bound + PROMISED
        assert report.log10_norm(lag) <= previous + log10(report.bound_per_step) + PROMISED
        previous = report.log10_norm(lag)


def test_a_network_without_memory_has_a_bound_of_zero() -> None:
    report = gradient_decay(plain_trace(np.zeros((2, 2)), 4))
    assert report.log10_norms.tolist() == [-inf] * 3
    assert report.log10_bound(1) == -inf
    assert report.verdict == "vanishing"


# ---- what follows from the norms ----


@given(factor=st.floats(1e-3, 1e3), steps=st.integers(2, 200))
@settings(deadline=None, max_examples=60)
def test_a_scalar_network_has_the_rate_of_its_weight(factor: float, steps: int) -> None:
    assume(abs(factor - 1) > 1e-6)
    report = scalar(factor, steps)
    # One rounding a step, and a logarithm: at most 200·u, absolutely.
    np.testing.assert_allclose(report.log10_norms, np.arange(1, steps) * log10(factor), rtol=1e-12, atol=3e-14)
    # A least-squares slope of up to 100 points near a straight line.
    assert report.rate_per_step == pytest.approx(factor, rel=1e-9)
    period = log(2) / abs(log(factor))
    assume(abs(period / (steps - 1) - 1) > 1e-6)
    # The rate is good to about 1e−13 of itself, so its logarithm, here at least 1e−6, to 1e−7.
    if factor < 1:
        assert report.half_life == pytest.approx(period, rel=1e-6)
        assert report.doubling_time is None
        assert report.verdict == ("vanishing" if period <= steps - 1 else "steady")
        assert report.peak == 1
    else:
        assert report.doubling_time == pytest.approx(period, rel=1e-6)
        assert report.half_life is None
        assert report.verdict == ("exploding" if period <= steps - 1 else "steady")
        assert report.peak == steps - 1


@pytest.mark.parametrize(
    ("factor", "lag", "norm"),
    [(0.4, 99, 10**-39.396), (0.99, 100, 0.366032), (0.95, 100, 0.005921), (1.2, 49, 7583.70)],
)
def test_the_tutorials_powers_are_those_recomputed(factor: float, lag: int, norm: float) -> None:
    # To the digits they are given with; 10^−39.396 is good to 0.12 %.
    assert scalar(factor, lag + 1).log10_norm(lag) == pytest.approx(log10(norm), abs=5e-4)


@given(factor=st.floats(0.1, 0.99), threshold=st.floats(1e-6, 0.9))
@settings(deadline=None, max_examples=60)
def test_the_first_lag_below_the_threshold_is_the_first(factor: float, threshold: float) -> None:
    ratio = log(threshold) / log(factor)
    assume(abs(ratio - round(ratio)) > 1e-6)  # exactly on the threshold, rounding decides
    expected = int(ratio) + 1
    report = scalar(factor, 100, threshold)
    assert report.first_below == (expected if expected <= 99 else None)


def test_the_first_lag_below_the_threshold_is_first_whatever_comes_later() -> None:
    # The last step saturates (tanh′(8) = 4.5e−7); every step before it doubles.
    network = Network(1, 1)
    weights = Weights({"W_xh": np.ones((1, 1)), "W_hh": np.array([[2.0]]), "b_h": np.zeros(1)})
    x = np.zeros((40, 1))
    x[-1] = 8
    report = gradient_decay(trace(network, weights, x))
    assert report.first_below == 1
    assert report.log10_norm(39) > 0
    assert (report.peak, report.verdict) == (39, "exploding")


def test_the_rate_is_that_of_the_longer_lags_and_not_of_a_transient() -> None:
    report = gradient_decay(plain_trace(np.diag([0.5, 0.9]) + np.array([[0, 100.0], [0, 0]]), 400))
    # By lag 200 the faster direction is (5/9)^200 of the slower.
    assert report.rate_per_step == pytest.approx(0.9, rel=1e-9)


def test_the_lags_are_one_to_T_minus_one() -> None:
    report = scalar(0.5, 10)
    assert list(report.lags) == list(range(1, 10))
    assert len(report.log10_norms) == 9
    assert list(scalar(0.5, 2).lags) == [1]


def test_rounding_is_estimated_by_the_number_of_products_and_the_width() -> None:
    # T·√n·u, as numerics has it; two digits of u.
    assert gradient_decay(plain_trace(np.eye(4), 101)).rounding == pytest.approx(100 * 2 * 2**-53, rel=0.02)


# ---- what is refused ----


def test_a_batch_is_refused() -> None:
    network = Network(2, 3)
    done = trace(network, Weights(random_arrays(network, 0)), sequence(0, 5, 2, 2))
    with pytest.raises(DataError, match="one sequence, not on a batch"):
        gradient_decay(done)


def test_one_step_has_no_lag() -> None:
    with pytest.raises(DataError, match="at least two steps"):
        gradient_decay(plain_trace(np.eye(2), 1))


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1.0, inf, float("nan")])
def test_a_threshold_lies_between_zero_and_one(threshold: float) -> None:
    with pytest.raises(DataError, match="threshold must lie between 0 and 1"):
        scalar(0.5, 5, threshold)


@pytest.mark.parametrize("lag", [0, -1, 5])
def test_a_lag_that_there_is_not_is_refused_with_those_there_are(lag: int) -> None:
    with pytest.raises(DataError, match=f"no lag {lag}: 5 steps have lags 1 to 4"):
        gradient_decay(plain_trace(np.eye(2), 5), jacobians=[lag])


def test_a_pre_activation_that_is_no_number_has_no_slope() -> None:
    network = Network(1, 1)
    done = trace(network, Weights(random_arrays(network, 0)), np.array([[1.0], [np.nan], [1.0]]))
    assert isnan(done.h[1, 0])
    with pytest.raises(NonFiniteError, match="its slope is unknown"):
        gradient_decay(done)


def test_a_pre_activation_that_is_infinite_saturates() -> None:
    network = Network(1, 1)
    weights = Weights({"W_xh": np.ones((1, 1)), "W_hh": np.ones((1, 1)), "b_h": np.zeros(1)})
    report = gradient_decay(trace(network, weights, np.array([[0.0], [0.0], [np.inf]])))
    assert report.log10_norms.tolist() == [-inf, -inf]


@pytest.mark.parametrize("drive", [40, 290, 299.9, 300.1, 352, 368, 400, 1e4])
def test_a_slope_far_below_float64_is_still_a_slope(drive: float) -> None:
    network = Network(1, 1)
    weights = Weights({"W_xh": np.ones((1, 1)), "W_hh": np.ones((1, 1)), "b_h": np.zeros(1)})
    report = gradient_decay(trace(network, weights, np.full((8, 1), drive)))
    # tanh′(a) = 4·exp(−2a) here, to far more digits than float64 has.
    exact = (log(4) - 2 * (drive + 1)) / log(10)
    np.testing.assert_allclose(report.log10_norms, exact * np.arange(1, 8), rtol=1e-13)


def test_units_that_saturate_differently_share_one_exponent() -> None:
    network = Network(1, 2, activation="sigmoid")
    weights = Weights({"W_xh": np.array([[1.0], [-1.001]]), "W_hh": np.array([[2.0, 1], [1, 3]]), "b_h": np.zeros(2)})
    done = trace(network, weights, np.full((5, 1), 2000.0))
    slopes = [[mp_sigmoid_slope(float(a)) for a in z] for z in done.layers[0].values.now["z"]]
    for lag, exact in mp_log10_norms(weights["W_hh"], slopes, {1, 2, 4}).items():
        assert abs(gradient_decay(done).log10_norm(lag) / exact - 1) < 1e-13


def test_the_kept_matrices_belong_to_their_lags() -> None:
    W = np.array([[0.5, 1.0], [0.0, 2.0]])
    report = gradient_decay(plain_trace(W, 8), jacobians=[1, 3, 7])
    assert report.jacobians.keys() == {1, 3, 7}
    for lag, matrix in report.jacobians.items():
        np.testing.assert_allclose(matrix, np.linalg.matrix_power(W, lag), rtol=1e-14)


@pytest.mark.parametrize(("size", "fits"), [(1e279, True), (1e281, False)])
def test_weights_that_leave_float64_in_one_step_are_refused(size: float, fits: bool) -> None:
    done = plain_trace(np.diag([size, size]), 4)
    if fits:
        # The norm of diag(s, s)^lag is s^lag.
        np.testing.assert_allclose(gradient_decay(done).log10_norms, log10(size) * np.arange(1, 4), rtol=1e-14)
    else:
        with pytest.raises(NonFiniteError, match=r"entry of size 1e\+281; products are computed"):
            gradient_decay(done)
