"""Network + weights + sequence → Trace: every value of every step of every layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rnn_calc.core.display import Plotted
from rnn_calc.core.engine import Engine, Watch
from rnn_calc.core.equations import Expression, Quotient, axis_of
from rnn_calc.core.errors import NonFiniteError
from rnn_calc.core.evaluation import Values, evaluate
from rnn_calc.core.inputs import (
    GivenStates,
    Indices,
    Inputs,
    States,
    all_layers,
    check_inputs,
    initial_states,
)
from rnn_calc.core.layer_trace import LayerTrace, clear_after_ends, run_layer
from rnn_calc.core.memory import FLOAT64, require_memory
from rnn_calc.core.network import Network
from rnn_calc.core.weights import Array, Weights


@dataclass(frozen=True)
class Trace(Plotted):
    """Every value of a run of steps `first`, `first` + 1, …, in the order of time.

    `layers` holds each direction of each layer, in the order of a framework's h_n: layer by layer, forward before
    backward. `outputs` is what each layer gives to the next, its directions joined. `tokens` are the numbers of the
    embedding's rows that `x` holds.
    Shapes: `x` (T, d_in), `tokens` (T,), `y` (T, d_out) or None; with a batch (T, B, ·).
    """

    network: Network
    weights: Weights
    x: Array
    layers: tuple[LayerTrace, ...]
    outputs: tuple[Array, ...]
    y: Array | None
    tokens: Indices | None = None
    first: int = 1

    def __repr__(self) -> str:
        batch = f", a batch of {self.x.shape[1]:,}" if self.x.ndim > 2 else ""
        return f"<Trace: {self.network!r}, steps {self.first:,} to {self.first + self.steps - 1:,}{batch}>"

    @property
    def steps(self) -> int:
        """How many steps this trace holds."""
        return len(self.x)

    @property
    def h(self) -> Array:
        """What a framework's `output` holds: the top layer's state after each step, its directions joined."""
        return self.outputs[-1]

    @property
    def result(self) -> Array:
        """What a loss is of: the outputs y, or h where nothing reads it out."""
        return self.h if self.y is None else self.y

    @property
    def c(self) -> Array | None:
        """The top layer's cell state after each step, one direction after the other, where the cell has one."""
        return self.cell_states(self.network.layers - 1)

    def cell_states(self, index: int) -> Array | None:
        """The same of any layer, counted from 0."""
        parts = [part.c for part in self.directions(index) if part.c is not None]
        return None if not parts else parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

    @property
    def h0(self) -> Array:
        """The top layer's state before the first step that it read, one direction after the other."""
        return self._first("h")

    @property
    def c0(self) -> Array | None:
        """The same of the cell state, where the cell has one."""
        return self._first("c") if "c" in self.network.cell.state else None

    def _first(self, name: str) -> Array:
        parts = [part.initial[name] for part in self.top]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

    @property
    def top(self) -> tuple[LayerTrace, ...]:
        """The one or two directions of the top layer."""
        return self.directions(self.network.layers - 1)

    def directions(self, index: int) -> tuple[LayerTrace, ...]:
        """The one or two directions of a layer, counted from 0."""
        count = self.network.directions
        return self.layers[count * index : count * (index + 1)]

    @property
    def initial(self) -> States:
        """The states before the first step, of each layer and direction."""
        return tuple(part.initial for part in self.layers)

    @property
    def final(self) -> States:
        """The states after the last step, of each layer and direction: a framework's h_n and c_n.

        Where all directions are forward, they are the `initial` of the steps that follow.
        """
        return tuple(part.final for part in self.layers)

    @property
    def terms(self) -> tuple[tuple[Expression, Array], ...]:
        """The terms of the top layer; none where it has two directions, which have their own."""
        return self.top[0].terms if len(self.top) == 1 else ()

    def value(self, name: str) -> Array | None:
        """The values of x, h, c, y, or of a gate of a top layer with one direction, in every step; None without one."""
        own = {"x": self.x, "h": self.h, "c": self.c, "y": self.y}
        if name in own or len(self.top) > 1:
            return own.get(name)
        return self.top[0].values.now.get(name)


def trace(
    network: Network,
    weights: Weights,
    x: ArrayLike,
    initial: GivenStates | None = None,
    *,
    batch_first: bool = False,
    lengths: ArrayLike | None = None,
    watch: Watch = iter,
) -> Trace:
    """The network run over `x`: vectors, or tokens where it has an embedding.

    With `lengths`, the sequences of a batch end there: what follows is 0, a backward direction starts from each one's
    own end, and final states are those of its own last step.
    Shapes: x (T, d_in), (T, B, d_in), or (B, T, d_in) with `batch_first`; tokens the same without their last axis;
    lengths (B,); the result is time first always. For `initial` see `initial_states`.
    Raises: DataError for a wrong shape, token or length; TooLargeError before anything is allocated.
    """
    inputs = check_inputs(network, x, batch_first=batch_first, lengths=lengths)
    require_trace_memory(network, int(np.prod(inputs.batch_shape, dtype=np.int64)))
    return _run(_engines(network, weights), network, weights, inputs, initial, watch)


def trace_blocks(
    network: Network, weights: Weights, blocks: Iterable[ArrayLike], initial: GivenStates | None = None
) -> Iterator[Trace]:
    """The network run over a sequence that comes in blocks: a Trace a block, every layer's states carried over.

    A bidirectional network reads from both ends, so there its one Trace is that of all blocks together.
    Shapes: each block (T_i, d_in), or (T_i,) tokens.
    Raises: TooLargeError where a bidirectional network's sequence outgrows the memory.
    """
    engines, first = _engines(network, weights), 1
    state = initial_states(network, initial)
    for inputs in _inputs_to_run(network, blocks):
        part = _run(engines, network, weights, inputs, state, iter, first)
        yield part
        # Copies, so that a block can go when it has been used.
        state = tuple({name: value.copy() for name, value in own.items()} for own in part.final)
        first += part.steps


def _inputs_to_run(network: Network, blocks: Iterable[ArrayLike]) -> Iterator[Inputs]:
    """The blocks one by one, or where the network reads from both ends, all at once."""
    held: list[Inputs] = []
    first = 1
    for block in blocks:
        inputs = check_inputs(network, block, first=first)
        first += inputs.steps
        if not network.bidirectional:
            yield inputs
            continue
        require_trace_memory(network, first - 1)
        held.append(inputs)
    if held:
        x = [part.x for part in held if part.x is not None]
        tokens = [part.tokens for part in held if part.tokens is not None]
        yield Inputs(np.concatenate(x) if x else None, np.concatenate(tokens) if tokens else None)


def _engines(network: Network, weights: Weights) -> tuple[Engine, ...]:
    return tuple(Engine(layer, weights) for layer in all_layers(network))


def _run(
    engines: tuple[Engine, ...],
    network: Network,
    weights: Weights,
    inputs: Inputs,
    initial: GivenStates | None,
    watch: Watch,
    first: int = 1,
) -> Trace:
    x, lengths = inputs.x, inputs.lengths
    if network.embedding:
        assert inputs.tokens is not None
        tokens = Values({"token": inputs.tokens[..., None]}, {})  # type: ignore[dict-item]  # whole numbers
        x = evaluate(network.embedding.equations[0].expression, tokens, weights)
    assert x is not None
    states = initial_states(network, initial, inputs.batch)
    below, layers, outputs = x, list[LayerTrace](), list[Array]()
    for index, directions in enumerate(network.stack):
        for _ in directions:
            place = len(layers)
            layers.append(run_layer(engines[place], weights, below, states[place], lengths, watch))
        own = layers[-len(directions) :]
        below = own[0].h
        if network.merges:
            (joined,) = network.merges[index].equations
            both = {f"{part.layer.symbol()}": part.h for part in own}
            below = evaluate(joined.expression, Values(both, {}), weights)
        outputs.append(below)
    y = None
    if network.readout:
        y = evaluate(network.readout.equations[0].expression, Values({"h": below}, {}), weights)
        clear_after_ends(y, lengths)
    return Trace(network, weights, x, tuple(layers), tuple(outputs), y, inputs.tokens, first)


def trace_bytes(network: Network, steps: int) -> int:
    """About how much memory a trace of that many steps needs at most."""
    widths = sum(stage.sizes[axis_of(e.expression)] for stage in network.stages for e in stage.equations)
    # Values, the part that is computed beforehand, and the summands that are shown.
    return FLOAT64 * steps * (network.d_in + 3 * widths)


def require_trace_memory(network: Network, steps: int) -> None:
    """Nothing, when a trace of that many steps fits in memory; TooLargeError otherwise."""
    needed = trace_bytes(network, steps)
    streams = "`rnncalc trace --format csv` streams any length."
    held = "A bidirectional network reads from both ends and cannot be streamed; give it fewer steps."
    require_memory(needed, f"A trace of {steps:,} steps held in memory", held if network.bidirectional else streams)


def require_finite(part: Trace) -> None:
    """Nothing, when every value is a number.

    Raises: NonFiniteError, naming the first step and the unit where float64 overflowed, and in which layer.
    """
    found = []
    for level, symbol, values, source in _everything(part):
        finite = np.isfinite(values)
        if not finite.all():
            where = tuple(int(index[0]) for index in np.nonzero(~finite))
            # What a direction meets last, the opposite one of the layer above reads first: so there by layers.
            stage = 2 * level + (source is None) if part.network.bidirectional else 0
            found.append(((stage, where[0]), symbol, values, where, source))
    if not found:
        return
    _, symbol, values, where, source = min(found, key=lambda place: place[0])
    step = part.first + where[0]
    if source and source.layer.reverse:
        length = part.steps if source.lengths is None else int(source.lengths[where[1]])
        step = part.first + length - 1 - where[0]
    layer = f" of {source.layer.part}" if source and len(part.layers) > 1 else ""
    sequence = f" in sequence {where[1] + 1}" if len(where) > 2 else ""
    why = f"the state outgrew float64 at step {step}. Use a bounded activation (tanh), a smaller --spectral-radius, "
    why += "fewer steps,"
    if source and _is_nothing_by_nothing(source, symbol):
        why = "0/0, as float64 has no number so small as both gates. Use smaller weights, biases or inputs,"
    raise NonFiniteError(
        f"{symbol}_{step}[{where[-1] + 1}]{layer} is {values[where]:g}{sequence}: {why} or --allow-nonfinite to see it."
    )


def _is_nothing_by_nothing(run: LayerTrace, symbol: str) -> bool:
    """Whether the value is a quotient, whose operands, computed before it, were finite still."""
    made = next(e.expression for e in run.layer.equations if (e.vector.symbol or e.name) == symbol)
    return isinstance(made, Quotient)


def _everything(part: Trace) -> Iterator[tuple[int, str, Array, LayerTrace | None]]:
    """Every array of a trace, in the order in which it was computed: its layer, its symbol, itself, whose it is."""
    for run in part.layers:
        for equation in run.layer.equations:
            yield run.layer.index, equation.vector.symbol or equation.name, run.values.now[equation.name], run
    for level, (stage, joined) in enumerate(zip(part.network.merges, part.outputs, strict=False)):
        yield level, stage.equations[0].vector.symbol, joined, None
    if part.y is not None:
        yield part.network.layers, "y", part.y, None
