"""What theory allows one to say of trained weights alone, before any input is known: not much, and that exactly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rnn_calc.core.equations import MAX_SLOPE
from rnn_calc.show.format import ABOUT_ONE, apart_from_1, short

if TYPE_CHECKING:
    from rnn_calc.core.forget_gates import BiasSummary
    from rnn_calc.core.inspection import MeasuredMatrix
    from rnn_calc.show.inspect_data import LayerShown

# Longer lists of matrices are given as a range.
_MOST_LISTED = 4
_CANDIDATES = ("g", "n")


def theory_of(layer: LayerShown) -> Iterator[str]:
    """Sentences on a layer whose matrices were measured, and on an LSTM's forget gate in any case."""
    matrices = layer.matrices
    if matrices is not None:
        bounds = [bound for matrix in matrices if (bound := _bound(layer, matrix)) is not None]
        if not matrices:
            yield (
                "There is no recurrent matrix: the gates see the input alone, and the share of a state that a step "
                "keeps is never above 1, so no gradient can grow on its way back."
            )
        elif bounds:
            yield from (_about_the_bound(layer, matrix, bound) for matrix, bound in zip(matrices, bounds, strict=False))
        else:
            yield from _about_gates(layer, matrices)
        yield from (f"{matrix.problem}: it has neither ρ nor σ_max." for matrix in matrices if matrix.problem)
    summaries = [bias.summary for bias in layer.forget if bias.summary]
    if len(summaries) < len(layer.forget):
        yield "A forget-gate bias that is not finite has no mean."
    if summaries:
        yield _about_the_forget_gate(summaries)
    if matrices:
        yield f"What inputs make of it: {layer.decay}"


def _bound(layer: LayerShown, matrix: MeasuredMatrix) -> float | None:
    from rnn_calc.core.inspection import bound_per_step

    return bound_per_step(layer.notation.network, matrix)


def _about_the_bound(layer: LayerShown, matrix: MeasuredMatrix, bound: float) -> str:
    slope, norm = MAX_SLOPE[layer.notation.network.activation], matrix.spectral_norm
    assert norm is not None
    said = f"{matrix.symbol}: max|φ′|·σ_max = {short(slope, 2)}·{apart_from_1(norm)} = {apart_from_1(bound)}"
    if abs(bound - 1) < ABOUT_ONE:
        return f"{matrix.symbol}: max|φ′|·σ_max = 1: no gradient can grow; theory does not say whether it shrinks."
    if bound < 1:
        return (
            f"{said} < 1 is sufficient for vanishing: whatever the inputs, a gradient carried back k steps is at most "
            f"{apart_from_1(bound)}^k of itself (Pascanu, Mikolov, Bengio 2013)."
        )
    radius = matrix.spectral_radius
    about = "" if radius is None else f" ρ = {apart_from_1(radius)} rules the long run of the linear network alone."
    return f"{said} > 1 is necessary for exploding, not sufficient: theory leaves it open.{about}"


def _about_gates(layer: LayerShown, matrices: tuple[MeasuredMatrix, ...]) -> Iterator[str]:
    network = layer.notation.network
    yield (
        "The tests with σ_max and eigenvalues are about one function of one matrix. Each step of this "
        f"{network.cell.name} is also scaled by gates, so they allow no conclusion."
    )
    if network.d_p:
        yield (
            "The state is projected: a gate's matrix takes the projected state to all units and is not square, so it "
            "has a norm and no eigenvalues."
        )
    projections = {id(m.layer): m.spectral_norm for m in matrices if m.parameter.role == "projection"}
    paths = []
    for matrix in matrices:
        narrowed = projections.get(id(matrix.layer), 1.0)
        if matrix.parameter.gate in _CANDIDATES and matrix.spectral_norm is not None and narrowed is not None:
            paths.append((matrix, matrix.spectral_norm * narrowed * MAX_SLOPE[network.activation]))
    if paths:
        yield _about_the_candidate(paths, projected=bool(network.d_p))


def _about_the_candidate(paths: list[tuple[MeasuredMatrix, float]], *, projected: bool) -> str:
    named = [f"{apart_from_1(bound)} ({matrix.symbol})" for matrix, bound in paths]
    if len(named) > _MOST_LISTED:
        sizes = [bound for _, bound in paths]
        named = [f"{apart_from_1(min(sizes))} to {apart_from_1(max(sizes))} in {len(paths)} layers and directions"]
    what = "the candidate's σ_max times the projection's" if projected else "the candidate's σ_max"
    said = f"A hint and no more: {what} is {', '.join(named)}."
    largest = max(bound for _, bound in paths)
    if largest < 1:
        return f"{said} The path through the candidate alone shrinks at every step; what lasts goes through the gates."
    return (
        f"{said} Above 1, the path through the candidate may grow where gates are open and units not saturated; "
        "inputs decide whether it does."
    )


def _about_the_forget_gate(summaries: list[BiasSummary]) -> str:
    gates = [summary.gate for summary in summaries]
    lives = [summary.half_life for summary in summaries]
    if len(summaries) == 1 or max(gates) - min(gates) < 0.5 * 10**-2:
        mean, steps = short(gates[0], 2), f"about {_steps(min(lives, key=_order))}"
    else:
        mean = f"{short(min(gates), 2)} to {short(max(gates), 2)}"
        ends = dict.fromkeys((_steps(min(lives, key=_order)), _steps(max(lives, key=_order))))
        steps = " to ".join(ends) if len(ends) > 1 else f"about {next(iter(ends))}"
    return (
        f"Forget gate at rest: σ(b) = {mean} on average; the cell state would halve in {steps} "
        f"step{'' if steps == 'about 1' else 's'}. A hint and no more: inputs and state move the gate."
    )


def _order(life: float | None) -> float:
    return float("inf") if life is None else life


def _steps(life: float | None) -> str:
    return "∞" if life is None else short(life, 1)
