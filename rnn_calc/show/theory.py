"""What theory allows one to say of a measured decay, and where a common rule of thumb goes wrong."""

from __future__ import annotations

from collections.abc import Iterator

from rnn_calc.core.decay import DecayReport
from rnn_calc.show.format import power_of_ten, short

# A radius this close to 1 is 1 for a rule of thumb.
_ABOUT_ONE = 1e-9


def theory_of(report: DecayReport) -> tuple[str, ...]:
    """Sentences for one report: the norm bound first, then the eigenvalue rule where it and the measurement differ."""
    return (*_about_the_bound(report), *_about_eigenvalues(report), *_about_transients(report))


def _about_the_bound(report: DecayReport) -> Iterator[str]:
    bound = report.bound_per_step
    slope = short(report.max_slope, 2)
    if abs(bound - 1) < _ABOUT_ONE:
        yield "max|φ′|·σ_max = 1: the norm cannot grow; theory does not say whether it shrinks."
    elif bound < 1:
        yield (
            f"max|φ′|·σ_max = {slope}·{short(report.spectral_norm)} = {short(bound)} < 1 is sufficient for vanishing: "
            f"no input and no state can make the norm larger than {short(bound)}^lag (Pascanu, Mikolov, Bengio 2013)."
        )
    else:
        yield (
            f"max|φ′|·σ_max = {slope}·{short(report.spectral_norm)} = {short(bound)} > 1 is necessary for exploding, "
            f"not sufficient: theory leaves it open, and what was measured is {report.verdict} "
            f"(Pascanu, Mikolov, Bengio 2013)."
        )


def _about_eigenvalues(report: DecayReport) -> Iterator[str]:
    """The tutorials' rule: gradients vanish when eigenvalues are below 1, explode when one is above."""
    radius, linear = report.spectral_radius, report.trace.network.activation == "identity"
    rule = "vanishing" if radius < 1 else "exploding"
    if abs(radius - 1) < _ABOUT_ONE or rule == report.verdict:
        return
    side = "below" if radius < 1 else "above"
    told = f"The rule “eigenvalues {side} 1 mean {rule}” does not hold here: ρ = {short(radius)}"
    if radius > 1:
        reason = "a bounded or flat activation shrinks every step, the eigenvalues of W_hh know nothing of φ′"
        yield f"{told}, yet what was measured is {report.verdict}: {reason}."
    else:
        reason = (
            "the rule is about the linear network in the long run, and W_hh is not normal"
            if linear or report.spectral_norm > 1.1 * radius
            else "over so few lags the fitted change stays below a factor of two"
        )
        yield f"{told}, yet what was measured is {report.verdict}: {reason}."


def _about_transients(report: DecayReport) -> Iterator[str]:
    peak = report.log10_norm(report.peak)
    if report.spectral_radius < 1 - _ABOUT_ONE and peak > 0.05:
        above = [lag for lag in report.lags if report.log10_norm(lag) > 0]
        yield (
            f"ρ = {short(report.spectral_radius)} < 1, yet the norm first grows to {power_of_ten(peak)} "
            f"at lag {report.peak} and is above 1 until lag {above[-1]}: W_hh is not normal "
            f"(σ_max = {short(report.spectral_norm)}), and eigenvalues only rule the long run of the linear network."
        )
