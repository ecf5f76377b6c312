"""The screen's end of the process that calculates: only the newest question counts."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import monotonic
from typing import Any, NamedTuple

from rnn_calc.commands.processes import start_process
from rnn_calc.core import errors
from rnn_calc.core.errors import RnnCalcError, TooLargeError

# Seconds that an older question may go on for when there is a newer one: most are answered in less, and typing shows
# them on the way; what takes longer is dropped.
PATIENCE = 0.1

Record = dict[str, Any]


class Reply(NamedTuple):
    """What came back for a question: what it asked for, or the error that the command would end with."""

    question: int
    record: Record
    error: RnnCalcError | None = None

    @property
    def is_news(self) -> bool:
        """Whether the answer itself is still to come."""
        return "progress" in self.record or "sketch" in self.record


class _Process:
    """A child and the thread that listens to it."""

    def __init__(self, hear: Callable[[_Process, Record | None], None]) -> None:
        self._child: subprocess.Popen[bytes] = start_process("rnn_calc.ui.worker", quiet=True)
        self._hear = hear
        Thread(target=self._listen, daemon=True).start()

    def send(self, record: Record) -> None:
        assert self._child.stdin is not None
        # A child that has ended is told of by its listener; the pipe to one that was ended is closed.
        with contextlib.suppress(OSError, ValueError):
            self._child.stdin.write(json.dumps(record).encode("ascii") + b"\n")
            self._child.stdin.flush()

    def end(self) -> None:
        self._child.kill()
        with contextlib.suppress(OSError), self._child:
            self._child.wait()

    def _listen(self) -> None:
        assert self._child.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            for line in self._child.stdout:
                if not line.endswith(b"\n"):
                    break
                self._hear(self, json.loads(line))
        self._hear(self, None)


class Calculator:
    """Questions in, answers out; a newer question takes the place of those that have not been answered.

    Until `attach`, `wait` gives the answers; afterwards they come through `deliver`, in the thread that `post` calls
    functions in.
    """

    def __init__(self) -> None:
        self._deliver: Callable[[Reply], None] | None = None
        # What was heard before `attach`; nothing is put there afterwards.
        self._heard: SimpleQueue[tuple[_Process, Record | None]] = SimpleQueue()
        self._hearing = Lock()
        self._post: Callable[[Callable[[], None]], object] | None = None
        self._later: Callable[[float, Callable[[], None]], object] | None = None
        self._process: _Process | None = _Process(self._hear)
        self._spare: _Process | None = None
        self._asked = 0
        # The question that the process works on, since when; and the one that waits.
        self._working: int | None = None
        self._since = 0.0
        self._waiting: Record | None = None

    @property
    def newest(self) -> int:
        """The number of the newest question; 0 before the first."""
        return self._asked

    @property
    def busy_for(self) -> float:
        """For how many seconds a question has been worked on; 0 where none is."""
        return monotonic() - self._since if self._working is not None else 0.0

    def attach(
        self,
        deliver: Callable[[Reply], None],
        post: Callable[[Callable[[], None]], object],
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        """From now on answers are delivered; `later` calls a function after some seconds."""
        with self._hearing:
            self._deliver, self._post, self._later = deliver, post, later
        while not self._heard.empty():
            self._received(*self._heard.get())

    def ask(self, op: str, **arguments: object) -> int:
        """The number of a question that is now asked, and is the newest."""
        self._asked += 1
        request = {"id": self._asked, "op": op, **arguments}
        if self._working is None:
            self._send(request)
        else:
            self._waiting = request
            if self._later is not None:
                self._later(max(0.0, PATIENCE - self.busy_for), self._drop)
        return self._asked

    def wait(self, seconds: float | None = None) -> Reply | None:
        """The answer, before `attach`; None where it takes longer than so many seconds."""
        until = None if seconds is None else monotonic() + seconds
        while True:
            try:
                process, record = self._heard.get(timeout=None if until is None else max(0.0, until - monotonic()))
            except Empty:
                return None
            reply = self._reply(process, record)
            if reply is not None and not reply.is_news:
                return reply

    def end(self) -> None:
        """End the processes, whatever they are doing."""
        self._post, self._deliver, self._later = None, None, None
        # Whatever is called later finds nothing to do, and starts no process.
        self._working, self._waiting = None, None
        for process in (self._process, self._spare):
            if process is not None:
                process.end()

    def _send(self, request: Record) -> None:
        self._working, self._since = request["id"], monotonic()
        if self._process is None:
            self._process, self._spare = self._spare or _Process(self._hear), None
        self._process.send(request)
        if self._later is not None:
            self._later(PATIENCE, partial(self._prepare, request["id"]))

    def _prepare(self, question: int) -> None:
        """Start another process for the question that may come after one that takes long: it takes a while to start."""
        if self._working == question and self._spare is None:
            self._spare = _Process(self._hear)

    def _drop(self) -> None:
        """End what is worked on, where a newer question waits and it has had its time."""
        if self._waiting is None or self._working is None or self.busy_for < PATIENCE:
            return
        assert self._process is not None
        self._process.end()
        self._process = None
        self._go_on()

    def _go_on(self) -> None:
        """Turn to the question that waits, if there is one."""
        self._working = None
        request, self._waiting = self._waiting, None
        if request is not None:
            self._send(request)

    def _hear(self, process: _Process, record: Record | None) -> None:
        with self._hearing:
            post = self._post
            if post is None:
                self._heard.put((process, record))
        if post is not None:
            # A loop that has been closed takes nothing any more.
            with contextlib.suppress(RuntimeError):
                post(lambda: self._received(process, record))

    def _received(self, process: _Process, record: Record | None) -> None:
        reply = self._reply(process, record)
        if reply is not None and self._deliver is not None:
            self._deliver(reply)

    def _reply(self, process: _Process, record: Record | None) -> Reply | None:
        """What was heard, as the answer to the question; None where nobody waits for it any more."""
        if record is None:
            process.end()
            if process is self._spare:
                self._spare = None
        if process is not self._process or (record is not None and record["id"] != self._working):
            return None
        question = self._working or 0
        if record is None:
            self._process = None
            if self._working is None:
                return None
            self._go_on()
            ended = "The process that calculates was ended from outside, perhaps because memory ran out: take less."
            return Reply(question, {}, TooLargeError(ended))
        reply = Reply(question, record, _error(record))
        if not reply.is_news:
            self._go_on()
        return reply


def _error(record: Record) -> RnnCalcError | None:
    if "bug" in record:
        raise RuntimeError(record["bug"])
    if "error" not in record:
        return None
    kind = getattr(errors, record["kind"], RnnCalcError)
    found: RnnCalcError = kind(record["error"])
    return found
