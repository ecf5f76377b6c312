from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.errors import DataError, NonFiniteError
from rnn_calc.core.lyapunov import LyapunovReport, lyapunov_exponents, measure_exponents
from rnn_calc.core.network import Network
from rnn_calc.core.trace import trace
from rnn_calc.core.weights import Weights
from tests.core.cells import CASES, Case
from tests.core.drawing import plain_trace, random_arrays, sequence
from tests.core.test_engine import first_state, layer_arrays, only_layer
from tests.references import Array, complex_step_jacobian


class Steps:
    """A derivative that is a list of matrices."""

    def __init__(self, jacobian: Callable[[int], Array]) -> None:
        self._jacobian = jacobian

    def push(self, t: int, tangents: Mapping[str, Array]) -> dict[str, Array]:
        return {"h": tangents["h"] @ self._jacobian(t).T}

    def exponent(self, t: int) -> int:
        return 0


def along(matrices: Sequence[Array], *, count: int | None = None, burn_in: int = 0) -> LyapunovReport:
    n = len(matrices[0])
    return measure_exponents(Steps(matrices.__getitem__), {"h": n}, len(matrices), count or n, burn_in)


def in_many_digits(matrices: Sequence[Array], start: Array) -> list[float]:
    """The mean logarithms of R_ii in 400-digit arithmetic, Gram and Schmidt column by column."""
    with mpmath.workdps(400):
        basis = [mpmath.matrix(row.tolist()) for row in start]
        sums = [mpmath.mpf(0) for _ in basis]
        for matrix in matrices:
            exact = mpmath.matrix(matrix.tolist())
            made: list[mpmath.matrix] = []
            for index, tangent in enumerate(basis):
                image = exact * tangent
                for other in made:
                    image -= other * (other.T * image)[0]
                size = mpmath.sqrt((image.T * image)[0])
                sums[index] += mpmath.log(size)
                made.append(image / size)
            basis = made
        return [float(total / len(matrices)) for total in sums]


def first_block(n: int) -> Array:
    """What the exponents start from."""
    return np.asarray(np.linalg.qr(np.random.default_rng(0).standard_normal((n, n)))[0].T)


def test_a_diagonal_map_has_the_logarithms_of_its_entries() -> None:
    report = lyapunov_exponents(plain_trace(np.diag([0.5, 2.0, -0.1]), 400))
    np.testing.assert_allclose(report.exponents, np.log([2.0, 0.5, 0.1]), rtol=1e-12)
    assert (report.errors < 1e-12).all()
    assert report.resolved.all()


def test_a_constant_map_has_the_logarithms_of_its_eigenvalues() -> None:
    W = np.random.default_rng(3).standard_normal((7, 7))
    report = lyapunov_exponents(plain_trace(W, 2000))
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(W))))[::-1]
    # A pair of complex eigenvalues turns in its plane, so that a mean over T steps is off by a multiple of 1/T.
    np.testing.assert_allclose(report.exponents, expected, atol=10 / 2000)


@pytest.mark.parametrize("n", [100, 200])
def test_the_largest_of_a_large_gaussian_matrix_is_that_of_the_circular_law(n: int) -> None:
    W = 1.5 * np.random.default_rng(n).standard_normal((n, n)) / np.sqrt(n)
    report = lyapunov_exponents(plain_trace(W, 600), count=1)
    assert report.largest == pytest.approx(log(np.abs(np.linalg.eigvals(W)).max()), abs=10 / 600)
    assert report.largest == pytest.approx(log(1.5), abs=3 / np.sqrt(n))


def test_independent_gaussian_matrices_have_the_exponents_of_newman() -> None:
    # Newman 1986: λ_i = (ln 2 + ψ((n − i + 1)/2))/2 for entries N(0, 1).
    n, rng = 5, np.random.default_rng(8)
    report = along([rng.standard_normal((n, n)) for _ in range(4000)], burn_in=100)
    expected = [(log(2) + float(mpmath.digamma((n - i) / 2))) / 2 for i in range(n)]
    assert (np.abs(report.exponents - expected) < 4 * report.errors).all()
    # The variance of log χ² on n degrees of freedom is ψ′(n/2), and λ's is a quarter of it.
    exact = [np.sqrt(float(mpmath.polygamma(1, (n - i) / 2)) / 4 / report.steps) for i in range(n)]
    assert (report.errors < 2 * np.array(exact)).all()
    assert (report.errors > 0.3 * np.array(exact)).all()


def test_the_henon_map_has_its_known_exponents_and_dimension() -> None:
    a, b, states = 1.4, 0.3, [0.1]
    y = 0.1
    for _ in range(20_000):
        x = states[-1]
        states.append(1 - a * x * x + y)
        y = b * x
    report = along([np.array([[-2 * a * x, 1.0], [b, 0.0]]) for x in states[:-1]], burn_in=1000)
    # Sprott 2003, appendix A: 0.41922, −1.62319 and 1.25827.
    np.testing.assert_allclose(report.exponents, [0.41922, -1.62319], atol=0.01)
    assert report.kaplan_yorke == pytest.approx(1.25827, abs=0.01)
    assert report.exponents.sum() == pytest.approx(log(b), rel=1e-12)


@given(seed=st.integers(0, 10**6), n=st.integers(1, 4), spread=st.sampled_from([0.0, 3.0, 40.0]))
@settings(deadline=None, max_examples=25)
def test_the_exponents_are_those_of_qr_in_many_digits(seed: int, n: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    matrices = [10.0 ** rng.uniform(-spread, spread, (n, 1)) * rng.standard_normal((n, n)) for _ in range(30)]
    report = along(matrices)
    expected = sorted(in_many_digits(matrices, first_block(n)), reverse=True)
    # Up to 24 of 52 bits may be lost before a QR, of each of 30 steps; and a Gaussian matrix has a condition.
    np.testing.assert_allclose(report.exponents[report.resolved], np.array(expected)[report.resolved], atol=1e-6)
    assert (report.exponents > np.array(expected) - 1e-6).all()


@pytest.mark.parametrize("case", CASES, ids=[case.cell.name for case in CASES])
def test_all_exponents_add_up_to_the_mean_logarithm_of_the_determinant(case: Case) -> None:
    T, d_h, seed = 30, 3, 5
    layer = only_layer(case, 2, d_h)
    arrays, initial = layer_arrays(layer, case, seed), first_state(layer, seed)
    network = Network(2, d_h, cell=case.cell)
    drawn = {p.name: np.zeros(network.shape(p)) for p in network.parameters} | arrays
    run = trace(network, Weights(drawn), sequence(seed, T, 2), (initial,))
    report = lyapunov_exponents(run, burn_in=0)
    values, names = run.top[0].values, list(layer.state)
    logs = []
    for t in range(T):
        state = {name: values.previous[name][t] for name in names}
        whole = [[complex_step_jacobian(case.step, arrays, run.x[t], state, of, by) for by in names] for of in names]
        logs.append(np.linalg.slogdet(np.block(whole))[1])
    # In two of the cells a state is a function of the others alone: there directions die, within rounding.
    assert report.resolved.all() == np.isfinite(logs).all()
    if report.resolved.all():
        assert report.exponents.sum() == pytest.approx(np.mean(logs), rel=1e-9)


@given(seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=20)
def test_the_largest_few_are_the_first_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    W = basis @ np.diag([1.2, 0.9, 0.6, 0.4, 0.2, 0.1]) @ basis.T
    everything = lyapunov_exponents(plain_trace(W, 300))
    for count in (1, 3):
        few = lyapunov_exponents(plain_trace(W, 300), count=count)
        np.testing.assert_allclose(few.exponents, everything.exponents[:count], atol=1e-10)


def test_an_lstm_has_as_many_exponents_as_its_two_states_are_wide() -> None:
    network = Network(2, 4, cell=next(case.cell for case in CASES if case.cell.name == "lstm"))
    run = trace(network, Weights(random_arrays(network, 1)), sequence(1, 60, 2))
    report = lyapunov_exponents(run)
    assert report.width == len(report.exponents) == 8
    assert (np.diff(report.exponents) <= 0).all()


def test_one_unit_has_the_mean_logarithm_of_its_slope() -> None:
    run = plain_trace(np.array([[3.0]]), 40, activation="tanh", h0=np.array([0.5]))
    with mpmath.workdps(50):
        slopes = [3 / mpmath.cosh(3 * mpmath.mpf(float(h))) ** 2 for h in run.top[0].values.previous["h"][10:, 0]]
        expected = float(sum(map(mpmath.log, slopes)) / 30)
    report = lyapunov_exponents(run, burn_in=10)
    assert report.largest == pytest.approx(expected, rel=1e-12)


def test_saturation_beyond_float64_is_still_a_number() -> None:
    run = plain_trace(np.diag([900.0, 800.0]), 20, activation="tanh", h0=np.array([0.9, 0.9]))
    report = lyapunov_exponents(run, burn_in=1)
    # At h = 1 the slope of tanh is 4·exp(−2a), as far as float64 can tell.
    expected = [log(800) + log(4) - 1600, log(900) + log(4) - 1800]
    np.testing.assert_allclose(report.exponents, expected, rtol=1e-9)


@pytest.mark.parametrize("size", [1e200, 1e-200, 1e-300])
def test_wild_growth_leaves_nothing_out(size: float) -> None:
    W = size * np.array([[0.0, -1.0], [1.0, 0.0]])
    report = along([W] * 50)
    np.testing.assert_allclose(report.exponents, log(size), rtol=1e-12)


def test_a_direction_that_dies_exactly_has_minus_infinity() -> None:
    nilpotent = lyapunov_exponents(plain_trace(np.array([[0.0, 100.0], [0.0, 0.0]]), 20))
    assert (nilpotent.exponents == -np.inf).all()
    assert np.isnan(nilpotent.errors).all()
    projected = along([np.diag([2.0, 0.0, 3.0])] * 80, burn_in=40)
    np.testing.assert_allclose(projected.exponents, [log(3), log(2), -np.inf], rtol=1e-9)
    assert projected.kaplan_yorke == 2.0


def test_what_survives_is_measured_without_what_has_died() -> None:
    # Every other step forgets another unit; two directions of four stay.
    rng = np.random.default_rng(4)
    matrices = [
        rng.standard_normal((4, 4)) * ([[1], [1], [0], [0]] if t % 2 else [[0], [1], [1], [1]]) for t in range(60)
    ]
    report = along(matrices, burn_in=10)
    assert np.isfinite(report.exponents).tolist() == [True, True, False, False]
    products = [np.linalg.multi_dot([matrices[t + 1][:2], matrices[t][:, :2]]) for t in range(10, 60, 2)]
    expected = np.mean([np.linalg.slogdet(product)[1] for product in products]) / 2
    assert report.exponents[:2].sum() == pytest.approx(expected, rel=1e-9)


def test_what_shrinks_beyond_rounding_in_one_step_is_an_upper_bound() -> None:
    report = along([np.ones((3, 3))] * 40)
    assert report.largest == pytest.approx(log(3), abs=0.05)
    assert report.resolved.tolist() == [True, False, False]
    assert (report.exponents[1:] < -25).all()


@pytest.mark.parametrize(
    ("exponents", "dimension"),
    [([-0.1, -2.0], 0.0), ([0.5, -1.0], 1.5), ([0.5, 0.1, -0.6, -2.0], 3.0), ([0.5, -0.25], None), ([0.0], None)],
)
def test_the_dimension_is_where_the_sum_of_exponents_passes_zero(
    exponents: list[float], dimension: float | None
) -> None:
    values = np.array(exponents)
    report = LyapunovReport(values, values * 0, values < 9, 9, 0, 10, 10)
    assert report.kaplan_yorke == dimension


def test_a_map_that_keeps_all_volume_has_its_whole_width() -> None:
    rotation = np.linalg.qr(np.random.default_rng(2).standard_normal((4, 4)))[0]
    report = along([rotation] * 50)
    np.testing.assert_allclose(report.exponents, 0, atol=1e-13)
    zeros = np.zeros(4)
    assert LyapunovReport(zeros, zeros, zeros == 0, 4, 0, 10, 10).kaplan_yorke == 4.0


def test_the_burn_in_takes_what_does_not_fill_the_blocks() -> None:
    report = along([np.eye(2)] * 47, burn_in=5)
    assert (report.burn_in, report.steps, report.blocks) == (7, 40, 10)
    short = along([np.eye(2)] * 4, burn_in=3)
    assert (short.burn_in, short.steps, short.blocks) == (3, 1, 1)
    assert np.isnan(short.errors).all()


def test_what_cannot_be_measured_is_said() -> None:
    run = plain_trace(np.eye(2), 5)
    with pytest.raises(DataError, match="There are 2 Lyapunov exponents"):
        lyapunov_exponents(run, count=3)
    with pytest.raises(DataError, match="0 to 4"):
        lyapunov_exponents(run, burn_in=5)
    batch = trace(run.network, run.weights, np.zeros((5, 2, 1)))
    with pytest.raises(DataError, match="batch"):
        lyapunov_exponents(batch)
    with pytest.raises(NonFiniteError, match="step 1"):
        along([np.full((2, 2), 1.7e308)])
