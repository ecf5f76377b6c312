"""What --path and --to name: a weight at one of its occurrences, and what is derived by it."""

from __future__ import annotations

import re
from typing import NamedTuple

from rnn_calc.core.errors import DataError, UsageError, quoted
from rnn_calc.core.notation import Notation
from rnn_calc.core.paths import Target
from rnn_calc.core.stored_entries import parameter_entry

# Far more digits than any index has.
_LONGEST = 200
_WEIGHT = re.compile(r"(.+)\[([0-9, ]+)\]@([0-9]+)")
_TARGET = re.compile(r"([yh])\[([0-9]+)\](?:@([0-9]+))?")


class Occurrence(NamedTuple):
    """An entry of a parameter (canonical name, column reading) at a step, and how it was written."""

    name: str
    entry: tuple[int, ...]
    step: int
    label: str


def parse_occurrence(text: str, notation: Notation, steps: int) -> Occurrence:
    """The weight and the step that --path names: W_xh[0,0]@1.

    Raises: UsageError for another form, or a name, an index or a step that there is not.
    """
    symbols = [stored.symbol for stored in notation.stored]
    shape = notation.shape(notation.stored[0])
    example = f"{symbols[0]}[{','.join('0' for _ in shape)}]@1"
    match = _WEIGHT.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if match is None:
        raise UsageError(
            f"--path names a weight and the step where it occurs, as in --path {quoted(example)}; {quoted(text)} does "
            "not. Indices count from 0, steps from 1."
        )
    symbol, inside, step = match.groups()
    parts = [part.strip() for part in inside.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise UsageError(f"The indices in --path are whole numbers from 0, as in {example}; {quoted(inside)} are not.")
    index = tuple(int(part) for part in parts)
    try:
        name, place = parameter_entry(notation, symbol, index)
    except DataError as error:
        raise UsageError(f"--path: {error}") from None
    return Occurrence(name, place, _step("--path", int(step), steps), f"{symbol}[{','.join(map(str, index))}]")


def _step(flag: str, step: int, steps: int) -> int:
    if not 1 <= step <= steps:
        raise UsageError(f"{flag} names step {step}; the sequence has steps 1 to {steps}.")
    return step


def parse_target(text: str | None, notation: Notation, steps: int) -> tuple[Target, str]:
    """What --to names, y[0]@3 or h[1] or loss, and how it is written; without it, the first output of the last step.

    Raises: UsageError for another form, or one that there is not.
    """
    network = notation.network
    top = network.stack[-1][0]
    if text is None:
        text = "y[0]" if network.d_out else "h[0]"
    if text.strip().lower() in ("loss", "l"):
        return Target("loss"), "L"
    match = _TARGET.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if match is None:
        raise UsageError(
            f"--to is an output y[0]@{steps}, a hidden state h[0]@{steps}, or loss; {quoted(text)} is none. Indices "
            "count from 0, steps from 1."
        )
    kind, number, step = match.group(1), int(match.group(2)), int(match.group(3) or steps)
    if kind == "y" and not network.d_out:
        raise UsageError("--to y: this network has no readout; take h, or give it --d-out N.")
    if kind == "h" and network.bidirectional and network.d_out:
        raise UsageError("--to h: of two directions, the outputs y and the loss are what paths lead to.")
    width = network.d_out if kind == "y" else network.output_width
    if number >= width:
        raise UsageError(f"--to names {kind}[{number}]; it has the numbers 0 to {width - 1}.")
    symbol = "y" if kind == "y" else top.symbol() if not network.bidirectional else "h"
    return Target(kind, number, _step("--to", step, steps)), f"{symbol}_{step}[{number}]"
