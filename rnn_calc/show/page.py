"""A document as the lines of a page, each made of spans of text with the names of their styles.

Without Rich, which would more than double what a short command takes of its own: only colours and pictures need it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from rnn_calc.core.errors import printable
from rnn_calc.show.columns import Part, fit_table
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
    Span,
    Table,
    Text,
    Value,
)
from rnn_calc.show.folding import cell_len, fold, fold_line
from rnn_calc.show.format import to_ascii, write_value

Clean = Callable[[str], str]


def page_lines(document: Document, layout: Layout, *, fold_commands: bool = False) -> Iterator[Line]:
    """The lines of the page; only a figure's, a command to be pasted and what cannot be folded may be wider than it.

    `fold_commands` folds commands too: a picture is cut at its edge.
    """

    def clean(text: str) -> str:
        text = to_ascii(text) if layout.ascii else text
        return text if text.isprintable() else printable(text)

    for index, block in enumerate(document.blocks):
        if index:
            yield []
        match block:
            case Table():
                for number, part in enumerate(fit_table(block, layout, clean)):
                    if number:
                        yield []
                    yield from _folded(clean(part.table.title), layout, "title")
                    yield from (_table if part.widths else _stacked)(part, layout, clean)
            case Text(lines, style, title):
                if title:
                    yield from _folded(clean(title), layout, "title")
                for line in lines:
                    if line.startswith((AGAIN, COUNT_FIRST)) and not fold_commands:
                        # A command to be pasted stays one line: what a terminal folds, copying unfolds.
                        yield [(clean(line), style)]
                    elif style == "math":
                        for text in _folded_formula(clean(line), layout.width):
                            yield from _folded(text, layout, style)
                    else:
                        yield from _folded(clean(line), layout, style)
            case Figure(title, draw):
                if title:
                    yield from _folded(clean(title), layout, "title")
                for drawn in draw(layout):
                    yield [(text if style == "ansi" else clean(text), style) for text, style in drawn]


def _folded(text: str, layout: Layout, style: str) -> Iterator[Line]:
    for line in fold(text, layout.width):
        yield [(line, style)]


def _folded_formula(formula: str, width: int) -> list[str]:
    """A long formula over several lines, those after its first set in, so that each equation is seen to begin."""
    if len(formula) <= width:
        return [formula]
    from textwrap import wrap

    lead = formula[: len(formula) - len(formula.lstrip())]
    return wrap(
        formula.strip(),
        width,
        initial_indent=lead,
        subsequent_indent=f"{lead}    ",
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


def _table(part: Part, layout: Layout, clean: Clean) -> Iterator[Line]:
    """The headings, a rule beneath them, the rows, and the total set apart by a rule or an empty line."""
    table, widths = part
    vertical, rule, crossing = ("|", "-", "+") if layout.ascii else (" ", "─", "─")
    columns = table.columns

    def across(mark: str, crossing: str) -> Line:
        return [(f"{mark}{crossing}{mark}".join(mark * width for width in widths), "")]

    def row(spans: Iterable[Span], *, bottom: bool = False) -> Iterator[Line]:
        return _side_by_side(list(spans), part, f" {vertical} ", bottom=bottom)

    yield from row(((clean(column.heading), "title") for column in columns), bottom=True)
    yield across(rule, crossing)
    for values in table.rows:
        yield from row(_cell(value, column, layout, clean) for value, column in zip(values, columns, strict=True))
    if table.total is not None:
        if table.rows:
            yield across("-", "+") if layout.ascii else []
        cells = (_cell(value, column, layout, clean) for value, column in zip(table.total, columns, strict=True))
        yield from row((text, f"title {style}") for text, style in cells)


def _side_by_side(cells: list[Span], part: Part, gap: str, *, bottom: bool) -> Iterator[Line]:
    """One row, over as many lines as its highest cell needs; `bottom`: the last lines stand beside one another."""
    folded = [fold(text, width) for (text, _), width in zip(cells, part.widths, strict=True)]
    height = max(map(len, folded))
    for number in range(height):
        line: Line = []
        for texts, (_, style), column, width in zip(folded, cells, part.table.columns, part.widths, strict=True):
            at = number - (height - len(texts) if bottom else 0)
            text = texts[at] if 0 <= at < len(texts) else ""
            blanks = " " * (width - cell_len(text))
            if line:
                line.append((gap, ""))
            line += [(blanks, ""), (text, style)] if column.kind in RIGHT else [(text, style), (blanks, "")]
        yield line


def _stacked(part: Part, layout: Layout, clean: Clean) -> Iterator[Line]:
    """The table with each row's cells below one another: for a page too narrow for its numbers side by side."""
    table = part.table
    for row in (*table.rows, *(() if table.total is None else (table.total,))):
        for index, (value, column) in enumerate(zip(row, table.columns, strict=True)):
            text, style = _cell(value, column, layout, clean)
            if not text:
                continue
            heading = f"{column.heading} " if column.heading else ""
            label = clean(heading if index == 0 else f"  {heading}")
            line = [(label, "title" if index == 0 else "muted"), (text, style)]
            # A word wider than the page is not folded: the terminal's own fold is one that copying undoes.
            whole = max(map(len, text.split()), default=0) > layout.width
            yield from [line] if whole else fold_line(line, layout.width)


def _cell(value: Value, column: Column, layout: Layout, clean: Clean) -> Span:
    kind: Kind = column.kind
    style = kind if kind != "verdict" else ("good" if str(value).startswith(("✓", "met")) else "bad")
    return clean(write_value(value, kind, layout.precision)), style
