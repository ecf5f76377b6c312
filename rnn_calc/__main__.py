"""The process: `rnncalc` and `python -m rnn_calc` start here and end here."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from types import FrameType

# Importing makes many objects and little garbage: looking for it as often as usual costs a twentieth of a command.
_COLLECT_SELDOM = (100_000, 20, 20)


def main() -> None:
    """Run the command line and exit with its status: 0 done, 1 data or check, 2 usage, 130 interrupted."""
    gc.set_threshold(*_COLLECT_SELDOM)
    # Ctrl-C before there is anything to interrupt ends the process as it ends any other, and not in a traceback.
    answer = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from rnn_calc.cli import INTERRUPTED, run

    signal.signal(signal.SIGINT, answer)
    signal.signal(signal.SIGTERM, _leave)
    try:
        status = run()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # None: the shell closed it
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    # Taking the interpreter apart costs an eighth of a short command, and nothing is left to be cleaned up.
    os._exit(status)


def _leave(number: int, _: FrameType | None) -> None:
    """Asked to end: go by way of an exception, so that no half-written file stays."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
