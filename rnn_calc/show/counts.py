"""CountReport → document, JSON, CSV."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from rnn_calc.core.counts import ConventionCount, CountReport, ParameterCount
from rnn_calc.core.notation import write_shape
from rnn_calc.show.document import Block, Column, Document, Table, Text, Value
from rnn_calc.show.output import View, json_object

if TYPE_CHECKING:
    from rnn_calc.core.expectations import Expectation

# Fewer equal layers than these are shown one by one.
_FEWEST_FOLDED = 3


def counts_view(
    report: CountReport,
    heading: Text,
    expectations: tuple[Expectation, ...] = (),
    conventions: tuple[ConventionCount, ...] = (),
    *,
    unrolled: bool = True,
) -> View:
    """The count report in every format, with the other conventions and the expected values that there are.

    `unrolled`: tables also show the unrolled network.
    """
    return View(
        "params",
        lambda: Document(tuple(_blocks(report, heading, expectations, conventions, unrolled=unrolled))),
        partial(_json, report, expectations, conventions),
        partial(_csv, report),
    )


def _blocks(
    report: CountReport,
    heading: Text,
    expectations: tuple[Expectation, ...],
    conventions: tuple[ConventionCount, ...],
    *,
    unrolled: bool,
) -> list[Block]:
    blocks: list[Block] = [heading, parameter_table(report), closed_form_table(report)]
    if len(report.gates) > 1:
        blocks.append(_gate_table(report))
    notes = tuple(_notes(report))
    if notes:
        blocks.append(Text(notes, "muted"))
    if conventions:
        blocks.append(convention_table(conventions))
    if unrolled:
        blocks += _unrolled_blocks(report)
    if expectations:
        from rnn_calc.show.expected import expectation_block

        blocks.append(expectation_block(expectations))
    return blocks


# Equal parts, one after the other, shown as one: what they are called, the first, the last, and how many.
_Fold = tuple[str, str, str, int]


def _folds(report: CountReport) -> list[_Fold]:
    """The parts of the network in order, equal layers folded into one."""
    rows: dict[str, list[tuple[object, ...]]] = {}
    for row in report.rows:
        rows.setdefault(row.group, []).append((row.shape, row.formula))
    folds: list[_Fold] = []
    for _, equal in groupby(report.parts, key=lambda part: (part.is_layer, rows[part.part])):
        parts = [part.part for part in equal]
        if len(parts) < _FEWEST_FOLDED:
            folds += [(part, part, part, 1) for part in parts]
        else:
            name = f"layers {parts[0].removeprefix('layer ')} to {parts[-1].removeprefix('layer ')}"
            folds.append((name, parts[0], parts[-1], len(parts)))
    return folds


def parameter_table(report: CountReport) -> Table:
    """Every stored array, its shape and its count, equal layers folded into one; and the total."""
    column_matrices = report.notation.convention.column_matrices
    by_group: dict[str, list[ParameterCount]] = {}
    for row in report.rows:
        by_group.setdefault(row.group, []).append(row)
    rows: list[tuple[Value, ...]] = []
    for _, bottom, top, times in _folds(report):
        for first, last in zip(by_group[bottom], by_group[top], strict=True):
            each = f"{times}·" if times > 1 else ""
            rows.append(
                (
                    first.symbol if times == 1 else f"{first.symbol} to {last.symbol}",
                    write_shape(first.shape, column_matrices=column_matrices),
                    each + first.formula,
                    each + first.numbers,
                    first.count * times,
                )
            )
    columns = (
        Column("parameter", "math"),
        Column("shape", "shape"),
        Column("formula", "math"),
        Column("numbers", "math"),
        Column("count", "count"),
    )
    return Table("Parameters", columns, tuple(rows), ("total", "", "", "", report.total))


def closed_form_table(report: CountReport) -> Table:
    """Each part's closed form and count, equal layers folded, and the total's."""
    parts = {part.part: part for part in report.parts}
    rows = []
    for name, first, _, times in _folds(report):
        part = parts[first]
        formula = part.formula if times == 1 else f"{times}·({part.formula})"
        rows.append(("recurrent part" if name == "recurrent" else name, formula, part.count * times))
    columns = (Column("part"), Column("formula", "math"), Column("count", "count"))
    return Table("Closed form", columns, tuple(rows), ("total", report.formula, report.total))


def _gate_table(report: CountReport) -> Table:
    # With a width for each layer the formulas would be longer than the counts are worth.
    written = not isinstance(report.network.d_h, tuple)
    columns = (
        Column("gate", "math"),
        Column(""),
        *((Column("formula", "math"),) if written else ()),
        Column("count", "count"),
    )
    rows = tuple(
        (gate.gate or "–", gate.name, *((gate.formula,) if written else ()), gate.count) for gate in report.gates
    )
    what = "the recurrent part" if report.network.layers == 1 else "the recurrent layers"
    total = ("total", "", *((report.recurrent_formula,) if written else ()), report.recurrent)
    return Table(f"What each gate takes of {what}", columns, rows, total)


def _notes(report: CountReport) -> Iterator[str]:
    """Sentences on what is counted once, and on biases that another way of writing has not."""
    notation, network = report.notation, report.network
    if network.tied:
        table = notation.home(next(p for p in network.parameters if p.role == "embedding")).symbol
        yield f"The readout is tied to the embedding: {table} serves both and is counted once."
    if report.extra_biases.terms:
        formula = report.extra_biases.write(notation.size)
        count = report.extra_biases.value(network.sizes)
        if network.biases == 2:
            yield f"Two biases a gate, where one would do, are {formula} = {count:,} more of the total."
        else:
            first, *others = (notation.symbol(p) for p in network.parameters if p.role == "recurrent_bias")
            who = f"{first} and its like in the other layers are" if others else f"{first} is"
            yield (
                f"One bias a gate; {who} there besides, because it stands inside the product with the reset gate "
                f"and cannot be added to the other: {formula} = {count:,} of the total."
            )
    if network.cell.note:
        yield f"{network.cell.name}: {network.cell.note}."


def convention_table(conventions: tuple[ConventionCount, ...]) -> Table:
    """The total under each convention and the term that makes the difference, or why there is none."""
    columns = (
        Column("convention"),
        Column("total", "count"),
        Column("difference", "count"),
        Column("term", "math"),
        Column("why"),
    )
    rows = tuple(
        (c.convention, c.total, c.difference, "–" if c.total is None else c.term or "0", c.reason or c.rule)
        for c in conventions
    )
    first = next((c.convention for c in conventions if c.total is not None), "none")
    return Table(f"The same network under every convention; differences to {first}", columns, rows)


def _unrolled_blocks(report: CountReport) -> list[Block]:
    columns = (Column("steps T", "index"), Column("RNN: shared", "count"), Column("MLP: T · total", "count"))
    rows = tuple((entry.steps, entry.shared, entry.own) for entry in report.unrolled)
    return [
        Table("Shared weights against weights of its own at each step", columns, rows),
        Text(("The total does not depend on T: every step uses the same matrices.",), "muted"),
    ]


def _json(
    report: CountReport, expectations: tuple[Expectation, ...], conventions: tuple[ConventionCount, ...]
) -> Iterator[str]:
    content: dict[str, object] = {
        "convention": report.notation.convention.name,
        "rows": [
            {
                "symbol": row.symbol,
                "shape": list(row.shape),
                "formula": row.formula,
                "numbers": row.numbers,
                "count": row.count,
                "part": row.part,
            }
            for row in report.rows
        ],
        "parts": [{"part": part.part, "formula": part.formula, "count": part.count} for part in report.parts],
        "gates": [
            {"gate": gate.gate, "name": gate.name, "formula": gate.formula, "count": gate.count}
            for gate in report.gates
        ],
        "embedding": report.embedding,
        "recurrent": report.recurrent,
        "readout": report.readout,
        "total": report.total,
        "formula": report.formula,
        "unrolled": [{"steps": entry.steps, "shared": entry.shared, "own": entry.own} for entry in report.unrolled],
    }
    if conventions:
        content["conventions"] = conventions_json(conventions)
    if expectations:
        from rnn_calc.show.expected import expectations_json

        content |= expectations_json(expectations)
    return json_object("params", content)


def conventions_json(conventions: tuple[ConventionCount, ...]) -> list[dict[str, object]]:
    """The same table for scripts."""
    return [
        {
            "convention": found.convention,
            "biases": None if found.total is None else found.biases,
            "total": found.total,
            "difference": found.difference,
            "term": found.term,
            "rule": found.rule,
            "reason": found.reason or None,
        }
        for found in conventions
    ]


def _csv(report: CountReport) -> Iterator[tuple[object, ...]]:
    yield ("symbol", "shape", "formula", "numbers", "count", "part")
    for row in report.rows:
        shape = "x".join(map(str, row.shape))
        yield (row.symbol, shape, row.formula, row.numbers, row.count, row.part)
    yield ("total", None, report.formula, None, report.total, None)
