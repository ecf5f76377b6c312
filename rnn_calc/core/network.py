"""A network: an embedding, stacked layers in one or two directions, and a readout, each written as its equations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cached_property

from rnn_calc.core.cells import READOUT, RNN, Cell, as_cell
from rnn_calc.core.equations import (
    ACTIVATIONS,
    MERGES,
    Equation,
    Lookup,
    Merge,
    Parameter,
    Product,
    Sum,
    Vector,
)
from rnn_calc.core.errors import DataError, SizeError, did_you_mean, listed, quoted
from rnn_calc.core.layers import layer_equations, value_symbol
from rnn_calc.core.sizes import Sizes, check_size
from rnn_calc.core.stages import Extent, Layer, Stage

# What marks the two directions of a layer.
FORWARD, BACKWARD = "→", "←"

# Each layer's equations are written out, so their number is an amount of work and not only a number.
MOST_LAYERS = 1000


def check_layers(layers: int) -> None:
    """Nothing, when a network can have so many layers.

    Raises: SizeError.
    """
    if layers > MOST_LAYERS:
        raise SizeError(f"A network has at most {MOST_LAYERS:,} layers here; {layers:,} are too many.")


_EMBEDDING = Parameter("E", "embedding", ("V", "d_in"), "x")
_TOKEN = Vector("token", "1")


@dataclass(frozen=True)
class Network:
    """Recurrent layers of `d_h` units on inputs of width `d_in`, read out to `d_out` values (0: no readout).

    `cell` may be given by its name, and `d_h` a width for each layer. `biases` is how many bias vectors each gate has:
    0, 1, or 2 as PyTorch keeps them; a bias that stands apart from the input's, as in a GRU with its reset after the
    product, is there with 1 too.
    `merge` joins the two directions of a bidirectional network. `d_p` is the width of a projected state (0: none).
    With `vocab` the inputs are numbers of rows of an embedding; `tied` reads out through that same table.

    Raises: SizeError for an illegal size; DataError for an unknown cell or activation, or parts that do not fit.
    """

    d_in: int
    d_h: int | tuple[int, ...]
    d_out: int = 0
    cell: Cell = RNN
    activation: str = "tanh"
    biases: int = 1
    layers: int = 1
    bidirectional: bool = False
    merge: str = "concat"
    d_p: int = 0
    vocab: int = 0
    tied: bool = False
    readout_bias: bool = True

    def __post_init__(self) -> None:
        self._keep("cell", as_cell(self.cell))
        for name, minimum in {"d_in": 1, "d_out": 0, "d_p": 0, "vocab": 0, "layers": 1, "biases": 0}.items():
            # NumPy's integers overflow in a product; a plain int never does.
            self._keep(name, check_size(name, getattr(self, name), minimum=minimum))
        if isinstance(self.d_h, tuple):
            widths = tuple(check_size("d_h", width) for width in self.d_h)
            if self.layers not in (1, len(widths)) or not widths:
                raise SizeError(f"d_h names {len(widths)} widths, but there are {self.layers} layers.")
            self._keep("layers", len(widths))
            self._keep("d_h", widths[0] if len(set(widths)) == 1 else widths)
        else:
            self._keep("d_h", check_size("d_h", self.d_h))
        check_layers(self.layers)
        for value, choices, what in ((self.activation, ACTIVATIONS, "activation"), (self.merge, MERGES, "merge")):
            if value not in choices:
                raise DataError(
                    f"There is no {what} {quoted(value)}; it must be {listed(choices)}.{did_you_mean(value, choices)}"
                )
        if self.biases > 2:
            raise DataError(f"A gate has 0, 1 or 2 biases, not {self.biases}.")
        self._check_parts()

    def __repr__(self) -> str:
        """What is not as by default; the cell by its name."""
        told = {f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default}
        told |= {"cell": self.cell.name} if "cell" in told else {}
        return f"Network({', '.join(f'{name}={value!r}' for name, value in told.items())})"

    def _repr_html_(self) -> str | None:
        from rnn_calc.core.display import html_of

        return html_of(self)

    def _check_parts(self) -> None:
        if self.d_p and "c" not in self.cell.state:
            raise DataError(
                f"The cell {self.cell.name} has no projection; only cells with a cell state have one (lstm)."
            )
        if self.d_p and self.d_p >= min(self.widths):
            raise SizeError(f"A projection must be narrower than d_h = {min(self.widths)}; it is {self.d_p}.")
        if self.merge != "concat" and not self.bidirectional:
            raise DataError(f"Merging by {self.merge} needs two directions; the network has one.")
        if self.tied:
            if not self.vocab:
                raise DataError("A tied readout reads out through the embedding; the network has none (vocab is 0).")
            if self.d_out != self.vocab:
                raise SizeError(f"A tied readout has vocab = {self.vocab} outputs; d_out is {self.d_out}.")
            if self.output_width != self.d_in:
                raise SizeError(
                    f"A tied readout needs an output as wide as the embedding, d_in = {self.d_in}; it is "
                    f"{self.output_width} wide."
                )

    def _keep(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def widths(self) -> tuple[int, ...]:
        """d_h of each layer."""
        return self.d_h if isinstance(self.d_h, tuple) else (self.d_h,) * self.layers

    @property
    def directions(self) -> int:
        """2 for a bidirectional network, else 1."""
        return 1 + self.bidirectional

    @property
    def output_width(self) -> int:
        """The width of what the top layer gives: its directions joined."""
        return self._extent(self.output_extent)

    @property
    def output_extent(self) -> Extent:
        """The same as a multiple of a named size."""
        return self._output(self.layers - 1)

    @cached_property
    def sizes(self) -> Sizes:
        """The numbers behind the names of sizes."""
        sizes = {"d_in": self.d_in}
        sizes |= {self._width_name(index): width for index, width in enumerate(self.widths)}
        optional = {"d_p": self.d_p, "V": self.vocab}
        return sizes | {name: size for name, size in optional.items() if size} | {"d_out": self.d_out, "1": 1}

    def _extent(self, extent: Extent) -> int:
        return extent.multiple * self.sizes[extent.name]

    def _width_name(self, index: int) -> str:
        return f"d_h^({index + 1})" if isinstance(self.d_h, tuple) else "d_h"

    def _output(self, index: int) -> Extent:
        """The width of what a layer gives to the next."""
        name = "d_p" if self.d_p else self._width_name(index)
        return Extent(2 if self.bidirectional and self.merge == "concat" else 1, name)

    def _stage(self, part: str, equations: Iterable[Equation], extents: dict[str, Extent]) -> Stage:
        extents = {"1": Extent(1, "1"), **extents}
        return Stage(part, tuple(equations), extents, {axis: self._extent(e) for axis, e in extents.items()})

    def _mark(self, index: int, reverse: bool) -> str:
        number = str(index + 1) if self.layers > 1 else ""
        arrow = BACKWARD if reverse else FORWARD
        inside = f"{number}{arrow if self.bidirectional else ''}"
        return f"({inside})" if inside else ""

    def _joined_symbol(self, index: int) -> str:
        """What a layer's output is called: h, or h^(2)."""
        return f"h^({index + 1})" if self.layers > 1 else "h"

    def _layer(self, index: int, reverse: bool) -> Layer:
        mark = self._mark(index, reverse)
        equations = layer_equations(
            self.cell,
            activation=self.activation,
            biases=self.biases,
            projected=bool(self.d_p),
            mark=mark,
            below=f"h^({index})" if index else "",
        )
        extents = {
            "1": Extent(1, "1"),
            "d_in": self._output(index - 1) if index else Extent(1, "d_in"),
            "d_h": Extent(1, self._width_name(index)),
        }
        if self.d_p:
            extents["d_p"] = Extent(1, "d_p")
        part = f"layer {index + 1}" if self.layers > 1 else "recurrent"
        return Layer(
            f"{part}, {'backward' if reverse else 'forward'}" if self.bidirectional else part,
            equations,
            extents,
            {axis: self._extent(extent) for axis, extent in extents.items()},
            self.cell,
            index,
            reverse,
            mark,
            {name: "d_p" if self.d_p and name == "h" else "d_h" for name in self.cell.state},
        )

    @cached_property
    def stack(self) -> tuple[tuple[Layer, ...], ...]:
        """The layers from the bottom up, each with its one or two directions."""
        return tuple(
            tuple(self._layer(index, reverse) for reverse in (False, True)[: self.directions])
            for index in range(self.layers)
        )

    @cached_property
    def embedding(self) -> Stage | None:
        """The table that the inputs are rows of, if there is one."""
        if not self.vocab:
            return None
        equation = Equation("x", Lookup(_EMBEDDING, _TOKEN), "input", "the token's row of the embedding")
        return self._stage("embedding", [equation], {"V": Extent(1, "V"), "d_in": Extent(1, "d_in")})

    @cached_property
    def merges(self) -> tuple[Stage, ...]:
        """What joins the two directions of each layer; empty with one direction."""
        found = []
        for index, directions in enumerate(self.stack if self.bidirectional else ()):
            axis = directions[0].state["h"]
            forward, backward = (Vector("h", axis, symbol=value_symbol("h", layer.mark)) for layer in directions)
            joined = Merge(self.merge, forward, backward, "d_o" if self.merge == "concat" else axis)
            role = "both directions joined: what the next layer or the readout sees"
            equation = Equation("h", joined, "state", role, self._joined_symbol(index))
            part = f"layer {index + 1}" if self.layers > 1 else "recurrent"
            found.append(self._stage(part, [equation], {**directions[0].extents, "d_o": self._output(index)}))
        return tuple(found)

    @cached_property
    def readout(self) -> Stage | None:
        """What reads the top layer's output out, if anything does."""
        if not self.d_out:
            return None
        h = Vector("h", "d_o", symbol=self._joined_symbol(self.layers - 1))
        product, bias = READOUT.expression.terms  # type: ignore[attr-defined]  # READOUT is a sum of two
        product = Product(_EMBEDDING, Vector("h", "d_in", symbol=h.symbol)) if self.tied else Product(product.matrix, h)
        if self.tied:
            bias = Parameter(bias.name, bias.role, ("V",), bias.gate)
        equation = READOUT._replace(expression=Sum((product, bias)) if self.readout_bias else product)
        extents = {"d_out": Extent(1, "d_out"), "d_o": self.output_extent, "d_in": Extent(1, "d_in")}
        return self._stage("readout", [equation], extents | ({"V": Extent(1, "V")} if self.tied else {}))

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """All parts in the order in which a sequence passes through them."""
        found: list[Stage | None] = [self.embedding]
        for index, directions in enumerate(self.stack):
            found += [*directions, *self.merges[index : index + 1]]
        return tuple(stage for stage in (*found, self.readout) if stage)

    @cached_property
    def equations(self) -> tuple[Equation, ...]:
        """Every equation of every part."""
        return tuple(equation for stage in self.stages for equation in stage.equations)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Each parameter once, in the order of the parts."""
        return tuple(self.owners)

    @cached_property
    def owners(self) -> dict[Parameter, Stage]:
        """Each parameter with the first part that uses it."""
        found: dict[Parameter, Stage] = {}
        for stage in self.stages:
            for parameter in stage.parameters:
                found.setdefault(parameter, stage)
        return found

    def shape(self, parameter: Parameter) -> tuple[int, ...]:
        """The parameter's shape in the column reading."""
        sizes = self.owners[parameter].sizes
        return tuple(sizes[axis] for axis in parameter.axes)
