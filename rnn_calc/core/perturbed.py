"""A network's equations followed step by step, once for each of many small changes of its weights.

It knows the equations and nothing of the engine, of linear maps or of transposed derivatives, so that it can judge what
those give. A change is real, for differences, or imaginary, for complex steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from rnn_calc.core.network import Network
from rnn_calc.core.stages import Layer
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array

_ULP = float(np.finfo(np.float64).eps)
_LEAST_NORMAL = float(np.finfo(np.float64).tiny)

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

    def vector(self, name: str, row: int | None = None) -> Numbers:
        """A vector of weights, or a row of a table, with every change. Shapes: (P, n)."""
        own = () if row is None else (row,)
        value: Numbers = np.repeat(self._arrays[name][own][None].astype(self._sizes.dtype), self.count, axis=0)
        if name in self._entries:
            numbers, (*rows, column) = self._entries[name]
            here = rows[0] == row if rows else slice(None)
            value[numbers[here], column[here]] += self._sizes[numbers[here]]
        for number, direction in self._directions:
            if name in direction:
                value[number] += self._sizes[number] * direction[name][own]
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


def _last_digits(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Relative changes of up to 32 last digits, of which few are rounded to the same."""
    return np.asarray(64 * _ULP * (rng.random(shape) - 0.5))


def _sigmoid(z: Numbers) -> Numbers:
    small = np.exp(np.where(z.real < 0, z, -z))  # at most 1, so that nothing overflows
    return np.asarray(np.where(z.real < 0, small, 1) / (1 + small))


def _rest_of(gate: str) -> str:
    """The name of 1 − gate, which is kept beside it: of a gate that rounds to 1, nothing else would be left."""
    return f"1 - {gate}"


def _as_traced(name: str) -> str:
    """The name of a traced value that is kept beside a shaken one."""
    return f"traced {name}"


def _share(part: Numbers, other: Numbers) -> Numbers:
    """part/(part + other), with a derivative that does not cancel where the part is nearly all of the sum."""
    whole = part.real + other.real
    if not (np.iscomplexobj(part) or np.iscomplexobj(other)):
        return np.asarray(part / whole)
    slope = part.imag * (other.real / whole) / whole - other.imag * (part.real / whole) / whole
    return np.asarray(part.real / whole + 1j * slope)


class PerturbedEquations:
    """Equations with the weights of every change; `kinked` are the changes under which a relu went the other way.

    That is looked for where `fours` says that changes come in groups of four, by h, −h, 2h and −2h. `shaken` changes
    every value in its last digits, the real and the imaginary part each by itself.
    """

    def __init__(
        self, weights: PerturbedWeights, *, fours: bool = False, shaken: np.random.Generator | None = None
    ) -> None:
        self.weights = weights
        self.kinked: Flags = np.zeros(weights.count, dtype=np.bool_)
        self._fours = fours
        self._shaken = shaken

    def step(
        self, layer: Layer, x: Numbers, previous: Mapping[str, Numbers], traced: Mapping[str, Array] | None = None
    ) -> dict[str, Numbers]:
        """The states of a layer after one step; relus of values that `traced` has go as they went there.

        Shapes: each (P, n), of `traced` (n,).
        """
        now: dict[str, Numbers] = {"x": x, **{_as_traced(name): value for name, value in (traced or {}).items()}}
        for equation in layer.equations:
            match equation.expression:
                case Apply("sigmoid", argument):
                    z = self.value(argument, now, previous)
                    now[equation.name] = self.rounded(_sigmoid(z))
                    now[_rest_of(equation.name)] = self.rounded(_sigmoid(-z))
                case expression:
                    now[equation.name] = self.value(expression, now, previous)
        return {name: now[name] for name in layer.state}

    def inputs(self, run: Trace, t: int) -> Numbers:
        """What the bottom layer reads at step `t`, counted from 0. Shapes: (P, d_in)."""
        embedding = run.network.embedding
        if embedding:
            assert run.tokens is not None
            return self.weights.vector(embedding.parameters[0].name, int(run.tokens[t]))
        return np.repeat(run.x[t][None], self.weights.count, axis=0)

    def outputs(self, network: Network, top: Sequence[Numbers]) -> Numbers:
        """What is judged of one step: the readout of the top layer's directions, or they themselves joined."""
        h = _merged(network, -1, top)
        if not network.readout:
            return h
        return self.value(network.readout.equations[0].expression, {"h": h}, {})

    def value(self, node: Expression, now: Mapping[str, Numbers], previous: Mapping[str, Numbers]) -> Numbers:
        """The value of an expression at one step. Shapes: each (P, n)."""
        return self.rounded(self._evaluated(node, now, previous))

    def rounded(self, value: Numbers) -> Numbers:
        """The value, with other last digits where it is to be shaken."""
        if self._shaken is None:
            return value
        real, imaginary = (_last_digits(self._shaken, value.shape) for _ in range(2))
        # Below the least normal numbers, or at a 0 that may be left of them, a last digit is one of the least normal.
        return np.asarray(value.real * (1 + real) + 1j * (value.imag * (1 + imaginary) + imaginary * _LEAST_NORMAL))

    def _evaluated(self, node: Expression, now: Mapping[str, Numbers], previous: Mapping[str, Numbers]) -> Numbers:
        match node:
            case Vector(name=name, previous=before):
                return (previous if before else now)[name]
            case Parameter(name=name):
                return self.weights.vector(name)
            case Product(matrix, vector):
                return self.weights.times(matrix.name, self.value(vector, now, previous))
            case Sum(terms):
                values = [self.value(term, now, previous) for term in terms]
                return np.asarray(sum(values[1:], start=values[0]))
            case Hadamard(left, right):
                return np.asarray(self.value(left, now, previous) * self.value(right, now, previous))
            case Quotient(left, Sum((one, other))) if left in (one, other):
                return _share(*(self.value(part, now, previous) for part in (left, other if left == one else one)))
            case Quotient(left, right):
                return np.asarray(self.value(left, now, previous) / self.value(right, now, previous))
            case Apply(function, Vector(name=name, previous=False)) if function == COMPLEMENT and _rest_of(name) in now:
                return now[_rest_of(name)]
            case Apply("relu", Vector(name=name, previous=False) as argument) if _as_traced(name) in now:
                # Where trace and equations agree on 0, other last digits would be another derivative.
                return np.where(now[_as_traced(name)] > 0, self.value(argument, now, previous), 0)
            case Apply(function, argument):
                return self._apply(function, self.value(argument, now, previous))
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
                if self._fours:
                    groups = positive.reshape(-1, 4, positive.shape[1])
                    self.kinked |= np.repeat((groups != groups[:, :1]).any(axis=(1, 2)), 4)
                return np.where(positive, z, 0)
            case "identity":
                return z
            case _:
                assert function == COMPLEMENT, function
                return np.asarray(1 - z)


class PerturbedRun:
    """The outputs (T, P, d) of a traced run under every change.

    With `anchored`, each step starts from the real parts of the traced states, so that what a chaotic network makes of
    rounding does not count; `drift` is then the largest difference, relative to the state, within one step. `shaken`
    changes weights, states and all that is between them in their last digits: what that makes of a derivative, rounding
    may have made of it.
    """

    def __init__(
        self, run: Trace, changes: list[Change], *, anchored: bool, shaken: np.random.Generator | None = None
    ) -> None:
        arrays = run.weights.arrays
        if shaken is not None:
            # A product that cancels both along its rows and down its columns shows it by no digit of a vector.
            arrays = {name: array * (1 + _last_digits(shaken, array.shape)) for name, array in arrays.items()}
        self._equations = PerturbedEquations(PerturbedWeights(arrays, changes), fours=not anchored, shaken=shaken)
        self._anchored, self._shaken = anchored, shaken is not None
        self.drift = 0.0
        with np.errstate(all="ignore"):
            self.outputs = self._follow(run)

    @property
    def kinked(self) -> Flags:
        """The changes under which a relu went the other way than under the rest of their four."""
        return self._equations.kinked

    def _follow(self, run: Trace) -> Numbers:
        network, equations = run.network, self._equations
        below = np.stack([equations.inputs(run, t) for t in range(run.steps)])
        states: list[Numbers] = []
        for level, directions in enumerate(network.stack):
            if level:
                below = _merged(network, level - 1, states)
            given = run.directions(level)
            states = [
                self._layer(layer, below, part.initial, part.values.now)
                for layer, part in zip(directions, given, strict=True)
            ]
        return np.stack([equations.outputs(network, [state[t] for state in states]) for t in range(run.steps)])

    def _layer(self, layer: Layer, x: Numbers, initial: Mapping[str, Array], traced: Mapping[str, Array]) -> Numbers:
        """The states h in the order of time. Shapes: x (T, P, n); the result is (T, P, n)."""
        count = self._equations.weights.count
        state: dict[str, Numbers] = {name: np.repeat(own[None], count, axis=0) for name, own in initial.items()}
        found: list[Numbers] = []
        for t, x_t in enumerate(x[::-1] if layer.reverse else x):
            seen = {name: value[t] for name, value in traced.items()} if self._shaken else None
            state = self._equations.step(layer, x_t, state, seen)
            if self._anchored:
                state = {name: self._anchor(value, traced[name][t]) for name, value in state.items()}
            found.append(state["h"])
        return np.stack(found[::-1] if layer.reverse else found)

    def _anchor(self, value: Numbers, traced: Array) -> Numbers:
        apart = np.abs(value.real - traced) / (1 + np.abs(traced))
        self.drift = max(self.drift, float(apart.max()))
        return self._equations.rounded(np.asarray(traced + 1j * value.imag))


def _merged(network: Network, level: int, states: Sequence[Numbers]) -> Numbers:
    """What a layer gives to the next: its state, or those of both directions made one."""
    if not network.merges:
        return states[0]
    merge = network.merges[level].equations[0].expression
    assert isinstance(merge, Merge)
    forward, backward = states
    match merge.how:
        case "concat":
            return np.concatenate((forward, backward), axis=-1)
        case "product":
            return np.asarray(forward * backward)
        case "average":
            return np.asarray((forward + backward) / 2)
        case _:
            return np.asarray(forward + backward)
