"""The unrolled network, drawn with its shapes on the edges."""

from __future__ import annotations

from rnn_calc.core.conventions import write_shape
from rnn_calc.core.shapes import ShapeReport
from rnn_calc.show.document import Layout, Line

_ARROW, _ASCII_ARROW = " → ", " -> "


def draw_unrolled(report: ShapeReport, layout: Layout) -> list[Line]:
    """The chain h_0 → [cell] → h_1 → …, inputs below, outputs above, as many steps a row as the page is wide."""
    steps = report.unrolled
    cell = f"[ {report.network.cell.name} ]"
    state_shape = _shape_of(report, "h_{t-1}")
    state_width = max(len(state_shape), *(len(step.state) for step in steps))
    step_width = max(len(cell), *(len(_labelled(report, symbol)) for step in steps for symbol in (step.x, step.y)))
    arrow = _ASCII_ARROW if layout.ascii else _ARROW
    per_row = max(1, (layout.width - state_width) // (step_width + state_width + 2 * len(arrow)))

    def line(first: str, texts: list[tuple[str, str]], style: str, between: str = " " * len(arrow)) -> Line:
        """The state before the first step, then for each step what stands at the cell and at the state after it."""
        parts = [first.center(state_width)]
        for at_cell, at_state in texts:
            parts += [between, at_cell.center(step_width), between, at_state.center(state_width)]
        return [("".join(parts).rstrip(), style)]

    lines: list[Line] = []
    for start in range(0, len(steps), per_row):
        row = steps[start : start + per_row]
        before = steps[start - 1].state if start else "h_0"
        lines += [[("", "")]] if start else []
        if any(step.y for step in row):
            lines.append(line("", [(_labelled(report, step.y), "") for step in row], "shape"))
            lines.append(line("", [("↑" if step.y else "", "") for step in row], "muted"))
        lines.append(line(before, [(cell, step.state) for step in row], "math", arrow))
        lines.append(line(state_shape, [("↑" if step.x else "", state_shape) for step in row], "shape"))
        if any(step.x for step in row):
            lines.append(line("", [(_labelled(report, step.x), "") for step in row], "shape"))
    return lines


def _labelled(report: ShapeReport, symbol: str | None) -> str:
    """An input or output of a step with its shape: x_3 (4,)."""
    return f"{symbol} {_shape_of(report, f'{symbol[0]}_t')}" if symbol else ""


def _shape_of(report: ShapeReport, symbol: str) -> str:
    tensor = report.tensor(symbol)
    assert tensor is not None, symbol
    return write_shape(tensor.shape, column_matrices=report.convention.column_matrices)
