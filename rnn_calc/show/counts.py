"""CountReport → document, JSON, CSV."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from rnn_calc.core.conventions import write_shape
from rnn_calc.core.counts import CountReport
from rnn_calc.show.document import Block, Column, Document, Table, Text
from rnn_calc.show.expected import expectation_block, expectations_json
from rnn_calc.show.output import View, json_object

if TYPE_CHECKING:
    from rnn_calc.core.expectations import Expectation


def counts_view(report: CountReport, expectations: tuple[Expectation, ...], heading: Text) -> View:
    """The count report in every format."""
    return View(
        "params",
        partial(_document, report, expectations, heading),
        partial(_json, report, expectations),
        partial(_csv, report),
    )


def _document(report: CountReport, expectations: tuple[Expectation, ...], heading: Text) -> Document:
    column_matrices = report.convention.column_matrices
    columns = (
        Column("parameter", "math"),
        Column("shape", "shape"),
        Column("formula", "math"),
        Column("numbers", "math"),
        Column("count", "count"),
    )
    rows = tuple(
        (
            row.symbol,
            write_shape(row.shape, column_matrices=column_matrices),
            row.formula,
            row.numbers,
            row.count,
        )
        for row in report.rows
    )
    parts = [("recurrent part", report.recurrent_formula, report.recurrent)]
    if report.readout:
        parts.append(("readout", report.readout_formula, report.readout))
    blocks: list[Block] = [
        heading,
        Table("Parameters", columns, rows, ("total", "", "", "", report.total)),
        Table(
            "Closed form",
            (Column("part"), Column("formula", "math"), Column("count", "count")),
            tuple(parts),
            ("total", report.formula, report.total),
        ),
        Table(
            "Shared weights against weights of its own at each step",
            (Column("steps T", "index"), Column("RNN: shared", "count"), Column("MLP: T · total", "count")),
            tuple((entry.steps, entry.shared, entry.own) for entry in report.unrolled),
        ),
        Text(("The total does not depend on T: every step uses the same matrices.",), "muted"),
    ]
    if expectations:
        blocks.append(expectation_block(expectations))
    return Document(tuple(blocks))


def _json(report: CountReport, expectations: tuple[Expectation, ...]) -> Iterator[str]:
    content = {
        "convention": report.convention.name,
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
        "recurrent": report.recurrent,
        "readout": report.readout,
        "total": report.total,
        "formula": report.formula,
        "unrolled": [{"steps": entry.steps, "shared": entry.shared, "own": entry.own} for entry in report.unrolled],
    }
    return json_object("params", {**content, **expectations_json(expectations)})


def _csv(report: CountReport) -> Iterator[tuple[object, ...]]:
    yield ("symbol", "shape", "formula", "numbers", "count", "part")
    for row in report.rows:
        shape = "x".join(map(str, row.shape))
        yield (row.symbol, shape, row.formula, row.numbers, row.count, row.part)
    yield ("total", None, report.formula, None, report.total, None)
