"""Trace → document, JSON, CSV and arrays; JSON and CSV as streams, one block of steps after the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from rnn_calc.core.conventions import Convention
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array, write_array
from rnn_calc.show.document import Block, Column, Document, Figure, Layout, Line, Span, Table, Text, Value
from rnn_calc.show.expected import expectation_block, expectations_json
from rnn_calc.show.explain import explain_step
from rnn_calc.show.format import plural, short
from rnn_calc.show.output import View
from rnn_calc.show.selection import Selection, head_and_tail

if TYPE_CHECKING:
    from rnn_calc.core.expectations import Expectation

_MOST_STEPS = 12
_MOST_UNITS = 8
_MOST_PICTURE_ROWS = 24
_SHADES = " ░▒▓█"
_ASCII_SHADES = " .-+#"


@dataclass(frozen=True)
class TraceShown:
    """What a shown trace needs beside its numbers: symbols, words, where weights and inputs came from."""

    convention: Convention
    heading: Text
    notes: tuple[str, ...]
    labels: tuple[str, ...] = ()
    explain: bool = False
    units: tuple[int, ...] = ()


def trace_view(
    whole: Callable[[], Trace],
    blocks: Callable[[], Iterable[Trace]],
    shown: TraceShown,
    expectations: tuple[Expectation, ...] = (),
) -> View:
    """A trace in every format: `whole` is asked for where all steps are needed at once, `blocks` for the streams."""
    return View(
        "trace",
        lambda: _document(whole(), shown, expectations),
        lambda: _json(blocks, shown, expectations),
        lambda: _csv(blocks, shown),
        lambda: _arrays(whole(), shown),
    )


def _document(trace: Trace, shown: TraceShown, expectations: tuple[Expectation, ...]) -> Document:
    steps = head_and_tail(trace.steps, _MOST_STEPS)
    units = _selected_units(trace, shown)
    left_out = _left_out(steps, units)
    blocks: list[Block] = [shown.heading, Text(shown.notes, "muted")]
    if left_out:
        blocks.append(Text(left_out, "warning"))
    blocks.append(_inputs_table(trace, shown, steps))
    if shown.explain:
        blocks.append(Figure("Step by step", partial(_draw_explanation, trace, shown, steps, units)))
    else:
        blocks.append(_steps_table(trace, shown, steps, units))
    blocks.append(_memory_table(trace, steps, units))
    title = "The memory as a picture: a row a unit, a column a step"
    blocks.append(Figure(title, partial(_draw_picture, trace)))
    if expectations:
        blocks.append(expectation_block(expectations))
    return Document(tuple(blocks))


def _selected_units(trace: Trace, shown: TraceShown) -> Selection:
    if shown.units:
        return Selection(trace.network.d_h, shown.units)
    return head_and_tail(trace.network.d_h, _MOST_UNITS)


def _left_out(steps: Selection, units: Selection) -> tuple[str, ...]:
    lines = []
    if steps.left_out:
        lines.append(
            f"{plural(steps.left_out, 'step')} of {steps.total:,} left out between the first and the last; "
            "--format csv or json holds all."
        )
    if units.left_out:
        lines.append(
            f"{plural(units.left_out, 'unit')} of {units.total:,} left out; --unit N shows others, "
            "--format csv or json holds all."
        )
    return tuple(lines)


def _inputs_table(trace: Trace, shown: TraceShown, steps: Selection) -> Table:
    columns = [Column("t", "index")]
    if shown.labels:
        columns.append(Column("word"))
    columns.append(Column("x_t", "vector", "math"))
    if trace.y is not None:
        columns.append(Column("y_t", "vector", "math"))
    rows = []
    for index in steps.shown:
        row: list[Value] = [trace.first + index]
        if shown.labels:
            row.append(shown.labels[index])
        row.append(_vector(trace.x[index]))
        if trace.y is not None:
            row.append(_vector(trace.y[index]))
        rows.append(tuple(row))
    return Table("Inputs and outputs" if trace.y is not None else "Inputs", tuple(columns), tuple(rows))


def _vector(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _steps_table(trace: Trace, shown: TraceShown, steps: Selection, units: Selection) -> Table:
    """A row for each unit of each step: every summand, every gate, then the state."""
    named = [(shown.convention.write(expression), values) for expression, values in trace.terms]
    named += [(f"{name}_t", trace.values.now[name]) for name in trace.network.cell.state]
    columns = (
        Column("t", "index"),
        Column("unit", "index"),
        *(Column(symbol, "number", "math") for symbol, _ in named),
    )
    rows = tuple(
        (trace.first + step, unit + 1, *(float(values[step, unit]) for _, values in named))
        for step in steps.shown
        for unit in units.shown
    )
    return Table("Each step, unit by unit: the summands, their sum, the new state", columns, rows)


def _memory_table(trace: Trace, steps: Selection, units: Selection) -> Table:
    columns = (Column("", "math"), *(Column(f"unit {unit + 1}", "number") for unit in units.shown))
    first: tuple[Value, ...] = (f"h_{trace.first - 1}", *(float(trace.h0[unit]) for unit in units.shown))
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (f"h_{trace.first + step}", *(float(trace.h[step, unit]) for unit in units.shown)) for step in steps.shown
    )
    return Table("The memory's evolution", columns, (first, *rows))


def _scale(trace: Trace) -> float:
    """The value that full shade stands for: 1 where states stay within ±1, else the largest that is finite."""
    states = np.vstack([trace.h0[None], trace.h])
    finite = np.abs(states[np.isfinite(states)])
    largest = float(finite.max()) if finite.size else 1.0
    return 1.0 if largest <= 1 else largest


def _draw_picture(trace: Trace, layout: Layout) -> list[Line]:
    """Shades of a colour where there are colours, else characters from blank to full."""
    scale = _scale(trace)
    label_width = len(f"unit {trace.network.d_h}")
    history = np.vstack([trace.h0[None], trace.h])
    room = layout.width - label_width - 6  # the frame's sides, and the gap
    cell = 2 if 2 * len(history) <= room else 1
    columns = head_and_tail(len(history), max(2, room // cell))
    rows = head_and_tail(trace.network.d_h, _MOST_PICTURE_ROWS)
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
    lines.append([(" " * (label_width + 2), ""), (_picture_axis(trace, columns, cell), "muted")])
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


def _picture_axis(trace: Trace, columns: Selection, cell: int) -> str:
    first, last = f"h_{trace.first - 1}", f"h_{trace.first - 1 + columns.total - 1}"
    width = cell * len(columns.shown) + (1 if columns.left_out else 0)
    return first + last.rjust(width - len(first)) if width > len(first) + len(last) else f"{first} … {last}"


def _draw_explanation(
    trace: Trace, shown: TraceShown, steps: Selection, units: Selection, layout: Layout
) -> list[Line]:
    lines: list[Line] = []
    for step in steps.shown:
        if lines:
            lines.append([("", "")])
        if steps.gap_before(step):
            lines += [[(f"… {plural(steps.left_out, 'step')} left out …", "muted")], [("", "")]]
        lines += explain_step(trace, shown.convention, step, units.shown, layout)
    return lines


# Streams


def _finite(values: Array) -> list[float | None]:
    """The values for JSON, which has no NaN and no infinity: those are null."""
    plain: list[float | None] = values.tolist()
    return plain if np.isfinite(values).all() else [v if v is not None and isfinite(v) else None for v in plain]


def _step_columns(trace: Trace, shown: TraceShown) -> dict[str, Array]:
    return {shown.convention.write(expression): values for expression, values in trace.terms}


def _json(
    blocks: Callable[[], Iterable[Trace]], shown: TraceShown, expectations: tuple[Expectation, ...]
) -> Iterator[str]:
    for index, trace in enumerate(blocks()):
        if index == 0:
            head = {
                "schema": 1,
                "command": "trace",
                "convention": shown.convention.name,
                "notes": list(shown.notes),
                "h0": _finite(trace.h0),
            }
            yield json.dumps(head)[:-1] + ', "steps": ['
        yield from _json_steps(trace, shown)
    tail = expectations_json(expectations)
    yield (
        "]"
        + "".join(f", {json.dumps(name)}: {json.dumps(value, allow_nan=False)}" for name, value in tail.items())
        + "}"
    )


def _json_steps(trace: Trace, shown: TraceShown) -> Iterator[str]:
    terms = _step_columns(trace, shown)
    for index in range(trace.steps):
        t = trace.first + index
        step: dict[str, object] = {"t": t}
        if shown.labels:
            step["word"] = shown.labels[t - 1]
        step |= {
            "x": _finite(trace.x[index]),
            "h": _finite(trace.h[index]),
            "y": None if trace.y is None else _finite(trace.y[index]),
            "terms": {symbol: _finite(values[index]) for symbol, values in terms.items()},
        }
        yield (", " if t > 1 else "") + json.dumps(step, allow_nan=False)


def _csv(blocks: Callable[[], Iterable[Trace]], shown: TraceShown) -> Iterator[Iterable[object]]:
    for index, trace in enumerate(blocks()):
        columns = {"x": trace.x, **_step_columns(trace, shown), "h": trace.h}
        if trace.y is not None:
            columns["y"] = trace.y
        if index == 0:
            names = [f"{name}[{unit + 1}]" for name, values in columns.items() for unit in range(values.shape[-1])]
            yield ("t", *(["word"] if shown.labels else []), *names)
        table = np.hstack(list(columns.values()))
        for t, row in enumerate(table.tolist(), start=trace.first):
            yield (t, shown.labels[t - 1], *row) if shown.labels else (t, *row)


def _arrays(trace: Trace, shown: TraceShown) -> Mapping[str, Array]:
    """For .npz: everything under its symbol; the states come first, and are what .npy holds."""
    arrays = {"h": trace.h, "h0": trace.h0, "x": trace.x}
    if trace.y is not None:
        arrays["y"] = trace.y
    arrays |= _step_columns(trace, shown)
    return arrays | {
        shown.convention.symbol(parameter): write_array(shown.convention, parameter, trace.weights[parameter.name])
        for parameter in trace.network.parameters
    }
