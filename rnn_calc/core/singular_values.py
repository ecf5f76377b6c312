"""The largest singular values of long products of Jacobians, each to its own digits.

A singular value of 1e−300 beside one of 1 is lost to any method that is exact relative to the largest alone. Here each
row of a product has its own exponent, and after every factor the rows are made orthogonal by plane rotations from the
left (one-sided Jacobi, Hestenes 1958), which changes no singular value: then the rows' own norms are the singular
values. Rotations between rows of different sizes round each row relative to itself, so small singular values are as
good as large ones as long as the rows, scaled to one size, are well-conditioned (Demmel, Veselić 1992); and they are,
because they were orthogonal one factor ago.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.errors import NonFiniteError
from rnn_calc.core.lanczos import UNIT_ROUNDOFF
from rnn_calc.core.weights import Array

_SWEEPS = 40
# A row of which a rotation leaves no more than so many roundings was no direction of its own: it counts as zero.
_NOTHING_LEFT = 8
# A row this many powers of two below another changes nothing in it.
_FAR = 500


class GradedRows:
    """A matrix whose rows have an exponent each: values × 2^exponents.

    Shapes: values (r, n), exponents (r,).
    """

    def __init__(self, values: Array, exponents: NDArray[np.int64]) -> None:
        largest = np.abs(values).max(axis=1, initial=0.0)
        shifts = np.frexp(largest)[1].astype(np.int64)
        self.values = np.ldexp(values, -shifts[:, None])
        self.exponents = np.where(largest > 0, exponents + shifts, 0)

    def sorted_without_zeros(self) -> GradedRows:
        """The rows in order of their sizes, the largest first, those of zeros left out."""
        norms = np.linalg.norm(self.values, axis=1)
        with np.errstate(divide="ignore"):
            order = np.argsort(-(np.log2(norms) + self.exponents), kind="stable")
        order = order[norms[order] > 0]
        return GradedRows(self.values[order], self.exponents[order])

    def log2_norms(self) -> Array:
        """The base-2 logarithms of the rows' norms, the largest first."""
        with np.errstate(divide="ignore"):
            return -np.sort(-(np.log2(np.linalg.norm(self.values, axis=1)) + self.exponents))


def _rounds(count: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Disjoint pairs, round by round, until each has met each (the circle method)."""
    players = np.arange(count + count % 2)
    for _ in range(len(players) - 1):
        half = len(players) // 2
        first, second = players[:half], players[: half - 1 : -1]
        real = (first < count) & (second < count)
        yield first[real], second[real]
        players = np.concatenate([players[:1], players[-1:], players[1:-1]])


def orthogonal_rows(rows: GradedRows) -> GradedRows:
    """The rows after rotations from the left that make them orthogonal: the singular values are their norms."""
    rows = rows.sorted_without_zeros()
    limit = sqrt(rows.values.shape[1]) * 2 * UNIT_ROUNDOFF
    for _ in range(_SWEEPS):
        worst = 0.0
        for first, second in _rounds(len(rows.values)):
            worst = max(worst, _rotate(rows, first, second, limit))
        rows = rows.sorted_without_zeros()
        if worst <= limit:
            break
    return rows


def _rotate(rows: GradedRows, first: NDArray[np.intp], second: NDArray[np.intp], limit: float) -> float:
    """Rotate disjoint pairs of rows until they are orthogonal; the largest cosine that there was."""
    x, y = rows.values[first], rows.values[second]
    inner = np.einsum("ij,ij->i", x, y)
    xx, yy = np.einsum("ij,ij->i", x, x), np.einsum("ij,ij->i", y, y)
    cosines = np.abs(inner) / np.sqrt(xx * yy, where=(xx > 0) & (yy > 0), out=np.ones_like(xx))
    worst = float(cosines.max(initial=0.0))
    if worst <= limit:
        return worst
    gaps = rows.exponents[second] - rows.exponents[first]
    swap = (gaps > 0) | ((gaps == 0) & (yy > xx))
    big, small = np.where(swap, second, first), np.where(swap, first, second)
    x, y = np.where(swap[:, None], y, x), np.where(swap[:, None], x, y)
    xx, yy = np.where(swap, yy, xx), np.where(swap, xx, yy)
    # In units of each row's own exponent the tangent is τ·tangent and 1/τ times it: neither overflows.
    tau = np.ldexp(1.0, np.maximum(-np.abs(gaps), -_FAR))
    difference = xx - yy * tau * tau
    root = np.hypot(difference, 2 * inner * tau)
    # The smaller angle, whichever of two rows of one exponent is larger.
    sign = np.where(difference < 0, -1.0, 1.0)
    below = difference + sign * root
    tangent = np.divide(-2 * inner, below, where=below != 0, out=np.zeros_like(below))
    cosine = 1 / np.hypot(1.0, tau * tangent)
    rows.values[big] = cosine[:, None] * (x - (tau * tau * tangent)[:, None] * y)
    turned = cosine[:, None] * (tangent[:, None] * x + y)
    left = np.einsum("ij,ij->i", turned, turned)
    turned[left <= x.shape[1] * (_NOTHING_LEFT * UNIT_ROUNDOFF) ** 2 * yy] = 0
    rows.values[small] = turned
    return worst


class SingularValues:
    """The `count` largest singular values of a block of a product of Jacobians, as base-2 logarithms.

    The product has the rows `start` for each state; the block is that of the states `measured`, side by side.
    """

    def __init__(self, start: Mapping[str, Array], measured: tuple[str, ...], count: int) -> None:
        self.blocks = dict(start)
        self._measured, self._count = measured, count
        self._exponents = np.zeros(len(next(iter(start.values()))), dtype=np.int64)

    @property
    def rows(self) -> int:
        """How many rows the product has at present."""
        return len(self._exponents)

    def take(self, blocks: Mapping[str, Array], exponent: int, t: int) -> bool:
        """Take over the rows that step `t` made of `blocks`, times 2^exponent, and make them orthogonal.

        Raises: NonFiniteError where an entry is no finite number.
        """
        self.blocks = dict(blocks)
        if not self.blocks or not self.rows:
            return False
        joined = np.hstack(list(self.blocks.values()))
        if not np.isfinite(joined).all():
            raise NonFiniteError(f"The derivative of step {t + 1} leaves float64; scale the weights or the state down.")
        rows = orthogonal_rows(GradedRows(joined, self._exponents + exponent))
        ends = np.cumsum([block.shape[1] for block in self.blocks.values()])
        self._exponents = rows.exponents
        # Without a row left there is nothing that a step could be applied to.
        parts = np.split(rows.values, ends[:-1], axis=1) if self.rows else []
        self.blocks = dict(zip(self.blocks, parts, strict=True)) if parts else {}
        return True

    def log2_values(self) -> Array:
        """The logarithms, the largest first; minus infinity for an exact zero."""
        found = [self.blocks[name] for name in self._measured if name in self.blocks]
        values = np.full(self._count, -inf)
        if found and self.rows:
            block = GradedRows(np.hstack(found), self._exponents)
            if len(found) < len(self.blocks):
                block = orthogonal_rows(block)  # what is orthogonal in all states is not so in one
            logs = block.log2_norms()[: min(self._count, block.values.shape[1])]
            values[: len(logs)] = logs
        return values
