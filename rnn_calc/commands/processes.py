"""Child processes of this program: started afresh, with one thread of BLAS, speaking JSON lines over pipes.

They do not see the terminal's interrupt, and end with their parent, whose end of the pipe is then closed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from queue import Empty, SimpleQueue
from threading import Thread

# Whatever BLAS NumPy has been built with. More threads than one would change sums, and stand in each other's way.
_ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
# The child looks for modules where its parent does, and nowhere else: not in the folder it happens to be in.
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {module} import serve; serve()"


def start_process(module: str, *, quiet: bool = False) -> subprocess.Popen[bytes]:
    """A process that runs `serve` of the module, with pipes to its stdin and from its stdout.

    `quiet` drops what libraries write on stderr, where a screen is drawn.
    """
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _START.format(module=module), json.dumps(sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if quiet else None,
        env={**os.environ, **_ONE_THREAD},
        # Of a group of its own, so that Ctrl-C is the parent's alone.
        process_group=0 if os.name == "posix" else None,
    )


class Lines:
    """What a child reads and writes: lines of stdin, until it is closed, which ends the process; lines of stdout."""

    def __init__(self) -> None:
        # What a library prints must not get between the answers.
        self._answers = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        Thread(target=self._listen, daemon=True).start()

    def read(self) -> bytes:
        """The next line."""
        return self._lines.get()

    def poll(self, seconds: float = 0.0) -> bytes | None:
        """The next line, if it is there already, or within some seconds."""
        try:
            return self._lines.get(timeout=seconds)
        except Empty:
            return None

    def write(self, record: object) -> None:
        """One line of JSON."""
        self._answers.write(json.dumps(record).encode("ascii") + b"\n")
        self._answers.flush()

    def _listen(self) -> None:
        for line in sys.stdin.buffer:
            self._lines.put(line)
        # Whatever is under way.
        os._exit(0)
