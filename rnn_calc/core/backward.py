"""Backpropagation through one direction of one layer: the derivative of a loss, carried back from step to step.

The steps of a block are single NumPy calls on rows, run as the forward pass runs them. Rows are kept as float64 times
a power of two for each step, which is 1 unless a gradient leaves the range of float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.elementwise import Place
from rnn_calc.core.engine import Engine
from rnn_calc.core.equations import Vector, axis_of
from rnn_calc.core.evaluation import Values
from rnn_calc.core.linearization import Linearization
from rnn_calc.core.stepping import Calls, Rows, in_pieces, run_calls
from rnn_calc.core.weights import Array

Exponents = NDArray[np.int64]
# What comes to the hidden states of some steps from outside the layer.
Local: TypeAlias = "Callable[[slice], Scaled]"

# A block of steps has coefficients and rows of about this many bytes, and at most so many steps.
_BLOCK_BYTES = 2**21
_MOST_STEPS = 1024
# A matrix beyond this is read as it lies: its transpose would cost as much memory once more.
_LARGEST_COPY = 2**24
# Rows that begin a block with a larger or smaller power of two than this are rescaled to 1.
_NEAR = 128
# Rows that leave this range within a block may have lost digits, so the block is taken in halves.
_LEAST, _LARGEST = 2.0**-700, 2.0**900
# Slopes fall to e^−600 before they are lifted; times rows beyond this they stay within float64, above its least.
_SAFE, _TINY = 2.0**-150, 2.0**-1000
# The power of two of a row of zeros: below that of any other, and far from the end of an int64.
NOTHING = -(2**60)


@dataclass(frozen=True, eq=False)
class Scaled:
    """An array whose row t stands for `rows[t]` × 2^`exponents[t]`. Shapes: rows (T, n), exponents (T,)."""

    rows: Array
    exponents: Exponents

    def __getitem__(self, steps: slice) -> Scaled:
        return Scaled(self.rows[steps], self.exponents[steps])

    @property
    def plain(self) -> Array:
        """As float64; what is beyond its range is infinite, what is below it 0."""
        if not self.exponents.any():
            return self.rows
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(np.ldexp(self.rows, shift(self.exponents)[:, None]))

    @property
    def log10_norms(self) -> Array:
        """log₁₀ of the 2-norm of each row; −∞ for an exact zero."""
        with np.errstate(divide="ignore"):
            sizes = np.abs(self.rows).max(axis=1, initial=0.0)
            units = np.frexp(sizes)[1]
            norms = np.linalg.norm(np.ldexp(self.rows, -units[:, None]), axis=1)
            return np.asarray(np.log10(norms) + (units + self.exponents) * np.log10(2))

    @property
    def tops(self) -> Exponents:
        """The power of two of each row's largest entry; `NOTHING` where all are 0."""
        sizes = np.abs(self.rows).max(axis=1, initial=0.0)
        return np.where(sizes > 0, np.frexp(sizes)[1] + self.exponents, NOTHING)

    @property
    def near_one(self) -> Scaled:
        """The same with the largest entry of every row near 1, and the exponent `NOTHING` where all are 0."""
        tops = self.tops
        return Scaled(self.relative_to(tops), tops)

    def plus(self, other: Scaled) -> Scaled:
        """The sum, row by row."""
        if not (self.exponents.any() or other.exponents.any()):
            return Scaled(self.rows + other.rows, self.exponents)
        # By what is there: an exponent of zeros says nothing of the other's size.
        tops = np.maximum(self.tops, other.tops)
        exponents = np.where(tops > NOTHING, tops, 0)
        return Scaled(self.relative_to(exponents) + other.relative_to(exponents), exponents)

    def relative_to(self, exponent: int | Exponents) -> Array:
        """The rows divided by 2^`exponent`, or each by its own."""
        if not (self.exponents - exponent).any():
            return self.rows
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(np.ldexp(self.rows, shift(self.exponents - exponent)[:, None]))


def shift(exponents: Exponents | np.int64) -> NDArray[np.int32]:
    """Exponents that ldexp takes, beyond float64 where they were."""
    return np.clip(exponents, -5000, 5000).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Block:
    """What came back to steps `start` to `stop` − 1 of a layer, in the order in which it read.

    `states` are the derivatives of the loss by each state after a step, `nodes` those by the pre-activations, side by
    side as `derivative.layout` says. The states are to be multiplied by 2^`exponent`, and a row of the nodes by its own
    of `node_exponents`.
    Shapes: states (stop − start, n), nodes (stop − start, layout.width).
    """

    start: int
    stop: int
    derivative: Linearization
    states: dict[str, Array]
    nodes: Array
    exponent: int

    @property
    def node_exponents(self) -> Exponents:
        """The powers of two of the rows of `nodes`, which the slopes of a step that saturates may have lowered."""
        return self.exponent + self.derivative.exponents


class Backward:
    """The way back through a run: blocks of steps, the last block first."""

    def __init__(self, engine: Engine, values: Values, local: Local, *, whole: bool = False) -> None:
        self._engine, self._values, self._local, self._whole = engine, values, local, whole
        self._steps = len(values.now["x"])
        self._transposed: dict[tuple[str, ...], list[Array]] = {}

    def blocks(self) -> Iterator[Block]:
        """Every block. What reaches the h of some steps from outside the layer is `local` of them."""
        T, sizes = self._steps, self._engine.layer.sizes
        row = 8 * sum(sizes[axis_of(e.expression)] for e in self._engine.layer.equations)
        length = max(1, min(_MOST_STEPS, _BLOCK_BYTES // row))
        waiting = [(start, min(start + length, T)) for start in range(0, T, length)]
        carry = {name: np.zeros(sizes[axis]) for name, axis in self._engine.layer.state.items()}
        exponent = 0
        while waiting:
            start, stop = waiting.pop()
            done = self._block(start, stop, carry, exponent)
            if done is None:
                middle = (start + stop) // 2
                waiting += [(start, middle), (middle, stop)]
                continue
            block, before = done
            yield block
            carry = before
            exponent = block.exponent + (block.derivative.exponent(0) if stop - start == 1 else 0)

    def _block(
        self, start: int, stop: int, carry: dict[str, Array], exponent: int
    ) -> tuple[Block, dict[str, Array]] | None:
        """The block and what it leaves to the step before it; None where it has to be taken in halves."""
        values = self._values.block(slice(start, stop))
        derivative = Linearization(self._engine, values, whole=self._whole)
        local = self._local(slice(start, stop))
        unit = _common_exponent(carry, exponent, local)
        steps = stop - start
        rows = {name: np.zeros((steps + 1, len(last))) for name, last in carry.items()}
        for name, last in carry.items():
            rows[name][steps] = np.ldexp(last, shift(np.array(exponent - unit)))
        inside = local.relative_to(unit)
        rows["h"][steps] += inside[-1]
        nodes = np.zeros((steps, derivative.layout.width))
        if any(last[steps].any() for last in rows.values()) or inside.any():
            single = steps == 1
            # What came in and is so small beside the rest that it is lost.
            lost = any(last.any() and not rows[name][steps].any() for name, last in carry.items())
            lost |= bool((local.rows.any(axis=1) & ~inside.any(axis=1)).any())
            if not single and (derivative.exponents.any() or lost):
                return None
            with np.errstate(all="ignore"):
                run_calls(_Calls(self, derivative, rows, nodes, inside).groups, steps)
            if not single and not _keeps_digits(derivative, rows, nodes):
                return None
        states = {name: own[1:] for name, own in rows.items()}
        return Block(start, stop, derivative, states, nodes, unit), {name: own[0] for name, own in rows.items()}

    def transposed(self, matrices: tuple[str, ...]) -> list[Array]:
        """The transpose of stacked matrices in pieces of rows that memory gives fast."""
        if matrices not in self._transposed:
            matrix = self._engine.stacked(matrices)
            small = matrix.nbytes <= _LARGEST_COPY
            self._transposed[matrices] = in_pieces(np.ascontiguousarray(matrix.T)) if small else [matrix.T]
        return self._transposed[matrices]


def _common_exponent(carry: dict[str, Array], exponent: int, local: Scaled) -> int:
    """The power of two that a block's rows are divided by: 0 while they are not far from 1."""
    largest = max(float(np.abs(last).max()) for last in carry.values())
    top = max(int(np.frexp(largest)[1]) + exponent if largest else NOTHING, int(local.tops.max()))
    return top if abs(top) > _NEAR and top > NOTHING else 0


def _keeps_digits(derivative: Linearization, rows: dict[str, Array], nodes: Array) -> bool:
    """Whether no row came out of range, and none came to zero that was none."""
    sizes = {name: np.abs(own).max(axis=1) for name, own in rows.items()}
    if not all(((own == 0) | (own > _LEAST) & (own < _LARGEST)).all() for own in sizes.values()):
        return False
    after = np.max([own[1:] for own in sizes.values()], axis=0)
    low = (after < _SAFE) & (after > 0)
    if low.any() and not (np.abs(nodes[low]).max(axis=1, initial=0) > _TINY).all():
        return False
    zero = {name: own[:-1] == 0 for name, own in sizes.items()}
    if not any(own.any() for own in zero.values()):
        return True
    # As where no unit of a relu is above 0: rows near 1 come to zero as well.
    near = {name: Scaled(own[1:], -np.frexp(after)[1].astype(np.int64)).plain for name, own in rows.items()}
    before = derivative.pull(slice(0, len(after)), near)
    return not any(before[name][own].any() for name, own in zero.items() if name in before)


class _Calls:
    """The calls of every step of a block, the last step first.

    Memory has a row for each step, or is a single row that is used again.
    """

    def __init__(
        self, backward: Backward, derivative: Linearization, rows: dict[str, Array], nodes: Array, local: Array
    ) -> None:
        self._backward, self._derivative, self._nodes = backward, derivative, nodes
        self.groups: list[Calls] = []
        after = {state: rows[state.name][1:] for state in derivative.states()}
        before = {state: rows[state.name][:-1] for state in derivative.states(previous=True)}
        late: list[tuple[Array, Array, Array]] = []
        for target, parts in derivative.parts.items():
            here = (
                after[target]
                if isinstance(target, Vector) and target in after
                else np.zeros(derivative.width_of(target))
            )
            if target not in after:
                self._through_matrices(target, here)
            for part in parts:
                shape = (len(nodes), len(part.starts), -1)
                into = nodes[:, part.columns].reshape(shape)
                self._multiply(here, part.coefficients.reshape(shape), into, add=not part.first)
            for place, path in derivative.direct[target]:
                if place in before:
                    late.append((here, path, before[place]))
                elif place in after:
                    self._multiply(here, path, after[place], add=True)
        # A product writes, so it comes before what is added.
        written = [id(own) for state, own in before.items() if self._through_matrices(state, own)]
        for here, path, own in late:
            self._multiply(here, path, own, add=id(own) in written)
            written.append(id(own))
        if local[:-1].any():
            # The step before the block adds its own when its block begins.
            (h,) = (own for state, own in before.items() if state.name == "h")
            self._emit(np.add, h, np.concatenate((np.zeros((1, local.shape[1])), local[:-1])), h)

    def _emit(self, function: Callable[..., object], *operands: Array) -> None:
        self.groups.append([(function, tuple(map(self._rows, operands)))])

    @staticmethod
    def _rows(memory: Array) -> Rows:
        return repeat(memory) if memory.ndim == 1 else list(memory[::-1])

    def _multiply(self, rows: Array, path: Array, into: Array, *, add: bool) -> None:
        if add:
            product = np.empty(into.shape[1:])
            self.groups.append([(np.multiply, (self._rows(rows), self._rows(path), repeat(product)))])
            self.groups.append([(np.add, (self._rows(into), repeat(product), self._rows(into)))])
        else:
            self._emit(np.multiply, rows, path, into)

    def _through_matrices(self, vector: Place, into: Array) -> bool:
        """Write what comes to the vector through the matrices that multiply it; whether there are any."""
        stacks = self._derivative.layout.stacks.get(vector, ())
        for number, stack in enumerate(stacks):
            out = into if number == 0 else np.empty(into.shape[-1])
            given, start, group = self._rows(self._nodes[:, stack.columns]), 0, list[Any]()
            for piece in self._backward.transposed(stack.matrices):
                stop = start + len(piece)
                group.append((piece.dot, (given, self._rows(out[..., start:stop]))))
                start = stop
            self.groups.append(group)
            if number:
                self._emit(np.add, into, out, into)
        return bool(stacks)
