"""The norms of one state's block of products of a layer's Jacobians, by the fastest way that is right."""

from __future__ import annotations

from collections.abc import Collection
from math import inf, log10

import numpy as np

from rnn_calc.core.direct import DirectPath
from rnn_calc.core.engine import Engine, Watch
from rnn_calc.core.evaluation import Values
from rnn_calc.core.extended import (
    EntryLinearization,
    block_norms_by_entry,
    has_lost_gates,
    norms_by_entry,
)
from rnn_calc.core.linearization import Linearization
from rnn_calc.core.memory import FLOAT64, require_memory
from rnn_calc.core.products import JacobianProduct
from rnn_calc.core.weights import Array

_LOG10_2 = log10(2)
# About 11 were measured for an LSTM of d_h = 500; more where entries fall into many bands of exponents.
_ENTRIES = 25


class BlockNorms:
    """log₁₀‖∂s_T/∂s_{T−lag}‖₂ of one `state` s for every lag of one run; the lags in `jacobians` end up in `kept`."""

    def __init__(
        self, engine: Engine, values: Values, state: str, jacobians: Collection[int], watch: Watch = iter
    ) -> None:
        self.state = state
        self.kept: dict[int, Array] = {}
        self._engine, self._values, self._jacobians, self._watch = engine, values, jacobians, watch
        self._T = len(values.now[state])
        widths = {name: engine.layer.sizes[axis] for name, axis in engine.layer.state.items()}
        self._rows, self.width = widths[state], sum(widths.values())

    def diagonal(self, direct: DirectPath) -> Array:
        """The norms where the direct path is all there is.

        Raises: TooLargeError before anything is allocated.
        """
        self._require_matrices(len(self._jacobians))
        self.kept = {lag: direct.matrix(lag) for lag in self._jacobians}
        return direct.log10_norms

    def measured(self) -> Array:
        """The norms of products of Jacobians.

        Raises: TooLargeError before anything is allocated; NonFiniteError where one step leaves float64.
        """
        # The product, what multiplies it, and the work of its singular values: 8.4 and 8.2 d_h² at d_h = 1500 and 2000.
        self._require_matrices(10 + len(self._jacobians))
        derivative = Linearization(self._engine, self._values)
        chain = derivative.uneven_chain()
        if chain:
            self._require_matrices(20 + len(self._jacobians))  # 17.8 d_h² at d_h = 1000
            found = norms_by_entry(chain, self._T, self._jacobians, self.kept, self._watch)
            return np.array(found) * _LOG10_2
        # What one function of a linear map saturates evenly has been lifted already.
        lifted = any(map(derivative.exponent, range(self._T)))
        if not lifted and has_lost_gates(self._engine, self._values):
            return self._norms_by_entry()
        compressed = None if self._jacobians else self._norms_compressed(derivative)
        return self._norms_in_full(derivative) if compressed is None else compressed

    def _norms_by_entry(self) -> Array:
        self._require_matrices(_ENTRIES + len(self._jacobians))
        derivative = EntryLinearization(self._engine, self._values)
        found = block_norms_by_entry(derivative, self._T, self.state, self._jacobians, self.kept, self._watch)
        return np.array(found) * _LOG10_2

    def _require_matrices(self, count: int) -> None:
        require_memory(
            FLOAT64 * self._rows * self.width * count,
            f"The gradient decay of {self._engine.layer.sizes['d_h']:,} hidden units",
            "Take fewer hidden units, or fewer --jacobian.",
        )

    def _norms_compressed(self, derivative: Linearization) -> Array | None:
        """The logarithms of all norms from compressed products, or None where what was dropped might show."""
        product = JacobianProduct(self._rows, self.state)
        norms = np.full(self._T - 1, -inf)
        for lag in self._watch(range(1, self._T)):
            product.pull(derivative, self._T - lag)
            log2_norm = product.log2_norm()
            if not product.trusted(log2_norm) or product.is_blind:
                return None
            if log2_norm == -inf and product.is_zero:
                break  # an exact zero stays one
            norms[lag - 1] = log2_norm * _LOG10_2
        return norms

    def _norms_in_full(self, derivative: Linearization) -> Array:
        """The same from products of which nothing is dropped; matrices of the lags that are asked for are kept.

        Where even a row has entries too far apart for one exponent, each entry gets its own.
        """
        product = JacobianProduct(self._rows, self.state, compress=False)
        norms = np.full(self._T - 1, -inf)
        for lag in self._watch(range(1, self._T)):
            product.pull(derivative, self._T - lag)
            if product.is_blind:
                return self._norms_by_entry()
            norms[lag - 1] = product.log2_norm() * _LOG10_2
            if lag in self._jacobians:
                self.kept[lag] = product.matrix()
        return norms
