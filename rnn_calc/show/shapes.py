"""ShapeReport → document, JSON, CSV; and the drawing of the unrolled network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from rnn_calc.core.conventions import write_shape
from rnn_calc.core.shapes import DimensionCheck, ShapeReport, Tensor, UnrolledStep
from rnn_calc.show.document import Block, Column, Document, Figure, Layout, Line, Table, Text, plain_line
from rnn_calc.show.expected import expectation_block, expectations_json
from rnn_calc.show.output import View, json_object

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
    report: ShapeReport, diagnoses: tuple[Diagnosis, ...], expectations: tuple[Expectation, ...], heading: str
) -> View:
    """The shape report in every format."""
    return View(
        "shapes",
        partial(_document, report, diagnoses, expectations, heading),
        partial(_json, report, diagnoses, expectations),
        partial(_csv, report),
    )


def _document(
    report: ShapeReport, diagnoses: tuple[Diagnosis, ...], expectations: tuple[Expectation, ...], heading: str
) -> Document:
    blocks: list[Block] = [
        Text((heading,), "title"),
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
        blocks.append(Text((_MODES[report.mode],), "muted"))
    if report.unrolled:
        blocks.append(Figure(f"Unrolled over {len(report.unrolled)} steps", partial(_draw_unrolled, report)))
    if expectations:
        blocks.append(expectation_block(expectations))
    return Document(tuple(blocks))


def _shape(report: ShapeReport, shape: tuple[int, ...]) -> str:
    """The shape of a vector or a matrix of one step, as the convention writes it."""
    return write_shape(shape, column_matrices=report.convention.column_matrices)


def _axes(axes: tuple[str, ...]) -> str:
    return f"({', '.join(axes)}{',' if len(axes) == 1 else ''})"


def _tensor_table(title: str, report: ShapeReport, tensors: tuple[Tensor, ...]) -> Table:
    columns = (Column("symbol", "math"), Column("shape", "shape"), Column("axes", "math"), Column("role"))
    write = write_shape if tensors is report.sequence else partial(_shape, report)
    rows = tuple((tensor.symbol, write(tensor.shape), _axes(tensor.axes), tensor.role) for tensor in tensors)
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


def _draw_unrolled(report: ShapeReport, layout: Layout) -> list[Line]:
    """The chain h_0 → [cell] → h_1 → …, inputs below, outputs above, as many steps a row as fit."""
    cell, h_shape = f"[ {report.network.cell.name} ]", report.tensor("h_{t-1}")
    assert h_shape is not None
    h_text = _shape(report, h_shape.shape)
    labels = [f"x_{step.t} {_step_shape(report, 'x_t')}" for step in report.unrolled]
    labels += [f"y_{step.t} {_step_shape(report, 'y_t')}" for step in report.unrolled if step.y]
    states = [f"h_{step.t}" for step in report.unrolled] + ["h_0"]
    state_width = max(len(h_text), *map(len, states))
    arrow = " → "
    step_width = max(len(cell), *map(len, labels))
    whole = step_width + state_width + 2 * len(arrow)
    per_row = max(1, (layout.width - state_width) // whole)
    lines: list[Line] = []
    for start in range(0, len(report.unrolled), per_row):
        if lines:
            lines.append(plain_line(""))
        lines += _draw_row(report, report.unrolled[start : start + per_row], cell, h_text, (state_width, step_width))
    return lines


def _step_shape(report: ShapeReport, symbol: str) -> str:
    tensor = report.tensor(symbol)
    return "" if tensor is None else _shape(report, tensor.shape)


def _draw_row(
    report: ShapeReport, steps: tuple[UnrolledStep, ...], cell: str, h_text: str, widths: tuple[int, int]
) -> list[Line]:
    state_width, step_width = widths
    gap = " " * (state_width + 3)

    def row(texts: list[str]) -> str:
        return gap + (" " * (state_width + 6)).join(text.center(step_width) for text in texts)

    chain = f"h_{steps[0].t - 1}".center(state_width)
    below = h_text.center(state_width)
    for step in steps:
        chain += f" → {cell.center(step_width)} → {f'h_{step.t}'.center(state_width)}"
        below += " " * 3 + " " * step_width + " " * 3 + h_text.center(state_width)
    up = ["↑" if step.x else "" for step in steps]
    drawn: list[tuple[str, str]] = []
    if any(step.y for step in report.unrolled):
        drawn.append((row([f"{step.y} {_step_shape(report, 'y_t')}" if step.y else "" for step in steps]), "shape"))
        drawn.append((row(["↑" if step.y else "" for step in steps]), "muted"))
    arrows = row(up)
    merged = "".join(
        shape if shape != " " else arrow
        for shape, arrow in zip(below.ljust(len(arrows)), arrows.ljust(len(below)), strict=True)
    )
    drawn += [(chain, "math"), (merged, "shape")]
    drawn.append((row([f"{step.x} {_step_shape(report, 'x_t')}" if step.x else "" for step in steps]), "shape"))
    return [[(text.rstrip(), style)] for text, style in drawn]


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
        content["unrolled"] = [{"t": step.t, "x": step.x, "y": step.y} for step in report.unrolled]
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
