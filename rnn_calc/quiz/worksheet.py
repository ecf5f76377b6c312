"""A quiz on paper: the questions with room for answers, and the key, as whole Markdown, LaTeX or HTML files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from rnn_calc.quiz.listing import Quiz
from rnn_calc.show.document import Block, Document, Table, Text
from rnn_calc.show.format import write_value

# The format of each suffix.
WORKSHEETS = {".md": "markdown", ".tex": "latex", ".html": "html"}

_TITLE = "Quiz on recurrent networks"
_LINE = "_" * 40
# Characters beside one another in a table, about; with more of them it would stand out into the margin.
_PAPER_WIDTH = 84

_TEX = """\
\\documentclass[11pt]{article}
\\usepackage[margin=25mm]{geometry}
\\usepackage{booktabs}
\\setlength{\\parindent}{0pt}
\\setlength{\\parskip}{4pt}
\\sloppy
\\begin{document}
\\section*{TITLE}
BODY
\\end{document}
"""


def key_of(worksheet: str) -> str:
    """The name of the file that the answers go into: beside the questions, `-answers` at the end of its name."""
    path = Path(worksheet)
    return str(path.with_name(f"{path.stem}-answers{path.suffix}"))


def worksheet_text(quiz: Quiz, format_name: str, *, precision: int) -> str:
    """The questions as a whole file of one of the formats `WORKSHEETS`."""
    return _whole(_TITLE, Document(tuple(_worksheet(quiz))), format_name, precision)


def key_text(quiz: Quiz, format_name: str, *, precision: int) -> str:
    """The answers and how they come about, as a whole file of one of the formats `WORKSHEETS`."""
    return _whole(f"{_TITLE}: answers", Document(tuple(_key(quiz))), format_name, precision)


def _worksheet(quiz: Quiz) -> Iterator[Block]:
    yield Text((f"Name: {_LINE}",))
    for number, question in enumerate(quiz.questions, 1):
        yield Text((), title=f"Question {number} ({question.topic}, level {question.level})")
        yield from question.prompt
        yield Text((f"Answer ({question.expected.hint}): {_LINE}",))


def _key(quiz: Quiz) -> Iterator[Block]:
    # Not on the worksheet: who has the seed has the answers.
    yield Text((quiz.again,), "muted")
    for number, question in enumerate(quiz.questions, 1):
        yield Text((f"Answer: {question.expected.written}",), title=f"Question {number} ({question.topic})")
        yield from question.derivation


def _whole(title: str, document: Document, format_name: str, precision: int) -> str:
    if format_name == "html":
        from rnn_calc.show.html import html_page, render_html

        return html_page(f"<h1>{title}</h1>\n{render_html(document, precision=precision)}", title)
    from rnn_calc.show.plain import render_latex, render_markdown

    if format_name == "markdown":
        return f"# {title}\n\n{render_markdown(document, precision=precision)}"
    narrow = Document(tuple(_narrowed(block, precision) for block in document.blocks))
    body = render_latex(narrow, precision=precision).rstrip().replace(r"\_" * len(_LINE), r"\rule{70mm}{0.4pt}")
    return _TEX.replace("TITLE", title).replace("BODY", body)


def _narrowed(block: Block, precision: int) -> Block:
    """A table that no page is wide enough for as lines, which LaTeX breaks: one for each row."""
    if not isinstance(block, Table):
        return block
    rows = (*block.rows, *(() if block.total is None else (block.total,)))
    cells = [
        [write_value(value, column.kind, precision) for value, column in zip(row, block.columns, strict=True)]
        for row in rows
    ]
    headings = [column.heading for column in block.columns]
    if sum(max(map(len, column)) for column in zip(headings, *cells, strict=True)) + 3 * len(headings) <= _PAPER_WIDTH:
        return block
    return Text(tuple(map(partial(_told, headings), cells)), title=block.title)


def _told(headings: list[str], cells: list[str]) -> str:
    """A row in words: W_x: has (4, 5), needs (4, 5), ✓ fits."""
    told = [f"{heading} {cell}".strip() for heading, cell in zip(headings[1:], cells[1:], strict=True) if cell]
    return f"{cells[0]}: {', '.join(told)}"
