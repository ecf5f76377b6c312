"""Pages of every width: no number is cut short or folded, colours come and go as they are asked for."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.commandline import RNNCALC, calc, environment, process

TABLES = [
    ("shapes", "--d-in", "1000000", "--d-h", "123456789", "--steps", "1000", "--batch", "64", "--got", "W_xh=4,3"),
    ("shapes", "--convention", "wx", "--mode", "seq2seq", "--steps", "7"),
    ("params", "--d-h", "1000000000"),
    ("params", "--d-h", "1000000000000000000", "--convention", "keras"),
    ("trace", "--d-h", "7", "--precision", "12", "--steps", "3"),
    ("trace", "--example", "cat-sat-here", "--precision", "17"),
    ("trace", "--example", "two-step"),
    ("examples",),
]
# A number or a shape's number, with everything that belongs to it.
NUMBER = re.compile(r"(?<![\w.])-?\d[\d,.]*(?:e[+-]\d+)?")


def numbers(text: str) -> set[str]:
    """All numbers but those of pictures, whose size follows the page."""
    tables = re.split(r"^The memory as a picture", text, maxsplit=1, flags=re.MULTILINE)[0]
    # What is folded at a blank is no other number.
    return {number.rstrip(",.") for number in NUMBER.findall(tables)}


@pytest.mark.parametrize("args", TABLES, ids=" ".join)
@pytest.mark.parametrize("width", [30, 40, 60, 80])
def test_a_narrow_page_shows_the_same_numbers(args: tuple[str, ...], width: int) -> None:
    wide, narrow = numbers(calc(*args, columns=200).out), numbers(calc(*args, columns=width).out)
    assert len(wide) > 4
    assert wide <= narrow | {"000"}
    assert narrow <= wide


@pytest.mark.parametrize(
    "args", [*TABLES[1:], ("trace", "--explain", "--d-in", "30"), ("gradient-decay",)], ids=" ".join
)
@pytest.mark.parametrize("width", [80, 200])
def test_no_line_is_wider_than_the_page_but_a_command_to_paste(args: tuple[str, ...], width: int) -> None:
    for line in calc(*args, columns=width).out.splitlines():
        assert len(line) <= width or line.startswith("Again: "), line


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_command_to_paste_is_one_line(columns: int) -> None:
    out = calc("gradient-decay", "--d-h", "5", "--spectral-radius", "0.5,1.5", columns=columns).out
    (line,) = [line for line in out.splitlines() if line.startswith("Again: ")]
    assert line.endswith("--steps 50 --spectral-radius 0.5,1.5")


def test_no_line_ends_in_a_blank() -> None:
    for args in TABLES:
        assert not re.search(r" $", calc(*args).out, re.MULTILINE)


def test_colour_is_for_terminals_unless_it_is_forced() -> None:
    assert b"\x1b[" not in process("trace").stdout
    assert b"\x1b[" in process("trace", FORCE_COLOR="1").stdout
    assert b"\x1b[3" not in process("trace", FORCE_COLOR="1", NO_COLOR="1").stdout


def test_programs_get_no_colour_even_when_it_is_forced() -> None:
    for form in ("json", "csv", "markdown", "latex"):
        assert b"\x1b" not in process("trace", "--format", form, FORCE_COLOR="1").stdout


def test_an_ascii_drawing_is_aligned() -> None:
    out = process("shapes", "--unroll", "3", PYTHONIOENCODING="ascii").stdout.decode("ascii")
    drawn = out[out.index("The network unrolled") :].splitlines()[1:]
    (chain,) = [line for line in drawn if "h_0" in line]
    arrows = [match.start() for match in re.finditer(r"\^", "\n".join(drawn))]
    assert "->" in chain
    assert arrows
    cells = [match.start() + 3 for match in re.finditer(r"\[ rnn \]", chain)]
    for line in drawn:
        found = [match.start() for match in re.finditer(r"\^", line)]
        assert found in ([], cells)


def test_without_colour_on_a_terminal_the_picture_and_the_curves_are_told_apart_by_characters() -> None:
    code = (
        "import os, pty, sys\n"
        "pid, descriptor = pty.fork()\n"
        "if pid == 0:\n"
        "    os.execvp(sys.argv[1], sys.argv[1:])\n"
        "shown = b''\n"
        "try:\n"
        "    while part := os.read(descriptor, 65536):\n"
        "        shown += part\n"
        "except OSError:\n"
        "    pass\n"
        "os.waitpid(pid, 0)\n"
        "sys.stdout.buffer.write(shown)\n"
    )

    def on_a_terminal(*args: str, **changes: str) -> str:
        variables = environment(TERM="xterm-256color", **changes)
        command = [sys.executable, "-c", code, RNNCALC, *args]
        return subprocess.run(command, env=variables, capture_output=True, check=True).stdout.decode()

    picture = on_a_terminal("trace", "--example", "tiny", NO_COLOR="1").split("picture")[1]
    assert "▓" in picture
    assert "\x1b[48" not in picture
    curves = on_a_terminal("gradient-decay", "-r", "0.5,1", NO_COLOR="1").split("some lags")[0]
    assert "++ ρ = 0.5   xx ρ = 1" in curves
    assert "\x1b[48" in on_a_terminal("trace", "--example", "tiny").split("picture")[1]
