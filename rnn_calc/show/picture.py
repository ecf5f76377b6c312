"""A picture as data: curves over a number, or values over rows and columns; terminal and file draw the same one.

Named tuples, and no NumPy beyond the types, so that a command which draws nothing pays nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from rnn_calc.core.weights import Array

# What a curve says, which decides its line: measured (the default), a bound on it, a level to compare with, or a
# further quantity beside the first.
Role = Literal["", "norm", "bound", "threshold", "direct", "estimate"]


class Curve(NamedTuple):
    """Points from left to right; `band` is what lies below and above them, and is called `band_label`.

    Shapes: `x`, `y` and each half of `band` (N,). Where `y` is NaN or infinite there is no point.
    """

    label: str
    x: Array
    y: Array
    role: Role = ""
    band: tuple[Array, Array] | None = None
    band_label: str = "quartiles"


class Chart(NamedTuple):
    """Curves over one axis; with `log10` every y is a base-10 logarithm, and −∞ an exact zero, which is left out."""

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    log10: bool = False


def nothing_of(curve: Curve, *, log10: bool) -> str:
    """Why a curve has no point at all: it is exactly 0 throughout, or no number; empty where it has one."""
    from numpy import isfinite, isneginf

    if isfinite(curve.y).any():
        return ""
    return "exactly 0" if log10 and isneginf(curve.y).all() else "no finite number"


class HeatMap(NamedTuple):
    """A value for every row and column, the first row at the top; NaN where there is none.

    `x_ticks` has a text for every column and `y_ticks` for every row; a drawing shows as many as fit. With `names` the
    values are whole numbers into it: categories. With `centre` colours diverge from there.
    Shapes: `values` (rows, columns).
    """

    title: str
    x_label: str
    y_label: str
    value_label: str
    values: Array
    x_ticks: tuple[str, ...]
    y_ticks: tuple[str, ...]
    names: tuple[str, ...] = ()
    centre: float | None = None


Picture = Chart | HeatMap
