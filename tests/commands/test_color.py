"""What --color makes of tables, pictures and bars; everything else is the same bytes with and without it."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from rnn_calc.show.progress import color_bars, tracked
from tests.commandline import WRITING, calc, process, refused

ESCAPE = "\x1b"
# Each with a heat map, whose colours not every terminal has, and without.
SHOWN = [("shapes", "--d-h", "2"), ("trace", "--d-h", "2", "--steps", "3")]
every_shown = pytest.mark.parametrize("words", SHOWN, ids=" ".join)


def without_escapes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@every_shown
def test_always_is_in_colours_into_a_pipe_and_over_no_color(words: tuple[str, ...]) -> None:
    out = process(*words, "--color", "always", NO_COLOR="1").stdout.decode()
    assert f"{ESCAPE}[1m" in out
    assert f"{ESCAPE}[36m" in out or f"{ESCAPE}[32m" in out


@every_shown
def test_never_has_no_colours_even_where_they_are_forced(words: tuple[str, ...]) -> None:
    forced = process(*words, FORCE_COLOR="1").stdout.decode()
    assert ESCAPE in forced
    assert process(*words, "--color", "never", FORCE_COLOR="1").stdout.decode() == process(*words).stdout.decode()


@every_shown
def test_auto_is_what_it_is_without_the_option(words: tuple[str, ...]) -> None:
    assert process(*words, "--color", "auto").stdout == process(*words).stdout
    assert process(*words, "--color", "auto", FORCE_COLOR="1").stdout == process(*words, FORCE_COLOR="1").stdout


def test_always_takes_as_many_colours_as_the_environment_tells_of() -> None:
    words = ("trace", "--d-h", "2", "--steps", "3", "--color", "always")
    assert f"{ESCAPE}[48;2;" in process(*words, TERM="xterm", COLORTERM="truecolor").stdout.decode()
    assert f"{ESCAPE}[48;5;" in process(*words, TERM="dumb", COLORTERM="").stdout.decode()


def test_colours_change_no_word_of_a_table() -> None:
    plain = calc("shapes").out
    assert without_escapes(calc("shapes", "--color", "always").out) == plain


def test_a_text_file_has_colours_when_they_are_asked_for(tmp_path: Path) -> None:
    for color, has_color in (("always", True), ("auto", False), ("never", False)):
        path = tmp_path / f"{color}.txt"
        assert calc("shapes", "--color", color, "--output", str(path)).status == 0
        assert (ESCAPE in path.read_text("utf-8")) is has_color


def test_a_picture_has_colours_unless_they_are_never_wanted(tmp_path: Path) -> None:
    inks = {}
    for color in ("auto", "always", "never"):
        path = tmp_path / f"{color}.svg"
        assert calc("trace", "--d-h", "2", "--color", color, "--output", str(path)).status == 0
        inks[color] = set(re.findall(r"fill: ?(#[0-9a-f]{6})", path.read_text("utf-8")))
    assert inks["auto"] == inks["always"]
    assert len(inks["auto"]) > len(inks["never"]) == 1


@pytest.mark.parametrize("name", ["json", "csv", "markdown", "latex"])
def test_what_programs_read_has_no_colours(name: str) -> None:
    words = ("shapes", "--d-h", "2", "--format", name)
    assert calc(*words, "--color", "always").out == calc(*words).out


@pytest.mark.parametrize("command", WRITING)
def test_every_command_takes_color_and_names_the_nearest(command: str) -> None:
    said = refused(command, "--color", "nevr", status=2)
    assert said == "There is no colour setting 'nevr'; it must be auto, always or never. Did you mean never?"


def test_messages_are_plain() -> None:
    result = calc("shapes", "--color", "always", "--cell", "lstn")
    assert result.status == 2
    assert ESCAPE not in result.err


@pytest.mark.parametrize("command", ["trace", "bptt", "gradient-decay", "sweep"])
def test_the_command_for_the_same_again_leaves_color_out(command: str) -> None:
    words = [command, "--d-h", "2", "--steps", "3"]
    words += ["--over", "seed=1,2"] if command == "sweep" else []
    lines = [line for line in calc(*words, "--color", "never").out.splitlines() if "rnncalc" in line]
    assert lines
    assert not any("--color" in line for line in lines)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("color", "has_color"), [("auto", True), ("always", True), ("never", False)])
def test_bars_follow(color: str, has_color: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    color_bars(color)
    try:
        assert list(tracked(range(3), "Counting", 3, patience=0.0)) == [0, 1, 2]
    finally:
        color_bars("auto")
    drawn = screen.getvalue()
    assert "Counting" in drawn
    assert (re.search(r"\x1b\[(3[0-9]|9[0-9]|[0-9;]*38;)", drawn) is not None) is has_color
