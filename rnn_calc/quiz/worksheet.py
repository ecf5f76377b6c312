"""A quiz on paper: the questions with room for answers, and the key, as whole Markdown, LaTeX or HTML files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rnn_calc.quiz.listing import Quiz
from rnn_calc.show.document import Block, Document, Text

# The format of each suffix.
WORKSHEETS = {".md": "markdown", ".tex": "latex", ".html": "html"}

_TITLE = "Quiz on recurrent networks"
_LINE = "_" * 40

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
    body = render_latex(document, precision=precision).rstrip().replace(r"\_" * len(_LINE), r"\rule{70mm}{0.4pt}")
    return _TEX.replace("TITLE", title).replace("BODY", body)
