"""What the equation of a recurrent cell is made of: pure data, and the folds over it.

A cell is a list of named equations over vectors and parameters. Everything else in this package is a fold over such a
list: shapes, counts, the dimension check, the printed formula, the NumPy program and its transposed derivative.
Matrices are described in the column reading, `W x` with `W` (rows, columns); how they are stored and printed is
decided by a convention.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

# The steepest slope of each elementwise function: the γ of the bound ‖∂h_t/∂h_k‖ ≤ (γ‖W_hh‖)^(t−k).
MAX_SLOPE = {"tanh": 1.0, "relu": 1.0, "sigmoid": 0.25, "identity": 1.0}

ACTIVATIONS = tuple(MAX_SLOPE)


class Expression:
    """Anything that has a value at one time step."""

    def __add__(self, other: Expression) -> Sum:
        return Sum((*_terms(self), *_terms(other)))

    def __mul__(self, other: Expression) -> Hadamard:
        return Hadamard(self, other)


@dataclass(frozen=True)
class Vector(Expression):
    """The input, a state or the value of an earlier equation; `previous` is its value one step before."""

    name: str
    axis: str
    previous: bool = False


@dataclass(frozen=True)
class Parameter(Expression):
    """A learned matrix (two axes, column reading) or vector (one axis), the same at every step."""

    name: str
    role: str
    axes: tuple[str, ...]
    gate: str = "h"

    @property
    def is_matrix(self) -> bool:
        """Whether it multiplies a vector, and so has an orientation."""
        return len(self.axes) == 2


@dataclass(frozen=True)
class Product(Expression):
    """Matrix times vector."""

    matrix: Parameter
    vector: Expression


@dataclass(frozen=True)
class Sum(Expression):
    """Vectors of one width added up."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True)
class Hadamard(Expression):
    """Two vectors of one width multiplied entry by entry."""

    left: Expression
    right: Expression


@dataclass(frozen=True)
class Apply(Expression):
    """An elementwise function of a vector; `phi` stands for the network's activation until it is resolved."""

    function: str
    argument: Expression


@dataclass(frozen=True)
class Affine(Expression):
    """`W_x x_t + W_h h_{t−1} + b` for one gate; how many biases it has is settled by `resolve`."""

    gate: str
    width: str = "d_h"


class Equation(NamedTuple):
    """A named value: what the expression gives at each step. `kind` is gate, state or output."""

    name: str
    expression: Expression
    kind: str
    role: str

    @property
    def vector(self) -> Vector:
        """This value as an operand of later equations of the same step."""
        return Vector(self.name, axis_of(self.expression))


def _terms(expression: Expression) -> tuple[Expression, ...]:
    return expression.terms if isinstance(expression, Sum) else (expression,)


INPUT = Vector("x", "d_in")
H_PREV = Vector("h", "d_h", previous=True)


def affine_terms(gate: str, width: str, biases: int) -> Sum:
    """The summands of a gate: input part, recurrent part, and no, one or two biases."""
    terms: list[Expression] = [
        Product(Parameter(f"W_x{gate}", "input", (width, "d_in"), gate), INPUT),
        Product(Parameter(f"W_h{gate}", "recurrent", (width, "d_h"), gate), H_PREV),
    ]
    if biases >= 1:
        terms.append(Parameter(f"b_{gate}", "bias", (width,), gate))
    if biases == 2:
        terms.append(Parameter(f"b_h{gate}", "recurrent_bias", (width,), gate))
    return Sum(tuple(terms))


def resolve(expression: Expression, *, activation: str, biases: int) -> Expression:
    """The expression with `phi` and every `Affine` written out."""
    match expression:
        case Affine(gate, width):
            return affine_terms(gate, width, biases)
        case Apply(function, argument):
            name = activation if function == "phi" else function
            return Apply(name, resolve(argument, activation=activation, biases=biases))
        case Sum(terms):
            return Sum(
                tuple(part for term in terms for part in _terms(resolve(term, activation=activation, biases=biases)))
            )
        case Hadamard(left, right):
            return Hadamard(
                resolve(left, activation=activation, biases=biases),
                resolve(right, activation=activation, biases=biases),
            )
        case Product(_, vector):
            return replace(expression, vector=resolve(vector, activation=activation, biases=biases))
        case _:
            return expression


def operands(expression: Expression) -> tuple[Expression, ...]:
    """The direct operands, in the order in which they are written."""
    match expression:
        case Product(matrix, vector):
            return (matrix, vector)
        case Sum(terms):
            return terms
        case Hadamard(left, right):
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
        case Vector(axis=axis) | Affine(width=axis):
            return axis
        case Parameter(axes=(axis,)):
            return axis
        case Product(Parameter(axes=(rows, columns)), vector):
            assert columns == axis_of(vector), f"{rows} × {columns} times a vector of {axis_of(vector)}"
            return rows
        case _:
            axes = {axis_of(operand) for operand in operands(expression)}
            assert len(axes) == 1, f"{expression} mixes the widths {sorted(axes)}"
            return axes.pop()
