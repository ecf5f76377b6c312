"""The largest singular values of long products of Jacobians, each to its own digits.

A singular value of 1e−300 beside one of 1 is lost to any method that is exact relative to the largest alone. Here each
row of a product has its own exponent, and after every factor the rows are made orthogonal by plane rotations from the
left (one-sided Jacobi, Hestenes 1958), which changes no singular value: then the rows' own norms are the singular
values. Rotations between rows of different sizes round each row relative to itself, so small singular values are as
good as large ones as long as the rows, scaled to one size, are well-conditioned (Demmel, Veselić 1992); and they are,
because they were orthogonal one factor ago. Many rows are first brought near to that by QR decompositions, which do it
in fewer operations, and as well for small ones (Drmač, Veselić 2008).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.errors import NonFiniteError
from rnn_calc.core.lanczos import UNIT_ROUNDOFF
from rnn_calc.core.weights import Array

_SWEEPS = 40
# A row of which rotations leave no more than so many roundings has no digit that is right: it may be 0 as well.
_NOTHING_LEFT = 8
# A row this many powers of two below another changes nothing in it.
_FAR = 500
# How far beyond what is left of a row its scale is followed, in powers of two; 50 are all its digits.
_LOST = 200
# From so many rows on, a step of QR costs less than the sweeps of rotations that it saves: 11 became 5 with 64 rows.
_MANY = 8
# What QR leaves of a row, below which it could be all rounding: rotations alone tell whether it is 0.
_INDEPENDENT = 1e-6


class GradedRows:
    """A matrix whose rows have an exponent each: values × 2^exponents.

    `scales` says how large the rows were that each is made of, whose roundings it has; `lost` which are nothing else.
    Shapes: values (r, n), exponents (r,), scales (r,) in the units of the values, lost (r,).
    """

    def __init__(
        self,
        values: Array,
        exponents: NDArray[np.int64],
        scales: Array | None = None,
        lost: NDArray[np.bool_] | None = None,
    ) -> None:
        largest = np.abs(values).max(axis=1, initial=0.0)
        shifts = np.frexp(largest)[1].astype(np.int64)
        self.values = np.ldexp(values, -shifts[:, None])
        self.exponents = np.where(largest > 0, exponents + shifts, 0)
        if scales is None:
            self.scales = np.linalg.norm(self.values, axis=1)
        else:  # a row of which nothing is left, again and again, has been lost long ago
            self.scales = np.minimum(np.ldexp(scales, np.minimum(-shifts, _FAR)), 2.0**_LOST)
        self.lost = np.zeros(len(values), dtype=np.bool_) if lost is None else lost

    def sorted_without_zeros(self) -> GradedRows:
        """The rows in order of their sizes, the largest first, those of zeros left out."""
        norms = np.linalg.norm(self.values, axis=1)
        with np.errstate(divide="ignore"):
            order = np.argsort(-(np.log2(norms) + self.exponents), kind="stable")
        order = order[norms[order] > 0]
        return GradedRows(self.values[order], self.exponents[order], self.scales[order], self.lost[order])

    def with_losses(self) -> GradedRows:
        """The sorted rows; lost are those that may be all rounding, and what is smaller than one of these."""
        limits = sqrt(self.values.shape[1]) * _NOTHING_LEFT * UNIT_ROUNDOFF * self.scales
        lost = self.lost | (np.linalg.norm(self.values, axis=1) <= limits)
        return GradedRows(self.values, self.exponents, lost=np.logical_or.accumulate(lost))

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
    rows = _nearly_orthogonal(rows.sorted_without_zeros())
    limit = sqrt(rows.values.shape[1]) * 2 * UNIT_ROUNDOFF
    for _ in range(_SWEEPS):
        worst = 0.0
        for first, second in _rounds(len(rows.values)):
            worst = max(worst, _rotate(rows, first, second, limit))
        rows = rows.sorted_without_zeros()
        if worst <= limit:
            break
    return rows.with_losses()


def _nearly_orthogonal(rows: GradedRows) -> GradedRows:
    """The rows, the largest first, after a rotation from the left that takes most of the large ones out of the small.

    They are D·X with their sizes in D. With X = L·Qᵀ, columns of D·L·D⁻¹ all are of one size, below its diagonal it is
    small, and its QR decomposition U·R has the rotation: Uᵀ·D·X = R·D·Qᵀ. What rounding does to it is a factor close
    to I, which moves each singular value by its own measure. Rows that depend on others are left as they are.
    """
    count, width = rows.values.shape
    if not _MANY <= count <= width:
        return rows
    Q, upper = np.linalg.qr(rows.values.T)
    if np.abs(np.diag(upper)).min() < _INDEPENDENT:
        return rows
    # Beyond these nothing is left of an entry, and below the diagonal none is above 2^11 for 2,000,000 columns.
    gaps = np.clip(rows.exponents[:, None] - rows.exponents, -2 * _FAR, 2 * _FAR)
    R = np.linalg.qr(np.ldexp(upper.T, np.tril(gaps)), mode="r")
    turned = np.ldexp(R, np.triu(gaps.T)) @ Q.T
    return GradedRows(turned, rows.exponents, rows.scales, rows.lost).sorted_without_zeros()


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
    if swap.any():  # seldom: they come in the order of their sizes
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
    rows.values[small] = cosine[:, None] * (tangent[:, None] * x + y)
    scale_x, scale_y = rows.scales[big], rows.scales[small]
    # Roundings are independent of each other, so their squares add up.
    rows.scales[big] = cosine * np.hypot(scale_x, tau * tau * tangent * scale_y)
    rows.scales[small] = cosine * np.hypot(tangent * scale_x, scale_y)
    return worst


class SingularValues:
    """The `count` largest singular values of a block of a product of Jacobians, as base-2 logarithms.

    The product has the rows `start` for each state; the block is that of the states `measured`, side by side.
    """

    def __init__(self, start: Mapping[str, Array], measured: tuple[str, ...], count: int) -> None:
        self.blocks = dict(start)
        self._measured, self._count = measured, count
        self._exponents = np.zeros(len(next(iter(start.values()))), dtype=np.int64)
        self._lost = np.zeros(len(self._exponents), dtype=np.bool_)

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
        rows = orthogonal_rows(GradedRows(joined, self._exponents + exponent, lost=self._lost))
        ends = np.cumsum([block.shape[1] for block in self.blocks.values()])
        self._exponents, self._lost = rows.exponents, rows.lost
        # Without a row left there is nothing that a step could be applied to.
        parts = np.split(rows.values, ends[:-1], axis=1) if self.rows else []
        self.blocks = dict(zip(self.blocks, parts, strict=True)) if parts else {}
        return True

    def log2_values(self) -> Array:
        """The logarithms, the largest first; minus infinity for an exact zero, NaN where rounding hides the value."""
        found = [self.blocks[name] for name in self._measured if name in self.blocks]
        values = np.full(self._count, -inf)
        if found and self.rows:
            block = GradedRows(np.hstack(found), self._exponents, lost=self._lost)
            if len(found) < len(self.blocks):
                block = orthogonal_rows(block)  # what is orthogonal in all states is not so in one
            block = block.sorted_without_zeros()
            lost = np.logical_or.accumulate(block.lost)
            logs = np.where(lost, nan, block.log2_norms())[: min(self._count, block.values.shape[1])]
            values[: len(logs)] = logs
        return values
