"""Numbers at the axes of a plot in the terminal, with as many digits as it takes to say what they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uniplot.axis_labels.label_set import LabelSet

_MOST_DIGITS = 10
# Of the distance between two labels: what rounding alone leaves.
_ROUNDING = 1e-6


def tick_texts(numbers: Sequence[float]) -> list[str]:
    """The numbers with the same count of decimals, the fewest that say each of them."""
    ordered = sorted(numbers)
    apart = min((after - before for before, after in pairwise(ordered)), default=1.0)
    for digits in range(_MOST_DIGITS + 1):
        # Adding 0 makes a zero of −0.
        rounded = [round(number, digits) + 0.0 for number in numbers]
        near = all(abs(near - number) <= _ROUNDING * apart for near, number in zip(rounded, numbers, strict=True))
        if near and len(set(rounded)) == len(rounded):
            return [f"{number:,.{digits}f}" for number in rounded]
    return [f"{number:g}" for number in numbers]


@contextmanager
def exact_tick_labels() -> Iterator[None]:
    """While it lasts, uniplot's labels say what they stand for.

    It takes as few digits as tell its labels apart, and writes 0, 1, 2 where 0.5, 1 and 1.5 are meant.
    """
    from uniplot.axis_labels.label_set import LabelSet

    shortest = LabelSet._find_shortest_string_representation
    # No option of uniplot's does it.
    LabelSet._find_shortest_string_representation = _exact_texts  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        LabelSet._find_shortest_string_representation = shortest  # type: ignore[method-assign]


def _exact_texts(labels: LabelSet) -> list[str]:
    return tick_texts([float(number) for number in labels.labels])
