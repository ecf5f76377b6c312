"""A unit's weights inside the matrices that they are part of, under or beside the vector that they multiply."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

from rnn_calc.core.equations import Expression, Hadamard, Parameter, Product, Vector, walk
from rnn_calc.core.layer_trace import LayerTrace
from rnn_calc.core.notation import Notation
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array
from rnn_calc.show.document import Layout, Line, Span
from rnn_calc.show.folding import fold_line
from rnn_calc.show.format import short, to_ascii
from rnn_calc.show.selection import Selection, head_and_tail
from rnn_calc.show.step_values import StepValues
from rnn_calc.show.worked_lines import MARK

# As many rows and columns of a matrix are shown, and those of the units that are chosen.
_MOST = 8
# What takes an input or a state to a unit: a matrix, or one weight a unit.
_MATRICES, _VECTORS = ("input", "recurrent"), ("diagonal", "peephole")
# Between columns, where there is room; else.
_GAPS = ("  ", " ")
_BLANK: Line = [("", "")]
_NO_RESULT: list[Span] = [("", ""), ("", "")]

# The cells of a row; of a row of marks that something is left out, none.
_Cells = list[Span] | None


def with_units(total: int, most: int, units: Sequence[int]) -> Selection:
    """The first and the last of `total`, and those of `units` that there are."""
    shown = {*head_and_tail(total, most).shown, *(unit for unit in units if unit < total)}
    return Selection(total, tuple(sorted(shown)))


def draw_unit_rows(
    trace: Trace, notation: Notation, runs: Sequence[LayerTrace], units: tuple[int, ...], layout: Layout
) -> list[Line]:
    """Every matrix that takes the input or a state to these units, with their weights lit, and what it multiplies."""
    lines: list[Line] = []
    for run in runs:
        values = StepValues(trace, run.layer, 0)
        for node in _weighted(run):
            lines += [_BLANK] if lines else []
            lines += fold_line([(notation.write(node, values.step), "math")], layout.width)
            lines += _Drawing(notation, values, trace.weights.arrays, units, layout).lines(node)
    return lines


def _weighted(run: LayerTrace) -> Iterator[Product | Hadamard]:
    """Every product of a layer with a matrix of inputs or states, or with one weight a unit, in the order of use."""
    nodes = dict.fromkeys(node for equation in run.layer.equations for node in walk(equation.expression))
    for node in nodes:
        match node:
            case Product(matrix) if matrix.role in _MATRICES:
                yield node
            case Hadamard(Parameter(role=role)) if role in _VECTORS:
                yield node


class _Drawing:
    """The matrices of one part at one step, made to measure for a page."""

    def __init__(
        self, notation: Notation, values: StepValues, weights: dict[str, Array], units: tuple[int, ...], layout: Layout
    ) -> None:
        self._notation, self._values, self._weights = notation, values, weights
        self._units, self._layout = units, layout

    def lines(self, node: Product | Hadamard) -> list[Line]:
        """The drawing of one product."""
        if isinstance(node, Hadamard):
            return self._fitted(lambda _: self._entries(node))
        draw = self._columns if self._notation.convention.row_vectors else self._rows
        return self._fitted(lambda most: draw(node, most))

    def _fitted(self, cells: Callable[[int], list[_Cells]]) -> list[Line]:
        """The cells with as many columns as the page has room for, closer together before one is left out."""
        for most, gap in product(range(_MOST, 0, -1), _GAPS):
            found = cells(most)
            if self._layout.ascii:
                # Some signs take more columns there, and everything is placed by its width.
                found = [row and [(to_ascii(text), style) for text, style in row] for row in found]
            widths = _widths(found)
            if sum(widths) + len(gap) * (len(widths) - 1) <= self._layout.width:
                break
        return [_placed(row, widths, gap) for row in found]

    def _rows(self, node: Product, most: int) -> list[_Cells]:
        """W x: a row a unit, under the vector; at its end what it comes to."""
        matrix, factor, value = self._weights[node.matrix.name], self._values.of(node.vector), self._values.of(node)
        units, columns = with_units(len(value), _MOST, self._units), head_and_tail(len(factor), most)
        numbers = [(str(index + 1), "muted") for index in columns.shown]
        entries = [self._number(factor[index], "") for index in columns.shown]
        rows: list[_Cells] = [
            [("", ""), *_across(columns, numbers), *_NO_RESULT],
            [self._name(node.vector), *_across(columns, entries), *_NO_RESULT],
        ]
        for unit in units.shown:
            rows += [None] if units.gap_before(unit) else []
            style = self._style(unit)
            numbers = [self._number(matrix[unit, index], style) for index in columns.shown]
            rows.append([self._label(unit), *_across(columns, numbers), *self._result(value[unit], style)])
        return rows

    def _columns(self, node: Product, most: int) -> list[_Cells]:
        """x W: a column a unit, beside the vector; at its end what it comes to."""
        matrix, factor, value = self._weights[node.matrix.name], self._values.of(node.vector), self._values.of(node)
        units, inputs = with_units(len(value), most, self._units), head_and_tail(len(factor), _MOST)
        labels = [self._label(unit) for unit in units.shown]
        rows: list[_Cells] = [[("", ""), self._name(node.vector), *_across(units, labels)]]
        for index in inputs.shown:
            rows += [None] if inputs.gap_before(index) else []
            numbers = [self._number(matrix[unit, index], self._style(unit)) for unit in units.shown]
            rows.append([(str(index + 1), "muted"), self._number(factor[index], ""), *_across(units, numbers)])
        results = [self._number(value[unit], self._style(unit)) for unit in units.shown]
        return [*rows, [("", ""), ("=", "muted"), *_across(units, results)]]

    def _entries(self, node: Hadamard) -> list[_Cells]:
        """One weight a unit: it, what it is multiplied by, and what that comes to."""
        weights, factor, value = (self._values.of(part) for part in (node.left, node.right, node))
        units = with_units(len(value), _MOST, self._units)
        rows: list[_Cells] = []
        for unit in units.shown:
            rows += [None] if units.gap_before(unit) else []
            style = self._style(unit)
            pair = [self._number(weights[unit], style), ("·", style), self._number(factor[unit], style)]
            rows.append([self._label(unit), *pair, *self._result(value[unit], style)])
        return rows

    def _style(self, unit: int) -> str:
        return "lit" if unit in self._units else "muted"

    def _label(self, unit: int) -> Span:
        return (f"{MARK}{unit + 1}", "lit") if unit in self._units else (str(unit + 1), "muted")

    def _number(self, value: float, style: str) -> Span:
        return short(float(value), self._layout.precision), style

    def _result(self, value: float, style: str) -> list[Span]:
        return [("=", style), self._number(value, style)]

    def _name(self, vector: Expression) -> Span:
        """The vector's symbol; what is made of several is long, and stands above the drawing."""
        return (self._notation.write(vector, self._values.step) if isinstance(vector, Vector) else "", "math")


def _across(columns: Selection, cells: list[Span]) -> list[Span]:
    """The cells of the columns that are shown, with a mark where some are left out."""
    found: list[Span] = []
    for index, cell in zip(columns.shown, cells, strict=True):
        found += [("…", "muted")] if columns.gap_before(index) else []
        found.append(cell)
    # A head alone has no gap before anything.
    return [*found, ("…", "muted")] if columns.shown[-1] < columns.total - 1 else found


def _widths(rows: list[_Cells]) -> list[int]:
    whole = [row for row in rows if row is not None]
    return [max(len(text) for text, _ in column) for column in zip(*whole, strict=True)]


def _placed(row: _Cells, widths: list[int], gap: str) -> Line:
    """The row with each cell at the right of its column."""
    if row is None:
        return [("⋮".rjust(widths[0]), "muted")]
    line: Line = []
    before = ""
    for (text, style), width in zip(row, widths, strict=True):
        # What is lit is lit without holes, along a row as down a column.
        line.append((gap if line else "", "lit" if before == style == "lit" else ""))
        line.append((" " * (width - len(text)) + text, style))
        before = style
    while line and not line[-1][0].strip():
        line.pop()
    return line
