"""Values over rows and columns drawn with characters: colours where there are any, else shades or letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import isnan
from typing import TYPE_CHECKING, NamedTuple

from rnn_calc.show.axis_ticks import cut_tick
from rnn_calc.show.charts import evenly
from rnn_calc.show.document import Figure, Layout, Line, Span
from rnn_calc.show.folding import cell_len, fold_line
from rnn_calc.show.format import short
from rnn_calc.show.picture import HeatMap

if TYPE_CHECKING:
    from rnn_calc.core.weights import Array

# The lowest shade is no blank: that is where there is no value.
_SHADES = "·░▒▓█"
_ASCII_SHADES = ".:-=+*#%@"
# A square of a terminal is about twice as high as wide; a few columns get more, so that their ticks have room.
_SQUARE, _WIDEST, _FEW = 2, 6, 16
_NO_LETTER = "?"


def heat_map_figure(heat_map: HeatMap) -> Figure:
    """The heat map as a figure."""
    return Figure(heat_map.title, partial(_draw, heat_map))


class Scale(NamedTuple):
    """The values that the two ends of the colours stand for, and whether values beyond them were drawn as these."""

    low: float
    high: float
    clipped: bool

    def share(self, value: float) -> float:
        """Where a value lies between the ends, from 0 to 1."""
        # Halves, so that the span of two huge numbers is finite.
        span = self.high / 2 - self.low / 2
        return min(1.0, max(0.0, (value / 2 - self.low / 2) / span)) if span else 0.5


def scale_of(values: Array, centre: float | None) -> Scale:
    """The range of the finite values; with a centre, as far to either side of it as the farthest goes."""
    import numpy as np

    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if centre is not None:
        reach = max(abs(low - centre), abs(high - centre)) if finite.size else 0.0
        low, high = centre - reach, centre + reach
    return Scale(low, high, bool(np.isinf(values).any()))


def letters_of(names: Sequence[str]) -> tuple[str, ...]:
    """A letter for each category: the first of its name's that no earlier one has, else any; ? after 26."""
    taken: list[str] = []
    for name in names:
        own = [char for char in name.lower() if char.isascii() and char.isalpha()]
        free = (char for char in (*own, *"abcdefghijklmnopqrstuvwxyz") if char not in taken)
        taken.append(next(free, _NO_LETTER))
    return tuple(taken)


def _draw(heat_map: HeatMap, layout: Layout) -> list[Line]:
    total_rows, total_columns = heat_map.values.shape
    if not total_rows or not total_columns:
        return fold_line([("There is nothing to draw: no row or no column.", "")], layout.width)
    ticks = [cut_tick(text) for text in heat_map.y_ticks]
    rows = evenly(total_rows, max(16, min(40, layout.width // 3)))
    margin = max(cell_len(ticks[row]) for row in rows)
    room = max(1, layout.width - margin - 3)  # the frame's sides, and the gap
    columns = evenly(total_columns, room)
    cell = max(1, min(_WIDEST if len(columns) <= _FEW else _SQUARE, room // len(columns)))
    draw_cell = _cells(heat_map, layout)
    down = f"down: {heat_map.y_label} · " if heat_map.y_label else ""
    lines = fold_line([(f"{down}across: {heat_map.x_label}", "muted")], layout.width)
    for row in rows:
        line: Line = [(" " * (margin - cell_len(ticks[row])), ""), (f"{ticks[row]} │", "muted")]
        for column in columns:
            text, style = draw_cell(float(heat_map.values[row, column]))
            line.append((text * cell, style))
        lines.append([*line, ("│", "muted")])
    x_ticks = _axis([cut_tick(heat_map.x_ticks[column]) for column in columns], cell, room + 1)
    lines.append([(" " * (margin + 2), ""), (x_ticks, "muted")])
    lines += fold_line(_legend(heat_map, layout, draw_cell), layout.width)
    left_out = [
        f"{len(shown):,} of {total:,} {what}"
        for shown, total, what in ((columns, total_columns, "columns"), (rows, total_rows, "rows"))
        if len(shown) < total
    ]
    if left_out:
        lines += fold_line([(f"Drawn: {' and '.join(left_out)}, evenly taken.", "muted")], layout.width)
    return lines


def _cells(heat_map: HeatMap, layout: Layout) -> Callable[[float], Span]:
    """What draws a value: a blank where there is none."""
    if heat_map.names:
        return partial(_category, letters_of(heat_map.names), layout)
    return partial(_shade, scale_of(heat_map.values, heat_map.centre), heat_map.centre is not None, layout)


def _category(letters: Sequence[str], layout: Layout, value: float) -> Span:
    if isnan(value):
        return " ", ""
    return letters[int(value)], f"kind:{int(value)}" if layout.color else ""


def _shade(scale: Scale, diverges: bool, layout: Layout, value: float) -> Span:
    if isnan(value):
        return " ", ""
    share = scale.share(value)
    if layout.color:
        return " ", f"heat:{2 * share - 1:.2f}" if diverges else f"level:{share:.2f}"
    shades = _ASCII_SHADES if layout.ascii else _SHADES
    return shades[min(len(shades) - 1, int(share * len(shades)))], ""


def _axis(ticks: Sequence[str], cell: int, room: int) -> str:
    """As many ticks as fit, each beginning where its column does."""
    step = -(-(max(map(cell_len, ticks)) + 2) // cell)
    line = ""
    for place in range(0, len(ticks), step):
        if not place or place * cell + cell_len(ticks[place]) <= room:
            line += " " * (place * cell - cell_len(line)) + ticks[place]
    return line


def _legend(heat_map: HeatMap, layout: Layout, draw_cell: Callable[[float], Span]) -> Line:
    label: Span = (f"{heat_map.value_label}: ", "muted")
    if heat_map.names:
        line: Line = [label]
        for index, name in enumerate(heat_map.names):
            line += [("   " if index else "", ""), draw_cell(index), (f" {name}", "muted")]
        return line
    scale = scale_of(heat_map.values, heat_map.centre)
    if scale.low == scale.high:
        return [label, draw_cell(scale.low), (f" {short(scale.low, 3)} everywhere", "muted")]
    steps = 9 if layout.color or layout.ascii else 5
    shares = [place / (steps - 1) for place in range(steps)]
    line = [label, (f"{short(scale.low, 3)} ", "muted")]
    line += [draw_cell(scale.low * (1 - share) + scale.high * share) for share in shares]
    middle = short(scale.low / 2 + scale.high / 2, 3)
    end = ", infinite values as the ends" if scale.clipped else ""
    return [*line, (f" {short(scale.high, 3)}   ({middle} in the middle{end})", "muted")]
