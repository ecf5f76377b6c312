"""A cell's equations made into NumPy: the forward pass over a sequence.

Arrays are time first: (T, n) for one sequence, (T, B, n) for a batch. What does not depend on the state is computed
for all T at once; only the recurrence itself is stepped, each step writing into memory that was allocated once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import repeat
from typing import Any, TypeAlias

import numpy as np

from rnn_calc.core.equations import (
    Apply,
    Equation,
    Expression,
    Hadamard,
    Parameter,
    Product,
    Quotient,
    Sum,
    Vector,
    axis_of,
    walk,
)
from rnn_calc.core.evaluation import SLAB, Values, evaluate
from rnn_calc.core.functions import ELEMENTWISE
from rnn_calc.core.network import Layer
from rnn_calc.core.weights import Array, Weights

# An operand of the step loop: one array a step, or the same one at every step.
Rows: TypeAlias = "list[Array] | repeat[Array]"

# Goes over the items of a long loop; a front end may show progress meanwhile.
Watch = Callable[[range], Iterable[int]]

# The step loop works through this many steps at a time, so that its scratch memory stays in the cache.
_BLOCK = 4 * SLAB

_CACHE_LINE = 64

# A matrix that does not stay in the cache is multiplied in pieces of about this many bytes, and every other step takes
# them in the opposite order: what the last step touched last is still there for the next one.
_PIECE = 2**20
_STAYS_IN_CACHE = 7 * _PIECE // 4


def _column_order(matrix: Array) -> Array:
    """A copy of `matrix` in column order that starts on a cache line: a quarter faster to multiply by a vector."""
    memory = np.empty(matrix.nbytes + _CACHE_LINE, dtype=np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE
    transposed: Array = memory[start : start + matrix.nbytes].view(np.float64).reshape(matrix.shape[::-1])
    transposed[:] = matrix.T
    return transposed.T


class Engine:
    """A layer and its weights, compiled."""

    def __init__(self, layer: Layer, weights: Weights) -> None:
        self.layer = layer
        self.weights = weights
        self._pieces: dict[str, list[Array]] = {}
        self._stateful = _stateful_names(layer.equations)
        needed = _needed_for_state(layer)
        self._before = [e for e in layer.equations if e.name not in self._stateful]
        self.recurrence = [e for e in layer.equations if e.name in self._stateful and e.name in needed]
        self._after = [e for e in layer.equations if e.name in self._stateful and e.name not in needed]

    def run(self, x: Array, initial: Mapping[str, Array], watch: Watch = iter) -> Values:
        """Every value of every step for inputs `x` (T, d_in) or (T, B, d_in), from the `initial` states.

        Shapes: each result is (T, n) or (T, B, n).
        """
        T, batch = x.shape[0], x.shape[1:-1]
        now: dict[str, Array] = {"x": x}
        history = {}
        for name, axis in self.layer.state.items():
            history[name] = np.empty((T + 1, *batch, self.layer.sizes[axis]))
            history[name][0] = initial[name]
            now[name] = history[name][1:]
        values = Values(now, {name: states[:-1] for name, states in history.items()})
        with np.errstate(over="ignore", invalid="ignore"):
            for equation in self._before:
                now[equation.name] = evaluate(equation.expression, values, self.weights)
            for equation in self.recurrence:
                width = self.layer.sizes[axis_of(equation.expression)]
                if equation.name not in now:
                    now[equation.name] = np.empty((T, *batch, width))
            for start in watch(range(0, T, _BLOCK)):
                _StepLoop(self, values.block(slice(start, start + _BLOCK)), batch).run(self.recurrence)
            for equation in self._after:
                now[equation.name] = evaluate(equation.expression, values, self.weights)
        return values

    def pieces(self, name: str) -> list[Array]:
        """The rows of the matrix of that name, laid out to be multiplied by a vector, in one piece if it is small."""
        if name not in self._pieces:
            matrix = self.weights[name]
            count = 1 if matrix.nbytes <= _STAYS_IN_CACHE else -(-matrix.nbytes // _PIECE)
            self._pieces[name] = [_column_order(piece) for piece in np.array_split(matrix, min(count, len(matrix)))]
        return self._pieces[name]

    def depends_on_state(self, expression: Expression) -> bool:
        """Whether the previous state has any part in the expression."""
        return any(
            isinstance(node, Vector) and (node.previous or node.name in self._stateful) for node in walk(expression)
        )


def _stateful_names(equations: Iterable[Equation]) -> frozenset[str]:
    """The equations whose value depends on the previous state."""
    found: set[str] = set()
    for equation in equations:
        vectors = [node for node in walk(equation.expression) if isinstance(node, Vector)]
        if any(vector.previous or vector.name in found for vector in vectors):
            found.add(equation.name)
    return frozenset(found)


def _needed_for_state(layer: Layer) -> frozenset[str]:
    """The equations that the next state is made of; the others can be computed for all steps afterwards."""
    needed = set(layer.state)
    for equation in reversed(layer.equations):
        if equation.name in needed:
            needed |= {
                node.name for node in walk(equation.expression) if isinstance(node, Vector) and not node.previous
            }
    return frozenset(needed)


class _StepLoop:
    """The recurrence as a list of NumPy calls, each with one operand list a step.

    `zip` over the `map`s runs the calls of a step in order and the steps in order, without any Python in between.
    A group of calls that do not need each other's results may run in any order.
    """

    def __init__(self, engine: Engine, values: Values, batch: tuple[int, ...]) -> None:
        self._engine = engine
        self._values = values
        self._batch = batch
        self._groups: list[list[tuple[Callable[..., Any], tuple[Rows, ...]]]] = []
        self._rows: dict[Vector, list[Array]] = {}

    def run(self, equations: Iterable[Equation]) -> None:
        for equation in equations:
            self._lower(equation.expression, self._operand(equation.vector))
        if all(len(group) == 1 for group in self._groups):
            calls = [map(function, *columns) for ((function, columns),) in self._groups]
        else:
            calls = [*self._every_second(0), *self._every_second(1)]
        # With an odd number of steps the calls of the second kind run out first, after the last step is done.
        deque(zip(*calls, strict=False), maxlen=0)

    def _every_second(self, first: int) -> Iterator[map[Any]]:
        """The calls of the steps `first`, `first` + 2, …, each group in the opposite order for odd ones."""
        for group in self._groups:
            for function, columns in group[::-1] if first else group:
                yield map(function, *(c if isinstance(c, repeat) else c[first::2] for c in columns))

    def _emit(self, function: Callable[..., Any], *columns: Rows) -> None:
        self._groups.append([(function, columns)])

    def _scratch(self, expression: Expression) -> Rows:
        return repeat(np.empty((*self._batch, self._engine.layer.sizes[axis_of(expression)])))

    def _operand(self, expression: Expression) -> Rows:
        """Where the value of `expression` is found at each step, after emitting the calls that put it there."""
        if isinstance(expression, Parameter):
            return repeat(self._engine.weights[expression.name])
        if isinstance(expression, Vector):
            return self._vector_rows(expression)
        if not self._engine.depends_on_state(expression):
            return self._every_step(evaluate(expression, self._values, self._engine.weights))
        out = self._scratch(expression)
        self._lower(expression, out)
        return out

    def _vector_rows(self, vector: Vector) -> list[Array]:
        """The rows of a vector; the states before each step are views that the states after it have made already."""
        if vector not in self._rows:
            if vector.previous:
                after = self._vector_rows(replace(vector, previous=False))
                self._rows[vector] = [self._values.previous[vector.name][0], *after[:-1]]
            else:
                self._rows[vector] = list(self._values.of(vector))
        return self._rows[vector]

    def _every_step(self, array: Array) -> Rows:
        """An array that was computed for all steps, step by step; one that is the same at every step, repeated."""
        return repeat(array) if array.ndim == 1 else list(array)

    def _lower(self, expression: Expression, out: Rows) -> None:
        """Emit the calls that put the value of a state-dependent expression into `out`."""
        match expression:
            case Product(matrix, vector):
                self._emit_product(matrix.name, self._operand(vector), out)
            case Sum(terms):
                stepped = [term for term in terms if self._engine.depends_on_state(term)]
                fixed = [term for term in terms if not self._engine.depends_on_state(term)]
                self._lower(stepped[0], out)
                for term in stepped[1:]:
                    self._emit(np.add, out, self._operand(term), out)
                if fixed:
                    drive = evaluate(Sum(tuple(fixed)), self._values, self._engine.weights)
                    self._emit(np.add, out, self._every_step(drive), out)
            case Hadamard(left, right):
                self._emit(np.multiply, self._operand(left), self._operand(right), out)
            case Quotient(left, right):
                self._emit(np.divide, self._operand(left), self._operand(right), out)
            case Apply(function, argument):
                source = self._operand(argument)
                for call, extra in ELEMENTWISE[function].calls:
                    self._emit(call, source, *map(repeat, extra), out)
                    source = out
            case _:
                self._emit(np.copyto, out, self._operand(expression))

    def _emit_product(self, matrix: str, vector: Rows, out: Rows) -> None:
        pieces = self._engine.pieces(matrix)
        if self._batch:
            self._emit(np.dot, vector, repeat(np.ascontiguousarray(self._engine.weights[matrix].T)), out)
        elif len(pieces) == 1:
            self._emit(pieces[0].dot, vector, out)
        else:
            ends = np.cumsum([len(piece) for piece in pieces]).tolist()
            self._groups.append(
                [
                    (piece.dot, (vector, _entries(out, slice(end - len(piece), end))))
                    for piece, end in zip(pieces, ends, strict=True)
                ]
            )


def _entries(rows: Rows, part: slice) -> Rows:
    """A part of each row, as views."""
    return repeat(next(rows)[part]) if isinstance(rows, repeat) else [row[part] for row in rows]
