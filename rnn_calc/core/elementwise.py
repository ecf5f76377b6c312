"""The elementwise paths of a run's derivative, summed up for all steps at once.

Between two matrix products a derivative is elementwise: one number for each unit. Those numbers are multiplied along
each path and added up over all paths, so that a step of the derivative needs few operations, whatever the cell.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from rnn_calc.core.engine import Engine
from rnn_calc.core.equations import (
    COMPLEMENT,
    Apply,
    Expression,
    Hadamard,
    Parameter,
    Product,
    Quotient,
    Sum,
    Vector,
    operands,
    walk,
)
from rnn_calc.core.evaluation import Values, evaluate
from rnn_calc.core.functions import apply_function, lifted_slopes, slopes
from rnn_calc.core.weights import Array

# Where elementwise paths begin and end: at a state before or after the step, at an input, at a vector that a matrix
# multiplies, at a parameter that is not simply added, or at a pre-activation, which is a sum with a matrix product.
Place: TypeAlias = Expression


def _varies(node: Expression) -> bool:
    """Whether the derivative of `node` is another one at every step: it is no linear map with fixed numbers."""
    match node:
        case Hadamard(left, right):
            return not isinstance(left, Parameter) and not isinstance(right, Parameter)
        case Quotient(_, right):
            return not isinstance(right, Parameter)
        case Apply():
            return True
        case _:
            return False


def products_of(node: Expression) -> tuple[Product, ...]:
    """The matrix products that a pre-activation adds up; none where the node is no pre-activation."""
    terms = node.terms if isinstance(node, Sum) else (node,)
    return tuple(term for term in terms if isinstance(term, Product))


def plain(node: Expression) -> Expression:
    """The same without how it is printed, which may differ from place to place."""
    return Vector(node.name, node.axis, node.previous) if isinstance(node, Vector) else node


class Factors:
    """What the derivatives of a step's elementwise operations multiply by, in float64, for all steps at once."""

    def __init__(self, engine: Engine, values: Values) -> None:
        self._engine = engine
        self._values = values
        self._slopes: dict[Apply, Array] = {}
        self.exponents = np.zeros(len(values.now["x"]), dtype=np.int64)
        nodes = [node for equation in engine.recurrence for node in walk(equation.expression)]
        varying = [node for node in nodes if _varies(node) and engine.depends_on_state(node)]
        # Where every path goes through one function, and only then, its slopes can have an exponent for the whole step.
        self.single = len(varying) == 1 and not any(
            self._goes_around(Vector(name, axis)) for name, axis in engine.layer.state.items()
        )
        if self.single and isinstance(varying[0], Apply):
            argument = evaluate(varying[0].argument, values, engine.weights)
            if argument.ndim == 2:
                self._slopes[varying[0]], self.exponents = lifted_slopes(varying[0].function, argument)

    def _goes_around(self, node: Expression) -> bool:
        """Whether the previous state reaches `node` through nothing but linear maps that stay the same."""
        if _varies(node):
            return False
        if isinstance(node, Vector):
            made = [equation for equation in self._engine.recurrence if equation.name == node.name]
            return node.previous or any(self._goes_around(equation.expression) for equation in made)
        return any(map(self._goes_around, operands(node)))

    def slope(self, node: Apply) -> Array:
        """The derivative of a function at its argument (T, n)."""
        if node not in self._slopes:
            argument = evaluate(node.argument, self._values, self._engine.weights)
            self._slopes[node] = slopes(node.function, argument)
        return self._slopes[node]

    def value(self, node: Expression) -> Array:
        """What something is multiplied or divided by, (T, n), or (n,) for a parameter."""
        if isinstance(node, Apply) and node.function == COMPLEMENT:
            gate = self._engine.made(node.argument)
            if isinstance(gate, Apply) and gate.function == "sigmoid":
                # What a gate leaves over, 1 − σ(a), as σ(−a), which does not cancel.
                return apply_function("sigmoid", -evaluate(gate.argument, self._values, self._engine.weights))
        return evaluate(node, self._values, self._engine.weights)

    @property
    def one(self) -> Array:
        """Where a path begins."""
        return np.ones(1)


class _Walk:
    """The sums over all elementwise paths to one vector, for each place where such paths begin."""

    def __init__(self, engine: Engine, factors: Factors, *, whole: bool) -> None:
        self._engine, self._factors, self._whole = engine, factors, whole
        self._equations = [e for e in engine.layer.equations if e.name not in engine.layer.state]
        self._pending: dict[str, Array] = {}
        self.found: dict[Place, Array] = {}

    def to(self, expression: Expression) -> dict[Place, Array]:
        """The coefficients of each place, (T, n), or (n,) or (1,) where they are the same at every step."""
        self._follow(expression, self._factors.one)
        for equation in reversed(self._equations):
            if equation.name in self._pending:
                self._follow(equation.expression, self._pending.pop(equation.name))
        return self.found

    def _counts(self, node: Expression) -> bool:
        return self._whole or self._engine.depends_on_state(node)

    def _arrive(self, place: Place, path: Array) -> None:
        self.found[place] = self.found[place] + path if place in self.found else path

    def _follow(self, node: Expression, path: Array) -> None:
        if not self._counts(node):
            return
        if any(map(self._counts, products_of(node))):
            self._arrive(node, path)
            for term in node.terms if isinstance(node, Sum) else ():
                if not isinstance(term, Product | Parameter):
                    self._follow(term, path)
            return
        match node:
            case Vector(name=name, previous=previous):
                if previous or name in self._engine.layer.state or name == "x":
                    self._arrive(plain(node), path)
                else:
                    self._pending[name] = self._pending[name] + path if name in self._pending else path
            case Parameter():
                self._arrive(node, path)
            case Sum(terms):
                for term in terms:
                    self._follow(term, path)
            case Hadamard(left, right):
                for factor, other in ((left, right), (right, left)):
                    if self._counts(factor):
                        self._follow(factor, path * self._factors.value(other))
            case Quotient(part, Sum((one, other)) as whole) if part in (one, other):
                # 1/whole − part/whole² would cancel where the part is nearly all of the whole.
                rest = other if part == one else one
                divided = path / self._factors.value(whole)
                for factor, share in ((part, self._factors.value(rest)), (rest, -self._factors.value(part))):
                    if self._counts(factor):
                        self._follow(factor, divided * (share / self._factors.value(whole)))
            case Quotient(left, right):
                divided = path / self._factors.value(right)
                self._follow(left, divided)
                if self._counts(right):
                    self._follow(right, -divided * (self._factors.value(left) / self._factors.value(right)))
            case Apply(_, argument):
                self._follow(argument, path * self._factors.slope(node))


class Paths:
    """The elementwise paths of a run: `sources[target][place]` are the coefficients from each place to each target.

    Targets are the states and the vectors that a matrix multiplies, in the order in which they are computed. With
    `whole`, what does not depend on the state before is followed as well, as the gradient of a parameter needs it.
    """

    def __init__(self, engine: Engine, factors: Factors, *, whole: bool = False) -> None:
        self._engine, self._factors, self._whole = engine, factors, whole
        self._made = {equation.name: equation.expression for equation in engine.layer.equations}
        self.sources: dict[Place, dict[Place, Array]] = {}
        for name, axis in engine.layer.state.items():
            self._visit(Vector(name, axis))

    def counts(self, node: Expression) -> bool:
        """Whether paths through the node are followed."""
        return self._whole or self._engine.depends_on_state(node)

    def is_state(self, place: Place) -> bool:
        """Whether the place is a state after the step."""
        return isinstance(place, Vector) and not place.previous and place.name in self._engine.layer.state

    def _visit(self, target: Place) -> None:
        if target in self.sources:
            return
        expression = self._made[target.name] if isinstance(target, Vector) and self.is_state(target) else target
        found = _Walk(self._engine, self._factors, whole=self._whole).to(expression)
        for place in found:
            if self.is_state(place):
                self._visit(place)
            for product in products_of(place):
                vector = plain(product.vector)
                if self._engine.depends_on_state(vector) and not (isinstance(vector, Vector) and vector.previous):
                    self._visit(vector)
        self.sources[target] = found
