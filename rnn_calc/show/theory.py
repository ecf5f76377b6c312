"""What theory allows one to say of a measured decay, and where a common rule of thumb goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rnn_calc.core.decay import Decay, DecayReport
from rnn_calc.core.direct import DirectPath
from rnn_calc.core.equations import COMPLEMENT, Apply, Expression, Vector
from rnn_calc.core.network import Layer
from rnn_calc.show.format import ABOUT_ONE, apart_from_1, plural, power_of_ten, short


def theory_of(report: DecayReport, matrix: str = "W_hh") -> tuple[str, ...]:
    """Sentences for one report: the norm bound first, then the eigenvalue rule where it and the measurement differ.

    Neither is about a gated cell; there it is said what the gate that multiplies the state lets through.
    `matrix` is what the convention calls the recurrent matrix.
    """
    radius, norm, slope = report.spectral_radius, report.spectral_norm, report.max_slope
    if radius is None or norm is None or slope is None:
        return tuple(_about_gates(report))
    measured = _Single(report, matrix, radius, norm, slope)
    return (*_about_the_bound(measured), *_about_eigenvalues(measured), *_about_transients(measured))


class _Single(NamedTuple):
    """A report on a cell that is one function of a linear map, and that map's one matrix."""

    report: DecayReport
    matrix: str
    radius: float
    norm: float
    slope: float


def _about_gates(report: DecayReport) -> Iterator[str]:
    cell, c = report.layer.cell.name, report.cell_state
    if not report.recurrent and report.direct:
        yield from _about_the_diagonal(report.direct)
        return
    what = f"what was measured is {report.verdict}"
    if c:
        what += f" for {write_block(report.layer, 'h')}, {c.verdict} for {write_block(report.layer, 'c')}"
    yield (
        f"The tests with σ_max and eigenvalues are about one function of one matrix. Each step of this {cell} is also "
        f"scaled by gates, so they allow no conclusion; {what}."
    )
    if c:
        yield (
            "Both norms are of blocks of products of the full Jacobian of (h, c). The product of ∂h_t/∂h_{t−1} alone "
            "would leave out what c carries, and is another number."
        )
    gated = c or report
    if gated.direct:
        yield from _about_the_direct_path(gated, gated.direct, report)


def _about_the_diagonal(direct: DirectPath) -> Iterator[str]:
    share = write_share(direct.share)
    yield (
        f"There is no recurrent matrix: the gates see the input alone, and ∂h_t/∂h_{{t−1}} is the diagonal matrix of "
        f"{share}. So the norm is the largest entry of {write_product(direct.share)} over the lag; {share} is never "
        "above 1, so it cannot grow."
    )
    yield _about_the_mean(direct)


def _about_the_direct_path(decay: Decay, direct: DirectPath, report: DecayReport) -> Iterator[str]:
    yield _about_the_mean(direct)
    longest = len(decay.log10_norms)
    state = decay.state
    ways = "h and the gates" if state == "c" else "the candidate and the gates"
    yield (
        f"The direct path from {state} to {state} is the diagonal matrix of {write_product(direct.share)}: over "
        f"{plural(longest, 'step')} its norm is {power_of_ten(float(direct.log10_norms[-1]))}, and that of "
        f"{write_block(report.layer, state)} is {power_of_ten(decay.log10_norm(longest))}. The rest comes through "
        f"{ways}; it can add or cancel, so the direct path bounds the norm neither from above nor from below."
    )


def _about_the_mean(direct: DirectPath) -> str:
    return (
        f"{write_share(direct.share)}, the share of the state that stays, is {_unrounded(direct.mean)} on average over "
        f"all units and steps ({_unrounded(direct.least)} to {_unrounded(direct.largest)})."
    )


def _unrounded(share: float) -> str:
    """A share; one that is not 1 is not shown as 1."""
    return short(share) if share == 1 else apart_from_1(share)


def write_share(share: Expression) -> str:
    """What multiplies a state: f_t, 1 − z_t."""
    match share:
        case Vector(name, symbol=symbol):
            return f"{symbol or name}_t"
        case Apply(function, argument) if function == COMPLEMENT:
            return f"1 − {write_share(argument)}"
        case _:
            raise AssertionError(f"no share of a state: {share}")


def write_product(share: Expression) -> str:
    """The product of a share over steps: ∏ f_t, ∏ (1 − z_t)."""
    return f"∏ {write_share(share)}" if isinstance(share, Vector) else f"∏ ({write_share(share)})"


def write_block(layer: Layer, state: str, steps: tuple[str, str] | None = None) -> str:
    """The block of the state Jacobian: ∂h_T/∂h_{T−lag}; ∂h^(2←)_1/∂h^(2←)_{1+lag} where the layer reads backward."""
    symbol = next(equation.symbol or equation.name for equation in layer.equations if equation.name == state)
    last, first = steps or (("1", "{1+lag}") if layer.reverse else ("T", "{T−lag}"))
    return f"∂{symbol}_{last}/∂{symbol}_{first}"


def _about_the_bound(single: _Single) -> Iterator[str]:
    report, bound = single.report, single.slope * single.norm
    product = f"max|φ′|·σ_max = {short(single.slope, 2)}·{apart_from_1(single.norm)}"
    if abs(bound - 1) < ABOUT_ONE:
        yield "max|φ′|·σ_max = 1: the norm cannot grow; theory does not say whether it shrinks."
    elif bound < 1:
        shown = apart_from_1(bound)
        yield (
            f"{product} = {shown} < 1 is sufficient for vanishing: no input and no state can make the norm "
            f"larger than {shown}^lag (Pascanu, Mikolov, Bengio 2013)."
        )
    else:
        yield (
            f"{product} = {apart_from_1(bound)} > 1 is necessary for exploding, not sufficient: theory leaves it "
            f"open, and what was measured is {report.verdict} (Pascanu, Mikolov, Bengio 2013)."
        )


# Why a gradient shrinks although an eigenvalue is above 1.
_SHRINKS = {
    "tanh": "φ′ = 1 − tanh² is below 1 at every unit whose input is not 0, and the eigenvalues know nothing of it",
    "sigmoid": "φ′ is at most 1/4, and the eigenvalues know nothing of it",
    "relu": "φ′ is 0 at every unit that is off, and the eigenvalues know nothing of it",
    "identity": "the rule is about the long run",
}


def _about_eigenvalues(single: _Single) -> Iterator[str]:
    """The tutorials' rule: gradients vanish when eigenvalues are below 1, explode when one is above."""
    report, matrix, radius, norm, _ = single
    rule = "vanishing" if radius < 1 else "exploding"
    if abs(radius - 1) < ABOUT_ONE or rule == report.verdict:
        return
    measured = f"what was measured is {report.verdict}"
    if report.verdict == "steady" and (report.rate_per_step < 1) == (radius < 1):
        yield (
            f"The rule “eigenvalues {_side(radius)} 1 mean {rule}” cannot be judged here: the rate leans its way, but "
            f"over {plural(len(report.lags), 'lag')} the fitted norm neither halves nor doubles."
        )
        return
    told = f"The rule “eigenvalues {_side(radius)} 1 mean {rule}” does not hold here: ρ = {apart_from_1(radius)}"
    if radius > 1:
        yield f"{told}, yet {measured}: {_SHRINKS[report.trace.network.activation]}."
    elif norm > radius * (1 + ABOUT_ONE):
        yield (
            f"{told}, yet {measured}: {matrix} is not normal (σ_max = {short(norm)}), and the rule is about the "
            "linear network in the long run."
        )


def _side(radius: float) -> str:
    return "below" if radius < 1 else "above"


def _about_transients(single: _Single) -> Iterator[str]:
    report, matrix, radius, norm, _ = single
    peak = report.log10_norm(report.peak)
    if radius < 1 - ABOUT_ONE and peak > 0.05:
        above = [lag for lag in report.lags if report.log10_norm(lag) > 0]
        yield (
            f"ρ = {apart_from_1(radius)} < 1, yet the norm first grows to {power_of_ten(peak)} "
            f"at lag {report.peak} and is above 1 until lag {above[-1]}: {matrix} is not normal "
            f"(σ_max = {short(norm)}), and eigenvalues only rule the long run of the linear network."
        )
