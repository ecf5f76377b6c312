"""A chart on matplotlib's axes: curves differ in colour, line and marker, so that print without colours will do."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rnn_calc.core.errors import printable
from rnn_calc.core.weights import Array
from rnn_calc.show.axis_ticks import log_ticks
from rnn_calc.show.picture import Chart, Curve, nothing_of

# Okabe and Ito 2008: told apart by every kind of colour vision; without their yellow, too light for lines.
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = "os^Dv<>P"
_DASHES: tuple[Any, ...] = ("-", (0, (6, 1.5)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1)))
_MARKS = 10
# What is not measured has no marker, and a line of its own.
_LINES: dict[str, dict[str, Any]] = {
    "bound": {"linestyle": (0, (4, 2)), "linewidth": 1.0, "color": "#000000"},
    "threshold": {"linestyle": (0, (1, 1.5)), "linewidth": 1.0, "color": "#555555"},
    "direct": {"linestyle": (0, (6, 1.5, 1, 1.5)), "linewidth": 1.0},
    "estimate": {"linestyle": (0, (2, 1)), "linewidth": 1.0},
}


def draw_chart(axes: Axes, chart: Chart, name: str) -> None:
    """Every curve, each a part of the file called NAME-curve-1, …; axes with ticks that are numbers, not logarithms."""
    axes.margins(x=0.02)
    drawn = [curve for curve in chart.curves if np.isfinite(curve.y).any()]
    span = _span(drawn)
    left_out = [f"{curve.label}: {why}" for curve in chart.curves if (why := nothing_of(curve, log10=chart.log10))]
    if span is None:
        axes.text(0.5, 0.5, printable("; ".join(left_out)), ha="center", va="center", transform=axes.transAxes)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    low, high = span
    axes.set_ylim(low, high)
    measured = 0
    for place, curve in enumerate(drawn, 1):
        style = _style(curve, measured)
        measured += curve.role not in _LINES
        # A gap where a value is no number; an exact zero has no place on a logarithmic axis.
        y = np.where(np.isfinite(curve.y), curve.y, np.nan)
        axes.plot(curve.x, y, label=printable(curve.label), gid=f"{name}-curve-{place}", **style)
        if curve.band is not None:
            below, above = (np.clip(edge, low, high) for edge in curve.band)
            text = printable(f"{curve.label}, {curve.band_label}")
            axes.fill_between(curve.x, below, above, color=style["color"], alpha=0.2, linewidth=0, label=text)
    for text in left_out:
        axes.plot([], [], linestyle="none", label=printable(text))
    _ticks(axes, drawn, chart.log10)
    if len(chart.curves) > 1 or drawn[0].band is not None:
        # Beside the axes, where it hides nothing.
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0, frameon=False, handlelength=3.2)


def _style(curve: Curve, measured: int) -> dict[str, Any]:
    color = OKABE_ITO[measured % len(OKABE_ITO)]
    if curve.role in _LINES:
        return {"color": color, **_LINES[curve.role]}
    style: dict[str, Any] = {"color": color, "linewidth": 1.4, "linestyle": _DASHES[measured % len(_DASHES)]}
    every = max(1, int(np.isfinite(curve.y).sum()) // _MARKS)
    # Each curve begins elsewhere, so that markers of curves that coincide do not.
    start = every * (measured % 4) // 4
    return style | {"marker": _MARKERS[measured % len(_MARKERS)], "markersize": 4, "markevery": (start, every)}


def _span(curves: list[Curve]) -> tuple[float, float] | None:
    """The lowest and the highest value with some margin; None where there is none."""
    values = list(_edges(curves))
    if not values:
        return None
    low, high = min(values), max(values)
    margin = (high / 2 - low / 2) * 0.1 or max(abs(high) * 0.1, 0.1)
    return low - margin, high + margin


def _edges(curves: list[Curve]) -> Iterator[float]:
    for curve in curves:
        for values in (curve.y, *(curve.band or ())):
            finite: Array = values[np.isfinite(values)]
            if finite.size:
                yield from (float(finite.min()), float(finite.max()))


def _ticks(axes: Axes, curves: list[Curve], log10: bool) -> None:
    whole = all(float(x).is_integer() for curve in curves for x in curve.x[:1000] if isfinite(x))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=whole, min_n_ticks=1, steps=[1, 2, 5, 10]))
    if log10:
        ticks = log_ticks(*axes.get_ylim())
        axes.set_yticks([place for place, _ in ticks], [text for _, text in ticks])
    axes.grid(True, linewidth=0.4, color="#dddddd")
    axes.set_axisbelow(True)
