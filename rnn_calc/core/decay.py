"""Trace → DecayReport: how the gradient shrinks or grows with the distance it travels back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from math import inf, log, log10, sqrt
from typing import Literal

import numpy as np

from rnn_calc.core.block_norms import STATE, BlockDecay, BlockNorms
from rnn_calc.core.certificate import Certificate
from rnn_calc.core.convoy import Family
from rnn_calc.core.direct import DirectPath, direct_path
from rnn_calc.core.display import Plotted
from rnn_calc.core.engine import Engine, Watch
from rnn_calc.core.equations import (
    MAX_SLOPE,
    Apply,
    Expression,
    Hadamard,
    Parameter,
    Quotient,
    walk,
)
from rnn_calc.core.evaluation import Values
from rnn_calc.core.layer_trace import LayerTrace
from rnn_calc.core.measurable import check_request, check_states, check_values, check_weights
from rnn_calc.core.products import TOLERANCE
from rnn_calc.core.spectra import Spectrum, recurrent_spectra
from rnn_calc.core.stages import Layer
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array

Verdict = Literal["vanishing", "exploding", "steady"]

_UNIT_ROUNDOFF = 1.1e-16


@dataclass(frozen=True)
class Decay:
    """The 2-norm of ∂s_T/∂s_{T−lag} of one state s, for lag 1 … T−1, as base-10 logarithms, and what follows from it.

    In the `family` "forward" it is that of ∂s_lag/∂s_0, for lag 1 … T. The state "state" is all states together.
    In a layer that reads the sequence backward, steps count from its end: the norm is that of ∂s_1/∂s_{1+lag}.
    `width` is that of all states of the layer; `direct` is the path through the gate that multiplies s, if one does.
    The norm of the float64 product lies between `log10_low` and `log10_high`, as the `certificate` sums up.

    Shapes: log10_singular_values (lags, r), the r largest where they were asked for, the largest first;
    minus infinity for an exact zero, NaN where rounding hides the value.
    Units: `rate_per_step` is a factor a step, `half_life` and `doubling_time` are steps. An exact zero has the
    logarithm −∞. `rounding` estimates the relative error of a norm after all products.
    """

    state: str
    log10_norms: Array
    threshold: float
    width: int
    jacobians: dict[int, Array]
    direct: DirectPath | None
    family: Family
    log10_low: Array
    log10_high: Array
    certificate: Certificate
    log10_singular_values: Array | None

    def __repr__(self) -> str:
        rate = f"{self.rate_per_step:.4g} a step"
        return f"<{type(self).__name__} of {self.state}: {self.verdict}, {rate}, lags 1 to {len(self.lags):,}>"

    @property
    def lags(self) -> range:
        """1 … T−1, forward 1 … T."""
        return range(1, len(self.log10_norms) + 1)

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
        # Hundreds of decades a step are beyond float64: infinity.
        with np.errstate(over="ignore"):
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
        return len(self.log10_norms) * sqrt(self.width) * _UNIT_ROUNDOFF


@dataclass(frozen=True, repr=False)
class DecayReport(Decay, Plotted):
    """The decay of a layer's hidden state h and, where it has one, of its cell state c.

    The norms of h are those of a block of products of the full (h, c) Jacobians. `max_slope` is None for a cell that
    is more than one function of a linear map; it has no bound. `recurrent` has an entry for each gate. `decays` are all
    that were measured; the report itself is the first of them.
    """

    trace: Trace
    layer: Layer
    max_slope: float | None
    cell_state: Decay | None
    decays: tuple[Decay, ...]

    @cached_property
    def recurrent(self) -> tuple[Spectrum, ...]:
        """Radius and norm of each matrix that multiplies the previous h."""
        return recurrent_spectra(self.layer, self.trace.weights)

    @property
    def spectral_radius(self) -> float | None:
        """That of the recurrent matrix, where there is exactly one."""
        return self.recurrent[0].spectral_radius if len(self.recurrent) == 1 else None

    @property
    def spectral_norm(self) -> float | None:
        """The largest singular value of the recurrent matrix, where there is exactly one."""
        return self.recurrent[0].spectral_norm if len(self.recurrent) == 1 else None

    @property
    def bound_per_step(self) -> float | None:
        """γ·σ_max(W_hh), where no step can grow the norm by more; None for a gated cell."""
        norm = self.spectral_norm
        return None if self.max_slope is None or norm is None else self.max_slope * norm

    def log10_bound(self, lag: int) -> float | None:
        """The logarithm of (γ·σ_max)^lag, which the norm cannot pass; None for a gated cell."""
        bound = self.bound_per_step
        if bound is None:
            return None
        return lag * log10(bound) if bound else -inf


def gradient_decay(
    trace: Trace,
    *,
    layer: LayerTrace | None = None,
    threshold: float = 1e-3,
    jacobians: Collection[int] = (),
    watch: Watch = iter,
    family: Family = "back",
    tolerance: float = TOLERANCE,
    states: Sequence[str] = (),
    singular_values: int = 0,
) -> DecayReport:
    """The norm of ∂h_T/∂h_{T−lag} for every lag of `trace`, a single sequence, within one layer and direction.

    `layer` is one of `trace.layers`; by default the top one, forward. Its inputs are held fixed: paths through
    other layers are no part of it. `jacobians` names lags whose whole matrix is kept; `watch` goes over the lags.
    `family` "forward" measures ∂h_lag/∂h_0 instead. The interval of each norm is at most `tolerance` to either side.
    `states` are those to measure: states of the cell, all of which by default, or "state", all of them together; the
    report is the decay of the first. `singular_values` is how many of the largest are told at each lag.
    Raises: DataError for a batch, too few steps, a threshold outside (0, 1), a tolerance that float64 cannot keep, or
    a lag or a state that there is not; NonFiniteError where a pre-activation is no number; TooLargeError before
    anything is allocated.
    """
    run = layer or trace.top[0]
    check_request(trace, threshold, tolerance, family, jacobians)
    states = tuple(states) or tuple(sorted(run.layer.state, key=lambda name: name != "h"))
    check_states(run.layer, states, singular_values)
    engine = Engine(run.layer, trace.weights)
    check_weights(engine)
    check_values(run.layer, run.values)
    norms = BlockNorms(
        engine,
        run.values,
        family=family,
        jacobians=jacobians,
        tolerance=tolerance,
        singular_values=singular_values,
        watch=watch,
    )
    measured = _measured(norms, engine, run.values, states, threshold)
    first = measured[states[0]]
    return DecayReport(
        **{field.name: getattr(first, field.name) for field in fields(Decay)},
        trace=trace,
        layer=run.layer,
        max_slope=_steepest(run.layer),
        cell_state=measured.get("c") if first.state != "c" else None,
        decays=tuple(measured.values()),
    )


def _measured(
    norms: BlockNorms, engine: Engine, values: Values, states: Sequence[str], threshold: float
) -> dict[str, Decay]:
    """The decay of each of the states, those whose direct path is all there is by that alone."""
    direct = {state: None if state == STATE else direct_path(engine, values, state) for state in states}
    alone = {state: norms.diagonal(path) for state, path in direct.items() if path is not None and path.alone}
    found = norms.measured([state for state in states if state not in alone]) | alone
    return {state: _decay(norms, state, found[state], direct[state], threshold) for state in states}


def _decay(norms: BlockNorms, state: str, block: BlockDecay, direct: DirectPath | None, threshold: float) -> Decay:
    return Decay(
        state,
        block.log10_norms,
        threshold,
        norms.width,
        block.kept,
        direct,
        norms.family,
        block.log10_low,
        block.log10_high,
        block.certificate,
        block.log10_singular_values,
    )


def _steepest(layer: Layer) -> float | None:
    """γ of the bound (γ·σ_max)^lag: of a state that is one function of a linear map; None for any other."""
    nodes = [node for equation in layer.equations for node in walk(equation.expression)]
    functions = [node.function for node in nodes if isinstance(node, Apply)]
    if any(map(_multiplies_values, nodes)) or len(functions) != 1:
        return None
    return MAX_SLOPE[functions[0]]


def _multiplies_values(node: Expression) -> bool:
    match node:
        case Hadamard(left, right):
            return not isinstance(left, Parameter) and not isinstance(right, Parameter)
        case _:
            return isinstance(node, Quotient)
