"""The unrolled network, drawn with its shapes on the edges."""

from __future__ import annotations

from typing import NamedTuple

from rnn_calc.core.notation import write_shape
from rnn_calc.core.shapes import ShapeReport
from rnn_calc.core.unrolling import Chain, UnrolledStep
from rnn_calc.show.document import Layout, Line
from rnn_calc.show.format import to_ascii

# More layers than this are not drawn one by one.
_MOST_DRAWN = 4


class _Band(NamedTuple):
    """A layer as it is drawn: its states over time, a line for each direction, and their shape below.

    A band without lines stands for layers that are left out, and `shape` says so.
    """

    lines: tuple[tuple[tuple[str, ...], bool], ...]
    shape: str


def draw_unrolled(report: ShapeReport, layout: Layout) -> list[Line]:
    """The chain h_0 → [cell] → h_1 → …, inputs below, outputs above, as many steps a row as the page is wide.

    Layers stand on top of each other, the backward direction under the forward one. A decoder that is no
    continuation of one chain is drawn below.
    """
    cell = f"[ {report.network.cell.name} ]"
    encoder = [step for step in report.unrolled if not step.decoder]
    decoder = [step for step in report.unrolled if step.decoder]
    if len(report.chains) == 1:
        (chain,) = report.chains
        states = (*chain.states, *(step.state for step in decoder))
        return _grid(report, layout, cell, [_Band(((states, False),), _shapes(report, chain))], list(report.unrolled))
    lines = _grid(report, layout, cell, _bands(report), encoder)
    if decoder:
        lines += [
            [("", "")],
            [("The decoder, a second network, starts from what the encoder gives at its end:", "muted")],
        ]
        band = _Band(
            ((("context", *(step.state for step in decoder)), False),), _write(report, report.network.output_width)
        )
        lines += _grid(report, layout, "[ decoder ]", [band], decoder)
    return lines


def _bands(report: ShapeReport) -> list[_Band]:
    """The layers from the top down; of many only the first and the last."""
    layers = range(report.network.layers, 0, -1)
    bands = []
    for number in layers:
        own = [chain for chain in report.chains if chain.layer == number]
        bands.append(_Band(tuple((chain.states, chain.reverse) for chain in own), _shapes(report, own[0])))
    if len(bands) > _MOST_DRAWN:
        bands[1:-1] = [_Band((), f"layers 2 to {report.network.layers - 1} between")]
    return bands


def _grid(report: ShapeReport, layout: Layout, cell: str, bands: list[_Band], steps: list[UnrolledStep]) -> list[Line]:
    """The bands over all steps, in rows of as many steps as fit; one step after the other where not even one does."""
    arrows = (" -> ", " <- ") if layout.ascii else (" → ", " ← ")
    gap = " " * len(arrows[0])
    if layout.ascii:  # an arrow in a symbol becomes two characters, and everything is placed by its width
        bands = [_Band(tuple((tuple(map(to_ascii, s)), reverse) for s, reverse in b.lines), b.shape) for b in bands]
    texts = [state for band in bands for states, _ in band.lines for state in states]
    state_width = max(map(len, [*texts, *(band.shape for band in bands if band.lines)]))
    step_width = max(len(cell), *(len(_labelled(report, symbol)) for step in steps for symbol in (step.x, step.y)))
    a_step = step_width + state_width + 2 * len(gap)
    if state_width + a_step > layout.width:
        return _listed(report, steps)
    per_row = (layout.width - state_width) // a_step

    def line(first: str, texts: list[tuple[str, str]], style: str, between: str = gap) -> Line:
        """The state before the first step, then for each step what stands at the cell and at the state after it."""
        parts = [first.center(state_width)]
        for at_cell, at_state in texts:
            parts += [between, at_cell.center(step_width), between, at_state.center(state_width)]
        return [("".join(parts).rstrip(), style)]

    lines: list[Line] = []
    for start in range(0, len(steps), per_row):
        row = steps[start : start + per_row]
        lines += [[("", "")]] if start else []
        if any(step.y for step in row):
            lines.append(line("", [(_labelled(report, step.y), "") for step in row], "shape"))
            lines.append(line("", [("↑" if step.y else "", "") for step in row], "muted"))
        for band in bands:
            for states, reverse in band.lines:
                drawn = [(cell, state) for state in states[start + 1 : start + 1 + len(row)]]
                lines.append(line(states[start], drawn, "math", arrows[reverse]))
            lowest = band is bands[-1]
            if band.lines:
                below = [("↑" if step.x or not lowest else "", band.shape) for step in row]
                lines.append(line(band.shape, below, "shape"))
            else:
                lines.append([(band.shape, "muted")])
                lines.append(line("", [("↑", "") for _ in row], "shape"))
        if any(step.x for step in row):
            lines.append(line("", [(_labelled(report, step.x), "") for step in row], "shape"))
    return lines


def _listed(report: ShapeReport, steps: list[UnrolledStep]) -> list[Line]:
    """The short form: for each step what enters it, the states it makes, and what leaves it."""
    lines: list[Line] = []
    for step in steps:
        lines.append([(f"{'decoder ' if step.decoder else ''}t = {step.t}", "muted")])
        if step.x:
            lines.append([(f"  in   {_labelled(report, step.x)}", "shape")])
        lines += [[(f"  {'     ' if number else 'makes'} {state}", "math")] for number, state in enumerate(step.states)]
        if step.y:
            lines.append([(f"  out  {_labelled(report, step.y)}", "shape")])
    return lines


def _shapes(report: ShapeReport, chain: Chain) -> str:
    """The shapes of a layer's states: (3,), or those of h and c."""
    return ", ".join(write_shape(shape, column_matrices=report.convention.column_matrices) for shape in chain.shapes)


def _write(report: ShapeReport, width: int) -> str:
    return write_shape(report.notation.column((width,)), column_matrices=report.convention.column_matrices)


def _labelled(report: ShapeReport, symbol: str | None) -> str:
    """An input or output of a step with its shape: x_3 (4,)."""
    if not symbol:
        return ""
    tensor = report.tensor(f"{symbol.partition('_')[0]}_t")
    assert tensor is not None, symbol
    return f"{symbol} {write_shape(tensor.shape, column_matrices=report.convention.column_matrices)}"
