"""Which rows of a long product still matter, when it pays to look, and what watches over those that are dropped.

The rows M of a product are compressed to QᵀM, where Q spans the left singular directions of M that matter: the range of
MΩ for a Gaussian Ω (Halko, Martinsson, Tropp 2011). Q comes from the left, so nothing but the dropped rows changes a
norm, and those add at most their square: ‖M‖² ≤ ‖QᵀM‖² + ‖dropped‖². A dropped part of 1e−8 shows in the 16th digit.

The singular values of a product of t random factors fall about as powers of t, ln(σ_i/σ₁) ∝ t. So the sizes at one lag
forecast how many rows will matter at another, and the next compression is made when what the useless rows have cost
since the last one is what it costs.
"""

from __future__ import annotations

from math import log, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.certificate import UNIT_ROUNDOFF
from rnn_calc.core.weights import Array

# Up to this many rows a product costs so little that nothing is ever dropped from it.
SMALL = 32
GUARDS = 8
# ‖B‖₂ ≤ α·√(2/π)·max ‖ωᵢB‖ over Gaussian ω₁ … ω_g, with a probability of all but α^−g (their lemma 4.1).
FAILURE = 1e-12
GUARD_FACTOR = FAILURE ** (-1 / GUARDS) * sqrt(2 / pi)
_FIRST_LOOK = 8
# What is left when so many of the rows matter is not worth a compression.
_WORTH = 0.9
# By how much the bound on what is dropped may exceed the share that was aimed at.
_ROOM = 100.0
# A QR decomposition reaches about a quarter of the speed of a matrix product, and a row that is kept costs its share of
# the certificate too.
_QR_COST, _ROW_COST = 4.0, 1.5


class Forecast:
    """How many directions of a product matter at a lag, from their sizes at an earlier one."""

    def __init__(self, lag: int, sizes: Array) -> None:
        self._lag = lag
        with np.errstate(divide="ignore"):
            self._logs = -np.sort(-np.log(sizes / sizes.max()))

    def ranks(self, lags: NDArray[np.int64], drop: float) -> NDArray[np.int64]:
        """How many directions are above `drop` of the largest at each lag."""
        thresholds = log(drop) * self._lag / lags
        return np.asarray(np.searchsorted(-self._logs, -thresholds, side="right"))


class Schedule:
    """When a product is compressed next, and to about how many rows: `due` at `lag`, to `rank`."""

    def __init__(self, drop: float) -> None:
        self._drop, self._width = drop, 0
        self._forecast: Forecast | None = None
        self._due = _FIRST_LOOK

    def due(self, lag: int) -> bool:
        """Whether to look at the rows at all."""
        return lag >= self._due

    def rank(self, lag: int, rows: Array) -> int:
        """About how many of the rows matter; from the Gram matrix where nothing is known of them."""
        self._width = rows.shape[1]
        if self._forecast is None:
            squares = np.maximum(np.linalg.eigvalsh(rows @ rows.T), 0.0)
            if squares[-1] == 0:
                return len(rows)
            self._forecast = Forecast(lag, np.sqrt(squares))
            self._plan(lag, len(rows))
            if lag < self._due:
                return len(rows)
        found = int(self._forecast.ranks(np.array([lag]), self._drop)[0])
        return found + 6 + found // 50

    def done(self, lag: int, sizes: Array) -> None:
        """Plan ahead after a compression to rows of these sizes."""
        self._forecast = Forecast(lag, sizes)
        self._plan(lag, len(sizes))

    def put_off(self, lag: int) -> None:
        """Look anew later: too many of the rows mattered."""
        self._forecast = None
        self._due = lag + lag // 2 + 1

    def _plan(self, lag: int, count: int) -> None:
        assert self._forecast is not None
        ahead = np.arange(lag + 1, 2 * lag + 1)
        ranks = np.minimum(self._forecast.ranks(ahead, self._drop), count)
        wasted = np.cumsum(count - ranks) * _ROW_COST * 2 * self._width**2
        cost = 4 * count * ranks * self._width + _QR_COST * 4 * count * ranks**2
        worth = np.nonzero((wasted >= cost) & (ranks < _WORTH * count))[0]
        self._due = int(ahead[worth[0]]) if len(worth) else 2 * lag
        if not len(worth):
            self._forecast = None


def directions(rows: Array, rank: int, drop: float, rng: np.random.Generator) -> tuple[Array, Array] | None:
    """Orthonormal Q whose span holds the rows' left directions above about `drop` of their norm, and mixed leftovers.

    The second array M gives M @ rows: Gaussian combinations of what Q leaves out. None where too many rows matter.
    Shapes: rows (r, n); Q (r, k) with k ≥ rank, if that many are enough; mixed (GUARDS, r).
    """
    r, n = rows.shape
    mixing = rng.standard_normal((GUARDS, r))
    while rank < _WORTH * r and rank <= n:
        Q = np.linalg.qr(rows @ rng.standard_normal((n, rank)))[0]
        leftover = mixing - (mixing @ Q) @ Q.T
        left_out = GUARD_FACTOR * float(np.linalg.norm(leftover @ rows, axis=1).max())
        # The largest row of QᵀM is below ‖M‖₂.
        largest = float(np.linalg.norm(Q[:, : 1 + rank // 8].T @ rows, axis=1).max())
        if left_out <= drop * largest * _ROOM:
            return Q, leftover
        rank += rank // 4 + 8
    return None


def noise_of_rotation(rows: Array) -> float:
    """About the largest change that QᵀM may make to M by rounding, in any direction."""
    return 4 * UNIT_ROUNDOFF * float(np.linalg.norm(rows))
