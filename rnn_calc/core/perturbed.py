"""A network's equations followed step by step, once for each of many small changes of its weights.

It knows the equations and nothing of the engine, of linear maps or of transposed derivatives, so that it can judge what
those give. A change is real, for differences, or imaginary, for complex steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.equations import (
    COMPLEMENT,
    Apply,
    Expression,
    Hadamard,
    Merge,
    Parameter,
    Product,
    Quotient,
    Sum,
    Vector,
)
from rnn_calc.core.network import Layer
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array

# Real or complex; the first axis is the change.
Numbers = NDArray[Any]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Change:
    """What is added to the weights: `size` at one entry of one parameter, or `size` times whole arrays."""

    size: complex
    entry: tuple[str, tuple[int, ...]] | None = None
    direction: Mapping[str, Array] | None = None


class PerturbedWeights:
    """A network's arrays, each with every one of the changes."""

    def __init__(self, arrays: Mapping[str, Array], changes: list[Change]) -> None:
        self._arrays = arrays
        self.count = len(changes)
        self._sizes: Numbers = np.array([change.size for change in changes])
        entries: dict[str, list[tuple[int, tuple[int, ...]]]] = {}
        self._directions: list[tuple[int, Mapping[str, Array]]] = []
        for number, change in enumerate(changes):
            if change.entry:
                entries.setdefault(change.entry[0], []).append((number, change.entry[1]))
            if change.direction:
                self._directions.append((number, change.direction))
        self._entries = {
            name: (np.array([number for number, _ in found]), np.array([index for _, index in found]).T)
            for name, found in entries.items()
        }

    def vector(self, name: str) -> Numbers:
        """A vector of weights with every change. Shapes: (P, n)."""
        value: Numbers = np.repeat(self._arrays[name][None].astype(self._sizes.dtype), self.count, axis=0)
        if name in self._entries:
            numbers, (index,) = self._entries[name]
            value[numbers, index] += self._sizes[numbers]
        for number, direction in self._directions:
            if name in direction:
                value[number] += self._sizes[number] * direction[name]
        return value

    def times(self, name: str, vector: Numbers) -> Numbers:
        """The matrix with every change, times the vector of each. Shapes: vector (P, n); the result is (P, m)."""
        matrix = self._arrays[name].T
        if np.iscomplexobj(vector):
            product: Numbers = vector.real @ matrix + 1j * (vector.imag @ matrix)
        else:
            product = (vector @ matrix).astype(self._sizes.dtype)
        if name in self._entries:
            numbers, (row, column) = self._entries[name]
            product[numbers, row] += self._sizes[numbers] * vector[numbers, column]
        for number, direction in self._directions:
            if name in direction:
                product[number] += self._sizes[number] * (direction[name] @ vector[number])
        return product

    def row(self, name: str, index: int) -> Numbers:
        """A row of a table with every change. Shapes: (P, n)."""
        value: Numbers = np.repeat(self._arrays[name][index][None].astype(self._sizes.dtype), self.count, axis=0)
        if name in self._entries:
            numbers, (row, column) = self._entries[name]
            here = row == index
            value[numbers[here], column[here]] += self._sizes[numbers[here]]
        for number, direction in self._directions:
            if name in direction:
                value[number] += self._sizes[number] * direction[name][index]
        return value


def _sigmoid(z: Numbers) -> Numbers:
    small = np.exp(np.where(z.real < 0, z, -z))  # at most 1, so that nothing overflows
    return np.asarray(np.where(z.real < 0, small, 1) / (1 + small))


class PerturbedRun:
    """The outputs of a traced run under every change; `kinked` are the changes under which a relu went the other way.

    With `anchored`, each step starts from the real parts of the traced states, so that what a chaotic network makes of
    rounding does not count; `drift` is then the largest difference, relative to the state, within one step.
    """

    def __init__(self, run: Trace, changes: list[Change], *, anchored: bool) -> None:
        self._weights = PerturbedWeights(run.weights.arrays, changes)
        self._anchored = anchored
        self.kinked: Flags = np.zeros(len(changes), dtype=np.bool_)
        self.drift = 0.0
        with np.errstate(all="ignore"):
            self.outputs = self._follow(run)

    def _follow(self, run: Trace) -> Numbers:
        """The outputs. Shapes: (T, P, d)."""
        network = run.network
        if network.embedding:
            assert run.tokens is not None
            table = network.embedding.parameters[0].name
            below: Numbers = np.stack([self._weights.row(table, int(token)) for token in run.tokens])
        else:
            below = np.repeat(run.x[:, None, :], self._weights.count, axis=1)
        for level, directions in enumerate(network.stack):
            given = run.directions(level)
            states = [
                self._layer(layer, below, part.initial, part.values.now)
                for layer, part in zip(directions, given, strict=True)
            ]
            below = states[0]
            if network.merges:
                merge = network.merges[level].equations[0].expression
                assert isinstance(merge, Merge)
                below = _joined(merge.how, states[0], states[1])
        if not network.readout:
            return below
        expression = network.readout.equations[0].expression
        return np.stack([self._value(expression, {"h": h}, {}) for h in below])

    def _layer(self, layer: Layer, x: Numbers, initial: Mapping[str, Array], traced: Mapping[str, Array]) -> Numbers:
        """The states h in the order of time. Shapes: x (T, P, n); the result is (T, P, n)."""
        count = self._weights.count
        state: dict[str, Numbers] = {name: np.repeat(own[None], count, axis=0) for name, own in initial.items()}
        found: list[Numbers] = []
        for t, x_t in enumerate(x[::-1] if layer.reverse else x):
            now: dict[str, Numbers] = {"x": x_t}
            for equation in layer.equations:
                value = self._value(equation.expression, now, state)
                if self._anchored and equation.name in layer.state:
                    value = self._anchor(value, traced[equation.name][t])
                now[equation.name] = value
            state = {name: now[name] for name in layer.state}
            found.append(now["h"])
        return np.stack(found[::-1] if layer.reverse else found)

    def _anchor(self, value: Numbers, traced: Array) -> Numbers:
        apart = np.abs(value.real - traced) / (1 + np.abs(traced))
        self.drift = max(self.drift, float(apart.max()))
        return np.asarray(traced + 1j * value.imag)

    def _value(self, node: Expression, now: Mapping[str, Numbers], previous: Mapping[str, Numbers]) -> Numbers:
        match node:
            case Vector(name=name, previous=before):
                return (previous if before else now)[name]
            case Parameter(name=name):
                return self._weights.vector(name)
            case Product(matrix, vector):
                return self._weights.times(matrix.name, self._value(vector, now, previous))
            case Sum(terms):
                values = [self._value(term, now, previous) for term in terms]
                return np.asarray(sum(values[1:], start=values[0]))
            case Hadamard(left, right):
                return np.asarray(self._value(left, now, previous) * self._value(right, now, previous))
            case Quotient(left, right):
                return np.asarray(self._value(left, now, previous) / self._value(right, now, previous))
            case Apply(function, argument):
                return self._apply(function, self._value(argument, now, previous))
            case _:
                raise AssertionError(f"no equation of a layer or a readout holds {node}")

    def _apply(self, function: str, z: Numbers) -> Numbers:
        match function:
            case "tanh":
                return np.asarray(np.tanh(z))
            case "sigmoid":
                return _sigmoid(z)
            case "relu":
                positive = z.real > 0
                # Changes come in groups of four: by h, −h, 2h and −2h.
                if not self._anchored:
                    groups = positive.reshape(-1, 4, positive.shape[1])
                    self.kinked |= np.repeat((groups != groups[:, :1]).any(axis=(1, 2)), 4)
                return np.where(positive, z, 0)
            case "identity":
                return z
            case _:
                assert function == COMPLEMENT, function
                return np.asarray(1 - z)


def _joined(how: str, forward: Numbers, backward: Numbers) -> Numbers:
    match how:
        case "concat":
            return np.concatenate((forward, backward), axis=-1)
        case "product":
            return np.asarray(forward * backward)
        case "average":
            return np.asarray((forward + backward) / 2)
        case _:
            return np.asarray(forward + backward)
