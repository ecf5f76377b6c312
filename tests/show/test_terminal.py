"""The same page with and without colours, and without Rich where none are asked for."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.commandline import RNNCALC, calc, environment, process

PAGES = [
    ("shapes", "--got", "W_xh=4,3"),
    ("params", "--cell", "lstm", "--convention", "keras", "--d-h", "1000000000000"),
    ("cells",),
    ("compare",),
    ("cost", "--layers", "2", "--bidirectional"),
    ("examples",),
]


@pytest.mark.parametrize("args", PAGES, ids=" ".join)
@pytest.mark.parametrize("width", ["40", "80"])
def test_colours_change_nothing_else(args: tuple[str, ...], width: str) -> None:
    plain = process(*args, COLUMNS=width).stdout.decode()
    colored = process(*args, COLUMNS=width, FORCE_COLOR="1", TERM="xterm-256color").stdout.decode()
    assert "\x1b[" in colored
    without = re.sub(r"\x1b\[[0-9;]*m", "", colored)
    assert [line.rstrip() for line in without.splitlines()] == plain.splitlines()


def on_a_terminal(*args: str, **changes: str) -> list[str]:
    """The lines that `rnncalc args` writes to a terminal of 80 columns."""
    variables = environment(**{"TERM": "xterm-256color", **changes})
    shown = b""
    controller, terminal = pty.openpty()
    with subprocess.Popen([RNNCALC, *args], env=variables, stdin=terminal, stdout=terminal):
        os.close(terminal)
        # The other end of a terminal that nobody has open any more is an error, and not an end.
        with contextlib.suppress(OSError):
            while part := os.read(controller, 65536):
                shown += part
    os.close(controller)
    return shown.decode().splitlines()


@pytest.mark.parametrize("args", [*PAGES, ("trace", "--example", "tiny")], ids=" ".join)
def test_a_terminal_gets_the_colours_that_rich_would_write(args: tuple[str, ...]) -> None:
    by_rich = process(*args, FORCE_COLOR="1", TERM="xterm-256color").stdout.decode().splitlines()
    assert on_a_terminal(*args) == by_rich


def test_a_terminal_without_colours_gets_none() -> None:
    assert "\x1b[3" not in "".join(on_a_terminal("shapes", NO_COLOR="1"))
    assert "\x1b[1m" in "".join(on_a_terminal("shapes", NO_COLOR="1"))
    for name in ("dumb", "unknown"):
        assert "\x1b" not in "".join(on_a_terminal("shapes", TERM=name))


def test_a_total_is_bold_and_keeps_its_colour() -> None:
    colored = process("params", FORCE_COLOR="1", TERM="xterm-256color").stdout.decode()
    (total,) = [line for line in colored.splitlines() if line.endswith("32\x1b[0m") and "d_h²" not in line]
    assert total.startswith("\x1b[1;36mtotal\x1b[0m ")
    assert total.endswith(" \x1b[1m32\x1b[0m")


@pytest.mark.parametrize("args", PAGES[1:5], ids=" ".join)
def test_a_plain_page_is_made_without_rich(args: tuple[str, ...]) -> None:
    code = "import sys\nfrom rnn_calc.cli import run\nstatus = run(sys.argv[1:])\nassert not status\n"
    code += "assert 'rich' not in sys.modules, 'rich'"
    subprocess.run([sys.executable, "-c", code, *args], env=environment(), stdout=subprocess.DEVNULL, check=True)


def test_columns_give_the_width_and_a_page_without_any_has_80() -> None:
    widths = {}
    for columns in ("40", "100", "0", "²", "many", ""):
        done = process("cells", COLUMNS=columns)
        widths[columns] = max(map(len, done.stdout.decode().splitlines()))
    assert widths["40"] <= 40 < widths["0"] <= 80 < widths["100"] <= 100
    assert widths["²"] == widths["many"] == widths[""] == widths["0"]


def test_a_picture_holds_the_words_of_the_page(tmp_path: Path) -> None:
    path = tmp_path / "t.svg"
    assert calc("shapes", "--output", str(path)).status == 0
    drawn = " ".join(ElementTree.fromstring(path.read_text("utf-8")).itertext()).replace("\xa0", " ").split()
    assert [word for word in calc("shapes", columns=100).out.split() if word not in drawn] == []
