"""A total → the networks that have exactly so many parameters: the reverse count. Integers alone.

For a given cell, number of biases, layers and directions the total is a polynomial in the two sizes that are looked
for, A·d_h² + B·d_h·d_in + C·d_h + D·d_in + E, so one size follows from the other. Without an embedding D is 0 and d_h
divides what is left of the total, so that few widths have to be tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nsmallest
from itertools import product
from math import prod
from typing import NamedTuple

from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.closed_form import ClosedForm, collect
from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.counts import closed_form
from rnn_calc.core.diophantine import Equation, positive_roots
from rnn_calc.core.errors import DataError, SizeError
from rnn_calc.core.network import MOST_LAYERS, Network
from rnn_calc.core.notation import Notation

# How many widths are tried in all before the search gives up.
MOST_TRIED = 800_000


class Search(NamedTuple):
    """What is looked for: a total, and what is known of the network. A size of None is free, as are several choices.

    `biases` of None: as many as each convention keeps.
    """

    total: int
    cells: tuple[str, ...] = tuple(CELLS)
    conventions: tuple[str, ...] = tuple(CONVENTIONS)
    d_in: int | None = None
    d_h: int | tuple[int, ...] | None = None
    layers: tuple[int, ...] = (1, 2, 3, 4)
    directions: tuple[int, ...] = (1, 2)
    d_out: int = 0
    biases: int | None = None
    merge: str = "concat"
    d_p: int = 0
    vocab: int = 0
    tied: bool = False
    readout_bias: bool = True


class Found(NamedTuple):
    """A network with exactly the total, under the conventions that count it so."""

    cell: str
    conventions: tuple[str, ...]
    biases: int
    layers: int
    directions: int
    d_in: int
    d_h: int | tuple[int, ...]


class SearchReport(NamedTuple):
    """The networks that were found, no more than were asked for of each kind, and how many there are of each.

    `likely` have round sizes, those of fewest layers and directions first; `smallest` are of all, smallest sizes first.
    `complete`: there is no other within what was searched.
    """

    search: Search
    likely: tuple[Found, ...]
    smallest: tuple[Found, ...]
    likely_count: int
    total_count: int
    complete: bool


class _Family(NamedTuple):
    """Networks that differ in d_in and d_h alone."""

    cell: str
    conventions: tuple[str, ...]
    biases: int
    layers: int
    directions: int
    form: ClosedForm


# The sum of both sizes, the place of the family, d_in and d_h.
_Sized = tuple[int, int, int, int]


def find_networks(search: Search, *, limit: int = 20, most_tried: int = MOST_TRIED) -> SearchReport:
    """The networks within `search` that have exactly its total.

    Raises: DataError where what is known contradicts itself, or no convention has the cell.
    """
    if max(search.layers) > MOST_LAYERS:
        raise SizeError(f"A network has at most {MOST_LAYERS:,} layers here; {max(search.layers):,} are too many.")
    families = list(_families(search))
    likely: list[_Sized] = []
    smallest: list[_Sized] = []
    count, complete, left = 0, True, most_tried
    # A size that was given need not be round.
    x_known, h_known = search.d_in is not None, search.d_h is not None
    for place, family in enumerate(families):
        sizes, tried, all_tried = _sizes(family, search, left // (len(families) - place))
        left -= tried
        complete &= all_tried
        count += len(sizes)
        likely += [(x + h, place, x, h) for x, h in sizes if (h_known or is_round(h)) and (x_known or is_round(x))]
        smallest += [(x + h, place, x, h) for x, h in nsmallest(limit, sizes, key=sum)]

    def named(sized: _Sized) -> Found:
        _, place, d_in, d_h = sized
        return Found(*families[place][:5], d_in, search.d_h or d_h)

    def plainness(sized: _Sized) -> tuple[int, ...]:
        family = families[sized[1]]
        return (family.layers * family.directions, *sized)

    return SearchReport(
        search,
        tuple(map(named, nsmallest(limit, likely, key=plainness))),
        tuple(map(named, nsmallest(limit, smallest))),
        len(likely),
        count,
        complete,
    )


def _families(search: Search) -> Iterator[_Family]:
    """Each structure that is searched, with the conventions that write it; structures that cannot be are left out."""
    some, problem = False, None
    for name in search.cells:
        cell = CELLS[name]
        by_biases: dict[int, list[str]] = {}
        for convention in search.conventions:
            try:
                biases = CONVENTIONS[convention].biases(cell) if search.biases is None else search.biases
                Notation(_skeleton(search, cell, biases, 1, 1), convention)
            except DataError as error:
                problem = error
            else:
                by_biases.setdefault(biases, []).append(convention)
        for (biases, conventions), directions in product(by_biases.items(), search.directions):
            try:
                forms = list(_forms(search, cell, biases, directions))
            except DataError as error:
                problem = error
                continue
            some = True
            for layers, form in forms:
                yield _Family(name, tuple(conventions), biases, layers, directions, form)
    if not some:
        assert problem
        raise problem


def _forms(search: Search, cell: Cell, biases: int, directions: int) -> Iterator[tuple[int, ClosedForm]]:
    """Each number of layers with the total's closed form: from the second on, every layer adds the same."""
    if isinstance(search.d_h, tuple):
        yield len(search.d_h), closed_form(Notation(_skeleton(search, cell, biases, 1, directions)))
        return
    one, two = (closed_form(Notation(_skeleton(search, cell, biases, layers, directions))) for layers in (1, 2))
    more = two.minus(one).terms
    for layers in search.layers:
        yield layers, collect((*one.terms, *(term.times(layers - 1) for term in more)))


def _joined(search: Search, directions: int) -> int:
    """How many widths of the top layer its output has."""
    return directions if search.merge == "concat" else 1


def _fixed_input(search: Search, directions: int) -> int | None:
    """d_in, where it is given or a tied readout makes it as wide as a given output."""
    if search.d_in or not search.tied:
        return search.d_in
    d_h = search.d_h[-1] if isinstance(search.d_h, tuple) else search.d_h
    width = search.d_p or d_h
    return _joined(search, directions) * width if width else None


def _skeleton(search: Search, cell: Cell, biases: int, layers: int, directions: int) -> Network:
    """The smallest network of a structure, with whatever is known of its sizes."""
    joined = _joined(search, directions)
    bound = search.tied and not search.d_p
    d_h = search.d_h or (search.d_in // joined if bound and search.d_in else search.d_p + 1)
    return Network(
        _fixed_input(search, directions) or (joined if bound else 1),
        d_h,
        search.d_out,
        cell=cell,
        biases=biases,
        layers=len(d_h) if isinstance(d_h, tuple) else layers,
        bidirectional=directions == 2,
        merge=search.merge if directions == 2 else "concat",
        d_p=search.d_p,
        vocab=search.vocab,
        tied=search.tied,
        readout_bias=search.readout_bias,
    )


def _sizes(family: _Family, search: Search, most: int) -> tuple[list[tuple[int, int]], int, bool]:
    """Each d_in and d_h that gives the total, how many were tried, and whether that was all.

    d_h is 0 where every layer's width is given.
    """
    equation = _equation(family, search)
    a, b, c, d, n = equation
    lowest = search.d_p + 1
    d_in = _fixed_input(search, family.directions)
    if isinstance(search.d_h, tuple):
        x = d_in or (n // d if d else 0)
        return [(x, 0)] if x > 0 and d * x == n else [], 1, True
    if search.tied and not search.d_p and not search.d_h:
        # d_in is a multiple of the d_h that is looked for.
        ratio = _joined(search, family.directions)
        tied = [(ratio * d_h, d_h) for d_h in positive_roots(a + b * ratio, c + d * ratio, n)]
        return [sizes for sizes in tied if search.d_in in (None, sizes[0])], 1, True
    if d_in:
        found = equation.solve_for_h(d_in)
        return [(d_in, d_h) for d_h in found if d_h >= lowest and search.d_h in (None, d_h)], 1, True
    widths, all_tried = ((search.d_h,), True) if search.d_h else equation.candidates(lowest, most)
    return equation.solve_for_x(widths), len(widths), all_tried


def _equation(family: _Family, search: Search) -> Equation:
    """The family's total as an equation in the sizes that are looked for."""
    known = {"d_p": search.d_p, "V": search.vocab, "d_out": search.d_out}
    if isinstance(search.d_h, tuple):
        known |= {f"d_h^({index})": width for index, width in enumerate(search.d_h, 1)}
        known["d_h"] = search.d_h[0]  # the name where all widths are equal
    coefficients = {(): 0, ("d_in",): 0, ("d_h",): 0, ("d_h", "d_h"): 0, ("d_h", "d_in"): 0}
    for term in family.form.terms:
        free = tuple(sorted(name for name in term.names if name not in known))
        coefficients[free] += term.coefficient * prod(known.get(name, 1) for name in term.names)
    e, d, c, a, b = coefficients.values()
    return Equation(a, b, c, d, search.total - e)


def is_round(size: int) -> bool:
    """Whether a size is one that people choose: few digits before its zeros, in binary (384) or in decimal (650).

    That is a power of two; a multiple of 32 with at most five binary digits before its zeros; or a multiple of 10 with
    at most two decimal ones.
    """
    if size % 10 and size % 32 and size & (size - 1):
        return False
    odd = size // (size & -size)
    return odd == 1 or (size % 32 == 0 and odd < 32) or (size % 10 == 0 and len(str(size).rstrip("0")) <= 2)
