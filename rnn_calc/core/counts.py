"""Network → CountReport: how many parameters there are, as exact integers and as formulas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from rnn_calc.core.conventions import CONVENTIONS, Convention, as_convention, shape_of
from rnn_calc.core.network import Network

READOUT_ROLES = ("readout", "readout_bias")


@dataclass(frozen=True)
class ParameterCount:
    """One parameter's count: in symbols (`d_h·d_in`), with the numbers put in (`3·4`), and as an integer."""

    symbol: str
    shape: tuple[int, ...]
    formula: str
    numbers: str
    count: int
    part: str


class UnrolledCount(NamedTuple):
    """The count at T steps: the network that shares its weights, and one with its own weights at each step."""

    steps: int
    shared: int
    own: int


@dataclass(frozen=True)
class CountReport:
    """Every parameter's count, the totals, and the closed form of the total."""

    network: Network
    convention: Convention
    rows: tuple[ParameterCount, ...]
    recurrent: int
    readout: int
    total: int
    formula: str
    recurrent_formula: str
    readout_formula: str
    unrolled: tuple[UnrolledCount, ...]


def count_parameters(
    network: Network, convention: Convention | str = CONVENTIONS["xh"], *, steps: Iterable[int] = (1, 10, 100)
) -> CountReport:
    """The count of every parameter of `network`, and of the same network unrolled for each T in `steps`.

    `convention` may also be a name. Raises: DataError for a name that there is not.
    """
    convention = as_convention(convention)
    rows = []
    for parameter in network.parameters:
        shape = shape_of(convention.stored_axes(parameter), network.sizes)
        factors = tuple(axis for axis in convention.stored_axes(parameter) if axis != "1")
        rows.append(
            ParameterCount(
                convention.symbol(parameter),
                shape,
                _monomial(tuple(map(convention.size, factors))),
                "·".join(map(str, shape_of(factors, network.sizes))),
                prod(shape),
                "readout" if parameter.role in READOUT_ROLES else "recurrent",
            )
        )
    parts = {part: [row for row in rows if row.part == part] for part in ("recurrent", "readout")}
    total = sum(row.count for row in rows)
    return CountReport(
        network,
        convention,
        tuple(rows),
        recurrent=sum(row.count for row in parts["recurrent"]),
        readout=sum(row.count for row in parts["readout"]),
        total=total,
        formula=_closed_form(row.formula for row in rows),
        recurrent_formula=_closed_form(row.formula for row in parts["recurrent"]),
        readout_formula=_closed_form(row.formula for row in parts["readout"]),
        unrolled=tuple(UnrolledCount(T, total, T * total) for T in steps),
    )


def _monomial(factors: tuple[str, ...]) -> str:
    if len(factors) == 2 and factors[0] == factors[1]:
        return f"{factors[0]}²"
    return "·".join(factors)


def _closed_form(monomials: Iterable[str]) -> str:
    """The monomials added up, equal ones collected, squares first: d_h² + d_h·d_in + 2·d_h."""
    collected = Counter(monomials)
    ordered = sorted(collected, key=lambda monomial: not monomial.endswith("²"))
    return " + ".join(m if collected[m] == 1 else f"{collected[m]}·{m}" for m in ordered)
