"""A sweep's runs on several cores: a process for each, that is given one run after another.

A number for each run goes in, a measurement or an error comes out.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import traceback
from collections.abc import Generator, Iterable, Iterator
from dataclasses import asdict
from queue import SimpleQueue
from threading import Lock, Thread
from typing import IO, NamedTuple

from rnn_calc.commands.options import NetworkOptions
from rnn_calc.commands.points import Fixed, Sweep, measure_run
from rnn_calc.commands.processes import Lines, start_process
from rnn_calc.commands.run_options import SequenceOptions, WeightOptions
from rnn_calc.commands.setup import load_model
from rnn_calc.core import errors
from rnn_calc.core.errors import RnnCalcError, TooLargeError
from rnn_calc.core.grid import Axis, Grid
from rnn_calc.core.phases import Measurement
from rnn_calc.files.records import measurement_record, read_measurement


def cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


class _Answer(NamedTuple):
    """What came back for a run: a measurement, or what went wrong. Without any, the process has ended by itself."""

    run: int
    measurement: Measurement | None = None
    error: RnnCalcError | None = None
    bug: str = ""


def measured(sweep: Sweep, runs: Iterable[int], jobs: int) -> Generator[tuple[int, Measurement], None, None]:
    """The measurements of some runs as they come, by `jobs` processes, which end with the iteration.

    Raises: what a run raises, with its point named.
    """
    pool = _Pool(sweep, iter(runs), jobs)
    try:
        for answer in pool.answers():
            if answer.measurement is None:
                raise _error(answer, sweep)
            yield answer.run, answer.measurement
    finally:
        pool.end()


def _error(answer: _Answer, sweep: Sweep) -> Exception:
    where = sweep.describe(answer.run)
    if answer.bug:
        return RuntimeError(f"at {where}:\n{answer.bug}")
    if answer.error is None:
        return TooLargeError(
            f"At {where}: the process that measured it was ended from outside, perhaps because memory ran out. "
            "Take fewer --jobs, fewer steps or fewer units."
        )
    return type(answer.error)(f"At {where}: {answer.error}")


class _Pool:
    """Processes that take runs from one iterator, each looked after by a thread."""

    def __init__(self, sweep: Sweep, runs: Iterator[int], jobs: int) -> None:
        self._runs, self._lock = runs, Lock()
        # None says that a thread has ended.
        self._answers: SimpleQueue[_Answer | None] = SimpleQueue()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._threads: list[Thread] = []
        self._order = json.dumps(_order(sweep)).encode("ascii") + b"\n"
        try:
            for _ in range(jobs):
                self._processes.append(start_process(__name__))
        except BaseException:
            self.end()
            raise

    def answers(self) -> Iterator[_Answer]:
        """All answers, until there are no more runs."""
        self._threads = [Thread(target=self._look_after, args=(process,), daemon=True) for process in self._processes]
        for thread in self._threads:
            thread.start()
        working = len(self._threads)
        while working:
            answer = self._answers.get()
            if answer is None:
                working -= 1
            else:
                yield answer

    def end(self) -> None:
        """End all processes, whatever they are doing."""
        for process in self._processes:
            process.kill()
        # Each sees its process's pipe closed.
        for thread in self._threads:
            thread.join()
        for process in self._processes:
            with contextlib.suppress(OSError), process:
                process.wait()

    def _look_after(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with contextlib.suppress(OSError):
                process.stdin.write(self._order)
            while (run := self._next()) is not None:
                answer = _asked(run, process.stdin, process.stdout)
                self._answers.put(answer)
                if answer.measurement is None:
                    return
        finally:
            self._answers.put(None)

    def _next(self) -> int | None:
        with self._lock:
            return next(self._runs, None)


def _asked(run: int, question: IO[bytes], answer: IO[bytes]) -> _Answer:
    try:
        question.write(b"%d\n" % run)
        question.flush()
        line = answer.readline()
    except (OSError, ValueError):
        line = b""
    if not line.endswith(b"\n"):
        return _Answer(run)
    record = json.loads(line)
    if "bug" in record:
        return _Answer(run, bug=record["bug"])
    if "error" in record:
        kind = getattr(errors, record["error"], RnnCalcError)
        return _Answer(run, error=kind(record["message"]))
    return _Answer(run, read_measurement(record), bug="" if read_measurement(record) else repr(record))


def _order(sweep: Sweep) -> dict[str, object]:
    """What a process must know of a sweep."""
    return {
        **asdict(sweep.fixed),
        "axes": [[axis.name, axis.values] for axis in sweep.grid.axes],
        "repeats": sweep.grid.repeats,
    }


def _sweep(line: bytes) -> Sweep:
    order = json.loads(line)
    fixed = Fixed(
        NetworkOptions(**order["network"]), WeightOptions(**order["weights"]), SequenceOptions(**order["sequence"])
    )
    axes = tuple(Axis(name, tuple(values)) for name, values in order["axes"])
    return Sweep(fixed, Grid(axes, order["repeats"]), load_model(fixed.network))


def serve() -> None:
    """Measure the runs that come in on stdin, one a line, until it is closed: then end, whatever is under way."""
    lines = Lines()
    order = lines.read()
    sweep: Sweep | None = None
    while True:
        question = lines.read()
        record: dict[str, float | str | None]
        try:
            sweep = sweep or _sweep(order)
            record = measurement_record(measure_run(sweep, int(question)))
        except RnnCalcError as error:
            record = {"error": type(error).__name__, "message": str(error)}
        except MemoryError:
            record = {"error": "TooLargeError", "message": "this needs more memory than there is. Take fewer --jobs."}
        except Exception:
            record = {"bug": traceback.format_exc()}
        lines.write(record)
