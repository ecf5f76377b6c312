"""Network + weights + sequence → Trace: every value of every step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnn_calc.core.engine import Engine, Watch
from rnn_calc.core.equations import Expression, Sum
from rnn_calc.core.errors import DataError, NonFiniteError
from rnn_calc.core.evaluation import Values, evaluate
from rnn_calc.core.memory import FLOAT64, require_memory
from rnn_calc.core.network import Network
from rnn_calc.core.weights import Array, Weights


@dataclass(frozen=True)
class Trace:
    """Every value of a run of steps `first`, `first` + 1, …

    Shapes: `x` (T, d_in), `h` (T, d_h), `h0` (d_h,), `y` (T, d_out) or None; with a batch (T, B, ·) and (B, d_h).
    """

    network: Network
    weights: Weights
    values: Values
    initial: dict[str, Array]
    first: int = 1

    @property
    def steps(self) -> int:
        """How many steps this trace holds."""
        return len(self.x)

    @property
    def x(self) -> Array:
        """The inputs."""
        return self.values.now["x"]

    @property
    def h(self) -> Array:
        """The hidden state after each step."""
        return self.values.now["h"]

    @property
    def h0(self) -> Array:
        """The hidden state before the first step."""
        return self.initial["h"]

    @property
    def y(self) -> Array | None:
        """The output of each step, where the network has a readout."""
        return self.values.now.get("y")

    @property
    def final(self) -> dict[str, Array]:
        """The states after the last step: the `initial` of the steps that follow."""
        return {name: self.values.now[name][-1] for name in self.network.cell.state}

    @cached_property
    def terms(self) -> tuple[tuple[Expression, Array], ...]:
        """Each summand of each pre-activation, and each value that is neither state nor output, over all steps."""
        found: list[tuple[Expression, Array]] = []
        for equation in self.network.equations:
            if isinstance(equation.expression, Sum) and equation.kind == "gate":
                for term in equation.expression.terms:
                    value = evaluate(term, self.values, self.weights)
                    found.append((term, np.broadcast_to(value, (*self.x.shape[:-1], value.shape[-1]))))
            if equation.kind == "gate":
                found.append((equation.vector, self.values.now[equation.name]))
        return tuple(found)


def zero_state(network: Network, batch: tuple[int, ...] = ()) -> dict[str, Array]:
    """The state every sequence starts from unless told otherwise."""
    return {name: np.zeros((*batch, network.d_h)) for name in network.cell.state}


def trace(
    network: Network,
    weights: Weights,
    x: Array,
    initial: Mapping[str, Array] | None = None,
    *,
    batch_first: bool = False,
    watch: Watch = iter,
) -> Trace:
    """The network run over `x`.

    Shapes: x (T, d_in), or (T, B, d_in), or (B, T, d_in) with `batch_first`; the result is time first always.
    Raises: DataError for a wrong shape; TooLargeError before anything is allocated.
    """
    x = np.asarray(x, dtype=np.float64)
    if x.ndim not in (2, 3) or x.shape[-1] != network.d_in:
        raise DataError(f"x has shape {x.shape}; d_in = {network.d_in} needs (T, {network.d_in}) or a batch of it.")
    if batch_first and x.ndim == 3:
        x = x.transpose(1, 0, 2)
    if not x.size:
        raise DataError("The sequence is empty; it must have at least one step.")
    require_trace_memory(network, x.shape[0] * int(np.prod(x.shape[1:-1], dtype=np.int64)))
    start = zero_state(network, x.shape[1:-1])
    for name, state in (initial or {}).items():
        if name not in start:
            raise DataError(f"A {network.cell.name} has no state {name}; it has {', '.join(start)}.")
        if np.shape(state) != start[name].shape:
            raise DataError(f"{name}0 has shape {np.shape(state)}; it needs {start[name].shape}.")
        start[name] = np.asarray(state, dtype=np.float64)
    return Trace(network, weights, Engine(network, weights).run(x, start, watch), start)


def trace_blocks(
    network: Network, weights: Weights, blocks: Iterable[Array], initial: Mapping[str, Array]
) -> Iterator[Trace]:
    """The network run over a sequence that comes in blocks (T_i, d_in): a Trace a block, the state carried over."""
    engine = Engine(network, weights)
    state, first = dict(initial), 1
    for x in blocks:
        part = Trace(network, weights, engine.run(x, state), state, first)
        yield part
        state, first = {name: value.copy() for name, value in part.final.items()}, first + part.steps


def require_trace_memory(network: Network, steps: int) -> None:
    """Nothing, when a trace of that many steps fits in memory; TooLargeError otherwise."""
    widths = sum(network.sizes[equation.vector.axis] for equation in network.equations)
    # Values, the part that is computed beforehand, and the summands that are shown.
    needed = FLOAT64 * steps * (network.d_in + 3 * widths)
    require_memory(
        needed,
        f"A trace of {steps:,} steps held in memory",
        "`rnncalc trace --format csv` streams any length.",
    )


def require_finite(part: Trace) -> None:
    """Nothing, when every value is a number.

    Raises: NonFiniteError, naming the first step and the unit where float64 overflowed.
    """
    found = []
    for equation in part.network.equations:
        finite = np.isfinite(part.values.now[equation.name])
        if not finite.all():
            found.append((tuple(int(index[0]) for index in np.nonzero(~finite)), equation.name))
    if found:
        where, name = min(found, key=lambda place: place[0][0])
        step, unit, value = part.first + where[0], where[-1] + 1, part.values.now[name][where]
        raise NonFiniteError(
            f"{name}_{step}[{unit}] is {value:g}: the state outgrew float64 at step {step}. Use a bounded activation "
            f"(tanh), a smaller --spectral-radius, fewer steps, or --allow-nonfinite to see it."
        )
