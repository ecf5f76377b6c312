"""The journal of an unfinished sweep: a line for every run that is done, so that an interruption loses none of them.

Each line begins with the checksum of what follows. A line that was cut short when the process was ended does not match
its own, and is no result: its run is measured again. The first line says which sweep it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import NamedTuple
from zlib import crc32

from rnn_calc.core.errors import DataError, OutputError, printable
from rnn_calc.core.phases import Measurement
from rnn_calc.files.records import measurement_record, read_measurement

_MAGIC = b"rnncalc sweep 1 "
# Lines are far shorter; a damaged file may have twice as many as there are runs, and no more.
_LONGEST_HEAD = 64 * 1024
_LONGEST_LINE = 512
_LONGEST_COMMAND = 400


class Settings(NamedTuple):
    """What makes two sweeps the same: a digest of all that their numbers depend on, and how many runs; its command."""

    digest: str
    runs: int
    command: str
    version: str


class Journal:
    """An open journal; `done` are the runs that it has already. It is held by one process at a time."""

    def __init__(self, path: Path, settings: Settings, *, resume: bool, force: bool) -> None:
        """Open the journal at `path`, or begin it.

        Raises: DataError for a file that is none, or is of another sweep; OutputError where it holds runs and neither
        `resume` nor `force` says what to do with them, or where it cannot be written.
        """
        self.path = path
        self.done: dict[int, Measurement] = {}
        self._file = self._opened()
        try:
            content = self._content(settings)
            head, end, rest = content.partition(b"\n")
            if end:
                self._check_head(head, settings, strict=resume)
                if not resume and not force and rest:
                    count = rest.count(b"\n")
                    raise OutputError(
                        f"{self.name} holds {count:,} runs of an unfinished sweep; add --resume to go on with it, or "
                        "--force to begin anew."
                    )
            if end and resume:
                self._read(rest, settings.runs)
                whole = content.rfind(b"\n") + 1
                os.ftruncate(self._file, whole)
            else:
                os.ftruncate(self._file, 0)
                self._write(_MAGIC + _checked(dict(settings._asdict())))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def add(self, run: int, measurement: Measurement) -> None:
        """Write down that a run is done.

        Raises: OutputError when it cannot be.
        """
        self._write(_checked({"run": run, **measurement_record(measurement)}))

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(OSError):
            os.close(self._file)

    def remove(self) -> None:
        """Delete the file: its sweep is finished."""
        with contextlib.suppress(OSError):
            self.path.unlink()
        self.close()

    @property
    def name(self) -> str:
        """The file, for a sentence."""
        return f"'{printable(str(self.path))}'"

    def _opened(self) -> int:
        # A link of that name is nobody's journal, and is not followed.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            file = os.open(self.path, flags | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OutputError(f"{self.name} is no file that a sweep's runs can be kept in.")
            _lock(file)
        except BlockingIOError:
            os.close(file)
            raise OutputError(f"{self.name} is being written by another sweep; give another --output.") from None
        except BaseException:
            os.close(file)
            raise
        return file

    def _content(self, settings: Settings) -> bytes:
        most = _LONGEST_HEAD + 2 * _LONGEST_LINE * settings.runs
        size = os.fstat(self._file).st_size
        if size > most:
            raise DataError(f"{self.name} is too large to be the journal of this sweep ({size:,} bytes); remove it.")
        with os.fdopen(os.dup(self._file), "rb") as stream:
            stream.seek(0)
            content = stream.read(most)
        if not (content.startswith(_MAGIC) or _MAGIC.startswith(content)):
            raise DataError(f"{self.name} is no journal of a sweep; move it away, or give another --output.")
        return content

    def _check_head(self, head: bytes, settings: Settings, *, strict: bool) -> None:
        """Nothing, when the journal may be gone on with; one that may not can still be begun anew."""
        found = _unchecked(head.removeprefix(_MAGIC))
        if not strict:
            return
        if (
            found is None
            or set(found) != set(Settings._fields)
            or not all(isinstance(found[k], str) for k in ("command", "version"))
        ):
            raise DataError(f"{self.name} is damaged in its first line; begin anew with --force.")
        if found["version"] != settings.version:
            raise DataError(
                f"{self.name} was begun by rnncalc {printable(str(found['version']))[:20]}, and this is "
                f"{settings.version}, which may measure otherwise; begin anew with --force."
            )
        if found["digest"] != settings.digest or found["runs"] != settings.runs:
            same = found["command"] == settings.command
            what = (
                "was begun when a file it reads was another one"
                if same
                else f"is of another sweep: {printable(str(found['command']))[:_LONGEST_COMMAND]}"
            )
            raise DataError(f"{self.name} {what}. Give another --output, or begin anew with --force.")

    def _read(self, lines: bytes, runs: int) -> None:
        """Take the runs that are whole; what is cut short or damaged is measured again."""
        for number, line in enumerate(lines.split(b"\n")[:-1], start=2):
            found = _unchecked(line) if len(line) <= _LONGEST_LINE else None
            if found is None:
                continue
            run = found.pop("run", None)
            measurement = read_measurement(found)
            if type(run) is not int or not 0 <= run < runs or measurement is None:
                raise DataError(f"{self.name}, line {number} is no run of this sweep; begin anew with --force.")
            if self.done.setdefault(run, measurement) != measurement:
                raise DataError(f"{self.name}, line {number} contradicts an earlier one; begin anew with --force.")

    def _write(self, line: bytes) -> None:
        try:
            # In one call, so that what another process sees is whole.
            if os.write(self._file, line) < len(line):
                raise OutputError(f"{self.name} cannot be written: the disk is full.")
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> OutputError:
        return OutputError(f"{self.name} cannot be written: {(error.strerror or str(error)).lower()}.")


def _lock(file: int) -> None:
    """Hold the file as long as this process lives, where the system can.

    Raises: BlockingIOError where another process holds it.
    """
    try:
        import fcntl
    except ImportError:
        return
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _checked(record: dict[str, object]) -> bytes:
    """A record as a line with its checksum."""
    text = json.dumps(record, allow_nan=False).encode("ascii")
    return b"%08x %s\n" % (crc32(text), text)


def _unchecked(line: bytes) -> dict[str, object] | None:
    """The record of a line, without its end; None where it does not match its checksum."""
    checksum, _, text = line.partition(b" ")
    if checksum != b"%08x" % crc32(text):
        return None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
