from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.errors import DataError, NonFiniteError
from rnn_calc.core.network import Network
from rnn_calc.core.spectra import SCALINGS, scale_recurrent, spectral_norm, spectral_radius
from rnn_calc.core.weights import Weights
from tests.core.drawing import random_arrays
from tests.references import Array


def measured(measure: str, matrix: Array) -> float:
    if measure == "spectral radius":
        return float(np.abs(np.linalg.eigvals(matrix)).max())
    return float(np.sqrt(np.linalg.eigvalsh(matrix.T @ matrix)[-1]))


@pytest.mark.parametrize("measure", SCALINGS)
@given(seed=st.integers(0, 10**6), d_h=st.integers(1, 20), target=st.floats(1e-6, 1e6))
@settings(deadline=None, max_examples=25)
def test_scaling_hits_its_target_and_changes_nothing_but_the_size(
    measure: str, seed: int, d_h: int, target: float
) -> None:
    weights = Weights(random_arrays(Network(2, d_h), seed))
    scaled = scale_recurrent(weights, measure, target)
    # Eigenvalues of a random matrix are good to about n·κ·u; 1e−9 leaves room for κ = 1e5.
    assert measured(measure, scaled["W_hh"]) == pytest.approx(target, rel=1e-9)
    ratio = scaled["W_hh"] / weights["W_hh"]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-15)
    for name in ("W_xh", "b_h"):
        assert scaled[name] is weights[name]
    assert f"{measure} {target:g}" in scaled.scaling


@pytest.mark.parametrize("matrix", [[[0, 100], [0, 0]], [[0, 0], [3, 0]], [[0, 0], [0, 0]]])
def test_no_factor_gives_a_nilpotent_matrix_a_spectral_radius(matrix: list[list[float]]) -> None:
    weights = Weights({"W_hh": np.array(matrix, dtype=float)})
    with pytest.raises(DataError, match=r"spectral radius of 0, so no factor can make it 0\.9"):
        scale_recurrent(weights, "spectral radius", 0.9)


def test_a_nilpotent_matrix_has_a_spectral_norm_that_can_be_scaled() -> None:
    scaled = scale_recurrent(Weights({"W_hh": np.array([[0.0, 100.0], [0.0, 0.0]])}), "spectral norm", 0.5)
    # One quotient and one product: two roundings.
    np.testing.assert_allclose(scaled["W_hh"], np.array([[0.0, 0.5], [0.0, 0.0]]), rtol=4e-16)


def nilpotent(n: int, seed: int) -> Array:
    """A dense nilpotent matrix of integers, exactly: S N S⁻¹ for unit triangular S and a shift N."""
    rng = np.random.default_rng(seed)
    S, inverse = np.eye(n, dtype=int), np.eye(n, dtype=int)
    for _ in range(2 * n):
        i, j = rng.choice(n, 2, replace=False)
        S[:, j] += S[:, i]  # S E with E = 1 + e_i e_jᵀ, and E⁻¹ S⁻¹
        inverse[i] -= inverse[j]
    matrix = S @ np.eye(n, k=1, dtype=int) @ inverse
    assert not np.linalg.matrix_power(matrix, n).any()
    assert np.abs(matrix).max() < 2**50
    return matrix.astype(np.float64)


@pytest.mark.parametrize("target", [0.9, 1.0, 2.0**-10])
@pytest.mark.parametrize("matrix", [[[1, -1], [1, -1]], [[2, -1], [4, -2]]])
def test_a_radius_that_is_rounding_noise_counts_as_zero(matrix: list[list[float]], target: float) -> None:
    W = np.array(matrix, dtype=float)
    assert not (W @ W).any()
    with pytest.raises(DataError, match=r"spectral radius of 0, so no factor"):
        scale_recurrent(Weights({"W_hh": W}), "spectral radius", target)


@given(seed=st.integers(0, 2**63), n=st.integers(2, 12))
@settings(deadline=None, max_examples=60)
def test_a_dense_nilpotent_matrix_is_not_blown_up(seed: int, n: int) -> None:
    with pytest.raises(DataError, match=r"spectral radius of 0, so no factor"):
        scale_recurrent(Weights({"W_hh": nilpotent(n, seed)}), "spectral radius", 0.9)


@pytest.mark.parametrize(
    ("matrix", "radius"),
    [
        ([[0.9, 5.0], [0.0, 0.9]], 0.9),
        ([[0.0, 100.0], [1e-20, 0.0]], 1e-9),
        ([[1e-30, 1e30], [0.0, 1e-31]], 1e-30),
        ([[2.8, 1.0], [-1.0, 0.8]], 1.8),
    ],
)
def test_a_small_or_repeated_eigenvalue_is_no_noise(matrix: list[list[float]], radius: float) -> None:
    scaled = scale_recurrent(Weights({"W_hh": np.array(matrix)}), "spectral radius", 1.0)
    # A double eigenvalue is known to √(κ·u), about 3e−8.
    np.testing.assert_allclose(scaled["W_hh"], np.array(matrix) / radius, rtol=1e-7)


@pytest.mark.parametrize("measure", SCALINGS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_measure_of_what_is_not_finite_is_refused_with_its_place(measure: str, bad: float) -> None:
    matrix = np.eye(3)
    matrix[1, 2] = bad
    with pytest.raises(NonFiniteError, match=rf"has {bad:g} in row 2, column 3; a {measure} needs finite"):
        scale_recurrent(Weights({"W_hh": matrix}), measure, 0.9)
    for function in (spectral_radius, spectral_norm):
        with pytest.raises(NonFiniteError):
            function(matrix)


@pytest.mark.parametrize(
    ("measure", "matrix", "target"),
    [
        ("spectral radius", [[1.0, 50.0], [0.0, 0.5]], 1e308),  # the 50 would be 5e309
        ("spectral radius", [[1e-5, 0.0], [0.0, 1e-5]], 5e-324),
        ("spectral norm", [[1e-5, 0.0], [0.0, 1e-5]], 5e-324),
        ("spectral norm", [[1e-320, 0.0], [0.0, 1e-320]], 1e308),  # the factor would be 1e628
    ],
)
def test_a_target_that_leaves_float64_is_refused_without_a_warning(
    measure: str, matrix: list[list[float]], target: float
) -> None:
    message = re.escape(f"W_hh with a {measure} of {target:g} would leave the range of float64")
    with pytest.raises(NonFiniteError, match=message):
        scale_recurrent(Weights({"W_hh": np.array(matrix)}), measure, target)


@pytest.mark.parametrize("target", [0.0, -1.0, np.nan, np.inf])
def test_a_target_is_a_number_above_0(target: float) -> None:
    with pytest.raises(DataError, match="must be a number above 0"):
        scale_recurrent(Weights({"W_hh": np.eye(2)}), "spectral radius", target)


def test_an_unknown_measure_is_answered_with_the_choices() -> None:
    with pytest.raises(DataError, match=r"no measure 'radius'; it must be spectral radius or spectral norm"):
        scale_recurrent(Weights({"W_hh": np.eye(2)}), "radius", 0.9)


def test_each_recurrent_matrix_that_is_named_is_scaled_by_itself() -> None:
    weights = Weights({"W_hi": np.diag([2.0, 1.0]), "W_hf": np.diag([0.1, 0.3]), "u_h": np.array([-4.0, 1.0])})
    scaled = scale_recurrent(weights, "spectral radius", 0.5, ["W_hi", "u_h"])
    np.testing.assert_allclose(scaled["W_hi"], np.diag([0.5, 0.25]), rtol=1e-15)
    # A vector that a state is multiplied by is the diagonal of a matrix, and stays a vector.
    np.testing.assert_allclose(scaled["u_h"], [-0.5, 0.125], rtol=1e-15)
    assert scaled["W_hf"] is weights["W_hf"]
    assert scaled.scaling == "W_hi, u_h scaled to spectral radius 0.5"


def test_a_matrix_that_is_not_square_has_a_norm_to_scale_and_no_radius() -> None:
    weights = Weights({"W_hh": np.diag([3.0, 1.0, 0.5])[:, :2]})
    with pytest.raises(DataError, match=r"W_hh has shape \(3, 2\); only a square matrix has a spectral radius"):
        scale_recurrent(weights, "spectral radius", 0.9)
    scaled = scale_recurrent(weights, "spectral norm", 0.6)
    np.testing.assert_allclose(scaled["W_hh"], np.diag([0.6, 0.2, 0.1])[:, :2], rtol=1e-15)
