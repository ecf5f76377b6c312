"""Network → ShapeReport: every tensor's shape, and the check that every product and sum fits. Integers alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Literal, NamedTuple, get_args

from rnn_calc.core.conventions import CONVENTIONS, Convention, as_convention, shape_of
from rnn_calc.core.equations import (
    Apply,
    Expression,
    Parameter,
    Product,
    Vector,
    axis_of,
    operands,
    walk,
)
from rnn_calc.core.network import Network

Mode = Literal["many-to-many", "many-to-one", "one-to-many", "seq2seq"]
MODES: tuple[Mode, ...] = get_args(Mode)

PARAMETER_ROLES = {
    "input": "takes the input into the hidden space",
    "recurrent": "takes the previous hidden state into the next",
    "bias": "shifts every hidden unit",
    "recurrent_bias": "shifts every hidden unit once more: PyTorch keeps two biases",
    "readout": "takes the hidden state to the output",
    "readout_bias": "shifts every output",
}


# What the input and the output of one step are, in each mode.
_STEP_ROLES: dict[Mode, tuple[str, str]] = {
    "many-to-many": ("input at step t", "output at step t"),
    "many-to-one": ("input at step t", "output after the last step, t = T"),
    "one-to-many": ("input at t = 1; later steps have none", "output at step t"),
    "seq2seq": ("input of the encoder at step t", "output of the decoder at step t"),
}


@dataclass(frozen=True)
class Tensor:
    """One tensor: its symbol, its axes by name and in numbers; `count` for parameters only."""

    symbol: str
    kind: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    role: str
    count: int | None = None


class DimensionCheck(NamedTuple):
    """One product, sum or function of the equations, with the shapes that go in and the one that comes out."""

    expression: str
    operation: Literal["product", "sum", "entrywise"]
    operands: tuple[tuple[int, ...], ...]
    result: tuple[int, ...]


class UnrolledStep(NamedTuple):
    """One step of the unrolled network: what enters it (an input or the previous output), its state, what leaves it."""

    t: int
    x: str | None
    state: str
    y: str | None


@dataclass(frozen=True)
class ShapeReport:
    """Every tensor of a network under a convention.

    `vectors` of one step, `parameters`, `sequence`: the tensors of whole sequences (empty unless asked for),
    `checks`: the dimension check in the order of evaluation, `equations`: the formulas, one a line.
    """

    network: Network
    convention: Convention
    mode: Mode
    vectors: tuple[Tensor, ...]
    parameters: tuple[Tensor, ...]
    sequence: tuple[Tensor, ...]
    checks: tuple[DimensionCheck, ...]
    equations: tuple[str, ...]
    unrolled: tuple[UnrolledStep, ...] = ()

    @property
    def rows(self) -> tuple[Tensor, ...]:
        """All tensors, as the JSON lists them."""
        return self.vectors + self.parameters + self.sequence

    def tensor(self, symbol: str) -> Tensor | None:
        """The tensor of that symbol, if there is one."""
        return next((row for row in self.rows if row.symbol == symbol), None)


def shapes(
    network: Network,
    convention: Convention | str = CONVENTIONS["xh"],
    *,
    steps: int | None = None,
    batch: int | None = None,
    mode: Mode = "many-to-many",
    decoder_steps: int | None = None,
    batch_first: bool | None = None,
    unroll: int = 0,
) -> ShapeReport:
    """The shape of every tensor of `network`, written as `convention`, or the one of that name, writes it.

    Shapes: with `steps` T and `batch` B also the tensors of whole sequences, (B, T, d) or (T, B, d).
    Raises: DataError for a name of a convention that there is not.
    """
    convention = as_convention(convention)
    sizes = dict(network.sizes)

    def tensor(symbol: str, kind: str, axes: tuple[str, ...], role: str) -> Tensor:
        return Tensor(symbol, kind, shape_of(axes, sizes), tuple(map(convention.size, axes)), role)

    def vector(vector: Vector, kind: str, role: str) -> Tensor:
        return tensor(convention.vector(vector), kind, convention.column((vector.axis,)), role)

    x_role, y_role = _STEP_ROLES[mode]
    vectors = [vector(Vector("x", "d_in"), "input", x_role)]
    vectors += [
        vector(Vector(name, "d_h", previous=True), "state", "state from the step before") for name in network.cell.state
    ]
    vectors += [
        vector(equation.vector, equation.kind, y_role if equation.kind == "output" else equation.role)
        for equation in network.equations
    ]

    parameter_rows = []
    for parameter in network.parameters:
        row = tensor(
            convention.symbol(parameter),
            "parameter",
            convention.stored_axes(parameter),
            PARAMETER_ROLES[parameter.role],
        )
        parameter_rows.append(replace(row, count=prod(row.shape)))

    if batch_first is None:
        batch_first = convention.batch_first
    sequence: list[Tensor] = []
    if steps is not None or batch is not None:
        sizes |= {"T": steps or 1, "B": batch or 1, "T_out": decoder_steps or steps or 1}
        sequence = [
            tensor(symbol, kind, axes, role)
            for symbol, kind, axes, role in _sequence_tensors(
                network,
                convention,
                mode=mode,
                steps=steps is not None,
                batch=batch is not None,
                batch_first=batch_first,
            )
        ]

    return ShapeReport(
        network,
        convention,
        mode,
        tuple(vectors),
        tuple(parameter_rows),
        tuple(sequence),
        tuple(_checks(network, convention)),
        tuple(
            f"{convention.vector(equation.vector)} = {convention.write(equation.expression)}"
            for equation in network.equations
        ),
        tuple(_unroll(network, mode, unroll, decoder_steps or unroll)),
    )


def _checks(network: Network, convention: Convention) -> list[DimensionCheck]:
    """Every product, sum and function with the shapes of its operands and of its result."""

    def shape(expression: Expression) -> tuple[int, ...]:
        if isinstance(expression, Parameter):
            return shape_of(convention.stored_axes(expression), network.sizes)
        return shape_of(convention.column((axis_of(expression),)), network.sizes)

    checks = []
    for equation in network.equations:
        for node in walk(equation.expression):
            parts = operands(node)
            if not parts or node == Apply("identity", parts[0]):
                continue
            if isinstance(node, Product) and convention.row_vectors:
                parts = parts[::-1]
            operation: Literal["product", "sum", "entrywise"] = (
                "product" if isinstance(node, Product) else "entrywise" if isinstance(node, Apply) else "sum"
            )
            checks.append(DimensionCheck(convention.write(node), operation, tuple(map(shape, parts)), shape(node)))
    return checks


_ONE_TO_MANY_INPUT = "the one input, at t = 1; later steps take a zero vector or the previous output"


def _sequence_tensors(
    network: Network, convention: Convention, *, mode: Mode, steps: bool, batch: bool, batch_first: bool
) -> list[tuple[str, str, tuple[str, ...], str]]:
    """Symbol, kind, axes and role of the tensors of whole sequences."""
    name = convention.sequences

    def axes(width: str, time: str | None = "T") -> tuple[str, ...]:
        leading = (("B",) if batch else (), (time,) if steps and time else ())
        first, second = leading if batch_first else leading[::-1]
        return (*first, *second, width)

    def state(width: str = "d_h") -> tuple[str, ...]:
        return ("1", *axes(width, None)) if convention.stacked_state else axes(width, None)

    every_h = "every hidden state, h_1 … h_T" if steps else "the hidden state of each sequence"
    rows = [
        (name["x"], "input", axes("d_in"), "every input"),
        (name["h_0"], "state", state(), "initial state, zeros unless given"),
        (name["h"], "state", axes("d_h"), every_h),
        (name["h_T"], "state", state(), "the last hidden state"),
    ]
    outputs = (name["y"], "output", axes("d_out"), "an output at every step")
    if mode == "one-to-many":
        rows[0] = (name["x"], "input", axes("d_in", "1"), _ONE_TO_MANY_INPUT)
    if mode == "many-to-one":
        outputs = (name["y"], "output", axes("d_out", None), "one output, read from the last hidden state")
    if mode == "seq2seq":
        rows[3] = (*rows[3][:3], "the last encoder state: the context the decoder starts from")
        rows.append(("s", "state", axes("d_h", "T_out"), "every decoder state; the decoder is a second network"))
        outputs = (name["y"], "output", axes("d_out", "T_out"), "an output at every decoder step")
    return [*rows, outputs] if network.d_out else rows


def _unroll(network: Network, mode: Mode, steps: int, decoder_steps: int) -> list[UnrolledStep]:
    """What the first `steps` steps take in and give out under `mode`; a decoder follows in seq2seq."""
    if steps == 0:
        return []
    reads_out = network.d_out > 0
    unrolled = []
    for t in range(1, steps + 1):
        has_x = mode != "one-to-many" or t == 1
        has_y = reads_out and (mode in ("many-to-many", "one-to-many") or (mode == "many-to-one" and t == steps))
        unrolled.append(UnrolledStep(t, f"x_{t}" if has_x else None, f"h_{t}", f"y_{t}" if has_y else None))
    if mode == "seq2seq":
        for t in range(1, decoder_steps + 1):
            fed = f"y_{t - 1}" if reads_out and t > 1 else None
            unrolled.append(UnrolledStep(t, fed, f"s_{t}", f"y_{t}" if reads_out else None))
    return unrolled
