"""Trace + loss → LossDecay: the norms of ∂L/∂h_t, for any size, in next to no memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnn_calc.core.backward import Backward, Local, Scaled
from rnn_calc.core.display import Plotted
from rnn_calc.core.engine import Engine, Watch
from rnn_calc.core.errors import DataError, NonFiniteError
from rnn_calc.core.gradients import backpropagate, joined_gradient
from rnn_calc.core.layer_trace import LayerTrace
from rnn_calc.core.losses import Loss
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array


@dataclass(frozen=True, eq=False)
class LossNorms:
    """log₁₀‖∂L/∂s_t‖ of each state s of one direction of one layer, in the order of time; −∞ for an exact zero.

    Shapes: each (T,).
    """

    run: LayerTrace
    log10_norms: dict[str, Array]


@dataclass(frozen=True, eq=False)
class LossDecay(Plotted):
    """How the gradient of a loss shrinks or grows on its way back: one row, whatever the size of the network.

    `layers` are in the order of the trace's. What reaches a state through later steps and through the layers above is
    all in it.
    Shapes: every array of norms (T,).
    """

    trace: Trace
    loss_function: Loss
    loss: float
    layers: tuple[LossNorms, ...]

    def __repr__(self) -> str:
        return f"<LossDecay: L ({self.loss_function.kind}) = {self.loss:.6g}, {self.trace.steps:,} steps>"


def loss_decay(trace: Trace, loss: Loss, watch: Watch = iter) -> LossDecay:
    """The norm of ∂L/∂h_t, and of ∂L/∂c_t, at every step.

    One layer in one direction takes no memory beside the trace but for a block of steps; of a stack the gradients of
    one layer at a time are held. `watch` goes over the steps of such a layer.
    Raises: DataError for a batch, or targets that do not fit; NonFiniteError where the loss has no finite derivative;
    TooLargeError before anything is allocated.
    """
    if trace.x.ndim != 2:
        raise DataError("The gradient of a loss is measured on one sequence, not on a batch.")
    if len(trace.layers) > 1:
        found = backpropagate(trace, loss)
        layers = [LossNorms(own.run, _in_time(own.run, _norms(own.states))) for own in found.layers]
        return LossDecay(trace, loss, found.loss, tuple(layers))
    (run,) = trace.layers
    outputs = trace.result
    norms = {name: np.empty(trace.steps) for name in run.layer.state}
    backward = Backward(Engine(run.layer, trace.weights), run.values, _local(trace, loss, outputs))
    done = iter(watch(range(trace.steps)))
    for block in backward.blocks():
        exponents = np.full(block.stop - block.start, block.exponent)
        for name, rows in block.states.items():
            norms[name][block.start : block.stop] = Scaled(rows, exponents).log10_norms
        for _ in range(block.start, block.stop):
            next(done)
    return LossDecay(trace, loss, float(loss.steps(outputs).sum()), (LossNorms(run, norms),))


def _norms(states: dict[str, Scaled]) -> dict[str, Array]:
    return {name: rows.log10_norms for name, rows in states.items()}


def _in_time(run: LayerTrace, norms: dict[str, Array]) -> dict[str, Array]:
    return {name: own[::-1] for name, own in norms.items()} if run.layer.reverse else norms


def _local(trace: Trace, loss: Loss, outputs: Array) -> Local:
    """∂L_t/∂h_t of some steps, made when they are asked for."""

    def of(steps: slice) -> Scaled:
        own = loss.gradient(outputs, steps)
        if not np.isfinite(own).all():
            raise NonFiniteError("The loss has no finite derivative at some step; scale weights or targets down.")
        return Scaled(joined_gradient(trace, own), np.zeros(len(own), dtype=np.int64))

    return of
