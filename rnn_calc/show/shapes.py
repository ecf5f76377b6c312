"""ShapeReport → document, JSON, CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from rnn_calc.core.notation import write_axes, write_shape
from rnn_calc.core.shapes import DimensionCheck, PartShapes, ShapeReport
from rnn_calc.core.tensors import Tensor
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

_BOTH_ENDS = "; it reads the forward state at t = T and the backward one at t = 1"


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
    blocks: list[Block] = [heading]
    plain = report.network.layers == 1 and not report.network.bidirectional
    if plain:
        blocks.append(_equations(report.equations))
    if note := report.network.cell.note:
        blocks.append(Text((f"{report.network.cell.name}: {note}.",), "muted"))
    if diagnoses:
        blocks.append(_diagnosis_table(diagnoses))
    sequence = list(_sequence_blocks(report)) if report.sequence else []
    if plain:
        blocks += [*_part_tables(report, report.parts, ""), *sequence]
    else:
        blocks += sequence  # what a framework returns is what is asked of a stack first
        for title, parts, remark in _groups(report):
            blocks.append(_equations([e for part in parts for e in part.equations], title))
            blocks += [Text((remark,), "muted")] if remark else []
            blocks += _part_tables(report, parts, title.partition(",")[0])
    if report.sequence or report.unrolled or report.mode != "many-to-many":
        ends = report.mode == "many-to-one" and report.network.bidirectional
        blocks.append(Text((_MODES[report.mode] + (_BOTH_ENDS if ends else ""),), "muted"))
    if report.unrolled:
        blocks.append(Figure("The network unrolled", partial(draw_unrolled, report)))
    if expectations:
        blocks.append(expectation_block(expectations))
    return Document(tuple(blocks))


def _equations(lines: Iterable[str], title: str = "") -> Text:
    return Text(tuple(f"  {line}" for line in lines), "math", title)


def _groups(report: ShapeReport) -> Iterator[tuple[str, list[PartShapes], str]]:
    """What is shown together: embedding, each layer, readout; of layers that are alike the first stands for all."""
    numbered = report.network.layers > 1
    yield from ((part.name.capitalize(), [part], "") for part in report.parts if part.name == "embedding")
    for run in report.alike:
        parts = [part for part in report.parts if part.layer == run[0]]
        title = f"Layer {run[0]}" if numbered else "Recurrent layer"
        remark = ""
        if report.network.bidirectional:
            remark = "The backward direction has the gates and checks of the forward one, with parameters of its own. "
        if len(run) > 1:
            title = f"Layers {run[0]} {'to' if len(run) > 2 else 'and'} {run[-1]}, all alike"
            remark += f"Written for layer {run[0]}; the others have the same shapes under their own numbers."
        yield title, parts, remark.rstrip()
    yield from ((part.name.capitalize(), [part], "") for part in report.parts if part.name == "readout")


def _part_tables(report: ShapeReport, parts: Iterable[PartShapes], title: str) -> list[Block]:
    """The tables of some parts; of a backward direction only its states, since its gates are the forward ones'."""
    parts = list(parts)
    vectors = [v for part in parts for v in part.vectors if part.direction != "backward" or v.kind == "state"]
    checks = [check for part in parts if part.direction != "backward" for check in part.checks]
    parameters = [parameter for part in parts for parameter in part.parameters]
    tables: list[Block] = [
        _tensor_table(f"{title}: one step" if title else "One step: input, states, output", report, vectors),
        _tensor_table(f"{title}: parameters" if title else "Parameters: the same at every step", report, parameters),
        _check_table(f"{title}: dimension check" if title else "Dimension check", report, checks),
    ]
    return [table for table in tables if isinstance(table, Table) and table.rows]


def _sequence_blocks(report: ShapeReport) -> list[Block]:
    """The table of whole sequences; of layers that are alike the first stands for all."""
    later = {number for run in report.alike for number in run[1:]}
    shown = [tensor for tensor in report.sequence if tensor.layer not in later]
    blocks: list[Block] = [_tensor_table("Whole sequences", report, shown, sequence=True)]
    for run in report.alike:
        if len(run) > 1 and len(shown) < len(report.sequence):
            others = f"Layers {run[1]} to {run[-1]} have" if len(run) > 2 else f"Layer {run[1]} has"
            blocks.append(Text((f"{others} the same tensors as layer {run[0]}, under their own numbers.",), "muted"))
    return blocks


def _shape(report: ShapeReport, shape: tuple[int, ...]) -> str:
    """The shape of a vector or a matrix of one step, as the convention writes it."""
    return write_shape(shape, column_matrices=report.convention.column_matrices)


def _tensor_table(title: str, report: ShapeReport, tensors: Iterable[Tensor], *, sequence: bool = False) -> Table:
    columns = (Column("symbol", "math"), Column("shape", "shape"), Column("axes", "math"), Column("role"))
    write = write_shape if sequence else partial(_shape, report)
    rows = tuple((tensor.symbol, write(tensor.shape), write_axes(tensor.axes), tensor.role) for tensor in tensors)
    return Table(title, columns, rows)


def _check_table(title: str, report: ShapeReport, checks: Iterable[DimensionCheck]) -> Table:
    columns = (Column("operation", "math"), Column("shapes", "shape"), Column("", "verdict"))
    return Table(title, columns, tuple(_check_row(report, check) for check in checks))


def _check_row(report: ShapeReport, check: DimensionCheck) -> tuple[str, str, str]:
    operands = check.sign.join(_shape(report, shape) for shape in check.operands)
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
                **_place(report, tensor),
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
    if note := report.network.cell.note:
        content["note"] = note
    if report.packing:
        packing = report.packing
        content["packed"] = {
            "lengths": list(packing.lengths),
            "batch_sizes": list(packing.batch_sizes),
            "sorted_indices": list(packing.sorted_indices),
            "unsorted_indices": list(packing.unsorted_indices),
        }
    if report.unrolled:
        content["unrolled"] = [
            {"t": step.t, "x": step.x, "state": step.state, "y": step.y}
            | ({"states": list(step.states)} if len(report.chains) > 1 else {})
            for step in report.unrolled
        ]
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


def _place(report: ShapeReport, tensor: Tensor) -> dict[str, int | str | None]:
    """The layer where there are several, the direction where there are two."""
    layer: dict[str, int | str | None] = {"layer": tensor.layer} if report.network.layers > 1 else {}
    return layer | ({"direction": tensor.direction} if report.network.bidirectional else {})


def _csv(report: ShapeReport) -> Iterator[tuple[object, ...]]:
    yield ("symbol", "kind", "shape", "axes", "count", "role", *_place(report, report.rows[0]))
    for tensor in report.rows:
        yield (
            tensor.symbol,
            tensor.kind,
            "x".join(map(str, tensor.shape)),
            "x".join(tensor.axes),
            tensor.count,
            tensor.role,
            *_place(report, tensor).values(),
        )
