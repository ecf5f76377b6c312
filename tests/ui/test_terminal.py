"""`rnncalc ui` as a process on a terminal: how it begins, and that every way of ending it leaves nothing behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator

import pytest

from tests.commandline import RNNCALC, environment, process, refused
from tests.ui.children import PATIENCE, children, is_alive, wait_until

ALTERNATE_SCREEN, MAIN_SCREEN = b"\x1b[?1049h", b"\x1b[?1049l"
SHOW_CURSOR = b"\x1b[?25h"


class Terminal:
    """A terminal of 80 × 24 with a program on it."""

    def __init__(self, *args: str) -> None:
        self._end, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self._theirs = theirs
        self.before = termios.tcgetattr(theirs)
        kept = {name: value for name, value in environment().items() if name not in ("COLUMNS", "LINES")}
        self.child = subprocess.Popen(
            [RNNCALC, *args],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**kept, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        self.shown = b""

    def read(self) -> None:
        """Take what has been written."""
        ready, _, _ = select.select([self._end], [], [], 0.05)
        if ready:
            with contextlib.suppress(OSError):
                self.shown += os.read(self._end, 65536)

    def type(self, text: bytes) -> None:
        os.write(self._end, text)

    def until(self, text: str) -> None:
        """Nothing, once the text has been written, whatever else stands between its letters."""
        wanted = "".join(text.split())
        deadline = time.monotonic() + PATIENCE
        while wanted not in self.plain:
            assert time.monotonic() < deadline, f"{text!r} is not in {self.plain[-2000:]!r}"
            assert self.child.poll() is None, f"it ended with {self.child.returncode}: {self.plain[-2000:]!r}"
            self.read()

    @property
    def plain(self) -> str:
        """What has been written, without blanks and everything that moves and colours."""
        text = re.sub(rb"\x1b\[[0-9;:?<>=$ ]*[A-Za-z]|\x1b[PX^_\]].*?(?:\x1b\\|\x07)|\x1b.", b"", self.shown)
        return "".join(text.decode("utf-8", "replace").split())

    def ended(self) -> int:
        """The exit status, once it has ended."""
        deadline = time.monotonic() + PATIENCE
        while self.child.poll() is None:
            assert time.monotonic() < deadline, "it goes on"
            self.read()
        for _ in range(3):
            self.read()
        assert self.child.returncode is not None
        return self.child.returncode

    @property
    def is_in_order(self) -> bool:
        """Whether the terminal is as it was: its screen, its cursor, and what it does with keys."""
        return (
            self.shown.rindex(MAIN_SCREEN) > self.shown.rindex(ALTERNATE_SCREEN)
            and SHOW_CURSOR in self.shown[self.shown.rindex(ALTERNATE_SCREEN) :]
            and termios.tcgetattr(self._theirs) == self.before
        )

    def close(self) -> None:
        """Whatever is left."""
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        os.close(self._end)
        os.close(self._theirs)


@contextlib.contextmanager
def terminal(*args: str) -> Iterator[Terminal]:
    """A program on a terminal; when it has ended, so have its processes."""
    found = Terminal(*args)
    try:
        yield found
    finally:
        found.close()


def test_it_is_opened_typed_into_and_quit() -> None:
    with terminal("ui", "--d-h", "5") as screen:
        screen.until("rnncalc shapes --d-h 5")
        processes = children(screen.child.pid)
        assert processes
        screen.type(b"12")
        screen.until("--d-h 12")
        screen.type(b"\x11")  # Ctrl+Q
        assert screen.ended() == 0
        assert screen.is_in_order
        wait_until(lambda: not any(map(is_alive, processes)), "the end of its processes")


def test_q_on_the_page_quits_too() -> None:
    with terminal("ui", "--tab", "params") as screen:
        screen.until("rnncalc params")
        processes = children(screen.child.pid)
        screen.type(b"\x1b")
        screen.until("1-7")
        time.sleep(0.3)  # an escape alone is told from a key's code by the time after it
        screen.type(b"q")
        assert screen.ended() == 0
        assert screen.is_in_order
        wait_until(lambda: not any(map(is_alive, processes)), "the end of its processes")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_however_it_is_ended_its_processes_end_too(number: signal.Signals) -> None:
    with terminal("ui") as screen:
        screen.until("rnncalc shapes")
        processes = children(screen.child.pid)
        assert processes
        screen.child.send_signal(number)
        assert screen.ended() != 0
        wait_until(lambda: not any(map(is_alive, processes)), "the end of its processes")
        if number == signal.SIGTERM:  # the others come where there is no terminal any more, or cannot be heard
            assert screen.is_in_order


@pytest.mark.parametrize(
    "args",
    [("--cell", "lstn"), ("--d-h", "0"), ("--example", "nothing"), ("--tab", "shaeps"), ("--d-in", "x")],
    ids=" ".join,
)
def test_what_is_wrong_with_the_options_is_said_before_any_screen_is_drawn(args: tuple[str, ...]) -> None:
    with terminal("ui", *args) as screen:
        status = screen.ended()
        assert ALTERNATE_SCREEN not in screen.shown
    if args[0] != "--tab":
        told = subprocess.run([RNNCALC, "shapes", *args], capture_output=True, env=environment(), check=False)
        assert status == told.returncode
        said = told.stderr.decode("utf-8").replace("rnncalc shapes", "rnncalc ui")
        assert screen.plain == "".join(said.split())
    else:
        assert status == 2
        assert "Didyoumeanshapes?" in screen.plain


def test_the_quiz_is_opened_by_its_name() -> None:
    with terminal("ui", "--tab", "quiz") as screen:
        screen.until("Question 1")
        screen.type(b"\x11")
        assert screen.ended() == 0
        assert screen.is_in_order


def test_without_a_terminal_it_is_refused_with_what_works_instead() -> None:
    result = process("ui")
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.decode("utf-8") == f"rnncalc: {refused('ui', status=2)}\n"
    assert b"rnncalc shapes" in result.stderr
