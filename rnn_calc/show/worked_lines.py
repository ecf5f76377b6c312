"""Worked lines, name = [arithmetic] = [value]: aligned, folded to the page, those of a chosen unit lit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from rnn_calc.show.document import Line

# Before a line that is lit, so that it is seen without colours, and before what it continues in.
MARK, _CONTINUES = "▸ ", "│ "


class Row(NamedTuple):
    """One unit's arithmetic and its value; `lit` is nothing where no unit is chosen."""

    arithmetic: str
    value: str
    lit: bool | None = None

    def style(self, plain: str) -> str:
        """The style of the row, `plain` where no unit is chosen."""
        return plain if self.lit is None else "lit" if self.lit else "muted"


def aligned(result: str, rows: Sequence[Row]) -> list[Line]:
    """One line a unit: the name once, the arithmetic in one column, the value in the next."""
    width = max((len(row.arithmetic) for row in rows), default=0)
    lines: list[Line] = []
    for index, row in enumerate(rows):
        name = f"  {result} = " if index == 0 else " " * (len(result) + 5)
        left, right = f"[{row.arithmetic}]", f" = [{row.value}]"
        if row.lit:
            name = MARK + name[len(MARK) :]
        lines.append([(name, "math"), (left.ljust(width + 2), row.style("")), (right, row.style("number"))])
    return lines


def folded(line: Line, width: int) -> list[Line]:
    """The line, or several where it is wider than the page: folded at blanks, so that numbers stay whole."""
    text = "".join(part for part, _ in line)
    if len(text) <= width:
        return [line]
    # The result stays with its sign; folded lines need no column for it.
    text = re.sub(r"\] += \[", "] =\N{NO-BREAK SPACE}[", text)
    parts = _filled(text, width)
    lit = text.startswith(MARK)
    # A name and what follows it, or one style from end to end.
    own = len(line[0][0]) if len(line) > 1 else 0
    styles = ("lit" if lit and len(parts[0]) <= own else line[0][1], line[min(1, len(line) - 1)][1])
    lines: list[Line] = [[(parts[0][:own], styles[0]), (parts[0][own:], styles[1])]]
    for part in parts[1:]:
        blanks = len(part) - len(part.lstrip(" "))
        begins = _CONTINUES + part[len(_CONTINUES) : blanks] if lit else part[:blanks]
        lines.append([(begins, ""), (part[blanks:], styles[1])])
    return lines


def _filled(text: str, width: int) -> list[str]:
    """The text in lines of whole words, as many as the page has room for; lines after the first are set in."""
    start = len(text) - len(text.lstrip(f"{MARK[0]} "))
    words = text[start:].split(" ")
    longest = max(map(len, words))
    # Set in as far as the arithmetic, unless that leaves too little room.
    indent = " " * min(text.find("[") + 1 or 2, width // 2, max(2, width - longest))
    first = text[:start] if start + len(words[0]) <= width else text[: len(indent)]
    parts, current, used = [], [first + words[0]], len(first) + len(words[0])
    for word in words[1:]:
        if used + 1 + len(word) > width:
            parts.append(" ".join(current))
            current, used = [indent + word], len(indent) + len(word)
        else:
            current.append(word)
            used += 1 + len(word)
    return [part.replace("\N{NO-BREAK SPACE}", " ") for part in (*parts, " ".join(current))]
