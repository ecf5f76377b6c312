"""What one point of a sweep measures: the gradient's decay, the largest Lyapunov exponent, and the phase they make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isfinite, log
from statistics import median
from typing import Literal, NamedTuple

import numpy as np

from rnn_calc.core.decay import Verdict, gradient_decay
from rnn_calc.core.engine import Engine
from rnn_calc.core.equations import Apply, Expression, Hadamard, Sum, Vector, operands
from rnn_calc.core.grid import Grid
from rnn_calc.core.layer_trace import LayerTrace
from rnn_calc.core.linearization import Linearization
from rnn_calc.core.lyapunov import BLOCKS, LyapunovReport, lyapunov_exponents
from rnn_calc.core.memory import FLOAT64
from rnn_calc.core.network import Network
from rnn_calc.core.trace import Trace, trace_bytes
from rnn_calc.core.weights import Array

Phase = Literal["vanishing", "steady", "exploding", "chaotic"]
PHASES: tuple[Phase, ...] = ("vanishing", "steady", "exploding", "chaotic")
VERDICTS: tuple[Verdict, ...] = ("vanishing", "steady", "exploding")

# An exponent is positive when it is so many standard errors above 0.
ERRORS_ABOVE = 2.0
# A state without bounds of its own stays bounded if the root mean square of its second half is at most so many times
# that of its first. Where it goes on growing in proportion to t it would be 2.6, in proportion to √t 1.7.
GROWTH = 1.5
_BOUNDED = ("tanh", "sigmoid")
# So many of the last steps are compared; Jacobians closer than the second number are one and the same.
_COMPARED = 16
_SAME = 1e-9
# The product, what multiplies it, and the work of its singular values.
_MATRICES = 26


class Measurement(NamedTuple):
    """What was measured of one run of one network.

    `log10_norm` is that of ∂h_T/∂h_1, −∞ for an exact zero. Where a state outgrew float64 nothing is known but that:
    all numbers are None. `lyapunov_error` is None where it has none.
    Units: `rate_per_step` is a factor a step; the Lyapunov exponent and its standard error are in nats a step.
    """

    log10_norm: float | None
    rate_per_step: float | None
    verdict: Verdict
    lyapunov: float | None
    lyapunov_error: float | None
    phase: Phase


class PointSummary(NamedTuple):
    """The medians over the runs of one point of a sweep, and the phase that most of them are in, `agreeing` of `runs`.

    Of runs whose state outgrew float64 there are no numbers; the medians are over the others.
    """

    log10_norm: float | None
    rate_per_step: float | None
    verdict: Verdict
    lyapunov: float | None
    lyapunov_error: float | None
    phase: Phase
    agreeing: int
    runs: int
    outgrown: int


class SweepReport(NamedTuple):
    """What was measured at every point of a grid, in its order."""

    grid: Grid
    points: tuple[PointSummary, ...]


def measure(trace: Trace, layer: LayerTrace | None = None) -> Measurement:
    """The measurement of one layer and direction of a single sequence; the top one, forward, by default.

    It is chaotic where it would be exploding, yet the largest exponent is positive beyond its error, every state stays
    bounded and the Jacobian changes on the way: the network is not linear there, and the state not at rest.
    Raises: as `gradient_decay` and `lyapunov_exponents` do.
    """
    run = layer or trace.top[0]
    decay = gradient_decay(trace, layer=run)
    lyapunov = lyapunov_exponents(trace, layer=run, count=1)
    chaotic = decay.verdict == "exploding" and _is_positive(lyapunov) and _is_bounded(run) and _changes(trace, run)
    rate = decay.rate_per_step
    return Measurement(
        float(decay.log10_norms[-1]),
        rate if isfinite(rate) else None,
        decay.verdict,
        lyapunov.largest,
        lyapunov.largest_error if isfinite(lyapunov.largest_error) else None,
        "chaotic" if chaotic else decay.verdict,
    )


# A state beyond float64 has grown; by which factor a step is not known.
OUTGROWN = Measurement(None, None, "exploding", None, None, "exploding")


def summarize(runs: Sequence[Measurement]) -> PointSummary:
    """The medians of several measurements of one point; where phases tie, the first of `PHASES`."""
    phases = Counter(run.phase for run in runs)
    phase = max(PHASES, key=lambda name: phases[name])
    verdicts = Counter(run.verdict for run in runs)
    return PointSummary(
        _median([run.log10_norm for run in runs]),
        _median([run.rate_per_step for run in runs]),
        max(VERDICTS, key=lambda name: verdicts[name]),
        _median([run.lyapunov for run in runs]),
        _median([run.lyapunov_error for run in runs]),
        phase,
        phases[phase],
        len(runs),
        sum(run == OUTGROWN for run in runs),
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def measuring_bytes(network: Network, steps: int) -> int:
    """About how much memory `measure` needs at most for a run of that many steps, weights and trace included."""
    widths = [sum(layer.sizes[axis] for axis in layer.state.values()) for stack in network.stack for layer in stack]
    weights = sum(int(np.prod(network.shape(parameter), dtype=object)) for parameter in network.parameters)
    return trace_bytes(network, steps) + FLOAT64 * (3 * weights + _MATRICES * max(widths) ** 2)


def _is_positive(report: LyapunovReport) -> bool:
    """Whether the largest exponent is above its error, and large enough to double a distance within the run."""
    # Where the run is too short for all blocks, the error is itself too uncertain.
    return report.blocks == BLOCKS and report.largest > max(ERRORS_ABOVE * report.largest_error, log(2) / report.steps)


def _is_bounded(run: LayerTrace) -> bool:
    """Whether each state has bounds by its functions, or at least does not outgrow its own first half."""
    made = {equation.name: equation.expression for equation in run.layer.equations}
    return all(_has_bounds(made[name], made) or _stays(run.values.now[name]) for name in run.layer.state)


def _has_bounds(node: Expression, made: Mapping[str, Expression]) -> bool:
    """Whether nothing but values of bounded functions is in the expression."""
    match node:
        case Apply(function):
            return function in _BOUNDED
        case Hadamard() | Sum():
            return all(_has_bounds(part, made) for part in operands(node))
        case Vector(name=name, previous=previous):
            return not previous and name in made and _has_bounds(made[name], made)
        case _:
            return False


def _stays(states: Array) -> bool:
    half = len(states) // 2
    early, late = (float(np.sqrt(np.mean(np.square(part)))) for part in (states[:half], states[half:]))
    return late <= GROWTH * early


def _changes(trace: Trace, run: LayerTrace) -> bool:
    """Whether the last steps have different Jacobians, as a drawn tangent shows."""
    derivative = Linearization(Engine(run.layer, trace.weights), run.values)
    rng = np.random.default_rng(0)
    tangents = {name: rng.standard_normal((1, run.layer.sizes[axis])) for name, axis in run.layer.state.items()}
    first: Array | None = None
    for t in range(max(0, trace.steps - _COMPARED), trace.steps):
        pushed = np.hstack(list(derivative.push(t, tangents).values()))
        if first is None:
            first, exponent = pushed, derivative.exponent(t)
        elif derivative.exponent(t) != exponent or np.abs(pushed - first).max() > _SAME * np.abs(first).max():
            return True
    return False
