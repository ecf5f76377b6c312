"""RemedyReport → blocks and JSON: what would help, with numbers."""

from __future__ import annotations

from math import isfinite, log10
from typing import TYPE_CHECKING

from rnn_calc.core.cells import GATE_NAMES
from rnn_calc.core.decay import Decay
from rnn_calc.show.document import Block, Column, Magnitude, Table, Text, Value
from rnn_calc.show.format import plural, power_of_ten, short

if TYPE_CHECKING:
    from rnn_calc.core.remedies import Remedy, RemedyReport

# The lags between the first and the longest that a table shows at most, and one of which truncation is told.
_SHORT_LAGS = 2
_TRUNCATED = 10
_PER_MILLE = 3
_TITLE = "What would help"


def remedy_blocks(found: RemedyReport, matrix: str, of: str = "") -> list[Block]:
    """A table of remedies and what truncation and clipping do; where they were not measured, how to ask for them.

    `matrix` is what the convention calls the recurrent matrix, `of` which of several networks, for the title.
    """
    if found.before.verdict == "steady":
        line = "· Nothing: the norm neither vanishes nor explodes over the lags measured."
        return [Text((line,), title=f"{_TITLE}{of}")]
    if not found.measured:
        line = "· --remedies measures the same network with other recurrent matrices, biases and cells."
        return [Text((line,), title=f"{_TITLE}{of}")]
    lags = _lags(found.before)
    columns = (
        Column("remedy"),
        Column("state", "math"),
        *(Column(f"at lag {lag}", "number") for lag in lags),
        Column("verdict"),
    )
    rows = [_row("as it is", found.before, lags)]
    rows += [_row(write_remedy(one, matrix), one.report, lags) for one in found.remedies]
    lines = tuple(f"· {sentence}" for sentence in sentences_of(found, matrix))
    return [Table(f"{_TITLE}{of}", columns, tuple(rows)), Text(lines)]


def _lags(before: Decay) -> list[int]:
    """Some lags for the table: powers of ten, and the longest."""
    longest = len(before.lags)
    powers = [10**power for power in range(1, len(str(longest)) + 1) if 10**power < longest]
    return [*powers[-_SHORT_LAGS:], longest]


def _row(name: str, decay: Decay, lags: list[int]) -> tuple[Value, ...]:
    return (name, decay.state, *(Magnitude(decay.log10_norm(lag)) for lag in lags), decay.verdict)


def write_remedy(remedy: Remedy, matrix: str) -> str:
    """A remedy in words."""
    bounded = remedy.report.max_slope is not None
    matrices = matrix if bounded else "recurrent matrices"
    diagonal = all(spectrum.parameter.role == "diagonal" for spectrum in remedy.report.recurrent)
    match remedy.name:
        case "orthogonal":
            return f"{matrices} of ±1, signs drawn" if diagonal else f"{matrices} orthogonal"
        case "identity":
            return f"{matrices} of ones" if diagonal else f"{matrices} the identity"
        case "radius":
            return f"{matrices} scaled to ρ = 1"
        case "norm":
            return f"{matrices} scaled to {'max|φ′|·' if bounded else ''}σ_max = 1"
        case "bias":
            assert remedy.gate is not None, "a bias is that of a gate"
            sign = "+" if remedy.raised > 0 else "−"
            return f"{GATE_NAMES[remedy.gate.letter]}'s bias {sign} {_raised(remedy)}"
        case name:
            return f"{name}, {f'forget bias {_raised(remedy)}' if remedy.gate else 'as drawn'}"


def _raised(remedy: Remedy) -> str:
    """By how much a bias is raised: 1, or a logarithm with its value."""
    size = abs(remedy.raised)
    return short(size) if size == 1 else f"ln {len(remedy.report.lags)} = {short(size, 2)}"


def sentences_of(found: RemedyReport, matrix: str) -> tuple[str, ...]:
    """What the best remedy keeps, what truncation and clipping do, and what was drawn."""
    before, remedies = found.before, found.remedies
    longest = len(before.lags)
    said = []
    if remedies:
        steady = [one for one in remedies if one.report.verdict == "steady"]
        best = min(steady or remedies, key=lambda one: abs(one.report.log10_norm(longest)))
        kept, had = (power_of_ten(decay.log10_norm(longest)) for decay in (best.report, before))
        name = f"“{write_remedy(best, matrix)}”"
        if abs(best.report.log10_norm(longest)) <= -log10(before.threshold):
            said.append(f"With {name} the norm at lag {longest} is {kept}; as it is, {had}.")
        else:
            said.append(f"None of these is enough. {name} comes nearest: {kept} at lag {longest}; as it is, {had}.")
    said += [_truncation(found), _clipping(before)]
    if remedies:
        said.append(
            "Inputs, first state and all other weights are the same; what is new is drawn with seed 0, before any "
            "training."
        )
    return tuple(said)


def truncated_at(before: Decay) -> int:
    """How many steps of truncation are told of: 10, or half of the lags where there are few."""
    longest = len(before.lags)
    return _TRUNCATED if longest > _TRUNCATED else max(1, longest // 2)


def _truncation(found: RemedyReport) -> str:
    before, k = found.before, truncated_at(found.before)
    share = _share(found.log10_share_within(k))
    told = f"Truncation after {plural(k, 'step')} keeps lags 0 to {k}, {share} of the sum of all norms, and"
    if before.verdict == "vanishing":
        return f"{told} makes every longer lag exactly 0: it saves time and mends no vanishing."
    peak = max(0.0, float(before.log10_norms[:k].max()))
    return (
        f"{told} drops the rest: the largest norm left is {power_of_ten(peak)}, and nothing is learnt across more "
        f"than {plural(k, 'step')}."
    )


def _share(log10_share: float) -> str:
    """A share in per cent, or as a number where it is tiny; one that is not all is not shown as all."""
    if log10_share < -_PER_MILLE:
        return power_of_ten(log10_share)
    per_cent = 100 * 10**log10_share
    return "more than 99.9 %" if 99.95 <= per_cent < 100 else f"{short(per_cent, 1)} %"


def _clipping(before: Decay) -> str:
    longest = len(before.lags)
    if before.verdict == "vanishing":
        return (
            "Clipping caps the norm of the summed gradient and scales all lags alike, so it mends no vanishing: lag "
            f"{longest} stays {power_of_ten(before.log10_norm(longest))} of lag 0."
        )
    peak = before.log10_norm(before.peak)
    return (
        f"Clipping to norm 1 keeps the step finite, but scales all lags alike: a gradient grown to "
        f"{power_of_ten(peak)} is multiplied by {power_of_ten(-peak)}, and so is what comes from lag 0."
    )


def remedies_json(found: RemedyReport, matrix: str) -> list[dict[str, object]]:
    """Every remedy as an object; truncation and clipping without a network of their own. Empty where all is steady."""
    before = found.before
    if before.verdict == "steady":
        return []
    longest, k = len(before.lags), truncated_at(before)
    content: list[dict[str, object]] = []
    for one in found.remedies:
        decay = one.report
        entry: dict[str, object] = {"name": one.name, "what": write_remedy(one, matrix), "state": decay.state}
        if one.gate:
            entry |= {"gate": one.gate.letter, "bias_added": one.raised}
        entry |= {
            "lag": longest,
            "log10_norm": _finite(decay.log10_norm(longest)),
            "log10_norm_before": _finite(before.log10_norm(longest)),
            "rate_per_step": decay.rate_per_step,
            "verdict": decay.verdict,
            "log10_norms": [_finite(value) for value in decay.log10_norms.tolist()],
        }
        content.append(entry)
    peak = before.log10_norm(before.peak)
    content.append({"name": "truncation", "steps": k, "log10_share_of_norms": found.log10_share_within(k)})
    content.append({"name": "clipping", "norm": 1.0, "log10_factor": min(0.0, -peak) if isfinite(peak) else 0.0})
    return content


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
