"""The norms of blocks of products of a layer's Jacobians, by the fastest way that is right."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import inf, log10

import numpy as np

from rnn_calc.core.certificate import Certificate
from rnn_calc.core.compression import FAILURE
from rnn_calc.core.convoy import Convoy, Family
from rnn_calc.core.direct import DirectPath
from rnn_calc.core.engine import Engine, Watch
from rnn_calc.core.entry_products import EntryProduct
from rnn_calc.core.errors import NonFiniteError
from rnn_calc.core.evaluation import Values
from rnn_calc.core.extended import needs_entries, norms_by_entry
from rnn_calc.core.lanczos import UNIT_ROUNDOFF
from rnn_calc.core.linearization import Linearization
from rnn_calc.core.memory import FLOAT64, require_memory
from rnn_calc.core.products import TOLERANCE, JacobianProduct, LogBound
from rnn_calc.core.singular_values import SingularValues
from rnn_calc.core.weights import Array

# All states of a cell together.
STATE = "state"

# Where the first attempt may have dropped too much, the second drops far less before the last drops nothing.
_CAUTIONS = (1.0, 1e-4)
_LOG10_2 = log10(2)
# About 11 were measured for an LSTM of d_h = 500; more where entries fall into many bands of exponents.
_ENTRIES = 25


@dataclass(frozen=True)
class BlockDecay:
    """The norms of one block at every lag, as base-10 logarithms, each with its interval; and the matrices kept.

    Shapes: log10_singular_values (lags, r), the largest first; None where none were asked for.
    """

    log10_norms: Array
    log10_low: Array
    log10_high: Array
    certificate: Certificate
    kept: dict[int, Array]
    log10_singular_values: Array | None = None


class BlockNorms:
    """‖∂s_T/∂s_{T−lag}‖₂, or forward ‖∂s_lag/∂s_0‖₂, for every lag of one run and each of some `states` s.

    A state is one of the layer's, or "state" for all of them together.
    """

    def __init__(
        self,
        engine: Engine,
        values: Values,
        *,
        family: Family = "back",
        jacobians: Collection[int] = (),
        tolerance: float = TOLERANCE,
        singular_values: int = 0,
        watch: Watch = iter,
    ) -> None:
        self._engine, self._values, self.family = engine, values, family
        self._jacobians, self._tolerance, self._watch = jacobians, tolerance, watch
        self._count = singular_values
        self._T = len(values.now["x"])
        self.lags = range(1, self._T if family == "back" else self._T + 1)
        self.widths = {name: engine.layer.sizes[axis] for name, axis in engine.layer.state.items()}
        self.width = sum(self.widths.values())

    def diagonal(self, direct: DirectPath) -> BlockDecay:
        """The norms where the direct path is all there is.

        Raises: TooLargeError before anything is allocated.
        """
        self._require_matrices(len(direct.log_shares[0]), len(self._jacobians))
        logs = direct.log_shares
        sums = np.cumsum(logs if self.family == "forward" else logs[:0:-1], axis=0)
        kept = {lag: np.diag(np.exp(sums[lag - 1])) for lag in self._jacobians}
        norms = sums.max(axis=1) / np.log(10)
        # The norm of a diagonal matrix is its largest entry: what may be off is the sum of logarithms.
        found = self._found([LogBound(norm / _LOG10_2, UNIT_ROUNDOFF, UNIT_ROUNDOFF) for norm in norms.tolist()], kept)
        values = -np.sort(-sums, axis=1)[:, : self._count] / np.log(10) if self._count else None
        return replace(found, log10_singular_values=values)

    def measured(self, states: Sequence[str]) -> dict[str, BlockDecay]:
        """The norms of products of Jacobians.

        Raises: TooLargeError before anything is allocated; NonFiniteError where one step leaves float64.
        """
        if not states:
            return {}
        rows = sum(self._rows(state) for state in states)
        # The product, what multiplies it, and the work of its singular values: 8.4 and 8.2 d_h² at d_h = 1500 and 2000.
        self._require_matrices(rows, 10 + len(self._jacobians))
        derivative = Linearization(self._engine, self._values)
        if needs_entries(derivative, self._engine, self._values):
            self._refuse_singular_values()
            return {state: self._by_entry(derivative, state) for state in states}
        found: dict[str, BlockDecay | None] = dict.fromkeys(states)
        for caution in () if self._jacobians else _CAUTIONS:
            missing = [state for state in states if found[state] is None]
            found |= self._walk(derivative, missing, compress=True, caution=caution) if missing else {}
        missing = [state for state in states if found[state] is None]
        # One after the other, so that one product of full size is kept at a time.
        found |= {state: self._in_full(derivative, state) for state in missing}
        blocks = {state: found[state] or self._by_entry(derivative, state) for state in states}
        if self._count:
            values = self._singular_values(derivative, states)
            blocks = {state: replace(block, log10_singular_values=values[state]) for state, block in blocks.items()}
        return blocks

    def _refuse_singular_values(self) -> None:
        if self._count:
            raise NonFiniteError(
                "Some units saturate so far that their slopes leave float64 beside those of others; norms are measured "
                "with an exponent for each entry then, singular values are not. Leave --singular-values out."
            )

    def _singular_values(self, derivative: Linearization, states: Sequence[str]) -> dict[str, Array]:
        """The logarithms of the largest singular values at every lag, for each state."""
        products = {
            state: SingularValues(
                self._identity(state), tuple(self._identity(state)), min(self._count, self._rows(state))
            )
            for state in states
        }
        found: dict[str, list[Array]] = {state: [] for state in states}
        convoy = Convoy(derivative, self.family)
        for lag in self._watch(self.lags):
            convoy.step(list(products.values()), self._t(lag))
            for state, product in products.items():
                found[state].append(product.log2_values() * _LOG10_2)
        return {state: np.array(values) for state, values in found.items()}

    def _rows(self, state: str) -> int:
        return self.width if state == STATE else self.widths[state]

    def _require_matrices(self, rows: int, count: int) -> None:
        require_memory(
            FLOAT64 * rows * self.width * count,
            f"The gradient decay of {self._engine.layer.sizes['d_h']:,} hidden units",
            "Take fewer hidden units, or fewer --jacobian.",
        )

    def _in_full(self, derivative: Linearization, state: str) -> BlockDecay | None:
        """The norms from a product of which nothing is dropped; None where even its rows have lost entries."""
        return self._walk(derivative, [state], compress=False)[state]

    def _walk(
        self, derivative: Linearization, states: Sequence[str], *, compress: bool, caution: float = 1.0
    ) -> dict[str, BlockDecay | None]:
        """The norms of the blocks of some states, together; None for one whose norms must be found in another way."""
        running = {state: self._start(state, compress=compress, caution=caution) for state in states}
        bounds: dict[str, list[LogBound]] = {state: [] for state in states}
        kept: dict[str, dict[int, Array]] = {state: {} for state in states}
        failed = set()
        convoy = Convoy(derivative, self.family)
        for lag in self._watch(self.lags):
            if not running:
                break
            convoy.step(list(running.values()), self._t(lag))
            for state, product in list(running.items()):
                bound = product.bound()
                if bound is None or product.is_blind:
                    failed.add(state)
                    del running[state]
                    continue
                bounds[state].append(bound)
                if lag in self._jacobians:
                    kept[state][lag] = self._upright(product.matrix())
                elif bound.log2_norm == -inf and product.is_zero and not self._jacobians:
                    del running[state]  # an exact zero stays one
        recomputed = not compress and not self._jacobians
        return {
            state: None if state in failed else self._found(bounds[state], kept[state], recomputed=recomputed)
            for state in states
        }

    def _start(self, state: str, *, compress: bool, caution: float) -> JacobianProduct:
        start = self._identity(state)
        return JacobianProduct(
            self._rows(state),
            compress=compress,
            caution=caution,
            tolerance=self._tolerance,
            start=start,
            measured=tuple(start),
        )

    def _identity(self, state: str) -> dict[str, Array]:
        """The rows that a product starts with: the identity of a state, or of all of them."""
        widths = self.widths if state == STATE else {state: self.widths[state]}
        ends = np.cumsum(list(widths.values()))
        return dict(zip(widths, np.split(np.eye(int(ends[-1])), ends[:-1], axis=1), strict=True))

    def _found(self, bounds: list[LogBound], kept: dict[int, Array], *, recomputed: bool = False) -> BlockDecay:
        # After an exact zero there are only zeros.
        zeros = [LogBound(-inf)] * (len(self.lags) - len(bounds))
        return replace(decay_of([*bounds, *zeros], self._tolerance, recomputed=recomputed), kept=kept)

    def _by_entry(self, derivative: Linearization, state: str) -> BlockDecay:
        """The norms where even a row has entries too far apart for one exponent: each entry gets its own."""
        rows = self._rows(state)
        kept: dict[int, Array] = {}
        chain = derivative.uneven_chain()
        if chain and self.family == "back":
            self._require_matrices(rows, 20 + len(self._jacobians))  # 17.8 d_h² at d_h = 1000
            found = norms_by_entry(chain, self._T, self._jacobians, kept, self._watch)
        else:
            self._require_matrices(rows, _ENTRIES + len(self._jacobians))
            entries = EntryProduct(self._engine, self._values, self.widths if state == STATE else (state,), self.family)
            found = []
            for lag in self._watch(self.lags):
                entries.step(self._t(lag))
                found.append(entries.log2_norm())
                if lag in self._jacobians:
                    kept[lag] = self._upright(entries.matrix())
        error = (rows + 10) * UNIT_ROUNDOFF
        return self._found([LogBound(norm, error, error, 0.0, decomposed=True) for norm in found], kept)

    def _upright(self, matrix: Array) -> Array:
        """The Jacobian itself: going forward, its transpose is multiplied."""
        return matrix.T if self.family == "forward" else matrix

    def _t(self, lag: int) -> int:
        """The step, counted from 0, whose Jacobian makes the product of one lag from that of the lag before."""
        return lag - 1 if self.family == "forward" else self._T - lag


def decay_of(bounds: Sequence[LogBound], tolerance: float, *, recomputed: bool = False) -> BlockDecay:
    """Norms at one lag after the other as base-10 logarithms, with their intervals and what these amount to."""
    found = np.array([bound[:4] for bound in bounds])
    log10_norms, below, above, dropped = found[:, 0] * _LOG10_2, found[:, 1], found[:, 2], found[:, 3]
    decomposed = sum(bound.decomposed for bound in bounds)
    most = float(dropped.max())
    certificate = Certificate(
        tolerance,
        float(np.maximum(below, above).max()),
        len(bounds) - decomposed,
        decomposed,
        most,
        FAILURE if most else 0.0,
        recomputed,
    )
    # Three roundings of the logarithm itself: taking it, adding the exponent, changing its base.
    slack = 4 * UNIT_ROUNDOFF * np.abs(np.where(np.isfinite(log10_norms), log10_norms, 0.0)) + 1e-300
    low = log10_norms + np.log1p(-below) / np.log(10) - slack
    high = log10_norms + np.log1p(above) / np.log(10) + slack
    return BlockDecay(log10_norms, low, high, certificate, {})
