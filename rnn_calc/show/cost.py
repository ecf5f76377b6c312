"""CostReport and MemoryReport → document, JSON, CSV."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from rnn_calc.core.cost import COUNTABLE, CostReport, CostRow, add_up, write_factored
from rnn_calc.show.document import Block, Column, Document, Table, Text, Value
from rnn_calc.show.format import plural, short
from rnn_calc.show.memory_cost import Memory, memory_blocks, memory_json, write_bytes
from rnn_calc.show.output import View, json_object

_PASSES = {
    "forward": "forward",
    "weights": "backward: gradients of the weights",
    "vectors": "backward: gradients of the vectors",
}
_COSTS = (
    Column("multiply-adds", "count"),
    Column("forward FLOPs", "count"),
    Column("backward FLOPs", "count"),
)


# What the columns of costs are of.
_SUBTITLE = ": multiply-adds forward, FLOPs forward and backward"


def cost_view(report: CostReport, memory: Memory, heading: Text) -> View:
    """Cost and memory in every format; CSV has the rows of the cost alone."""
    return View(
        "cost", partial(_document, report, memory, heading), partial(_json, report, memory), partial(_csv, report)
    )


def _document(report: CostReport, memory: Memory, heading: Text) -> Document:
    blocks: list[Block] = [heading, Text(tuple(_in_short(report, memory)), title="In short")]
    blocks += [Text(tuple(_about(report)), "muted"), _passes(report)]
    blocks += [Text(tuple(_ratio(report)), "muted")] if "products" in report.counted else []
    blocks.append(_by_part(report))
    if len(report.by_gate) > len(report.by_part):
        blocks.append(_by_gate(report))
    blocks.append(_by_operation(report))
    blocks += [Text(tuple(_parallel(report)), "muted")] if "products" in report.counted else []
    return Document((*blocks, *memory_blocks(memory)))


def _in_short(report: CostReport, memory: Memory) -> Iterator[str]:
    """The few figures that most come for."""
    total = report.total
    yield (
        f"forward: {total.forward.flops:,} FLOPs ({total.forward.multiply_adds:,} multiply-adds); "
        f"forward and backward: {total.total.flops:,} FLOPs"
    )
    sizes = {(dtype, optimizer): count for dtype, optimizer, _, count in memory.totals()}
    dtype = "float32" if "float32" in memory.dtypes else memory.dtypes[0]
    optimizer = "adam" if "adam" in memory.optimizers else memory.optimizers[-1]
    uses = {f"training with {optimizer}": sizes.get((dtype, optimizer)), "weights alone": sizes.get((dtype, ""))}
    said = "; ".join(f"{use} {write_bytes(count)}" for use, count in uses.items() if count is not None)
    yield f"memory in {dtype}: {said}"


def _about(report: CostReport) -> Iterator[str]:
    """What was run, and what counts as what."""
    run = report.run
    sequences = f"B = {plural(run.batch, 'sequence')}"
    padded = run.steps * run.batch - run.real_steps
    left = f" (not run: {padded:,} of padding)" if padded else ""
    yield f"T = {plural(run.steps, 'step')}, {sequences}: N = {plural(run.real_steps, 'real step')}{left}"
    if run.truncate:
        handed = "the forward direction's state" if report.network.bidirectional else "the state"
        yield (
            f"Truncated BPTT: cut into S = {plural(run.pieces, 'piece')} of at most {plural(run.truncate, 'step')}; "
            f"{handed} is handed on from piece to piece, the gradient is not."
        )
    yield (
        "1 multiply-add = 2 FLOPs, a multiplication and an addition; a product of (m × n) by (n) is m·n multiply-adds, "
        "which also add it on to other terms."
    )
    yield from _counted(report)
    if report.network.embedding:
        yield "An embedding is looked up: it copies a row and takes no multiply-add."
    yield "Neither the loss (with its softmax) nor dropout nor the optimizer's own step is in it."


_MEANING = {
    "products": "products (matrix by vector)",
    "biases": "biases (1 addition an element)",
    "elementwise": "element-wise products, sums and quotients (1 FLOP an element each)",
    "activations": "activations (1 FLOP an element, and 1 backward for the slope)",
}


def _counted(report: CostReport) -> Iterator[str]:
    yield f"Counted: {', '.join(_MEANING[name] for name in report.counted)}."
    missing = [_MEANING[name] for name in COUNTABLE if name not in report.counted]
    if missing:
        more = add_up(report.left_out).total.flops
        yield f"Not counted: {', '.join(missing)}: {plural(more, 'FLOP')} more; --count all counts them."


def _passes(report: CostReport) -> Table:
    total = report.total
    rows: list[tuple[Value, ...]] = []
    for purpose, name in _PASSES.items():
        cost = getattr(total, purpose)
        rows.append((name, pass_formula(report, purpose), cost.multiply_adds, cost.flops))
    both = total.total
    columns = (
        Column("pass"),
        Column("multiply-adds in symbols", "math"),
        Column("multiply-adds", "count"),
        Column("FLOPs", "count"),
    )
    return Table("Forward and backward pass", columns, tuple(rows), ("total", "", both.multiply_adds, both.flops))


def pass_formula(report: CostReport, purpose: str) -> str:
    """The multiply-adds of a pass in symbols: N·d_out·d_h + (N − S)·4·d_h², empty where products do not count."""
    if "products" not in report.counted:
        return ""
    forms, written = report.passes[purpose], []
    for factor, form in (("N", forms.always), ("(N − S)", forms.linked)):
        if form.terms:
            text = write_factored(form, report.notation.size)
            written.append(f"{factor}·({text})" if " + " in _outside_brackets(text) else f"{factor}·{text}")
    return " + ".join(written) or "0"


def _outside_brackets(text: str) -> str:
    """The text without what stands in brackets."""
    depth, kept = 0, []
    for char in text:
        depth += (char == "(") - (char == ")")
        kept.append(char if not depth else "")
    return "".join(kept)


def _ratio(report: CostReport) -> Iterator[str]:
    """How the backward pass compares with the rule that it is twice the forward pass, and what makes the difference."""
    forward, backward = report.total.forward.multiply_adds, report.total.backward.multiply_adds
    yield (
        f"N: real steps. S = {report.run.pieces:,}: stretches through which a gradient runs back unbroken, "
        "at whose first step it ends."
    )
    yield (
        f"The backward pass takes {short(backward / forward)} times the multiply-adds of the forward pass. The rule "
        "says 2: for each product W v, one by the transposed W for the gradient of v, and the outer product for that "
        "of W."
    )
    missing = [
        f"{count:,} for gradients of {what}"
        for count, what in (
            (report.unused_inputs, "the inputs, beneath which nothing is trained"),
            (report.unused_states, "the states before a first step"),
        )
        if count
    ]
    if missing:
        yield f"Twice the forward pass would have these too, which nobody needs: {'; '.join(missing)}."


def _costs(row: CostRow) -> tuple[int, int, int]:
    return row.forward.multiply_adds, row.forward.flops, row.backward.flops


def _by_part(report: CostReport) -> Table:
    rows = tuple((row.part, *_costs(row)) for row in report.by_part)
    return Table(f"By part{_SUBTITLE}", (Column("part"), *_COSTS), rows, ("total", *_costs(report.total)))


def _letter(report: CostReport, gate: str) -> str:
    layout = report.notation.layout
    return layout.letters.get(gate, gate) if layout else gate


def _by_gate(report: CostReport) -> Table:
    rows = tuple(
        (_letter(report, row.gate), report.gate_name(row.gate) if row.gate else row.part, *_costs(row))
        for row in report.by_gate
    )
    layers = len(report.network.stack) * report.network.directions
    title = "By gate" if layers == 1 else "By gate, over all layers and directions"
    columns = (Column("gate", "math"), Column("name"), *_COSTS)
    return Table(title + _SUBTITLE, columns, rows, ("total", "", *_costs(report.total)))


def _by_operation(report: CostReport) -> Table:
    columns = (Column("operation"), Column("a step", "math"), *_COSTS)
    rows = tuple(
        (row.operation, write_factored(row.form, report.notation.size), *_costs(row)) for row in report.by_operation
    )
    return Table(f"By operation{_SUBTITLE}", columns, rows, ("total", "", *_costs(report.total)))


def _parallel(report: CostReport) -> Iterator[str]:
    """What need not wait for the step before."""
    at_once = report.total.forward.multiply_adds - report.waiting
    steps = f"T = {plural(report.run.steps, 'step')} one after the other in each layer, whatever the batch"
    if not report.waiting:
        yield (
            "All matrix products of the forward pass can be computed for all steps at once; element-wise work alone "
            f"waits for the state before: {steps}."
        )
        return
    yield (
        f"Of the forward pass, {at_once:,} multiply-adds can be computed for all steps at once (input products, "
        f"readout); {report.waiting:,} wait for the state before: {steps}."
    )


def _cost_json(row: CostRow) -> dict[str, object]:
    purposes = {"forward": row.forward, "backward": row.backward, "total": row.total}
    return {f"{name}_{unit}": getattr(cost, unit) for name, cost in purposes.items() for unit in cost._fields}


def _json(report: CostReport, memory: Memory) -> Iterator[str]:
    run, size = report.run, report.notation.size
    total = report.total
    content = {
        "convention": report.notation.convention.name,
        "steps": run.steps,
        "batch": run.batch,
        "lengths": [{"length": length, "sequences": many} for length, many in run.lengths],
        "real_steps": run.real_steps,
        "pieces": run.pieces,
        "truncate": run.truncate or None,
        "count": list(report.counted),
        "flops_per_multiply_add": 2,
        "passes": [
            {
                "pass": purpose if purpose == "forward" else f"backward_{purpose}",
                "formula": pass_formula(report, purpose) or None,
                "multiply_adds": getattr(total, purpose).multiply_adds,
                "flops": getattr(total, purpose).flops,
            }
            for purpose in _PASSES
        ],
        "total": _cost_json(total),
        "not_counted_flops": add_up(report.left_out).total.flops,
        "rows": [
            {
                "part": row.part,
                "gate": row.gate or None,
                "operation": row.operation,
                "formula": write_factored(row.form, size),
                **_cost_json(row),
            }
            for row in report.rows
        ],
        "parts": [{"part": row.part, **_cost_json(row)} for row in report.by_part],
        "gates": [
            {"gate": row.gate or None, "name": report.gate_name(row.gate) if row.gate else row.part, **_cost_json(row)}
            for row in report.by_gate
        ],
        "operations": [
            {"operation": row.operation, "formula": write_factored(row.form, size), **_cost_json(row)}
            for row in report.by_operation
        ],
        "sequential_multiply_adds": report.waiting,
        "unneeded_gradients": {"inputs": report.unused_inputs, "first_states": report.unused_states},
        "memory": memory_json(memory),
    }
    return json_object("cost", content)


def _csv(report: CostReport) -> Iterator[tuple[object, ...]]:
    names = tuple(_cost_json(report.total))
    yield ("part", "gate", "operation", "formula", *names)
    for row in report.rows:
        formula = write_factored(row.form, report.notation.size)
        yield (row.part, row.gate, row.operation, formula, *_cost_json(row).values())
    yield ("total", None, None, None, *_cost_json(report.total).values())
