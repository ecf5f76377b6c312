"""A layer's equations made into NumPy: the forward pass over a sequence.

Arrays are time first: (T, n) for one sequence, (T, B, n) for a batch. What does not depend on the state is computed
for many steps at once; only the recurrence itself is stepped. `program` takes it apart, `layout` puts its values side
by side, `lowering` writes the calls of a step, and `stepping` runs them block by block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

import numpy as np

from rnn_calc.core.equations import Equation, Expression, Vector, axis_of, walk
from rnn_calc.core.evaluation import Values, evaluate
from rnn_calc.core.program import Program, depends_on_state
from rnn_calc.core.stages import Layer
from rnn_calc.core.stepping import Recurrence, StepLoop
from rnn_calc.core.weights import Array, Weights

# Goes over the items of a long loop; a front end may show progress meanwhile.
Watch = Callable[[range], Iterable[int]]


class Engine:
    """A layer and its weights, compiled."""

    def __init__(self, layer: Layer, weights: Weights) -> None:
        self.layer = layer
        self.weights = weights
        self._stacks: dict[tuple[str, ...], Array] = {}
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
        with np.errstate(all="ignore"):
            for equation in self._before:
                now[equation.name] = evaluate(equation.expression, values, self.weights)
            for equation in self.recurrence:
                if equation.name not in now:
                    now[equation.name] = np.empty((T, *batch, self.layer.sizes[axis_of(equation.expression)]))
            loop = StepLoop(self.compiled, T, batch)
            for start in watch(range(0, T, loop.block)):
                loop.run(values.block(slice(start, start + loop.block)))
            for equation in self._after:
                now[equation.name] = evaluate(equation.expression, values, self.weights)
        return values

    def depends_on_state(self, expression: Expression) -> bool:
        """Whether the previous state has any part in the expression."""
        return depends_on_state(expression, self._stateful)

    def made(self, expression: Expression) -> Expression:
        """The expression that a value of this step stands for."""
        if isinstance(expression, Vector) and not expression.previous:
            return next((e.expression for e in self.layer.equations if e.name == expression.name), expression)
        return expression

    def stacked(self, matrices: tuple[str, ...]) -> Array:
        """Matrices of one width, one above the other, put together when they are first asked for."""
        if matrices not in self._stacks:
            found = [self.weights[name] for name in matrices]
            self._stacks[matrices] = found[0] if len(found) == 1 else np.concatenate(found)
        return self._stacks[matrices]

    @cached_property
    def compiled(self) -> Recurrence:
        """The recurrence as the calls of a step, made when it is first run."""
        return Recurrence(Program(self.recurrence, self.layer.state, self._stateful), self.layer.sizes, self.weights)


def _stateful_names(equations: Iterable[Equation]) -> frozenset[str]:
    """The equations whose value depends on the previous state."""
    found: set[str] = set()
    for equation in equations:
        if depends_on_state(equation.expression, frozenset(found)):
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
