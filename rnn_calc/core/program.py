"""The recurrence of a layer as a list of single operations: what is left when nothing is nested any more.

`c = f ⊙ c_prev + i ⊙ g` becomes `c.1 ← f times c_prev`, `c.2 ← i times g`, `c ← sum of c.1, c.2`. Whatever does not
depend on the state (`W_xi x_t + b_i`) becomes one given value, which is computed for many steps at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

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

# Every other operation is an elementwise function.
ARITHMETIC = frozenset(("product", "sum", "times", "over", "copy"))


class Ref(NamedTuple):
    """The value of a name: in this step, or in the step before."""

    name: str
    previous: bool = False


class Assignment(NamedTuple):
    """`name` ← `operation` of `operands`: product (of `matrix`), sum, times, over, copy, or an elementwise function."""

    name: str
    operation: str
    operands: tuple[Ref, ...]
    matrix: str = ""


class Program:
    """The operations of one step, each after those whose results it reads.

    `stateful` names the equations that depend on the previous state, `state` the state vectors and their axes;
    `given` holds what is known before the steps begin; `axes` the axis of every name in both.
    """

    def __init__(self, equations: Iterable[Equation], state: dict[str, str], stateful: frozenset[str]) -> None:
        self.equations = tuple(equations)
        self.state = state
        self._stateful = stateful
        self.given: dict[str, Expression] = {}
        self.axes: dict[str, str] = {}
        self.assignments: dict[str, Assignment] = {}
        for equation in self.equations:
            self._flatten(equation.expression, equation.name, equation.name)

    @cached_property
    def users(self) -> dict[str, list[Assignment]]:
        """Who reads the value that a name has in this step."""
        found: dict[str, list[Assignment]] = {name: [] for name in self.axes}
        for assignment in self.assignments.values():
            for ref in assignment.operands:
                if not ref.previous:
                    found[ref.name].append(assignment)
        return found

    @cached_property
    def ranks(self) -> dict[str, int]:
        """How many functions, one within the other, a value takes: equal ranks never wait for each other's function."""
        found = dict.fromkeys(self.given, 0)
        for name, assignment in self.assignments.items():
            deepest = max(0 if ref.previous else found[ref.name] for ref in assignment.operands)
            found[name] = deepest + (assignment.operation not in ARITHMETIC)
        return found

    def is_named(self, name: str) -> bool:
        """Whether the name is one of the equations', and not a step on the way."""
        return any(equation.name == name for equation in self.equations)

    def depends_on_state(self, expression: Expression) -> bool:
        """Whether the previous state has any part in the expression."""
        return depends_on_state(expression, self._stateful)

    def _flatten(self, expression: Expression, base: str, name: str = "") -> Ref:
        """The reference to the value of `expression`, after adding the operations that make it, as `name` if given."""
        if isinstance(expression, Vector) and not name and self.depends_on_state(expression):
            return Ref(expression.name, expression.previous)
        if not self.depends_on_state(expression):
            return self._give(expression)
        match expression:
            case Product(matrix, vector):
                return self._assign(expression, base, name, "product", (self._flatten(vector, base),), matrix.name)
            case Sum(terms):
                refs = [self._flatten(term, base) for term in terms if self.depends_on_state(term)]
                fixed = tuple(term for term in terms if not self.depends_on_state(term))
                if fixed:
                    refs.append(self._give(Sum(fixed)))
                return self._assign(expression, base, name, "sum", tuple(refs))
            case Hadamard(left, right):
                return self._assign(expression, base, name, "times", self._both(left, right, base))
            case Quotient(left, right):
                return self._assign(expression, base, name, "over", self._both(left, right, base))
            case Apply(function, argument):
                return self._assign(expression, base, name, function, (self._flatten(argument, base),))
            case _:
                return self._assign(expression, base, name, "copy", (self._flatten(expression, base),))

    def _both(self, left: Expression, right: Expression, base: str) -> tuple[Ref, Ref]:
        return self._flatten(left, base), self._flatten(right, base)

    def _assign(
        self, made_of: Expression, base: str, name: str, operation: str, operands: tuple[Ref, ...], matrix: str = ""
    ) -> Ref:
        name = name or f"{base}.{len(self.assignments)}"
        self.axes[name] = axis_of(made_of)
        self.assignments[name] = Assignment(name, operation, operands, matrix)
        return Ref(name)

    def _give(self, expression: Expression) -> Ref:
        name = f"given.{len(self.given)}"
        self.axes[name] = axis_of(expression)
        self.given[name] = expression
        return Ref(name)


def depends_on_state(expression: Expression, stateful: frozenset[str]) -> bool:
    """Whether the previous state has any part in the expression, directly or through the equations named."""
    vectors = (node for node in walk(expression) if isinstance(node, Vector))
    return any(vector.previous or vector.name in stateful for vector in vectors)


def terms_of(expression: Expression) -> tuple[list[Product], list[Parameter], list[Expression]]:
    """The summands of a given value: matrix products, constant vectors, and the rest."""
    terms = expression.terms if isinstance(expression, Sum) else (expression,)
    products = [term for term in terms if isinstance(term, Product)]
    constants = [term for term in terms if isinstance(term, Parameter)]
    return products, constants, [term for term in terms if not isinstance(term, Product | Parameter)]
