"""What a checkpoint holds, as a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby
from math import prod
from typing import TYPE_CHECKING

from rnn_calc.core.memory import write_bytes
from rnn_calc.core.notation import Stored, write_shape
from rnn_calc.show.document import Block, Column, Document, Table, Text, Value
from rnn_calc.show.format import plural
from rnn_calc.show.heading import describe_network
from rnn_calc.show.inspect_data import (
    FileShown,
    LayerShown,
    gate_name,
    inspection_csv,
    inspection_json,
    place_of,
)
from rnn_calc.show.inspect_theory import theory_of
from rnn_calc.show.output import View

if TYPE_CHECKING:
    from rnn_calc.core.forget_gates import ForgetBias
    from rnn_calc.core.inspection import MeasuredMatrix

# Fewer equal layers than these are shown one by one.
_FEWEST_FOLDED = 3


def inspection_view(file: FileShown, layers: tuple[LayerShown, ...]) -> View:
    """The inspection in every format; CSV has a row a layer, or a row a matrix where they were measured."""
    return View(
        "inspect",
        partial(_document, file, layers),
        partial(inspection_json, file, layers),
        partial(inspection_csv, layers),
    )


def _document(file: FileShown, layers: tuple[LayerShown, ...]) -> Document:
    blocks: list[Block] = [Text(tuple(_about_the_file(file, layers)), "muted", title=file.path)]
    if len(layers) > 1:
        blocks.append(_overview(layers))
    for layer in layers:
        blocks += _layer_blocks(layer)
    return Document(tuple(blocks))


def _about_the_file(file: FileShown, layers: tuple[LayerShown, ...]) -> Iterator[str]:
    size = "" if file.bytes is None else f", {write_bytes(file.bytes)}"
    yield f"{file.format}: {plural(file.tensors, 'tensor')} with {plural(file.parameters, 'number')}{size}"
    share = 100 * file.recurrent / file.parameters
    whole = "all of them" if file.recurrent == file.parameters else f"{share:.1f} % of them"
    yield f"{plural(len(layers), 'recurrent layer')} with {plural(file.recurrent, 'number')}, {whole}"
    yield from file.remarks


def _overview(layers: tuple[LayerShown, ...]) -> Table:
    columns = (
        Column("layer"),
        Column("cell"),
        Column("d_in", "count"),
        Column("d_h", "shape"),
        Column("layers", "count"),
        Column("directions", "count"),
        Column("names of"),
        Column("parameters", "count"),
    )
    rows: list[tuple[Value, ...]] = []
    for layer in layers:
        network = layer.notation.network
        widths = dict.fromkeys(network.widths) if isinstance(network.d_h, int) else network.widths
        rows.append(
            (
                layer.name,
                network.cell.name,
                network.d_in,
                ", ".join(map(str, widths)),
                network.layers,
                network.directions,
                layer.notation.convention.name,
                layer.parameters,
            )
        )
    return Table("Recurrent layers", columns, tuple(rows))


def _layer_blocks(layer: LayerShown) -> Iterator[Block]:
    heading = describe_network(layer.notation.network, layer.notation.convention, layer.notes)
    name = f"{layer.name}: " if layer.name else ""
    yield heading._replace(title=f"{name}{heading.title}")
    yield _tensor_table(layer)
    if layer.forget:
        yield _forget_table(layer.forget)
        yield Text(
            (
                "b adds up all biases of the gate. σ(b), on average over units, is the share of the cell state that a "
                "step keeps where input and state add nothing to b; taken every step it halves in so many.",
            ),
            "muted",
        )
    if layer.matrices:
        yield _matrix_table(layer.matrices)
    if theory := tuple(theory_of(layer)):
        yield Text(theory, title="What theory says")


def _tensor_table(layer: LayerShown) -> Table:
    """The arrays with their shapes and gates, equal layers folded into one; what all have in common is in the title."""
    stored = [stored for stored in layer.notation.stored if stored.symbol in layer.held]
    parts = [list(of_part) for _, of_part in groupby(stored, key=lambda one: one.part)]
    rows: list[tuple[Value, ...]] = []
    for _, equal in groupby(parts, key=partial(_looks, layer)):
        alike = list(equal)
        folds = [alike] if len(alike) >= _FEWEST_FOLDED else [[part] for part in alike]
        for fold in folds:
            rows += (_tensor_row(layer, first, last, len(fold)) for first, last in zip(fold[0], fold[-1], strict=True))
    columns = (
        Column("array", "math"),
        Column("gates", "math"),
        Column("shape", "shape"),
        Column("count", "count"),
        Column("type"),
        Column("name in the file"),
    )
    prefix = _prefix(layer)
    has_gates = any(row[1] for row in rows)
    shown = [0, *([1] * has_gates), 2, 3, *([4] * ("," in layer.dtype)), *([5] * (prefix is None))]
    title = "Tensors" if 4 in shown else f"Tensors, all {layer.dtype}"
    title += f"; in the file each name begins with {prefix}" if prefix else ""
    total = ("total", "", "", layer.parameters, "", "")
    return Table(
        title,
        tuple(columns[i] for i in shown),
        tuple(tuple(row[i] for i in shown) for row in rows),
        tuple(total[i] for i in shown),
    )


def _prefix(layer: LayerShown) -> str | None:
    """What stands before the symbol in every name of the file; None where there is more to a name than that."""
    prefixes = {
        held.name.removesuffix(symbol) if held.name.endswith(symbol) else None for symbol, held in layer.held.items()
    }
    return prefixes.pop() if len(prefixes) == 1 else None


def _looks(layer: LayerShown, part: Iterable[Stored]) -> tuple[object, ...]:
    """What two parts must have in common to be shown as one."""
    return tuple((stored.gates, stored.roles, layer.held[stored.symbol][1:]) for stored in part)


def _tensor_row(layer: LayerShown, first: Stored, last: Stored, times: int) -> tuple[Value, ...]:
    held = layer.held[first.symbol]
    names = dict.fromkeys((held.name, layer.held[last.symbol].name))
    return (
        " to ".join(dict.fromkeys((first.symbol, last.symbol))),
        " ".join(first.gates),
        f"{f'{times}·' if times > 1 else ''}{write_shape(held.shape)}",
        prod(held.shape) * times,
        held.dtype,
        " to ".join(names),
    )


def _forget_table(biases: tuple[ForgetBias, ...]) -> Table:
    columns = (
        Column("layer", "index"),
        Column("direction"),
        Column("mean of b", "number"),
        Column("smallest", "number"),
        Column("largest", "number"),
        Column("σ(b)", "number"),
        Column("halves in steps", "number"),
    )
    empty = (None,) * 5
    rows = tuple((*place_of(bias.layer), *(bias.summary or empty)) for bias in biases)
    return Table("Forget-gate bias b, and the gate at rest", columns, rows)


def _matrix_table(matrices: tuple[MeasuredMatrix, ...]) -> Table:
    columns = (
        Column("matrix", "math"),
        Column("into"),
        Column("shape", "shape"),
        Column("ρ", "number"),
        Column("σ_max", "number"),
    )
    rows = tuple((m.symbol, gate_name(m), write_shape(m.shape), m.spectral_radius, m.spectral_norm) for m in matrices)
    return Table("Recurrent matrices: spectral radius ρ and spectral norm σ_max", columns, rows)
