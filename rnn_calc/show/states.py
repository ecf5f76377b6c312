"""The states of a trace: as a table, and as a picture."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

import numpy as np

from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array
from rnn_calc.show.document import Column, Layout, Line, Span, Table, Value
from rnn_calc.show.format import short
from rnn_calc.show.selection import Selection, head_and_tail

_MOST_PICTURE_ROWS = 24
_SHADES = " ░▒▓█"
_ASCII_SHADES = " .-+#"


def memory_table(
    title: str,
    label: Callable[[int], str],
    before: Array | None,
    values: Array,
    first: int,
    steps: Selection,
    units: Selection,
) -> Table:
    """A row for the state `before` the `first` step, and one for each step; `label` names a step's state."""
    columns = (Column("", "math"), *(Column(f"unit {unit + 1}", "number") for unit in units.shown))
    rows: list[tuple[Value, ...]] = []
    if before is not None:
        rows.append((label(first - 1), *(float(before[unit]) for unit in units.shown)))
    rows += [(label(first + step), *(float(values[step, unit]) for unit in units.shown)) for step in steps.shown]
    return Table(title, columns, tuple(rows))


def _history(trace: Trace) -> tuple[int, Array]:
    """The states to draw and the step of the first: with h_0, unless two directions start from either end."""
    if trace.network.bidirectional:
        return trace.first, trace.h
    return trace.first - 1, np.vstack([trace.h0[None], trace.h])


def _scale(history: Array) -> float:
    """The value that full shade stands for: 1 where states stay within ±1, else the largest that is finite."""
    finite = np.abs(history[np.isfinite(history)])
    largest = float(finite.max()) if finite.size else 1.0
    return 1.0 if largest <= 1 else largest


def draw_picture(trace: Trace, layout: Layout) -> list[Line]:
    """Shades of a colour where there are colours, else characters from blank to full."""
    first, history = _history(trace)
    scale, count = _scale(history), history.shape[-1]
    label_width = len(f"unit {count}")
    room = layout.width - label_width - 6  # the frame's sides, and the gap
    cell = 2 if 2 * len(history) <= room else 1
    columns = head_and_tail(len(history), max(2, room // cell))
    rows = head_and_tail(count, _MOST_PICTURE_ROWS)
    lines: list[Line] = []
    for unit in rows.shown:
        if rows.gap_before(unit):
            lines.append([("⋮ ".rjust(label_width + 1), "muted")])
        line: Line = [(f"unit {unit + 1}".rjust(label_width), "muted"), (" │", "muted")]
        for step in columns.shown:
            if columns.gap_before(step):
                line.append(("⋯", "muted"))
            text, style = _shade(float(history[step, unit]) / scale, layout)
            line.append((text * cell, style))
        lines.append([*line, ("│", "muted")])
    lines.append([(" " * (label_width + 2), ""), (_picture_axis(first, columns, cell), "muted")])
    left_out = f"   ({columns.left_out:,} columns left out)" if columns.left_out else ""
    lines.append([(" " * (label_width + 2), ""), *_legend(scale, layout), (left_out, "muted")])
    return lines


def _shade(value: float, layout: Layout) -> Span:
    """One cell of the picture for a value between −1 and 1."""
    if not isfinite(value):
        return "?", "bad"
    if layout.color:
        return " ", f"heat:{value:.2f}"
    shades = _ASCII_SHADES if layout.ascii else _SHADES
    return shades[max(0, min(len(shades) - 1, int((value + 1) / 2 * len(shades))))], ""


def _legend(scale: float, layout: Layout) -> Line:
    line: Line = [(f"−{short(scale, 3)} ", "muted")]
    line += [_shade(value, layout) for value in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    return [*line, (f" {short(scale, 3)}", "muted")]


def _picture_axis(start: int, columns: Selection, cell: int) -> str:
    first, last = f"h_{start}", f"h_{start + columns.total - 1}"
    width = cell * len(columns.shown) + (1 if columns.left_out else 0)
    return first + last.rjust(width - len(first)) if width > len(first) + len(last) else f"{first} … {last}"
