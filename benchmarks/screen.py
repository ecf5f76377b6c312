"""`rnncalc ui`: what an update of each tab takes to compute, how soon the first screen stands: parts of `run.py`."""

from __future__ import annotations

import fcntl
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
    """Each tab as the process beside the screen computes it, one thread, one update after the other."""
    from rnn_calc.ui.fields import TABS
    from rnn_calc.ui.session import Session
    from rnn_calc.ui.worker import _OPERATIONS, _Desk

    page = _OPERATIONS["page"]
    for tab in TABS:
        for cell in _CELLS:
            for d_h, steps, limit in _SIZES:
                session = Session()
                for name, text in (
                    ("cell", cell),
                    ("d_h", str(d_h)),
                    ("steps", str(steps)),
                    ("spectral_radius", "1.1"),
                ):
                    session = session.with_text(name, text)
                args = session.opened_at(tab.command).words(tab.command)

                def update(command: str = tab.command, args: list[str] = args) -> object:
                    # Another desk each time: nothing is known from the update before.
                    return page(_Desk(), command=command, args=args, layout=_LAYOUT)

                update()
                found = sorted(seconds(update) * 1e3 for _ in range(STARTS))
                mark = "ok" if median(found) <= limit else "OVER"
                name = f"ui, {tab.command}, {cell}, d_h = {d_h}, T = {steps}"
                print(f"{name:<58} {median(found):9.1f} ms (from {found[0]:.1f}), limit {limit} ms  {mark}")


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
