"""`rnncalc ui`: what an update of each tab takes to compute, how soon the first screen stands: parts of `run.py`."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from timing import STARTS, THREADS, process, report_pairs, seconds

# d_h, T, and within how many ms an update is asked to be computed: 100 on the screen, of which drawing takes its part.
_SIZES = ((64, 100, 50), (128, 200, 90))
_CELLS = ("rnn", "lstm", "gru")
_LAYOUT = [90, 4, False, True]
_PATIENCE = 30.0


def updates() -> None:
    """Each tab as the process beside the screen computes it, one thread, one update after the other.

    The limit is of the first page; where that is a sketch, the whole follows.
    """
    from rnn_calc.ui.fields import TABS
    from rnn_calc.ui.session import Session

    for tab in TABS:
        for cell in _CELLS:
            for d_h, steps, limit in _SIZES:
                texts = {"cell": cell, "d_h": str(d_h), "steps": str(steps), "spectral_radius": "1.1"}
                session = Session()
                for name, text in texts.items():
                    session = session.with_text(name, text)
                words = session.opened_at(tab.command).words(tab.command)
                update(tab.command, words)
                found = [update(tab.command, words) for _ in range(STARTS)]
                first, whole = (median(times[side] for times in found) * 1e3 for side in (0, 1))
                name = f"ui, {tab.command}, {cell}, d_h = {d_h}, T = {steps}"
                mark = "ok" if first <= limit else "OVER"
                print(f"{name:<52} first page {first:6.1f} ms, whole {whole:6.1f} ms, limit {limit} ms  {mark}")


def update(command: str, words: list[str]) -> tuple[float, float]:
    """Seconds until the first page of a command line has been said, and until the whole one has."""
    from rnn_calc.ui.worker import _OPERATIONS, _Desk

    said: list[float] = []

    def write(record: object) -> None:
        json.dumps(record)
        if isinstance(record, dict) and "lines" in record:
            said.append(time.perf_counter())

    # Another desk each time: nothing is known from the update before.
    desk, start = _Desk(write), time.perf_counter()
    desk.tell(_OPERATIONS["page"](desk, command=command, args=words, layout=_LAYOUT))
    return said[0] - start, said[-1] - start


def first_screen() -> None:
    """From the start of `rnncalc ui` to its first page and command, against importing Textual's App."""
    baseline = process("-c", "from textual.app import App")
    script = Path(sys.executable).with_name("rnncalc")
    until_drawn(str(script), "ui"), baseline()
    pairs = [(until_drawn(str(script), "ui"), seconds(baseline)) for _ in range(STARTS)]
    report_pairs("rnncalc ui, first screen, against importing textual.app", pairs, 2.5)


def until_drawn(*command: str) -> float:
    """The seconds until the first page and the command below it stand on a terminal of 80 × 24."""
    environment = {name: value for name, value in os.environ.items() if name not in THREADS} | {
        "TERM": "xterm-256color"
    }
    start = time.perf_counter()
    child, terminal = pty.fork()
    if not child:
        os.execve(sys.executable, [sys.executable, *command], environment)
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        _read_until(terminal, lambda text: "One step" in text and "rnncalc shapes" in text)
        return time.perf_counter() - start
    finally:
        os.kill(child, signal.SIGTERM)
        os.close(terminal)
        os.waitpid(child, 0)


def _read_until(terminal: int, is_there: Callable[[str], bool]) -> None:
    drawn, end = "", time.monotonic() + _PATIENCE
    while not is_there(re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", drawn)):
        if time.monotonic() > end or not select.select([terminal], [], [], _PATIENCE)[0]:
            raise TimeoutError(f"No first screen within {_PATIENCE:g} s: {drawn[-500:]!r}")
        drawn += os.read(terminal, 2**16).decode(errors="replace")
