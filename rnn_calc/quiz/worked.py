"""The arithmetic of a run as paragraphs, as `trace --explain` shows it."""

from __future__ import annotations

from rnn_calc.core.notation import Notation
from rnn_calc.core.trace import Trace
from rnn_calc.show.document import Layout, Text
from rnn_calc.show.explain import draw_explanation
from rnn_calc.show.selection import head_and_tail

# The page folds the lines, not the one who writes them: questions of the same seed are then equal.
_UNFOLDED = Layout(width=10**6)
_MOST_UNITS = 12


def worked_steps(trace: Trace, notation: Notation) -> tuple[Text, ...]:
    """Every step of the trace, one equation a line, with the numbers put in."""
    drawn = draw_explanation(
        trace,
        notation,
        head_and_tail(trace.steps, trace.steps),
        lambda width: head_and_tail(width, _MOST_UNITS),
        bool,  # every layer
        _UNFOLDED,
    )
    blocks: list[Text] = []
    for line in drawn:
        text, style = "".join(part for part, _ in line).rstrip(), line[0][1]
        if style == "title":
            blocks.append(Text((text,)))
        elif text and blocks and blocks[-1].style == "math":
            blocks[-1] = blocks[-1]._replace(lines=(*blocks[-1].lines, text))
        elif text:
            blocks.append(Text((text,), "math"))
    return tuple(blocks)
