"""Lyapunov exponents of the sequence of states of one run: the rates at which neighbouring states part or meet.

An orthonormal block of tangents goes through each step's Jacobian and is made orthonormal again by QR (Benettin,
Galgani, Giorgilli, Strelcyn 1980); the means of log|R_ii| are the exponents. They are rates along the whole run. The
norm of a finite product is another number: its logarithm may be off the sum of log R₁₁ by some nats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isinf, log
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.display import Displayed
from rnn_calc.core.engine import Engine, Watch
from rnn_calc.core.errors import DataError, NonFiniteError
from rnn_calc.core.layer_trace import LayerTrace
from rnn_calc.core.linearization import Linearization
from rnn_calc.core.memory import FLOAT64, require_memory
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array

# Means over this many blocks of steps: their scatter gives the error bars.
BLOCKS = 10
# The share of a run that is not measured unless told otherwise: states and tangents settle meanwhile.
_BURN_IN = 4
# A QR is put off until the columns would have lost about so many of their 52 bits to each other, …
_BITS = 12.0
# … and where they have lost more than so many, the steps are gone through again with a QR after each.
_MOST_BITS = 24.0
_LONGEST_STRIDE = 32
# Rows are rescaled when their largest entry leaves [2^−64, 2^64].
_HEADROOM = 64
_UNIT_ROUNDOFF = 1.1e-16


class Derivative(Protocol):
    """What takes tangents through the steps of a run: a `Linearization`."""

    def push(self, t: int, tangents: Mapping[str, Array]) -> dict[str, Array]:
        """Rows (r, n) for each state before step `t` (0-based), as rows for each state after it."""

    def exponent(self, t: int) -> int:
        """The power of two that `push` leaves out."""


@dataclass(frozen=True)
class LyapunovReport(Displayed):
    """The largest Lyapunov exponents of a layer's states, all of them together, along one run; the largest first.

    `width` is that of all states, so the number of exponents that there are. A direction that dies has −∞. One that is
    not `resolved` shrank beyond rounding beside its unit's others within one step: its exponent is an upper bound.
    Each of `errors` is a standard error: that of the mean over `blocks` equal parts of the run, taken as independent;
    NaN where the exponent is −∞ or there is one block. The first `burn_in` steps are not measured.

    Units: exponents and errors are in nats a step.
    Shapes: exponents, errors and resolved (k,), k ≤ width.
    """

    exponents: Array
    errors: Array
    resolved: NDArray[np.bool_]
    width: int
    burn_in: int
    steps: int
    blocks: int

    def __repr__(self) -> str:
        return f"<LyapunovReport: {len(self.exponents):,} of {self.width:,}, from {self.largest:.4g} nats a step down>"

    @property
    def largest(self) -> float:
        """The largest exponent."""
        return float(self.exponents[0])

    @property
    def largest_error(self) -> float:
        """Its standard error."""
        return float(self.errors[0])

    @property
    def kaplan_yorke(self) -> float | None:
        """The Kaplan–Yorke dimension: how many of the largest exponents, the last in part, add up to 0.

        0 where the largest is negative; None where the sum of all that were measured is still positive, or is 0
        without being all.
        """
        total = 0.0
        for index, exponent in enumerate(self.exponents.tolist()):
            if total + exponent < 0:
                return float(index) if isinf(exponent) else index + total / -exponent
            total += exponent
        return float(self.width) if len(self.exponents) == self.width else None


def lyapunov_exponents(
    trace: Trace,
    *,
    layer: LayerTrace | None = None,
    count: int | None = None,
    burn_in: int | None = None,
    watch: Watch = iter,
) -> LyapunovReport:
    """The `count` largest Lyapunov exponents (all, unless told) of one layer and direction of a single sequence.

    `layer` is one of `trace.layers`, by default the top one, forward; its inputs are held fixed. `burn_in` is the
    least number of steps before the measured ones (a quarter unless told): what does not fill the blocks joins them.
    A slope below float64 beside larger ones of its step counts as 0.
    Raises: DataError for a batch, a count or a burn-in that cannot be; NonFiniteError where a step leaves float64;
    TooLargeError before anything is allocated.
    """
    if trace.x.ndim != 2:
        raise DataError("Lyapunov exponents are measured along one sequence, not along a batch.")
    run = layer or trace.top[0]
    widths = {name: run.layer.sizes[axis] for name, axis in run.layer.state.items()}
    width, T = sum(widths.values()), trace.steps
    count = width if count is None else count
    if not 1 <= count <= width:
        raise DataError(f"There are {width} Lyapunov exponents of states of that width; {count} cannot be measured.")
    least = T // _BURN_IN if burn_in is None else burn_in
    if not 0 <= least < T:
        raise DataError(f"A burn-in of {least} steps leaves none of {T} to measure; it must be 0 to {T - 1}.")
    require_memory(
        FLOAT64 * 10 * width * count, f"{count:,} Lyapunov exponents of {width:,} states", "Ask for fewer of them."
    )
    derivative = Linearization(Engine(run.layer, trace.weights), run.values)
    return measure_exponents(derivative, widths, T, count, least, watch)


def measure_exponents(
    derivative: Derivative, widths: Mapping[str, int], steps: int, count: int, burn_in: int, watch: Watch = iter
) -> LyapunovReport:
    """The same of anything that has a derivative at each of its steps; `widths` are those of its states."""
    blocks = min(BLOCKS, steps - burn_in)
    length = (steps - burn_in) // blocks
    first = steps - blocks * length
    tangents = _Tangents(derivative, widths, count)
    sums = np.zeros((blocks, count))
    for t in watch(range(steps)):
        if t == first:
            tangents.settle()
        tangents.push(t)
        if t >= first and (t + 1 - first) % length == 0:
            sums[(t - first) // length] = tangents.settle()
    means = sums / length
    exponents = means.mean(axis=0)
    order = np.argsort(-exponents, kind="stable")
    errors = np.full(count, np.nan)
    if blocks > 1:
        finite = np.isfinite(exponents)
        errors[finite] = means[:, finite].std(axis=0, ddof=1) / np.sqrt(blocks)
    return LyapunovReport(
        exponents[order], errors[order], tangents.resolved[order], sum(widths.values()), first, blocks * length, blocks
    )


class _Factors(NamedTuple):
    """A block of tangents taken apart: `rows` orthonormal, the logarithms of R_ii, and how many bits were lost."""

    rows: Array
    alive: NDArray[np.intp]
    logs: Array
    resolved: NDArray[np.bool_]
    lost: float


class _Tangents:
    """An orthonormal block of tangents on its way through a run; `settle` tells what its directions grew by."""

    def __init__(self, derivative: Derivative, widths: Mapping[str, int], count: int) -> None:
        self._derivative = derivative
        self._names, sizes = tuple(widths), tuple(widths.values())
        self._ends = np.cumsum(sizes)[:-1]
        self._width = sum(sizes)
        # Drawn, because the unit vectors may be what the Jacobians map to each other.
        normal = np.random.default_rng(0).standard_normal((self._width, count))
        self._rows = np.ascontiguousarray(np.linalg.qr(normal)[0].T)
        self._alive = np.arange(count)
        self.resolved = np.ones(count, dtype=bool)
        self._grown = np.zeros(count)
        self._stride, self._pending = 1, list[int]()
        self._moved, self._exponents = self._rows, np.zeros(count, dtype=np.int64)

    def push(self, t: int) -> None:
        """Take the block through step `t`."""
        self._step(t)
        self._pending.append(t)
        if len(self._pending) >= self._stride:
            self._orthonormalize()

    def settle(self) -> Array:
        """The logarithm of what each direction has grown by since the last call."""
        self._orthonormalize()
        grown, self._grown = self._grown, np.zeros_like(self._grown)
        grown[np.setdiff1d(np.arange(len(grown)), self._alive)] = -np.inf
        return grown

    def _step(self, t: int) -> None:
        """Multiply by the Jacobian; each row is rescaled by powers of two, which is exact."""
        if not len(self._alive):
            return
        parts = np.split(self._moved, self._ends, axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            pushed = self._derivative.push(t, dict(zip(self._names, parts, strict=True)))
        zero = np.zeros((len(self._moved), 1))
        moved = [
            pushed.get(name, np.broadcast_to(zero, part.shape)) for name, part in zip(self._names, parts, strict=True)
        ]
        self._moved = np.hstack(moved) if len(moved) > 1 else moved[0]
        largest = np.abs(self._moved).max(axis=1)
        if not np.isfinite(largest).all():
            raise NonFiniteError(f"The derivative of step {t + 1} leaves float64; scale the weights or the state down.")
        exponents = np.frexp(largest)[1]
        if (np.abs(exponents) > _HEADROOM).any():
            self._moved = np.ldexp(self._moved, -exponents[:, None])
            self._exponents = self._exponents + exponents
        self._exponents = self._exponents + self._derivative.exponent(t)

    def _orthonormalize(self) -> None:
        """Make the block orthonormal again, and add up what it grew by."""
        if not self._pending:
            return
        factors = self._factored()
        if factors.lost > _MOST_BITS and len(self._pending) > 1:
            self._moved, self._exponents = self._rows, np.zeros(len(self._rows), dtype=np.int64)
            for t in self._pending:
                self._step(t)
                factors = self._factored()
                self._take(factors)
            self._stride = 1
        else:
            self._take(factors)
            rate = factors.lost / len(self._pending)
            self._stride = max(1, min(_LONGEST_STRIDE, int(_BITS / max(rate, 1e-9))))
        self._pending = []

    def _take(self, factors: _Factors) -> None:
        self._alive = self._alive[factors.alive]
        self._grown[self._alive] += factors.logs + self._exponents[factors.alive] * log(2)
        self.resolved[self._alive] &= factors.resolved
        self._rows = self._moved = factors.rows
        self._exponents = np.zeros(len(factors.rows), dtype=np.int64)

    def _factored(self) -> _Factors:
        """The QR factors of the block; what has died is left out, for it would take its share from those behind it."""
        alive = np.arange(len(self._moved))
        while len(alive):
            block = self._moved[alive]
            # QR takes a factor of a column as it is, so the columns can be of any size.
            exponents = np.frexp(np.abs(block).max(axis=1))[1]
            block = np.ldexp(block, -exponents[:, None])
            # With the largest rows first, Householder's QR is as exact for the small ones (Cox, Higham 1998).
            sizes = np.abs(block).max(axis=0)
            order = np.argsort(-sizes, kind="stable")
            q, r = np.linalg.qr(block.T[order])
            found = np.abs(np.diag(r))
            if found.all():
                break
            alive = alive[found > 0]
        else:
            empty = np.empty(0)
            return _Factors(np.empty((0, self._width)), alive, empty, empty > 0, 0.0)
        rows = np.empty_like(block)
        rows[:, order] = q.T
        noise = 8 * self._width * _UNIT_ROUNDOFF * sizes[order][: len(found)]
        lost = float(np.log2(np.linalg.norm(block, axis=1) / found).max())
        logs = np.log(np.maximum(found, noise)) + exponents * log(2)
        return _Factors(rows, alive, logs, found > noise, lost)
