"""The quiz in a terminal: a pseudo-terminal that is typed into and read."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from types import TracebackType

import pytest

from tests.commandline import RNNCALC, calc, environment

SHAPES = ("--topic", "shape", "--questions", "2", "--seed", "5")
# What sets a terminal's colours, its title or its ways.
ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>])")
_PATIENCE = 30.0
# Makes the terminal the one whose Ctrl-C interrupts, then becomes the command.
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """`rnncalc args` in a terminal of 80 columns."""

    def __init__(self, *args: str, rows: int = 100, **changes: str) -> None:
        self._own, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 80, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_TERMINAL, RNNCALC, *args],
            stdin=other, stdout=other, stderr=other, start_new_session=True,
            env=environment(**{"TERM": "xterm", "LINES": str(rows), **changes}),
        )  # fmt: skip
        os.close(other)
        self.raw = ""
        self._read = 0

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._own)

    def expect(self, text: str) -> str:
        """What is on the screen from where the last call ended to the end of `text`, which must come."""
        end = time.monotonic() + _PATIENCE
        while True:
            shown = ESCAPE.sub("", self.raw).replace("\r", "")[self._read :]
            if text in shown:
                found = shown[: shown.index(text) + len(text)]
                self._read += len(found)
                return found
            assert time.monotonic() < end, f"{text!r} did not come: {shown!r}"
            assert self._receive(), f"ended without {text!r}: {shown!r}"

    def _receive(self) -> bool:
        if not select.select([self._own], [], [], 1)[0]:
            return True
        try:
            piece = os.read(self._own, 65536)
        except OSError as error:
            # How Linux says that nobody has the other end any more.
            if error.errno == errno.EIO:
                return False
            raise
        self.raw += piece.decode(errors="replace")
        return bool(piece)

    def type(self, text: bytes) -> None:
        """Type it, without Enter."""
        os.write(self._own, text)

    def answer(self, text: str) -> None:
        """Type it at the next prompt."""
        self.expect("\n> ")
        self.type(f"{text}\n".encode())

    def end(self) -> tuple[int, str]:
        """The exit status, and what is on the screen since the last call."""
        end = time.monotonic() + _PATIENCE
        while self._receive():
            assert time.monotonic() < end, f"it does not end: {self.raw[-300:]!r}"
        return self._process.wait(timeout=_PATIENCE), ESCAPE.sub("", self.raw).replace("\r", "")[self._read :]


def expected() -> list[str]:
    listed = calc("quiz", "--json", *SHAPES).out
    return re.findall(r'"expected": "([^"]*)"', listed)


def test_right_and_wrong_answers_and_the_score() -> None:
    first, second = expected()
    with Terminal("quiz", *SHAPES) as terminal:
        assert "2 questions, seed 5." in terminal.expect("Question 1 of 2: shape")
        terminal.answer(first)
        terminal.expect("✓ Right.")
        terminal.expect("Question 2 of 2")
        terminal.answer("97,89")
        terminal.expect("✗ ")
        terminal.expect(f"The right answer: {second}")
        status, rest = terminal.end()
    assert status == 0
    assert re.search(r"^total +1 +2$", rest, re.MULTILINE)
    assert "To practise: rnncalc quiz --topic shape\n" in rest
    assert rest.endswith("Again: rnncalc quiz --seed 5 --topic shape --questions 2\n")


def test_what_cannot_be_read_is_asked_again() -> None:
    first, _ = expected()
    with Terminal("quiz", *SHAPES) as terminal:
        terminal.answer("three by four")
        terminal.expect("Write a shape in numbers")
        terminal.answer("\x02\udcff".encode(errors="surrogateescape").decode("latin-1"))
        terminal.expect("Write a shape in numbers")
        terminal.answer(first)
        terminal.expect("✓ Right.")


@pytest.mark.parametrize("sign", ["", "?"])
def test_a_hint_says_how_an_answer_is_written(sign: str) -> None:
    with Terminal("quiz", *SHAPES) as terminal:
        terminal.expect("Type a shape, as in 3,4.")
        terminal.answer(sign)
        terminal.expect("Type a shape, as in 3,4.")
        terminal.expect("? is a hint, skip goes on, q ends.")
        terminal.answer("skip")
        terminal.expect("The right answer: ")
        terminal.expect("Question 2 of 2")
        terminal.answer("q")
        status, rest = terminal.end()
    assert (status, "No question was answered." in rest) == (0, True)


@pytest.mark.parametrize("leave", [b"q\n", b"\x04"], ids=["q", "Ctrl-D"])
def test_leaving_early_gives_the_score_so_far(leave: bytes) -> None:
    first, _ = expected()
    with Terminal("quiz", *SHAPES) as terminal:
        terminal.answer(first)
        terminal.expect("Question 2 of 2")
        terminal.expect("\n> ")
        terminal.type(leave)
        status, rest = terminal.end()
    assert status == 0
    assert re.search(r"^total +1 +1$", rest, re.MULTILINE)
    assert "1 of 2 questions without an answer." in rest


def test_the_next_question_waits_where_it_would_push_the_last_answer_out_of_sight() -> None:
    with Terminal("quiz", *SHAPES, rows=12) as terminal:
        terminal.answer("97,89")
        derived = terminal.expect("Enter goes on. ")
        assert "Question 2" not in derived
        terminal.type(b"\n")
        terminal.expect("Question 2 of 2")
    with Terminal("quiz", *SHAPES, rows=12) as terminal:
        terminal.answer("97,89")
        terminal.expect("Enter goes on. ")
        terminal.type(b"q\n")
        status, rest = terminal.end()
    assert status == 0
    assert "Question 2" not in rest
    assert "1 of 2 questions without an answer." in rest


def test_ctrl_c_ends_with_130_on_a_line_of_its_own() -> None:
    with Terminal("quiz", *SHAPES) as terminal:
        terminal.expect("\n> ")
        terminal.type(b"3,")
        terminal.expect("3,")
        # A signal just before Python waits for the next key is seen with that key.
        time.sleep(0.3)
        terminal.type(b"\x03")
        status, rest = terminal.end()
    assert status == 130
    assert "Traceback" not in rest
    assert rest.endswith("\n")


def test_without_colour_nothing_is_coloured() -> None:
    with Terminal("quiz", *SHAPES, NO_COLOR="1") as terminal:
        terminal.answer("97,89")
        terminal.expect("Question 2")
        terminal.answer("q")
        terminal.end()
    # Bold and dim are no colours.
    assert {code for codes in re.findall(r"\x1b\[([0-9;]*)m", terminal.raw) for code in codes.split(";")} <= {
        "0",
        "1",
        "2",
    }


@pytest.mark.parametrize("level", ["1", "2", "3"])
def test_no_line_is_wider_than_80_columns(level: str) -> None:
    with Terminal("quiz", "--level", level, "--seed", "1") as terminal:
        for number in range(1, 11):
            terminal.expect(f"Question {number} of 10")
            terminal.answer("skip")
        terminal.end()
    lines = ESCAPE.sub("", terminal.raw).replace("\r", "").split("\n")
    assert not [line for line in lines if len(line) > 80]


def test_a_terminal_whose_output_goes_elsewhere_is_asked_nothing() -> None:
    own, other = pty.openpty()
    try:
        done = subprocess.run(
            [RNNCALC, "quiz", *SHAPES], stdin=other, capture_output=True, env=environment(), check=False, timeout=60
        )
    finally:
        os.close(own)
        os.close(other)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == calc("quiz", *SHAPES).out.removeprefix("\n")
