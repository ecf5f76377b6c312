"""A network as a convention writes it: which arrays are stored, what each is called, and the printed equations."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from math import prod
from typing import Literal, NamedTuple

from rnn_calc.core.conventions import CONVENTIONS, Convention, as_convention
from rnn_calc.core.equations import (
    COMPLEMENT,
    Apply,
    Equation,
    Expression,
    Hadamard,
    Lookup,
    Merge,
    Parameter,
    Product,
    Quotient,
    Sum,
    Vector,
)
from rnn_calc.core.errors import DataError, did_you_mean, quoted
from rnn_calc.core.frameworks import CellLayout, Joined
from rnn_calc.core.network import BACKWARD, Network
from rnn_calc.core.sizes import Sizes
from rnn_calc.core.stages import Extent, Layer

Step = int | Literal["t"]


class Stored(NamedTuple):
    """An array as a convention stores it: the parameters of each row one after the other, rows on a leading axis.

    Without `stacked` there is one row and no leading axis. `extents` are the lengths of the axes; `part` is the part
    of the network that it belongs to; `gates` are the convention's letters, in order, where several gates are joined.
    """

    symbol: str
    rows: tuple[tuple[Parameter, ...], ...]
    stacked: bool
    extents: tuple[Extent, ...]
    part: str
    gates: tuple[str, ...] = ()

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Every parameter in it, in order."""
        return tuple(parameter for row in self.rows for parameter in row)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of its parameters, each once."""
        return tuple(dict.fromkeys(parameter.role for parameter in self.parameters))

    def shape(self, sizes: Sizes) -> tuple[int, ...]:
        """The shape for these named sizes."""
        return tuple(extent.multiple * sizes[extent.name] for extent in self.extents)


class Notation:
    """A network in a convention's words.

    Raises: DataError for a cell, a number of biases or a projection that the convention cannot write.
    """

    def __init__(self, network: Network, convention: Convention | str = CONVENTIONS["xh"]) -> None:
        self.network = network
        self.convention = as_convention(convention)
        self.layout: CellLayout | None = self.convention.layout(network.cell)
        self.stored: tuple[Stored, ...] = tuple(self._stored())
        self._homes = {parameter: stored for stored in self.stored for parameter in stored.parameters}
        for parameter in network.parameters:
            if parameter not in self._homes:
                raise DataError(self._no_place(parameter))

    def _no_place(self, parameter: Parameter) -> str:
        name, cell = self.convention.name, self.network.cell
        if parameter.role in ("bias", "recurrent_bias"):
            biases = self.convention.biases(cell)
            return (
                f"The convention {name} has {biases} {'bias' if biases == 1 else 'biases'} a gate of the cell "
                f"{cell.name} and no name for {parameter.name}: leave the biases to it, or give {biases}."
            )
        return (
            f"The convention {name} has no name for {parameter.name}, the {parameter.role} of the cell {cell.name}. "
            "A textbook's convention, as xh, has one for everything."
        )

    def require_known(self, symbols: Iterable[str]) -> None:
        """Nothing, where each symbol is that of a stored array.

        Raises: DataError for one that is not, with the nearest one.
        """
        known = [stored.symbol for stored in self.stored]
        for symbol in symbols:
            if symbol not in known:
                raise DataError(
                    f"{quoted(symbol)} is no parameter of this network under the convention {self.convention.name}, "
                    f"which has {', '.join(known)}.{did_you_mean(symbol, known)}"
                )

    # Stored arrays

    def _stored(self) -> Iterable[Stored]:
        for stage in self.network.stages:
            if isinstance(stage, Layer) and self.layout:
                if not (self.convention.joins_directions and stage.reverse):
                    directions = self.network.stack[stage.index] if self.convention.joins_directions else (stage,)
                    for joined in self.layout.arrays:
                        yield from self._joined(joined, directions)
                continue
            for parameter in stage.parameters:
                if self.network.owners[parameter] is stage:
                    symbol = self.convention.spell(parameter)
                    if isinstance(stage, Layer):
                        symbol = self.placed(symbol, stage)
                    extents = self._extents(parameter, [stage.extents[axis] for axis in parameter.axes], 1)
                    yield Stored(symbol, ((parameter,),), False, extents, stage.part)

    def _joined(self, joined: Joined, directions: tuple[Layer, ...]) -> Iterable[Stored]:
        """The arrays of one entry of a layout; none where the network lacks these parameters (no bias)."""
        if "{gate}" in joined.symbol:
            for gate in joined.gates:
                yield from self._joined(joined._replace(symbol=joined.symbol.format(gate=gate), gates=gate), directions)
            return
        by_place = [{(p.role, p.gate): p for p in layer.parameters} for layer in directions]
        rows = [
            tuple(known[role, gate] for role in joined.roles for gate in joined.gates if (role, gate) in known)
            for known in by_place
        ]
        if not rows[0]:
            return
        if len(rows[0]) != len(joined.roles) * len(joined.gates):
            raise DataError(
                f"The convention {self.convention.name} joins {' and '.join(joined.roles)} of every gate in "
                f"{joined.symbol}: leave the biases to it, or give {self.convention.biases(self.network.cell)} or 0."
            )
        if joined.stacked:
            n = len(joined.gates)
            rows = [row[start : start + n] for row in rows for start in range(0, len(row), n)]
        first, stage = rows[0][0], directions[0]
        extents = self._extents(first, [stage.extents[axis] for axis in first.axes], len(rows[0]))
        stacked = joined.stacked or self.convention.joins_directions
        assert self.layout
        letters = tuple(self.layout.letters.get(gate, gate) for gate in joined.gates) if len(joined.gates) > 1 else ()
        part = stage.part
        if len(directions) > 1:
            part = part.removesuffix(", forward")
        yield Stored(
            self.placed(joined.symbol, stage),
            tuple(rows),
            stacked,
            (Extent(len(rows), "1"), *extents) if stacked else extents,
            part,
            letters,
        )

    def _extents(self, parameter: Parameter, axes: list[Extent], parts: int) -> tuple[Extent, ...]:
        """The lengths of a stored array's axes, with `parts` parameters joined along the gates' axis."""
        first = Extent(axes[0].multiple * parts, axes[0].name)
        if not parameter.is_matrix:
            return (first, Extent(1, "1")) if self.convention.column_matrices else (first,)
        return (axes[1], first) if self.transposes(parameter) else (first, axes[1])

    def transposes(self, parameter: Parameter) -> bool:
        """Whether the array is stored the other way round than the column reading has it; a table never is."""
        return self.convention.row_vectors and parameter.is_matrix and parameter.role != "embedding"

    def placed(self, symbol: str, layer: Layer) -> str:
        """The whole name of an array of a layer."""
        convention, network = self.convention, self.network
        template = convention.stacked if network.layers > 1 else convention.single
        if network.bidirectional and not convention.joins_directions:
            template = convention.directed
        called = self.layout.called if self.layout else ""
        return template.format(
            symbol=symbol,
            mark=f"^{layer.mark}" if layer.mark else "",
            k=layer.index,
            nth=f"_{layer.index}" if layer.index else "",
            reverse="_reverse" if layer.reverse else "",
            direction="backward" if layer.reverse else "forward",
            layer={"SimpleRNN": "simple_rnn"}.get(called, called.lower()),
        )

    # Names

    def home(self, parameter: Parameter) -> Stored:
        """The stored array that holds the parameter."""
        return self._homes[parameter]

    def symbol(self, parameter: Parameter) -> str:
        """The parameter's name: its array's, and in brackets which part of it where it holds several."""
        stored = self._homes[parameter]
        if len(stored.parameters) == 1:
            return stored.symbol
        words = []
        if len({p.mark for p in stored.parameters}) > 1:
            words.append("backward" if BACKWARD in parameter.mark else "forward")
        if len(stored.roles) > 1:
            words.append("recurrent" if parameter.role == "recurrent_bias" else "input")
        if stored.gates:
            words.append(self.layout.letters.get(parameter.gate, parameter.gate) if self.layout else parameter.gate)
        return f"{stored.symbol}[{' '.join(words)}]"

    def size(self, name: str) -> str:
        """The name of a size as the convention prints it."""
        return self.convention.size(name)

    def extent(self, extent: Extent) -> str:
        """An axis's length in names: hidden_size, 4·hidden_size, 2."""
        if extent.name == "1":
            return str(extent.multiple)
        name = self.size(extent.name)
        return name if extent.multiple == 1 else f"{extent.multiple}·{name}"

    def shape(self, stored: Stored) -> tuple[int, ...]:
        """The stored array's shape in numbers."""
        return stored.shape(self.network.sizes)

    def count(self, stored: Stored) -> int:
        """How many numbers the stored array holds."""
        return prod(self.shape(stored))

    @cached_property
    def total(self) -> int:
        """How many numbers the network has."""
        return sum(map(self.count, self.stored))

    # Equations

    def column(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a vector: (n,), or (n, 1) where vectors are written as columns."""
        return (*shape, 1) if self.convention.column_matrices and len(shape) == 1 else shape

    def vector(self, vector: Vector | Equation, step: Step = "t") -> str:
        """A vector's printed symbol at a step: x_t, h_{t-1}; x_3, h_2; h^(2)_t in a stack."""
        if isinstance(vector, Equation):
            vector = vector.vector
        symbol = vector.symbol or vector.name
        # Read backward, the step before is the one after.
        back = 0 if not vector.previous else -1 if BACKWARD in symbol else 1
        if step == "t":
            return f"{symbol}_{{t{-back:+d}}}" if back else f"{symbol}_t"
        return f"{symbol}_{step - back}"

    def write(self, expression: Expression, step: Step = "t") -> str:
        """The expression as the convention prints it: `tanh(W_xh x_t + …)`, or `x_t W_xh` with row vectors."""
        match expression:
            case Vector():
                return self.vector(expression, step)
            case Parameter():
                return self.symbol(expression)
            case Product(matrix, vector):
                factors = [self.symbol(matrix), self._factor(vector, step)]
                if matrix.role == "embedding" and self.convention.row_vectors:
                    factors[0] += "ᵀ"  # a tied table is stored by rows in every convention
                return " ".join(reversed(factors) if self.convention.row_vectors else factors)
            case Lookup(table, index):
                return f"{self.symbol(table)}[{self.vector(index, step)}]"
            case Sum(terms):
                return " + ".join(self.write(term, step) for term in terms)
            case Hadamard(left, right):
                return f"{self._factor(left, step)} ⊙ {self._factor(right, step)}"
            case Quotient(left, right):
                return f"{self._factor(left, step)} / {self._factor(right, step)}"
            case Merge(how, forward, backward):
                return _MERGED[how].format(self.write(forward, step), self.write(backward, step))
            case Apply("identity", argument):
                return self.write(argument, step)
            case Apply(function, argument) if function == COMPLEMENT:
                return f"1 − {self._factor(argument, step)}"
            case Apply(function, argument):
                return f"{function}({self.write(argument, step)})"
            case _:
                raise AssertionError(f"unresolved expression: {expression}")

    def _factor(self, expression: Expression, step: Step) -> str:
        """The expression as a factor: in brackets, if it is more than one name."""
        text = self.write(expression, step)
        name = isinstance(expression, Vector | Parameter | Lookup)
        function = isinstance(expression, Apply) and expression.function not in ("identity", COMPLEMENT)
        return text if name or function else f"({text})"


_MERGED = {"concat": "[{}; {}]", "sum": "{} + {}", "average": "({} + {}) / 2", "product": "{} ⊙ {}"}


def write_shape(shape: tuple[int, ...], *, column_matrices: bool = False) -> str:
    """A shape as it is read aloud: (3,), (3, 4), or (3×4) where vectors are written as columns."""
    if column_matrices:
        return f"({'×'.join(map(str, shape))})"
    return f"({shape[0]},)" if len(shape) == 1 else f"({', '.join(map(str, shape))})"


def write_axes(axes: tuple[str, ...]) -> str:
    """Axis names as a shape is read aloud: (d_h,), (d_h, d_in)."""
    return f"({', '.join(axes)}{',' if len(axes) == 1 else ''})"
