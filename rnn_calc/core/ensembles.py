"""Decays of many runs of one kind → EnsembleDecay: the median and the quartiles at every lag."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil, inf, isfinite

import numpy as np

from rnn_calc.core.convoy import Family
from rnn_calc.core.decay import Decay, Verdict
from rnn_calc.core.errors import DataError
from rnn_calc.core.weights import Array


@dataclass(frozen=True, eq=False)
class EnsembleDecay:
    """The norms of one state in one family over the runs of an ensemble, as base-10 logarithms.

    Quantiles are of the logarithms, at each lag by itself: those of one lag need not be of the same run as those of
    the next. An exact zero has the logarithm −∞, and is below every other norm.
    """

    decays: tuple[Decay, ...]

    def __post_init__(self) -> None:
        kinds = {(decay.state, decay.family, len(decay.lags)) for decay in self.decays}
        if len(kinds) != 1:
            raise DataError("The decays of an ensemble must be of one state, one family and as many lags each.")

    @property
    def state(self) -> str:
        """Whose norms they are."""
        return self.decays[0].state

    @property
    def family(self) -> Family:
        """Back from the last step, or forward from the first."""
        return self.decays[0].family

    @property
    def lags(self) -> range:
        """The lags measured, from 1."""
        return self.decays[0].lags

    @cached_property
    def log10_norms(self) -> Array:
        """Those of every run. Shapes: (N, lags)."""
        return np.array([decay.log10_norms for decay in self.decays])

    @cached_property
    def quartiles(self) -> tuple[Array, Array, Array]:
        """The lower quartile, the median and the upper quartile at every lag. Shapes: each (lags,)."""
        lower, median, upper = (quantile(self.log10_norms, share) for share in (0.25, 0.5, 0.75))
        return lower, median, upper

    @property
    def rates(self) -> tuple[float, float, float]:
        """The quartiles of the fitted rates per step, the median in the middle."""
        rates = np.array([[decay.rate_per_step] for decay in self.decays])
        lower, median, upper = (float(quantile(rates, share)[0]) for share in (0.25, 0.5, 0.75))
        return lower, median, upper

    def count(self, verdict: Verdict) -> int:
        """How many of the runs have that verdict."""
        return sum(decay.verdict == verdict for decay in self.decays)

    @property
    def median_first_below(self) -> int | None:
        """The first lag at which at least half of the runs have been below the threshold; None where never so many."""
        lags = sorted(inf if decay.first_below is None else decay.first_below for decay in self.decays)
        middle = lags[ceil(len(lags) / 2) - 1]
        return int(middle) if isfinite(middle) else None


def quantile(values: Array, share: float) -> Array:
    """The quantile of every column, with linear interpolation between rows; beside −∞ it is the row below.

    Shapes: values (N, n); the result is (n,).
    """
    ordered = np.sort(values, axis=0)
    place = share * (len(ordered) - 1)
    below, part = ordered[int(place)], place - int(place)
    if not part:
        return np.asarray(below)
    above = ordered[int(place) + 1]
    # Not the difference of two infinities.
    step = np.subtract(above, below, out=np.zeros_like(below), where=np.isfinite(below))
    return np.asarray(below + part * step)
