"""Network → CountReport: how many parameters there are, as exact integers and as formulas."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from rnn_calc.core.cells import GATE_NAMES, Cell
from rnn_calc.core.closed_form import ClosedForm, Term, collect, term_of
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.equations import Parameter
from rnn_calc.core.errors import DataError
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.stages import Layer


class ParameterCount(NamedTuple):
    """One stored array's count: in symbols (`d_h·d_in`), with the numbers put in (`3·4`), and as an integer.

    `part` is the part of the network that it belongs to, and `group` the one of `CountReport.parts`: a layer's two
    directions are one group.
    """

    symbol: str
    shape: tuple[int, ...]
    formula: str
    numbers: str
    count: int  # type: ignore[assignment]  # not tuple.count
    part: str
    group: str
    term: Term


class PartCount(NamedTuple):
    """What one part of a network counts: the embedding, a layer with all its directions, the readout."""

    part: str
    form: ClosedForm
    formula: str
    count: int  # type: ignore[assignment]  # not tuple.count
    is_layer: bool


class GateCount(NamedTuple):
    """What one gate counts over all layers and directions; `gate` is the convention's letter."""

    gate: str
    name: str
    formula: str
    count: int  # type: ignore[assignment]  # not tuple.count


class UnrolledCount(NamedTuple):
    """The count at T steps: the network that shares its weights, and one with its own weights at each step."""

    steps: int
    shared: int
    own: int


class ConventionCount(NamedTuple):
    """What a network counts under a convention with that convention's own bias rule.

    `total` is None where the convention cannot write the network, and `reason` says why. `difference` is to the first
    convention that can; `term` is the same in symbols (`+ 4·d_h`), and `rule` says what the convention does.
    """

    convention: str
    biases: int
    total: int | None
    difference: int | None
    term: str
    rule: str
    reason: str = ""


class CountReport(NamedTuple):
    """Every stored array's count, the totals, and the closed form of the total.

    `extra_biases` is what a second bias for each gate adds, or the bias that a reset after the product keeps apart.
    """

    notation: Notation
    rows: tuple[ParameterCount, ...]
    parts: tuple[PartCount, ...]
    gates: tuple[GateCount, ...]
    embedding: int
    recurrent: int
    readout: int
    total: int
    form: ClosedForm
    formula: str
    recurrent_formula: str
    readout_formula: str
    extra_biases: ClosedForm
    unrolled: tuple[UnrolledCount, ...]

    @property
    def network(self) -> Network:
        """The network that was counted."""
        return self.notation.network

    def __repr__(self) -> str:
        return f"<CountReport: {self.network!r}, {self.total:,} parameters>"

    def _repr_html_(self) -> str | None:
        from rnn_calc.core.display import html_of

        return html_of(self)


def count_parameters(
    network: Network, convention: Convention | str = CONVENTIONS["xh"], *, steps: Iterable[int] = (1, 10, 100)
) -> CountReport:
    """The count of every stored array of `network`, and of the same network unrolled for each T in `steps`.

    `convention` may also be a name.
    Raises: DataError for a name that there is not, or a network that the convention cannot write.
    """
    return count_notation(Notation(network, convention), steps=steps)


def count_notation(notation: Notation, *, steps: Iterable[int] = (1, 10, 100)) -> CountReport:
    """The same of a network that is already in a convention's words."""
    rows = tuple(_rows(notation))
    parts = tuple(_parts(notation, rows))
    form = collect(row.term for row in rows)
    layers = [row.term for row in rows if row.group not in ("embedding", "readout")]
    readout = [row.term for row in rows if row.group == "readout"]
    total = sum(row.count for row in rows)
    counts = {part.part: part.count for part in parts}
    return CountReport(
        notation,
        rows,
        parts,
        tuple(_gates(notation)),
        embedding=counts.get("embedding", 0),
        recurrent=sum(part.count for part in parts if part.is_layer),
        readout=counts.get("readout", 0),
        total=total,
        form=form,
        formula=form.write(notation.size),
        recurrent_formula=collect(layers).write(notation.size),
        readout_formula=collect(readout).write(notation.size) if readout else "",
        extra_biases=_extra_biases(notation.network),
        unrolled=tuple(UnrolledCount(T, total, T * total) for T in steps),
    )


def closed_form(notation: Notation) -> ClosedForm:
    """The total of a network as a convention stores it, in the network's own names of sizes."""
    return collect(term_of(stored.extents) for stored in notation.stored)


def _group(network: Network, parameter: Parameter) -> str:
    """The part of the network that a parameter is counted in, a layer's directions together."""
    stage = network.owners[parameter]
    if not isinstance(stage, Layer):
        return stage.part
    return f"layer {stage.index + 1}" if network.layers > 1 else "recurrent"


def _rows(notation: Notation) -> Iterable[ParameterCount]:
    network = notation.network
    for stored in notation.stored:
        term = term_of(stored.extents)
        yield ParameterCount(
            stored.symbol,
            notation.shape(stored),
            term.write(notation.size),
            term.write_numbers(network.sizes),
            term.value(network.sizes),
            stored.part,
            _group(network, stored.parameters[0]),
            term,
        )


def _parts(notation: Notation, rows: Iterable[ParameterCount]) -> Iterable[PartCount]:
    by_group: dict[str, list[ParameterCount]] = {}
    for row in rows:
        by_group.setdefault(row.group, []).append(row)
    for part, members in by_group.items():
        form = collect(row.term for row in members)
        count = sum(row.count for row in members)
        yield PartCount(part, form, form.write(notation.size), count, part not in ("embedding", "readout"))


def _gates(notation: Notation) -> Iterable[GateCount]:
    """Each gate's share of the layers, in the order of the cell's equations; a projection is a share of its own."""
    network = notation.network
    letters = notation.layout.letters if notation.layout else {}
    terms: dict[str, list[Term]] = {}
    for parameter, stage in network.owners.items():
        if isinstance(stage, Layer):
            gate = "" if parameter.role == "projection" else parameter.gate
            terms.setdefault(gate, []).append(term_of(stage.extents[axis] for axis in parameter.axes))
    for gate, found in terms.items():
        form = collect(found)
        name = GATE_NAMES[gate] if gate else "projection"
        yield GateCount(letters.get(gate, gate), name, form.write(notation.size), form.value(network.sizes))


def gates_with_a_bias_apart(cell: Cell) -> frozenset[str]:
    """The gates whose recurrent bias stands inside a product, so that it cannot be added to the input's: n of a GRU."""
    network = Network(1, 1, cell=cell, biases=1)
    return frozenset(parameter.gate for parameter in network.parameters if parameter.role == "recurrent_bias")


def _extra_biases(network: Network) -> ClosedForm:
    """The recurrent biases that could have been added to the others; with one bias a gate, those that could not."""
    apart = gates_with_a_bias_apart(network.cell) if network.biases == 2 else frozenset()
    return collect(
        term_of(stage.extents[axis] for axis in parameter.axes)
        for parameter, stage in network.owners.items()
        if parameter.role == "recurrent_bias" and parameter.gate not in apart
    )


def bias_rule(cell: Cell, biases: int) -> str:
    """How many biases a gate of the cell has, in words; b_hn is there besides, inside a GRU's product with r."""
    apart = gates_with_a_bias_apart(cell) if biases == 1 else ()
    rule = ("no bias", "one bias a gate", "two biases a gate")[biases]
    return f"{rule}, and b_h{''.join(sorted(apart))}" if apart else rule


def count_everywhere(
    network: Network, conventions: Iterable[Convention] = tuple(CONVENTIONS.values())
) -> tuple[ConventionCount, ...]:
    """The network's total under each convention, with as many biases as that convention keeps, and what differs.

    The network's own number of biases plays no part.
    """
    found: list[ConventionCount] = []
    first: ClosedForm | None = None
    for convention in conventions:
        try:
            biases = convention.biases(network.cell)
            notation = Notation(replace(network, biases=biases), convention)
        except DataError as error:
            has = not convention.cells or network.cell.name in convention.cells
            reason = str(error) if has else f"has no {network.cell.name}"
            found.append(ConventionCount(convention.name, 0, None, None, "", "", reason))
            continue
        form = closed_form(notation)
        first = first or form
        more = form.minus(first)
        term = more.write(str) if more.terms else ""
        found.append(
            ConventionCount(
                convention.name,
                biases,
                form.value(network.sizes),
                more.value(network.sizes),
                f"+ {term}" if term and not term.startswith("−") else term,
                bias_rule(network.cell, biases),
            )
        )
    return tuple(found)
