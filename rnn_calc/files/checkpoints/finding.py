"""The recurrent layers in a checkpoint, found by the names and the shapes of its tensors.

A framework's names give the module that a tensor belongs to, its layer and direction, and which array of the layer it
is. What the arrays of one module make is not guessed: each cell's layout under the framework's convention is tried, and
the one whose arrays have exactly these names and whose sizes come out whole and equal is it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.equations import ACTIVATIONS
from rnn_calc.core.errors import DataError, TooLargeError, quoted
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation, write_shape
from rnn_calc.core.structure import Structure, sized, solve_sizes
from rnn_calc.files.checkpoints.tensors import Checkpoint, LayerConfig
from rnn_calc.files.checkpoints.whole_networks import find_whole, unsaid
from rnn_calc.files.source import describe_source


class FoundLayer(NamedTuple):
    """A recurrent module of a checkpoint: one network, and where its arrays are.

    `tensors` maps the symbols of the network under its convention to the names of tensors in the file.
    """

    name: str
    network: Network
    convention: str
    tensors: Mapping[str, str]
    notes: tuple[str, ...] = ()


class _Place(NamedTuple):
    """Which array of which layer of a module a tensor is."""

    layer: int
    reverse: bool
    symbol: str


# How each framework names the arrays of a recurrent layer. A module is told by the array its recurrence is in.
_NAMES: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (convention, recurrent, re.compile(rf"(?P<prefix>(?:.*[./])?){pattern}", re.DOTALL))
    for convention, recurrent, pattern in (
        (
            "pytorch",
            "weight_hh",
            r"(?P<symbol>(?:weight|bias)_(?:ih|hh)|weight_hr)_l(?P<layer>[0-9]{1,3})(?P<reverse>_reverse)?",
        ),
        # nn.LSTMCell: no _l0. With a plain bias beside them, the same names are Equinox's.
        ("pytorch", "weight_hh", r"(?P<symbol>(?:weight|bias)_(?:ih|hh)|bias|bias_n)"),
        ("equinox", "weight_hh", r"(?P<symbol>weight_(?:ih|hh)|bias|bias_n)"),
        ("keras", "recurrent_kernel", r"(?P<symbol>kernel|recurrent_kernel|bias)(?::0)?"),
        ("flax", "kernel", r"(?P<symbol>[ih][fgionrz]?[./](?:kernel|bias))"),
    )
)

_DIRECTION = re.compile(r"(?P<outer>(?:.*[./])?)(?P<direction>forward|backward)_(?P<inner>[^./]*)[./](?P<rest>.*)")


def find_layers(checkpoint: Checkpoint) -> tuple[FoundLayer, ...]:
    """Every recurrent layer of a checkpoint, in the order of the file.

    Raises: DataError when there is none, saying what there is.
    """
    whole = find_whole(checkpoint)
    if whole:
        return (FoundLayer("", whole.network, whole.convention, {n: n for n in checkpoint.tensors}, whole.notes),)
    nodes = [config for config in checkpoint.layers if config.tensors]
    _require_few(checkpoint, len(nodes))
    found = [layer for config in nodes for layer in _from_node(checkpoint, config)]
    if not found:
        taken: set[str] = set()
        for convention, recurrent, pattern in _NAMES:
            for prefix, places in _modules(checkpoint, pattern, taken, recurrent).items():
                layer = _from_names(checkpoint, CONVENTIONS[convention], prefix, places)
                if layer:
                    found.append(layer)
                    taken |= set(layer.tensors.values())
    if not found:
        raise DataError(_nothing(checkpoint))
    order = {name: index for index, name in enumerate(checkpoint.tensors)}
    return tuple(sorted(found, key=lambda layer: min(order[name] for name in layer.tensors.values())))


def _modules(
    checkpoint: Checkpoint, pattern: re.Pattern[str], taken: Iterable[str], recurrent: str
) -> dict[str, dict[_Place, str]]:
    """The tensors that a framework's pattern fits, by module; those without an array called `recurrent` are none.

    Raises: TooLargeError beyond `_MOST_LAYERS` layers in them.
    """
    modules: dict[str, dict[_Place, str]] = {}
    for name in checkpoint.tensors:
        match = pattern.fullmatch(name)
        if not match or name in taken:
            continue
        groups = match.groupdict()
        prefix, symbol = match["prefix"], match["symbol"].replace("/", ".")
        reverse = bool(groups.get("reverse"))
        directed = _DIRECTION.fullmatch(prefix)
        if directed:
            prefix, reverse = f"{directed['outer']}{directed['inner']}/", directed["direction"] == "backward"
        place = _Place(int(groups.get("layer") or 0), reverse, symbol)
        modules.setdefault(prefix, {})[place] = name
    found = {prefix: places for prefix, places in modules.items() if any(recurrent in place.symbol for place in places)}
    _require_few(checkpoint, sum(len({place.layer for place in places}) for places in found.values()))
    return found


def _require_few(checkpoint: Checkpoint, layers: int) -> None:
    if layers > _MOST_LAYERS:
        raise TooLargeError(
            f"{describe_source(checkpoint.path)} has arrays of {layers:,} recurrent layers; {_MOST_LAYERS:,} is the "
            "limit."
        )


# Each is tried with every cell, which is an amount of work and not only a number.
_MOST_LAYERS = 1000


def _from_names(
    checkpoint: Checkpoint, convention: Convention, prefix: str, places: Mapping[_Place, str]
) -> FoundLayer | None:
    """The network that the arrays of one module make, if they make one."""
    layers = {place.layer for place in places}
    if layers != set(range(len(layers))):
        return None  # no stack has gaps, and a number in a name is no reason to build as many layers
    symbols = {place.symbol for place in places}
    config = _config_of(checkpoint, places.values())
    has_biases = any("bias" in symbol for symbol in symbols)
    for cell in _candidates(convention, config, has_biases=has_biases):
        structure = Structure(
            cell,
            convention.biases(cell) if has_biases else 0,
            _MERGES.get(config.merge or "", "concat") if config else "concat",
            layers=len(layers),
            bidirectional=any(place.reverse for place in places),
            projected="weight_hr" in symbols,
            embedded=False,
        )
        layer = _fitted(checkpoint, convention, prefix, structure, places, config)
        if layer:
            return layer
    return None


def _candidates(convention: Convention, config: LayerConfig | None, *, has_biases: bool) -> Iterator[Cell]:
    """The cells of a framework that the arrays may be of; the biases of a GRU tell where its reset is."""
    for name in convention.cells:
        after_is_wrong = config is not None and config.reset_after is False and not has_biases
        if not (name == "gru" and after_is_wrong):
            yield CELLS[name]


# Keras' words for how two directions are joined.
_MERGES = {"concat": "concat", "sum": "sum", "mul": "product", "ave": "average"}


def _fitted(
    checkpoint: Checkpoint,
    convention: Convention,
    prefix: str,
    structure: Structure,
    places: Mapping[_Place, str],
    config: LayerConfig | None,
) -> FoundLayer | None:
    if not structure.bidirectional:
        structure = structure._replace(merge="concat")
    try:
        notation = Notation(structure.prototype(), convention)
    except DataError:
        return None
    layers = {(layer.index, layer.reverse): layer for directions in notation.network.stack for layer in directions}
    if not all((place.layer, place.reverse) in layers for place in places):
        return None
    tensors = {
        notation.placed(place.symbol, layers[place.layer, place.reverse]): name for place, name in places.items()
    }
    needed = {stored.symbol for stored in notation.stored if stored.part != "readout"}
    shapes = {symbol: checkpoint.tensors[name].shape for symbol, name in tensors.items()}
    sizes = solve_sizes(notation, shapes) if needed == set(tensors) else None
    if not sizes:
        return None
    said = (config.activation if config else None) or "tanh"
    activation = _ACTIVATIONS.get(said, said)
    known = activation in ACTIVATIONS or not notation.network.cell.has_activation
    try:
        network = sized(notation.network, {**sizes, "d_out": 0}, activation=activation if known else "tanh")
    except DataError:
        return None
    notes = [] if known else [f"Its activation {quoted(said)} is not known here; tanh is computed in its place."]
    notes += config.notes if config else ()
    notes += _notes(network, convention, config)
    return FoundLayer(prefix.rstrip("./"), network, convention.name, tensors, tuple(notes))


# Frameworks' words for activations that go by another name here.
_ACTIVATIONS = {"linear": "identity"}


def _config_of(checkpoint: Checkpoint, names: Iterable[str]) -> LayerConfig | None:
    """What the file says of a module beside its tensors."""
    owners = {name.rpartition("/")[0] for name in names}
    return next((config for config in checkpoint.layers if config.prefix in owners), None)


def _notes(network: Network, convention: Convention, config: LayerConfig | None) -> Iterator[str]:
    if config:
        if config.reverse and not network.bidirectional:
            yield "It reads the sequence from its end to its start."
        if config.merge == "none":
            yield "It gives its two directions apart (merge_mode None); they are put side by side here."
    elif convention.name == "pytorch":
        yield from unsaid(network)


def _from_node(checkpoint: Checkpoint, config: LayerConfig) -> Iterator[FoundLayer]:
    """The layer of a node that names its own tensors: W, R, B and P of an ONNX operator."""
    convention = CONVENTIONS["onnx"]
    shapes = {role: checkpoint.tensors[name].shape for role, name in config.tensors.items()}
    cells = {"rnn": ["rnn"], "lstm": ["lstm-peephole" if "P" in shapes else "lstm"]}
    cells["gru"] = ["gru" if config.reset_after else "gru-reset-before"]
    for name in cells.get(config.cell, []):
        structure = Structure(
            CELLS[name],
            2 if "B" in shapes else 0,
            "concat",
            layers=1,
            bidirectional=config.bidirectional,
            projected=False,
            embedded=False,
        )
        places = {_Place(0, False, role): tensor for role, tensor in config.tensors.items()}
        layer = _fitted(checkpoint, convention, config.prefix, structure, places, config)
        if layer:
            yield layer


def _nothing(checkpoint: Checkpoint) -> str:
    """What there is where no recurrent layer was found."""
    tensors = [f"{quoted(name)} {write_shape(info.shape)}" for name, info in checkpoint.tensors.items()]
    shown = ", ".join(tensors[:_SHOWN]) + (f" and {len(tensors) - _SHOWN:,} more" if len(tensors) > _SHOWN else "")
    recurrent = [name for name in checkpoint.tensors if re.search(r"weight_hh|recurrent_kernel", name)]
    hint = (
        f" {quoted(recurrent[0])} looks recurrent, but with the arrays beside it it makes no cell that is known here."
        if recurrent
        else " Recurrent layers have names such as weight_hh_l0 (PyTorch), recurrent_kernel (Keras), hi.kernel (Flax)."
    )
    return f"{describe_source(checkpoint.path)} has no recurrent layer; it has {shown or 'no tensors'}.{hint}"


_SHOWN = 6
