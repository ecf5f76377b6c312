"""BudgetReport → document, JSON, CSV."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from rnn_calc.core.budget import BudgetReport, Fit
from rnn_calc.core.counts import count_notation
from rnn_calc.show.counts import closed_form_table
from rnn_calc.show.document import Block, Column, Document, Table, Text, Value
from rnn_calc.show.output import View, json_object


def budget_view(report: BudgetReport, heading: Text) -> View:
    """The budget report in every format; `heading` describes the network that fits."""
    return View("params", partial(_document, report, heading), partial(_json, report), partial(_csv, report))


def _document(report: BudgetReport, heading: Text) -> Document:
    budget, size = report.budget, report.notation.size
    in_bytes = budget.unit == "bytes"
    columns = (
        Column(""),
        Column(size("d_h"), "count", "math"),
        Column("parameters", "count"),
        *((Column("bytes", "count"),) if in_bytes else ()),
        Column("left", "count"),
        Column("over", "count"),
    )
    rows: list[tuple[Value, ...]] = []
    for name, fit in _named(report):
        own = (fit.total * budget.item,) if in_bytes else ()
        left, over = (fit.left, None) if fit.left >= 0 else (None, -fit.left)
        rows.append((name, fit.d_h, fit.total, *own, left, over))
    of = f" of {budget.dtype}, {budget.item} to a parameter" if budget.dtype else ""
    blocks: list[Block] = [
        heading,
        Table(f"A budget of {budget.amount:,} {budget.unit}{of}", columns, tuple(rows)),
        Text((f"total = {report.in_d_h.write(size)}",), "math"),
    ]
    if report.next is None:
        blocks.append(Text((f"{size('d_h')} goes up to 10^18 here, and that fits too.",), "muted"))
    blocks.append(closed_form_table(count_notation(report.notation)))
    return Document(tuple(blocks))


def _named(report: BudgetReport) -> Iterator[tuple[str, Fit]]:
    yield "fits", report.fits
    if report.next:
        yield "does not fit", report.next
    if report.suited:
        yield f"and a multiple of {report.multiple}", report.suited


def _json(report: BudgetReport) -> Iterator[str]:
    budget = report.budget

    def entry(fit: Fit | None) -> dict[str, int] | None:
        if fit is None:
            return None
        found = {"d_h": fit.d_h, "total": fit.total}
        if budget.unit == "bytes":
            found["bytes"] = fit.total * budget.item
        return {**found, **({"left": fit.left} if fit.left >= 0 else {"over": -fit.left})}

    content = {
        "convention": report.notation.convention.name,
        "budget": budget.amount,
        "unit": budget.unit,
        "dtype": budget.dtype,
        "fits": entry(report.fits),
        "next": entry(report.next),
        "suited": entry(report.suited),
        "formula": report.form.write(report.notation.size),
        "formula_in_d_h": report.in_d_h.write(report.notation.size),
    }
    return json_object("params", content)


def _csv(report: BudgetReport) -> Iterator[tuple[object, ...]]:
    budget = report.budget
    yield ("fit", "d_h", "total", "budget", "unit", "left")
    names = (("fits", report.fits), ("next", report.next), ("suited", report.suited))
    for name, fit in names:
        if fit:
            yield (name, fit.d_h, fit.total, budget.amount, budget.unit, fit.left)
