"""Expectations as a table and as JSON: the part every checked report shares."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING

from rnn_calc.show.document import Column, Table

if TYPE_CHECKING:
    from rnn_calc.core.expectations import Expectation


def expectation_block(expectations: Sequence[Expectation]) -> Table:
    """What was printed, what was computed, and whether the one is the other rounded."""
    met = sum(expectation.met for expectation in expectations)
    columns = (
        Column("value", "math"),
        Column("printed"),
        Column("computed"),
        Column("difference", "number"),
        Column("", "verdict"),
    )
    rows = tuple((e.name, e.printed, *_two_digits_on(e), "✓ met" if e.met else "✗ off") for e in expectations)
    return Table(f"Expected values: {met} of {len(expectations)} met", columns, rows)


def _two_digits_on(expectation: Expectation) -> tuple[str, str | None]:
    """The computed value and the difference with two digits more than were printed, so that one sees how far off."""
    computed, difference = expectation.computed, expectation.difference
    if difference is None:
        return computed, None
    if "." not in computed:  # whole numbers
        return computed, f"{difference:+.0f}" if difference else "0"
    if "e" in expectation.printed.lower() or "e" in computed.lower():
        # Decimal and not float: the number may be far beyond float64.
        return f"{Decimal(computed):.6g}", f"{difference:+.3g}" if isfinite(difference) else None
    digits = len(expectation.printed.partition(".")[2]) + 2
    return f"{float(computed):.{digits}f}", f"{difference:+.{digits}f}"


def expectations_json(expectations: Sequence[Expectation]) -> dict[str, object]:
    """The `expected` entry of a report's JSON; absent where nothing is expected."""
    if not expectations:
        return {}
    return {
        "expected": [
            {
                "value": e.name,
                "printed": e.printed,
                "computed": e.computed,
                "difference": e.difference if e.difference is not None and isfinite(e.difference) else None,
                "met": e.met,
            }
            for e in expectations
        ]
    }
