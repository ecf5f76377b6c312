"""A report as a document: tables, text and figures tagged by meaning, for any format to render.

These are named tuples and not dataclasses because they are made on every start, and cost a sixth there.

The tags are `Kind` for a column's content and the style names of `Span`; only a renderer knows fonts and colours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

# math: a symbol or formula. shape: a shape. number: a float shown at the precision. vector: several of them.
# count: an exact integer, with thousands separators. index: one that numbers something, without.
# verdict: ✓ or ✗, and why.
Kind = Literal["text", "math", "shape", "number", "vector", "count", "index", "verdict"]

# Kinds that stand at the right of their column.
RIGHT: tuple[Kind, ...] = ("number", "count", "index")


class Magnitude(NamedTuple):
    """A positive number that may be far beyond float64, or 0, by its base-10 logarithm."""

    log10: float


Value = str | int | float | None | tuple[float, ...] | Magnitude

# What a line begins with that holds a command to be pasted: one that makes the same again, one that goes on.
AGAIN = "Again: "
COUNT_FIRST = "Count the first: "

# A piece of a line and the name of its style: "" for none, `heat:v` for a value between −1 and 1, `level:v` for one
# between 0 and 1, `kind:k` for category k, `ansi` for text that a library has coloured itself.
Span = tuple[str, str]
Line = list[Span]


class Layout(NamedTuple):
    """What a figure needs to know of its page: columns, digits, whether it must keep to ASCII, and may use colour."""

    width: int = 80
    precision: int = 4
    ascii: bool = False
    color: bool = False


class Column(NamedTuple):
    """A table column: its heading and what its cells hold."""

    heading: str
    kind: Kind = "text"
    heading_kind: Kind = "text"


class Table(NamedTuple):
    """Rows under columns; `total` is a last row, set apart."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    total: tuple[Value, ...] | None = None


class Text(NamedTuple):
    """A paragraph, or several short lines of one."""

    lines: tuple[str, ...]
    style: str = ""
    title: str = ""


class Figure(NamedTuple):
    """Something drawn with characters, made to measure for a page."""

    title: str
    draw: Callable[[Layout], list[Line]]


Block = Table | Text | Figure


class Document(NamedTuple):
    """A report, ready to be rendered."""

    blocks: tuple[Block, ...]
