"""The derivative of a stack's run: from the top layer's last state down to the bottom layer's state at any step."""

from __future__ import annotations

from collections.abc import Mapping
from math import log10
from typing import NamedTuple

import numpy as np

from rnn_calc.core.block_norms import decay_of
from rnn_calc.core.decay import Decay
from rnn_calc.core.engine import Engine, Watch
from rnn_calc.core.errors import DataError, NonFiniteError
from rnn_calc.core.extended import has_lost_gates
from rnn_calc.core.linearization import Linearization
from rnn_calc.core.measurable import check_request, check_values, check_weights
from rnn_calc.core.memory import FLOAT64, require_memory
from rnn_calc.core.products import TOLERANCE, JacobianProduct, LogBound
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array


class StackLinearization:
    """The derivative of every step of a unidirectional stack, from the top down: a state's name is h@1, c@2 ….

    h of the bottom layer at step t reaches the layers above at the same step, so their states are kept one step
    further back than its: at step t, the blocks are those of the bottom layer's states after step t, and of the other
    layers' states after step t − 1.
    """

    def __init__(self, trace: Trace) -> None:
        self._layers = [
            Linearization(Engine(run.layer, trace.weights), run.values, whole=index > 0)
            for index, run in enumerate(trace.layers)
        ]
        self._names = [tuple(run.layer.state) for run in trace.layers]
        self.top, self.bottom = f"h@{len(self._layers)}", "h@1"

    def exponent(self, t: int) -> int:  # noqa: ARG002  # a stack whose steps have one is refused
        """The power of two that `pull` leaves out: none."""
        return 0

    def start(self, t: int, width: int) -> dict[str, Array]:
        """The blocks that belong to the identity of the top layer's h after step `t`, which counts from 0."""
        return self._down(t, {self.top: np.eye(width)})

    def pull(self, t: int, blocks: Mapping[str, Array]) -> dict[str, Array]:
        """The blocks a step further back: the bottom layer's through step `t`, the others' through step `t` − 1."""
        bottom = {name: blocks[f"{name}@1"] for name in self._names[0] if f"{name}@1" in blocks}
        found = self._layers[0].pull(t, bottom) if bottom else {}
        upper = {name: rows for name, rows in blocks.items() if not name.endswith("@1")}
        return self._down(t - 1, upper | {f"{name}@1": rows for name, rows in found.items()})

    def _down(self, t: int, blocks: Mapping[str, Array]) -> dict[str, Array]:
        """Through step `t` of all layers but the bottom one, each adding to h of the one below."""
        result = dict(blocks)
        for index in range(len(self._layers) - 1, 0, -1):
            number = index + 1
            own = {name: result.pop(f"{name}@{number}") for name in self._names[index] if f"{name}@{number}" in result}
            if not own:
                continue
            found = self._layers[index].pull(t, own)
            through = found.pop("x", None)
            result |= {f"{name}@{number}": rows for name, rows in found.items()}
            if through is not None:
                below = f"h@{index}"
                result[below] = result[below] + through if below in result else through
        return result


class StackDecay(NamedTuple):
    """The decay from the top layer's last h to the bottom layer's over all paths; at lag 0, through layers alone."""

    decay: Decay
    log10_norm_at_lag_0: float


def stack_decay(
    trace: Trace, *, threshold: float = 1e-3, tolerance: float = TOLERANCE, watch: Watch = iter
) -> StackDecay:
    """The norm of ∂h⁽ᴸ⁾_T/∂h⁽¹⁾_{T−lag} for every lag of `trace`, a single sequence, over all paths through the layers.

    Raises: DataError for a single layer, two directions, a batch, or settings that `gradient_decay` refuses;
    NonFiniteError where units saturate beyond float64; TooLargeError before anything is allocated.
    """
    network, T = trace.network, trace.steps
    check_request(trace, threshold, tolerance, "back", ())
    if network.bidirectional or network.layers < 2:
        what = "two directions" if network.bidirectional else "one layer"
        raise DataError(f"Decay across layers is that of a stack in one direction; this network has {what}.")
    for run in trace.layers:
        engine = Engine(run.layer, trace.weights)
        check_weights(engine)
        check_values(run.layer, run.values)
        if has_lost_gates(engine, run.values):
            raise NonFiniteError(
                f"Units of layer {run.layer.index + 1} saturate beyond float64; across layers that is not measured. "
                "Measure each layer by itself, or scale weights or inputs down."
            )
    widths = [len(run.values.now[name][0]) for run in trace.layers for name in run.layer.state]
    top = trace.layers[-1].values.now["h"].shape[1]
    require_memory(
        FLOAT64 * top * sum(widths) * 10, f"The gradient decay across {network.layers} layers", "Take fewer units."
    )
    derivative = StackLinearization(trace)
    bounds = _bounds(derivative, T, top, tolerance, watch, compress=True)
    recomputed = bounds is None
    if bounds is None:
        bounds = _bounds(derivative, T, top, tolerance, watch, compress=False)
    if bounds is None:
        raise NonFiniteError(
            "Entries of one row have grown too far apart for float64 across layers. Measure each layer by itself."
        )
    block = decay_of(bounds[1:], tolerance, recomputed=recomputed)
    decay = Decay(
        "h",
        block.log10_norms,
        threshold,
        sum(widths),
        {},
        None,
        "back",
        block.log10_low,
        block.log10_high,
        block.certificate,
        None,
    )
    return StackDecay(decay, bounds[0].log2_norm * log10(2))


def _bounds(
    derivative: StackLinearization, T: int, top: int, tolerance: float, watch: Watch, *, compress: bool
) -> list[LogBound] | None:
    """The norms at lag 0 … T − 1; None where they must be found in another way."""
    start = derivative.start(T - 1, top)
    product = JacobianProduct(top, start=start, measured=(derivative.bottom,), compress=compress, tolerance=tolerance)
    found = [product.bound()]
    for lag in watch(range(1, T)):
        product.pull(derivative, T - lag)
        found.append(None if product.is_blind else product.bound())
        if found[-1] is None:
            return None
    return [bound for bound in found if bound is not None]
