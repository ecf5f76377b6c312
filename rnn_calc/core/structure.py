"""What a network is made of, apart from its sizes, and what the names and shapes of weights tell of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

from rnn_calc.core.cells import Cell
from rnn_calc.core.conventions import Convention
from rnn_calc.core.network import MOST_LAYERS, Network, check_layers
from rnn_calc.core.notation import Notation
from rnn_calc.core.sizes import Sizes


class Structure(NamedTuple):
    """The parts of a network; None where nothing is said yet."""

    cell: Cell
    biases: int
    merge: str
    layers: int | None = None
    bidirectional: bool | None = None
    projected: bool | None = None
    embedded: bool | None = None
    tied: bool = False
    readout_bias: bool = True

    def settled(self) -> Structure:
        """The same with what is not said at its default: one layer, one direction, nothing else."""
        return self._replace(
            layers=self.layers or 1,
            bidirectional=bool(self.bidirectional),
            projected=bool(self.projected),
            embedded=bool(self.embedded),
        )

    def prototype(self) -> Network:
        """The smallest network of this structure; its layers differ in width, so that each width has a name."""
        s = self.settled()
        assert s.layers
        # Wider than a projection, and every one another.
        check_layers(s.layers)
        widths = tuple(range(2, 2 + s.layers))
        top = 1 if s.projected else widths[-1]
        both = 2 if s.bidirectional and s.merge == "concat" else 1
        return Network(
            top * both if s.tied else 1,
            widths,
            1,
            cell=s.cell,
            biases=s.biases,
            bidirectional=bool(s.bidirectional),
            merge=s.merge if s.bidirectional else "concat",
            d_p=1 if s.projected else 0,
            vocab=1 if s.embedded else 0,
            tied=s.tied and bool(s.embedded),
            readout_bias=s.readout_bias,
        )


def structure_of(given: Structure, convention: Convention, symbols: Collection[str]) -> Structure | None:
    """What the names of arrays tell of the structure, where `given` leaves it open; None where they are no such names.

    Raises: DataError for a cell that the convention does not have.
    """
    if not symbols:
        return given.settled()
    around = {role: convention.symbols[role] for role in _AROUND}
    own = _own_symbols(given.cell, convention)
    templates = (convention.single, convention.stacked, convention.directed)
    patterns = [_pattern(template, own) for template in dict.fromkeys(templates)]
    layers, both = 1, False
    for symbol in symbols:
        if symbol in around.values():
            continue
        match = next((found for pattern in patterns if (found := pattern.fullmatch(symbol))), None)
        if match is None:
            return None
        groups = match.groupdict()
        counted = [int(groups[name]) + 1 for name in ("k", "nth") if groups.get(name)]
        counted += [int(groups["number"])] if groups.get("number") else []
        layers = max(layers, *counted, 0)
        both |= any(groups.get(name) for name in ("reverse", "arrow", "direction"))
    projection = _own_symbols(given.cell, convention, role="projection")
    read = given._replace(
        layers=given.layers or layers,
        bidirectional=both if given.bidirectional is None else given.bidirectional,
        projected=any(_local(symbol, projection) for symbol in symbols) if given.projected is None else given.projected,
        embedded=around["embedding"] in symbols if given.embedded is None else given.embedded,
    )
    return read if layers <= MOST_LAYERS else None


_AROUND = ("readout", "readout_bias", "embedding")


def _local(symbol: str, names: Collection[str]) -> bool:
    return any(symbol == name or symbol.startswith((f"{name}_l", f"{name}^")) for name in names)


def _own_symbols(cell: Cell, convention: Convention, role: str = "") -> set[str]:
    """The names of a layer's arrays without the layer's place; only those of one role, if it is given."""
    layout = convention.layout(cell)
    if layout:
        arrays = [joined for joined in layout.arrays if not role or role in joined.roles]
        return {joined.symbol.format(gate=gate) for joined in arrays for gate in joined.gates}
    found = set()
    for projected in (0, 1) if "c" in cell.state else (0,):
        for parameter in Network(1, 2, cell=cell, biases=2, d_p=projected).parameters:
            if not role or parameter.role == role:
                found.add(convention.spell(parameter))
    return found


def _pattern(template: str, symbols: Collection[str]) -> re.Pattern[str]:
    """The names that a template makes, with groups for the place of the layer."""
    fields = {
        "symbol": "(?:" + "|".join(map(re.escape, sorted(symbols, key=len, reverse=True))) + ")",
        "mark": r"(?:\^\((?P<number>[0-9]{1,4})?(?P<arrow>[→←])?\))?",
        "k": "(?P<k>[0-9]{1,4})",
        "nth": "(?:_(?P<nth>[0-9]{1,4}))?",
        "reverse": "(?P<reverse>_reverse)?",
        "direction": "(?P<direction>forward|backward)",
        "layer": "[a-z_]+",
    }
    literal = re.split(r"\{(\w+)\}", template)
    return re.compile("".join(fields[part] if i % 2 else re.escape(part) for i, part in enumerate(literal)))


def solve_sizes(notation: Notation, shapes: Mapping[str, tuple[int, ...]]) -> Sizes | None:
    """The named sizes that give the stored arrays of a prototype these shapes; None where none do.

    A size that no array of `shapes` tells is absent.
    """
    sizes: Sizes = {"1": 1}
    for stored in notation.stored:
        shape = shapes.get(stored.symbol)
        if shape is None:
            continue
        if len(shape) != len(stored.extents):
            return None
        for extent, length in zip(stored.extents, shape, strict=True):
            size, rest = divmod(length, extent.multiple)
            if rest or size < 1 or sizes.setdefault(extent.name, size) != size:
                return None
    return sizes


def sized(prototype: Network, sizes: Sizes, *, activation: str = "tanh") -> Network:
    """The network of a prototype's structure with the sizes that `solve_sizes` found.

    Raises: SizeError where they do not fit together.
    """
    widths = tuple(sizes[name] for name in prototype.sizes if name.startswith("d_h"))
    return replace(
        prototype,
        d_in=sizes["d_in"],
        d_h=widths,
        d_out=sizes.get("d_out", 0),
        d_p=sizes.get("d_p", 0),
        vocab=sizes.get("V", 0),
        activation=activation,
    )
