"""Trace + loss → Gradients: backpropagation through time, with what every step adds to every gradient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np

from rnn_calc.core.backward import Backward, Scaled, shift
from rnn_calc.core.display import Plotted
from rnn_calc.core.elementwise import Place, products_of
from rnn_calc.core.engine import Engine
from rnn_calc.core.equations import Expression, Parameter, Product, Sum, Vector, axis_of
from rnn_calc.core.errors import DataError, NonFiniteError
from rnn_calc.core.evaluation import evaluate
from rnn_calc.core.layer_trace import LayerTrace
from rnn_calc.core.losses import Loss
from rnn_calc.core.memory import FLOAT64, require_memory
from rnn_calc.core.network import Network
from rnn_calc.core.node_layout import Layout
from rnn_calc.core.occurrences import Gradient, Occurrences, added_up
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array


@dataclass(frozen=True, eq=False)
class LayerGradients:
    """The derivatives of the loss within one direction of one layer, in the order in which it read.

    `states` holds ∂L/∂h_t, and ∂L/∂c_t where there is a cell state; `local` is the part of ∂L/∂h_t that does not come
    through later steps of the layer. `nodes` are the derivatives by the pre-activations, in the columns of `layout`;
    `direct` is what reaches an input without a matrix, if anything does.
    Shapes: states and local (T, n), nodes (T, layout.width), direct (T, d_in of the layer).
    """

    run: LayerTrace
    states: dict[str, Scaled]
    local: Scaled
    engine: Engine
    layout: Layout
    nodes: Scaled
    direct: Array | None

    def __repr__(self) -> str:
        return f"<LayerGradients: {self.run.layer.part}, {len(self.local.rows):,} steps>"

    @cached_property
    def inputs(self) -> Scaled:
        """∂L/∂x_t of what the layer reads, in the order in which it reads. Shapes: (T, d_in of the layer)."""
        rows = np.zeros((len(self.nodes.rows), self.run.layer.sizes["d_in"])) if self.direct is None else self.direct
        for vector in self.layout.inputs:
            for stack in self.layout.stacks[vector]:
                rows = rows + self.nodes.rows[:, stack.columns] @ self.engine.stacked(stack.matrices)
        return Scaled(rows, self.nodes.exponents)


@dataclass(frozen=True, eq=False)
class Gradients(Plotted):
    """The derivatives of a loss by every value and parameter of a run.

    `losses` are the L_t that the loss is the sum of; `outputs_gradient` is ∂L_t/∂y_t, or by h_t without a readout;
    `layers` are in the order of `trace.layers`.
    Shapes: losses (T,), outputs_gradient (T, d).
    """

    trace: Trace
    loss_function: Loss
    losses: Array
    outputs_gradient: Array
    layers: tuple[LayerGradients, ...]
    occurrences: dict[str, tuple[Occurrences, ...]]

    def __repr__(self) -> str:
        return f"<Gradients: L ({self.loss_function.kind}) = {self.loss:.6g}, {self.trace.network!r}>"

    @property
    def loss(self) -> float:
        """L, the sum over all steps."""
        return float(self.losses.sum())

    @property
    def x(self) -> Array:
        """∂L/∂x_t of every input of the network. Shapes: (T, d_in)."""
        return _in_time_total(self.layers[: self.trace.network.directions]).plain

    @cached_property
    def gradients(self) -> dict[str, Gradient]:
        """The gradient of each parameter, under its canonical name and in the column reading."""
        network = self.trace.network
        return {p.name: added_up(self.occurrences[p.name], network.shape(p)) for p in network.parameters}

    @cached_property
    def parameters(self) -> dict[str, Array]:
        """The same in float64.

        Raises: NonFiniteError where a gradient is beyond it.
        """
        found = {name: gradient.array for name, gradient in self.gradients.items()}
        for name, array in found.items():
            if not np.isfinite(array).all():
                raise NonFiniteError(
                    f"The gradient of {name} leaves float64: its norm is 10^{self.gradients[name].log10_norm:.6g}. "
                    "Take fewer steps, or smaller weights (--spectral-radius)."
                )
        return found

    def step_gradient(self, name: str, t: int) -> Array:
        """What the occurrence of a parameter at step `t` (from 1, in the order of time) adds to its gradient."""
        step = [part[t - 1 : t] for part in self.occurrences[name]]
        return added_up(step, self.gradients[name].scaled.shape).array

    def step_log10_norms(self, name: str) -> Array:
        """log₁₀ of the Frobenius norm of what each step adds; −∞ for an exact zero. Shapes: (T,)."""
        return self._steps[name][0]

    def step_shares(self, name: str) -> Array:
        """⟨G_t, G⟩/‖G‖² of what each step adds to the gradient G: they add up to 1; NaN where G is 0. Shapes: (T,)."""
        return self._steps[name][1]

    @cached_property
    def _steps(self) -> dict[str, tuple[Array, Array]]:
        """Norms and shares of the steps of each parameter."""
        found = {}
        for name, gradient in self.gradients.items():
            parts = [part.near_one for part in self.occurrences[name]]
            found[name] = self._norms_of_steps(parts), self._shares_of_steps(parts, gradient)
        return found

    def _norms_of_steps(self, parts: Sequence[Occurrences]) -> Array:
        squares = np.zeros(self.trace.steps)
        exponents = np.max([part.exponents for part in parts], axis=0)
        for one in parts:
            for other in parts:
                units = shift(one.exponents + other.exponents - 2 * exponents)
                squares = squares + np.ldexp(one.inner(other), units)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log10(np.maximum(squares, 0)) / 2 + exponents * np.log10(2))

    def _shares_of_steps(self, parts: Sequence[Occurrences], gradient: Gradient) -> Array:
        # Near 1, as the occurrences are, so that no product leaves float64.
        unit = int(np.frexp(np.abs(gradient.scaled).max(initial=0.0))[1])
        whole = np.ldexp(gradient.scaled, -unit)
        square = float(np.vdot(whole, whole))
        along = np.zeros(self.trace.steps)
        for part in parts:
            along = along + np.ldexp(part.along(whole), shift(part.exponents - gradient.exponent - unit))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(along / square)


def backpropagate(trace: Trace, loss: Loss) -> Gradients:
    """Every derivative of `loss` over a trace of one sequence.

    Raises: DataError for a batch, or targets that do not fit; NonFiniteError where the loss has no finite derivative;
    TooLargeError before anything is allocated.
    """
    if trace.x.ndim != 2:
        raise DataError("Backpropagation is done on one sequence, not on a batch.")
    _require_memory(trace)
    outputs = trace.result
    losses, own = loss.steps(outputs), loss.gradient(outputs)
    if not (np.isfinite(losses).all() and np.isfinite(own).all()):
        raise NonFiniteError("The loss has no finite value or derivative at some step; scale weights or targets down.")
    network = trace.network
    occurrences: dict[str, list[Occurrences]] = {parameter.name: [] for parameter in network.parameters}
    exponents = np.zeros(len(own), dtype=np.int64)
    for parameter, left, right in readout_parts(trace, own):
        occurrences[parameter.name].append(Occurrences(left, right, exponents))
    below = Scaled(joined_gradient(trace, own), exponents)
    layers: list[LayerGradients] = []
    for index in reversed(range(network.layers)):
        runs = trace.directions(index)
        done = []
        for run, rows in zip(runs, unmerged(network, runs, below.rows), strict=True):
            local = Scaled(rows, below.exponents[::-1] if run.layer.reverse else below.exponents)
            done.append(_through_layer(run, local, trace, occurrences))
        layers = [*done, *layers]
        if index:
            below = _in_time_total(done)
    if network.embedding:
        assert trace.tokens is not None
        below = _in_time_total(layers[: network.directions])
        occurrences["E"].append(Occurrences(below.rows, None, below.exponents, trace.tokens))
    return Gradients(
        trace, loss, losses, own, tuple(layers), {name: tuple(parts) for name, parts in occurrences.items()}
    )


def _require_memory(trace: Trace) -> None:
    widths = sum(stage.sizes[axis_of(e.expression)] for stage in trace.network.stages for e in stage.equations)
    require_memory(
        FLOAT64 * trace.steps * 3 * (widths + trace.network.d_in),
        f"Backpropagation through {trace.steps:,} steps",
        "`rnncalc gradient-decay --from-loss` needs next to none; or take fewer steps.",
    )


def readout_parts(trace: Trace, own: Array) -> Iterator[tuple[Parameter, Array, Array | None]]:
    """The parameters of the readout with what their gradients are made of; `own` is ∂L_t/∂y_t (T, d_out)."""
    for equation in trace.network.readout.equations if trace.network.readout else ():
        expression = equation.expression
        for term in expression.terms if isinstance(expression, Sum) else (expression,):
            if isinstance(term, Product):
                yield term.matrix, own, trace.h
            elif isinstance(term, Parameter):
                yield term, own, None


def joined_gradient(trace: Trace, own: Array) -> Array:
    """∂L_t/∂h_t of the joined output that is read out, or `own`, where that is by this output itself."""
    if not trace.network.readout:
        return own
    (product,) = products_of(trace.network.readout.equations[0].expression)
    return own @ trace.weights[product.matrix.name]


def unmerged(network: Network, runs: tuple[LayerTrace, ...], joined: Array) -> Iterator[Array]:
    """The derivative by each direction's h, in the order in which that direction read, from that by both joined."""
    width = runs[0].values.now["h"].shape[-1]
    for place, run in enumerate(runs):
        rows = joined
        if len(runs) == 2:
            match network.merge:
                case "concat":
                    rows = joined[:, place * width : (place + 1) * width]
                case "average":
                    rows = joined / 2
                case "product":
                    rows = joined * runs[1 - place].h
        yield rows[::-1] if run.layer.reverse else rows


def _in_time_total(directions: list[LayerGradients] | tuple[LayerGradients, ...]) -> Scaled:
    """The derivative by what the directions of a layer read, in the order of time."""
    found = [own.inputs[::-1] if own.run.layer.reverse else own.inputs for own in directions]
    return reduce(Scaled.plus, found)


def _through_layer(
    run: LayerTrace, local: Scaled, trace: Trace, occurrences: dict[str, list[Occurrences]]
) -> LayerGradients:
    """The way back through one direction of one layer; what it adds to the parameters goes to `occurrences`."""
    engine, T = Engine(run.layer, trace.weights), len(local.rows)
    states = {name: np.empty((T, run.layer.sizes[axis])) for name, axis in run.layer.state.items()}
    exponents, node_exponents = np.zeros((2, T), dtype=np.int64)
    nodes = np.empty((T, 0))
    # By inputs and parameters that are multiplied unit by unit, without a matrix.
    elementwise: dict[Place, Array] = {}
    for block in Backward(engine, run.values, local.__getitem__, whole=True).blocks():
        steps = slice(block.start, block.stop)
        layout = block.derivative.layout
        if not nodes.size:
            nodes = np.empty((T, layout.width))
        nodes[steps], node_exponents[steps], exponents[steps] = block.nodes, block.node_exponents, block.exponent
        for name, own in block.states.items():
            states[name][steps] = own
        for place, rows in block.derivative.elementwise_rows(block.states, block.nodes).items():
            elementwise.setdefault(place, np.empty((T, rows.shape[1])))[steps] = rows
    found = Scaled(nodes, node_exponents)
    for parameter, left, right in layer_parts(engine, run, layout.columns, nodes, elementwise):
        added = Occurrences(left, right, node_exponents)
        occurrences[parameter.name].append(added[::-1] if run.layer.reverse else added)
    return LayerGradients(
        run,
        {name: Scaled(own, exponents) for name, own in states.items()},
        local,
        engine,
        layout,
        found,
        next((rows for place, rows in elementwise.items() if isinstance(place, Vector)), None),
    )


def layer_parts(
    engine: Engine,
    run: LayerTrace,
    columns: Mapping[Expression, slice],
    nodes: Array,
    elementwise: Mapping[Place, Array],
) -> Iterator[tuple[Parameter, Array, Array | None]]:
    """Each parameter of a layer with what its gradient is made of, step by step in the order of reading.

    `nodes` are the derivatives by the pre-activations, which stand in `columns`, of the first steps or of all.
    Shapes: nodes (k, width); each pair is left (k, m) and right (k, n), or left alone.
    """
    operands: dict[Expression, Array] = {}
    for node, own in columns.items():
        for term in node.terms if isinstance(node, Sum) else (node,):
            if isinstance(term, Product):
                if term.vector not in operands:
                    operands[term.vector] = evaluate(term.vector, run.values, engine.weights)[: len(nodes)]
                yield term.matrix, nodes[:, own], operands[term.vector]
            elif isinstance(term, Parameter):
                yield term, nodes[:, own], None
    for place, rows in elementwise.items():
        if isinstance(place, Parameter):
            yield place, rows, None
