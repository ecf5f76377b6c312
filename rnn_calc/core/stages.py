"""A part of a network: its equations, and how long their axes are."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from rnn_calc.core.cells import Cell
from rnn_calc.core.equations import Equation, Parameter, parameters
from rnn_calc.core.records import Record
from rnn_calc.core.sizes import Sizes


class Extent(NamedTuple):
    """The length of an axis, as a multiple of a named size: 4·d_h; the name 1 is no name."""

    multiple: int
    name: str


class Stage(Record):
    """A part of a network: its equations, and what their axes are, in the network's named sizes and in numbers."""

    part: str
    equations: tuple[Equation, ...]
    extents: dict[str, Extent]
    sizes: Sizes

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Each parameter once, in the order of its first use."""
        return parameters(self.equations)


class Layer(Stage):
    """One direction of one layer: a cell's equations with the layer's own parameters and sizes.

    `index` counts from 0; `state` names the state vectors and their axes; `mark` ends the names of its parameters.
    """

    cell: Cell
    index: int
    reverse: bool
    mark: str
    state: dict[str, str]

    def symbol(self, state: str = "h") -> str:
        """How a state of the layer is printed, and under which name a merge finds it: h^(2→)."""
        return next(equation.symbol for equation in self.equations if equation.name == state)
