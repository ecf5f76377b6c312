"""Printed values compared with computed ones, at the precision they are printed with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation, Overflow

from rnn_calc.core.errors import DataError, quoted


@dataclass(frozen=True)
class Expectation:
    """One expected value, met or not. `difference` is computed − printed, None where there is no such number."""

    name: str
    printed: str
    computed: str
    difference: float | None
    met: bool


def compare(name: str, printed: object, computed: float | Decimal) -> Expectation:
    """A printed number against the computed one: met within half a unit of the last printed digit.

    `printed` is text, which keeps its digits ("0.370"), or a number, whose shortest form counts (0.37).
    Raises: DataError when it is no finite number.
    """
    text = str(printed).replace("−", "-")
    try:
        value = Decimal(text)
        if isinstance(printed, bool) or not value.is_finite():
            raise InvalidOperation
        exponent = value.as_tuple().exponent
        assert isinstance(exponent, int)
        difference = Decimal(computed) - value
        # A NaN has no order, and meets nothing.
        met = not difference.is_nan() and abs(difference) <= Decimal(5).scaleb(exponent - 1)
    except (InvalidOperation, Overflow, ValueError):
        raise DataError(f"expected.{name} is {quoted(printed)}, which is no number to compare with.") from None
    shown = _shown(computed)
    return Expectation(name, text, shown, float(difference), met)


def _shown(computed: float | Decimal) -> str:
    """A computed number in full: integers exactly, floats so that they round-trip, far decimals to 17 digits."""
    if isinstance(computed, int):
        return str(computed)
    within = not isinstance(computed, Decimal) or computed == 0 or -300 < computed.adjusted() < 300
    return repr(float(computed)) if within else f"{computed:.16e}"


def compare_shape(name: str, printed: object, computed: tuple[int, ...] | None) -> Expectation:
    """A printed shape against the computed one; a symbol that there is not has none."""
    if not isinstance(printed, list) or not all(type(size) is int for size in printed):
        raise DataError(f"expected.{name} is {quoted(printed)}; a shape is a list of whole numbers.")
    shape = tuple(printed)
    return Expectation(name, str(shape), "–" if computed is None else str(computed), None, shape == computed)


def entries(name: str, value: object, shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], object]]:
    """Every printed number of a nested list with its position.

    Raises: DataError when the list has not the shape of what was computed.
    """

    def visit(item: object, index: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], object]]:
        depth = len(index)
        if depth == len(shape):
            yield index, item
            return
        if not isinstance(item, list) or len(item) != shape[depth]:
            found = f"{len(item)} {'entry' if len(item) == 1 else 'entries'}" if isinstance(item, list) else "no list"
            where = name + "".join(f"[{i}]" for i in index)
            raise DataError(f"expected.{where} has {found}; what was computed has {shape[depth]} there.")
        for i, part in enumerate(item):
            yield from visit(part, (*index, i))

    yield from visit(value, ())
