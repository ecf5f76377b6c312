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
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.lanczos import UNIT_ROUNDOFF
from rnn_calc.core.weights import Array

# Up to this many rows a product costs so little that nothing is ever dropped from it.
SMALL = 32
# Combinations of what was dropped, and of the noise of rotations, which is so small that a wider bound will do.
GUARDS, NOISE_GUARDS = 8, 5
FAILURE = 1e-12
_FIRST_LOOK = 8
# A compression is planned when this share of the rows matters, and given up when it turns out to be this much.
_WORTH, _TOO_MANY = 0.9, 0.95
# By how much the bound on what is dropped may exceed the share that was aimed at.
_ROOM = 60.0
# A QR decomposition reaches about a quarter of the speed of a matrix product, and a row that is kept costs its share of
# the certificate too.
_QR_COST, _ROW_COST = 2.5, 8.0
# What a compression costs at any size, in operations: the calls of so many functions.
_CALLS = 4e7


def norm_shown(guards: Array) -> float:
    """A bound on ‖B‖₂ from rows that are Gaussian combinations of B's, with a probability of all but `FAILURE`.

    ‖B‖₂ ≤ α·√(2/π)·max ‖ωᵢB‖ over Gaussian ω₁ … ω_g, but for a probability of α^−g (their lemma 4.1).
    """
    factor = float(FAILURE ** (-1 / len(guards))) * sqrt(2 / pi)
    return sqrt(float(np.einsum("ij,ij->i", guards, guards).max())) * factor


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

    def rank(self, lag: int, rows: Array, squares: Array | None = None) -> int | None:
        """About how many of the rows matter; None where that must be asked again at a later lag.

        Where nothing is known of them, their Gram matrix tells, or eigenvalues of a similar one, `squares`.
        """
        self._width = rows.shape[1]
        if self._forecast is None:
            squares = np.maximum(np.linalg.eigvalsh(rows @ rows.T) if squares is None else squares, 0.0)
            if squares[-1] > 0:
                self._forecast = Forecast(lag, np.sqrt(squares))
            self._plan(lag, len(rows))
        return int(self._ranks(np.array([lag]))[0]) if lag >= self._due else None

    def done(self, lag: int, sizes: Array) -> None:
        """Plan ahead after a compression to directions of these sizes."""
        self._forecast = Forecast(lag, sizes)
        self._plan(lag, len(sizes))

    def put_off(self, lag: int) -> None:
        """Look anew later: too many of the rows mattered."""
        self._forecast = None
        self._due = lag + lag // 4 + 1

    def _ranks(self, lags: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many directions to look for: those that matter, and as many more as a random range may miss."""
        assert self._forecast is not None
        ranks = self._forecast.ranks(lags, self._drop)
        return ranks + 4 + ranks // 16

    def _plan(self, lag: int, count: int) -> None:
        self._due = 2 * lag
        if self._forecast is None:
            return
        ahead = np.arange(lag + 1, 2 * lag + 1)
        ranks = np.minimum(self._ranks(ahead), count)
        wasted = np.cumsum(count - ranks) * _ROW_COST * 2 * self._width**2
        cost = _CALLS + 4 * count * ranks * self._width + _QR_COST * 4 * count * ranks**2
        worth = np.nonzero((wasted >= cost) & (ranks < _WORTH * count))[0]
        if len(worth):
            self._due = int(ahead[worth[0]])
        else:
            self._forecast = None


class Directions(NamedTuple):
    """Orthonormal columns that span the left directions of some rows that matter, and about how large each one is.

    leftover @ rows are Gaussian combinations of what they leave out.
    Shapes: Q (r, k), sizes (k,), leftover (GUARDS, r).
    """

    Q: Array
    sizes: Array
    leftover: Array


def directions(rows: Array, rank: int, drop: float, rng: np.random.Generator) -> Directions | None:
    """At least `rank` directions, and all above about `drop` of the largest; None where too many rows matter.

    Shapes: rows (r, n).
    """
    r, n = rows.shape
    mixing = rng.standard_normal((GUARDS, r))
    Q, sizes = np.empty((r, 0)), np.empty(0)
    more = rank
    while Q.shape[1] + more < min(_TOO_MANY * r, n):
        image = rows @ rng.standard_normal((n, more))
        for _ in range(2 if Q.shape[1] else 0):
            image -= Q @ (Q.T @ image)
        new, triangle = np.linalg.qr(image)
        Q, sizes = np.hstack([Q, new]), np.concatenate([sizes, np.abs(np.diag(triangle))])
        leftover = mixing - (mixing @ Q) @ Q.T
        # The first rows of QᵀM show about ‖M‖₂, and no more than that.
        largest = float(np.linalg.norm(Q[:, : 1 + rank // 8].T @ rows, axis=1).max())
        if norm_shown(leftover @ rows) <= drop * largest * _ROOM:
            return Directions(Q, sizes, leftover)
        more = 4 + rank // 12
    return None


def noise_of_rotation(rows: Array) -> float:
    """About the largest change that QᵀM may make to M by rounding, in any direction."""
    return 2 * UNIT_ROUNDOFF * float(np.linalg.norm(rows))
