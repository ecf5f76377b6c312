"""The derivative of a run, transposed: what backpropagation through time and the norms of Jacobians are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.engine import Engine
from rnn_calc.core.equations import (
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
from rnn_calc.core.functions import entry_slopes, is_uneven, lifted_slopes, slopes
from rnn_calc.core.weights import Array


@dataclass(frozen=True)
class Chain:
    """∂h_t/∂h_{t−1} = diag(slopes[t] × 2^exponents[t])·matrix, of a state that is one function of a linear map."""

    slopes: Array
    exponents: NDArray[np.int64]
    matrix: Array


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


class Linearization:
    """The derivative of every step of one run: ∂state_t/∂state_{t−1}, applied to a block of rows from the left."""

    def __init__(self, engine: Engine, values: Values) -> None:
        self._engine = engine
        self._values = values
        self._equations = engine.recurrence
        self._slopes: dict[Apply, Array] = {}
        self._factors: dict[Expression, Array] = {}
        self._exponents = np.zeros(len(values.now["x"]), dtype=np.int64)
        nodes = [node for equation in self._equations for node in walk(equation.expression)]
        stateful = [node for node in nodes if engine.depends_on_state(node)]
        # Where every path goes through one function, and only then, its slopes can have an exponent for the whole step.
        self._single = len([n for n in stateful if _varies(n)]) == 1 and not any(
            self._goes_around(Vector(name, axis)) for name, axis in engine.layer.state.items()
        )
        for node in stateful:
            self._prepare(node)

    def _goes_around(self, node: Expression) -> bool:
        """Whether the previous state reaches `node` through nothing but linear maps that stay the same."""
        if _varies(node):
            return False
        if isinstance(node, Vector):
            made = [equation for equation in self._equations if equation.name == node.name]
            return node.previous or any(self._goes_around(equation.expression) for equation in made)
        return any(map(self._goes_around, operands(node)))

    def _prepare(self, node: Expression) -> None:
        """Keep what the derivative of `node` needs, for all steps at once."""
        if isinstance(node, Apply):
            argument = evaluate(node.argument, self._values, self._engine.weights)
            if self._single and argument.ndim == 2:
                self._slopes[node], self._exponents = lifted_slopes(node.function, argument)
            else:
                self._slopes[node] = slopes(node.function, argument)
        if isinstance(node, Hadamard | Quotient):
            for factor in operands(node):
                self._factors[factor] = evaluate(factor, self._values, self._engine.weights)

    def pull(self, t: int, cotangents: Mapping[str, Array]) -> dict[str, Array]:
        """Rows `M` (r, n) for each state of step `t` (0-based), times ∂state_t/∂state_{t−1}/2^`exponent(t)`.

        Shapes: n is the width of that state; the result has a block (r, n) for each state of the step before, without
        those that nothing depends on.
        """
        pending = dict(cotangents)
        result: dict[str, Array] = {}
        for equation in reversed(self._equations):
            if equation.name in pending:
                self._back(equation.expression, pending.pop(equation.name), t, pending, result)
        return result

    def uneven_chain(self) -> Chain | None:
        """The Jacobians' factors where some slopes are lost beside others of their step, else None."""
        last = self._equations[-1].expression
        if not (self._single and len(self._engine.layer.state) == 1 and isinstance(last, Apply)):
            return None
        argument = evaluate(last.argument, self._values, self._engine.weights)
        if argument.ndim != 2 or not is_uneven(last.function, argument, self._exponents):
            return None
        # With slopes of 1, what is left of the chain is the matrix, the same at every step.
        name, kept = self._equations[-1].name, self._slopes[last]
        self._slopes[last] = np.ones_like(argument[:1])
        matrix = self.pull(0, {name: np.eye(argument.shape[1])})[name]
        self._slopes[last] = kept
        return Chain(*entry_slopes(last.function, argument), matrix)

    def exponent(self, t: int) -> int:
        """The power of two that `pull` leaves out at step `t`: 0 unless every unit saturates beyond float64."""
        return int(self._exponents[t])

    def _back(
        self,
        node: Expression,
        rows: Array,
        t: int,
        pending: dict[str, Array],
        result: dict[str, Array],
    ) -> None:
        if not self._engine.depends_on_state(node):
            return
        match node:
            case Vector(name=name, previous=previous):
                into = result if previous else pending
                into[name] = into[name] + rows if name in into else rows
            case Product(matrix, vector):
                self._back(vector, rows @ self._engine.weights[matrix.name], t, pending, result)
            case Sum(terms):
                for term in terms:
                    self._back(term, rows, t, pending, result)
            case Hadamard(left, right):
                self._back(left, rows * self._step(self._factors[right], t), t, pending, result)
                self._back(right, rows * self._step(self._factors[left], t), t, pending, result)
            case Quotient(left, right):
                divided = rows / self._step(self._factors[right], t)
                self._back(left, divided, t, pending, result)
                if self._engine.depends_on_state(right):
                    quotient = self._step(self._factors[left], t) / self._step(self._factors[right], t)
                    self._back(right, -divided * quotient, t, pending, result)
            case Apply(_, argument):
                self._back(argument, rows * self._slopes[node][t], t, pending, result)

    @staticmethod
    def _step(array: Array, t: int) -> Array:
        return array if array.ndim == 1 else np.asarray(array[t])
