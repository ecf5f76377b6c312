"""Networks side by side: shapes, counts, cost, and the terms that make the difference."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rnn_calc.core.closed_form import ClosedForm, collect, term_of
from rnn_calc.core.conventions import Convention
from rnn_calc.core.cost import count_cost
from rnn_calc.core.counts import CountReport, bias_rule, count_notation
from rnn_calc.core.memory_cost import count_memory
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation, Stored


class Entry(NamedTuple):
    """One network of a comparison.

    `by_kind` counts each kind of parameter (`KINDS`); `differences` are what each kind has more than in the first
    entry, in symbols, none where that is nothing. `multiply_adds` are those of one step forward, `waiting` those of
    them that need the state before; `kept` is how many numbers a step keeps for the backward pass.
    """

    label: str
    counts: CountReport
    rule: str
    multiply_adds: int
    waiting: int
    kept: int
    by_kind: dict[str, int]
    differences: tuple[tuple[str, ClosedForm], ...]

    @property
    def network(self) -> Network:
        """The network."""
        return self.counts.network

    @property
    def notation(self) -> Notation:
        """The network in its convention's words."""
        return self.counts.notation

    @property
    def states(self) -> dict[str, int]:
        """The width of each state of the top layer's forward direction."""
        layer = self.network.stack[-1][0]
        return {name: layer.sizes[axis] for name, axis in layer.state.items()}

    def stored(self, kind: str) -> tuple[Stored, ...]:
        """The stored arrays of one kind."""
        return tuple(stored for stored in self.notation.stored if kind_of(stored) == kind)


# Arrays of the same kind stand in one row; an array is of the kind of its first role.
KINDS = {
    "embedding": ("embedding",),
    "input": ("input",),
    "recurrent": ("recurrent", "diagonal"),
    "peephole": ("peephole",),
    "biases": ("bias", "recurrent_bias"),
    "projection": ("projection",),
    "readout": ("readout", "readout_bias"),
}


def kind_of(stored: Stored) -> str:
    """The kind, a key of `KINDS`, that an array is of."""
    return next(kind for kind, roles in KINDS.items() if stored.rows[0][0].role in roles)


def compare_networks(networks: Iterable[tuple[str, Network, Convention | str]]) -> tuple[Entry, ...]:
    """Each (label, network, convention), measured, and its differences to the first.

    Raises: DataError for a network that its convention cannot write.
    """
    entries: list[Entry] = []
    first: dict[str, ClosedForm] = {}
    for label, network, convention in networks:
        report = count_notation(Notation(network, convention), steps=())
        forms = _by_kind(report)
        first = first or forms
        more = [(kind, form.minus(first[kind])) for kind, form in forms.items()]
        cost = count_cost(network, convention)
        steps = cost.run.real_steps
        entries.append(
            Entry(
                label,
                report,
                bias_rule(network.cell, network.biases),
                cost.total.forward.multiply_adds // steps,
                cost.waiting // steps,
                sum(row.per_step for row in count_memory(network, convention).rows),
                {kind: form.value(network.sizes) for kind, form in forms.items()},
                tuple((kind, form) for kind, form in more if form.terms),
            )
        )
    return tuple(entries)


def _by_kind(report: CountReport) -> dict[str, ClosedForm]:
    stored = report.notation.stored
    return {kind: collect(term_of(one.extents) for one in stored if kind_of(one) == kind) for kind in KINDS}
