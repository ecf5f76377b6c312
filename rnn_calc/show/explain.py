"""The steps of a trace written out with their numbers put in, row times column."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rnn_calc.core.equations import (
    COMPLEMENT,
    Apply,
    Expression,
    Hadamard,
    Lookup,
    Merge,
    Product,
    Quotient,
    Sum,
    Vector,
    operands,
    walk,
)
from rnn_calc.core.notation import Notation
from rnn_calc.core.stages import Layer, Stage
from rnn_calc.core.trace import Trace
from rnn_calc.show.document import Layout, Line
from rnn_calc.show.format import plural, short, vector
from rnn_calc.show.selection import Selection, head_and_tail
from rnn_calc.show.step_values import StepValues
from rnn_calc.show.worked_lines import Row, aligned, folded

_MOST_OUTPUTS = 12

# What is written out: a part of the network, and the index of a step.
_Place = tuple[Stage, int]
_BLANK: Line = [("", "")]


def draw_explanation(
    trace: Trace,
    notation: Notation,
    steps: Selection,
    choose: Callable[[int], Selection],
    shows: Callable[[Layer], bool],
    layout: Layout,
    lit: tuple[int, ...] = (),
) -> list[Line]:
    """The arithmetic of the steps that are shown, for the units that `choose` takes of a width, in the layers.

    The lines of units in `lit`, if there are any, stand out from those of the others.
    """
    lines: list[Line] = []
    last: dict[str, int] = {}
    several = _has_parts(trace)
    for group in _reading_order(trace, steps, shows):
        for number, (stage, t) in enumerate(group):
            if number == 0:
                lines += [_BLANK] if lines else []
                if stage.part in last and abs(t - last[stage.part]) > 1:
                    lines += [[(f"… {plural(steps.left_out, 'step')} left out …", "muted")], _BLANK]
            last[stage.part] = t
            writer = _Writer(trace, notation, stage, t, choose, layout.precision, lit)
            for line in writer.lines(headed=number == 0 or several):
                lines += folded(line, layout.width)
    return lines


def _reading_order(trace: Trace, steps: Selection, shows: Callable[[Layer], bool]) -> list[list[_Place]]:
    """The parts and steps in the order in which they are computed, grouped by what an empty line sets apart.

    One direction goes through the parts step by step; two directions need all steps of a layer before the next.
    """
    network = trace.network
    stages: list[tuple[Stage, bool]] = [(stage, True) for stage in (network.embedding,) if stage]
    for index, directions in enumerate(network.stack):
        shown = [*directions, *network.merges[index : index + 1]] if shows(directions[0]) else []
        stages += [(stage, not (isinstance(stage, Layer) and stage.reverse)) for stage in shown]
    if network.readout:
        stages.append((network.readout, True))
    if not network.bidirectional:
        return [[(stage, t) for stage, _ in stages] for t in steps.shown]
    return [[(stage, t)] for stage, forward in stages for t in (steps.shown if forward else steps.shown[::-1])]


def _has_parts(trace: Trace) -> bool:
    """Whether there is more than one layer in one direction, and its readout."""
    return len(trace.layers) > 1 or trace.network.embedding is not None


class _Writer:
    """One part of a network at one step."""

    def __init__(
        self,
        trace: Trace,
        notation: Notation,
        stage: Stage,
        t: int,
        choose: Callable[[int], Selection],
        precision: int,
        lit: tuple[int, ...],
    ) -> None:
        self._trace = trace
        self._notation = notation
        self._stage = stage
        self._values = StepValues(trace, stage, t)
        self._step = self._values.step
        self._choose = choose
        self._precision = precision
        # What an embedding and a readout give is no unit's.
        self._lit = lit if isinstance(stage, Layer) or stage in trace.network.merges else ()
        self._written: set[Expression] = set()

    def lines(self, *, headed: bool) -> Iterator[Line]:
        """The heading, and for each equation every product in it, then the equation itself."""
        if headed:
            yield [(self._heading(), "title")]
        for equation in self._stage.equations:
            name, expression = self._notation.vector(equation.vector, self._step), equation.expression
            if isinstance(expression, Lookup) or (isinstance(expression, Merge) and expression.how == "concat"):
                value = vector(self._values.of(expression), self._precision)
                yield [(f"  {name} = ", "math"), (self._taken(expression), ""), (f" = {value}", "number")]
            else:
                yield from self._operands(expression)
                yield from aligned(name, self._rows(expression))

    def _heading(self) -> str:
        """The step, the part where there are several, what goes in, and the states before it."""
        place = f"Step {self._step}" + (f", {self._stage.part}" if _has_parts(self._trace) else "")
        return f"{place}: {', '.join(self._entering())}"

    def _entering(self) -> Iterator[str]:
        vectors = dict.fromkeys(
            node for e in self._stage.equations for node in walk(e.expression) if isinstance(node, Vector)
        )
        made = {equation.name for equation in self._stage.equations}
        for node in vectors:
            if isinstance(self._stage, Layer) and node.name in made:
                continue
            if node.name == "token":
                yield f"{self._notation.vector(node, self._step)} = {self._values.token}"
            else:
                value = vector(self._values.of(node), self._precision)
                yield f"{self._notation.vector(node, self._step)} = {value}"
        if isinstance(self._stage, Layer):
            for name, axis in self._stage.state.items():
                before = Vector(name, axis, previous=True, symbol=self._stage.symbol(name))
                units = list(self._units(self._stage.sizes[axis]))
                value = vector(self._values.before(name)[units], self._precision)
                yield f"{self._notation.vector(before, self._step)} = {value}"

    def _taken(self, expression: Expression) -> str:
        """What a lookup or a concatenation takes: E[3], [h^(→)_1; h^(←)_1]."""
        written = self._notation.write(expression, self._step)
        if isinstance(expression, Lookup):
            return f"{written} = {self._notation.symbol(expression.table)}[{self._values.token}]"
        return written

    def _units(self, width: int) -> Sequence[int]:
        if self._stage is self._trace.network.readout:
            return head_and_tail(width, _MOST_OUTPUTS).shown
        return self._choose(width).shown

    def _operands(self, node: Expression) -> Iterator[Line]:
        for operand in operands(node):
            if operands(operand) and operand not in self._written:
                yield from self._operands(operand)
                self._written.add(operand)
                yield from aligned(self._notation.write(operand, self._step), self._rows(operand))

    def _rows(self, node: Expression) -> list[Row]:
        value = self._values.of(node)
        units = self._units(len(value))
        texts = self._products(node, units) if isinstance(node, Product) else [self._arithmetic(node, u) for u in units]
        return [
            Row(text, self._number(value[unit]), unit in self._lit if self._lit else None)
            for text, unit in zip(texts, units, strict=True)
        ]

    def _products(self, node: Product, units: Sequence[int]) -> list[str]:
        """Row times column of every unit; with row vectors the column's numbers come first."""
        column = [self._factor(value) for value in self._values.of(node.vector).tolist()]
        matrix, swapped = self._trace.weights[node.matrix.name], self._notation.convention.row_vectors
        found = []
        for unit in units:
            row = [self._factor(value) for value in matrix[unit].tolist()]
            pairs = zip(column, row, strict=True) if swapped else zip(row, column, strict=True)
            found.append(" + ".join([f"{a}·{b}" for a, b in pairs]))
        return found

    def _arithmetic(self, node: Expression, unit: int) -> str:
        def factor(operand: Expression) -> str:
            return self._factor(self._values.of(operand)[unit])

        match node:
            case Sum(terms):
                return " + ".join(map(factor, terms))
            case Hadamard(left, right) | Merge("product", left, right):
                return f"{factor(left)}·{factor(right)}"
            case Quotient(left, right):
                return f"{factor(left)}/{factor(right)}"
            case Merge(how, left, right):
                total = f"{factor(left)} + {factor(right)}"
                return f"({total})/2" if how == "average" else total
            case Apply(function, argument) if function == COMPLEMENT:
                return f"1 − {factor(argument)}"
            case Apply(function, argument):
                inner_value = self._number(self._values.of(argument)[unit])
                return inner_value if function == "identity" else f"{function}({inner_value})"
            case _:
                return self._number(self._values.of(node)[unit])

    def _number(self, value: float) -> str:
        return short(float(value), self._precision)

    def _factor(self, value: float) -> str:
        text = self._number(value)
        return f"({text})" if text.startswith(("-", "−")) else text
