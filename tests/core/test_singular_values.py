"""Singular values of long products, however small beside the largest, against arithmetic of thousands of bits."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS
from rnn_calc.core.decay import gradient_decay
from rnn_calc.core.errors import DataError, NonFiniteError
from rnn_calc.core.network import Network
from rnn_calc.core.singular_values import GradedRows, SingularValues, orthogonal_rows
from rnn_calc.core.trace import trace
from rnn_calc.core.weights import Weights
from tests.core.drawing import plain_trace, random_arrays, sequence
from tests.references import Array

seeds = st.integers(0, 10**6)


def ours(jacobians: Sequence[Array], count: int) -> Array:
    """log₂ of the singular values of the product J_1 J_2 ⋯."""
    product = SingularValues({"h": np.eye(len(jacobians[0]))}, ("h",), count)
    for t, jacobian in enumerate(jacobians):
        product.take({"h": product.blocks["h"] @ jacobian}, 0, t)
    return product.log2_values()


def exact(jacobians: Sequence[Array], bits: int) -> Array:
    with mpmath.workprec(bits):
        product = mpmath.eye(len(jacobians[0]))
        for jacobian in jacobians:
            product = product * mpmath.matrix(jacobian.tolist())
        values = mpmath.svd_r(product, compute_uv=False)
        return np.array([float(mpmath.log(value, 2)) for value in values])


@pytest.mark.parametrize(("n", "T"), [(1, 50), (2, 400), (3, 300), (4, 2000), (6, 200), (9, 60), (12, 40)])
def test_all_singular_values_have_all_digits_however_far_apart(n: int, T: int) -> None:
    rng = np.random.default_rng(n)
    jacobians = [rng.uniform(0.05, 1, n)[:, None] * rng.standard_normal((n, n)) / np.sqrt(n) for _ in range(T)]
    right = exact(jacobians, 400 + 12 * T)
    # T factors round by about T·√n·u relative, and the factors' own condition numbers, here up to 1e4, on top.
    np.testing.assert_allclose(ours(jacobians, n), right, rtol=1e-14, atol=1e-11)
    assert n < 3 or right[0] - right[-1] > 100


def test_a_tenth_of_1e_minus_300_is_found_beside_one() -> None:
    rng = np.random.default_rng(0)
    Q = [np.linalg.qr(rng.standard_normal((3, 3)))[0] for _ in range(2)]
    step = [np.diag([1.0, 1e-3, 1e-6])] * 100
    found = ours([Q[0], *step, Q[1]], 3)
    np.testing.assert_allclose(found, np.log2([1.0, 1e-3, 1e-6]) * [0, 100, 100], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("n", [3, 16])
@pytest.mark.parametrize("slope", [0.0, 1e-60, 1e-20, 1e-14, 1e-8])
def test_what_rounding_hides_is_not_told_and_the_rest_is_right(n: int, slope: float) -> None:
    rng = np.random.default_rng(2)
    jacobians = []
    for t in range(6):
        slopes = rng.uniform(0.3, 1, n)
        slopes[t % n] = slope  # a unit that is off, another one at each step
        jacobians.append(slopes[:, None] * rng.standard_normal((n, n)))
    right = exact(jacobians, 3000)
    right[right < -1500] = -inf  # the exact zeros of units that are off
    found = ours(jacobians, n)
    told = ~np.isnan(found)
    np.testing.assert_allclose(found[told], right[told], atol=1e-5 if slope else 1e-9)
    hidden = min(6, n) if n > 3 else 2
    assert np.count_nonzero(told) >= n - hidden
    assert told.all() == (slope in (0.0, 1e-8))


@given(seed=seeds, n=st.integers(1, 14), r=st.integers(1, 14))
@settings(deadline=None, max_examples=40)
def test_rotations_leave_the_rows_orthogonal_and_their_gram_matrix_as_it_was(seed: int, n: int, r: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((r, n)) * (rng.random((r, n)) < 0.8)
    rows = orthogonal_rows(GradedRows(values, np.zeros(r, dtype=np.int64)))
    plain = np.ldexp(rows.values, rows.exponents[:, None])
    np.testing.assert_allclose(plain.T @ plain, values.T @ values, atol=1e-13 * (1 + np.abs(values).max() ** 2))
    found, lapack = np.zeros(r), np.zeros(r)
    found[: len(plain)] = np.linalg.norm(plain, axis=1)
    lapack[: min(r, n)] = np.linalg.svd(values, compute_uv=False)
    np.testing.assert_allclose(found, lapack, atol=1e-13 * (1 + lapack[0]))


def test_a_singular_factor_has_exact_zeros() -> None:
    values = ours([np.diag([2.0, 1.0, 0.0]), np.diag([1.0, 0.0, 1.0])], 3)
    assert values.tolist() == [1.0, -inf, -inf]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("family", ["back", "forward"])
def test_the_largest_is_the_norm_and_the_others_those_of_the_matrix(cell: str, family: str) -> None:
    network = Network(2, 4, cell=CELLS[cell])
    done = trace(network, Weights(random_arrays(network, 3)), sequence(3, 12, 2))
    lags = range(1, 12)
    report = gradient_decay(done, family=family, jacobians=lags, singular_values=9)  # type: ignore[arg-type]
    for decay in report.decays:
        assert decay.log10_singular_values is not None
        np.testing.assert_allclose(decay.log10_singular_values[:, 0], decay.log10_norms, atol=1e-12)
        for lag in lags:
            lapack = np.linalg.svd(decay.jacobians[lag], compute_uv=False)
            found = 10.0 ** decay.log10_singular_values[lag - 1]
            # LAPACK's are good to u of the largest.
            np.testing.assert_allclose(found, lapack, atol=1e-13 * lapack[0])


def test_a_product_that_becomes_exactly_0_has_exact_zeros_from_then_on() -> None:
    report = gradient_decay(plain_trace(np.array([[0.0, 4.0], [0.0, 0.0]]), 5), singular_values=2)
    assert report.log10_singular_values is not None
    assert report.log10_singular_values[0].tolist() == pytest.approx([np.log10(4), -inf])
    assert (report.log10_singular_values[1:] == -inf).all()
    report = gradient_decay(plain_trace(np.zeros((2, 2)), 5), singular_values=2)
    assert report.log10_singular_values is not None
    assert (report.log10_singular_values == -inf).all()


def test_a_negative_number_of_singular_values_is_refused() -> None:
    with pytest.raises(DataError, match="at least 0; it is -1"):
        gradient_decay(plain_trace(np.eye(2), 4), singular_values=-1)


def test_singular_values_of_units_that_saturate_beyond_float64_are_refused() -> None:
    weights = Weights({"W_xh": np.zeros((2, 1)), "W_hh": np.diag([1.0, 0.5]), "b_h": np.array([400.0, 0.0])})
    done = trace(Network(1, 2), weights, np.zeros((3, 1)))
    with pytest.raises(NonFiniteError, match="singular values are not"):
        gradient_decay(done, singular_values=1)
