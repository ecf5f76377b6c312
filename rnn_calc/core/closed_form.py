"""A count as a closed form: exact integers times products of named sizes, equal terms collected."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from typing import NamedTuple

from rnn_calc.core.sizes import Sizes
from rnn_calc.core.stages import Extent


class Term(NamedTuple):
    """A coefficient times named sizes, in the order in which they are written."""

    coefficient: int
    names: tuple[str, ...]

    def value(self, sizes: Sizes) -> int:
        """The term in numbers."""
        return self.coefficient * prod(sizes[name] for name in self.names)

    def write(self, size: Callable[[str], str]) -> str:
        """The term as it is read: 4·d_h·d_in, d_h², 2. `size` gives a size its printed name."""
        product = "·".join(_powers(self.names, size))
        if not product:
            return str(self.coefficient)
        return product if self.coefficient == 1 else f"{self.coefficient}·{product}"

    def write_numbers(self, sizes: Sizes) -> str:
        """The same with the numbers put in: 4·3·5."""
        numbers = [sizes[name] for name in self.names]
        if self.coefficient != 1 or not numbers:
            numbers.insert(0, self.coefficient)
        return "·".join(map(str, numbers))

    def times(self, factor: int) -> Term:
        """The term, `factor` times."""
        return Term(self.coefficient * factor, self.names)


class ClosedForm(NamedTuple):
    """A sum of terms, each product of sizes once."""

    terms: tuple[Term, ...]

    def value(self, sizes: Sizes) -> int:
        """The sum in numbers."""
        return sum(term.value(sizes) for term in self.terms)

    def write(self, size: Callable[[str], str]) -> str:
        """The sum as it is read, squares first: d_h² + d_h·d_in + 2·d_h; a sum of nothing is 0."""
        ordered = sorted(self.terms, key=lambda term: not _is_square(term.names))
        text = "".join(
            f" {'−' if term.coefficient < 0 else '+'} {term._replace(coefficient=abs(term.coefficient)).write(size)}"
            for term in ordered
        )
        return text.removeprefix(" + ").lstrip() or "0"

    def minus(self, other: ClosedForm) -> ClosedForm:
        """What this has more than `other`."""
        return collect((*self.terms, *(term.times(-1) for term in other.terms)))


def term_of(extents: Iterable[Extent]) -> Term:
    """How many numbers an array with axes of these lengths holds."""
    extents = tuple(extents)
    names = tuple(extent.name for extent in extents if extent.name != "1")
    return Term(prod(extent.multiple for extent in extents), names)


def collect(terms: Iterable[Term]) -> ClosedForm:
    """The terms added up, those of the same sizes together, in the order in which they first appear."""
    found: dict[tuple[str, ...], Term] = {}
    for term in terms:
        key = tuple(sorted(term.names))
        before = found.get(key, Term(0, term.names))
        found[key] = Term(before.coefficient + term.coefficient, before.names)
    return ClosedForm(tuple(term for term in found.values() if term.coefficient))


def _is_square(names: tuple[str, ...]) -> bool:
    return len(names) == 2 and names[0] == names[1]


def _powers(names: tuple[str, ...], size: Callable[[str], str]) -> list[str]:
    if not _is_square(names):
        return [size(name) for name in names]
    name = size(names[0])
    # A raised mark and a raised 2 side by side would read as one.
    return [f"({name})²" if "^" in name else f"{name}²"]
