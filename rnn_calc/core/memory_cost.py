"""Network → MemoryReport: what training keeps: weights, gradients, the optimizer's state, and activations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rnn_calc.core.closed_form import ClosedForm, Term, collect, term_of
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.cost import part_of
from rnn_calc.core.equations import (
    COMPLEMENT,
    Apply,
    Equation,
    Expression,
    Hadamard,
    Merge,
    Parameter,
    Product,
    Quotient,
    Vector,
    axis_of,
    operands,
)
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.operations import Needs, is_activation, key_of
from rnn_calc.core.run import Run, make_run
from rnn_calc.core.stages import Extent, Stage

# Bytes a number takes. No gradient fits in int8: it is for weights that are no longer trained.
DTYPES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
INFERENCE_ONLY = ("int8",)

# Copies of the weights that an optimizer keeps: none, the velocity, or both moments.
OPTIMIZERS = {"sgd": 0, "momentum": 1, "adam": 2}

# The input, where no embedding makes it.
_INPUT = "input"


class KeptRow(NamedTuple):
    """What one part of the network keeps of each step: the printed symbols of the vectors, and how many numbers."""

    part: str
    symbols: tuple[str, ...]
    form: ClosedForm
    per_step: int


class MemoryReport(NamedTuple):
    """Numbers kept in training: `weights` of them, as many gradients, the optimizer's copies, and activations.

    `window` is the number of steps that truncated BPTT keeps at a time, `truncated` what it keeps of them.
    """

    notation: Notation
    run: Run
    weights: int
    weights_form: ClosedForm
    rows: tuple[KeptRow, ...]
    window: int

    @property
    def per_step(self) -> int:
        """Activations kept of one step."""
        return sum(row.per_step for row in self.rows)

    @property
    def full(self) -> int:
        """Activations kept of all real steps."""
        return self.per_step * self.run.real_steps

    @property
    def truncated_steps(self) -> int:
        """Steps of all sequences of which truncated BPTT keeps activations at a time."""
        return self.run.kept_steps(self.window)

    @property
    def truncated(self) -> int:
        """Activations that truncated BPTT keeps at a time."""
        return self.per_step * self.truncated_steps

    @property
    def activations(self) -> int:
        """What this run keeps: truncated, if it is cut into pieces."""
        return self.truncated if self.run.truncate else self.full

    def training(self, optimizer: str) -> int:
        """Numbers kept in training with that optimizer."""
        return (2 + OPTIMIZERS[optimizer]) * self.weights + self.activations


def count_memory(
    network: Network, convention: Convention | str = CONVENTIONS["xh"], run: Run | None = None
) -> MemoryReport:
    """What training `network` over `run` (20 steps) keeps, in numbers; the truncated window is a quarter of the steps
    unless the run has one.

    Raises: DataError for a convention that there is not, or that cannot write the network.
    """
    run = run or make_run()
    notation = Notation(network, convention)
    weights = collect(term_of(network.owners[p].extents[axis] for axis in p.axes) for p in network.parameters)
    return MemoryReport(
        notation,
        run,
        weights.value(network.sizes),
        weights,
        tuple(_rows(notation)),
        run.truncate or max(1, run.steps // 4),
    )


def _rows(notation: Notation) -> Iterator[KeptRow]:
    network = notation.network
    kept = _Kept(network)
    parts = dict.fromkeys([_INPUT, *(part_of(network, stage) for stage in network.stages)])
    found: dict[str, list[tuple[str, Term]]] = {part: [] for part in parts}
    for vector, stage in kept.found.values():
        home = kept.homes.get(key_of(vector)) if isinstance(vector, Vector) else stage
        extent = stage.extents[axis_of(vector)] if home or axis_of(vector) != "d_in" else Extent(1, "d_in")
        found[part_of(network, home) if home else _INPUT].append((notation.write(vector), term_of([extent])))
    for part, values in found.items():
        if values:
            form = collect(term for _, term in values)
            yield KeptRow(part, tuple(symbol for symbol, _ in values), form, form.value(network.sizes))


class _Kept:
    """The vectors that the backward pass needs again, each once, by what tells them apart."""

    def __init__(self, network: Network) -> None:
        self.needs = Needs(network)
        self.homes = {key_of(equation): stage for stage in network.stages for equation in stage.equations}
        self._joined: dict[str, Merge] = {}
        for equation in network.equations:
            if isinstance(equation.expression, Merge) and equation.expression.how == "concat":
                self._joined[key_of(equation)] = equation.expression
        self.found: dict[str | Expression, tuple[Expression, Stage]] = {}
        for stage in network.stages:
            for equation in stage.equations:
                self._visit(stage, equation.expression, equation)

    def _visit(self, stage: Stage, node: Expression, equation: Equation | None = None) -> None:
        """Keep what handing a gradient through the node takes; `equation`, if its value has a name."""
        value: Expression = equation.vector if equation else node
        match node:
            case Product(_, vector):
                self._keep(stage, vector)
            case Hadamard(left, right) | Merge("product", left, right):
                for side, other in ((left, right), (right, left)):
                    if self.needs.any(other):
                        self._keep(stage, side)
            case Quotient(_, right):
                self._keep(stage, right)
                if self.needs.any(right):
                    self._keep(stage, value)
            case Apply() if is_activation(node):
                self._keep(stage, value)
        for operand in operands(node):
            self._visit(stage, operand)

    def _keep(self, stage: Stage, value: Expression) -> None:
        """Keep the value; for 1 − v that is v, for a joined state its halves, and a parameter is there anyway."""
        match value:
            case Parameter():
                pass
            case Vector() if key_of(value) in self._joined:
                for operand in operands(self._joined[key_of(value)]):
                    self._keep(self.homes[key_of(value)], operand)
            case Vector(name, axis, _, symbol):
                self.found.setdefault(key_of(value), (Vector(name, axis, symbol=symbol), stage))
            case Apply(function, argument) if function in ("identity", COMPLEMENT):
                self._keep(stage, argument)
            case _:
                self.found.setdefault(value, (value, stage))
