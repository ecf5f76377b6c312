"""MemoryReport → blocks of a document, JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rnn_calc.core.cost import write_factored
from rnn_calc.core.memory_cost import DTYPES, INFERENCE_ONLY, OPTIMIZERS, MemoryReport
from rnn_calc.show.document import Block, Column, Table, Text, Value
from rnn_calc.show.format import plural

_DECIMAL = ("kB", "MB", "GB", "TB", "PB")
_BINARY = ("KiB", "MiB", "GiB", "TiB", "PiB")


class Memory(NamedTuple):
    """What is kept, and the dtypes and optimizers to show it for."""

    report: MemoryReport
    dtypes: tuple[str, ...] = tuple(DTYPES)
    optimizers: tuple[str, ...] = tuple(OPTIMIZERS)

    def totals(self) -> Iterator[tuple[str, str, int, int]]:
        """Each dtype, what for, the numbers and the bytes."""
        for dtype in self.dtypes:
            for optimizer in () if dtype in INFERENCE_ONLY else self.optimizers:
                numbers = self.report.training(optimizer)
                yield dtype, optimizer, numbers, numbers * DTYPES[dtype]
            yield dtype, "", self.report.weights, self.report.weights * DTYPES[dtype]


def write_bytes(count: int) -> str:
    """A number of bytes as it is read, by thousands and by 1024s: 12.6 MB = 12 MiB."""
    if count < 1000:
        return plural(count, "byte")
    return f"{_scaled(count, 1000, _DECIMAL)} = {_scaled(count, 1024, _BINARY)}"


def _scaled(count: int, base: int, units: tuple[str, ...]) -> str:
    value, unit = count / base, units[0]
    for unit in units:
        if value < 999.5 or unit == units[-1]:
            break
        value /= base
    return f"{value:,.0f} {unit}" if value >= 99.95 else f"{value:.3g} {unit}"


def memory_blocks(memory: Memory) -> Iterator[Block]:
    """What is kept, in numbers and in bytes."""
    yield from _activations(memory.report)
    yield _training(memory)
    yield Table(
        "Bytes",
        (Column("dtype"), Column("for"), Column("bytes", "count"), Column("readable")),
        tuple(_bytes(memory)),
    )
    lines = ["Everything in the one dtype; mixed precision keeps a second copy of the weights besides."]
    if any(dtype in INFERENCE_ONLY for dtype in memory.dtypes):
        lines.append("int8 holds weights for inference alone: no gradient fits in it, so there is no training in int8.")
    yield Text(tuple(lines), "muted")


def _bytes(memory: Memory) -> Iterator[tuple[Value, ...]]:
    """A row for each use of a dtype; dtypes that take the same bytes stand in one."""
    rows: dict[tuple[str, int], list[str]] = {}
    for dtype, optimizer, _, count in memory.totals():
        rows.setdefault((f"training, {optimizer}" if optimizer else "inference: the weights", count), []).append(dtype)
    for (purpose, count), dtypes in rows.items():
        yield ", ".join(dtypes), purpose, count, write_bytes(count)


_CHOSEN = " (k is a quarter of the steps here; --truncate k sets it)"


def _activations(report: MemoryReport) -> Iterator[Block]:
    size, run = report.notation.size, report.run
    yield Table(
        "Activations that BPTT keeps of each step",
        (Column("part"), Column("vectors", "math"), Column("in symbols", "math"), Column("numbers", "count")),
        tuple((row.part, ", ".join(row.symbols), row.form.write(size), row.per_step) for row in report.rows),
        ("total", "", "", report.per_step),
    )
    yield Text(
        (
            f"Full BPTT keeps them of all {plural(run.real_steps, 'real step')}: {report.full:,} numbers. Truncated "
            f"BPTT keeps them of at most k = {plural(report.window, 'step')} of each sequence, "
            f"{report.truncated_steps:,} in all: {report.truncated:,} numbers{'' if run.truncate else _CHOSEN}.",
            "Each vector once: what a matrix multiplies, both factors of an element-wise product, and the value of a "
            "function, for its slope. A previous state is the state kept a step earlier; states before the first step "
            "are not counted, nor are tokens.",
        ),
        "muted",
    )


def _training(memory: Memory) -> Table:
    report, n = memory.report, memory.report.weights
    copies = [OPTIMIZERS[name] for name in memory.optimizers]
    kept = f"truncated, k = {report.run.truncate:,}" if report.run.truncate else "all steps"
    return Table(
        "Numbers kept in training",
        (Column("what"), Column("in symbols", "math"), *(Column(name, "count") for name in memory.optimizers)),
        (
            ("weights", write_factored(report.weights_form, report.notation.size), *(n for _ in copies)),
            ("gradients", "1 × weights", *(n for _ in copies)),
            ("optimizer state", f"{', '.join(map(str, copies))} × weights", *(n * many for many in copies)),
            (f"activations, {kept}", "", *(report.activations for _ in copies)),
        ),
        ("total", "", *(report.training(name) for name in memory.optimizers)),
    )


def memory_json(memory: Memory) -> dict[str, object]:
    """The part of the JSON object that is about memory."""
    kept = memory.report
    return {
        "weights": kept.weights,
        "gradients": kept.weights,
        "optimizer_state": {name: OPTIMIZERS[name] * kept.weights for name in memory.optimizers},
        "activations": {
            "rows": [
                {"part": row.part, "kept": list(row.symbols), "formula": form, "per_step": row.per_step}
                for row in kept.rows
                for form in (row.form.write(kept.notation.size),)
            ],
            "per_step": kept.per_step,
            "full": kept.full,
            "window": kept.window,
            "truncated": kept.truncated,
        },
        "totals": [
            {"dtype": dtype, "optimizer": optimizer or None, "numbers": numbers, "bytes": count}
            for dtype, optimizer, numbers, count in memory.totals()
        ],
    }
