"""The processes that this one has started and that are still there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

# Seconds that a test waits for what comes in a fraction of one where nothing else runs.
PATIENCE = 30.0


def children(parent: int | None = None) -> set[int]:
    """The children of a process (this one unless told otherwise) that run, or have ended and were not waited for."""
    parent = os.getpid() if parent is None else parent
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text("utf-8", "replace")
        except OSError:  # it has just ended
            continue
        # The name, in parentheses, may hold anything; state and parent come behind it.
        if int(text.rpartition(")")[2].split()[1]) == parent:
            found.add(int(path.parent.name))
    return found


def is_alive(process: int) -> bool:
    """Whether a process, anybody's child, runs still."""
    try:
        state = Path(f"/proc/{process}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Nothing, once the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not after {PATIENCE:.0f} s"
        time.sleep(0.005)
