"""What a Keras configuration says of its recurrent layers, and under which names it stores every layer.

Lambda layers keep compiled code in it; nothing here looks at that, and nothing is ever built from a configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rnn_calc.core.errors import DataError, quoted
from rnn_calc.files.checkpoints.tensors import LayerConfig

# Models within models: the limit bounds the recursion.
_DEEPEST = 40
# A layer's class, and the class of the cell inside RNN(…), by the word for its cell.
_LAYERS = {
    **{"SimpleRNN": "simplernn", "LSTM": "lstm", "GRU": "gru"},
    **{"CuDNNLSTM": "cudnnlstm", "CuDNNGRU": "cudnngru"},
}
_CELLS = {"SimpleRNNCell": "simplernn", "LSTMCell": "lstm", "GRUCell": "gru"}
_ACTIVATIONS = {"simplernn": ("tanh", "relu")}


class Configured(NamedTuple):
    """The recurrent layers in the model's order, and the readable name of every stored object by its path.

    Paths are those of Keras 3: layers/bidirectional/forward_layer. `cells` are the paths of known cells.
    """

    layers: tuple[LayerConfig, ...]
    names: Mapping[str, str]
    cells: frozenset[str]


NO_CONFIG = Configured((), {}, frozenset())


class _Place(NamedTuple):
    """Where a layer stands: its path in a weights file, its readable name, how deep, and its part of a pair."""

    stored: str
    name: str
    depth: int = 0
    merge: str | None = None
    reverse: bool | None = None

    def inside(self, stored: str, name: str) -> _Place:
        if self.depth > _DEEPEST:
            raise DataError(f"The Keras configuration has layers nested deeper than {_DEEPEST}.")
        stored, name = f"{self.stored}/{stored}".lstrip("/"), f"{self.name}/{name}".strip("/")
        return self._replace(stored=stored, name=name, depth=self.depth + 1)


def read_config(document: object) -> Configured:
    """What the configuration of a model says; parts that are not as Keras writes them are passed over.

    Raises: DataError when it is nested too deep.
    """
    found: list[LayerConfig] = []
    names: dict[str, str] = {}
    cells: set[str] = set()
    for place, layer in _children(document, _Place("", "")):
        names[place.stored] = place.name
        if layer is not None:
            found.append(layer)
            cells |= {place.stored, f"{place.stored}/cell"}
    return Configured(tuple(found), names, frozenset(cells))


def stored_name(class_name: str) -> str:
    """How Keras 3 writes a class in a weights file: SimpleRNN is simple_rnn, ConvLSTM1D is conv_lstm1d."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<!^)(?=[A-Z][a-z])", "_", re.sub(r"\W", "", class_name)).lower()


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _children(entry: object, place: _Place) -> Iterator[tuple[_Place, LayerConfig | None]]:
    """Everything inside of a model or layer, as (place, what it says of a recurrent layer)."""
    config = _table(entry).get("config")
    # Keras 1 and 2 wrote a Sequential model as the bare list of its layers.
    layers = config if isinstance(config, list) else _table(config).get("layers")
    if isinstance(layers, list):
        counts: dict[str, int] = {}
        for layer in layers:
            stored = stored_name(_text(_table(layer).get("class_name")))
            number = counts[stored] = counts.get(stored, -1) + 1
            yield from _layer(layer, place.inside(f"layers/{stored}" + (f"_{number}" if number else ""), _name(layer)))
        return
    inner, cell = _table(_table(config).get("layer")), _table(_table(config).get("cell"))
    if inner and _table(entry).get("class_name") == "Bidirectional":
        yield from _pair(_table(config), inner, place)
    elif inner:
        yield from _layer(inner, place.inside("layer", _name(inner)))
    elif cell:
        yield from _cells(_table(config), cell, place)


def _layer(entry: object, place: _Place) -> Iterator[tuple[_Place, LayerConfig | None]]:
    cell = _LAYERS.get(_text(_table(entry).get("class_name")))
    config = _table(_table(entry).get("config"))
    yield place, _described(cell, config, config, place) if cell else None
    yield from _children(entry, place)


def _name(entry: object) -> str:
    """A layer's own name; Keras 1 kept it beside the configuration of a layer in a graph."""
    return _text(_table(_table(entry).get("config")).get("name")) or _text(_table(entry).get("name"))


def _pair(
    config: Mapping[str, object], forward: Mapping[str, object], place: _Place
) -> Iterator[tuple[_Place, LayerConfig | None]]:
    """The two layers of a Bidirectional one, named as Keras names their weights."""
    merge = _text(config.get("merge_mode")) or "none"
    name = _name(forward).removeprefix("forward_")
    backward = _table(config.get("backward_layer"))
    is_reverse = _table(forward.get("config")).get("go_backwards") is True
    back_name = _name(backward) or name
    for side, entry, given, reverse in (
        ("forward", forward, name, is_reverse),
        ("backward", backward or forward, back_name.removeprefix("backward_"), not is_reverse),
    ):
        inside = place.inside(f"{side}_layer", f"{side}_{given}")._replace(merge=merge, reverse=reverse)
        yield from _layer(entry, inside)


def _cells(
    config: Mapping[str, object], cell: Mapping[str, object], place: _Place
) -> Iterator[tuple[_Place, LayerConfig | None]]:
    """The cells of an RNN layer: one, or several that are stacked."""
    stack = _table(cell.get("config")).get("cells")
    if not isinstance(stack, list):
        word = _CELLS.get(_text(cell.get("class_name")))
        yield place, _described(word, config, _table(cell.get("config")), place) if word else None
        return
    inside = place.inside("cell", _name(cell) or "stacked_rnn_cells")
    yield inside, None
    counts: dict[str, int] = {}
    for entry in stack:
        class_name = _text(_table(entry).get("class_name"))
        number = counts[class_name] = counts.get(class_name, -1) + 1
        stored = f"cells/{stored_name(class_name)}" + (f"_{number}" if number else "")
        at = inside.inside(stored, _name(entry))
        word = _CELLS.get(class_name)
        yield at, _described(word, config, _table(_table(entry).get("config")), at) if word else None


def _described(cell: str, layer: Mapping[str, object], config: Mapping[str, object], place: _Place) -> LayerConfig:
    """What the configurations of a layer and of its cell (the same one but for RNN) say."""
    cuda = cell.startswith("cudnn")
    default = "tanh" if cuda else None
    activation = _activation(config.get("activation", default))
    # Keras 1 called it the inner activation, and the units the output's size.
    gates = config.get("recurrent_activation", config.get("inner_activation", "sigmoid" if cuda else None))
    recurrent_activation = None if cell == "simplernn" else _activation(gates)
    reverse = layer.get("go_backwards") is True if place.reverse is None else place.reverse
    units = config.get("units", config.get("output_dim"))
    reset_after = None
    if cell.endswith("gru"):
        # Before Keras 2.1.3 there was no such setting, and the reset came before the product.
        reset_after = cuda or config.get("reset_after") is True
    partial = LayerConfig(
        place.name,
        cell,
        activation,
        reset_after,
        reverse,
        recurrent_activation=recurrent_activation,
        merge=place.merge,
        use_bias=_flag(config.get("use_bias", True if cuda else None)),
        return_sequences=_flag(layer.get("return_sequences")),
        stateful=_flag(layer.get("stateful")),
        d_h=units if isinstance(units, int) and not isinstance(units, bool) and units > 0 else None,
    )
    return partial._replace(notes=tuple(_notes(partial, config)))


def _notes(layer: LayerConfig, config: Mapping[str, object]) -> Iterator[str]:
    usual = _ACTIVATIONS.get(layer.cell, ("tanh",))
    if layer.activation not in (None, *usual):
        yield f"Its activation is {quoted(layer.activation)}, where {' or '.join(usual)} is usual."
    if layer.recurrent_activation not in (None, "sigmoid"):
        yield f"Its gates use {quoted(layer.recurrent_activation)}, where sigmoid is usual."
    if layer.cell.startswith("cudnn"):
        yield "cuDNN layers keep each gate's matrices transposed and one more bias than the plain layers."
    if "output_dim" in config and "units" not in config:
        yield "Keras 1 wrote it, gate by gate and with other names: its weights are not read as a layer."
    if layer.reverse and layer.merge is None and layer.return_sequences:
        yield "It reads backwards and gives its outputs in the order in which it reads: the last step's first."


def _activation(value: object) -> str | None:
    """The word for an activation; a function of the user's is called by its name in a table."""
    if isinstance(value, dict):
        inner = value.get("config")
        named = inner if isinstance(inner, str) else _table(inner).get("name")
        return _text(named) or _text(value.get("class_name")) or "custom"
    return value if isinstance(value, str) else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
