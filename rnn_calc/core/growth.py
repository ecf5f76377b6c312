"""What stands between the eigenvalues of a recurrent matrix and a measured norm: its powers, and the slopes of φ."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log, log10

import numpy as np

from rnn_calc.core.decay import DecayReport
from rnn_calc.core.direct import DirectPath
from rnn_calc.core.equations import MAX_SLOPE, Apply, Vector
from rnn_calc.core.functions import slopes
from rnn_calc.core.weights import Array

# A slope below this share of the largest that the function has counts as small: the unit is saturated, or off.
SMALL_SLOPE = 0.1
# So many steps are looked at at a time: slopes of all of them at once may be as large as the trace.
_BLOCK = 4096
# A power whose norm moves by more than the second number when the entries move by the first is noise, as in `spectra`.
_NUDGE = 1e-12
_STEADY = 0.05
_LOG10_2 = log10(2)


@dataclass(frozen=True)
class Slopes:
    """φ′ over all units and all steps that the longest lag goes through: the mean, and the share of small ones.

    Small is below a tenth of the largest slope that φ has, which is `largest`.
    """

    mean: float
    small: float
    largest: float


def slopes_of(report: DecayReport) -> Slopes:
    """The slopes of a cell that is one function of a linear map."""
    function, argument = _function(report)
    run = next(run for run in report.trace.layers if run.layer == report.layer)
    # Back from the last step, the first Jacobian is that of the second step read.
    values = run.values.now[argument][-len(report.lags) :]
    total, small, largest = 0.0, 0, MAX_SLOPE[function]
    for start in range(0, len(values), _BLOCK):
        block = slopes(function, values[start : start + _BLOCK])
        total += float(block.sum())
        small += int((block < SMALL_SLOPE * largest).sum())
    return Slopes(total / values.size, small / values.size, largest)


def _function(report: DecayReport) -> tuple[str, str]:
    """The one function of the cell's equations, and the name of what it is applied to."""
    for equation in report.layer.equations:
        match equation.expression:
            case Apply(function, Vector(name)):
                return function, name
    raise AssertionError(f"{report.layer.cell.name} is no function of a named value")


def direct_norm(direct: DirectPath, lag: int) -> float:
    """log₁₀ of the norm of the direct path over the last `lag` steps; over all T of them it is that from the first."""
    return float(direct.log_shares[-lag:].sum(axis=0).max()) / log(10)


def linear_norm(report: DecayReport, lag: int) -> float | None:
    """log₁₀ ‖W^lag‖₂ of the one recurrent matrix: the norm in the network with φ = identity.

    None where rounding has eaten it. A vector stands for the diagonal matrix of it.
    """
    (spectrum,) = report.recurrent
    return power_norm(report.trace.weights[spectrum.parameter.name], lag)


def power_norm(matrix: Array, exponent: int) -> float | None:
    """log₁₀ of the 2-norm of a square matrix, or of a diagonal one given as a vector, to a power of at least 1.

    −∞ where the power is 0 exactly; None where it is so much smaller than its factors that rounding has eaten it.
    """
    if matrix.ndim == 1:
        largest = float(np.abs(matrix).max())
        return exponent * log10(largest) if largest else -inf
    norm = _norm(*_power(matrix, exponent))
    nudge = np.random.default_rng(0).uniform(-_NUDGE, _NUDGE, matrix.shape)
    moved = _norm(*_power(matrix - matrix * nudge, exponent))
    return norm if norm == moved or abs(moved - norm) <= log10(1 + _STEADY) else None


def _power(matrix: Array, exponent: int) -> tuple[Array, int]:
    """The power as array × 2^e, by squaring."""
    base = _scaled(matrix, 0)
    power = base
    for digit in bin(exponent)[3:]:
        power = _scaled(power[0] @ power[0], 2 * power[1])
        if digit == "1":
            power = _scaled(power[0] @ base[0], power[1] + base[1])
    return power


def _scaled(array: Array, exponent: int) -> tuple[Array, int]:
    """The array with its largest entry between 1/2 and 1; a power of two is exact."""
    shift = int(np.frexp(np.abs(array).max())[1])
    return np.ldexp(array, -shift), exponent + shift


def _norm(array: Array, exponent: int) -> float:
    norm = float(np.linalg.norm(array, 2))
    return log10(norm) + exponent * _LOG10_2 if norm else -inf
