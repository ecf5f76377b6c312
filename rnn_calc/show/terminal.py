"""A document on a terminal, through Rich: tables, colours where there are any, and the same as SVG."""

from __future__ import annotations

import io
from textwrap import wrap
from typing import IO, TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.style import Style
from rich.table import Table as RichTable
from rich.text import Text as RichText

from rnn_calc.core.errors import printable
from rnn_calc.show.columns import Part, fit_table
from rnn_calc.show.document import AGAIN, RIGHT, Column, Document, Figure, Layout, Line, Table, Text, Value
from rnn_calc.show.format import to_ascii, write_value

if TYPE_CHECKING:
    from collections.abc import Callable

STYLES = {
    "": Style(),
    "title": Style(bold=True),
    "math": Style(color="cyan"),
    "shape": Style(color="green"),
    "number": Style(),
    "count": Style(),
    "text": Style(),
    "vector": Style(),
    "index": Style(),
    "muted": Style(dim=True),
    "good": Style(color="green", bold=True),
    "bad": Style(color="red", bold=True),
    "warning": Style(color="yellow"),
}

# From blue for −1 over light grey to red for +1: told apart by every kind of colour vision, on black and on white.
_COLD, _HOT, _NEUTRAL = (33, 102, 200), (200, 40, 43), (225, 225, 225)

_SVG_FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px;
  line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def style_of(name: str) -> Style:
    """The Rich style of a style name; `heat:v` is the colour of a value between −1 and 1."""
    if not name.startswith("heat:"):
        return STYLES[name]
    value = max(-1.0, min(1.0, float(name.removeprefix("heat:"))))
    end = _HOT if value > 0 else _COLD
    red, green, blue = (round(mid + (to - mid) * abs(value)) for mid, to in zip(_NEUTRAL, end, strict=True))
    return Style(bgcolor=f"rgb({red},{green},{blue})")


def render_terminal(document: Document, stream: IO[str], *, precision: int, width: int | None = None) -> None:
    """The document on `stream`, in the terminal's width and with as many colours and characters as it has."""
    console = Console(file=stream, highlight=False, markup=False, emoji=False, width=width)
    with console.capture() as capture:
        _print(document, console, precision)
    # Rich pads every line to the page; nobody wants to copy that.
    stream.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))


def render_svg(document: Document, *, precision: int, title: str, width: int) -> str:
    """The document as an SVG picture of a terminal; it loads nothing, fonts included."""
    console = Console(
        file=io.StringIO(),
        record=True,
        width=width,
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )
    _print(document, console, precision)
    return console.export_svg(title=title, code_format=_SVG_FORMAT, unique_id="rnncalc")


def _print(document: Document, console: Console, precision: int) -> None:
    ascii_only = not _can_encode(console.encoding)
    has_color = console.color_system is not None and not console.no_color
    layout = Layout(console.width, precision, ascii_only, has_color)

    def clean(text: str) -> str:
        return printable(to_ascii(text) if ascii_only else text)

    for index, block in enumerate(document.blocks):
        if index:
            console.print()
        match block:
            case Table():
                for number, part in enumerate(fit_table(block, layout, clean)):
                    if number:
                        console.print()
                    console.print(RichText(clean(part.table.title), STYLES["title"]))
                    if part.widths:
                        console.print(_table(part, layout, clean))
                    else:
                        _print_stacked(part.table, console, layout, clean)
            case Text(lines, style, title):
                if title:
                    console.print(RichText(clean(title), STYLES["title"]))
                for line in lines:
                    # A command to be pasted stays one line: what a terminal folds, copying unfolds. A picture is cut.
                    whole = line.startswith(AGAIN) and not console.record
                    for text in _folded(clean(line), console.width) if style == "math" else [clean(line)]:
                        console.print(RichText(text, style_of(style)), soft_wrap=whole)
            case Figure(title, draw):
                if title:
                    console.print(RichText(clean(title), STYLES["title"]))
                for drawn in draw(layout):
                    console.print(_line(drawn, clean), no_wrap=True, overflow="ignore", crop=False)


def _can_encode(encoding: str) -> bool:
    try:
        "─²→✓█".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _folded(formula: str, width: int) -> list[str]:
    """A long formula over several lines, those after its first set in, so that each equation is seen to begin."""
    lead = formula[: len(formula) - len(formula.lstrip())]
    return wrap(
        formula.strip(),
        width,
        initial_indent=lead,
        subsequent_indent=f"{lead}    ",
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


def _line(line: Line, clean: Callable[[str], str]) -> RichText:
    text = RichText()
    for part, style in line:
        if style == "ansi":
            text.append_text(RichText.from_ansi(part))
        else:
            text.append(clean(part), style_of(style))
    return text


def _table(part: Part, layout: Layout, clean: Callable[[str], str]) -> RichTable:
    table = part.table
    rich = RichTable(
        box=box.ASCII if layout.ascii else box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        show_footer=False,
        safe_box=False,
        padding=(0, 1),
    )
    for column, width in zip(table.columns, part.widths, strict=True):
        rich.add_column(
            RichText(clean(column.heading)),
            justify="right" if column.kind in RIGHT else "left",
            overflow="fold",
            width=width,
        )
    for row in table.rows:
        rich.add_row(*(_cell(value, column, layout, clean) for value, column in zip(row, table.columns, strict=True)))
    if table.total is not None:
        rich.add_section()
        rich.add_row(
            *(_cell(value, column, layout, clean) for value, column in zip(table.total, table.columns, strict=True)),
            style=STYLES["title"],
        )
    return rich


def _print_stacked(table: Table, console: Console, layout: Layout, clean: Callable[[str], str]) -> None:
    """The table with each row's cells below one another: for a page too narrow for its numbers side by side."""
    for row in (*table.rows, *(() if table.total is None else (table.total,))):
        for index, (value, column) in enumerate(zip(row, table.columns, strict=True)):
            cell = _cell(value, column, layout, clean)
            if not cell.plain:
                continue
            heading = f"{column.heading} " if column.heading else ""
            label = RichText(
                clean(heading if index == 0 else f"  {heading}"), STYLES["title" if index == 0 else "muted"]
            )
            # Rich would fold a word that is wider than the page; the terminal's own fold is one that copying undoes.
            console.print(label + cell, soft_wrap=max(map(len, cell.plain.split())) > layout.width)


def _cell(value: Value, column: Column, layout: Layout, clean: Callable[[str], str]) -> RichText:
    style = column.kind if column.kind != "verdict" else ("good" if str(value).startswith(("✓", "met")) else "bad")
    return RichText(clean(write_value(value, column.kind, layout.precision)), STYLES[style])
