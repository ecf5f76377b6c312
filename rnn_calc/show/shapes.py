"""ShapeReport → document, JSON, CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from rnn_calc.core.conventions import write_axes, write_shape
from rnn_calc.core.shapes import DimensionCheck, ShapeReport, Tensor
from rnn_calc.show.document import Block, Column, Document, Figure, Table, Text
from rnn_calc.show.expected import expectation_block, expectations_json
from rnn_calc.show.output import View, json_object
from rnn_calc.show.unrolled import draw_unrolled

if TYPE_CHECKING:
    from rnn_calc.core.diagnosis import Diagnosis
    from rnn_calc.core.expectations import Expectation

_MODES = {
    "many-to-many": "many-to-many: an output at every step, as in tagging each word",
    "many-to-one": "many-to-one: one output after the last step, as in judging a review",
    "one-to-many": "one-to-many: one input, then an output at every step, as in captioning a picture",
    "seq2seq": "seq2seq: the encoder reads everything first, then the decoder writes, as in translation",
}


def shapes_view(
    report: ShapeReport, diagnoses: tuple[Diagnosis, ...], expectations: tuple[Expectation, ...], heading: Text
) -> View:
    """The shape report in every format."""
    return View(
        "shapes",
        partial(_document, report, diagnoses, expectations, heading),
        partial(_json, report, diagnoses, expectations),
        partial(_csv, report),
    )


def _document(
    report: ShapeReport, diagnoses: tuple[Diagnosis, ...], expectations: tuple[Expectation, ...], heading: Text
) -> Document:
    blocks: list[Block] = [
        heading,
        Text(tuple(f"  {equation}" for equation in report.equations), "math"),
    ]
    if diagnoses:
        blocks.append(_diagnosis_table(diagnoses))
    blocks += [
        _tensor_table("One step: input, states, output", report, report.vectors),
        _tensor_table("Parameters: the same at every step", report, report.parameters),
        _check_table(report),
    ]
    if report.sequence:
        blocks.append(_tensor_table("Whole sequences", report, report.sequence))
    if report.sequence or report.unrolled or report.mode != "many-to-many":
        blocks.append(Text((_MODES[report.mode],), "muted"))
    if report.unrolled:
        blocks.append(Figure("The network unrolled", partial(draw_unrolled, report)))
    if expectations:
        blocks.append(expectation_block(expectations))
    return Document(tuple(blocks))


def _shape(report: ShapeReport, shape: tuple[int, ...]) -> str:
    """The shape of a vector or a matrix of one step, as the convention writes it."""
    return write_shape(shape, column_matrices=report.convention.column_matrices)


def _tensor_table(title: str, report: ShapeReport, tensors: tuple[Tensor, ...]) -> Table:
    columns = (Column("symbol", "math"), Column("shape", "shape"), Column("axes", "math"), Column("role"))
    write = write_shape if tensors is report.sequence else partial(_shape, report)
    rows = tuple((tensor.symbol, write(tensor.shape), write_axes(tensor.axes), tensor.role) for tensor in tensors)
    return Table(title, columns, rows)


_SIGNS = {"product": " · ", "sum": " + ", "entrywise": ""}


def _check_table(report: ShapeReport) -> Table:
    columns = (Column("operation", "math"), Column("shapes", "shape"), Column("", "verdict"))
    return Table("Dimension check", columns, tuple(_check_row(report, check) for check in report.checks))


def _check_row(report: ShapeReport, check: DimensionCheck) -> tuple[str, str, str]:
    operands = _SIGNS[check.operation].join(_shape(report, shape) for shape in check.operands)
    return check.expression, f"{operands} → {_shape(report, check.result)}", "✓"


def _diagnosis_table(diagnoses: Iterable[Diagnosis]) -> Table:
    columns = (
        Column("symbol", "math"),
        Column("got", "shape"),
        Column("needs", "shape"),
        Column("verdict", "verdict"),
    )
    rows = tuple(
        (d.symbol, write_shape(d.got), write_shape(d.needs), "✓ fits" if d.fits else f"✗ {d.reason}") for d in diagnoses
    )
    return Table("Your shapes", columns, rows)


def _json(
    report: ShapeReport, diagnoses: tuple[Diagnosis, ...], expectations: tuple[Expectation, ...]
) -> Iterator[str]:
    content: dict[str, object] = {
        "convention": report.convention.name,
        "mode": report.mode,
        "equations": list(report.equations),
        "rows": [
            {
                "symbol": tensor.symbol,
                "kind": tensor.kind,
                "shape": list(tensor.shape),
                "axes": list(tensor.axes),
                "count": tensor.count,
                "role": tensor.role,
            }
            for tensor in report.rows
        ],
        "checks": [
            {
                "expression": check.expression,
                "operands": [list(shape) for shape in check.operands],
                "result": list(check.result),
            }
            for check in report.checks
        ],
    }
    if report.unrolled:
        content["unrolled"] = [{"t": step.t, "x": step.x, "state": step.state, "y": step.y} for step in report.unrolled]
    if diagnoses:
        content["got"] = [
            {
                "symbol": d.symbol,
                "got": list(d.got),
                "needs": list(d.needs),
                "fits": d.fits,
                "reason": d.reason,
            }
            for d in diagnoses
        ]
    return json_object("shapes", {**content, **expectations_json(expectations)})


def _csv(report: ShapeReport) -> Iterator[tuple[object, ...]]:
    yield ("symbol", "kind", "shape", "axes", "count", "role")
    for tensor in report.rows:
        yield (
            tensor.symbol,
            tensor.kind,
            "x".join(map(str, tensor.shape)),
            "x".join(tensor.axes),
            tensor.count,
            tensor.role,
        )
