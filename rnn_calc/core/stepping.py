"""The calls of one step run over a sequence, a block of steps at a time.

A block's memory is allocated once and used again for every block, so that it stays in the cache and the views of its
rows are made only once. `zip` over the `map`s of the calls runs the calls of a step in order and the steps in order,
without any Python in between.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import repeat
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from rnn_calc.core.equations import Expression
from rnn_calc.core.evaluation import SLAB, Values, bulk_product, evaluate
from rnn_calc.core.layout import Layout, Place
from rnn_calc.core.lowering import Lowering, Operand, StackProduct
from rnn_calc.core.memory import FLOAT64
from rnn_calc.core.program import Program, Ref, terms_of
from rnn_calc.core.sizes import Sizes
from rnn_calc.core.weights import Array, Weights

# An operand of a call: one array a step, or the same one at every step.
Rows: TypeAlias = "list[Array] | repeat[Array]"
Calls: TypeAlias = "list[tuple[Callable[..., Any], tuple[Rows, ...]]]"

# A block of steps has about this much memory, but no fewer rows than a slab and no more steps than that.
_BLOCK_BYTES = 2**20
_MOST_STEPS = 1024

# To make new views of rows for every block costs as much as to copy rows of about this width.
_WIDE = 256

_CACHE_LINE = 64
_PAGE = 2**21

# A matrix that does not stay in the cache is multiplied in pieces of about this many bytes, and every other step takes
# them in the opposite order: what the last step touched last is still there for the next one.
_PIECE = 2**20
_STAYS_IN_CACHE = 7 * _PIECE // 4
# Up to this size a matrix is a quarter faster to multiply by a vector in column order; beyond it, it comes from so far
# that reading it straight through is faster.
_FAR = 4 * _PIECE

_ZERO = np.zeros(1)


def _aligned(*shape: int) -> Array:
    """Memory that starts on a cache line, or on a page of the larger kind."""
    size = FLOAT64 * prod(shape)
    boundary = _PAGE if size > _PAGE else _CACHE_LINE
    memory = np.empty(size + boundary, dtype=np.uint8)
    start = -memory.ctypes.data % boundary
    array: Array = memory[start : start + size].view(np.float64).reshape(shape)
    return array


def _in_columns(matrix: Array) -> Array:
    """A copy in column order."""
    transposed = _aligned(*matrix.shape[::-1])
    transposed[:] = matrix.T
    return transposed.T


def _concatenate(matrices: Sequence[tuple[Array, bool]]) -> Array:
    """The matrices one above the other, those marked so with the opposite sign."""
    whole = _aligned(sum(len(matrix) for matrix, _ in matrices), matrices[0][0].shape[1])
    start = 0
    for matrix, negated in matrices:
        (np.negative if negated else np.positive)(matrix, out=whole[start : start + len(matrix)])
        start += len(matrix)
    return whole


def run_calls(groups: Sequence[Calls], count: int) -> None:
    """Every group's calls for each of `count` steps; the calls within a group may run in any order."""
    if all(len(group) == 1 for group in groups):
        calls = list(_every(groups, slice(0, count), 1))
    else:
        calls = [*_every(groups, slice(0, count, 2), 1), *_every(groups, slice(1, count, 2), -1)]
    # With an odd number of steps the calls of the second kind run out first, after the last step is done.
    deque(zip(*calls, strict=False), maxlen=0)


def _every(groups: Sequence[Calls], steps: slice, order: int) -> Iterator[map[Any]]:
    """The calls of some of the steps; where their order is free it is the given one or, for −1, the opposite."""
    for group in groups:
        for function, operands in group[::order]:
            yield map(function, *(rows if isinstance(rows, repeat) else rows[steps] for rows in operands))


def in_pieces(matrix: Array) -> list[Array]:
    """The rows of a matrix in the order in which memory gives them fastest, in one piece if it is small."""
    count = 1 if matrix.nbytes <= _STAYS_IN_CACHE else -(-matrix.nbytes // _PIECE)
    parts = np.array_split(matrix, min(count, len(matrix)))
    return parts if matrix.nbytes > _FAR else [_in_columns(part) for part in parts]


class _Drive(NamedTuple):
    """Given values side by side: their stacked matrix and the vector it multiplies, if any, and what is added."""

    place: Place
    matrix: Array | None
    vector: Expression | None
    constant: Array
    rest: tuple[tuple[Place, bool, Expression], ...]


class Recurrence:
    """A program with its sizes and weights, ready to be run."""

    def __init__(self, program: Program, sizes: Sizes, weights: Weights) -> None:
        self.program = program
        self.weights = weights
        self.layout = Layout(program, sizes)
        self.calls = Lowering(program, self.layout).calls

    @cached_property
    def stacks(self) -> list[Array]:
        """The matrices of each stack one above the other, those of negated values with the opposite sign."""
        return [
            _concatenate(
                [(self._matrix(name), self.layout.value(name) in self.layout.negated) for name in stack.members]
            )
            for stack in self.layout.stacks
        ]

    @cached_property
    def pieces(self) -> list[list[Array]]:
        """The rows of each stack in pieces that memory gives fast."""
        return list(map(in_pieces, self.stacks))

    @cached_property
    def drives(self) -> list[_Drive]:
        """How the given values are computed, neighbours that multiply the same vector together."""
        groups: list[tuple[Expression | None, list[str]]] = []
        for name in sorted(self.program.given, key=self.layout.place):
            products, _, _ = terms_of(self.program.given[name])
            vector = products[0].vector if products else None
            if not groups or groups[-1][0] != vector:
                groups.append((vector, []))
            groups[-1][1].append(name)
        return [self._drive(vector, names) for vector, names in groups]

    def _drive(self, vector: Expression | None, names: list[str]) -> _Drive:
        matrices, constants, rest = [], [], []
        negated = {self.layout.drive(value): True for value in self.layout.negated}
        for name in names:
            place, sign = self.layout.place(name), -1.0 if name in negated else 1.0
            products, fixed, others = terms_of(self.program.given[name])
            if products:
                matrices.append((self.weights[products[0].matrix.name], name in negated))
            constants.append(
                sum((sign * self.weights[each.name] for each in fixed), np.zeros(place.stop - place.start))
            )
            rest += [(place, name in negated, each) for each in (*products[1:], *others)]
        whole = self.layout.place(names[0])._replace(stop=self.layout.place(names[-1]).stop)
        stacked = _concatenate(matrices) if matrices else None
        return _Drive(whole, stacked, vector, np.concatenate(constants), tuple(rest))

    def _matrix(self, product: str) -> Array:
        return self.weights[self.program.assignments[product].matrix]


class StepLoop:
    """The memory of a block of steps, and the loop over it. `block` is how many steps it holds."""

    def __init__(self, recurrence: Recurrence, steps: int, batch: tuple[int, ...]) -> None:
        self._recurrence = recurrence
        self._layout = recurrence.layout
        self._batch = batch
        row = FLOAT64 * prod(batch) * sum(bank.width for bank in self._layout.banks if bank.kept)
        least = -(-SLAB // max(1, prod(batch)))
        most = max(least, min(_MOST_STEPS, _BLOCK_BYTES // max(1, row)))
        self.block = min(steps, most - most % least)
        self._direct = self._written_directly()
        self._banks = [
            np.empty((0 if k in self._direct else self.block + 1 if bank.kept else 1, *batch, bank.width))
            for k, bank in enumerate(self._layout.banks)
        ]
        self._values = Values({}, {})
        self._rows: dict[Place, Rows] = {}
        self._groups = [self._bind(call) for call in recurrence.calls]

    def run(self, values: Values) -> None:
        """Step through the block whose `values` are given so far, and fill in those of the recurrence."""
        count = len(values.now["x"])
        self._values = values
        for place, rows in self._rows.items():
            if place.bank in self._direct and isinstance(rows, list):
                rows[:] = self._array(place)
        for name in self._recurrence.program.state:
            self._array(self._layout.place(Ref(name, previous=True)))[0] = values.previous[name][0]
        for drive in self._recurrence.drives:
            self._fill(drive, values, count)
        run_calls(self._groups, count)
        self._keep(values, count)

    def _written_directly(self) -> dict[int, str]:
        """The banks that are one wide value as it is kept: the steps write it where it stays."""
        found = {}
        for equation in self._recurrence.program.equations:
            place = self._layout.place(equation.name)
            whole = place.stop - place.start == self._layout.banks[place.bank].width
            as_it_is = equation.name not in self._layout.negated and equation.name not in self._layout.divided
            if whole and as_it_is and prod(self._batch) * (place.stop - place.start) >= _WIDE:
                found[place.bank] = equation.name
        return found

    def _array(self, place: Place) -> Array:
        """The columns of a place over all steps of the block."""
        if place.bank in self._direct:
            name = self._direct[place.bank]
            before = name in self._recurrence.program.state and not place.after
            source = self._values.previous if before else self._values.now
            return source[name][..., place.start : place.stop]
        rows = self._banks[place.bank][1:] if place.after else self._banks[place.bank][: self.block]
        return rows[..., place.start : place.stop]

    def _columns(self, operand: Operand) -> Rows:
        if not isinstance(operand, Place):
            return repeat(operand)
        if operand.bank in self._direct:
            return self._rows.setdefault(operand, [])
        if operand not in self._rows:
            array = self._array(operand)
            kept = self._layout.banks[operand.bank].kept
            self._rows[operand] = list(array) if kept else repeat(array[0])
        return self._rows[operand]

    def _bind(self, call: tuple[Any, ...]) -> Calls:
        """The call, or the calls that may run in any order, with the memory that it works on."""
        if not isinstance(call, StackProduct):
            return [(call[0], tuple(map(self._columns, call[1])))]
        vector = self._columns(call.operand)
        if self._batch:
            return [(np.matmul, (vector, repeat(self._recurrence.stacks[call.stack].T), self._columns(call.out)))]
        found: Calls = []
        start = call.out.start
        for piece in self._recurrence.pieces[call.stack]:
            part = call.out._replace(start=start, stop=start + len(piece))
            found.append((piece.dot, (vector, self._columns(part))))
            start = part.stop
        return found

    def _fill(self, drive: _Drive, values: Values, count: int) -> None:
        out, weights = self._array(drive.place)[:count], self._recurrence.weights
        if drive.matrix is None or drive.vector is None:
            out[...] = drive.constant
        else:
            bulk_product(drive.matrix, evaluate(drive.vector, values, weights), out)
            if drive.constant.any():
                out += drive.constant
        for place, negated, expression in drive.rest:
            part = self._array(place)[:count]
            (np.subtract if negated else np.add)(part, evaluate(expression, values, weights), out=part)

    def _keep(self, values: Values, count: int) -> None:
        for equation in self._recurrence.program.equations:
            name = equation.name
            place = self._layout.place(name)
            if place.bank in self._direct:
                continue
            source, kept = self._array(place)[:count], values.now[name]
            if name in self._layout.negated:
                np.subtract(_ZERO, source, out=kept)  # −0 would come of negating 0
            elif name in self._layout.divided:
                np.reciprocal(source, out=kept)
            else:
                kept[...] = source
