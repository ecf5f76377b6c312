"""The contribution of one weight at one occurrence to one output, path by path.

A weight occurs at every step. What its occurrence at step k does to an output is a product: how it moves the states of
step k, the Jacobian of each step that follows, and how the states of the last step move the output. Multiplied out,
that is a sum over paths, each from unit to unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import frexp
from typing import NamedTuple

import numpy as np

from rnn_calc.core.errors import DataError, TooLargeError
from rnn_calc.core.losses import Loss
from rnn_calc.core.memory import FLOAT64, require_memory
from rnn_calc.core.network import Network
from rnn_calc.core.path_search import Factors, Product, added
from rnn_calc.core.perturbed import Change, Numbers, PerturbedEquations, PerturbedWeights
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array

# Halfway through float64's exponents: slopes of 1e−150 keep their digits.
_STEP = 1e-150
# Multiply-adds that take some tens of seconds.
_MOST_WORK = 5e10


class Unit(NamedTuple):
    """A unit of a state: of which layer, counted from 0, which state, and its place in it, from 0."""

    layer: int
    state: str
    number: int


class Target(NamedTuple):
    """What is derived: a number of the output `y` or of the top layer's `h` at a step (counted from 1), or the loss."""

    kind: str
    number: int = 0
    step: int = 0


class UnitPath(NamedTuple):
    """A path from unit to unit, one a step, and its factors: into the first unit, between units, out of the last."""

    units: tuple[Unit, ...]
    first_step: int
    factors: tuple[float, ...]
    product: Product


@dataclass(frozen=True)
class PathReport:
    """What the occurrences of one weight contribute to a target, and that of step `step` path by path.

    `steps` are those that the paths go through, in the order in which the layer reads; `occurrences` holds for each
    step before the target its number and contribution. Of that of step `step`, `through` goes through
    states and `direct` past them, as a readout's weight does.
    `start` is how the weight moves the units of its own step, `jacobians` take the units of one step to the next,
    `ends` are how the units of a step move the target. `count` is the number of paths that are not 0, and `paths` are
    the largest. `reverse` says that the weight is of a layer that reads backward.
    Shapes: start (N,), jacobians (N, N) each, ends (N,) each.
    """

    name: str
    index: tuple[int, ...]
    step: int
    target: Target
    units: tuple[Unit, ...]
    occurrences: tuple[tuple[int, Product], ...]
    through: Product
    direct: float
    steps: tuple[int, ...]
    start: Array
    jacobians: tuple[Array, ...]
    ends: tuple[Array, ...]
    paths: tuple[UnitPath, ...]
    count: int
    reverse: bool = False

    @property
    def contribution(self) -> Product:
        """What the occurrence in step `step` contributes."""
        return self.through.plus(Product.of(self.direct))

    @property
    def total(self) -> Product:
        """The whole derivative: all occurrences added up."""
        return added(product for _, product in self.occurrences)

    @property
    def rest(self) -> Product:
        """All paths that are not listed, together."""
        if self.count == len(self.paths):
            return Product()
        return self.through.plus(added(path.product for path in self.paths).negative)


class _Chain:
    """The states of all layers that read in one direction, as one: how a step moves them, and they the target."""

    def __init__(self, run: Trace, loss: Loss, target: Target, *, reverse: bool) -> None:
        self._run = run
        self._target = target
        self.reverse = reverse
        self._parts = [part for part in run.layers if part.layer.reverse == reverse]
        self.units = tuple(
            Unit(part.layer.index, state, index)
            for part in self._parts
            for state, axis in part.layer.state.items()
            for index in range(part.layer.sizes[axis])
        )
        outputs = run.result
        self._slopes = loss.gradient(outputs) if target.kind == "loss" else np.zeros_like(outputs)
        if target.kind == "y" or (target.kind == "h" and run.y is None):
            self._slopes[target.step - 1, target.number] = 1

    def jacobian(self, t: int) -> Array:
        """∂units_t/∂units of the step read before. Shapes: (N, N)."""
        moved = self._moved(t, self._previous(t), self._unchanged(len(self.units)), np.eye(len(self.units)))
        return np.asarray(self._joined(moved).T)

    def start(self, t: int, change: Change) -> Array:
        """∂units_t/∂ the weight, at its occurrence in step `t` alone. Shapes: (N,)."""
        equations = self._equations([change])
        moved = self._moved(t, self._previous(t), equations, np.zeros((1, len(self.units))))
        return np.asarray(self._joined(moved)[0])

    def end(self, t: int) -> Array:
        """∂target/∂units_t, at that step. Shapes: (N,)."""
        target = self._target
        if target.kind == "h" and self._run.y is not None:
            top = self._run.network.layers - 1
            here = t == target.step - 1
            hit = Unit(top, "h", target.number) if here else None
            return np.array([float(unit == hit) for unit in self.units])
        if not self._slopes[t].any():
            return np.zeros(len(self.units))
        tangents = np.eye(len(self.units))
        slopes = self._output_slopes(t, self._unchanged(len(self.units)), tangents)
        return np.asarray(slopes @ self._slopes[t])

    def direct(self, t: int, change: Change) -> float:
        """∂target/∂ the weight at its occurrence in step `t`, past every state: 0 but for a readout's."""
        slopes = self._output_slopes(t, self._equations([change]), np.zeros((1, len(self.units))))
        return float((slopes @ self._slopes[t])[0])

    def _unchanged(self, count: int) -> PerturbedEquations:
        return self._equations([Change(0j)] * count)

    def _equations(self, changes: list[Change]) -> PerturbedEquations:
        return PerturbedEquations(PerturbedWeights(self._run.weights.arrays, changes))

    def _split(self, real: list[Mapping[str, Array]], tangents: Array) -> list[dict[str, Numbers]]:
        """The states of each layer, moved by `tangents` (P, N)."""
        found, place = list[dict[str, Numbers]](), 0
        for part, states in zip(self._parts, real, strict=True):
            own = {}
            for name in part.layer.state:
                width = len(states[name])
                own[name] = states[name] + 1j * _STEP * tangents[:, place : place + width]
                place += width
            found.append(own)
        return found

    def _joined(self, states: list[dict[str, Numbers]]) -> Array:
        parts = [own[name].imag for own, part in zip(states, self._parts, strict=True) for name in part.layer.state]
        return np.concatenate(parts, axis=1) / _STEP

    def _reading(self, t: int) -> int:
        return self._run.steps - 1 - t if self.reverse else t

    def _previous(self, t: int) -> list[Mapping[str, Array]]:
        r = self._reading(t)
        return [{name: array[r] for name, array in part.values.previous.items()} for part in self._parts]

    def _moved(
        self, t: int, previous: list[Mapping[str, Array]], equations: PerturbedEquations, tangents: Array
    ) -> list[dict[str, Numbers]]:
        with np.errstate(all="ignore"):
            x, found = equations.inputs(self._run, t), []
            for part, before in zip(self._parts, self._split(previous, tangents), strict=True):
                found.append(equations.step(part.layer, x, before))
                x = found[-1]["h"]
        return found

    def _output_slopes(self, t: int, equations: PerturbedEquations, tangents: Array) -> Array:
        """How the outputs of step `t` move. Shapes: (P, d)."""
        r = self._reading(t)
        now = [{name: part.values.now[name][r] for name in part.layer.state} for part in self._parts]
        h = self._split(list(now), tangents)[-1]["h"]
        network = self._run.network
        top = [h]
        if network.merges:
            other = next(part for part in self._run.top if part.layer.reverse != self.reverse)
            beside = np.repeat(other.h[t][None], len(h), axis=0)
            top = [beside, h] if self.reverse else [h, beside]
        with np.errstate(all="ignore"):
            return np.asarray(equations.outputs(network, top).imag / _STEP)


def follow_paths(
    run: Trace, loss: Loss, name: str, index: tuple[int, ...], step: int, target: Target, *, most: int = 10
) -> PathReport:
    """What one entry of a parameter (its canonical name), at its occurrence in `step`, contributes to the target.

    Raises: DataError where paths go both ways in time; TooLargeError where the Jacobians would take too long.
    """
    reverse = _direction(run.network, name)
    chain = _Chain(run, loss, target, reverse=reverse)
    _require_feasible(run, len(chain.units))
    change = Change(1j * _STEP, entry=(name, index))
    here, last = step - 1, run.steps - 1 if target.kind == "loss" else target.step - 1
    order = _between(run.steps, last, reverse=reverse, loss=target.kind == "loss")
    carried, exponent = np.zeros(len(chain.units)), 0
    occurrences: list[tuple[int, Product]] = []
    jacobians: list[Array] = []
    ends: list[Array] = []
    start, direct, passed = np.zeros(len(chain.units)), 0.0, Product()
    reached = False
    for place, t in enumerate(reversed(order)):
        end = chain.end(t)
        carried = carried + _lowered(end, exponent) if carried.any() else end
        exponent = exponent if carried is not end else 0
        moved, past = chain.start(t, change), chain.direct(t, change)
        through = Product.of(float(carried @ moved)).raised(exponent)
        occurrences.append((t + 1, through.plus(Product.of(past))))
        if not reached:
            ends.append(end)
        if t == here:
            reached, start, direct, passed = True, moved, past, through
        if place + 1 < len(order):
            jacobian = chain.jacobian(t)
            if not reached:
                jacobians.append(jacobian)
            carried, exponent = _rescaled(carried @ jacobian, exponent)
    if not reached:
        start, ends, jacobians = chain.start(here, change), [], []
    graph = Factors(start, jacobians[::-1], ends[::-1])
    steps = order[order.index(here) :] if reached else [here]
    units = chain.units
    found = [
        UnitPath(tuple(units[i] for i in nodes), step, factors, product)
        for nodes, factors, product in graph.largest(most)
    ]
    return PathReport(
        name,
        index,
        step,
        target,
        units,
        tuple(occurrences[::-1]),
        passed,
        direct,
        tuple(t + 1 for t in steps),
        start,
        tuple(jacobians[::-1]),
        tuple(ends[::-1]),
        tuple(found),
        graph.count(),
        reverse,
    )


def _between(steps: int, last: int, *, reverse: bool, loss: bool) -> list[int]:
    """The steps from which the target can be reached, in the order in which they are read."""
    if reverse:
        return list(range(steps - 1, -1 if loss else last - 1, -1))
    return list(range(last + 1))


def _direction(network: Network, name: str) -> bool:
    """Whether the weight belongs to a layer that reads backward."""
    if not network.bidirectional:
        return False
    if network.layers > 1:
        raise DataError(
            "In a stack of both directions, paths go forth and back in time from layer to layer. Paths are shown for "
            "one layer, or for layers of one direction."
        )
    if network.embedding and name == network.embedding.parameters[0].name:
        raise DataError(
            f"{name} feeds both directions, so its paths go both ways in time; take a weight of one of them."
        )
    owner = next(layer for layers in network.stack for layer in layers)
    backward = next(layer for layers in network.stack for layer in layers if layer.reverse)
    return name in {parameter.name for parameter in backward.parameters} - {p.name for p in owner.parameters}


def _require_feasible(run: Trace, units: int) -> None:
    weights = sum(array.size for array in run.weights.arrays.values())
    work = 2.0 * run.steps * units * weights
    if work > _MOST_WORK:
        longest = int(_MOST_WORK / (2.0 * units * weights))
        advice = f"at most {longest:,} steps" if longest > 1 else "a narrower network"
        raise TooLargeError(
            f"The Jacobians of {units:,} units over {run.steps:,} steps take {work:.0e} multiply-adds; give {advice}."
        )
    require_memory(FLOAT64 * run.steps * units**2, f"The Jacobians of {run.steps:,} steps", "Give it fewer steps.")


def _lowered(array: Array, exponent: int) -> Array:
    """The array divided by 2^exponent."""
    return np.asarray(np.ldexp(array, int(np.clip(-exponent, -2000, 2000))))


def _rescaled(array: Array, exponent: int) -> tuple[Array, int]:
    """The same number near 1, with the power of two taken out."""
    largest = float(np.abs(array).max(initial=0))
    if not largest or not np.isfinite(largest):
        return array, exponent
    power = frexp(largest)[1]
    return np.asarray(np.ldexp(array, -power)), exponent + power
