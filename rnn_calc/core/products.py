"""Long products of Jacobians without overflow or underflow, and the certified 2-norm of each.

A product is kept as rows times powers of two, one exponent a row. Rescaling by a power of two is exact, so the product
is the float64 product, whatever its size; and a row that has shrunk to 1e−400 of another keeps all its digits for the
moment when a later factor wipes that other row out.

A norm is not changed by a rotation from the left, and a long product soon has few rows that matter. So the rows are
now and then rotated to the product's own singular directions, and the ones below rounding are dropped. Whether they
stay below is not assumed but watched: random combinations of everything dropped, and of the noise that the rotation
leaves in every direction, are carried along (`_GUARDS` of them). Were the dropped part ever larger than ten times what
they show, all of them would have had to miss it, which has a probability of 10^−12 (Halko, Martinsson, Tropp 2011,
lemma 4.1).

Where a cell has several states, the rows go through all of them, [∂h_T/∂h_k, ∂h_T/∂c_k], and the norm is that of one
block. A direction that has next to nothing in that block may come back through the others, so it is judged by its
share in every block, each measured by its own size; and what was dropped is judged at every lag anew, by what the
guards show in the block whose norm is told.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log2, sqrt

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.errors import NonFiniteError
from rnn_calc.core.linearization import Linearization
from rnn_calc.core.weights import Array

# Relative half-width of the interval that a norm is accepted with, far below the 1e−9 that is promised.
_WIDTH = 1e-11
# A row is rescaled when its largest entry leaves [2^−64, 2^64]: seldom enough to cost nothing, and far from overflow.
_HEADROOM = 64
# Up to this many rows LAPACK's own singular values are as fast as anything.
_SMALL = 32
_POWER_STEPS = 8
_COMPRESS_EVERY = 32
_GUARDS = 12
# Directions below this share of the norm are dropped; the guard speaks when they reach the second one.
_DROP = 1e-16
_TRUSTED = 1e-11
# A guard whose entries span more powers of two than this may have lost the smallest ones to underflow.
_BLIND = 900
# After every few factors it is seen whether an entry has come this far below its row, on its way to underflow.
_WATCH_EVERY = 4
_FAR_BELOW = 2.0**-560
# Rows whose sizes span more than this many powers of two are graded on purpose and are left alone.
_GRADED = 200


class JacobianProduct:
    """∂s_T/∂state_k of one state s (`through`) for falling k: the identity at k = T, and `pull` takes it a step back.

    With `compress` false nothing is ever dropped, and `matrix` gives the product itself. `is_blind` says that entries
    of one row have grown so far apart that the small ones may have been lost.
    """

    def __init__(self, width: int, through: str = "h", *, compress: bool = True) -> None:
        self._through = through
        self._blocks = {through: np.eye(width)}
        self._exponents = np.zeros(width, dtype=np.int64)
        self._guards = 0
        self._left = np.full(width, 1 / sqrt(width))
        self._compress = compress and width > _SMALL
        self._rng = np.random.default_rng(0)
        self._factors = 0
        self.is_blind = False

    def pull(self, derivative: Linearization, t: int) -> None:
        """Multiply by ∂state_t/∂state_{t−1} from the right (`t` counts from 0).

        Raises: NonFiniteError where an entry leaves float64 within this one step.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            self._blocks = derivative.pull(t, self._blocks)
        if not self._blocks:
            return  # a state that nothing remembers
        largest = np.max([np.abs(block).max(axis=1) for block in self._blocks.values()], axis=0)
        if not np.isfinite(largest).all():
            raise NonFiniteError(f"The derivative of step {t + 1} leaves float64; scale the weights or the state down.")
        exponents = np.frexp(largest)[1]
        if (np.abs(exponents) > _HEADROOM).any():
            # A factor 2^−e alone would overflow for a row of subnormal numbers.
            self._blocks = {name: np.ldexp(block, -exponents[:, None]) for name, block in self._blocks.items()}
            self._exponents += exponents
        self._exponents += derivative.exponent(t)
        self._factors += 1
        if self._factors % _WATCH_EVERY == 0:
            self.is_blind |= any(map(_spans_too_much, self._blocks.values()))
        if self._compress and self._factors % _COMPRESS_EVERY == 0:
            self._drop_small_directions()

    def matrix(self) -> Array:
        """∂s_T/∂s_k in full; entries beyond float64 are infinite, entries below it 0."""
        assert not self._compress, "a compressed product has lost its left factor"
        if self._through not in self._blocks:
            return np.zeros((len(self._exponents), len(self._exponents)))
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp(self._blocks[self._through], self._exponents[:, None])

    @property
    def is_zero(self) -> bool:
        """Whether nothing is left in any state, so that nothing can come back either."""
        return not any(block.any() for block in self._blocks.values())

    def log2_norm(self) -> float:
        """The base-2 logarithm of the 2-norm of ∂s_T/∂s_k; minus infinity for an exact zero."""
        kept = len(self._exponents) - self._guards
        rows = self._blocks.get(self._through)
        return -inf if rows is None else self._log2(rows[:kept], self._exponents[:kept], self._norm)

    def trusted(self, log2_norm: float) -> bool:
        """Whether everything dropped so far is too small to show in a norm of that logarithm."""
        if not self._guards or self._through not in self._blocks:
            return True
        if log2_norm == -inf:
            return False  # what was dropped may have had more to lose before float64 called it zero
        rows, exponents = self._blocks[self._through][-self._guards :], self._exponents[-self._guards :]
        sizes = np.abs(rows)
        if (sizes.min(axis=1, initial=inf, where=sizes > 0) < np.ldexp(sizes.max(axis=1), -_BLIND)).any():
            return False
        shown = self._log2(rows, exponents, lambda guards: float(np.linalg.norm(guards, axis=1).max()))
        return shown == -inf or shown + log2(10) <= log2_norm + log2(_TRUSTED)

    @staticmethod
    def _aligned(rows: Array, exponents: NDArray[np.int64]) -> tuple[Array, int]:
        """Rows with an exponent each as array × 2^exponent; entries below 1e−300 of the largest may vanish."""
        occupied = rows.any(axis=1)
        if not occupied.any():
            return np.zeros_like(rows), 0
        # A row of zeros has no size, so it must not set the common exponent.
        top = int(exponents[occupied].max())
        shift = np.clip(exponents - top, -1000, 0)
        return (rows * np.ldexp(1.0, shift)[:, None] if shift.any() else rows), top

    def _log2(self, rows: Array, exponents: NDArray[np.int64], norm: Callable[[Array], float]) -> float:
        """The base-2 logarithm of a norm of rows with an exponent each."""
        if len(self._blocks) > 1:
            # The exponents are those of whole rows; this block's part of a row may be far smaller.
            own = np.frexp(np.abs(rows).max(axis=1))[1]
            rows, exponents = np.ldexp(rows, -own[:, None]), exponents + own
        aligned, exponent = self._aligned(rows, exponents)
        largest = float(np.abs(aligned).max())
        if largest == 0:
            return -inf
        # Squares must neither overflow nor underflow: bring the largest entry to about 1.
        magnitude = int(np.frexp(largest)[1])
        return exponent + magnitude + log2(norm(aligned * np.ldexp(1.0, -magnitude)))

    def _drop_small_directions(self) -> None:
        """Rotate the rows to the product's singular directions; fold those below rounding into the guards."""
        names = list(self._blocks)
        kept = len(self._exponents) - self._guards
        exponents = self._exponents[:kept]
        if kept <= _SMALL or np.ptp(exponents) > _GRADED:
            return
        rows, top = self._aligned(np.hstack([self._blocks[name] for name in names]), self._exponents)
        ends = np.cumsum([self._blocks[name].shape[1] for name in names])
        units = self._units(np.split(rows[:kept], ends[:-1], axis=1))
        rows = np.ldexp(rows, -units) if units.any() else rows
        left, sizes, directions = np.linalg.svd(rows[:kept], full_matrices=False)
        rank = int((sizes > _DROP * sizes[0]).sum())
        if rank in (0, kept):
            return
        dropped = sizes[rank:, None] * directions[rank:]
        guards = self._rng.standard_normal((_GUARDS, len(dropped))) @ dropped
        guards += _DROP * sizes[0] * self._rng.standard_normal(guards.shape)
        if self._guards:
            guards += rows[kept:]
        self._guards = _GUARDS
        rows = np.vstack([sizes[:rank, None] * directions[:rank], guards])
        rows = np.ldexp(rows, units) if units.any() else rows
        self._blocks = dict(zip(names, np.split(rows, ends[:-1], axis=1), strict=True))
        self._exponents = np.full(len(rows), top)
        self._left = left[:, :rank].T @ self._left

    @staticmethod
    def _units(blocks: list[Array]) -> NDArray[np.int64]:
        """The size of the block that each column belongs to, as a power of two; 0 where there is one block.

        Without it, rounding in a block of 1 would count as much as a whole block of 1e−16.
        """
        sizes = [int(np.frexp(np.abs(block).max())[1]) if len(blocks) > 1 else 0 for block in blocks]
        return np.repeat(sizes, [block.shape[1] for block in blocks])

    def _norm(self, rows: Array) -> float:
        if len(rows) <= _SMALL:
            return float(np.linalg.svd(rows, compute_uv=False)[0])
        certified = self._certified_norm(rows)
        if certified is not None:
            return certified
        # The largest eigenvalue of the Gram matrix is also its norm, so it is found to within n·u of itself.
        return sqrt(float(np.linalg.eigvalsh(rows @ rows.T)[-1]))

    def _certified_norm(self, rows: Array) -> float | None:
        """The largest singular value σ₁ by power iteration, if the interval that proves it is narrow enough.

        For a unit vector v let ρ = ‖Mv‖², r = ‖MᵀMv − ρv‖ and η = ‖M‖_F² − ρ. In the basis of v and its complement MᵀM
        is [[ρ, bᵀ], [b, C]] with ‖b‖ = r and trace(C) = η, so ρ ≤ σ₁² ≤ λ_max([[ρ, r], [r, η]]).
        """
        frobenius = float(np.vdot(rows, rows))
        for _ in range(_POWER_STEPS):
            right = self._left @ rows
            right /= sqrt(float(right @ right)) or 1.0
            image = rows @ right
            low = float(image @ image)
            # A few roundings of the Frobenius norm on top, so that the interval holds in floating point too.
            rest = max(frobenius - low, 0.0) + 4e-16 * frobenius
            if rest > 0.5 * low:
                return None
            self._left = image / sqrt(low)
            residual = image @ rows - low * right
            squared = float(residual @ residual)
            gap = low - rest
            # λ_max − ρ, written so that nothing cancels.
            width = 2 * squared / (gap + sqrt(gap * gap + 4 * squared))
            if width <= 2 * _WIDTH * low:
                return sqrt(low + width / 2)
        return None


def _spans_too_much(block: Array) -> bool:
    """Whether an entry is far below its row, whose largest one is about 1."""
    sizes = np.abs(block)
    return bool(((sizes < _FAR_BELOW) & (sizes > 0)).any())
