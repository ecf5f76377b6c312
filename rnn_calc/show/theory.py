"""What theory allows one to say of a measured decay, and where a common rule of thumb goes wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rnn_calc.core.block_norms import STATE
from rnn_calc.core.decay import Decay, DecayReport
from rnn_calc.core.direct import DirectPath
from rnn_calc.core.equations import COMPLEMENT, Apply, Expression, Vector
from rnn_calc.core.growth import direct_norm
from rnn_calc.core.stages import Layer
from rnn_calc.show.eigenvalue_rule import Single, about_eigenvalues, about_transients
from rnn_calc.show.format import ABOUT_ONE, apart_from_1, plural, power_of_ten, short


def theory_of(report: DecayReport, matrix: str = "W_hh") -> tuple[str, ...]:
    """Sentences for one report: what the norm bound allows, the tutorials' eigenvalue rule, and why they are off.

    Neither is about a gated cell; there it is said what the gate that multiplies the state lets through.
    `matrix` is what the convention calls the recurrent matrix.
    """
    radius, norm, slope = report.spectral_radius, report.spectral_norm, report.max_slope
    if radius is None or norm is None or slope is None:
        return (*_about_gates(report), *_about_the_trend(report))
    single = Single(report, matrix, radius, norm, slope)
    said = (*_about_the_bound(single), *about_eigenvalues(single), *about_transients(single))
    return (*said, *_about_the_trend(report))


def _about_the_trend(report: DecayReport) -> Iterator[str]:
    """Where a norm has not got beyond 1 in the direction that its verdict names: what the verdict goes by."""
    for decay in report.decays:
        lag = decay.lags[-1]
        end, growing = decay.log10_norm(lag), decay.verdict == "exploding"
        if decay.verdict == "steady" or (end >= 0 if growing else end <= 0):
            continue
        change, side = ("grow", "below") if growing else ("shrink", "above")
        yield (
            f"{decay.verdict.capitalize()} is a trend here: over the longer half of the lags the norm of "
            f"{_symbol(report, decay)} is fitted to {change} by a factor of {apart_from_1(decay.rate_per_step)} a step;"
            f" at lag {lag} it is {power_of_ten(end)}, still {side} 1."
        )


def _about_the_bound(single: Single) -> Iterator[str]:
    report, bound, lag = single.report, single.slope * single.norm, single.longest
    product = f"max|φ′|·σ_max = {short(single.slope, 2)}·{apart_from_1(single.norm)}"
    if abs(bound - 1) < ABOUT_ONE:
        yield (
            "max|φ′|·σ_max = 1 is sufficient for not exploding: the norm cannot grow. It is neither sufficient nor "
            "necessary for vanishing: theory does not say whether the norm shrinks."
        )
    elif bound < 1:
        shown = apart_from_1(bound)
        yield (
            f"{product} = {shown} < 1 is sufficient for vanishing: no input and no state can make the norm "
            f"larger than {shown}^lag, {_bound_at(single, lag)} at lag {lag} (Pascanu, Mikolov, Bengio 2013)."
        )
    else:
        yield (
            f"{product} = {apart_from_1(bound)} > 1 is necessary for exploding, not sufficient: the bound allows "
            f"{_bound_at(single, lag)} at lag {lag}, and what was measured is {report.verdict}, {single.measured} "
            "(Pascanu, Mikolov, Bengio 2013)."
        )


def _bound_at(single: Single, lag: int) -> str:
    bound = single.report.log10_bound(lag)
    assert bound is not None, "only a bound that there is, is told"
    return power_of_ten(bound)


def _about_gates(report: DecayReport) -> Iterator[str]:
    gated = next((decay for decay in report.decays if decay.direct), report)
    if not report.recurrent and gated.direct:
        yield from _about_the_diagonal(gated.direct)
        return
    yield (
        f"No test with σ_max or eigenvalues is sufficient or necessary here: the steps of this "
        f"{report.layer.cell.name} are also scaled by gates. What was measured is "
        f"{_verdicts(report, report.decays)}."
    )
    yield from _about_the_rule(report)
    if report.cell_state:
        yield (
            "The norms are of blocks of products of the full Jacobian of (h, c). The product of ∂h_t/∂h_{t−1} alone "
            "would leave out what c carries, and is another number."
        )
    if gated.direct:
        yield _about_the_mean(gated.direct)
        yield _about_the_direct_path(gated, gated.direct, report)


def _verdicts(report: DecayReport, decays: Sequence[Decay]) -> str:
    """Each verdict with the states that it is about: vanishing for h and c."""
    states = {verdict: [d for d in decays if d.verdict == verdict] for verdict in (decay.verdict for decay in decays)}
    return ", ".join(
        f"{verdict} for {' and '.join(_symbol(report, d) for d in own)}" for verdict, own in states.items()
    )


def _symbol(report: DecayReport, decay: Decay) -> str:
    """A state as the layer writes it; all together in brackets."""
    names = report.layer.state if decay.state == STATE else (decay.state,)
    symbols = ", ".join(map(report.layer.symbol, names))
    return symbols if len(names) == 1 else f"({symbols})"


def _about_the_rule(report: DecayReport) -> Iterator[str]:
    """The eigenvalue rule, where the matrices of all gates are on one side of 1 and the measurement is not."""
    radii = [spectrum.spectral_radius for spectrum in report.recurrent]
    known = [radius for radius in radii if radius is not None]
    if not known or len(known) < len(radii):
        return
    least, largest = min(known), max(known)
    spread = f"ρ of its {len(known)} recurrent matrices is {apart_from_1(least)} to {apart_from_1(largest)}"
    if len(known) == 1:
        spread = f"ρ of its recurrent matrix is {apart_from_1(least)}"
    if least < 1 - ABOUT_ONE and largest > 1 + ABOUT_ONE:
        yield f"The tutorials' eigenvalue rule has no one W_hh to look at: {spread}."
        return
    if largest < 1 - ABOUT_ONE:
        side, expected = "below", "vanishing"
    elif least > 1 + ABOUT_ONE:
        side, expected = "above", "exploding"
    else:
        return
    others = [decay for decay in report.decays if decay.verdict != expected]
    if others:
        yield (
            f"The tutorials' eigenvalue rule (“{side} 1: {expected}”) does not hold here: {spread}, yet what was "
            f"measured is {_verdicts(report, others)}. Eigenvalues know nothing of gates."
        )


def _about_the_diagonal(direct: DirectPath) -> Iterator[str]:
    share = write_share(direct.share)
    yield (
        f"There is no recurrent matrix: the gates see the input alone, and ∂h_t/∂h_{{t−1}} is the diagonal matrix of "
        f"{share}. So the norm is the largest entry of {write_product(direct.share)} over the lag; {share} is never "
        "above 1, so it cannot grow."
    )
    yield _about_the_mean(direct)


def _about_the_direct_path(decay: Decay, direct: DirectPath, report: DecayReport) -> str:
    longest = len(decay.lags)
    symbol = _symbol(report, decay)
    ways = "h and the gates" if decay.state == "c" else "the candidate and the gates"
    return (
        f"The direct path from {symbol} to {symbol} is the diagonal matrix of {write_product(direct.share)}: over "
        f"{plural(longest, 'step')} its norm is {power_of_ten(direct_norm(direct, longest))}, and the whole one is "
        f"{power_of_ten(decay.log10_norm(longest))}. The rest comes through {ways}; it can add or cancel, so the "
        "direct path bounds the norm neither from above nor from below."
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
