"""Trace + loss → the gradient by the length of its paths: what truncated backpropagation through time keeps and drops.

A path goes from a loss back to an occurrence of a parameter; its length is the number of times that it passes from a
state to the state before. Between layers and directions no time passes. All paths of one length, from the losses of
all steps, are carried back together, so that each lag costs one product with the matrices for all steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np

from rnn_calc.core.backward import NOTHING, Exponents, Scaled
from rnn_calc.core.display import Displayed
from rnn_calc.core.elementwise import Place
from rnn_calc.core.engine import Engine, Watch
from rnn_calc.core.errors import DataError
from rnn_calc.core.gradients import joined_gradient, readout_parts, unmerged
from rnn_calc.core.lag_vectors import Groups, LagVector, Places
from rnn_calc.core.layer_trace import LayerTrace
from rnn_calc.core.linearization import Linearization
from rnn_calc.core.losses import Loss
from rnn_calc.core.occurrences import Gradient, Occurrences
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array

# Cotangents are rescaled when the largest entry of a step leaves [2^−256, 2^256].
_NEAR = 256


@dataclass(frozen=True, eq=False)
class LagGradients(Displayed):
    """What all paths of one length add to each gradient, under canonical names and in the column reading."""

    lag: int
    gradients: dict[str, Gradient]

    def __repr__(self) -> str:
        return f"<LagGradients: lag {self.lag:,}, of {', '.join(self.gradients)}>"


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
    Raises: DataError for a batch, or targets that do not fit.
    """
    for found in lag_vectors(trace, loss, watch):
        yield LagGradients(found.lag, {parameter.name: found[parameter.name] for parameter in trace.network.parameters})


def lag_vectors(trace: Trace, loss: Loss, watch: Watch = iter) -> Iterator[LagVector]:
    """The same with all parameters of a lag in one vector, which the next lag is written into."""
    if trace.x.ndim != 2:
        raise DataError("Backpropagation is done on one sequence, not on a batch.")
    outputs = trace.result
    own = loss.gradient(outputs)
    ways = [_Way(run, trace) for run in trace.layers]
    places = Places(trace.network, [way.groups for way in ways])
    exponents, memory = np.zeros(trace.steps, dtype=np.int64), np.empty(places.size)
    for lag in watch(range(longest_path(trace) + 1)):
        found = LagVector(lag, places, memory)
        below: Scaled | None = None
        # An embedding that is read out with as well has both.
        outside: dict[str, list[Occurrences]] = {}
        if lag == 0:
            for parameter, left, right in readout_parts(trace, own):
                outside.setdefault(parameter.name, []).append(Occurrences(left, right, exponents))
            below = Scaled(joined_gradient(trace, own), exponents)
        for index in reversed(range(trace.network.layers)):
            those = slice(index * trace.network.directions, (index + 1) * trace.network.directions)
            below = _through(trace, index, ways[those], below, found)
        if trace.tokens is not None and below is not None:
            outside.setdefault("E", []).append(Occurrences(below.rows, None, below.exponents, trace.tokens))
        for name, parts in outside.items():
            found.put(name, parts)
        yield found
        if not any(way.goes_on for way in ways):
            return


def _through(trace: Trace, index: int, ways: list[_Way], joined: Scaled | None, found: LagVector) -> Scaled | None:
    """The derivative by what a layer reads, in the order of time, of the paths of this length; None where it is 0."""
    runs = trace.directions(index)
    locals_: list[Scaled | None] = [None] * len(runs)
    if joined is not None:
        own = zip(unmerged(trace.network, runs, joined.rows), runs, strict=True)
        locals_ = [Scaled(rows, joined.exponents[:: -1 if run.layer.reverse else 1]) for rows, run in own]
    below = None
    for way, run, local in zip(ways, runs, locals_, strict=True):
        inputs = way.step(local, found)
        if inputs is not None:
            inputs = inputs[::-1] if run.layer.reverse else inputs
            below = inputs if below is None else below.plus(inputs)
    return below


class _Way:
    """The way back through one direction of one layer: what has come to the state after each step, lag by lag."""

    def __init__(self, run: LayerTrace, trace: Trace) -> None:
        self._derivative = Linearization(Engine(run.layer, trace.weights), run.values, whole=True)
        self._steps = trace.steps
        self.groups = Groups(self._derivative, run.values, trace.weights)
        self._waiting: dict[str, Scaled] = {}

    @property
    def goes_on(self) -> bool:
        """Whether anything is left for the next lag."""
        return any(bool(waiting.rows.any()) for waiting in self._waiting.values())

    def step(self, local: Scaled | None, found: LagVector) -> Scaled | None:
        """Take what waits, and what comes from outside, a step back; give what reaches the inputs (T, d_in)."""
        arrived = self._waiting
        if local is not None:
            arrived = {**arrived, "h": local.plus(_longer(arrived["h"], len(local.rows))) if "h" in arrived else local}
        cotangents, exponents = _together(arrived)
        self._waiting, count = {}, len(exponents)
        if not count:
            return None
        nodes = np.empty((count, self._derivative.layout.width))
        elementwise: dict[Place, Array] = {}
        before = self._derivative.pull(slice(0, count), cotangents, nodes=nodes, elementwise=elementwise)
        exponents = exponents + self._derivative.exponents[:count]
        self.groups.add(nodes, exponents, elementwise, found)
        inputs = before.pop("x", None)
        if count > 1:
            self._waiting = {name: Scaled(rows[1:], exponents[1:]) for name, rows in before.items()}
        return None if inputs is None else _longer(Scaled(inputs, exponents), self._steps)


def _longer(some: Scaled, steps: int) -> Scaled:
    """The same followed by zeros, so that there are so many steps."""
    more = steps - len(some.rows)
    if not more:
        return some
    rows = np.concatenate((some.rows, np.zeros((more, some.rows.shape[1]))))
    return Scaled(rows, np.concatenate((some.exponents, np.zeros(more, dtype=np.int64))))


def _together(arrived: dict[str, Scaled]) -> tuple[dict[str, Array], Exponents]:
    """Rows and one power of two for each step, without the last steps that nothing came to."""
    steps = max((len(own.rows) for own in arrived.values()), default=0)
    found = {name: _longer(own, steps) for name, own in arrived.items()}
    tops = _largest((own.tops for own in found.values()), steps)
    there = tops > NOTHING
    count = int(np.flatnonzero(there)[-1]) + 1 if there.any() else 0
    exponents = _largest((own.exponents for own in found.values()), steps)
    if (there & (np.abs(tops - exponents) > _NEAR)).any():
        # One power of two for all steps that are not too far apart: what is alike need not be brought together.
        common = tops.max()
        exponents = np.where(there & (np.abs(tops - common) > _NEAR), tops, common)
    return {name: own[:count].relative_to(exponents[:count]) for name, own in found.items()}, exponents[:count]


def _largest(exponents: Iterable[Exponents], steps: int) -> Exponents:
    return reduce(np.maximum, exponents, np.full(steps, NOTHING))
