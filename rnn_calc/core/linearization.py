"""The derivative of a run: what backpropagation through time and the norms of Jacobians are made of.

The elementwise parts are coefficients that `elementwise` has summed up for all steps; here they are put side by side,
so that a step is one multiplication for each target and one product with the matrices of all gates in a stack.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.elementwise import Factors, Paths, Place, plain, products_of
from rnn_calc.core.engine import Engine
from rnn_calc.core.equations import Apply, Expression, Parameter, Vector, axis_of
from rnn_calc.core.evaluation import Values, evaluate
from rnn_calc.core.functions import entry_slopes, is_uneven
from rnn_calc.core.weights import Array

_Kind = TypeVar("_Kind", bound=Expression)
_Name = TypeVar("_Name", bound=Hashable)

# One step, or neighbouring steps with a row for each; they count from 0.
Steps: TypeAlias = "int | slice"


@dataclass(frozen=True)
class Chain:
    """∂h_t/∂h_{t−1} = diag(slopes[t] × 2^exponents[t])·matrix, of a state that is one function of a linear map."""

    slopes: Array
    exponents: NDArray[np.int64]
    matrix: Array


class Stack(NamedTuple):
    """Matrices that multiply one vector, by name, one above the other; the columns of their pre-activations."""

    operand: Place
    matrices: tuple[str, ...]
    starts: frozenset[int]
    columns: slice


class Part(NamedTuple):
    """Neighbouring pre-activations that a target is made of, and the coefficients to each, (T, count·n).

    `first` says that no target that is pulled back earlier comes to the same columns.
    """

    coefficients: Array
    starts: frozenset[int]
    columns: slice
    first: bool

    def at(self, steps: Steps) -> Array:
        """The coefficients of one step (count, n), or of several (k, count, n)."""
        found = self.coefficients[steps]
        return found.reshape(*found.shape[:-1], len(self.starts), -1)


class Layout:
    """Which pre-activations stand side by side in a row, and in which stacks their matrices are."""

    def __init__(self, engine: Engine, paths: Paths) -> None:
        self._users = self._products(paths)
        self.inputs = [vector for vector in self._users if not engine.depends_on_state(vector)]
        widths = {node: engine.layer.sizes[axis_of(node)] for node in self._order()}
        ends = np.cumsum(list(widths.values()), dtype=int).tolist()
        self.columns = {node: slice(end - width, end) for (node, width), end in zip(widths.items(), ends, strict=True)}
        self.width = ends[-1] if ends else 0
        self.stacks = {vector: tuple(self._stacks(vector)) for vector in self._users}

    @staticmethod
    def _products(paths: Paths) -> dict[Place, list[Expression]]:
        """The pre-activations that have a product with each vector."""
        found: dict[Place, list[Expression]] = {}
        for node in dict.fromkeys(place for sources in paths.sources.values() for place in sources):
            for product in products_of(node):
                if paths.counts(product):
                    found.setdefault(plain(product.vector), []).append(node)
        return found

    def _order(self) -> list[Expression]:
        """The pre-activations, so that those which share a vector are neighbours, as far as that can be."""
        vectors = sorted(self._users, key=lambda vector: vector not in self.inputs)
        nodes = dict.fromkeys(node for vector in vectors for node in self._users[vector])
        # Those of inputs alone come first, then those of inputs and states, then those of states alone.
        return sorted(nodes, key=lambda n: tuple((n in self._users[v]) != (v in self.inputs) for v in vectors))

    def _stacks(self, vector: Place) -> list[Stack]:
        found: list[Stack] = []
        for node in sorted(self._users[vector], key=lambda node: self.columns[node].start):
            columns = self.columns[node]
            for product in products_of(node):
                if plain(product.vector) != vector:
                    continue
                last = found[-1] if found else None
                if last and last.columns.stop == columns.start:
                    names, starts = (*last.matrices, product.matrix.name), last.starts | {columns.start}
                    found[-1] = Stack(vector, names, starts, slice(last.columns.start, columns.stop))
                else:
                    found.append(Stack(vector, (product.matrix.name,), frozenset({columns.start}), columns))
        return found


class Linearization:
    """The derivative of every step of one run: ∂state_t/∂state_{t−1}, applied to a block of rows from either side.

    With `whole` the parts that do not depend on the state are there too: those of inputs and parameters.
    """

    def __init__(self, engine: Engine, values: Values, *, whole: bool = False, factors: Factors | None = None) -> None:
        self._engine, self._values = engine, values
        self._factors = factors or Factors(engine, values)
        paths = Paths(engine, self._factors, whole=whole)
        self.layout = Layout(engine, paths)
        self.sources = paths.sources
        self.parts = self._parts()
        self.direct = {target: self._every_one(target, Vector) for target in self.sources}
        self.elementwise = {target: self._every_one(target, Parameter) for target in self.sources}
        self._memory: Array = np.empty((0, self.layout.width))

    def _every_step(self, coefficients: Array, width: int | None = None) -> Array:
        """The coefficients of a place with a row for each step."""
        shape = (len(self._values.now["x"]), width or coefficients.shape[-1])
        return coefficients if coefficients.shape == shape else np.broadcast_to(coefficients, shape)

    def _every_one(self, target: Place, kind: type[_Kind]) -> list[tuple[_Kind, Array]]:
        """The sources of one kind, with coefficients that have a row for each step."""
        sources = self.sources[target].items()
        return [(place, self._every_step(path)) for place, path in sources if isinstance(place, kind)]

    def _parts(self) -> dict[Place, list[Part]]:
        """The pre-activations of each target, neighbours together; the target that is computed last comes first."""
        found: dict[Place, list[Part]] = {}
        seen: set[int] = set()
        for target, sources in reversed(self.sources.items()):
            parts: list[Part] = []
            for node, columns in self.layout.columns.items():
                if node not in sources:
                    continue
                own = self._every_step(sources[node], columns.stop - columns.start)
                first, last = columns.start not in seen, parts[-1] if parts else None
                if last and last.columns.stop == columns.start and last.first == first:
                    side_by_side = np.concatenate((last.coefficients, own), axis=1)
                    starts = last.starts | {columns.start}
                    parts[-1] = Part(side_by_side, starts, slice(last.columns.start, columns.stop), first)
                else:
                    parts.append(Part(own, frozenset({columns.start}), columns, first))
            found[target] = parts
            seen |= {start for part in parts for start in part.starts}
        return found

    def states(self, *, previous: bool = False) -> list[Vector]:
        """The states after a step, or before it."""
        return [Vector(name, axis, previous) for name, axis in self._engine.layer.state.items()]

    def width_of(self, target: Place) -> int:
        """How wide a target is."""
        return self._engine.layer.sizes[axis_of(target)]

    def exponent(self, t: int) -> int:
        """The power of two that `pull` and `push` leave out at step `t`: 0 unless every unit saturates."""
        return int(self.exponents[t])

    @property
    def exponents(self) -> NDArray[np.int64]:
        """That of every step."""
        return self._factors.exponents

    def pull(
        self,
        t: Steps,
        cotangents: Mapping[str, Array],
        *,
        nodes: Array | None = None,
        elementwise: dict[Place, Array] | None = None,
    ) -> dict[str, Array]:
        """Rows `M` (r, n) for each state of step `t` (0-based), times ∂state_t/∂state_{t−1}/2^`exponent(t)`.

        For several steps at once, row i is that of the i-th of them. A whole linearization gives the cotangents of the
        inputs too, as x, and leaves those of the pre-activations in `nodes` and of other parameters than matrices and
        biases in `elementwise`, where these are given.
        Shapes: n is the width of that state; nodes (r, layout.width); the result has a block (r, n) for each state of
        the step before, without those that nothing depends on.
        """
        count = len(next(iter(cotangents.values())))
        row = self._row(count) if nodes is None else nodes
        pending: dict[Place, Array] = {self._state(name): rows for name, rows in cotangents.items()}
        live: set[int] = set()
        for target, parts in self.parts.items():
            rows = self._through_matrices(target, row, live, pending.pop(target, None))
            for part in parts:
                block = row[:, part.columns].reshape(count, len(part.starts), -1)
                if rows is None:
                    if part.first:
                        block[...] = 0
                    continue
                live |= part.starts
                if part.first:
                    np.multiply(rows[:, None], part.at(t), out=block)
                else:
                    block += rows[:, None] * part.at(t)
            if rows is None:
                continue
            for place, path in self.direct[target]:
                _add(pending, place, rows * path[t])
            if elementwise is not None:
                for parameter, path in self.elementwise[target]:
                    _add(elementwise, parameter, rows * path[t])
        for vector in self.layout.stacks:
            if vector not in self.parts:
                found = self._through_matrices(vector, row, live, pending.get(vector))
                if found is not None:
                    pending[vector] = found
        return {place.name: rows for place, rows in pending.items() if isinstance(place, Vector)}

    def elementwise_rows(self, cotangents: Mapping[str, Array], nodes: Array) -> dict[Place, Array]:
        """The cotangents of inputs and parameters that no matrix stands before, of every step at once.

        Shapes: each state's cotangents (T, n), `nodes` (T, layout.width) as `pull` gives them; results (T, ·).
        """
        found: dict[Place, Array] = {}
        rows: dict[Place, Array] = {state: cotangents[state.name] for state in self.states()}
        everything = {start for parts in self.parts.values() for part in parts for start in part.starts}
        for target in self.parts:
            inputs = [(place, path) for place, path in self.direct[target] if place.name == "x"]
            wanted = [*inputs, *self.elementwise[target]]
            if not wanted:
                continue
            own = (
                self._through_matrices(target, nodes, everything, rows.get(target))
                if target not in rows
                else rows[target]
            )
            assert own is not None
            for place, path in wanted:
                _add(found, place, own * path)
        return found

    def push(self, t: int, tangents: Mapping[str, Array]) -> dict[str, Array]:
        """Rows (r, n) of tangents of each state before step `t`, times (∂state_t/∂state_{t−1})ᵀ/2^`exponent(t)`.

        So rows that were the identity before the first step are the transpose of the product of all Jacobians since.
        Shapes: as for `pull`; the result has a block for each state after the step.
        """
        count = len(next(iter(tangents.values())))
        row = self._row(count)
        row[...] = 0
        known: dict[Place, Array] = {}
        for name, rows in tangents.items():
            self._learn(self._state(name, previous=True), rows, known, row)
        for target in self.sources:
            terms = [known[place] * path[t] for place, path in self.direct[target] if place in known]
            for part in self.parts[target]:
                block = row[:, part.columns].reshape(count, len(part.starts), -1)
                terms.append((block * part.at(t)).sum(axis=1))
            rows = sum(terms[1:], terms[0]) if terms else np.zeros((count, self.width_of(target)))
            self._learn(target, rows, known, row)
        return {name: known[self._state(name)] for name in self._engine.layer.state}

    def _learn(self, place: Place, rows: Array, known: dict[Place, Array], row: Array) -> None:
        """Keep the tangents of a place, and add what matrices make of them to the pre-activations."""
        known[place] = rows
        for stack in self.layout.stacks.get(place, ()):
            row[:, stack.columns] += rows @ self._engine.stacked(stack.matrices).T

    def _through_matrices(self, vector: Place, row: Array, live: set[int], rows: Array | None) -> Array | None:
        """`rows` of cotangents, if any, with what comes to the vector through the matrices that multiply it."""
        for stack in self.layout.stacks.get(vector, ()):
            if live & stack.starts:
                product = row[:, stack.columns] @ self._engine.stacked(stack.matrices)
                rows = product if rows is None else product + rows
        return rows

    def _state(self, name: str, *, previous: bool = False) -> Vector:
        return Vector(name, self._engine.layer.state[name], previous)

    def _row(self, count: int) -> Array:
        if len(self._memory) != count:
            self._memory = np.empty((count, self.layout.width))
        return self._memory

    def uneven_chain(self) -> Chain | None:
        """The Jacobians' factors where some slopes are lost beside others of their step, else None."""
        last = self._engine.recurrence[-1].expression
        if not (self._factors.single and len(self._engine.layer.state) == 1 and isinstance(last, Apply)):
            return None
        argument = evaluate(last.argument, self._values, self._engine.weights)
        if argument.ndim != 2 or not is_uneven(last.function, argument, self._factors.exponents):
            return None
        (name,) = self._engine.layer.state
        linear = Linearization(self._engine, self._values.block(slice(0, 1)), factors=_Straight(self._engine))
        matrix = linear.pull(0, {name: np.eye(argument.shape[1])})[name]
        return Chain(*entry_slopes(last.function, argument), matrix)


def _add(sums: dict[_Name, Array], name: _Name, rows: Array) -> None:
    sums[name] = sums[name] + rows if name in sums else rows


class _Straight(Factors):
    """Slopes of 1 everywhere: what is left of a single chain is its matrix, the same at every step."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.exponents = np.zeros(1, dtype=np.int64)

    def slope(self, node: Apply) -> Array:  # noqa: ARG002  # whatever the function is
        return self.one

    def value(self, node: Expression) -> Array:
        return evaluate(node, Values({}, {}), self._engine.weights)
