"""One step of a trace alone → document: where it is in the unrolled network, its arithmetic, a unit's weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from rnn_calc.core.notation import Notation
from rnn_calc.core.one_step import OneStep
from rnn_calc.core.trace import Trace
from rnn_calc.show.document import Block, Document, Figure, Layout, Line, Text
from rnn_calc.show.expected import expectation_block
from rnn_calc.show.explain import draw_explanation
from rnn_calc.show.format import plural
from rnn_calc.show.output import View
from rnn_calc.show.selection import ALL_BY_OPTION, Selection
from rnn_calc.show.trace import MOST_UNITS, TraceShown, inputs_table, layers_left_out, pictures
from rnn_calc.show.trace_streams import trace_arrays, trace_csv, trace_json
from rnn_calc.show.unit_rows import draw_unit_rows, with_units
from rnn_calc.show.unrolled import draw_step

if TYPE_CHECKING:
    from rnn_calc.core.expectations import Expectation


def step_view(
    found: Callable[[], OneStep],
    whole: Callable[[], Trace],
    shown: TraceShown,
    expectations: tuple[Expectation, ...] = (),
) -> View:
    """One step in every format; a picture needs the `whole` run."""
    notation = shown.notation
    labels = shown.labels
    return View(
        "trace",
        lambda: _document(found(), shown, expectations),
        lambda: trace_json(lambda: [found().trace], notation, labels, shown.notes, expectations),
        lambda: trace_csv(lambda: [found().trace], notation, labels),
        lambda: trace_arrays(found().trace, notation),
        lambda: pictures(whole(), shown),
    )


def _document(found: OneStep, shown: TraceShown, expectations: tuple[Expectation, ...]) -> Document:
    trace, notation, step = found.trace, shown.notation, found.trace.first
    every = Selection(1, (0,))
    blocks: list[Block] = [shown.heading, Text(shown.notes, "muted")]
    left_out = (*_units_left_out(trace, shown), *layers_left_out(notation.network, shown))
    if left_out:
        blocks.append(Text(left_out, "warning"))
    title = f"Step {step} of {found.total:,} in the unrolled network"
    blocks.append(Figure(title, partial(_draw_place, notation, step, found.total)))
    blocks.append(inputs_table(trace, shown, every))
    if shown.units:
        runs = [run for run in trace.layers if shown.shows(run.layer)]
        draw_rows = partial(draw_unit_rows, trace, notation, runs, shown.units)
        blocks.append(Figure(_rows_title(shown), draw_rows))
    choose = partial(with_units, most=MOST_UNITS, units=shown.units)
    draw = partial(draw_explanation, trace, notation, every, choose, shown.shows, lit=shown.units)
    blocks.append(Figure("Step by step", draw))
    if expectations:
        blocks.append(expectation_block(expectations))
    return Document(tuple(blocks))


def _draw_place(notation: Notation, step: int, total: int, layout: Layout) -> list[Line]:
    """The unrolled network around the step, and which steps are drawn where not all are."""
    drawn, lines = draw_step(notation, step, total, layout)
    first, last = drawn.steps[0].t, drawn.steps[-1].t
    if last - first + 1 < total:
        which = f"step {first}" if first == last else f"steps {first}–{last}"
        lines.append([(f"{which} of {total:,}", "muted")])
    return lines


def _rows_title(shown: TraceShown) -> str:
    """What the drawing of the units' weights shows."""
    names = ", ".join(str(unit + 1) for unit in sorted(shown.units))
    several = len(shown.units) > 1
    kind, place = ("column", "beside") if shown.notation.convention.row_vectors else ("row", "under")
    which = f"their {kind}s" if several else f"its {kind}"
    return f"Unit{'s' if several else ''} {names}: {which} of every matrix, {place} the vector"


def _units_left_out(trace: Trace, shown: TraceShown) -> tuple[str, ...]:
    widest = max(run.layer.sizes["d_h"] for run in trace.layers if shown.shows(run.layer))
    units = with_units(widest, MOST_UNITS, shown.units)
    if not units.left_out:
        return ()
    return (f"{plural(units.left_out, 'unit')} of {units.total:,} left out; --unit N shows others, {ALL_BY_OPTION}",)
