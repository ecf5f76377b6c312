"""How wide a text is on a terminal, and where it is broken to fit: between words, and within one only if it must be."""

from __future__ import annotations

import re
from itertools import pairwise

from rnn_calc.show.document import Line


def cell_len(text: str) -> int:
    """The columns that the text takes on a terminal."""
    if _is_narrow(text):
        return len(text)
    from rich.cells import cell_len as measure

    return measure(text)


def _is_narrow(text: str) -> bool:
    """Whether every character surely takes one column: those this package writes do, and Rich knows the others."""
    # Before the combining marks; Greek; dashes and quotes; subscripts; arrows and mathematics; lines and blocks.
    return text.isascii() or all(
        char < "\u0300"
        or "\u0391" <= char <= "\u03c9"
        or "\u2010" <= char <= "\u205e"
        or "\u2070" <= char <= "\u209c"
        or "\u2190" <= char <= "\u22ff"
        or "\u2500" <= char <= "\u25fc"
        or char in "ᵀ✓✗"
        for char in text
    )


def fold(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` columns, without the blanks at their ends."""
    if cell_len(text) <= width:
        return [text.rstrip()]
    return [text[start:end].rstrip() for start, end in pairwise((0, *_breaks(text, width), len(text)))]


def fold_line(line: Line, width: int) -> list[Line]:
    """A line of several styles, folded like its text."""
    folded: list[Line] = []
    text = "".join(part for part, _ in line)
    for start, end in pairwise((0, *_breaks(text, width), len(text))):
        folded.append([])
        position = 0
        for part, style in line:
            shown = part[max(start - position, 0) : max(end - position, 0)]
            position += len(part)
            if shown:
                folded[-1].append((shown, style))
    return folded


def _breaks(text: str, width: int) -> list[int]:
    """Where the lines after the first begin."""
    breaks = []
    used = 0
    for found in re.finditer(r"\s*\S+\s*", text):
        word, start = found.group(), found.start()
        needed = cell_len(word.rstrip())
        if needed <= width - used:
            used += cell_len(word)
            continue
        pieces = [word] if needed <= width else _chopped(word, width)
        for piece in pieces:
            if start:
                breaks.append(start)
            start += len(piece)
        used = cell_len(pieces[-1])
    return breaks


def _chopped(word: str, width: int) -> list[str]:
    if _is_narrow(word):
        return [word[start : start + width] for start in range(0, len(word), width)]
    from rich.cells import chop_cells

    return chop_cells(word, width)
