"""A gradient check as blocks of a page, and as JSON."""

from __future__ import annotations

from math import isfinite

from rnn_calc.core.gradient_probes import TOLERANCE, GradientCheck, Probe
from rnn_calc.core.notation import Notation
from rnn_calc.core.stored_entries import stored_entry
from rnn_calc.show.document import Block, Column, Table, Text, Value
from rnn_calc.show.format import plural

# So many that do not hold are listed.
_MOST_FAILED = 10


def check_blocks(check: GradientCheck, notation: Notation, unchecked: tuple[str, ...]) -> list[Block]:
    """What was looked at, the worst of it, and whether all holds."""
    worst, central = check.worst, check.worst_central
    columns = (
        Column("against"),
        Column("looked at", "count"),
        Column("worst, relative", "number"),
        Column("where"),
        Column("", "verdict"),
    )
    rows: list[tuple[Value, ...]] = [
        _row("complex steps", len(check.probes), worst.error, worst, notation, holds=not _off(check)),
    ]
    if central is not None:
        error = central.relative_central_error
        holds = all(probe.central_holds for probe in check.probes)
        rows.append(_row("central differences", check.central_count, error, central, notation, holds=holds))
    states: tuple[Value, ...] = ("the step made anew", None, check.drift, "states", _verdict(holds=check.states_hold))
    blocks: list[Block] = [
        Table("The gradient checked", columns, (*rows, states)),
        Text((*check_notes(check), *_too_small(notation, unchecked)), "muted"),
    ]
    if check.failed:
        blocks.append(_failed_table(check, notation))
    return blocks


def _off(check: GradientCheck) -> bool:
    return any(probe.error > TOLERANCE and not probe.undecided for probe in check.probes)


def _verdict(*, holds: bool) -> str:
    return "✓ holds" if holds else "✗ off"


def _row(
    what: str, count: int, error: float | None, probe: Probe, notation: Notation, *, holds: bool
) -> tuple[Value, ...]:
    return what, count, error, probe_name(probe, notation), _verdict(holds=holds)


def probe_name(probe: Probe, notation: Notation) -> str:
    """The entry, counted from 0 as the convention stores it, or through what the direction goes."""
    if probe.entry is not None:
        symbol, index = stored_entry(notation, probe.name, probe.entry)
        return f"{symbol}[{','.join(map(str, index))}]"
    if not probe.name:
        return "a direction through all entries"
    parameter = next(p for p in notation.network.parameters if p.name == probe.name)
    return f"a direction through {notation.symbol(parameter)}"


def check_notes(check: GradientCheck) -> list[str]:
    """What was compared, and how."""
    entries = len(check.entries)
    which = (
        "every entry"
        if entries == check.total
        else f"{entries:,} of {check.total:,} entries, drawn with seed {check.seed}"
    )
    lines = [
        f"Looked at: {which}; {plural(len(check.directions), 'drawn direction')}, through each parameter and all.",
        "Both follow the printed equations step by step and share no derivative with the gradient. Differences are "
        f"relative to the derivative itself; complex steps must agree to {TOLERANCE:.0e}, central differences to what "
        "their own rounding and curvature allow.",
    ]
    hidden = len(check.probes) - check.central_count - check.kinked
    if hidden:
        lines.append(
            f"Of {plural(hidden, 'derivative')} central differences say nothing: rounding, or chaos, is larger."
        )
    if check.kinked:
        lines.append(f"{plural(check.kinked, 'central difference')} left out: a relu switches within the step.")
    if check.undecided:
        lines.append(
            f"{plural(check.undecided, 'derivative')} undecided: below the rounding of the sums that they are made of."
        )
    return lines


def _too_small(notation: Notation, unchecked: tuple[str, ...]) -> list[str]:
    if not unchecked:
        return []
    return [f"Not checked, because float64 has no digits left there: {', '.join(_symbols(notation, unchecked))}."]


def _symbols(notation: Notation, names: tuple[str, ...]) -> list[str]:
    return [notation.symbol(parameter) for parameter in notation.network.parameters if parameter.name in names]


def _failed_table(check: GradientCheck, notation: Notation) -> Table:
    columns = (
        Column("off", "math"),
        Column("gradient", "number"),
        Column("complex step", "number"),
        Column("central difference", "number"),
        Column("relative difference", "number"),
    )
    failed = sorted(check.failed, key=lambda probe: -probe.error)
    rows = tuple(
        (probe_name(probe, notation), probe.gradient, probe.complex_step, probe.central, probe.error)
        for probe in failed[:_MOST_FAILED]
    )
    more = f", the worst {_MOST_FAILED}" if len(failed) > _MOST_FAILED else ""
    return Table(f"{plural(len(failed), 'derivative')} off{more}", columns, rows)


def check_json(check: GradientCheck, notation: Notation, unchecked: tuple[str, ...]) -> dict[str, object]:
    """The check for programs."""

    def entry(probe: Probe) -> dict[str, object]:
        return {
            "where": probe_name(probe, notation),
            "gradient": _finite(probe.gradient),
            "complex_step": _finite(probe.complex_step),
            "central_difference": probe.central,
            "relative_difference": _finite(probe.error),
            "relative_central_difference": probe.relative_central_error,
            "holds": probe.holds,
        }

    return {
        "holds": check.holds,
        "tolerance": TOLERANCE,
        "entries": len(check.entries),
        "total_entries": check.total,
        "directions": len(check.directions),
        "seed": check.seed,
        "drift": check.drift,
        "central_differences": check.central_count,
        "kinked": check.kinked,
        "undecided": check.undecided,
        "worst": entry(check.worst),
        "worst_central": None if check.worst_central is None else entry(check.worst_central),
        "not_checked": _symbols(notation, unchecked),
        "failed": [entry(probe) for probe in check.failed],
    }


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
