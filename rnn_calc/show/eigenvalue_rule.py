"""The tutorials' eigenvalue rule, held against a measured decay: whether they agree, and if not, why."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, log10
from typing import NamedTuple

from rnn_calc.core.decay import DecayReport
from rnn_calc.core.growth import Slopes, linear_norm, slopes_of
from rnn_calc.show.format import ABOUT_ONE, apart_from_1, plural, power_of_ten, short

# A difference of logarithms that is worth a sentence: a factor 2.
_SHOWS = log10(2)
# A norm above 1 by no more than this, as a logarithm, has not grown.
_GROWN = 0.05
# From this share of small slopes on, the mean is low because units are saturated, and not because all slope a little.
_MANY = 0.5


class Single(NamedTuple):
    """A report on a cell that is one function of a linear map, and that map's one matrix, as a convention calls it."""

    report: DecayReport
    matrix: str
    radius: float
    norm: float
    slope: float

    @property
    def longest(self) -> int:
        """The longest lag that was measured."""
        return len(self.report.lags)

    @property
    def measured(self) -> str:
        """The norm at the longest lag."""
        return power_of_ten(self.report.log10_norm(self.longest))

    @property
    def expected(self) -> str:
        """The verdict that the rule foretells, of a radius that is not 1."""
        return "vanishing" if self.radius < 1 else "exploding"

    @property
    def leans(self) -> bool:
        """Whether the rate is on the rule's side, but too few lags were measured to say so."""
        return self.report.verdict == "steady" and (self.report.rate_per_step < 1) == (self.radius < 1)

    def rule(self, lag: int) -> str:
        """ρ^lag with its value: what the norm would be if eigenvalues alone made it."""
        value = lag * log10(self.radius) if self.radius else -inf
        return f"ρ^{lag} = {power_of_ten(value)}"


def about_eigenvalues(single: Single) -> Iterator[str]:
    """Sentences on the rule that gradients vanish when eigenvalues are below 1, and explode when one is above."""
    report, radius = single.report, single.radius
    if abs(radius - 1) < ABOUT_ONE:
        yield (
            f"The tutorials' eigenvalue rule is about ρ below or above 1 and says nothing of ρ = 1; what was measured "
            f"is {report.verdict}, {single.measured} at lag {single.longest}.{_linear_beside(single)}"
        )
        return
    side = "<" if radius < 1 else ">"
    told = f"The tutorials' eigenvalue rule (ρ = {apart_from_1(radius)} {side} 1: {single.expected})"
    if report.verdict == single.expected:
        yield (
            f"{told} agrees with what was measured: {single.measured} at lag {single.longest}, where "
            f"{single.rule(single.longest)}. In general it is neither sufficient nor necessary."
        )
    elif single.leans:
        yield (
            f"{told} cannot be judged here: the rate leans its way, but over {plural(single.longest, 'lag')} the "
            "fitted norm neither halves nor doubles."
        )
    else:
        yield (
            f"{told} does not hold here: what was measured is {report.verdict}, {single.measured} at lag "
            f"{single.longest}, where {single.rule(single.longest)}."
        )
        yield f"Why: {_grows(single) if radius < 1 else _shrinks(single)}."


def _linear_beside(single: Single) -> str:
    """What the slopes have made of the powers of a matrix whose radius is 1, if anything."""
    linear = linear_norm(single.report, single.longest)
    if linear is None or abs(single.report.log10_norm(single.longest) - linear) < _SHOWS:
        return ""
    return f" The linear network has {_power(single, single.longest, linear)}; {_slopes(single)}."


def _power(single: Single, lag: int, value: float) -> str:
    return f"‖{single.matrix}^{lag}‖ = {power_of_ten(value)}"


def _shrinks(single: Single) -> str:
    """Why a gradient shrinks although an eigenvalue is above 1: what the slopes take away."""
    if single.report.trace.network.activation == "identity":
        return "the rule is about long lags, and eigenvalues above 1 have not come through yet"
    linear = linear_norm(single.report, single.longest)
    without = "" if linear is None else f". With all slopes 1 it would be {_power(single, single.longest, linear)}"
    return f"eigenvalues know nothing of slopes, and {_slopes(single)}{without}"


def _slopes(single: Single) -> str:
    """The mean slope, and how many units are saturated or off."""
    found: Slopes = slopes_of(single.report)
    function = single.report.trace.network.activation
    where = "of all units and steps"
    if function == "relu":
        return f"φ′ is 0 in {_share(found.small)} {where}, where units are off"
    if function == "identity":
        return "φ′ is 1 everywhere"
    limit = f" and never above {short(found.largest)}" if found.largest < 1 else ""
    saturated = f"below {short(found.largest / 10)} in {_share(found.small)} {where}"
    if found.small >= _MANY:
        saturated += ", which are saturated"
    return f"φ′ is {_mean(found.mean)} on average{limit}, {saturated}"


def _mean(value: float) -> str:
    return short(value) if value == 1 or value >= 1e-4 else power_of_ten(log10(value)) if value else "0"


def _share(value: float) -> str:
    """A share in per cent; one that is not all, or not nothing, is not shown as that."""
    if 0 < value < 0.005 or 0.995 < value < 1:
        return "less than 1 %" if value < 0.5 else "more than 99 %"
    return f"{value:.0%}".replace("%", " %")


def _grows(single: Single) -> str:
    """Why a gradient does not vanish although all eigenvalues are below 1: a matrix that is not normal, and slopes."""
    report, lag = single.report, single.longest
    said = f"{_not_normal(single)}, and the rule is about the limit of long lags in the linear network"
    linear = linear_norm(report, lag)
    if linear is None:
        return said
    said += f". By then its powers have come to {_power(single, lag, linear)}"
    if report.log10_norm(lag) - linear > _SHOWS:
        said += "; slopes that differ from unit to unit raise that, as what cancelled before no longer does"
    return said


def _not_normal(single: Single) -> str:
    return (
        f"{single.matrix} is not normal (σ_max = {apart_from_1(single.norm)} against ρ = {apart_from_1(single.radius)})"
    )


def about_transients(single: Single) -> Iterator[str]:
    """What the norm does before the long run: growth below radius 1, and what is gone for good."""
    report, radius = single.report, single.radius
    peak = report.log10_norm(report.peak)
    if radius < 1 - ABOUT_ONE and peak > _GROWN:
        above = [lag for lag in report.lags if report.log10_norm(lag) > 0]
        linear = linear_norm(report, report.peak)
        why = "" if linear is None else f"; {_power(single, report.peak, linear)}"
        if single.leans or report.verdict == single.expected:  # else it was told before
            why = f": {_not_normal(single)}{why}"
        yield (
            f"The norm first grows to {power_of_ten(peak)} at lag {report.peak} and is above 1 until lag {above[-1]}, "
            f"though ρ = {apart_from_1(radius)} < 1{why}."
        )
    gone = next((lag for lag in report.lags if report.log10_norm(lag) == -inf), None)
    if gone is not None:
        why = ""
        if linear_norm(report, gone) == -inf:
            why = f": {single.matrix}^{gone} = 0"
        elif report.trace.network.activation == "relu":
            why = ": every path then meets a unit that is off"
        yield f"From lag {gone} on the norm is exactly 0{why}."
