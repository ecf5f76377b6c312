"""A document as Markdown, LaTeX or CSV: text to be pasted elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from rnn_calc.core.errors import printable
from rnn_calc.show.document import RIGHT, Column, Document, Figure, Kind, Layout, Table, Text, Value
from rnn_calc.show.format import write_value

_FIGURE_WIDTH = 80


def render_markdown(document: Document, *, precision: int) -> str:
    """The document as GitHub-flavoured Markdown; figures stand in code fences."""
    return "\n".join(_markdown_lines(document, precision))


def _markdown_lines(document: Document, precision: int) -> Iterator[str]:
    for block in document.blocks:
        match block:
            case Table(title, columns, rows, total):
                if title:
                    yield from (f"### {_markdown_text(title)}", "")
                yield _markdown_row(_markdown_text(column.heading) for column in columns)
                yield _markdown_row("---:" if column.kind in RIGHT else "---" for column in columns)
                for row in (*rows, *(() if total is None else (total,))):
                    label = columns if row is not total else _total_columns(columns)
                    yield _markdown_row(_cells(row, label, precision, _markdown_cell))
            case Text(lines, _, title):
                if title:
                    yield from (f"### {_markdown_text(title)}", "")
                yield "  \n".join(map(_markdown_text, lines))
            case Figure(title, draw):
                yield from (f"### {_markdown_text(title)}", "", "```text")
                for line in draw(Layout(_FIGURE_WIDTH, precision)):
                    yield printable("".join(part for part, _ in line)).rstrip()
                yield "```"
        yield ""


def _total_columns(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns of the last row, which begins with the word total whatever the others begin with."""
    return (columns[0]._replace(kind="text"), *columns[1:])


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_text(text: str) -> str:
    # A colon before a letter could begin an emoji's name or end an address's scheme.
    return re.sub(r"([\\|<>*_`\[\]~$]|:(?=\S))", r"\\\1", printable(text).replace("&", "&amp;"))


def _markdown_cell(text: str, kind: Kind) -> str:
    if kind in ("math", "shape") and text not in ("", "–"):
        return f"`{printable(text).replace('|', chr(92) + '|').replace('`', '')}`"
    return _markdown_text(text)


def render_latex(document: Document, *, precision: int) -> str:
    """The document as LaTeX: booktabs tables, formulas in math mode, figures verbatim."""
    head = "% needs \\usepackage{booktabs}\n"
    return head + "\n".join(_latex_lines(document, precision))


def _latex_lines(document: Document, precision: int) -> Iterator[str]:
    for block in document.blocks:
        match block:
            case Table(title, columns, rows, total):
                spec = "".join("r" if column.kind in RIGHT else "l" for column in columns)
                yield f"\\paragraph{{{_latex_text(title)}}}~\\\\"
                yield f"\\begin{{tabular}}{{{spec}}}"
                yield "\\toprule"
                yield " & ".join(_latex_cell(c.heading, c.heading_kind) for c in columns) + r" \\"
                yield "\\midrule"
                for row in rows:
                    yield " & ".join(_cells(row, columns, precision, _latex_cell)) + r" \\"
                if total is not None:
                    yield "\\midrule"
                    yield " & ".join(_cells(total, _total_columns(columns), precision, _latex_cell)) + r" \\"
                yield "\\bottomrule"
                yield "\\end{tabular}"
            case Text(lines, style, title):
                if title:
                    yield f"\\paragraph{{{_latex_text(title)}}}"
                kind: Kind = "math" if style == "math" else "text"
                yield " \\\\\n".join(_latex_cell(line.strip(), kind) for line in lines)
            case Figure(title, draw):
                yield f"\\paragraph{{{_latex_text(title)}}}"
                yield "\\begin{verbatim}"
                for line in draw(Layout(_FIGURE_WIDTH, precision, ascii=True)):
                    yield _latex_verbatim("".join(part for part, _ in line))
                yield "\\end{verbatim}"
        yield ""


_LATEX_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "|": "$|$", "“": "``", "”": "''", "’": "'",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    # The bars of a sparkline.
    **{bar: rf"\rule{{0.4em}}{{{height * 0.2:.1f}ex}}" for height, bar in enumerate("▁▂▃▄▅▆▇█", 1)},
}  # fmt: skip
_LATEX_SIGNS = {
    "²": "^2", "·": r"\cdot ", "×": r"\times ", "−": "-", "–": "-", "…": r"\ldots ", "→": r"\to ", "≤": r"\le ",
    "≥": r"\ge ", "≈": r"\approx ", "∞": r"\infty ", "∂": r"\partial ", "‖": r"\| ", "√": r"\surd ", "δ": r"\delta ",
    "γ": r"\gamma ", "λ": r"\lambda ", "σ": r"\sigma ", "ρ": r"\rho ", "φ": r"\varphi ", "′": "'",
    "±": r"\pm ", "₀": "_0", "₁": "_1", "₂": "_2",
    "⊙": r"\odot ", "←": r"\leftarrow ", "∏": r"\prod ", "ᵀ": r"^{\top}", "½": r"\frac{1}{2}",
    "✓": r"\surd ", "✗": r"\times ", "↑": r"\uparrow ", "↓": r"\downarrow ", "Σ": r"\Sigma ",
}  # fmt: skip


def _latex_text(text: str) -> str:
    # Two hyphens in a row would become a dash.
    text = "".join(
        f"${_LATEX_SIGNS[char]}$" if char in _LATEX_SIGNS else _LATEX_SPECIAL.get(char, char)
        for char in printable(text)
    )
    return text.replace("--", "-{}-").replace("$_1$$_0$", "$_{10}$")


def _latex_signs(text: str) -> str:
    return "".join(_LATEX_SIGNS.get(char, char) for char in text).replace("_1_0", "_{10}")


def _latex_cell(text: str, kind: Kind) -> str:
    if kind in ("number", "vector") and re.fullmatch(r"[-−+0-9.,e\[\]\s∞]+", text):
        # A minus in text would be a hyphen.
        return "$" + re.sub(r"e([+-]?)0*(\d+)", r" \\cdot 10^{\1\2}", _latex_signs(text)).replace("{+", "{") + "$"
    if kind != "math" or not text:
        return _latex_text(text)
    # A raised mark is one thing: a^i(2), h^(1→).
    marked = re.sub(r"\^([a-z]?\([0-9]*[→←]?\)|[a-z])", r"^{\1}", printable(text))
    math = re.sub(r"\[([a-z]+ ?[a-z ]*)\]", _latex_slice, _latex_signs(marked))
    # Framework names (weight_ih_l0, dense.kernel) are code; textbook symbols get their whole subscript.
    math = re.sub(
        r"[A-Za-z]{2,}[\w.]*[_.][\w.]+|\b(?:recurrent_kernel|kernel|bias)\b",
        lambda name: r"\mathtt{" + name[0].replace("_", r"\_") + "}",
        math,
    )
    math = re.sub(r"(?<![\\\w])([A-Za-z])_(\w{2,})", r"\1_{\2}", math)
    math = re.sub(r"\b(tanh)\b", r"\\\1", math)
    math = re.sub(r"\b(relu|sigmoid)\b", r"\\mathrm{\1}", math)
    return f"${math.replace(') ', ') ').replace(' x_', chr(92) + ', x_').replace(' h_', chr(92) + ', h_')}$"


def _latex_slice(brackets: re.Match[str]) -> str:
    """Which part of a stored array: words, whose blanks mathematics would swallow."""
    return r"[\mathrm{" + brackets[1].replace(" ", r"\ ") + "}]"


def _latex_verbatim(text: str) -> str:
    from rnn_calc.show.format import to_ascii

    return printable(to_ascii(text)).rstrip()


def _cells(
    row: Iterable[Value], columns: Iterable[Column], precision: int, write: Callable[[str, Kind], str]
) -> list[str]:
    return [
        write(write_value(value, column.kind, precision), column.kind)
        for value, column in zip(row, columns, strict=True)
    ]


def csv_line(cells: Iterable[object]) -> str:
    """One CSV line: floats in full precision, absence empty, quotes where they are needed."""
    return ",".join(map(_csv_cell, cells)) + "\n"


def _csv_cell(cell: object) -> str:
    if isinstance(cell, float | int):
        return repr(cell)
    text = "" if cell is None else printable(str(cell))
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if any(char in text for char in ',"') else text
