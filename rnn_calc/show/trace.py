"""Trace → document, JSON, CSV and arrays: what a trace shows, and of which layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rnn_calc.core.equations import Vector
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.stages import Layer
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array
from rnn_calc.show.document import Block, Column, Document, Figure, Table, Text, Value
from rnn_calc.show.expected import expectation_block
from rnn_calc.show.explain import draw_explanation
from rnn_calc.show.format import plural
from rnn_calc.show.output import View
from rnn_calc.show.selection import ALL_BY_OPTION, ALL_IN_REPORT, Selection, head_and_tail
from rnn_calc.show.states import draw_picture, memory_table
from rnn_calc.show.steps import layer_tables
from rnn_calc.show.trace_streams import trace_arrays, trace_csv, trace_json

if TYPE_CHECKING:
    from rnn_calc.core.expectations import Expectation
    from rnn_calc.show.picture import Picture

_MOST_STEPS = 12
MOST_UNITS = 8


@dataclass(frozen=True)
class TraceShown:
    """What a shown trace needs beside its numbers: symbols, words, where weights and inputs came from.

    `units` and `layers` (both counted from 0) are those to show; where there are none, the first and the last units,
    and the top layer. Options that show others are told of where there are options.
    """

    notation: Notation
    heading: Text
    notes: tuple[str, ...]
    labels: tuple[str, ...] = ()
    explain: bool = False
    units: tuple[int, ...] = ()
    layers: tuple[int, ...] = ()
    has_options: bool = True

    def choose_units(self, width: int) -> Selection:
        """Which of `width` units are shown."""
        if self.units:
            return Selection(width, tuple(unit for unit in self.units if unit < width))
        return head_and_tail(width, MOST_UNITS)

    def shows(self, layer: Layer) -> bool:
        """Whether all of the layer is shown, and not its states alone."""
        return layer.index in (self.layers or (self.notation.network.layers - 1,))


def trace_view(
    whole: Callable[[], Trace],
    blocks: Callable[[], Iterable[Trace]],
    shown: TraceShown,
    expectations: tuple[Expectation, ...] = (),
) -> View:
    """A trace in every format: `whole` is asked for where all steps are needed at once, `blocks` for the streams."""
    notation, labels = shown.notation, shown.labels
    return View(
        "trace",
        lambda: _document(whole(), shown, expectations),
        lambda: trace_json(blocks, notation, labels, shown.notes, expectations),
        lambda: trace_csv(blocks, notation, labels),
        lambda: trace_arrays(whole(), notation),
        lambda: pictures(whole(), shown),
    )


def pictures(trace: Trace, shown: TraceShown) -> list[Picture]:
    """The states of the layers that are shown, over all steps."""
    from rnn_calc.show.trace_pictures import trace_pictures

    layers = shown.layers or (trace.network.layers - 1,)
    return [
        picture
        for index in layers
        for picture in trace_pictures(trace, shown.notation, index, shown.units, shown.labels)
    ]


def _document(trace: Trace, shown: TraceShown, expectations: tuple[Expectation, ...]) -> Document:
    steps = head_and_tail(trace.steps, _MOST_STEPS)
    blocks: list[Block] = [shown.heading, Text(shown.notes, "muted")]
    left_out = (*_left_out(trace, shown, steps), *layers_left_out(trace.network, shown))
    if left_out:
        blocks.append(Text(left_out, "warning"))
    blocks.append(inputs_table(trace, shown, steps))
    if shown.explain:
        draw = partial(draw_explanation, trace, shown.notation, steps, shown.choose_units, shown.shows)
        blocks.append(Figure("Step by step", draw))
    for index in range(trace.network.layers):
        blocks += _layer_blocks(trace, shown, steps, index)
    blocks += _state_tables(trace, shown, steps, trace.network.layers - 1)
    title = "The memory as a picture: a row a unit, a column a step"
    blocks.append(Figure(title, partial(draw_picture, trace)))
    if expectations:
        blocks.append(expectation_block(expectations))
    return Document(tuple(blocks))


def _left_out(trace: Trace, shown: TraceShown, steps: Selection) -> tuple[str, ...]:
    lines = []
    if steps.left_out:
        lines.append(
            f"{plural(steps.left_out, 'step')} of {steps.total:,} left out between the first and the last; "
            f"{ALL_BY_OPTION if shown.has_options else ALL_IN_REPORT}"
        )
    widest = max([trace.h.shape[-1], *(run.h.shape[-1] for run in trace.layers), *trace.network.widths])
    units = shown.choose_units(widest)
    if units.left_out:
        lines.append(
            f"{plural(units.left_out, 'unit')} of {units.total:,} left out; "
            f"{f'--unit N shows others, {ALL_BY_OPTION}' if shown.has_options else ALL_IN_REPORT}"
        )
    return tuple(lines)


def layers_left_out(network: Network, shown: TraceShown) -> tuple[str, ...]:
    """A line that says which layers are not shown, where some are not."""
    hidden = [directions[0].index + 1 for directions in network.stack if not shown.shows(directions[0])]
    if not hidden:
        return ()
    names = ", ".join(map(str, hidden)) if len(hidden) <= MOST_UNITS else f"{len(hidden)} layers"
    which = f"Layer {names} shows" if len(hidden) == 1 else f"Layers {names} show"
    more = "; --layer N shows all of a layer" if shown.has_options else ""
    return (f"{which} no more than states{more}.",)


def inputs_table(trace: Trace, shown: TraceShown, steps: Selection) -> Table:
    """What goes into each step, and what comes out of it."""
    columns = [Column("t", "index")]
    if shown.labels:
        columns.append(Column("word"))
    if trace.tokens is not None:
        columns.append(Column("token", "index"))
    columns.append(Column("x_t", "vector", "math"))
    if trace.y is not None:
        columns.append(Column("y_t", "vector", "math"))
    rows = []
    for index in steps.shown:
        row: list[Value] = [trace.first + index]
        if shown.labels:
            row.append(shown.labels[trace.first + index - 1])
        if trace.tokens is not None:
            row.append(int(trace.tokens[index]))
        row.append(_vector(trace.x[index]))
        if trace.y is not None:
            row.append(_vector(trace.y[index]))
        rows.append(tuple(row))
    return Table("Inputs and outputs" if trace.y is not None else "Inputs", tuple(columns), tuple(rows))


def _vector(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _layer_blocks(trace: Trace, shown: TraceShown, steps: Selection, index: int) -> list[Table]:
    """Every step of a layer that is shown, of any other its states; the top layer's states have their own place."""
    runs = trace.directions(index)
    if shown.shows(runs[0].layer):
        return [
            table
            for run in runs
            for table in layer_tables(run, shown.notation, trace.first, steps, shown.choose_units)
            if not shown.explain
        ]
    return _state_tables(trace, shown, steps, index) if index < trace.network.layers - 1 else []


def _state_tables(trace: Trace, shown: TraceShown, steps: Selection, index: int) -> list[Table]:
    """What a layer gives to the next, and its cell state: a row a step."""
    top, bidirectional = index == trace.network.layers - 1, trace.network.bidirectional
    states = {"h": ("The memory's evolution" if top else "the state after each step", trace.outputs[index])}
    cell = trace.cell_states(index)
    if cell is not None:
        states["c"] = ("The cell state's evolution" if top else "the cell state after each step", cell)
    tables = []
    for name, (words, values) in states.items():
        # Two directions have their first states at either end.
        first = None if bidirectional else trace.directions(index)[0].initial[name]
        joined = f"{name}^({index + 1})" if trace.network.layers > 1 else name
        labels = partial(shown.notation.vector, Vector(name, "", symbol=joined))
        title = words if top else f"Layer {index + 1} · {words}"
        units = shown.choose_units(values.shape[-1])
        if units.shown:
            tables.append(memory_table(title, labels, first, values, trace.first, steps, units))
    return tables
