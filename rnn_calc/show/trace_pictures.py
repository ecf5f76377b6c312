"""A trace as pictures: the states and gates of a layer, a line a unit, or where there are many a row a unit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnn_calc.core.equations import Apply, Equation, walk
from rnn_calc.core.layer_trace import LayerTrace
from rnn_calc.core.notation import Notation
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array
from rnn_calc.show.picture import Chart, Curve, HeatMap, Picture

# More lines than that are hard to tell apart.
_MOST_LINES = 6
_STEP = "step t"


def trace_pictures(
    trace: Trace, notation: Notation, index: int, units: tuple[int, ...], labels: tuple[str, ...]
) -> list[Picture]:
    """The states of layer `index` (from 0), with the one before the first step, then its gates.

    `units` (from 0) are those to draw, or all where there are none; `labels` are the words that were read.
    """
    return [
        _picture(
            _title(equation), notation.vector(equation), *_from_first(run, equation, values, trace), chosen, labels
        )
        for run in trace.directions(index)
        for equation, values in _values(run)
        if (chosen := [unit for unit in units or range(values.shape[-1]) if unit < values.shape[-1]])
    ]


def _values(run: LayerTrace) -> Iterator[tuple[Equation, Array]]:
    """h, any other state, then the gates, in the order of time; no gate before its non-linearity."""
    by_name = {equation.name: equation for equation in run.layer.equations}
    before = {
        node.argument
        for equation in run.layer.equations
        for node in walk(equation.expression)
        if isinstance(node, Apply)
    }
    gates = [name for name, own in by_name.items() if own.kind == "gate" and own.vector not in before]
    for name in (*run.layer.state, *gates):
        yield by_name[name], run.in_time.now[name]


def _title(equation: Equation) -> str:
    """What it is called: forget gate, cell state."""
    return equation.role.partition(":")[0]


def _from_first(run: LayerTrace, equation: Equation, values: Array, trace: Trace) -> tuple[int, Array]:
    """The values and the step of the first: a state that is read forward begins with the one before the first step."""
    if equation.name not in run.initial or run.layer.reverse:
        return trace.first, values
    return trace.first - 1, np.vstack([run.initial[equation.name][None], values])


def _picture(title: str, symbol: str, first: int, values: Array, units: list[int], labels: tuple[str, ...]) -> Picture:
    steps, drawn = range(first, first + len(values)), values[:, units]
    names = [str(unit + 1) for unit in units]
    if len(units) <= _MOST_LINES:
        x = np.array(steps, dtype=np.float64)
        curves = tuple(Curve(f"unit {name}", x, drawn[:, place]) for place, name in enumerate(names))
        return Chart(f"{symbol}: {title}", _STEP, symbol, curves)
    ticks = tuple(f"{step} {labels[step - 1]}" if labels and step else str(step) for step in steps)
    # What stays on one side of 0, as most gates do, has one colour's shades.
    centre = 0.0 if np.nanmin(drawn, initial=0.0) < 0 else None
    return HeatMap(f"{symbol}: {title}", _STEP, "unit", symbol, drawn.T, ticks, tuple(names), centre=centre)
