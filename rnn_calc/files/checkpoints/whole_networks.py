"""A checkpoint that is one whole network and nothing else: what `rnncalc export` writes, and a bare state dict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.equations import MERGES
from rnn_calc.core.errors import DataError
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.structure import Structure, sized, solve_sizes, structure_of
from rnn_calc.files.checkpoints.tensors import Checkpoint


class Whole(NamedTuple):
    """A network whose arrays are all the arrays of a file, under a convention's own names; and what they leave open."""

    network: Network
    convention: str
    notes: tuple[str, ...]


def find_whole(checkpoint: Checkpoint) -> Whole | None:
    """The file as one network in some convention's own words, with its readout: what `rnncalc export` writes."""
    shapes = {name: info.shape for name, info in checkpoint.tensors.items()}
    named = checkpoint.metadata.get("rnncalc.convention", "")
    if checkpoint.layers or not shapes or (named not in CONVENTIONS and len(shapes) > _MOST_ARRAYS):
        return None
    found = (
        layer
        for convention in ([CONVENTIONS[named]] if named in CONVENTIONS else CONVENTIONS.values())
        if all(name.startswith(_beginnings(convention)) for name in shapes)
        for cell in CELLS.values()
        if (layer := _as_network(convention, cell, shapes, checkpoint.metadata))
    )
    first = next(found, None)
    if first is None or (named in CONVENTIONS and "rnncalc.cell" in checkpoint.metadata):
        return first
    others = dict.fromkeys(f"{layer.convention} ({layer.network.cell.name})" for layer in found)
    if others:
        taken = f"{first.convention} ({first.network.cell.name})"
        note = f"Its names and shapes fit {', '.join(others)} as well; {taken} is taken."
        return first._replace(notes=(*first.notes, note))
    return first


# A network that is written out has an array for each gate and layer; a larger file is somebody's model.
_MOST_ARRAYS = 200


def _beginnings(convention: Convention) -> tuple[str, ...]:
    """What the names of a convention's arrays begin with: a look at them costs less than the patterns of all cells."""
    own = [joined.symbol for layout in convention.cells.values() for joined in layout.arrays]
    own = own or list(convention.symbols.values())
    words = {
        "symbol": own,
        "layer": [f"{layout.called.lower().removeprefix('simple')}" for layout in convention.cells.values()],
        "direction": ["forward", "backward"],
    }
    words["layer"] += ["simple_rnn"]
    starts = [convention.symbols[role] for role in ("readout", "readout_bias", "embedding")]
    for template in (convention.single, convention.stacked, convention.directed):
        field = template[1:].partition("}")[0] if template.startswith("{") else ""
        starts += words[field] if field else [template]
    return tuple({start.partition("{")[0] for start in starts})


def _as_network(
    convention: Convention, cell: Cell, shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]
) -> Whole | None:
    if convention.cells and cell.name not in convention.cells:
        return None
    if metadata.get("rnncalc.cell", cell.name) != cell.name:
        return None
    readout, bias, table = (convention.symbols[role] for role in ("readout", "readout_bias", "embedding"))
    merge = metadata.get("rnncalc.merge", "concat")
    given = Structure(
        cell,
        0,
        merge if merge in MERGES else "concat",
        tied=table in shapes and readout not in shapes and (bias in shapes or metadata.get("rnncalc.tied") == "true"),
        readout_bias=bias in shapes or readout not in shapes,
    )
    if given.tied:
        given = given._replace(readout_bias=bias in shapes)
    if convention.joins_directions:
        # Names do not tell: both directions lie in one array.
        given = given._replace(
            bidirectional=any(
                shape[:1] == (2,) for symbol, shape in shapes.items() if symbol not in (readout, bias, table)
            )
        )
    possible = (convention.biases(cell), 0) if convention.is_framework else (1, 2, 0)
    for biases in possible:
        structure = structure_of(given._replace(biases=biases), convention, shapes)
        if structure is None:
            return None
        network = _sized_as(structure, convention, shapes, metadata.get("rnncalc.activation", "tanh"))
        if network:
            notes = () if "rnncalc.activation" in metadata else tuple(unsaid(network))
            return Whole(network, convention.name, notes)
    return None


def _sized_as(
    structure: Structure, convention: Convention, shapes: Mapping[str, tuple[int, ...]], activation: str
) -> Network | None:
    """The network of such a structure that has exactly arrays of these shapes, but for a readout that may be absent."""
    if structure.layers and structure.layers > len(shapes):
        return None  # a name with a high number in it; a network is not built for one
    try:
        notation = Notation(structure.prototype(), convention)
        if {stored.symbol for stored in notation.stored if stored.part != "readout"} - set(shapes):
            return None
        sizes = solve_sizes(notation, shapes)
        if not sizes:
            return None
        if structure.tied:
            sizes["d_out"] = sizes["V"]
        network = sized(notation.network, sizes, activation=activation)
        complete = {stored.symbol for stored in Notation(network, convention).stored} == set(shapes)
    except DataError:
        return None
    return network if complete else None


def unsaid(network: Network) -> Iterator[str]:
    """What names and shapes leave open, and how it is taken."""
    if network.cell.name == "rnn":
        yield "The weights do not tell tanh from relu; tanh is taken (trace and gradient-decay have --activation relu)."
