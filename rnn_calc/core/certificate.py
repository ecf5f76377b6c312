"""The 2-norm of a matrix with an interval that proves it, and what became of the intervals over all lags.

Three proofs, the cheaper ones first. Power iteration: for a unit vector v let ρ = ‖Mv‖², r = ‖MᵀMv − ρv‖ and
η = ‖M‖_F² − ρ. In the basis of v and its complement MᵀM is [[ρ, bᵀ], [b, C]] with ‖b‖ = r and trace(C) = η, so
√ρ ≤ σ₁ ≤ √λ_max([[ρ, r], [r, η]]); a few roundings of every number are added, by the standard bounds for sums of so
many terms (Higham 2002, section 3.1), so the interval holds in floating point too. Where some other directions are too
large for it, the same with as many vectors as `lanczos` needs. Where many are, LAPACK's decomposition: of the Gram
matrix if that is exact enough, else of the matrix itself, each with the error that forming it may have and p·u·σ₁ for
LAPACK's own, p being the larger side (LAPACK Users' Guide, section 4.9).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt
from typing import NamedTuple

import numpy as np

from rnn_calc.core.lanczos import UNIT_ROUNDOFF, lanczos
from rnn_calc.core.weights import Array

# A norm is accepted from power iteration when the interval's half-width is this share of the tolerance.
_SHARE = 1 / 64
_POWER_STEPS = 6
# Up to this many rows a decomposition is as fast.
_FEW = 16
# Power iteration is tried where the largest direction had this share of ‖M‖_F² one lag ago, and left alone for some
# lags after it failed.
_DOMINANT = 0.6
_LONGEST_PAUSE = 32


class NormBound(NamedTuple):
    """A 2-norm as it was computed, and the interval that it certainly lies in; `decomposed` says by which proof."""

    norm: float
    low: float
    high: float
    decomposed: bool


class NormFinder:
    """The 2-norms of a sequence of matrices, each found from the singular vector of the one before where that does."""

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self.left: Array | None = None
        self.squares: Array | None = None  # all of them, where a decomposition has just told them
        self._share = 0.0
        self._pause, self._waiting = 1, 0

    def bound(self, rows: Array) -> NormBound:
        """The norm of a matrix whose largest entry is about 1.

        Shapes: rows (r, n).
        """
        r, n = rows.shape
        self.squares = None
        frobenius = float(np.einsum("ij,ij->i", rows, rows).sum())
        if min(r, n) == 1:
            norm = sqrt(frobenius)
            slack = (r + n) * UNIT_ROUNDOFF
            return NormBound(norm, norm * (1 - slack), norm * (1 + slack), decomposed=False)
        found = self._by_power(rows, frobenius)
        if found is None:
            found = self._by_gram_matrix(rows, frobenius)
        self._share = found.norm**2 / frobenius
        return found

    def _by_power(self, rows: Array, frobenius: float) -> NormBound | None:
        if self._share < _DOMINANT or min(rows.shape) <= _FEW:
            return None
        if self._waiting:
            self._waiting -= 1
            return None
        found = self._power_interval(rows, frobenius)
        if found is None:
            self._waiting, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        else:
            self._pause = 1
        return found

    def _power_interval(self, rows: Array, frobenius: float) -> NormBound | None:
        r, n = rows.shape
        error = (r + n + 10) * UNIT_ROUNDOFF  # of a product with a vector, relative to ‖M‖_F
        left = self.left if self.left is not None and len(self.left) == r else np.full(r, 1 / sqrt(r))
        previous = inf
        for _ in range(_POWER_STEPS):
            right = left @ rows
            right /= sqrt(float(right @ right)) or 1.0
            image = rows @ right
            low = float(image @ image)
            rest = max(frobenius - low, 0.0) + 4 * error * frobenius
            if rest > 0.8 * low:
                return None
            self.left = left = image / sqrt(low)
            residual = image @ rows - low * right
            off = sqrt(float(residual @ residual)) + 6 * error * frobenius
            gap = low - rest
            # λ_max − ρ, written so that nothing cancels.
            width = 2 * off * off / (gap + sqrt(gap * gap + 4 * off * off)) + 4 * error * frobenius
            if width <= 2 * _SHARE * self._tolerance * low + 6 * error * frobenius:
                root = sqrt(low)
                return NormBound(
                    root, root - 2 * error * sqrt(frobenius), sqrt(low + width) * (1 + error), decomposed=False
                )
            if off > 0.5 * previous:
                return None
            previous = off
        return None

    def _by_gram_matrix(self, rows: Array, frobenius: float) -> NormBound:
        r, n = rows.shape
        gram = rows @ rows.T if r <= n else rows.T @ rows
        size = max(r, n) + 10
        # Sums of so many products, each with its roundings: relative to ‖M‖_F², then halved by the root.
        error = size * UNIT_ROUNDOFF * frobenius
        start = self.left if self.left is not None and len(self.left) == len(gram) else None
        found = lanczos(gram, start, _SHARE * self._tolerance)
        if found is not None:
            self.left = found.vector
            return _root(found.low, found.low - error, found.high + error, decomposed=False)
        squares = np.linalg.eigvalsh(gram)
        self.squares, square = np.asarray(squares), float(squares[-1])
        error += size * UNIT_ROUNDOFF * square
        if square > 2 * error and error <= self._tolerance * square:
            return _root(square, square - error, square + error, decomposed=True)
        norm = float(np.linalg.svd(rows, compute_uv=False)[0])
        return NormBound(norm, norm * (1 - size * UNIT_ROUNDOFF), norm * (1 + size * UNIT_ROUNDOFF), decomposed=True)


def _root(square: float, low: float, high: float, *, decomposed: bool) -> NormBound:
    """The bound of a norm from that of its square, with the rounding of the roots."""
    slack = 4 * UNIT_ROUNDOFF
    return NormBound(sqrt(square), sqrt(low) * (1 - slack), sqrt(high) * (1 + slack), decomposed)


@dataclass(frozen=True)
class Certificate:
    """What the intervals over all lags of a decay amount to: each holds the 2-norm of the float64 product.

    `widest` is the largest relative half-width of an interval; `iterated` and `decomposed` count the lags whose norm
    power iteration proved, and those that took a decomposition. Where rows were dropped from the product, `dropped` is
    the largest share of the norm that they may have had, and each lag's interval, which takes it in, fails with a
    probability of at most `failure`; where none were, both are 0. `recomputed` says that rows were dropped
    at first, that too much of the norm might have been theirs, and that all was computed anew without dropping any.
    Intervals are those of the numbers before their logarithms are taken: a logarithm of size L is itself good to
    L·1.1e−16.
    """

    tolerance: float
    widest: float
    iterated: int
    decomposed: int
    dropped: float
    failure: float
    recomputed: bool

    @property
    def met(self) -> bool:
        """Whether every interval is as narrow as was asked for."""
        return self.widest <= self.tolerance
