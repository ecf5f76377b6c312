"""Reports as HTML: well-formed, complete, and nothing in them acts or is loaded."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rnn_calc.core.errors import printable
from rnn_calc.show.document import AGAIN, Column, Document, Figure, Layout, Line, Magnitude, Table, Text
from rnn_calc.show.html import html_page, render_html
from tests.commandline import calc, refused
from tests.show.test_formats import CASES
from tests.show.test_hostile_text import BIDI, ESC, TOML, WORDS

VOID = {"br", "meta"}


class Page(HTMLParser):
    """What a browser would see: every element with its attributes, and the cells of every table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data


# What export writes to a file are weights.
each_case = pytest.mark.parametrize("args", [case for case in CASES if case[0] != "export"], ids=" ".join)


@each_case
def test_a_page_is_well_formed_and_loads_nothing(args: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "t.html"
    assert calc(*args, "--output", str(path)).status == 0
    page = Page(path.read_text("utf-8"))
    allowed = {
        *("html", "head", "meta", "title", "style", "body", "div", "p", "br", "code", "span", "pre"),
        *("table", "thead", "tbody", "tfoot", "tr", "th", "td"),
    }
    assert {tag for tag, _ in page.elements} <= allowed
    assert {name for _, attributes in page.elements for name in attributes} <= {
        *("lang", "charset", "name", "content", "class", "style", "scope"),
    }
    assert "url(" not in path.read_text("utf-8")
    assert page.tables or "pre" in {tag for tag, _ in page.elements} or args == ("examples", "cat-sat-here")
    for table in page.tables:
        assert len(table) > 1
        assert {len(row) for row in table} == {len(table[0])}


def test_the_table_is_that_of_the_terminal() -> None:
    text = (
        Text(("convention xh",), "muted", "rnn"),
        Table("Parameters", (Column("symbol", "math"), Column("count", "count")), (("W_xh", 1200),), ("total", 1234)),
        Table("Norms", (Column("", "text"), Column("norm", "number")), (("x", 0.5), ("y", Magnitude(-400.0)))),
    )
    page = Page(render_html(Document(text), precision=2))
    assert page.tables == [
        [["symbol", "count"], ["W_xh", "1,200"], ["total", "1,234"]],
        [["", "norm"], ["x", "0.50"], ["y", "1.0e-400"]],
    ]
    assert "rnn" in page.text
    assert "Parameters" in page.text
    cells = [attributes["style"] or "" for tag, attributes in page.elements if tag in ("th", "td")]
    sides = [re.findall(r"text-align:(\w+)", style) for style in cells]
    assert sides == [["left"], ["right"]] * 6


def test_a_figure_keeps_its_blanks_and_has_no_colour() -> None:
    asked: list[Layout] = []

    def draw(layout: Layout) -> list[Line]:
        asked.append(layout)
        return [[("  a", ""), (" <b> ", "muted")], [], [("   c   ", "title")]]

    page = Page(render_html(Document((Figure("drawn", draw),)), precision=7))
    (layout,) = asked
    assert (layout.precision, layout.ascii, layout.color) == (7, False, False)
    assert 80 <= layout.width <= 100
    assert "  a <b>\n\n   c" in page.text


def test_a_formula_keeps_what_it_is_set_in_by_and_a_command_is_marked() -> None:
    page = Page(render_html(Document((Text(("  h = tanh(z)", f"{AGAIN}rnncalc trace"), "math"),))))
    (style,) = [attributes["style"] for tag, attributes in page.elements if tag == "p"]
    assert style is not None
    assert "white-space:pre-wrap" in style
    assert "monospace" in style
    assert "code" in {tag for tag, _ in page.elements}
    assert f"{AGAIN}rnncalc trace" in page.text


def test_hostile_text_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    model = tmp_path / f"m{ESC}{BIDI}[red].toml"
    model.write_text(TOML, "utf-8")
    path = tmp_path / "t.html"
    assert calc("trace", "--model", str(model), "--output", str(path)).status == 0
    content = path.read_text("utf-8")
    assert all(char.isprintable() or char == "\n" for char in content)
    page = Page(content)
    for word in WORDS:
        assert any(printable(word) == cell for table in page.tables for row in table for cell in row), word


HOSTILE = "</td></style><script>alert(1)</script><img src=x onerror='alert(2)'>\"'&amp;\x1b[31m"


def test_no_part_of_a_document_can_become_markup() -> None:
    blocks = (
        Text((HOSTILE, f"{AGAIN}{HOSTILE}"), HOSTILE, HOSTILE),
        Table(
            HOSTILE,
            (Column(HOSTILE, "math", "math"), Column(HOSTILE, "verdict")),
            ((HOSTILE, HOSTILE),),
            (HOSTILE,) * 2,
        ),
        Figure(HOSTILE, lambda _: [[(HOSTILE, HOSTILE), (HOSTILE, "title")]]),
    )
    page = Page(html_page(render_html(Document(blocks)), HOSTILE))
    assert not {"script", "img"} & {tag for tag, _ in page.elements}
    assert not {"src", "onerror"} & {name for _, attributes in page.elements for name in attributes}
    assert page.text.count(printable(HOSTILE)) == 1 + 3 + 7 + 3


def test_html_is_for_files() -> None:
    assert "add --output NAME.html" in refused("shapes", "--format", "html", status=2)


def test_the_format_can_be_told_where_the_name_does_not(tmp_path: Path) -> None:
    named, told = tmp_path / "a.html", tmp_path / "b.htm"
    assert calc("params", "--output", str(named)).status == 0
    assert calc("params", "--format", "html", "--output", str(told)).status == 0
    assert named.read_bytes() == told.read_bytes()
    assert Page(named.read_text("utf-8")).tables[0][-1][-1] == "32"
