"""What only a process shows: signals, closed streams, full disks, memory, encodings, imports."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commandline import RNNCALC, environment, process

STREAM = ("trace", "--steps", "100000000", "--format", "csv")


def start(*args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [RNNCALC, *args],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(PYTHONFAULTHANDLER="0"),
        preexec_fn=hear_ctrl_c,  # noqa: PLW1509 - the tests have no threads
    )


def hear_ctrl_c() -> None:
    """A shell's background jobs ignore Ctrl-C, and so do their children, the tests among them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def shell(command: str) -> subprocess.CompletedProcess[str]:
    env = environment(PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return subprocess.run(["bash", "-c", command], env=env, capture_output=True, text=True, check=False, timeout=60)


def wait_for(condition: Path, pattern: str) -> None:
    deadline = time.monotonic() + 30
    while not list(condition.glob(pattern)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def interrupt(running: subprocess.Popen[bytes], number: int = signal.SIGINT) -> tuple[int, bytes]:
    running.send_signal(number)
    try:
        said = running.communicate(timeout=20)[1]
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
    return running.returncode, said


def test_ctrl_c_is_exit_130_and_says_nothing() -> None:
    running = start(*STREAM)
    time.sleep(1.5)
    assert interrupt(running) == (130, b"")


@pytest.mark.parametrize("delay", [0.08, 0.12, 0.16, 0.2])
def test_ctrl_c_while_starting_is_no_traceback_of_ours(delay: float) -> None:
    running = start(*STREAM)
    time.sleep(delay)
    status, said = interrupt(running)
    # Before Python hands over to the program (some 40 ms) it answers by itself.
    assert status in (130, -signal.SIGINT) or b"rnn_calc" not in said
    assert b"rnn_calc/" not in said


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_no_partial_file(tmp_path: Path, number: int, status: int) -> None:
    running = start("trace", "--steps", "100000000", "--output", str(tmp_path / "t.csv"))
    wait_for(tmp_path, ".t.csv.*.partial")
    assert interrupt(running, number) == (status, b"")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command", ["trace --steps 100000 -f csv", "trace --steps 100000 -f json", "shapes", "--help", "trace --help"]
)
def test_a_closed_pipe_ends_quietly(command: str) -> None:
    result = shell(f"rnncalc {command} | head -c 5; echo ${{PIPESTATUS[0]}}")
    assert result.stderr == ""
    assert result.stdout[5:] == "0\n"


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="the system has no /dev/full")
@pytest.mark.parametrize("command", ["shapes", "trace --steps 10000 -f csv", "shapes --json", "--help", "--version"])
def test_a_full_disk_is_exit_1_and_one_line(command: str) -> None:
    result = shell(f"rnncalc {command} > /dev/full")
    assert result.returncode == 1
    assert result.stderr == "rnncalc: stdout cannot be written: no space left on device.\n"


def test_a_closed_stdout_is_exit_1_and_says_so() -> None:
    result = shell("rnncalc trace --format csv >&-")
    assert (result.returncode, result.stderr.startswith("rnncalc: stdout is closed")) == (1, True)


def test_a_closed_stderr_does_not_send_messages_to_stdout() -> None:
    result = shell("rnncalc shapes --d-in 0 2>&-")
    assert (result.returncode, result.stdout) == (2, "")


def test_a_closed_stdin_is_exit_1_and_says_so() -> None:
    result = shell("rnncalc trace --sequence - <&-")
    assert (result.returncode, result.stderr) == (1, "rnncalc: stdin is closed, so nothing can be read from it.\n")


def test_output_into_a_pipe_is_written_through_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    result = shell(f"cat {pipe} & rnncalc params --force --output {pipe}; wait")
    assert result.stdout.splitlines()[-1].startswith("total,")
    assert pipe.is_fifo()


# The kernel's own mark for this program alone: ru_maxrss also remembers the process that it was forked from.
PEAK = """
import re, sys
from pathlib import Path
from rnn_calc.cli import run
status = run(sys.argv[1:])
print(status, re.search(r"VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1], file=sys.stderr)
"""


def peak_kib(*args: str, stdin: bytes | None = None) -> int:
    result = subprocess.run(
        [sys.executable, "-c", PEAK, *args],
        input=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(),
        check=True,
    )
    status, peak = map(int, result.stderr.split())
    assert status == 0
    return peak


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize("form", ["csv", "json"])
def test_memory_does_not_grow_with_the_length_of_a_streamed_trace(form: str, tmp_path: Path) -> None:
    short, long = (peak_kib("trace", "--d-h", "8", "--steps", steps, "-f", form) for steps in ("20000", "60000"))
    assert long < short + 4096
    assert long < 150 * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_memory_does_not_grow_with_the_length_of_a_csv_input(tmp_path: Path) -> None:
    peaks = []
    for lines in (20_000, 60_000):
        path = tmp_path / f"{lines}.csv"
        path.write_text("0.25,-0.5,0.125\n" * lines)
        peaks.append(peak_kib("trace", "--d-h", "8", "--sequence", str(path), "-f", "csv"))
    assert peaks[1] < peaks[0] + 4096


@pytest.mark.parametrize(
    "args",
    [
        ("shapes", "--steps", "3", "--batch", "2", "--unroll", "4", "--got", "W_xh=4,3"),
        ("params",),
        ("trace", "--example", "tiny", "--explain"),
        ("gradient-decay", "--spectral-radius", "0.5,1.5"),
        ("gradient-decay", "--spectral-radius", "0.5,1.5", "--format", "csv"),
        ("gradient-decay", "--spectral-radius", "0.5,1.5", "--format", "markdown"),
        ("trace", "--text", "日本 é", "--format", "csv"),
        ("examples",),
        ("trace", "--sequence", "ü.csv"),
        ("trace", "--format", "tàble"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_every_page_can_be_written_in_a_small_character_set(args: tuple[str, ...], encoding: str) -> None:
    result = process(*args, PYTHONIOENCODING=encoding)
    assert result.returncode in (0, 1, 2)
    assert b"Traceback" not in result.stderr
    text = (result.stdout + result.stderr).decode(encoding)
    if encoding == "ascii" and "日本" not in args[-1] and "--text" not in args:
        # Everything this package writes has a readable spelling.
        assert not re.search(r"\\u|\\U", text)
    if "latin" in encoding or encoding == "ascii":
        assert text.isprintable() or set(filter(lambda char: not char.isprintable(), text)) == {"\n"}


IMPORTED = """
import sys
from rnn_calc.cli import run
status = run(sys.argv[1:])
print(status, *sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)
"""


def imported(*args: str) -> set[str]:
    result = subprocess.run(
        [sys.executable, "-c", IMPORTED, *args], capture_output=True, text=True, env=environment(), check=True
    )
    status, *names = result.stderr.split()
    assert status == "0"
    return set(names)


@pytest.mark.parametrize(
    "args",
    [
        ("--help",),
        ("shapes",),
        ("shapes", "--example", "dimensions", "--check"),
        ("shapes", "--json"),
        ("params",),
        ("params", "--example", "two-step"),
        ("params", "--format", "csv"),
        ("examples",),
        ("trace", "--help"),
        ("gradient-decay", "--help"),
    ],
    ids=" ".join,
)
def test_commands_that_only_count_import_no_numpy(args: tuple[str, ...]) -> None:
    assert imported(*args).isdisjoint({"numpy", "uniplot", "matplotlib", "textual", "torch"})


@pytest.mark.parametrize("form", ["csv", "json"])
def test_streams_import_neither_plots_nor_tables(form: str) -> None:
    assert imported("trace", "--format", form).isdisjoint({"uniplot", "rich", "matplotlib", "textual", "torch"})


@pytest.mark.parametrize("args", [("trace",), ("gradient-decay",)])
def test_nothing_imports_a_framework(args: tuple[str, ...]) -> None:
    assert imported(*args).isdisjoint({"matplotlib", "textual", "torch", "pydantic"})
