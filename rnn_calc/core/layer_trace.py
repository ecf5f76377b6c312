"""One direction of one layer, run over a sequence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnn_calc.core.engine import Engine, Watch
from rnn_calc.core.equations import Expression, Sum
from rnn_calc.core.evaluation import Values, evaluate
from rnn_calc.core.inputs import Indices, backward, within
from rnn_calc.core.stages import Layer
from rnn_calc.core.weights import Array, Weights


@dataclass(frozen=True)
class LayerTrace:
    """One direction of one layer, run: `values` in the order in which it read, which is backward for a reverse one.

    `final` are the states after the last step that it read; in a packed batch, after each sequence's own last one.
    After the end of a packed sequence every value is 0.
    Shapes: each value (T, n) or (T, B, n), each state (n,) or (B, n).
    """

    layer: Layer
    weights: Weights
    values: Values
    initial: dict[str, Array]
    final: dict[str, Array]
    lengths: Indices | None = None

    def __repr__(self) -> str:
        return f"<LayerTrace: {self.layer.part}, {self.layer.cell.name}, {len(self.values.now['h']):,} steps>"

    @cached_property
    def in_time(self) -> Values:
        """The values in the order of time; `previous` of a reverse layer's step t is then the state of step t + 1."""
        if not self.layer.reverse:
            return self.values
        return Values(
            {name: backward(array, self.lengths) for name, array in self.values.now.items()},
            {name: backward(array, self.lengths) for name, array in self.values.previous.items()},
        )

    @property
    def h(self) -> Array:
        """The hidden state after each step, in the order of time."""
        return self.in_time.now["h"]

    @property
    def c(self) -> Array | None:
        """The cell state after each step, in the order of time, where the cell has one."""
        return self.in_time.now.get("c")

    @cached_property
    def terms(self) -> tuple[tuple[Expression, Array], ...]:
        """Each summand, and each value that is neither state nor output, of every step in the order of time."""
        found: list[tuple[Expression, Array]] = []
        for equation in self.layer.equations:
            if isinstance(equation.expression, Sum):
                found += [(term, self._every_step(term)) for term in equation.expression.terms]
            if equation.kind == "gate":
                found.append((equation.vector, self.in_time.now[equation.name]))
        return tuple(found)

    def _every_step(self, term: Expression) -> Array:
        values = self.in_time
        value = evaluate(term, values, self.weights)
        whole = np.broadcast_to(value, (*values.now["x"].shape[:-1], value.shape[-1]))
        return whole if self.lengths is None else whole * within(self.lengths, len(whole))[..., None]


def run_layer(
    engine: Engine, weights: Weights, x: Array, initial: dict[str, Array], lengths: Indices | None, watch: Watch
) -> LayerTrace:
    """The layer run over inputs `x` in the order of time. Shapes: x (T, n) or (T, B, n); lengths (B,) or None."""
    layer = engine.layer
    values = engine.run(backward(x, lengths) if layer.reverse else x, initial, watch)
    states = {name: values.now[name] for name in layer.state}
    if lengths is None:
        final = {name: state[-1] for name, state in states.items()}
    else:
        final = {name: state[lengths - 1, np.arange(len(lengths))] for name, state in states.items()}
        for equation in layer.equations:
            clear_after_ends(values.now[equation.name], lengths)
    return LayerTrace(layer, weights, values, initial, final, lengths)


def clear_after_ends(values: Array, lengths: Indices | None) -> None:
    """Set to 0, in place, what follows the end of each sequence. Shapes: values (T, B, n)."""
    if lengths is not None:
        values[~within(lengths, len(values))] = 0
