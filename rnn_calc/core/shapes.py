"""Network → ShapeReport: every tensor's shape, and the check that every product and sum fits. Integers alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.equations import (
    Apply,
    Expression,
    Hadamard,
    Lookup,
    Merge,
    Parameter,
    Product,
    Quotient,
    Vector,
    axis_of,
    operands,
    walk,
)
from rnn_calc.core.errors import DataError, SizeError
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation, Stored
from rnn_calc.core.packing import Packing
from rnn_calc.core.roles import describe_stored
from rnn_calc.core.sequences import Span, sequence_tensors
from rnn_calc.core.stages import Layer, Stage
from rnn_calc.core.tensors import Mode, Tensor
from rnn_calc.core.unrolling import Chain, UnrolledStep, chains_of, unroll_network

# What the input and the output of one step are, in each mode.
_STEP_ROLES: dict[Mode, tuple[str, str]] = {
    "many-to-many": ("input at step t", "output at step t"),
    "many-to-one": ("input at step t", "output after the last step, t = T"),
    "one-to-many": ("input at t = 1; later steps have none", "output at step t"),
    "seq2seq": ("input of the encoder at step t", "output of the decoder at step t"),
}
_BOTH_ENDS = "output, read from the last state of each direction: t = T forward, t = 1 backward"


class DimensionCheck(NamedTuple):
    """One node of the equations, with the shapes that go in and the one that comes out; `sign` joins the operands."""

    expression: str
    sign: str
    operands: tuple[tuple[int, ...], ...]
    result: tuple[int, ...]


class PartShapes(NamedTuple):
    """One part of the network: its printed equations, tensors and dimension checks.

    `layer` counts from 1; it is None for an embedding and a readout. `direction` is that of a layer with one.
    """

    name: str
    layer: int | None
    direction: str | None
    equations: tuple[str, ...]
    vectors: tuple[Tensor, ...]
    parameters: tuple[Tensor, ...]
    checks: tuple[DimensionCheck, ...]


@dataclass(frozen=True, eq=False)
class ShapeReport:
    """Every tensor of a network as a convention writes it, part by part.

    `sequence`: the tensors of whole sequences (empty unless asked for), `packing`: their lengths where those differ;
    `chains` and `unrolled`: the states and the steps that are drawn.
    """

    notation: Notation
    mode: Mode
    parts: tuple[PartShapes, ...]
    sequence: tuple[Tensor, ...]
    packing: Packing | None
    chains: tuple[Chain, ...]
    unrolled: tuple[UnrolledStep, ...]

    def __repr__(self) -> str:
        return f"<ShapeReport: {self.network!r}, convention {self.convention.name}, {len(self.rows):,} tensors>"

    def _repr_html_(self) -> str | None:
        from rnn_calc.core.display import html_of

        return html_of(self)

    @property
    def network(self) -> Network:
        """The network that it is about."""
        return self.notation.network

    @property
    def convention(self) -> Convention:
        """The convention that it is written in."""
        return self.notation.convention

    @cached_property
    def vectors(self) -> tuple[Tensor, ...]:
        """The vectors of one step, in the order in which they are computed."""
        return tuple(tensor for part in self.parts for tensor in part.vectors)

    @cached_property
    def parameters(self) -> tuple[Tensor, ...]:
        """The stored arrays, in the order of the parts."""
        return tuple(tensor for part in self.parts for tensor in part.parameters)

    @property
    def checks(self) -> tuple[DimensionCheck, ...]:
        """The dimension check, in the order of evaluation."""
        return tuple(check for part in self.parts for check in part.checks)

    @property
    def equations(self) -> tuple[str, ...]:
        """The formulas, one a line."""
        return tuple(equation for part in self.parts for equation in part.equations)

    @property
    def rows(self) -> tuple[Tensor, ...]:
        """All tensors, as the JSON lists them."""
        return self.vectors + self.parameters + self.sequence

    @cached_property
    def alike(self) -> tuple[tuple[int, ...], ...]:
        """The numbers of the layers, those together that follow each other and are alike in every shape."""
        found: dict[int, list[tuple[str, tuple[int, ...], tuple[str, ...]]]] = {}
        for part in self.parts:
            if part.layer:
                rows = ((row.kind, row.shape, row.axes) for row in (*part.vectors, *part.parameters))
                found.setdefault(part.layer, []).extend(rows)
        return tuple(tuple(run) for _, run in groupby(found, key=found.__getitem__))

    def tensor(self, symbol: str) -> Tensor | None:
        """The tensor of that symbol, if there is one."""
        return next((row for row in self.rows if row.symbol == symbol), None)


def shapes(
    network: Network,
    convention: Convention | str = CONVENTIONS["xh"],
    *,
    steps: int | None = None,
    batch: int | None = None,
    lengths: Sequence[int] | None = None,
    mode: Mode = "many-to-many",
    decoder_steps: int | None = None,
    batch_first: bool | None = None,
    unroll: int = 0,
) -> ShapeReport:
    """The shape of every tensor of `network`, written as `convention`, or the one of that name, writes it.

    Shapes: with `steps` T and `batch` B also the tensors of whole sequences, (B, T, d) or (T, B, d); with `lengths`
    those of sequences of different lengths, packed or padded.
    Raises: DataError for a name of a convention that there is not, for a network that the convention cannot write,
    and for a mode that the network cannot have; SizeError for lengths that `steps` or `batch` contradict.
    """
    notation = Notation(network, convention)
    _check_mode(network, mode)
    packing = None
    if lengths is not None:
        packing = Packing(lengths)
        packing.agree(steps, batch, error=SizeError)
        steps, batch = packing.steps, packing.batch
    sequence: tuple[Tensor, ...] = ()
    if steps is not None or batch is not None:
        if batch_first is None:
            batch_first = notation.convention.batch_first
        span = Span(steps, batch, batch_first, mode, decoder_steps or steps or 1, packing)
        sequence = sequence_tensors(notation, span)
    chains = chains_of(notation, unroll) if unroll else ()
    return ShapeReport(
        notation,
        mode,
        tuple(_parts(notation, mode)),
        sequence,
        packing,
        chains,
        tuple(unroll_network(network, chains, mode, unroll, decoder_steps or unroll)) if unroll else (),
    )


def _check_mode(network: Network, mode: Mode) -> None:
    if mode == "one-to-many" and network.bidirectional:
        raise DataError(
            "one-to-many writes step by step, each from what came before; a backward direction begins at a last step "
            "that is not there yet. Take one direction, or another mode."
        )


def _parts(notation: Notation, mode: Mode) -> Iterator[PartShapes]:
    """The parts in order; what joins two directions is a part, with what both have in one array."""
    network = notation.network
    numbers = {id(stage): number for number, stage in enumerate(network.merges, 1)}
    numbers |= {id(layer): layer.index + 1 for directions in network.stack for layer in directions}
    arrays: dict[str, list[Stored]] = {}
    for stored in notation.stored:
        arrays.setdefault(stored.part, []).append(stored)
    for stage in network.stages:
        layer = numbers.get(id(stage))
        told = layer if network.layers > 1 else None
        direction = None
        if isinstance(stage, Layer) and network.bidirectional:
            direction = "backward" if stage.reverse else "forward"
        yield PartShapes(
            stage.part,
            layer,
            direction,
            tuple(f"{notation.vector(e)} = {notation.write(e.expression)}" for e in stage.equations),
            tuple(row._replace(layer=told, direction=direction) for row in _vectors(notation, stage, mode)),
            tuple(_array(notation, s)._replace(layer=told, direction=direction) for s in arrays.get(stage.part, ())),
            tuple(_checks(notation, stage)),
        )


def _array(notation: Notation, stored: Stored) -> Tensor:
    """A stored array as a row of the report."""
    axes = tuple(map(notation.extent, stored.extents))
    role, count = describe_stored(notation, stored), notation.count(stored)
    return Tensor(stored.symbol, "parameter", notation.shape(stored), axes, role, count)


def _vectors(notation: Notation, stage: Stage, mode: Mode) -> Iterator[Tensor]:
    """The vectors of one step of a part: what enters it and is no other part's value, then its own values."""
    network = notation.network

    def tensor(vector: Vector, kind: str, role: str) -> Tensor:
        shape = notation.column((stage.sizes[vector.axis],))
        return Tensor(
            notation.vector(vector), kind, shape, (notation.extent(stage.extents[vector.axis]), "1")[: len(shape)], role
        )

    x_role, y_role = _STEP_ROLES[mode]
    if mode == "many-to-one" and network.bidirectional:
        y_role = _BOTH_ENDS
    if stage is network.embedding:
        role = f"{x_role}: a whole number from 0 to {notation.size('V')} − 1"
        yield Tensor(notation.vector(Vector("token", "1")), "input", (), (), role)
    reverse = isinstance(stage, Layer) and stage.reverse
    if isinstance(stage, Layer):
        if not (stage.index or reverse or network.embedding):
            yield tensor(Vector("x", "d_in"), "input", x_role)
        for name, axis in stage.state.items():
            symbol = next(equation.symbol for equation in stage.equations if equation.name == name)
            role = f"{'cell ' if name == 'c' else ''}state from the step {'after' if reverse else 'before'}"
            yield tensor(Vector(name, axis, previous=True, symbol=symbol), "state", role)
    for equation in stage.equations:
        role = y_role if equation.kind == "output" else equation.role
        if reverse:
            role = role.replace("up to step t", "from the end back to step t")
        yield tensor(equation.vector, equation.kind, role)


_SIGNS: dict[type[Expression], str] = {Product: " · ", Hadamard: " ⊙ ", Quotient: " / ", Lookup: " at "}
_MERGE_SIGNS = {"concat": " ; ", "product": " ⊙ "}


def _checks(notation: Notation, stage: Stage) -> Iterator[DimensionCheck]:
    """Every product, sum and function with the shapes of its operands and of its result."""
    convention = notation.convention

    def shape(expression: Expression, turned: bool = False) -> tuple[int, ...]:
        if isinstance(expression, Parameter) and expression.is_matrix:
            own = tuple(stage.sizes[axis] for axis in expression.axes)
            return own[::-1] if turned or notation.transposes(expression) else own
        if isinstance(expression, Vector) and expression.axis == "1":
            return ()
        return notation.column((stage.sizes[axis_of(expression)],))

    for equation in stage.equations:
        for node in walk(equation.expression):
            parts = operands(node)
            if not parts or node == Apply("identity", parts[0]):
                continue
            is_product = isinstance(node, Product)
            shapes_of = tuple(shape(part, turned=is_product and convention.row_vectors) for part in parts)
            if is_product and convention.row_vectors:
                shapes_of = shapes_of[::-1]
            sign = _MERGE_SIGNS.get(node.how, " + ") if isinstance(node, Merge) else _SIGNS.get(type(node), " + ")
            yield DimensionCheck(notation.write(node), sign, shapes_of, shape(node))
