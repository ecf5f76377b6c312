"""What every expression of one part of a network comes to at one step."""

from __future__ import annotations

import numpy as np

from rnn_calc.core.equations import Expression, Vector, operands
from rnn_calc.core.evaluation import Values, evaluate
from rnn_calc.core.stages import Layer, Stage
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array


class StepValues:
    """The values of a part at the step of index `t`, each expression worked out once."""

    def __init__(self, trace: Trace, stage: Stage, t: int) -> None:
        self.step = trace.first + t
        self._weights = trace.weights
        self._values = _values_of(trace, stage, slice(t, t + 1))
        self._known: dict[Expression, Array] = {}

    @property
    def token(self) -> int:
        """The token that enters an embedding."""
        return int(self._values.now["token"][0, 0])

    def of(self, node: Expression) -> Array:
        """The value of an expression. Shapes: (n,)."""
        if isinstance(node, Vector) and not node.previous and node.symbol in self._values.now:
            return np.asarray(self._values.now[node.symbol][0])  # where a merge finds its two states
        if node not in self._known:
            for operand in operands(node):
                if operands(operand):
                    self.of(operand)
            self._known[node] = evaluate(node, self._values, self._weights, self._known)
        value = self._known[node]
        return value if value.ndim == 1 else np.asarray(value[0])

    def before(self, state: str) -> Array:
        """A state before the step, by its name. Shapes: (n,)."""
        return np.asarray(self._values.previous[state][0])


def _values_of(trace: Trace, stage: Stage, step: slice) -> Values:
    """What the equations of a part read and give at one step."""
    network = trace.network
    if isinstance(stage, Layer):
        (run,) = [run for run in trace.layers if run.layer is stage]
        return run.in_time.block(step)
    if stage is network.embedding:
        assert trace.tokens is not None
        return Values({"token": trace.tokens[step][:, None]}, {})  # type: ignore[dict-item]  # whole numbers
    if stage in network.merges:
        own = trace.directions(network.merges.index(stage))
        return Values({run.layer.symbol("h"): run.h[step] for run in own}, {})
    return Values({"h": trace.h[step]}, {})
