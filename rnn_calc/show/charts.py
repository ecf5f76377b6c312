"""Curves drawn with characters: a chart as a figure, and a row of numbers as one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from rnn_calc.show.document import Figure, Layout, Line
from rnn_calc.show.folding import fold_line
from rnn_calc.show.picture import Chart, Curve, nothing_of
from rnn_calc.show.tick_labels import exact_tick_labels

if TYPE_CHECKING:
    from rnn_calc.core.weights import Array

_HEIGHT = 14
# What uniplot needs at the right of the plot for its axis labels.
_MARGIN = 14
# Logarithms no further apart than this share of their size are level.
_ROUNDING = 1e-9
# What points of each curve are made of, where no colours tell them apart.
_LETTERS = "+xo*~.abcdefghijklmnpqrstuvwyz"
_BARS = "▁▂▃▄▅▆▇█"


def chart_figure(chart: Chart) -> Figure:
    """The chart as a figure, whose title says what the axes are."""
    return Figure(chart_title(chart), partial(_draw, chart))


def chart_title(chart: Chart) -> str:
    """What is plotted against what: log₁₀ ‖∂h_T/∂h_{T−lag}‖₂ against the lag."""
    x_label = chart.x_label.partition(" (")[0]  # without its unit
    axes = f"{'log₁₀ ' if chart.log10 else ''}{chart.y_label} against the {x_label}"
    return f"{chart.title}: {axes}" if chart.title else axes


class _Points(NamedTuple):
    """A series as uniplot takes it: only points that there are, joined by lines or not."""

    label: str
    x: Array
    y: Array
    joined: bool


def _draw(chart: Chart, layout: Layout) -> list[Line]:
    import uniplot

    # A level to compare with would be one more curve to tell apart; tables say where it is passed.
    series = [points for curve in chart.curves if curve.role != "threshold" for points in _series(curve)]
    found = [(curve.label, nothing_of(curve, log10=chart.log10)) for curve in chart.curves]
    notes = [fold_line([(f"{label}: {why}, so not drawn.", "")], layout.width) for label, why in found if why]
    left_out = [line for lines in notes for line in lines]
    if not series:
        return left_out
    # Coloured text goes to the page as it is, with the frame's characters that ASCII has not.
    color = layout.color and not layout.ascii
    # Without colours, curves in braille look alike; letters tell them apart.
    letters = layout.ascii or (not color and len(series) > 1)
    with exact_tick_labels():
        text = uniplot.plot_to_string(
            xs=[points.x for points in series],
            ys=[points.y for points in series],
            lines=[points.joined for points in series],
            legend_labels=[points.label for points in series],
            character_set="ascii" if letters else "braille",
            # uniplot's own six are too few for seven curves.
            force_ascii_characters=list(islice(cycle(_LETTERS), len(series))),
            color=color,
            width=max(20, layout.width - _MARGIN),
            height=_HEIGHT,
            line_length_hard_cap=layout.width,
            **_least_height(series, log10=chart.log10),
        )
    style = "ansi" if color else ""
    return [*([(line.rstrip(), style)] for line in str(text).splitlines()), *left_out]


def _least_height(series: Sequence[_Points], *, log10: bool) -> dict[str, float]:
    """Limits for logarithms that differ by rounding alone: it would fill the whole chart."""
    low, high = min(float(points.y.min()) for points in series), max(float(points.y.max()) for points in series)
    middle = round(low / 2 + high / 2, 6)
    if not log10 or high - low > _ROUNDING * max(1.0, abs(middle)):
        return {}
    # In the middle of a row, not between two.
    return {"y_min": middle - 1 + 2 / (_HEIGHT + 1), "y_max": middle + 1}


def _series(curve: Curve) -> Iterator[_Points]:
    import numpy as np

    kept = np.isfinite(curve.y)
    if kept.any():
        yield _Points(curve.label, curve.x[kept], curve.y[kept], True)
    if curve.band is not None:
        x, y = np.tile(curve.x, 2), np.concatenate(curve.band)
        kept = np.isfinite(y)
        if kept.any():
            yield _Points(f"{curve.label}, {curve.band_label}", x[kept], y[kept], False)


def sparkline(values: Iterable[float], width: int | None = None) -> str:
    """The values as one line of bars from the lowest to the highest; a blank where there is none.

    With a `width`, as many of them as it has room for, evenly taken, the first and the last among them.
    """
    kept = list(values)
    if width is not None:
        kept = [kept[index] for index in evenly(len(kept), width)]
    finite = [value for value in kept if isfinite(value)]
    if not finite:
        return " " * len(kept)
    low, high = min(finite), max(finite)
    # Halves, so that the span of two huge numbers is finite.
    span = high / 2 - low / 2
    top = len(_BARS) - 1
    return "".join(
        (_BARS[round((value / 2 - low / 2) / span * top)] if span else _BARS[top // 2]) if isfinite(value) else " "
        for value in kept
    )


def evenly(total: int, most: int) -> Sequence[int]:
    """At most `most` of 0 … total−1, evenly apart, the first and the last among them."""
    if total <= most:
        return range(total)
    if most < 2:
        return range(most)
    return [round(place * (total - 1) / (most - 1)) for place in range(most)]
