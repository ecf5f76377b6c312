"""Descriptions of cells → document, JSON, CSV."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from rnn_calc.core.catalog import CellEntry
from rnn_calc.show.document import Block, Column, Document, Table, Text
from rnn_calc.show.output import View, json_object


def cells_view(entries: tuple[CellEntry, ...], convention: str) -> View:
    """The cells in every format."""
    return View(
        "cells",
        partial(_document, entries),
        partial(_json, entries, convention),
        partial(_csv, entries),
    )


def _document(entries: tuple[CellEntry, ...]) -> Document:
    blocks: list[Block] = []
    if len(entries) > 1:
        columns = (Column("cell"), Column("what"), Column("states"), Column("parameters", "math"))
        rows = tuple((e.cell.name, e.cell.title, ", ".join(e.cell.state), e.formula) for e in entries)
        blocks.append(Table("Cells", columns, rows))
    for entry in entries:
        blocks += cell_blocks(entry)
    hint = "Use one: rnncalc trace --cell lstm. Side by side: rnncalc compare --cells lstm,gru."
    return Document((*blocks, Text((hint,), "muted")))


def cell_blocks(entry: CellEntry) -> Iterator[Block]:
    """What one cell is: its equations, what each gate counts, its source."""
    cell = entry.cell
    yield Text((f"{cell.name}: {cell.title}",), "title")
    yield Text(tuple(f"  {equation}" for equation in entry.equations), "math")
    columns = (Column("gate", "math"), Column("what"), Column("parameters", "math"))
    if len(entry.gates) > 1:
        rows = tuple((gate.gate, gate.name, gate.formula) for gate in entry.gates)
        yield Table(f"Parameters of each gate of {cell.name}", columns, rows, ("total", "", entry.formula))
    lines = [f"states: {', '.join(cell.state)}; parameters: {entry.formula}", f"source: {cell.source}"]
    if entry.called:
        lines.append("in " + ", ".join(f"{convention}: {called}" for convention, called in entry.called))
    if cell.note:
        lines.append(f"{cell.note[0].upper() if cell.note[1] != ' ' else cell.note[0]}{cell.note[1:]}.")
    yield Text(tuple(lines), "muted")


def _json(entries: tuple[CellEntry, ...], convention: str) -> Iterator[str]:
    rows = [
        {
            "name": entry.cell.name,
            "title": entry.cell.title,
            "states": list(entry.cell.state),
            "equations": list(entry.equations),
            "gates": [{"gate": gate.gate, "name": gate.name, "formula": gate.formula} for gate in entry.gates],
            "formula": entry.formula,
            "source": entry.cell.source,
            "note": entry.cell.note or None,
            "called": dict(entry.called),
        }
        for entry in entries
    ]
    return json_object("cells", {"convention": convention, "rows": rows})


def _csv(entries: tuple[CellEntry, ...]) -> Iterator[tuple[object, ...]]:
    yield ("cell", "title", "states", "gate", "formula", "source")
    for entry in entries:
        for gate in entry.gates:
            states = " ".join(entry.cell.state)
            yield (entry.cell.name, entry.cell.title, states, gate.gate, gate.formula, entry.cell.source)
