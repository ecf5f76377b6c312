"""The unrolled network, drawn with its shapes on the edges."""

from __future__ import annotations

from typing import NamedTuple

from rnn_calc.core.notation import Notation, write_shape
from rnn_calc.core.shapes import ShapeReport
from rnn_calc.core.unrolling import Chain, Unrolled, UnrolledStep, unroll_window
from rnn_calc.show.document import Layout, Line
from rnn_calc.show.format import to_ascii

# More layers than this are not drawn one by one.
_MOST_DRAWN = 4
# No step takes fewer columns: an arrow, a cell, an arrow, a state.
_NARROWEST = 12
# As many steps are listed around one where none can be drawn.
_MOST_LISTED = 3


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
    notation, network = report.notation, report.network
    encoder = [step for step in report.unrolled if not step.decoder]
    decoder = [step for step in report.unrolled if step.decoder]
    if len(report.chains) == 1:
        (chain,) = report.chains
        states = (*chain.states, *(step.state for step in decoder))
        band = _Band(((states, False),), _shapes(notation, chain))
        return _grid(notation, layout, network.cell.name, [band], list(report.unrolled))
    lines = _grid(notation, layout, network.cell.name, _bands(notation, report.chains), encoder)
    if decoder:
        lines += [
            [("", "")],
            [("The decoder, a second network, starts from what the encoder gives at its end:", "muted")],
        ]
        context = ("context", *(step.state for step in decoder))
        band = _Band(((context, False),), _write(notation, network.output_width))
        lines += _grid(notation, layout, "decoder", [band], decoder)
    return lines


def draw_step(notation: Notation, step: int, total: int, layout: Layout) -> tuple[Unrolled, list[Line]]:
    """One row of the network of `total` steps, as many as fit around `step`, which is lit and has marks in its cell."""
    cell = notation.network.cell.name
    count = min(total, max(_MOST_LISTED, layout.width // _NARROWEST))
    while True:
        first = max(1, min(step - (count - 1) // 2, total - count + 1))
        shown = unroll_window(notation, first, count, total)
        drawn = _Drawn(notation, layout, cell, _bands(notation, shown.chains), list(shown.steps))
        # Fewer steps have symbols that are no longer.
        if drawn.per_row >= count or not (drawn.per_row or count > _MOST_LISTED):
            return shown, drawn.lines(step)
        count = drawn.per_row or _MOST_LISTED


def _bands(notation: Notation, chains: tuple[Chain, ...]) -> list[_Band]:
    """The layers from the top down; of many only the first and the last."""
    layers = range(notation.network.layers, 0, -1)
    bands = []
    for number in layers:
        own = [chain for chain in chains if chain.layer == number]
        bands.append(_Band(tuple((chain.states, chain.reverse) for chain in own), _shapes(notation, own[0])))
    if len(bands) > _MOST_DRAWN:
        bands[1:-1] = [_Band((), f"layers 2 to {notation.network.layers - 1} between")]
    return bands


def _grid(notation: Notation, layout: Layout, cell: str, bands: list[_Band], steps: list[UnrolledStep]) -> list[Line]:
    """The bands over all steps, in rows of as many steps as fit; one step after the other where not even one does."""
    return _Drawn(notation, layout, cell, bands, steps).lines()


class _Drawn:
    """Bands over steps, measured for a page: `per_row` is how many steps fit beside each other."""

    def __init__(
        self, notation: Notation, layout: Layout, cell: str, bands: list[_Band], steps: list[UnrolledStep]
    ) -> None:
        self._notation, self._steps = notation, steps
        self._arrows = (" -> ", " <- ") if layout.ascii else (" → ", " ← ")
        self._gap = " " * len(self._arrows[0])
        # An arrow in a symbol becomes two characters, and everything is placed by its width.
        if layout.ascii:
            bands = [_Band(tuple((tuple(map(to_ascii, s)), reverse) for s, reverse in b.lines), b.shape) for b in bands]
        self._bands = bands
        self._cells = (f"[ {cell} ]", f"[▸{cell}◂]")
        texts = [state for band in bands for states, _ in band.lines for state in states]
        self._state_width = max(map(len, [*texts, *(band.shape for band in bands if band.lines)]))
        labels = (_labelled(notation, symbol) for step in steps for symbol in (step.x, step.y))
        self._step_width = max(len(self._cells[0]), *map(len, labels))
        a_step = self._step_width + self._state_width + 2 * len(self._gap)
        self.per_row = max(0, layout.width - self._state_width) // a_step

    def lines(self, lit: int | None = None) -> list[Line]:
        """The drawing, the step of that number lit."""
        if not self.per_row:
            return _listed(self._notation, self._steps, lit)
        lines: list[Line] = []
        for start in range(0, len(self._steps), self.per_row):
            row = self._steps[start : start + self.per_row]
            lit_index = next((i for i, step in enumerate(row) if step.t == lit), None)
            lines += [[("", "")]] if start else []
            lines += self._row(start, row, lit_index)
        return lines

    def _row(self, start: int, row: list[UnrolledStep], lit: int | None) -> list[Line]:
        lines: list[Line] = []

        def at_cells(texts: list[str], style: str, first: str = "", below: str = "", lit: int | None = None) -> None:
            lines.append(self._line(first, [(text, below) for text in texts], style, lit))

        if any(step.y for step in row):
            at_cells([_labelled(self._notation, step.y) for step in row], "shape", lit=lit)
            at_cells(["↑" if step.y else "" for step in row], "muted")
        for band in self._bands:
            for states, reverse in band.lines:
                cells = [self._cells[index == lit] for index in range(len(row))]
                drawn = list(zip(cells, states[start + 1 : start + 1 + len(row)], strict=True))
                lines.append(self._line(states[start], drawn, "math", lit, self._arrows[reverse], reverse=reverse))
            lowest = band is self._bands[-1]
            if band.lines:
                arrows = ["↑" if step.x or not lowest else "" for step in row]
                at_cells(arrows, "shape", band.shape, band.shape)
            else:
                lines.append([(band.shape, "muted")])
                at_cells(["↑"] * len(row), "shape")
        if any(step.x for step in row):
            at_cells([_labelled(self._notation, step.x) for step in row], "shape", lit=lit)
        return lines

    def _line(
        self,
        first: str,
        texts: list[tuple[str, str]],
        style: str,
        lit: int | None,
        between: str = "",
        *,
        reverse: bool = False,
    ) -> Line:
        """The state before the first step, then for each step what stands at the cell and at the state after it.

        What stands at the cell of the step `lit` is lit, and the state that it makes.
        """
        between = between or self._gap
        parts = [first.center(self._state_width)]
        for at_cell, at_state in texts:
            parts += [between, at_cell.center(self._step_width), between, at_state.center(self._state_width)]
        # Blanks at the end are none that anybody needs.
        parts = _without_end(parts)
        if lit is None:
            return [("".join(parts), style)]
        made = 4 * (lit + (not reverse))
        line: Line = [("", style)]
        for index, part in enumerate(parts):
            text = part.strip() if index in (4 * lit + 2, made) else ""
            if text:
                before, _, after = part.partition(text)
                line[-1] = (line[-1][0] + before, style)
                line += [(text, "lit"), (after, style)]
            else:
                line[-1] = (line[-1][0] + part, style)
        return [span for span in line if span[0]]


def _without_end(parts: list[str]) -> list[str]:
    """The parts without the blanks after the last that is more than blanks."""
    while parts and not parts[-1].strip():
        parts = parts[:-1]
    return [*parts[:-1], parts[-1].rstrip()] if parts else []


def _listed(notation: Notation, steps: list[UnrolledStep], lit: int | None = None) -> list[Line]:
    """The short form: for each step what enters it, the states it makes, and what leaves it."""
    lines: list[Line] = []
    for step in steps:
        is_lit = step.t == lit
        name = f"{'decoder ' if step.decoder else ''}t = {step.t}"
        lines.append([(f"▸ {name}", "lit") if is_lit else (name, "muted")])
        if step.x:
            lines.append([(f"  in   {_labelled(notation, step.x)}", "shape")])
        lines += [[(f"  {'     ' if number else 'makes'} {state}", "math")] for number, state in enumerate(step.states)]
        if step.y:
            lines.append([(f"  out  {_labelled(notation, step.y)}", "shape")])
    return lines


def _shapes(notation: Notation, chain: Chain) -> str:
    """The shapes of a layer's states: (3,), or those of h and c."""
    return ", ".join(_shape(notation, shape) for shape in chain.shapes)


def _write(notation: Notation, width: int) -> str:
    return _shape(notation, notation.column((width,)))


def _shape(notation: Notation, shape: tuple[int, ...]) -> str:
    return write_shape(shape, column_matrices=notation.convention.column_matrices)


def _labelled(notation: Notation, symbol: str | None) -> str:
    """An input or output of a step with its shape: x_3 (4,)."""
    if not symbol:
        return ""
    name = symbol.partition("_")[0]
    if name == "token":
        return f"{symbol} {_shape(notation, ())}"
    return f"{symbol} {_write(notation, {'x': notation.network.d_in, 'y': notation.network.d_out}[name])}"
