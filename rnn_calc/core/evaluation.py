"""The values of expressions over all steps at once, from vectors that are already known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rnn_calc.core.equations import (
    Apply,
    Expression,
    Hadamard,
    Lookup,
    Merge,
    Parameter,
    Product,
    Quotient,
    Sum,
    Vector,
)
from rnn_calc.core.functions import apply_function
from rnn_calc.core.weights import Array, Weights

# Products over all steps are made in slabs of exactly this many rows (the last one padded), because BLAS may round a
# row differently in a product of another height. So a sequence that is cut and resumed gives the same bits.
SLAB = 256

# The columns that are left over where a product's width is no multiple of this are rounded by the row's place in it.
_WIDTH = 8


def bulk_product(matrix: Array, rows: Array, out: Array | None = None) -> Array:
    """`matrix @ row` for every row of `rows` (…, n), bit for bit the same however the rows are grouped.

    Shapes: the result is (…, m); `out`, if given, may be some columns of a wider array.
    """
    flat = np.ascontiguousarray(rows).reshape(-1, rows.shape[-1])
    if out is None:
        out = np.empty((*rows.shape[:-1], len(matrix)))
    into = out.reshape(-1, len(matrix))
    if len(matrix) % _WIDTH:
        return _padded_product(matrix, flat, into, out)
    transposed = matrix.T
    full = len(flat) - len(flat) % SLAB
    with np.errstate(all="ignore"):
        for start in range(0, full, SLAB):
            np.matmul(flat[start : start + SLAB], transposed, out=into[start : start + SLAB])
        if full < len(flat):
            last = np.zeros((SLAB, flat.shape[1]))
            last[: len(flat) - full] = flat[full:]
            into[full:] = (last @ transposed)[: len(flat) - full]
    return out


def _padded_product(matrix: Array, flat: Array, into: Array, out: Array) -> Array:
    """The same for a matrix whose rows are no multiple of `_WIDTH`: made with rows of zeros, which are left out."""
    width = len(matrix)
    padded = np.zeros((matrix.shape[1], width + -width % _WIDTH))
    padded[:, :width] = matrix.T
    slab, product = np.zeros((SLAB, flat.shape[1])), np.empty((SLAB, padded.shape[1]))
    with np.errstate(all="ignore"):
        for start in range(0, len(flat), SLAB):
            part = flat[start : start + SLAB]
            slab[: len(part)] = part
            np.matmul(slab, padded, out=product)
            into[start : start + SLAB] = product[: len(part), :width]
    return out


@dataclass(frozen=True)
class Values:
    """What every equation gave at every step: `now[name][t]`, and the states before each step in `previous`."""

    now: dict[str, Array]
    previous: dict[str, Array]

    def of(self, vector: Vector) -> Array:
        """The values of a vector over all steps."""
        return (self.previous if vector.previous else self.now)[vector.name]

    def block(self, steps: slice) -> Values:
        """The values of some of the steps, as views."""
        return Values(
            {name: array[steps] for name, array in self.now.items()},
            {name: array[steps] for name, array in self.previous.items()},
        )


def look_up(table: Array, index: Array) -> Array:
    """The rows of `table` (V, n) that whole numbers name, as a new array.

    Shapes: index (T, 1) or (T, B, 1), or (T,); the result is (T, n) or (T, B, n).
    """
    numbers = index if index.ndim == 1 else index[..., 0]
    return np.take(table, numbers.astype(np.intp), axis=0)


def merge(how: str, forward: Array, backward: Array) -> Array:
    """The states of both directions made one, as Keras does it: concat, sum, average or product."""
    match how:
        case "concat":
            return np.concatenate((forward, backward), axis=-1)
        case "product":
            return forward * backward
        case "average":
            # Halved first, the sum of two large numbers does not overflow.
            return forward / 2 + backward / 2
        case _:
            return forward + backward


def evaluate(
    expression: Expression, values: Values, weights: Weights, known: Mapping[Expression, Array] | None = None
) -> Array:
    """The value of `expression` at every step at once, from values that are already known.

    Both operands of a merge are called h, so they are found in `values.now` under their printed symbols. In `known`
    are expressions that were evaluated before: they are not made again.
    What float64 cannot hold comes out as infinity or NaN, without a warning.
    """
    with np.errstate(all="ignore"):
        return _evaluate(expression, values, weights, known or {})


def _evaluate(expression: Expression, values: Values, weights: Weights, known: Mapping[Expression, Array]) -> Array:
    if known and expression in known:
        return known[expression]

    def value(operand: Expression) -> Array:
        return _evaluate(operand, values, weights, known)

    match expression:
        case Vector():
            return values.of(expression)
        case Parameter(name=name):
            return weights[name]
        case Product(matrix, vector):
            return bulk_product(weights[matrix.name], value(vector))
        case Sum(terms):
            total = value(terms[0])
            # A product is an array of our own, so the rest can be added in place; a vector is somebody's.
            ours = isinstance(terms[0], Product) and terms[0] not in known
            for term in terms[1:]:
                total = np.add(total, value(term), out=total if ours else None)
            return total
        case Hadamard(left, right):
            return value(left) * value(right)
        case Quotient(left, right):
            return np.asarray(value(left) / value(right))
        case Apply(function, argument):
            return apply_function(function, value(argument))
        case Lookup(table, index):
            return look_up(weights[table.name], values.of(index))
        case Merge(how, forward, backward):
            return merge(how, values.now[forward.symbol], values.now[backward.symbol])
        case _:
            raise AssertionError(f"unresolved expression: {expression}")
