"""What a checkpoint holds → document, JSON, CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import groupby
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from rnn_calc.core.cells import GATE_NAMES
from rnn_calc.core.errors import printable
from rnn_calc.core.memory import write_bytes
from rnn_calc.core.network import Layer
from rnn_calc.core.notation import Notation, Stored, write_shape
from rnn_calc.show.document import Block, Column, Document, Table, Text, Value
from rnn_calc.show.format import plural
from rnn_calc.show.heading import describe_network
from rnn_calc.show.inspect_theory import theory_of
from rnn_calc.show.output import View, json_object

if TYPE_CHECKING:
    from rnn_calc.core.forget_gates import BiasSummary, ForgetBias
    from rnn_calc.core.inspection import MeasuredMatrix

# Fewer equal layers than these are shown one by one.
_FEWEST_FOLDED = 3


class Held(NamedTuple):
    """A tensor of the file that is an array of a network."""

    name: str
    shape: tuple[int, ...]
    dtype: str


class FileShown(NamedTuple):
    """The file as a whole; `bytes` is None where a type has no known size."""

    path: str
    format: str
    tensors: int
    parameters: int
    bytes: int | None
    recurrent: int
    remarks: tuple[str, ...]


class LayerShown(NamedTuple):
    """One recurrent layer of it: `held` by the symbols of `notation`; `matrices` is None where none was measured."""

    name: str
    notation: Notation
    held: Mapping[str, Held]
    forget: tuple[ForgetBias, ...]
    matrices: tuple[MeasuredMatrix, ...] | None
    notes: tuple[str, ...]
    decay: str

    @property
    def dtype(self) -> str:
        """The types of its tensors, each once."""
        return ", ".join(dict.fromkeys(held.dtype for held in self.held.values()))

    @property
    def parameters(self) -> int:
        """How many numbers its tensors hold."""
        return sum(prod(held.shape) for held in self.held.values())


def inspection_view(file: FileShown, layers: tuple[LayerShown, ...]) -> View:
    """The inspection in every format; CSV has a row a layer, or a row a matrix where they were measured."""
    return View("inspect", partial(_document, file, layers), partial(_json, file, layers), partial(_csv, layers))


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
    shown = [0, 1, 2, 3] + [4] * ("," in layer.dtype) + [5] * (prefix is None)
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


def _place(layer: Layer) -> tuple[Value, Value]:
    return layer.index + 1, "backward" if layer.reverse else "forward"


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
    rows = tuple((*_place(bias.layer), *(bias.summary or empty)) for bias in biases)
    return Table("Forget-gate bias b, and the gate at rest", columns, rows)


def gate_name(matrix: MeasuredMatrix) -> str:
    """What the matrix goes into, in words."""
    if matrix.parameter.role == "projection":
        return "projection"
    return GATE_NAMES[matrix.parameter.gate]


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


# For programs


def _json(file: FileShown, layers: tuple[LayerShown, ...]) -> Iterator[str]:
    content = {
        "file": file.path,
        "format": file.format,
        "tensors": file.tensors,
        "parameters": file.parameters,
        "bytes": file.bytes,
        "recurrent": file.recurrent,
        "remarks": list(file.remarks),
        "layers": [_layer_json(layer) for layer in layers],
    }
    return json_object("inspect", content)


def _layer_json(layer: LayerShown) -> dict[str, object]:
    network = layer.notation.network
    return {
        "name": layer.name,
        "cell": network.cell.name,
        "convention": layer.notation.convention.name,
        "activation": network.activation if network.cell.has_activation else None,
        "d_in": network.d_in,
        "d_h": network.d_h if isinstance(network.d_h, int) else list(network.d_h),
        "d_out": network.d_out,
        "layers": network.layers,
        "directions": network.directions,
        "merge": network.merge if network.bidirectional else None,
        "d_p": network.d_p,
        "vocab": network.vocab,
        "biases": network.biases,
        "parameters": layer.parameters,
        "dtype": layer.dtype,
        "tensors": {symbol: held.name for symbol, held in layer.held.items()},
        "shapes": {symbol: list(held.shape) for symbol, held in layer.held.items()},
        "forget_bias": _forget_json(layer.forget),
        "matrices": None if layer.matrices is None else [_matrix_json(matrix) for matrix in layer.matrices],
        "theory": list(theory_of(layer)),
        "notes": list(layer.notes),
    }


def _forget_json(biases: tuple[ForgetBias, ...]) -> dict[str, object] | None:
    """The bias over all units of all layers, and each layer's own; null where there is none or one is not finite."""
    known = [(bias.layer, bias.summary) for bias in biases if bias.summary]
    if not known or len(known) < len(biases):
        return None
    units = [layer.sizes["d_h"] for layer, _ in known]

    def mean(values: Iterable[float]) -> float:
        return sum(value * count for value, count in zip(values, units, strict=True)) / sum(units)

    return {
        "mean": mean(summary.mean for _, summary in known),
        "min": min(summary.least for _, summary in known),
        "max": max(summary.largest for _, summary in known),
        "gate_at_rest": mean(summary.gate for _, summary in known),
        "layers": [
            {"layer": layer.index + 1, "direction": _place(layer)[1], **_summary_json(summary)}
            for layer, summary in known
        ],
    }


def _summary_json(summary: BiasSummary) -> dict[str, float | None]:
    names = ("mean", "min", "max", "gate_at_rest", "half_life")
    return dict(zip(names, summary, strict=True))


def _matrix_json(matrix: MeasuredMatrix) -> dict[str, object]:
    number, direction = _place(matrix.layer)
    return {
        "symbol": matrix.symbol,
        "gate": gate_name(matrix),
        "layer": number,
        "direction": direction,
        "shape": list(matrix.shape),
        "spectral_radius": matrix.spectral_radius,
        "spectral_norm": matrix.spectral_norm,
    }


def _csv(layers: tuple[LayerShown, ...]) -> Iterator[tuple[object, ...]]:
    if any(layer.matrices is not None for layer in layers):
        yield ("name", "symbol", "gate", "layer", "direction", "shape", "spectral_radius", "spectral_norm")
        for layer in layers:
            for row in map(_matrix_json, layer.matrices or ()):
                yield (layer.name, *({**row, "shape": "x".join(map(str, row["shape"]))}.values()))  # type: ignore[call-overload]
        return
    names = ("name", "cell", "convention", "d_in", "d_h", "layers", "directions", "d_p", "biases", "dtype")
    yield (*names, "parameters", "forget_bias_mean", "forget_bias_min", "forget_bias_max")
    for layer in layers:
        row = _layer_json(layer)
        d_h = " ".join(map(str, layer.notation.network.widths)) if isinstance(row["d_h"], list) else row["d_h"]
        forget = _forget_json(layer.forget) or {}
        own = ({**row, "d_h": d_h}[name] for name in names)
        yield (*own, layer.parameters, *(forget.get(name) for name in ("mean", "min", "max")))


def shell_word(text: str) -> str:
    """A text as a word of a command to be pasted."""
    import shlex

    return printable(shlex.quote(text))
