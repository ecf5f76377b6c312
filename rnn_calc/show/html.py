"""A document as HTML: for notebooks, files and worksheets; no script, and nothing that would have to be loaded.

Styles stand on the elements themselves, because notebooks drop style sheets, and take their colours from what is around
them: the same fragment is read on a light page and on a dark one.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from rnn_calc.core.errors import printable
from rnn_calc.show.document import (
    AGAIN,
    COUNT_FIRST,
    RIGHT,
    Column,
    Document,
    Figure,
    Kind,
    Layout,
    Line,
    Table,
    Text,
    Value,
)
from rnn_calc.show.format import write_value

_FIGURE_WIDTH = 88

_MONOSPACE = "font-family:monospace"
_RULE = "1px solid rgba(128,128,128,.6)"
_TABLE = (
    "border-collapse:collapse;border:none;margin:0 0 1em;width:auto;font-size:inherit;font-variant-numeric:tabular-nums"
)
# A notebook's own sheet would put every cell at the right, in the middle of its row, and colour every other row.
_CELL = "padding:.25em .9em .25em 0;vertical-align:top"
_TITLE = "font-weight:bold;margin:.9em 0 .3em;text-align:left"
# Blanks are kept: formulas are set in with them.
_PARAGRAPH = "margin:.4em 0;white-space:pre-wrap"
_BLOCKS = 'font-family:"DejaVu Sans Mono",Menlo,Consolas,monospace'
# Figures are made of lines and blocks that must touch. A notebook's sheet gives every pre a colour and a size.
_FIGURE = f"{_BLOCKS};line-height:1.2;overflow-x:auto;margin:.3em 0 1em;padding:0;border:none;background:none"

# These are not to be torn at a blank.
_WHOLE: tuple[Kind, ...] = ("math", "shape")
# How a style of the terminal looks here. Red and green that are read on white and on black.
_STYLES = {
    "title": "font-weight:bold",
    "math": _MONOSPACE,
    "shape": _MONOSPACE,
    "muted": "opacity:.7",
    "good": "font-weight:bold;color:#2a9d4a",
    "bad": "font-weight:bold;color:#e0483e",
    "warning": "font-weight:bold",
    "lit": "font-weight:bold;background:rgba(255,190,0,.35)",
}

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.45 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }}
table, pre {{ break-inside: avoid; }}
</style>
</head>
<body>
{fragment}</body>
</html>
"""


def render_html(document: Document, *, precision: int = 4) -> str:
    """The document as a fragment of HTML to be put into a page; figures stand as text."""
    # A notebook is not to take $…$ for mathematics.
    return "\n".join(
        ('<div class="rnncalc tex2jax_ignore mathjax_ignore">', *_html_lines(document, precision), "</div>\n")
    )


def html_page(fragment: str, title: str) -> str:
    """A whole page around fragments of HTML; `title` is text."""
    return _PAGE.format(title=_escaped(title), fragment=fragment)


def _html_lines(document: Document, precision: int) -> Iterator[str]:
    for block in document.blocks:
        match block:
            case Table(title):
                # No caption: a long one would make its table wider.
                if title:
                    yield _element("p", _TITLE, _escaped(title))
                # What is too wide is moved sideways, and the page is not.
                yield '<div style="overflow-x:auto">'
                yield from _table(block, precision)
                yield "</div>"
            case Text(lines, style, title):
                if title:
                    yield _element("p", _TITLE, _escaped(title))
                if lines:
                    yield _element("p", f"{_PARAGRAPH};{_css(style)}", "<br>".join(map(_line, lines)))
            case Figure(title, draw):
                if title:
                    yield _element("p", _TITLE, _escaped(title))
                drawn = "\n".join(map(_spans, draw(Layout(_FIGURE_WIDTH, precision))))
                yield _element("pre", _FIGURE, drawn)


def _table(table: Table, precision: int) -> Iterator[str]:
    columns = table.columns
    yield f"<table style='{_TABLE}'>"
    headings = (_heading(column) for column in columns)
    yield f"<thead><tr style='{_row(f'border-bottom:{_RULE}')}'>{''.join(headings)}</tr></thead>"
    yield "<tbody>"
    for row in table.rows:
        cells = (_cell(value, column, precision) for value, column in zip(row, columns, strict=True))
        yield f"<tr style='{_row()}'>{''.join(cells)}</tr>"
    yield "</tbody>"
    if table.total is not None:
        cells = (
            _cell(value, column, precision, ";font-weight:bold")
            for value, column in zip(table.total, columns, strict=True)
        )
        yield f"<tfoot><tr style='{_row(f'border-top:{_RULE}')}'>{''.join(cells)}</tr></tfoot>"
    yield "</table>"


def _row(style: str = "") -> str:
    return f"background:transparent;{style}"


def _heading(column: Column) -> str:
    style = f"{_CELL};text-align:{_side(column)};vertical-align:bottom;font-weight:bold;{_css(column.heading_kind)}"
    return _element('th scope="col"', style, _escaped(column.heading))


def _cell(value: Value, column: Column, precision: int, more: str = "") -> str:
    text = write_value(value, column.kind, precision)
    whole = ";white-space:nowrap" if column.kind in _WHOLE else ""
    style = f"{_CELL};text-align:{_side(column)}{whole}{more};{_css(_style_of(text, column.kind))}"
    return _element("td", style, _escaped(text))


def _style_of(text: str, kind: Kind) -> str:
    return kind if kind != "verdict" else ("good" if text.startswith(("✓", "met")) else "bad")


def _side(column: Column) -> str:
    return "right" if column.kind in RIGHT else "left"


def _line(line: str) -> str:
    """A line of a paragraph; a command to be pasted looks like one."""
    for start in (AGAIN, COUNT_FIRST):
        if line.startswith(start):
            command = _element("code", f"{_MONOSPACE};background:none", _escaped(line.removeprefix(start)))
            return f"{_escaped(start)}{command}"
    return _escaped(line)


def _spans(line: Line) -> str:
    """A line of a figure; blanks at its end are nothing to see."""
    *head, (last, style) = line or [("", "")]
    parts = ((_escaped(text), _css(style)) for text, style in (*head, (last.rstrip(), style)))
    return "".join(_element("span", css, text) if css and text else text for text, css in parts)


def _css(style: str) -> str:
    return ";".join(filter(None, (_STYLES.get(name, "") for name in style.split())))


def _element(tag: str, style: str, content: str) -> str:
    return f"<{tag} style='{style.strip(';')}'>{content}</{tag.partition(' ')[0]}>"


def _escaped(text: str) -> str:
    return escape(printable(text))
