"""Trace + loss → the gradient by the length of its paths: what truncated backpropagation through time keeps and drops.

A path goes from a loss back to an occurrence of a parameter; its length is the number of times that it passes from a
state to the state before. Between layers and directions no time passes. All paths of one length, from the losses of
all steps, are carried back together, so that each lag costs one product with the matrices for all steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rnn_calc.core.elementwise import Place
from rnn_calc.core.engine import Engine, Watch
from rnn_calc.core.gradients import joined_gradient, layer_parts, readout_parts, unmerged
from rnn_calc.core.layer_trace import LayerTrace
from rnn_calc.core.linearization import Linearization
from rnn_calc.core.losses import Loss
from rnn_calc.core.occurrences import Gradient
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array

# Cotangents are rescaled when their largest entry leaves [2^−256, 2^256].
_NEAR = 256


@dataclass(frozen=True, eq=False)
class LagGradients:
    """What all paths of one length add to each gradient, under canonical names and in the column reading."""

    lag: int
    gradients: dict[str, Gradient]


def longest_path(trace: Trace) -> int:
    """The largest lag that a path can have: with both directions, it may go to and fro in each layer."""
    return (trace.steps - 1) * (trace.network.layers if trace.network.bidirectional else 1)


def lag_work(trace: Trace) -> float:
    """About how many multiply-adds all lags take."""
    weights = sum(trace.weights[p.name].size for p in trace.network.parameters if p.role != "embedding")
    return 2.0 * weights * trace.steps * (longest_path(trace) + 1) / (1 if trace.network.bidirectional else 2)


def lag_gradients(trace: Trace, loss: Loss, watch: Watch = iter) -> Iterator[LagGradients]:
    """The gradient of each lag 0, 1, …, until no path is left; all of them add up to the gradient.

    Truncated backpropagation that goes k steps back is the sum over lags 0 to k.
    """
    outputs = trace.h if trace.y is None else trace.y
    own = loss.gradient(outputs)
    ways = [_Way(run, trace) for run in trace.layers]
    exponent = 0
    for lag in watch(range(longest_path(trace) + 1)):
        totals = {p.name: np.zeros(trace.network.shape(p)) for p in trace.network.parameters}
        below: Array | None = None
        if lag == 0:
            for parameter, left, right in readout_parts(trace, own):
                totals[parameter.name] += left.sum(axis=0) if right is None else left.T @ right
            below = joined_gradient(trace, own)
        for index in reversed(range(trace.network.layers)):
            places = range(index * trace.network.directions, (index + 1) * trace.network.directions)
            below = _through(trace, index, [ways[place] for place in places], below, totals)
        if trace.tokens is not None and below is not None:
            np.add.at(totals["E"], trace.tokens, below)
        yield LagGradients(lag, {name: Gradient(total, exponent) for name, total in totals.items()})
        largest = max(way.largest for way in ways)
        if largest == 0:
            return
        unit = int(np.frexp(largest)[1])
        if abs(unit) > _NEAR:
            for way in ways:
                way.divide(unit)
            exponent += unit


def _through(
    trace: Trace, index: int, ways: list[_Way], joined: Array | None, totals: dict[str, Array]
) -> Array | None:
    """The derivative by what a layer reads, in the order of time, of the paths of this length; None where it is 0."""
    runs = trace.directions(index)
    locals_ = [None] * len(runs) if joined is None else list(unmerged(trace.network, runs, joined))
    below = None
    for way, run, local in zip(ways, runs, locals_, strict=True):
        inputs = way.step(local, totals)
        if inputs is not None:
            inputs = inputs[::-1] if run.layer.reverse else inputs
            below = inputs if below is None else below + inputs
    return below


class _Way:
    """The way back through one direction of one layer: what has come to the state after each step, lag by lag."""

    def __init__(self, run: LayerTrace, trace: Trace) -> None:
        self._run, self._engine = run, Engine(run.layer, trace.weights)
        self._derivative = Linearization(self._engine, run.values, whole=True)
        self._exponents = self._derivative.exponents
        self._steps = trace.steps
        self._waiting: dict[str, Array] = {}

    @property
    def largest(self) -> float:
        """The largest entry of what goes on to the next lag."""
        return max((float(np.abs(rows).max()) for rows in self._waiting.values()), default=0.0)

    def divide(self, exponent: int) -> None:
        """Divide all that goes on by 2^`exponent`."""
        self._waiting = {name: np.ldexp(rows, -exponent) for name, rows in self._waiting.items()}

    def step(self, local: Array | None, totals: dict[str, Array]) -> Array | None:
        """Take what waits, and what comes from outside, a step back; give what reaches the inputs (T, d_in)."""
        arrived = self._waiting
        if local is not None:
            arrived = {**arrived, "h": _sum_of(arrived["h"], local) if "h" in arrived else local}
        arrived = _trimmed(arrived)
        self._waiting = {}
        if not arrived:
            return None
        count = len(next(iter(arrived.values())))
        nodes = np.empty((count, self._derivative.layout.width))
        elementwise: dict[Place, Array] = {}
        before = self._derivative.pull(slice(0, count), arrived, nodes=nodes, elementwise=elementwise)
        columns = self._derivative.layout.columns
        for parameter, left, right in layer_parts(self._engine, self._run, columns, nodes, elementwise):
            totals[parameter.name] += left.sum(axis=0) if right is None else left.T @ right
        inputs = before.pop("x", None)
        units = self._exponents[:count, None]
        for name, rows in before.items():
            whole = np.ldexp(rows, units) if units.any() else rows
            if count > 1:
                self._waiting[name] = whole[1:]
        if inputs is None or count == self._steps:
            return inputs
        return np.concatenate((inputs, np.zeros((self._steps - count, inputs.shape[1]))))


def _sum_of(some: Array, more: Array) -> Array:
    """The sum of rows of the first steps, as many as either has."""
    longer, shorter = (some, more) if len(some) >= len(more) else (more, some)
    total = longer.copy()
    total[: len(shorter)] += shorter
    return total


def _trimmed(arrived: dict[str, Array]) -> dict[str, Array]:
    """The rows without the last steps that nothing came to, all of one length; nothing where all is 0."""
    ends = [int(np.flatnonzero(rows.any(axis=1))[-1]) + 1 if rows.any() else 0 for rows in arrived.values()]
    longest = max(ends, default=0)
    if not longest:
        return {}
    return {name: _sum_of(rows[:longest], np.zeros((longest, rows.shape[1]))) for name, rows in arrived.items()}
