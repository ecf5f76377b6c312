"""What an inspection found, and the same for programs: JSON, CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from rnn_calc.core.cells import GATE_NAMES
from rnn_calc.core.errors import printable
from rnn_calc.core.notation import Notation
from rnn_calc.core.stages import Layer
from rnn_calc.show.inspect_theory import theory_of
from rnn_calc.show.output import json_object

if TYPE_CHECKING:
    from rnn_calc.core.forget_gates import BiasSummary, ForgetBias
    from rnn_calc.core.inspection import MeasuredMatrix


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


def place_of(layer: Layer) -> tuple[int, str]:
    """The number of a layer, counted from 1, and its direction."""
    return layer.index + 1, "backward" if layer.reverse else "forward"


def gate_name(matrix: MeasuredMatrix) -> str:
    """What the matrix goes into, in words."""
    if matrix.parameter.role == "projection":
        return "projection"
    return GATE_NAMES[matrix.parameter.gate]


def shell_word(text: str) -> str:
    """A text as a word of a command to be pasted."""
    import shlex

    return printable(shlex.quote(text))


def inspection_json(file: FileShown, layers: tuple[LayerShown, ...]) -> Iterator[str]:
    """One object: the file, and every layer of it."""
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
            {"layer": layer.index + 1, "direction": place_of(layer)[1], **_summary_json(summary)}
            for layer, summary in known
        ],
    }


def _summary_json(summary: BiasSummary) -> dict[str, float | None]:
    names = ("mean", "min", "max", "gate_at_rest", "half_life")
    return dict(zip(names, summary, strict=True))


def _matrix_json(matrix: MeasuredMatrix) -> dict[str, object]:
    number, direction = place_of(matrix.layer)
    return {
        "symbol": matrix.symbol,
        "gate": gate_name(matrix),
        "layer": number,
        "direction": direction,
        "shape": list(matrix.shape),
        "spectral_radius": matrix.spectral_radius,
        "spectral_norm": matrix.spectral_norm,
    }


def inspection_csv(layers: tuple[LayerShown, ...]) -> Iterator[tuple[object, ...]]:
    """A row a layer; where matrices were measured, a row a matrix."""
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
