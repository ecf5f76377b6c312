"""Trace → the norms of ∂h_t/∂h_k for every pair of steps: the triangle of which gradient decay is one edge."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10, nan

import numpy as np

from rnn_calc.core.block_norms import decay_of
from rnn_calc.core.certificate import Certificate
from rnn_calc.core.convoy import Convoy
from rnn_calc.core.engine import Engine, Watch
from rnn_calc.core.entry_products import EntryProduct
from rnn_calc.core.errors import DataError, quoted
from rnn_calc.core.extended import needs_entries
from rnn_calc.core.lanczos import UNIT_ROUNDOFF
from rnn_calc.core.layer_trace import LayerTrace
from rnn_calc.core.linearization import Linearization
from rnn_calc.core.measurable import check_request, check_values, check_weights
from rnn_calc.core.memory import FLOAT64, require_memory
from rnn_calc.core.products import TOLERANCE, JacobianProduct, LogBound
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array

# The triangle takes a product for each step; beyond this many it is no picture any more, and T² norms take minutes.
LONGEST = 2000


@dataclass(frozen=True)
class PairDecay:
    """log₁₀‖∂s_t/∂s_k‖₂ of one state s for 0 ≤ k < t ≤ T, at [t, k]; no number elsewhere, −∞ for an exact zero.

    Shapes: log10_norms (T + 1, T + 1).
    """

    state: str
    log10_norms: Array
    certificate: Certificate


def pair_decay(
    trace: Trace,
    *,
    layer: LayerTrace | None = None,
    state: str = "h",
    tolerance: float = TOLERANCE,
    watch: Watch = iter,
) -> PairDecay:
    """The norms between all pairs of steps of `trace`, a single sequence, within one layer and direction.

    `watch` goes over the steps from the last one back.
    Raises: DataError for a batch, too few or too many steps, or a state that there is not; NonFiniteError where a
    pre-activation is no number; TooLargeError before anything is allocated.
    """
    run, T = layer or trace.top[0], trace.steps
    check_request(trace, 0.5, tolerance, "back", ())
    if T > LONGEST:
        raise DataError(f"All pairs of {T:,} steps are too many; up to {LONGEST:,} steps can be shown.")
    if state not in run.layer.state:
        raise DataError(f"There is no state {quoted(state)} in a layer of {run.layer.cell.name}.")
    engine = Engine(run.layer, trace.weights)
    check_weights(engine)
    check_values(run.layer, run.values)
    return _Triangle(engine, run, state, tolerance).measured(watch)


class _Triangle:
    def __init__(self, engine: Engine, run: LayerTrace, state: str, tolerance: float) -> None:
        self._engine, self._run, self._state, self._tolerance = engine, run, state, tolerance
        self._T = len(run.values.now["x"])
        self._width = engine.layer.sizes[run.layer.state[state]]
        # Most products have few rows by the time the last ones begin.
        states = sum(engine.layer.sizes[axis] for axis in run.layer.state.values())
        require_memory(
            FLOAT64 * self._width * states * min(self._T, 100) * 4 + FLOAT64 * 4 * self._T**2,
            f"The decay between all pairs of {self._T:,} steps",
            "Take fewer hidden units or steps.",
        )

    def measured(self, watch: Watch) -> PairDecay:
        derivative = Linearization(self._engine, self._run.values)
        by_entry = needs_entries(derivative, self._engine, self._run.values)
        # Row t of the triangle begins with step t, the last one first, and all rows go back together.
        running: dict[int, JacobianProduct] = {}
        rows: dict[int, list[LogBound]] = {t: [] for t in range(1, self._T + 1)}
        failed = set(rows) if by_entry else set()
        convoy = Convoy(derivative)
        for t in watch(range(self._T, 0, -1)):
            if t not in failed:
                running[t] = self._product(compress=True)
            if not running:
                continue
            convoy.step(list(running.values()), t - 1)
            for start, product in list(running.items()):
                bound = None if product.is_blind else product.bound()
                if bound is None:
                    failed.add(start)
                    del running[start]
                else:
                    rows[start].append(bound)
        for start in failed:
            rows[start] = (None if by_entry else self._in_full(derivative, start)) or self._by_entry(start)
        return self._found(rows, recomputed=bool(failed))

    def _product(self, *, compress: bool) -> JacobianProduct:
        return JacobianProduct(self._width, self._state, compress=compress, tolerance=self._tolerance)

    def _in_full(self, derivative: Linearization, start: int) -> list[LogBound] | None:
        product, found = self._product(compress=False), []
        for t in range(start, 0, -1):
            product.pull(derivative, t - 1)
            bound = product.bound()
            if bound is None or product.is_blind:
                return None
            found.append(bound)
        return found

    def _by_entry(self, start: int) -> list[LogBound]:
        product, found = EntryProduct(self._engine, self._run.values, (self._state,), "back"), []
        error = (self._width + 10) * UNIT_ROUNDOFF
        for t in range(start, 0, -1):
            product.step(t - 1)
            found.append(LogBound(product.log2_norm(), error, error, 0.0, decomposed=True))
        return found

    def _found(self, rows: dict[int, list[LogBound]], *, recomputed: bool) -> PairDecay:
        norms = np.full((self._T + 1, self._T + 1), nan)
        for t, bounds in rows.items():
            norms[t, :t] = [bound.log2_norm * log10(2) for bound in reversed(bounds)]
        everything = [bound for bounds in rows.values() for bound in bounds]
        certificate = decay_of(everything, self._tolerance, recomputed=recomputed).certificate
        return PairDecay(self._state, norms, certificate)
