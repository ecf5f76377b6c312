"""Network → CostReport: multiply-adds and FLOPs of a forward and a backward pass over a batch of sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from rnn_calc.core.cells import GATE_NAMES
from rnn_calc.core.closed_form import ClosedForm, Term, collect
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.errors import DataError, did_you_mean, listed, quoted
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.operations import ACTIVATIONS, BIASES, ELEMENTWISE, OPERATIONS, Work, works
from rnn_calc.core.run import Run, make_run
from rnn_calc.core.stages import Layer, Stage

# What may count: the option's name, and the operations it stands for.
COUNTABLE = {
    "products": tuple(name for name in OPERATIONS if name not in (BIASES, ELEMENTWISE, ACTIVATIONS)),
    "biases": (BIASES,),
    "elementwise": (ELEMENTWISE,),
    "activations": (ACTIVATIONS,),
}
_PURPOSES = ("forward", "weights", "vectors")


class Cost(NamedTuple):
    """Multiply-adds of matrix products, and FLOPs of everything that counts: two for each multiply-add."""

    multiply_adds: int = 0
    flops: int = 0

    def plus(self, other: Cost) -> Cost:
        """Both together."""
        return Cost(self.multiply_adds + other.multiply_adds, self.flops + other.flops)


class CostRow(NamedTuple):
    """What one kind of operation of one gate in one part costs; a sum of such rows leaves out what it sums over.

    `form` is what one step takes forward: multiply-adds of a product, else FLOPs. `weights` and `vectors` are the
    backward pass: gradients of the parameters, and of the vectors.
    """

    part: str
    gate: str
    operation: str
    form: ClosedForm
    forward: Cost
    weights: Cost
    vectors: Cost

    @property
    def backward(self) -> Cost:
        """The backward pass."""
        return self.weights.plus(self.vectors)

    @property
    def total(self) -> Cost:
        """Both passes."""
        return self.forward.plus(self.backward)


class PassForms(NamedTuple):
    """Multiply-adds of a pass in symbols: what every step takes, and what steps take that hand a gradient back."""

    always: ClosedForm
    linked: ClosedForm


class CostReport(NamedTuple):
    """What a run costs, by part, gate and operation.

    `rows` hold what counts, `left_out` what does not, each (part, gate, operation) once. `passes` are the closed
    forms of forward, weights and vectors. `waiting` are the multiply-adds of the forward pass that need the state of
    the step before; `unused_inputs` and `unused_states` are those that the backward pass lacks to be twice the forward
    pass: gradients of inputs beneath which nothing is trained, and of states before a first step.
    """

    notation: Notation
    run: Run
    counted: tuple[str, ...]
    rows: tuple[CostRow, ...]
    left_out: tuple[CostRow, ...]
    passes: dict[str, PassForms]
    waiting: int
    unused_inputs: int
    unused_states: int

    @property
    def total(self) -> CostRow:
        """Everything that counts."""
        return add_up(self.rows)

    @property
    def by_part(self) -> tuple[CostRow, ...]:
        """The rows added up for each part, parts that cost nothing too."""
        groups: dict[str, list[CostRow]] = {part_of(self.network, stage): [] for stage in self.network.stages}
        for row in self.rows:
            groups[row.part].append(row)
        return tuple(add_up(members)._replace(part=part) for part, members in groups.items())

    @property
    def by_operation(self) -> tuple[CostRow, ...]:
        """The rows added up for each kind of operation."""
        kinds = {row.operation for row in self.rows}
        found = (name for name in OPERATIONS if name in kinds)
        return tuple(
            add_up(row for row in self.rows if row.operation == name)._replace(operation=name) for name in found
        )

    @property
    def by_gate(self) -> tuple[CostRow, ...]:
        """The rows added up for each gate over all layers and directions; what has no gate, for what it is."""
        groups: dict[tuple[str, str], list[CostRow]] = {}
        for row in self.rows:
            groups.setdefault(("", row.gate) if row.gate else (row.part.rpartition(", ")[2], ""), []).append(row)
        return tuple(add_up(members)._replace(part=part, gate=gate) for (part, gate), members in groups.items())

    @property
    def network(self) -> Network:
        """The network that was counted."""
        return self.notation.network

    def __repr__(self) -> str:
        return f"<CostReport: {self.network!r}, {self.total.total.flops:,} FLOPs>"

    def _repr_html_(self) -> str | None:
        from rnn_calc.core.display import html_of

        return html_of(self)

    def gate_name(self, gate: str) -> str:
        """What a gate, or a state that is updated, is called in words."""
        roles = {equation.name: equation.role for equation in self.network.stack[0][0].equations}
        return GATE_NAMES.get(gate) or roles.get(gate, gate).partition(":")[0].partition(",")[0]


def add_up(rows: Iterable[CostRow]) -> CostRow:
    """The sum of rows, with no name."""
    rows = tuple(rows)
    costs = []
    for purpose in _PURPOSES:
        cost = Cost()
        for row in rows:
            cost = cost.plus(getattr(row, purpose))
        costs.append(cost)
    return CostRow("", "", "", collect(term for row in rows for term in row.form.terms), *costs)


def check_counted(names: Iterable[str]) -> tuple[str, ...]:
    """Which operations count, in the order of `COUNTABLE`; `all` stands for every one.

    Raises: DataError for a name that there is not (with the nearest one).
    """
    names = tuple(names)
    for name in names:
        if name not in (*COUNTABLE, "all"):
            choices = (*COUNTABLE, "all")
            raise DataError(
                f"{quoted(name)} cannot be counted; it must be {listed(choices)}.{did_you_mean(name, choices)}"
            )
    return tuple(name for name in COUNTABLE if name in names or "all" in names)


def part_of(network: Network, stage: Stage) -> str:
    """A stage's name in the report; what joins a layer's directions is a part of its own."""
    joins = network.bidirectional and not isinstance(stage, Layer) and stage.part not in ("embedding", "readout")
    return f"{stage.part}, merge" if joins else stage.part


def count_cost(
    network: Network,
    convention: Convention | str = CONVENTIONS["xh"],
    run: Run | None = None,
    *,
    count: Iterable[str] = ("products",),
) -> CostReport:
    """The multiply-adds and FLOPs of one forward and one backward pass of `network` over `run` (20 steps).

    `count` says what counts, by the names of `COUNTABLE`, or all. The loss and the optimizer's step are not counted.
    Raises: DataError for a name that there is not, or a network that the convention cannot write.
    """
    run = run or make_run()
    counted = check_counted(count)
    chosen = {operation for name in counted for operation in COUNTABLE[name]}
    notation = Notation(network, convention)
    found = works(network)
    rows = tuple(_rows(network, run, found))
    passes = {purpose: _pass_forms(found, purpose) for purpose in _PURPOSES}
    forward, (always, linked) = passes["forward"].always.value(network.sizes), passes["vectors"]
    handed = linked.value(network.sizes)
    return CostReport(
        notation,
        run,
        counted,
        tuple(row for row in rows if row.operation in chosen),
        tuple(row for row in rows if row.operation not in chosen),
        passes,
        waiting=run.real_steps
        * sum(work.term.value(network.sizes) for work in found if work.waits and work.is_product),
        unused_inputs=run.real_steps * (forward - always.value(network.sizes) - handed),
        unused_states=run.pieces * handed,
    )


def _rows(network: Network, run: Run, found: Iterable[Work]) -> Iterable[CostRow]:
    groups: dict[tuple[str, str, str], list[Work]] = {}
    parts = {id(stage): part_of(network, stage) for stage in network.stages}
    places = {part: position for position, part in enumerate(parts.values())}
    for work in found:
        groups.setdefault((parts[id(work.stage)], work.gate, work.operation), []).append(work)
    gates = list(dict.fromkeys((part, gate) for part, gate, _ in groups))
    order = {name: position for position, name in enumerate(sorted(gates, key=lambda name: places[name[0]]))}
    ranked = sorted(groups, key=lambda name: (order[name[:2]], OPERATIONS.index(name[2])))
    for part, gate, operation in ranked:
        members = groups[part, gate, operation]
        costs = []
        for purpose in _PURPOSES:
            amount = sum(
                work.term.value(network.sizes) * (run.real_steps - (run.pieces if work.linked else 0))
                for work in members
                if work.purpose == purpose
            )
            costs.append(Cost(amount, 2 * amount) if members[0].is_product else Cost(0, amount))
        yield CostRow(part, gate, operation, _collected(members, "forward"), *costs)


def _collected(found: Iterable[Work], purpose: str) -> ClosedForm:
    return collect(work.term for work in found if work.purpose == purpose)


def _pass_forms(found: Iterable[Work], purpose: str) -> PassForms:
    products = [work for work in found if work.is_product and work.purpose == purpose]
    return PassForms(
        collect(work.term for work in products if not work.linked),
        collect(work.term for work in products if work.linked),
    )


def write_factored(form: ClosedForm, size: Callable[[str], str]) -> str:
    """The form with what its terms share put outside brackets: 4·d_h·(d_in + d_h)."""
    groups: dict[tuple[int, str], list[Term]] = {}
    rest = []
    for term in form.terms:
        if len(term.names) == 2:
            groups.setdefault((term.coefficient, term.names[0]), []).append(term)
        else:
            rest.append(term)
    written = []
    for (coefficient, name), members in groups.items():
        if len(members) == 1:
            written.append(members[0].write(size))
            continue
        inside = " + ".join(size(term.names[1]) for term in members)
        written.append(f"{Term(coefficient, (name,)).write(size)}·({inside})")
    return " + ".join([*written, *(term.write(size) for term in rest)]) or "0"
