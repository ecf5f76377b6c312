"""What theory allows one to say of a measured decay, and where a common rule of thumb goes wrong."""

from __future__ import annotations

from collections.abc import Iterator

from rnn_calc.core.decay import DecayReport
from rnn_calc.show.format import plural, power_of_ten, short

# A radius this close to 1 is 1 for a rule of thumb.
_ABOUT_ONE = 1e-9


def theory_of(report: DecayReport, matrix: str = "W_hh") -> tuple[str, ...]:
    """Sentences for one report: the norm bound first, then the eigenvalue rule where it and the measurement differ.

    `matrix` is what the convention calls the recurrent matrix.
    """
    return (*_about_the_bound(report), *_about_eigenvalues(report, matrix), *_about_transients(report, matrix))


def _about_the_bound(report: DecayReport) -> Iterator[str]:
    bound = report.bound_per_step
    product = f"max|φ′|·σ_max = {short(report.max_slope, 2)}·{_apart_from_1(report.spectral_norm)}"
    if abs(bound - 1) < _ABOUT_ONE:
        yield "max|φ′|·σ_max = 1: the norm cannot grow; theory does not say whether it shrinks."
    elif bound < 1:
        shown = _apart_from_1(bound)
        yield (
            f"{product} = {shown} < 1 is sufficient for vanishing: no input and no state can make the norm "
            f"larger than {shown}^lag (Pascanu, Mikolov, Bengio 2013)."
        )
    else:
        yield (
            f"{product} = {_apart_from_1(bound)} > 1 is necessary for exploding, not sufficient: theory leaves it "
            f"open, and what was measured is {report.verdict} (Pascanu, Mikolov, Bengio 2013)."
        )


def _apart_from_1(value: float) -> str:
    """A number that is not 1, with as many digits as it takes to see that."""
    return next((text for digits in range(4, 16) if float(text := short(value, digits)) != 1), short(value))


# Why a gradient shrinks although an eigenvalue is above 1.
_SHRINKS = {
    "tanh": "φ′ = 1 − tanh² is below 1 at every unit whose input is not 0, and the eigenvalues know nothing of it",
    "sigmoid": "φ′ is at most 1/4, and the eigenvalues know nothing of it",
    "relu": "φ′ is 0 at every unit that is off, and the eigenvalues know nothing of it",
    "identity": "the rule is about the long run",
}


def _about_eigenvalues(report: DecayReport, matrix: str) -> Iterator[str]:
    """The tutorials' rule: gradients vanish when eigenvalues are below 1, explode when one is above."""
    radius, norm = report.spectral_radius, report.spectral_norm
    rule = "vanishing" if radius < 1 else "exploding"
    if abs(radius - 1) < _ABOUT_ONE or rule == report.verdict:
        return
    measured = f"what was measured is {report.verdict}"
    if report.verdict == "steady" and (report.rate_per_step < 1) == (radius < 1):
        yield (
            f"The rule “eigenvalues {_side(radius)} 1 mean {rule}” cannot be judged here: the rate leans its way, but "
            f"over {plural(len(report.lags), 'lag')} the fitted norm neither halves nor doubles."
        )
        return
    told = f"The rule “eigenvalues {_side(radius)} 1 mean {rule}” does not hold here: ρ = {_apart_from_1(radius)}"
    if radius > 1:
        yield f"{told}, yet {measured}: {_SHRINKS[report.trace.network.activation]}."
    elif norm > radius * (1 + _ABOUT_ONE):
        yield (
            f"{told}, yet {measured}: {matrix} is not normal (σ_max = {short(norm)}), and the rule is about the "
            "linear network in the long run."
        )


def _side(radius: float) -> str:
    return "below" if radius < 1 else "above"


def _about_transients(report: DecayReport, matrix: str) -> Iterator[str]:
    peak = report.log10_norm(report.peak)
    if report.spectral_radius < 1 - _ABOUT_ONE and peak > 0.05:
        above = [lag for lag in report.lags if report.log10_norm(lag) > 0]
        yield (
            f"ρ = {_apart_from_1(report.spectral_radius)} < 1, yet the norm first grows to {power_of_ten(peak)} "
            f"at lag {report.peak} and is above 1 until lag {above[-1]}: {matrix} is not normal "
            f"(σ_max = {short(report.spectral_norm)}), and eigenvalues only rule the long run of the linear network."
        )
