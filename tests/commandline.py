"""The command line called from a test: in this process where that will do, in one of its own where it matters."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from rnn_calc.cli import COMMANDS, run

RNNCALC = str(Path(sys.executable).with_name("rnncalc"))
# A screen needs a terminal; every other command writes a result and is done.
SCREEN = "ui"
WRITING = tuple(name for name in COMMANDS if name != SCREEN)


@dataclass(frozen=True)
class Result:
    """What a call ended with and what it said."""

    status: int
    out: str
    err: str


def environment(**changes: str) -> dict[str, str]:
    """A plain environment: 80 columns, no colour, UTF-8."""
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "PYTHONIOENCODING")}
    return {**kept, "COLUMNS": "80", "PYTHONUTF8": "1", **changes}


def calc(*args: str, stdin: bytes = b"", columns: int = 80, encoding: str = "utf-8") -> Result:
    """`rnncalc args` in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding, newline="") for _ in range(2))
    with (
        mock.patch.dict(os.environ, environment(COLUMNS=str(columns)), clear=True),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        status = run(list(args))
    texts = []
    for stream in (out, err):
        stream.flush()
        content = stream.buffer
        assert isinstance(content, io.BytesIO)
        texts.append(content.getvalue().decode(encoding))
    return Result(status, *texts)


def refused(*args: str, status: int = 1, stdin: bytes = b"") -> str:
    """The one-line message of a call that must fail with `status` and print nothing."""
    result = calc(*args, stdin=stdin)
    assert (result.status, result.out) == (status, ""), result
    assert result.err.startswith("rnncalc: ")
    assert result.err.count("\n") == 1
    return result.err.removeprefix("rnncalc: ").rstrip("\n")


def process(*args: str, stdin: bytes = b"", **changes: str) -> subprocess.CompletedProcess[bytes]:
    """`rnncalc args` as a process of its own."""
    return subprocess.run(
        [RNNCALC, *args], input=stdin, capture_output=True, env=environment(**changes), check=False, timeout=60
    )
