"""What the equation of a recurrent cell is made of: pure data, and the folds over it.

A cell is a list of named equations over vectors and parameters. Everything else in this package is a fold over such a
list: shapes, counts, the dimension check, the printed formula, the NumPy program and its transposed derivative.
Matrices are described in the column reading, `W x` with `W` (rows, columns); how they are stored and printed is
decided by a convention.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from rnn_calc.core.records import Record

# The steepest slope of each elementwise function: the γ of the bound ‖∂h_t/∂h_k‖ ≤ (γ‖W_hh‖)^(t−k).
MAX_SLOPE = {"tanh": 1.0, "relu": 1.0, "sigmoid": 0.25, "identity": 1.0}

ACTIVATIONS = tuple(MAX_SLOPE)

# 1 − v, which only cells use.
COMPLEMENT = "complement"

# How Keras joins two directions.
MERGES = ("concat", "sum", "average", "product")


class Expression(Record):
    """Anything that has a value at one time step."""

    def __add__(self, other: Expression) -> Sum:
        return Sum((*_terms(self), *_terms(other)))

    def __mul__(self, other: Expression) -> Hadamard:
        return Hadamard(self, other)


class Vector(Expression):
    """The input, a state or the value of an earlier equation; `previous` is its value one step before.

    `symbol` is how it is printed where that is not `name`: a layer of a stack calls its input x, and prints h^(1).
    """

    name: str
    axis: str
    previous: bool = False
    symbol: str = ""


class Parameter(Expression):
    """A learned matrix (two axes, column reading) or vector (one axis), the same at every step.

    `mark` tells the layers of a stack apart, as in W_hh^(2); it ends the name.
    """

    name: str
    role: str
    axes: tuple[str, ...]
    gate: str = "h"
    mark: str = ""

    @property
    def is_matrix(self) -> bool:
        """Whether it multiplies a vector, and so has an orientation."""
        return len(self.axes) == 2


class Product(Expression):
    """Matrix times vector."""

    matrix: Parameter
    vector: Expression


class Lookup(Expression):
    """The row of a table that a whole number (a vector of width 1) names: an embedding."""

    table: Parameter
    index: Vector


class Sum(Expression):
    """Vectors of one width added up."""

    terms: tuple[Expression, ...]


class Hadamard(Expression):
    """Two vectors of one width multiplied entry by entry."""

    left: Expression
    right: Expression


class Quotient(Expression):
    """A vector divided by another, entry by entry."""

    left: Expression
    right: Expression


class Apply(Expression):
    """An elementwise function of a vector; `phi` stands for the network's activation until it is resolved."""

    function: str
    argument: Expression


class Merge(Expression):
    """The states of both directions made one: one after the other (concat), or sum, average or product."""

    how: str
    forward: Vector
    backward: Vector
    axis: str


class Affine(Expression):
    """`W_x x_t + W_h h_{t−1} + b` for one gate; how many biases it has is settled by `resolve`.

    `recurrent` is what W_h multiplies: h_{t−1}, or nothing at all.
    """

    gate: str
    recurrent: Expression | None = Vector("h", "d_h", previous=True)


class RecurrentAffine(Expression):
    """`W_h h_{t−1} + b` for one gate, where it stands apart from the input part, so that its bias is no second one."""

    gate: str


class Equation(NamedTuple):
    """A named value: what the expression gives at each step. `kind` is input, gate, state or output.

    `symbol` is how the value is printed where that is not `name`.
    """

    name: str
    expression: Expression
    kind: str
    role: str
    symbol: str = ""

    @property
    def vector(self) -> Vector:
        """This value as an operand of later equations of the same step."""
        return Vector(self.name, axis_of(self.expression), symbol=self.symbol)


def _terms(expression: Expression) -> tuple[Expression, ...]:
    return expression.terms if isinstance(expression, Sum) else (expression,)


INPUT = Vector("x", "d_in")
H_PREV = Vector("h", "d_h", previous=True)
_WIDTH = "d_h"


def _recurrent_product(gate: str, operand: Expression) -> Product:
    return Product(Parameter(f"W_h{gate}", "recurrent", (_WIDTH, axis_of(operand)), gate), operand)


def _affine_terms(affine: Affine, biases: int) -> Sum:
    """The summands of a gate: input part, recurrent part, and no, one or two biases."""
    gate = affine.gate
    terms: list[Expression] = [Product(Parameter(f"W_x{gate}", "input", (_WIDTH, "d_in"), gate), INPUT)]
    if affine.recurrent is not None:
        terms.append(_recurrent_product(gate, affine.recurrent))
    if biases >= 1:
        terms.append(Parameter(f"b_{gate}", "bias", (_WIDTH,), gate))
    if biases == 2 and affine.recurrent is not None:
        terms.append(Parameter(f"b_h{gate}", "recurrent_bias", (_WIDTH,), gate))
    return Sum(tuple(terms))


def rewrite(expression: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """The expression with every node replaced by what `change` makes of it, operands first; sums stay flat."""
    match expression:
        case Product(matrix, vector):
            changed = rewrite(matrix, change)
            assert isinstance(changed, Parameter)
            return change(Product(changed, rewrite(vector, change)))
        case Lookup(table, index):
            changed, where = rewrite(table, change), rewrite(index, change)
            assert isinstance(changed, Parameter)
            assert isinstance(where, Vector)
            return change(Lookup(changed, where))
        case Sum(terms):
            return change(Sum(tuple(part for term in terms for part in _terms(rewrite(term, change)))))
        case Hadamard(left, right):
            return change(Hadamard(rewrite(left, change), rewrite(right, change)))
        case Quotient(left, right):
            return change(Quotient(rewrite(left, change), rewrite(right, change)))
        case Apply(function, argument):
            return change(Apply(function, rewrite(argument, change)))
        case Affine(gate, recurrent):
            return change(Affine(gate, None if recurrent is None else rewrite(recurrent, change)))
        case _:
            return change(expression)


def resolve(expression: Expression, *, activation: str, biases: int, h_axis: str = "d_h") -> Expression:
    """The expression with `phi` and every affine part written out; `h_axis` is the width of h, d_p if projected."""

    def written_out(node: Expression) -> Expression:
        match node:
            case Vector("h", previous=True):
                return Vector("h", h_axis, previous=True)
            case Affine():
                return _affine_terms(node, biases)
            case RecurrentAffine(gate):
                product = _recurrent_product(gate, Vector("h", h_axis, previous=True))
                bias = Parameter(f"b_h{gate}", "recurrent_bias", (_WIDTH,), gate)
                return Sum((product, bias)) if biases else product
            case Apply("phi", argument):
                return Apply(activation, argument)
            case _:
                return node

    return rewrite(expression, written_out)


def operands(expression: Expression) -> tuple[Expression, ...]:
    """The direct operands, in the order in which they are written."""
    match expression:
        case Product(matrix, vector):
            return (matrix, vector)
        case Lookup(table, index):
            return (table, index)
        case Sum(terms):
            return terms
        case Hadamard(left, right) | Quotient(left, right) | Merge(_, left, right):
            return (left, right)
        case Apply(_, argument):
            return (argument,)
        case _:
            return ()


def walk(expression: Expression) -> Iterator[Expression]:
    """Every node, operands before what is made of them."""
    for operand in operands(expression):
        yield from walk(operand)
    yield expression


def parameters(equations: Iterable[Equation]) -> tuple[Parameter, ...]:
    """Each parameter once, in the order of its first use."""
    found = (node for equation in equations for node in walk(equation.expression))
    return tuple(dict.fromkeys(node for node in found if isinstance(node, Parameter)))


def axis_of(expression: Expression) -> str:
    """The name of the one axis of the value; a wrong equation stops here, before any number is involved."""
    match expression:
        case Vector(axis=axis) | Parameter(axes=(axis,)) | Merge(axis=axis):
            return axis
        case Affine() | RecurrentAffine():
            return _WIDTH
        case Lookup(Parameter(axes=(_, columns))):
            return columns
        case Product(Parameter(axes=(rows, columns)), vector):
            assert columns == axis_of(vector), f"{rows} × {columns} times a vector of {axis_of(vector)}"
            return rows
        case _:
            axes = {axis_of(operand) for operand in operands(expression)}
            assert len(axes) == 1, f"{expression} mixes the widths {sorted(axes)}"
            return axes.pop()
