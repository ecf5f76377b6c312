"""Trace → DecayReport: how the gradient shrinks or grows with the distance it travels back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from math import inf, log, log10, sqrt
from typing import Literal

import numpy as np

from rnn_calc.core.engine import Engine, Watch
from rnn_calc.core.equations import MAX_SLOPE
from rnn_calc.core.errors import DataError, NonFiniteError
from rnn_calc.core.extended import norms_by_entry
from rnn_calc.core.linearization import Linearization
from rnn_calc.core.memory import FLOAT64, require_memory
from rnn_calc.core.products import JacobianProduct
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array, spectral_norm, spectral_radius

Verdict = Literal["vanishing", "exploding", "steady"]

_LOG10_2 = log10(2)
_UNIT_ROUNDOFF = 1.1e-16
# Rows of a product are kept below 2^64, so a step with entries up to this size stays far within float64.
_LARGEST_WEIGHT = 1e280


@dataclass(frozen=True)
class DecayReport:
    """The 2-norm of ∂h_T/∂h_{T−lag} for lag 1 … T−1, as base-10 logarithms, and what follows from it.

    Units: `rate_per_step` is a factor a step, `half_life` and `doubling_time` are steps. An exact zero has the
    logarithm −∞. `rounding` estimates the relative error of a norm after all T − 1 products.
    """

    trace: Trace
    log10_norms: Array
    spectral_radius: float
    spectral_norm: float
    max_slope: float
    threshold: float
    jacobians: dict[int, Array]

    @property
    def lags(self) -> range:
        """1 … T−1."""
        return range(1, len(self.log10_norms) + 1)

    @property
    def bound_per_step(self) -> float:
        """γ·σ_max(W_hh): no step can grow the norm by more."""
        return self.max_slope * self.spectral_norm

    def log10_bound(self, lag: int) -> float:
        """The logarithm of (γ·σ_max)^lag, which the norm cannot pass."""
        return lag * log10(self.bound_per_step) if self.bound_per_step else -inf

    def log10_norm(self, lag: int) -> float:
        """The logarithm of the norm at one lag."""
        return float(self.log10_norms[lag - 1])

    @cached_property
    def rate_per_step(self) -> float:
        """The factor a step, by least squares on the logarithms over the longer half of the lags.

        The shorter half is left out because a transient there is no rate.
        """
        points = np.concatenate([[0.0], self.log10_norms])  # lag 0 is the identity
        start = len(self.log10_norms) // 2
        tail, lags = points[start:], np.arange(start, len(points))
        if not np.isfinite(tail).all():
            return 0.0
        centred = lags - lags.mean()
        return float(10 ** (centred @ tail / (centred @ centred)))

    @property
    def half_life(self) -> float | None:
        """Steps in which the fitted norm halves, if it shrinks."""
        rate = self.rate_per_step
        return log(0.5) / log(rate) if 0 < rate < 1 - 1e-12 else None

    @property
    def doubling_time(self) -> float | None:
        """Steps in which the fitted norm doubles, if it grows."""
        rate = self.rate_per_step
        return log(2) / log(rate) if rate > 1 + 1e-12 else None

    @property
    def verdict(self) -> Verdict:
        """Vanishing or exploding when the fitted norm halves or doubles within the lags measured, else steady."""
        measured = len(self.log10_norms)
        if self.rate_per_step == 0 or (self.half_life is not None and self.half_life <= measured):
            return "vanishing"
        if self.doubling_time is not None and self.doubling_time <= measured:
            return "exploding"
        return "steady"

    @cached_property
    def first_below(self) -> int | None:
        """The first lag whose norm is below the threshold, if one is."""
        below = np.nonzero(self.log10_norms < log10(self.threshold))[0]
        return int(below[0]) + 1 if len(below) else None

    @cached_property
    def peak(self) -> int:
        """The first lag whose norm is the largest, as far as rounding can tell."""
        return int(np.argmax(self.log10_norms >= self.log10_norms.max() - self.rounding)) + 1

    @property
    def rounding(self) -> float:
        """About how far rounding may have moved the norm at the longest lag, relative: T·√n·u. No bound."""
        return len(self.log10_norms) * sqrt(self.trace.network.d_h) * _UNIT_ROUNDOFF


def gradient_decay(
    trace: Trace, *, threshold: float = 1e-3, jacobians: Collection[int] = (), watch: Watch = iter
) -> DecayReport:
    """The norm of ∂h_T/∂h_{T−lag} for every lag of `trace`, a single sequence.

    `jacobians` names lags whose whole matrix is kept; `watch` goes over the lags.
    Raises: DataError for a batch, fewer than two steps, a threshold outside (0, 1) or a lag that there is not;
    NonFiniteError where a pre-activation is no number; TooLargeError before anything is allocated.
    """
    T = trace.steps
    if trace.x.ndim != 2:
        raise DataError("Gradient decay is measured on one sequence, not on a batch.")
    if T < 2:
        raise DataError("Gradient decay needs at least two steps: with one there is no earlier state to compare with.")
    if not 0 < threshold < 1:
        raise DataError(f"The threshold must lie between 0 and 1; it is {threshold:g}.")
    for lag in jacobians:
        if not 1 <= lag < T:
            raise DataError(f"There is no lag {lag}: {T} steps have lags 1 to {T - 1}.")
    largest = float(np.abs(trace.weights["W_hh"]).max())
    if largest > _LARGEST_WEIGHT:
        raise NonFiniteError(
            f"W_hh has an entry of size {largest:.3g}; products are computed with entries up to {_LARGEST_WEIGHT:g}, "
            "beyond which one step alone may leave float64. Scale the matrix down."
        )
    if np.isnan(trace.values.now["z"]).any():
        raise NonFiniteError("A pre-activation is NaN, so its slope is unknown; take a bounded activation (tanh).")

    width = trace.network.d_h
    # The product, what multiplies it, and the work of its singular values: 8.4 and 8.2 d_h² at d_h = 1500 and 2000.
    _require_matrices(width, 10 + len(jacobians))
    derivative = Linearization(Engine(trace.network, trace.weights), trace.values)
    kept: dict[int, Array] = {}
    chain = derivative.uneven_chain()
    norms: Array | None = None
    if chain:
        _require_matrices(width, 20 + len(jacobians))  # 17.8 d_h² at d_h = 1000
        norms = np.array(norms_by_entry(chain, T, jacobians, kept, watch)) * _LOG10_2
    elif not jacobians:
        norms = _norms(derivative, T, trace.network.d_h, watch)
    if norms is None:
        norms = _norms_in_full(derivative, T, trace.network.d_h, jacobians, kept, watch)
    return DecayReport(
        trace,
        norms,
        spectral_radius(trace.weights["W_hh"]),
        spectral_norm(trace.weights["W_hh"]),
        MAX_SLOPE[trace.network.activation],
        threshold,
        kept,
    )


def _require_matrices(width: int, count: int) -> None:
    require_memory(
        FLOAT64 * width * width * count,
        f"The gradient decay of {width:,} hidden units",
        "Take fewer hidden units, or fewer --jacobian.",
    )


def _norms(derivative: Linearization, T: int, width: int, watch: Watch) -> Array | None:
    """The logarithms of all norms from compressed products, or None where what was dropped might show."""
    product = JacobianProduct(width)
    norms = np.full(T - 1, -inf)
    for lag in watch(range(1, T)):
        product.pull(derivative, T - lag)
        log2_norm = product.log2_norm()
        if not product.trusted(log2_norm):
            return None
        if log2_norm == -inf:
            break  # an exact zero stays one
        norms[lag - 1] = log2_norm * _LOG10_2
    return norms


def _norms_in_full(
    derivative: Linearization, T: int, width: int, jacobians: Collection[int], kept: dict[int, Array], watch: Watch
) -> Array:
    """The same from products of which nothing is dropped; the matrices of the lags in `jacobians` go into `kept`."""
    product = JacobianProduct(width, compress=False)
    norms = np.full(T - 1, -inf)
    for lag in watch(range(1, T)):
        product.pull(derivative, T - lag)
        norms[lag - 1] = product.log2_norm() * _LOG10_2
        if lag in jacobians:
            kept[lag] = product.matrix()
    return norms
