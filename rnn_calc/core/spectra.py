"""How large a recurrent matrix is, by its eigenvalues and by its singular values; and matrices rescaled to a size."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from rnn_calc.core.equations import Parameter
from rnn_calc.core.errors import DataError, NonFiniteError, did_you_mean, listed, quoted
from rnn_calc.core.stages import Stage
from rnn_calc.core.weights import Array, Weights


def spectral_radius(matrix: Array) -> float:
    """The largest modulus of an eigenvalue of a square matrix.

    Raises: NonFiniteError where an entry is NaN or infinite.
    """
    return _largest_eigenvalue(matrix)[1]


def _largest_eigenvalue(matrix: Array) -> tuple[complex, float]:
    """An eigenvalue of the largest modulus, and that modulus."""
    _require_finite(matrix, "spectral radius")
    with np.errstate(over="ignore"):
        values = np.linalg.eigvals(matrix)
        sizes = np.abs(values)
    largest = int(np.argmax(sizes))
    return complex(values[largest]), float(sizes[largest])


def spectral_norm(matrix: Array) -> float:
    """The largest singular value of a matrix.

    Raises: NonFiniteError where an entry is NaN or infinite.
    """
    _require_finite(matrix, "spectral norm")
    with np.errstate(over="ignore"):
        return float(np.linalg.norm(matrix, 2))


def _require_finite(matrix: Array, measure: str) -> None:
    wrong = np.argwhere(~np.isfinite(matrix))
    if len(wrong):
        row, column = wrong[0]
        raise NonFiniteError(
            f"The recurrent matrix has {matrix[row, column]:g} in row {row + 1}, column {column + 1}; "
            f"a {measure} needs finite numbers."
        )


# The roles of what takes one hidden state to the next.
RECURRENT = ("recurrent", "diagonal")


@dataclass(frozen=True)
class Spectrum:
    """How large one recurrent matrix is; one that is not square (of a projected state) has no eigenvalues."""

    parameter: Parameter
    spectral_radius: float | None
    spectral_norm: float


def recurrent_parameters(stage: Stage) -> tuple[Parameter, ...]:
    """The matrices (or diagonals of such) that take one hidden state to the next, one for each gate that sees it."""
    return tuple(parameter for parameter in stage.parameters if parameter.role in RECURRENT)


def recurrent_spectra(stage: Stage, weights: Weights) -> tuple[Spectrum, ...]:
    """The spectral radius and norm of each recurrent matrix of a layer; a vector stands for a diagonal matrix.

    Raises: NonFiniteError where an entry is NaN or infinite.
    """
    return tuple(_spectrum(parameter, weights[parameter.name]) for parameter in recurrent_parameters(stage))


def _spectrum(parameter: Parameter, array: Array) -> Spectrum:
    if array.ndim == 1:
        _require_finite(array[:, None], "spectral radius")
        largest = float(np.abs(array).max())
        return Spectrum(parameter, largest, largest)
    square = array.shape[0] == array.shape[1]
    return Spectrum(parameter, spectral_radius(array) if square else None, spectral_norm(array))


SCALINGS: dict[str, tuple[str, Callable[[Array], float]]] = {
    "spectral radius": ("ρ", spectral_radius),
    "spectral norm": ("σ_max", spectral_norm),
}

# A radius that moves by more than the second number when the entries move by the first, relatively, is noise. The
# eigenvalues of a nilpotent matrix come out as about u^(1/n)·‖W‖, so a bound on their size would refuse any matrix of
# some size; but 1e−12 instead of u makes them 10^(4/n) times as large. An honest eigenvalue of condition κ moves by
# κ·1e−12, and one that is repeated k times by 1e−12^(1/k), which is 3 % for k = 8. Zeros stay zeros, so a triangular
# matrix keeps its radius however ill-conditioned it is. A singular value moves by no more than the matrix.
_NUDGE = 1e-12
_STEADY = 0.05
# Where the condition of the eigenvalue says that it moves by far less, all eigenvalues need not be found once more.
_FIRM = 1e-5


def scale_recurrent(weights: Weights, measure: str, target: float, names: Iterable[str] = ("W_hh",)) -> Weights:
    """The same weights with the recurrent matrices `names` rescaled so that the `measure` of each is `target`.

    `measure` is a key of `SCALINGS`; a vector stands for the diagonal matrix of it.
    Raises: DataError for an unknown measure or name, a target that is not above 0, the radius of a matrix that is not
    square, or one that measures 0 (or nothing but rounding), which no factor changes; NonFiniteError where one is not
    finite, or would not stay within float64.
    """
    if measure not in SCALINGS:
        raise DataError(
            f"There is no measure {quoted(measure)}; it must be {listed(SCALINGS)}.{did_you_mean(measure, SCALINGS)}"
        )
    if not 0 < target < np.inf:
        raise DataError(f"The {measure} must be a number above 0; {target:g} is not.")
    names = tuple(names)
    for name in names:
        if name not in weights.arrays:
            raise DataError(f"There is no array {quoted(name)} to scale; there are {', '.join(weights.arrays)}.")
    scaled = {name: _scaled(name, weights[name], measure, target) for name in names}
    said = f"{', '.join(names)} scaled to {measure} {target:g}"
    return replace(weights, arrays={**weights.arrays, **scaled}, scaling=said)


def _scaled(name: str, array: Array, measure: str, target: float) -> Array:
    matrix = np.diag(array) if array.ndim == 1 else array
    if matrix.shape[0] != matrix.shape[1] and measure == "spectral radius":
        raise DataError(
            f"{name} has shape {matrix.shape}; only a square matrix has a {measure}. Scale to a spectral norm instead."
        )
    if measure == "spectral radius":
        value, current = _largest_eigenvalue(matrix)
        is_noise = current > 0 and not _is_steady(matrix, value)
    else:
        current, is_noise = SCALINGS[measure][1](matrix), False
    if current == 0 or is_noise:
        raise DataError(
            f"{name} has a {measure} of 0, so no factor can make it {target:g}; give other weights or another --init."
        )
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        scaled = array * (target / current)
    largest = np.abs(scaled).max()
    if not np.finfo(np.float64).tiny <= largest < np.inf:
        raise NonFiniteError(
            f"{name} with a {measure} of {target:g} would leave the range of float64 (2.2e-308 to 1.8e308); "
            f"its {measure} is {current:g} now."
        )
    return scaled


def _is_steady(matrix: Array, value: complex) -> bool:
    """Whether the radius of a matrix, which is that of this eigenvalue, stays when entries move in their 12th digit."""
    if _NUDGE * _condition(matrix, value) * np.linalg.norm(matrix) <= _FIRM * abs(value):
        return True
    nudge = np.random.default_rng(0).uniform(-_NUDGE, _NUDGE, matrix.shape)
    return abs(spectral_radius(matrix - matrix * nudge) - abs(value)) <= _STEADY * abs(value)


def _condition(matrix: Array, value: complex) -> float:
    """About by how much more than the matrix an eigenvalue may move: 1/|yᴴx| of its unit vectors from either side."""
    start = np.random.default_rng(0).standard_normal(len(matrix))
    # Not at the eigenvalue itself, where there is nothing to solve.
    shifted = matrix - value * (1 + 1e-10) * np.eye(len(matrix))
    try:
        right, left = np.linalg.solve(shifted, start), np.linalg.solve(shifted.conj().T, start)
    except np.linalg.LinAlgError:
        return np.inf
    with np.errstate(all="ignore"):
        return float(np.linalg.norm(left) * np.linalg.norm(right) / abs(np.vdot(left, right)))
