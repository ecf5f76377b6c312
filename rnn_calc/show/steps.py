"""The steps of one direction of a layer, unit by unit: a table for each gate, and one for the new state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from rnn_calc.core.equations import Apply, Equation, Parameter, Sum, axis_of, walk
from rnn_calc.core.layer_trace import LayerTrace
from rnn_calc.core.notation import Notation
from rnn_calc.core.stages import Layer
from rnn_calc.core.weights import Array
from rnn_calc.show.document import Column, Table
from rnn_calc.show.selection import Selection


def layer_tables(
    run: LayerTrace, notation: Notation, first: int, steps: Selection, choose: Callable[[int], Selection]
) -> list[Table]:
    """A row for each unit of each step: every summand and their sum, gate by gate, then the new state."""
    layer, columns_of = run.layer, _columns(run, notation)
    groups, tables = list(_groups(layer)), []
    for group in groups:
        units = choose(layer.sizes[axis_of(group[0].expression)])
        named = [column for equation in group for column in columns_of[equation.name]]
        columns = (Column("t", "index"), Column("unit", "index"), *(Column(s, "number", "math") for s, _ in named))
        rows = tuple(
            (first + step, unit + 1, *(float(values[step, unit]) for _, values in named))
            for step in steps.shown
            for unit in units.shown
        )
        if rows:
            tables.append(Table(_placed(_title(group, alone=len(groups) == 1), layer, notation), columns, rows))
    return tables


def _columns(run: LayerTrace, notation: Notation) -> dict[str, list[tuple[str, Array]]]:
    """For each equation its summands and its value, each with its symbol, without the mark that the title has."""
    terms, found, mark = iter(run.terms), {}, run.layer.mark

    def unmarked(text: str) -> str:
        return text.replace(f"^{mark}", "").replace(mark, "") if mark else text

    for equation in run.layer.equations:
        summands = len(equation.expression.terms) if isinstance(equation.expression, Sum) else 0
        own = islice(terms, summands + (equation.kind == "gate"))
        found[equation.name] = [(unmarked(notation.write(term)), values) for term, values in own]
        if equation.kind == "state":
            found[equation.name].append((unmarked(notation.vector(equation)), run.in_time.now[equation.name]))
    return found


def _groups(layer: Layer) -> Iterator[list[Equation]]:
    """The equations that share a table: a gate with its pre-activation, and together what is made of the gates."""
    group: list[Equation] = []
    for equation in layer.equations:
        if group and not _continues(group, equation):
            yield group
            group = []
        group.append(equation)
    yield group


def _continues(group: list[Equation], equation: Equation) -> bool:
    last, expression = group[-1], equation.expression
    if axis_of(expression) != axis_of(last.expression):
        return False
    of_last = isinstance(expression, Apply) and expression.argument == last.vector
    return of_last or not any(map(_reads_input, [*group, equation]))


def _reads_input(equation: Equation) -> bool:
    return any(isinstance(node, Parameter) and node.role == "input" for node in walk(equation.expression))


def _title(group: list[Equation], *, alone: bool) -> str:
    if alone:
        return "each step, unit by unit: the summands, their sum, the new state"
    states = [equation.role.partition(":")[0] for equation in group if equation.kind == "state"]
    made = " and ".join(states)
    if group[-1].kind == "state":
        return made
    return f"{made}, and {group[-1].role}" if made else group[-1].role


def _placed(title: str, layer: Layer, notation: Notation) -> str:
    """The title with the layer and the direction it is about, where there are several."""
    network = notation.network
    words = [f"layer {layer.index + 1}"] if network.layers > 1 else []
    words += [("backward" if layer.reverse else "forward")] if network.bidirectional else []
    whole = f"{', '.join(words)} · {title}" if words else title
    return whole[0].upper() + whole[1:]
