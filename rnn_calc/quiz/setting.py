"""The network that a question is about, in the words of a convention."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.equations import ACTIVATIONS
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation, write_axes, write_shape
from rnn_calc.core.tensors import Tensor
from rnn_calc.core.weights import Array
from rnn_calc.show.document import Block, Text
from rnn_calc.show.format import short
from rnn_calc.show.heading import describe_network

TEXTBOOKS = tuple(name for name, convention in CONVENTIONS.items() if not convention.is_framework)
FRAMEWORKS = tuple(name for name, convention in CONVENTIONS.items() if convention.is_framework)

# The cells that every tutorial names; the others ask more of a reader than of a student.
_CELLS = ("rnn", "lstm", "gru")


class Setting(NamedTuple):
    """A network by its sizes, and the name of the convention that it is written in."""

    convention: str
    cell: str
    d_in: int
    d_h: int
    d_out: int = 0
    layers: int = 1
    bidirectional: bool = False
    activation: str = "tanh"
    vocab: int = 0

    @property
    def network(self) -> Network:
        """The network, with as many biases as its convention keeps."""
        cell = CELLS[self.cell]
        return Network(
            self.d_in,
            self.d_h,
            self.d_out,
            cell=cell,
            activation=self.activation,
            biases=CONVENTIONS[self.convention].biases(cell),
            layers=self.layers,
            bidirectional=self.bidirectional,
            vocab=self.vocab,
        )

    def batch_order(self, batch_first: bool) -> str:
        """Which axis is the first one, as the convention's users say it."""
        if self.convention == "pytorch":
            return f"batch_first={batch_first}"
        return "batch first" if batch_first else "time first"

    def described(self, notation: Notation, *more: str) -> tuple[Block, ...]:
        """What the network is, whose words are used, and the equations where a textbook writes them."""
        convention = notation.convention
        called = f", {notation.layout.called}" if notation.layout else ""
        title = describe_network(notation.network, convention).title
        lines = (title, f"convention {self.convention}{called}", *_words(convention), *more)
        if notation.layout:
            return (Text(lines),)
        # A framework's cell is what the framework ships; a textbook's GRU has one bias here and another there.
        return Text(lines), equations_of(notation)


def _words(convention: Convention) -> Iterator[str]:
    """What a textbook's letters for sizes stand for, and whether it writes vectors as matrices."""
    if convention.sizes and not convention.is_framework:
        words = {"d_in": "inputs", "d_h": "hidden units", "d_out": "outputs"}
        yield ", ".join(f"{convention.size(name)} {word}" for name, word in words.items())
    if convention.column_matrices:
        yield f"vectors are written as matrices of one column: {convention.size('d_h')} × 1"


def equations_of(notation: Notation) -> Text:
    """The equations of a network, one a line."""
    equations = notation.network.equations
    return Text(tuple(f"{notation.vector(e)} = {notation.write(e.expression)}" for e in equations), "math")


# Numbers as a question keeps them: vectors and matrices as tuples.
Values: TypeAlias = "tuple[float | Values, ...]"


def nested(array: Array) -> Values:
    """An array as nested tuples of plain numbers."""
    return tuple(nested(row) if row.ndim else float(row) for row in array)


def numbers_of(array: Array) -> tuple[float, ...]:
    """A vector as a tuple of plain numbers."""
    return tuple(map(float, array))


def write_values(values: Values) -> str:
    """Nested tuples as they are typed: [[0.3, -0.7], [0.4, 0.2]]."""
    return f"[{', '.join(write_values(v) if isinstance(v, tuple) else short(v) for v in values)}]"


def draw_setting(rng: np.random.Generator, level: int, conventions: tuple[str, ...] = ()) -> Setting:
    """A network with a readout: a plain one at level 1, one layer of any cell at level 2, a larger one at level 3.

    All sizes differ, so that none can be taken for another.
    """
    framework = level == 3 or (level == 2 and rng.random() < 0.7)
    convention = str(rng.choice(conventions or (FRAMEWORKS if framework else TEXTBOOKS)))
    has = [name for name in _CELLS if name in (CONVENTIONS[convention].cells or CELLS)]
    cell = "rnn" if level == 1 else str(rng.choice(has))
    d_in, d_h, d_out = (int(size) for size in rng.permutation(np.arange(2, (5, 10, 33)[level - 1] + 1))[:3])
    layers, bidirectional = 1, False
    if level == 3:
        layers, bidirectional = [(2, False), (3, False), (1, True), (2, True)][int(rng.integers(4))]
    return Setting(convention, cell, d_in, d_h, d_out, layers, bidirectional)


def draw_tenths(rng: np.random.Generator, *shape: int, least: int = -9, most: int = 9) -> Array:
    """Numbers with one decimal, as exact as they are printed, from `least` to `most` tenths and none of them 0."""
    tenths = rng.integers(least, most, shape)
    return np.where(tenths >= 0, tenths + 1, tenths) / 10 if least <= 0 else rng.integers(least, most + 1, shape) / 10


def in_numbers(notation: Notation, tensor: Tensor, **more: int) -> str:
    """A tensor's shape from names to numbers: (4·hidden_size, input_size) = (4·3, 2) = (12, 2)."""
    sizes = {notation.size(name): size for name, size in notation.network.sizes.items()} | more
    sizes |= {"num_layers": notation.network.layers, "num_directions": notation.network.directions}

    def number(name: re.Match[str]) -> str:
        return str(sizes.get(name[0], name[0]))

    axes = tuple(re.sub(r"[A-Za-z_][\w.]*", number, axis) for axis in tensor.axes)
    steps = dict.fromkeys((write_axes(tensor.axes), write_axes(axes), write_shape(tensor.shape)))
    return " = ".join(steps)


def briefly(role: str) -> str:
    """What a tensor is for, without what says how it is laid out."""
    return re.split(r"[;:]| \(", role)[0]


assert set(_CELLS) <= set(CELLS)
assert {"tanh", "relu", "identity"} <= set(ACTIVATIONS)
