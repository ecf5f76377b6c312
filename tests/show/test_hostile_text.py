"""Text from files and arguments is shown escaped or plain; no terminal, renderer or parser acts on it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.commandline import calc, refused

ESC, BIDI, BELL = "\x1b[31m", "\u202e", "\x07"
WORDS = [
    f"a{ESC}b",
    f"c{BIDI}d",
    "[red]x[/]",
    "[link=http://evil]y[/link]",
    ":smile:",
    "p|q",
    "\\frac{1}",
    "$x_1$",
    "<b>",
]
TOML = (
    "d_out = 0\nd_h = 2\n"
    f"title = {json.dumps(' '.join(WORDS))}\nsource = {json.dumps(' '.join(WORDS))}\n"
    f"note = {json.dumps(' '.join(WORDS) + chr(10) + 'rnncalc: second line' + BELL)}\n"
    f"text = {json.dumps(' '.join(WORDS))}\n[embedding]\n"
    + "".join(f"{json.dumps(word)} = [1.0, 0.5]\n" for word in WORDS)
)
FORMATS = ("table", "json", "csv", "markdown", "latex")


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / f"m{ESC}{BIDI}[red].toml"
    path.write_text(TOML, "utf-8")
    return str(path)


def harmless(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text)


@pytest.mark.parametrize("command", ["trace", "gradient-decay", "shapes", "params"])
@pytest.mark.parametrize("form", FORMATS)
def test_no_control_character_comes_through(command: str, form: str, model: str) -> None:
    result = calc(command, "--model", model, "--format", form)
    assert result.status == 0, result.err
    assert harmless(result.out)
    if form in ("table", "markdown", "latex") and command == "trace":
        assert "x1b" in result.out
        assert "u202e" in result.out
        assert "smile:" in result.out


@pytest.mark.parametrize("width", [40, 200])
def test_markup_and_emoji_codes_are_shown_and_not_obeyed(model: str, width: int) -> None:
    out = calc("trace", "--model", model, columns=width).out
    for word in ("[red]x[/]", ":smile:", "p|q", "$x_1$", "<b>"):
        assert word in out
    assert "\nrnncalc: second line" not in out


def test_words_come_back_from_json_as_they_went_in(model: str) -> None:
    document = json.loads(calc("trace", "--model", model, "--json").out)
    assert [step["word"] for step in document["steps"]] == WORDS


def test_svg_shows_them_too(model: str, tmp_path: Path) -> None:
    path = tmp_path / "t.svg"
    assert calc("trace", "--model", model, "--output", str(path)).status == 0
    text = path.read_text("utf-8")
    assert harmless(text)
    root = ElementTree.fromstring(text)
    said = "".join(root.itertext()).replace("\xa0", " ")
    assert "[link=http://evil]y[/link]" in said
    assert not list(root.iter("{http://www.w3.org/2000/svg}a"))
    assert "href" not in text


def test_markdown_escapes_what_a_renderer_would_obey(model: str) -> None:
    out = calc("trace", "--model", model, "--format", "markdown").out
    row, *_ = re.findall(r"^\| 6 \|.*$", out, re.MULTILINE)
    assert row.startswith("| 6 | p\\|q |")
    assert "<b>" not in out.replace("\\<b", "")
    assert not re.search(r"(?<!\\)\$", out)
    assert not re.search(r"(?<!\\):(?=[a-z/])", re.sub(r"```.*?```", "", out, flags=re.DOTALL))


def test_latex_escapes_what_tex_would_obey(model: str) -> None:
    out = calc("trace", "--model", model, "--format", "latex").out
    assert "\\frac" not in out
    assert r"\textbackslash{}frac\{1\}" in out
    assert r"\$x\_1\$" in out


@pytest.mark.parametrize(
    ("args", "status"),
    [
        (("trace", "--model", f"no{ESC}{BIDI}\nfile.toml"), 1),
        (("trace", "--sequence", f"@no{ESC}{BIDI}\nfile"), 1),
        (("trace", "--sequence", f"1,{ESC}{BIDI}\n2"), 1),
        (("trace", "--h0", f"{ESC}{BIDI}"), 1),
        (("trace", "--format", f"a{ESC}\nb{BIDI}"), 2),
        (("trace", "--example", f"a{ESC}\nb{BIDI}"), 2),
        (("shapes", "--got", f"W{ESC}\n{BIDI}=3"), 2),
        (("shapes", f"--x{ESC}\ny{BIDI}"), 2),
        ((f"shapes{ESC}\n{BIDI}",), 2),
        (("shapes", f"more{ESC}\n{BIDI}"), 2),
        (("shapes", "--d-h", f"3{ESC}\n{BIDI}"), 2),
        (("gradient-decay", "-r", f"3{ESC}\n{BIDI}"), 2),
        (("shapes", "--output", f"/nowhere{ESC}\n{BIDI}/x.txt"), 1),
    ],
)
def test_error_messages_are_one_harmless_line(args: tuple[str, ...], status: int) -> None:
    assert harmless(refused(*args, status=status))


@pytest.mark.parametrize(
    "entry", ["title = 1", "[weights]\n{} = [[1]]", "[expected]\n{} = 1", "{} = 1", "mode = {}", "x = {"]
)
def test_messages_about_hostile_entries_are_one_harmless_line(entry: str, tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text(entry.replace("{}", json.dumps(f"W{ESC}{BIDI}\n[red]")), "utf-8")
    assert harmless(refused("shapes" if "mode" in entry else "trace", "--model", str(path)))


def test_csv_quotes_what_needs_quotes() -> None:
    out = calc("trace", "--text", 'a"b c,d e', "--format", "csv").out
    assert '\n1,"a""b",' in out
    assert '\n2,"c,d",' in out
