"""The derivative of a run: what backpropagation through time and the norms of Jacobians are made of.

The elementwise parts are coefficients that `elementwise` has summed up for all steps; here they are put side by side,
so that a step is one multiplication for each target and one product with the matrices of all gates in a stack.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.elementwise import Factors, Paths, Place
from rnn_calc.core.engine import Engine
from rnn_calc.core.equations import Apply, Expression, Parameter, Vector, axis_of
from rnn_calc.core.evaluation import Values, evaluate
from rnn_calc.core.functions import entry_slopes, is_uneven
from rnn_calc.core.node_layout import Block, Layout, Part, Steps
from rnn_calc.core.weights import Array

_Kind = TypeVar("_Kind", bound=Expression)
_Name = TypeVar("_Name", bound=Hashable)

# With so many rows it costs less to add up the matrices of neighbouring pre-activations than to multiply by each.
_MANY = 64


@dataclass(frozen=True)
class Chain:
    """∂h_t/∂h_{t−1} = diag(slopes[t] × 2^exponents[t])·matrix, of a state that is one function of a linear map."""

    slopes: Array
    exponents: NDArray[np.int64]
    matrix: Array


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
        pending: dict[Place, Array] = {self._state(name): rows for name, rows in cotangents.items()}
        if nodes is None and isinstance(t, int) and count >= _MANY and self._blocks is not None:
            return self._pull_many(t, pending, self._blocks)
        row = self._row(count) if nodes is None else nodes
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

    @cached_property
    def _blocks(self) -> dict[Place, list[Block]] | None:
        """What each target is made of through matrices, those of neighbours in one block; None where it cannot be."""
        found: dict[Place, list[Block]] = {}
        for target, parts in self.parts.items():
            found[target] = []
            for part in parts:
                for stack in (stack for stacks in self.layout.stacks.values() for stack in stacks):
                    if not part.starts & stack.starts:
                        continue
                    if not part.starts <= stack.starts:
                        return None
                    start, stop = (end - stack.columns.start for end in (part.columns.start, part.columns.stop))
                    rows = self._engine.stacked(stack.matrices)[start:stop]
                    matrices = rows.reshape(len(part.starts), -1, rows.shape[1])
                    found[target].append(Block(stack.operand, part, matrices))
        return found

    def _pull_many(self, t: int, pending: dict[Place, Array], blocks: dict[Place, list[Block]]) -> dict[str, Array]:
        """`pull` of many rows."""
        memory = self._row(len(next(iter(pending.values()))))
        for target in self.parts:
            rows = pending.pop(target, None)
            if rows is None:
                continue
            for block in blocks[target]:
                _add(pending, block.operand, block.times(rows, t, memory))
            for place, path in self.direct[target]:
                _add(pending, place, rows * path[t])
        return {place.name: rows for place, rows in pending.items() if isinstance(place, Vector)}

    def _push_many(self, t: int, known: dict[Place, Array], blocks: dict[Place, list[Block]]) -> dict[str, Array]:
        """`push` of many rows."""
        for target in self.sources:
            for block in blocks[target]:
                if block.operand in known:
                    _add(known, target, block.times_transposed(known[block.operand], t))
            for place, path in self.direct[target]:
                if place in known:
                    _add(known, target, known[place] * path[t])
        return {state.name: known[state] for state in self.states() if state in known}

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
        if count >= _MANY and self._blocks is not None:
            before: dict[Place, Array] = {self._state(name, previous=True): rows for name, rows in tangents.items()}
            return self._push_many(t, before, self._blocks)
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
