"""The same page with and without colours, and without Rich where none are asked for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.commandline import calc, environment, process

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
