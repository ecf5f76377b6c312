"""Gradients as a convention stores the parameters: what each step adds, what each path length adds, and clipping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf

import numpy as np

from rnn_calc.core.engine import Watch
from rnn_calc.core.gradients import Gradients
from rnn_calc.core.lag_shares import lag_vectors, longest_path
from rnn_calc.core.lag_vectors import LagVector, Places, inner
from rnn_calc.core.notation import Notation, Stored
from rnn_calc.core.occurrences import Gradient
from rnn_calc.core.storage import write_arrays
from rnn_calc.core.weights import Array

# All lags are kept where they are no more numbers than that, so that what comes after each keeps its digits.
_KEPT = 2**22
# Powers of two up to this are factors that lose nothing.
_EXACT = 1000
_LOG2 = float(np.log10(2))


@dataclass(frozen=True, eq=False)
class StoredGradient:
    """The gradient of an array as a convention stores it.

    `step_shares` are ⟨G_t, G⟩/‖G‖² of what each step t adds, in the order of time: they add up to 1, and are NaN where
    G is 0.
    Shapes: step_shares and step_log10_norms (T,).
    """

    symbol: str
    stored: Stored
    array: Array
    log10_norm: float
    step_shares: Array
    step_log10_norms: Array


def stored_gradients(gradients: Gradients, notation: Notation) -> tuple[StoredGradient, ...]:
    """The gradient of each stored array, in the convention's order and orientation; entries beyond float64 infinite."""
    canonical = {name: gradient.array for name, gradient in gradients.gradients.items()}
    arrays = write_arrays(notation.network, notation.convention, canonical)
    found = []
    for stored in notation.stored:
        names = [parameter.name for parameter in stored.parameters]
        found.append(StoredGradient(stored.symbol, stored, arrays[stored.symbol], *_together(gradients, names)))
    return tuple(found)


def all_together(gradients: Gradients) -> tuple[float, Array, Array]:
    """log₁₀ of the norm over all parameters, and of each step its share and log₁₀ norm."""
    return _together(gradients, list(gradients.gradients))


def _together(gradients: Gradients, names: list[str]) -> tuple[float, Array, Array]:
    """Norm, shares and norms of the steps of several parameters taken as one vector."""
    norms = np.array([gradients.gradients[name].log10_norm for name in names])
    whole = log10_norm_of(norms)
    shares = np.full(gradients.trace.steps, np.nan)
    if whole > -inf:
        own = [(name, 10 ** (2 * (norm - whole))) for name, norm in zip(names, norms, strict=True) if norm > -inf]
        shares = np.asarray(sum(gradients.step_shares(name) * weight for name, weight in own))
    steps = np.stack([gradients.step_log10_norms(name) for name in names])
    return whole, shares, _log10_norms_of(steps)


def log10_norm_of(log10_norms: Sequence[float] | Array) -> float:
    """log₁₀ of the norm of a vector of parts, from those of its parts."""
    return float(_log10_norms_of(np.asarray(log10_norms)[:, None])[0])


def _log10_norms_of(parts: Array) -> Array:
    """The same for several vectors at once. Shapes: parts (k, n), the result (n,)."""
    largest = parts.max(axis=0, initial=-inf)
    above = np.where(largest > -inf, largest, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(above + np.log10(np.sum(10 ** (2 * (parts - above)), axis=0)) / 2)


@dataclass(frozen=True, eq=False)
class LagShares:
    """The gradient G of some parameters by the length of its paths; K_k is its sum over lags 0 … k: truncated at k.

    `along` are ⟨G_lag, G⟩, `kept` ‖K_k‖², `kept_along` ⟨K_k, G⟩, `missing` ‖G − K_k‖², `missing_along`
    ⟨G − K_k, G⟩ and `square` ‖G‖², all over 4^`unit`.
    Shapes: all but `square` and `unit` (L,), a lag after the other from 0.
    """

    log10_norms: Array
    along: Array
    kept: Array
    kept_along: Array
    missing: Array
    missing_along: Array
    square: float
    unit: int

    @property
    def lags(self) -> range:
        """The lags there are."""
        return range(len(self.along))

    @cached_property
    def shares(self) -> Array:
        """⟨G_lag, G⟩/‖G‖²: they add up to 1 over all lags."""
        return self._over_square(self.along)

    @cached_property
    def cumulative(self) -> Array:
        """⟨K_k, G⟩/‖G‖²: the share of lags 0 … k."""
        return self._over_square(self.kept_along)

    @cached_property
    def relative_differences(self) -> Array:
        """‖G − K_k‖/‖G‖; NaN where G is 0."""
        return np.sqrt(self._over_square(self.missing))

    @cached_property
    def log10_kept(self) -> Array:
        """log₁₀ ‖K_k‖."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log10(self.kept) / 2 + self.unit * _LOG2)

    @cached_property
    def angles(self) -> Array:
        """The angle between K_k and G in radians; NaN where one of them is 0."""
        # What G − K_k has across G, K_k has too; the cosine of a small angle has lost its digits.
        with np.errstate(divide="ignore", invalid="ignore"):
            across = np.sqrt(np.maximum(0, self.missing - self.missing_along * (self.missing_along / self.square)))
            angles = np.arctan2(across, self.kept_along / np.sqrt(self.square))
        return np.asarray(np.where(self.kept > 0, angles, np.nan))

    def _over_square(self, values: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(values / self.square)

    @staticmethod
    def joined(parts: Sequence[LagShares]) -> LagShares:
        """Several parameters taken as one vector."""
        # Of what is 0 at every lag, the power of two means nothing.
        there = [part.square > 0 or bool(part.kept.any()) for part in parts]
        unit = max((part.unit for part, own in zip(parts, there, strict=True) if own), default=0)
        factors = [np.ldexp(1.0, max(-4000, min(0, 2 * (part.unit - unit)))) for part in parts]

        def total(values: Iterable[Array]) -> Array:
            return np.asarray(sum(factor * value for factor, value in zip(factors, values, strict=True)))

        return LagShares(
            _log10_norms_of(np.stack([part.log10_norms for part in parts])),
            total(part.along for part in parts),
            total(part.kept for part in parts),
            total(part.kept_along for part in parts),
            total(part.missing for part in parts),
            total(part.missing_along for part in parts),
            float(total(np.array(part.square) for part in parts)),
            unit,
        )


def lag_shares(gradients: Gradients, most: int | None = None, watch: Watch = iter) -> dict[str, LagShares]:
    """The gradient of each parameter (canonical names) by the length of its paths, up to `most` steps back, or all."""
    run = gradients.trace
    longest = longest_path(run) if most is None else min(most, longest_path(run))
    size = sum(gradient.scaled.size for gradient in gradients.gradients.values())
    keeps = longest == longest_path(run) and size * (longest + 1) <= _KEPT
    shares: _Shares | None = None
    for found in lag_vectors(run, gradients.loss_function, watch):
        shares = shares or _Shares(gradients.gradients, found.places, keeps=keeps)
        shares.add(found)
        if found.lag == longest:
            break
    assert shares is not None, "there is a lag 0 always"
    return shares.finish()


class _Shares:
    """The shares of all parameters, while their lags come."""

    def __init__(self, wholes: Mapping[str, Gradient], places: Places, *, keeps: bool) -> None:
        self._places, self._wholes = places, wholes
        largest = [float(np.abs(wholes[name].scaled).max(initial=0)) for name in places.names]
        # Near 1, so that no square is lost.
        powers = np.frexp(largest)[1]
        self._units = powers + np.array([wholes[name].exponent for name in places.names])
        scaled = [np.ldexp(wholes[name].scaled, -power) for name, power in zip(places.names, powers, strict=True)]
        self._whole = np.concatenate([own.reshape(-1) for own in scaled])
        self._parts = places.parts(self._whole)
        self._own, self._sum, self._missing = np.zeros((3, places.size))
        self._own_parts, self._sum_parts = places.parts(self._own), places.parts(self._sum)
        self._missing_parts = places.parts(self._missing)
        self._lags: list[Array] | None = [] if keeps else None
        self._shifts, self._factors = powers[:0], self._whole[:0]
        self._rows: list[tuple[Array, ...]] = []

    def add(self, lag: LagVector) -> None:
        """Take what the paths of the next length add."""
        self._bring_near_one(lag)
        self._sum += self._own
        rest: tuple[Array, ...] = ()
        if self._lags is not None:
            self._lags.append(self._own.copy())
        else:
            np.subtract(self._whole, self._sum, out=self._missing)
            rest = inner(self._missing_parts, self._missing_parts), inner(self._missing_parts, self._parts)
        along, kept = inner(self._own_parts, self._parts), inner(self._sum_parts, self._sum_parts)
        self._rows.append((lag.log10_norms, along, kept, *rest))

    def _bring_near_one(self, lag: LagVector) -> None:
        """The lag's gradients as they are beside whole ones near 1."""
        shifts = np.clip(lag.exponents - self._units, -5000, 5000)
        if not np.array_equal(shifts, self._shifts):
            factors = np.ldexp(1.0, np.clip(shifts, -_EXACT, _EXACT))
            self._shifts, self._factors = shifts, np.repeat(factors, self._places.sizes)
        with np.errstate(under="ignore", over="ignore"):
            np.multiply(lag.vector, self._factors, out=self._own)
            for number in np.flatnonzero(np.abs(shifts) > _EXACT):
                place = self._places.span((self._places.names[number],))
                self._own[place] = np.ldexp(lag.vector[place], shifts[number])

    def finish(self) -> dict[str, LagShares]:
        """All of them."""
        norms, along, kept, *rest = (np.stack(column) for column in zip(*self._rows, strict=True))
        if self._lags is not None:
            after = np.cumsum(along[::-1], axis=0)[::-1]
            rest = [np.stack(self._tails(self._lags)), np.concatenate((after[1:], np.zeros_like(along[:1])))]
        columns = np.stack((norms, along, kept, np.cumsum(along, axis=0), *rest))
        squares = inner(self._parts, self._parts)
        found = {}
        for name in self._wholes:
            number = self._places.numbers[name]
            square, unit = float(squares[number]), int(self._units[number])
            own = columns[:, :, number]
            found[name] = LagShares(own[0], own[1], own[2], own[3], own[4], own[5], square, unit)
        return found

    def _tails(self, lags: list[Array]) -> list[Array]:
        """The squared norms of the sum of all that comes after each lag."""
        self._missing[:] = 0
        found = []
        for own in lags[::-1]:
            found.append(inner(self._missing_parts, self._missing_parts))
            self._missing += own
        return found[::-1]


@dataclass(frozen=True)
class Clipping:
    """What clipping to a norm makes of a gradient, as torch.nn.utils.clip_grad_norm_ does it."""

    limit: float
    log10_before: float

    @property
    def factor(self) -> float:
        """What every gradient is multiplied by: limit/(norm + 1e-6), at most 1."""
        before = 10**self.log10_before if self.log10_before < 300 else inf
        return min(1.0, self.limit / (before + 1e-6)) if before < inf else 0.0

    @property
    def log10_factor(self) -> float:
        """Its logarithm, also where the norm is beyond float64."""
        before = float(np.log10(10**self.log10_before + 1e-6)) if self.log10_before < 300 else self.log10_before
        return min(0.0, float(np.log10(self.limit)) - before)

    @property
    def log10_after(self) -> float:
        """log₁₀ of the norm that is left."""
        return self.log10_before + self.log10_factor
