"""One step of a trace written out with its numbers put in, row times column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from textwrap import wrap

from rnn_calc.core.conventions import Convention
from rnn_calc.core.equations import Apply, Equation, Expression, Hadamard, Parameter, Product, Sum, operands
from rnn_calc.core.evaluation import Values, evaluate
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array
from rnn_calc.show.document import Layout, Line
from rnn_calc.show.format import short, vector


def explain_step(trace: Trace, convention: Convention, t: int, units: Sequence[int], layout: Layout) -> list[Line]:
    """The arithmetic of the step at index `t` for the hidden units in `units` (all outputs are shown)."""
    writer = _Writer(trace, convention, t, units, layout.precision)
    step = trace.first + t
    lines: list[Line] = [[(writer.heading(step), "title")]]
    for equation in trace.network.equations:
        for result, rows in writer.equation(equation):
            lines += _aligned(result, rows)
    return [part for line in lines for part in _folded(line, layout.width)]


def _folded(line: Line, width: int) -> list[Line]:
    """The line, or several where it is wider than the page: folded at blanks, so that numbers stay whole."""
    text = "".join(part for part, _ in line)
    if len(text) <= width:
        return [line]
    # The result stays with its sign; folded lines need no column for it.
    text = re.sub(r"\] += \[", "] =\N{NO-BREAK SPACE}[", text)
    indent = " " * min(text.find("[") + 1 or 2, width // 2)
    parts = wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return [[(part.replace("\N{NO-BREAK SPACE}", " "), "")] for part in parts]


def _aligned(result: str, rows: list[tuple[str, str]]) -> list[Line]:
    """One line a unit: the name once, the arithmetic in one column, the value in the next."""
    width = max(len(left) for left, _ in rows)
    lines: list[Line] = []
    for index, (left, right) in enumerate(rows):
        name = f"  {result} = " if index == 0 else " " * (len(result) + 5)
        lines.append([(name, "math"), (f"[{left}]".ljust(width + 2), ""), (f" = [{right}]", "number")])
    return lines


class _Writer:
    def __init__(self, trace: Trace, convention: Convention, t: int, units: Sequence[int], precision: int) -> None:
        self._trace = trace
        self._convention = convention
        self._step = trace.first + t
        self._values: Values = trace.values.block(slice(t, t + 1))
        self._units = units
        self._precision = precision

    def heading(self, step: int) -> str:
        """The inputs of the step: x_t and the state before it."""
        x = vector(self._values.now["x"][0], self._precision)
        states = ", ".join(
            f"{name}_{step - 1} = {vector(values[0][list(self._units)], self._precision)}"
            for name, values in self._values.previous.items()
        )
        return f"Step {step}: x_{step} = {x}, {states}"

    def equation(self, equation: Equation) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Every product, then the equation itself, as (what it is, its rows)."""
        units = range(self._trace.network.d_out) if equation.kind == "output" else self._units
        yield from self._operands(equation.expression, units)
        name = self._convention.vector(equation.vector, self._step)
        yield name, self._rows(equation.expression, units)

    def _operands(self, node: Expression, units: Sequence[int]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        for operand in operands(node):
            if not isinstance(operand, Parameter):
                yield from self._operands(operand, units)
                if operands(operand):
                    yield self._convention.write(operand, self._step), self._rows(operand, units)

    def _rows(self, node: Expression, units: Sequence[int]) -> list[tuple[str, str]]:
        value = self._value(node)
        return [(self._arithmetic(node, unit), self._number(value[unit])) for unit in units]

    def _arithmetic(self, node: Expression, unit: int) -> str:
        match node:
            case Product(matrix, inner):
                row, column = self._trace.weights[matrix.name][unit], self._value(inner)
                pairs = zip(column, row, strict=True) if self._convention.row_vectors else zip(row, column, strict=True)
                return " + ".join(f"{self._factor(a)}·{self._factor(b)}" for a, b in pairs)
            case Sum(terms):
                return " + ".join(self._factor(self._value(term)[unit]) for term in terms)
            case Hadamard(left, right):
                return f"{self._factor(self._value(left)[unit])}·{self._factor(self._value(right)[unit])}"
            case Apply(function, argument):
                inner_value = self._number(self._value(argument)[unit])
                return inner_value if function == "identity" else f"{function}({inner_value})"
            case _:
                return self._number(self._value(node)[unit])

    def _value(self, node: Expression) -> Array:
        value = evaluate(node, self._values, self._trace.weights)
        return value if value.ndim == 1 else value[0]

    def _number(self, value: float) -> str:
        return short(float(value), self._precision)

    def _factor(self, value: float) -> str:
        text = self._number(value)
        return f"({text})" if text.startswith(("-", "−")) else text
