"""What a network is made of, apart from its sizes, and what the names and shapes of weights tell of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from rnn_calc.core.cells import Cell
from rnn_calc.core.conventions import Convention
from rnn_calc.core.errors import DataError
from rnn_calc.core.network import Network
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


_MOST_LAYERS = 64


def structure_of(given: Structure, convention: Convention, symbols: Collection[str]) -> Structure:
    """The smallest structure whose arrays have all of these names; `given`, settled, where none has."""
    wanted = set(symbols)
    if wanted:
        for candidate in _candidates(given, len(wanted)):
            try:
                notation = Notation(candidate.prototype(), convention)
            except DataError:
                continue
            if wanted <= {stored.symbol for stored in notation.stored}:
                return candidate
    return given.settled()


def _candidates(given: Structure, arrays: int) -> Iterator[Structure]:
    def choices(said: bool | None) -> tuple[bool, ...]:
        return (False, True) if said is None else (said,)

    depths = range(1, min(arrays, _MOST_LAYERS) + 1) if given.layers is None else (given.layers,)
    for layers in depths:
        for both, projected, embedded in product(*map(choices, (given.bidirectional, given.projected, given.embedded))):
            yield given._replace(layers=layers, bidirectional=both, projected=projected, embedded=embedded)


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
