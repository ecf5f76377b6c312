"""Long products of Jacobians without overflow or underflow, and an interval for the 2-norm of each.

A product is kept as rows times powers of two, one exponent a row. Rescaling by a power of two is exact, so the product
is the float64 product, whatever its size; and a row that has shrunk to 1e−400 of another keeps all its digits for the
moment when a later factor wipes that other row out.

A norm is not changed by a rotation from the left, and a long product soon has few rows that matter. So the rows are
now and then rotated to the directions that do, and the others are dropped. Whether these stay small is not assumed but
watched: `GUARDS` Gaussian combinations of all that was dropped are carried along, and `NOISE_GUARDS` of the noise that
the rotations leave in every direction. What they show bounds both, with a probability of all but 10^−12.

Where a cell has several states, the rows go through all of them, [∂h_T/∂h_k, ∂h_T/∂c_k], and the norm is that of one
block. A direction that has next to nothing in that block may come back through the others, so it is judged by its
share in every block, each measured by its own size; and what was dropped is judged at every lag anew, by what the
guards show in the block whose norm is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, log2, sqrt
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.certificate import NormFinder
from rnn_calc.core.compression import GUARDS, NOISE_GUARDS, SMALL, Schedule, directions, noise_of_rotation, norm_shown
from rnn_calc.core.errors import NonFiniteError
from rnn_calc.core.weights import Array

TOLERANCE = 1e-10
# Rows are rescaled when their largest entries leave this range: seldom enough to cost nothing, and far from overflow.
_LARGEST, _LEAST = 2.0**64, 2.0**-128
# Powers of two up to this are floats, and so are their inverses.
_FACTOR = 1000
# Rows whose sizes span no more powers of two than this are rescaled together.
_TOGETHER = 96
# After every few factors it is seen whether an entry has come this far below its row, on its way to underflow.
_WATCH_EVERY = 4
_FAR_BELOW = 2.0**-490
# Rows whose sizes span more than this many powers of two are graded on purpose and are left alone.
_GRADED = 200
# Directions below this share of the norm are dropped at a tolerance of 1e−10; their square is what shows.
_DROP = 3e-3


class Derivative(Protocol):
    """The Jacobians of a run, which rows are multiplied by one after the other."""

    def pull(self, t: int, cotangents: Mapping[str, Array], /) -> dict[str, Array]:
        """Rows for each state after step `t`, times its Jacobian/2^`exponent(t)`."""

    def exponent(self, t: int, /) -> int:
        """The power of two that `pull` leaves out."""


class LogBound(NamedTuple):
    """The base-2 logarithm of a norm, and the relative interval [norm·(1 − below), norm·(1 + above)] that holds it.

    `dropped` is the share of the norm that dropped rows may have.
    """

    log2_norm: float
    below: float = 0.0
    above: float = 0.0
    dropped: float = 0.0
    decomposed: bool = False


ZERO = LogBound(-inf)


class JacobianProduct:
    """A product of a run's Jacobians from the identity on, of which the norm of one block of columns is told.

    By default it starts with the identity of one state, `through`, of `width` units, and the block told is that of the
    same state; `start` gives other rows for each state, and `measured` other states, whose blocks stand side by side.
    Directions are dropped at `caution` times the usual share of the norm; with `compress` false nothing is ever
    dropped, and `matrix` gives the product itself. `is_blind` says that entries
    of one row have grown so far apart that the small ones may have been lost.
    """

    def __init__(
        self,
        width: int,
        through: str = "h",
        *,
        compress: bool = True,
        caution: float = 1.0,
        tolerance: float = TOLERANCE,
        start: Mapping[str, Array] | None = None,
        measured: Sequence[str] = (),
    ) -> None:
        self.blocks = dict(start) if start is not None else {through: np.eye(width)}
        self._measured = tuple(measured) or (through,)
        self._width = width
        count = len(next(iter(self.blocks.values())))
        self._exponents = np.zeros(count, dtype=np.int64)
        self._guards = 0
        self._tolerance = tolerance
        self._drop = _DROP * sqrt(tolerance) * caution
        self._schedule = Schedule(self._drop) if compress and count > SMALL else None
        self._compress = compress
        self._finder = NormFinder(tolerance)
        self._rng = np.random.default_rng(0)
        self._factors = 0
        self.is_blind = False

    def pull(self, derivative: Derivative, t: int) -> None:
        """Multiply by ∂state_t/∂state_{t−1} from the right (`t` counts from 0).

        Raises: NonFiniteError where an entry leaves float64 within this one step.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            self.take(derivative.pull(t, self.blocks), derivative.exponent(t), t)

    def take(self, blocks: Mapping[str, Array], exponent: int, t: int) -> bool:
        """Take over the rows that step `t` made of `blocks`, times 2^exponent; whether they were changed since.

        Raises: NonFiniteError where an entry is no finite number.
        """
        self.blocks = dict(blocks)
        if not self.blocks:
            return False  # a state that nothing remembers
        if exponent:
            self._exponents += exponent
        self._factors += 1
        largest = np.maximum.reduce([np.abs(block).max(axis=1) for block in self.blocks.values()])
        changed = False
        if not (largest.min() >= _LEAST and largest.max() <= _LARGEST):
            changed = self._rescale(largest, t)
        if self._factors % _WATCH_EVERY == 0:
            self.is_blind |= any(map(_spans_too_much, self.blocks.values()))
        if self._schedule and self._schedule.due(self._factors):
            changed |= self._drop_small_directions(self._schedule)
        return changed

    def _rescale(self, largest: Array, t: int) -> bool:
        if not np.isfinite(largest).all():
            raise NonFiniteError(f"The derivative of step {t + 1} leaves float64; scale the weights or the state down.")
        sizes = largest[largest > 0]
        if not len(sizes) or (sizes.min() >= _LEAST and sizes.max() <= _LARGEST):
            return False
        exponents = np.frexp(largest)[1].astype(np.int64)
        if np.frexp(sizes.max())[1] - np.frexp(sizes.min())[1] <= _TOGETHER:
            exponents = np.where(largest > 0, np.frexp(sizes.max())[1], 0)
        # A factor 2^−e alone would overflow for a row of subnormal numbers.
        self.blocks = {name: np.ldexp(block, -exponents[:, None]) for name, block in self.blocks.items()}
        self._exponents += exponents
        return True

    @property
    def rows(self) -> int:
        """How many rows the product has at present, the guards among them."""
        return len(self._exponents)

    def matrix(self) -> Array:
        """The block told in full; entries beyond float64 are infinite, entries below it 0."""
        assert not self._compress, "a compressed product has lost its left factor"
        block = self._block()
        if block is None:
            return np.zeros((len(self._exponents), self._width))
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp(block, self._exponents[:, None])

    def _block(self) -> Array | None:
        """The columns whose norm is told; None where nothing of them is left."""
        found = [self.blocks[name] for name in self._measured if name in self.blocks]
        return (found[0] if len(found) == 1 else np.hstack(found)) if found else None

    @property
    def is_zero(self) -> bool:
        """Whether nothing is left in any state, so that nothing can come back either."""
        return not any(block.any() for block in self.blocks.values())

    def bound(self) -> LogBound | None:
        """The norm with its interval; None where what was dropped might show in more than the tolerance."""
        block = self._block()
        if block is None:
            return ZERO
        rows, exponent = self._aligned(block, self._exponents)
        kept = len(rows) - self._guards
        largest = float(np.abs(rows[:kept]).max())
        if largest == 0:
            # What was dropped may have had more to lose before float64 called it zero.
            return None if self._guards else ZERO
        # Squares must neither overflow nor underflow: bring the largest entry to about 1.
        magnitude = int(np.frexp(largest)[1])
        if abs(magnitude) > 1:
            # A factor is as exact as ldexp, and far faster, where it is a float itself.
            scaled = rows * 2.0**-magnitude if abs(magnitude) < _FACTOR else np.ldexp(rows, -magnitude)
            rows, exponent = scaled, exponent + magnitude
        norm, low, high, decomposed = self._finder.bound(rows[:kept])
        dropped = noise = 0.0
        if self._guards:
            guards = rows[kept:]
            dropped, noise = norm_shown(guards[:GUARDS]) / norm, norm_shown(guards[GUARDS:]) / norm
            if dropped > sqrt(self._tolerance) or noise > self._tolerance / 4:
                return None
        above = high / norm * sqrt(1 + dropped * dropped) - 1 + noise
        return LogBound(exponent + log2(norm), 1 - low / norm + noise, above, dropped, decomposed)

    @staticmethod
    def _aligned(rows: Array, exponents: NDArray[np.int64]) -> tuple[Array, int]:
        """Rows with an exponent each as array × 2^exponent; entries below 1e−300 of the largest may vanish."""
        if (exponents == exponents[0]).all():
            return rows, int(exponents[0])
        # The exponents are those of whole rows; this block's part of a row may be far smaller, or nothing.
        largest = np.abs(rows).max(axis=1)
        occupied = largest > 0
        if not occupied.any():
            return np.zeros_like(rows), 0
        top = int((exponents + np.frexp(largest)[1])[occupied].max())
        return np.ldexp(rows, np.clip(exponents - top, -3000, 3000)[:, None]), top

    def _drop_small_directions(self, schedule: Schedule) -> bool:
        """Rotate the rows to the directions that matter and drop the rest, but for what the guards keep of it."""
        names = list(self.blocks)
        lag, kept = self._factors, len(self._exponents) - self._guards
        if kept == 1 or self.is_zero or np.ptp(self._exponents[:kept]) > _GRADED:
            schedule.put_off(lag)
            return False
        rows, top = self._aligned(np.hstack([self.blocks[name] for name in names]), self._exponents)
        ends = np.cumsum([self.blocks[name].shape[1] for name in names])
        units = _units(np.split(rows[:kept], ends[:-1], axis=1))
        scaled = np.ldexp(rows, -units)
        rank = schedule.rank(lag, scaled[:kept], self._finder.squares)
        if rank is None:
            return False
        found = directions(scaled[:kept], rank, self._drop, self._rng)
        if found is None:
            schedule.put_off(lag)
            return False
        Q, sizes, mixing = found
        new = Q.T @ scaled[:kept]
        noise = noise_of_rotation(scaled[:kept]) * self._rng.standard_normal((NOISE_GUARDS, scaled.shape[1]))
        together = np.vstack([new, mixing @ scaled[:kept], noise])
        if self._guards:
            together[len(new) :] += scaled[kept:]
        schedule.done(lag, sizes)
        self._guards = GUARDS + NOISE_GUARDS
        together = np.ldexp(together, units)
        self.blocks = dict(zip(names, map(np.ascontiguousarray, np.split(together, ends[:-1], axis=1)), strict=True))
        self._exponents = np.full(len(together), top)
        if self._finder.left is not None and len(self._finder.left) == kept:
            self._finder.left = self._finder.left @ Q
        return True


def _units(blocks: Sequence[Array]) -> NDArray[np.int64]:
    """The size of the block that each column belongs to, as a power of two; 0 where there is one block.

    Without it, rounding in a block of 1 would count as much as a whole block of 1e−16.
    """
    sizes = [int(np.frexp(np.abs(block).max())[1]) for block in blocks]
    return np.repeat(sizes, [block.shape[1] for block in blocks])


def _spans_too_much(block: Array) -> bool:
    """Whether an entry is far below its row."""
    sizes = np.abs(block)
    return bool(((sizes < _FAR_BELOW * sizes.max(axis=1, keepdims=True)) & (sizes > 0)).any())
