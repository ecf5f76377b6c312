"""Where the result goes and in which format: stdout or a file, never half a file."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rnn_calc.core.errors import OutputClosedError, OutputError, UsageError, did_you_mean, listed, quoted
from rnn_calc.show.document import Document

if TYPE_CHECKING:
    from rnn_calc.core.weights import Array

FORMATS = ("table", "json", "csv", "markdown", "latex")
_SUFFIXES = {
    ".txt": "table",
    ".json": "json",
    ".csv": "csv",
    ".md": "markdown",
    ".tex": "latex",
    ".svg": "svg",
    ".npz": "npz",
    ".npy": "npy",
}
_BINARY = ("npz", "npy")


@dataclass(frozen=True)
class Destination:
    """The format, the file (None: stdout), whether an existing file may go, and the digits of tables."""

    format: str = "table"
    path: str | None = None
    force: bool = False
    precision: int = 4
    width: int | None = None


@dataclass(frozen=True)
class View:
    """One result, as every format needs it; each part is made only when it is asked for.

    `json` gives pieces of one JSON object, `csv` a header and rows: both may be streams. `arrays` are for .npz, and its
    first one for .npy; without it these formats are refused.
    """

    command: str
    document: Callable[[], Document]
    json: Callable[[], Iterable[str]]
    csv: Callable[[], Iterable[Iterable[object]]]
    arrays: Callable[[], Mapping[str, Array]] | None = None
    title: str = "rnncalc"


def resolve_destination(
    format_name: str | None, *, as_json: bool, output: str | None, force: bool, precision: int
) -> Destination:
    """The destination that the options name, checked before any work is done.

    Raises: UsageError for formats that contradict each other or do not exist; OutputError for a file that exists.
    """
    if format_name is not None and format_name not in FORMATS:
        raise UsageError(
            f"There is no format {quoted(format_name)}; it must be {listed(FORMATS)}."
            f"{did_you_mean(format_name, FORMATS)}"
        )
    if as_json and format_name not in (None, "json"):
        raise UsageError(f"--json and --format {format_name} ask for two formats; give one of them.")
    chosen = "json" if as_json else format_name
    if output is None or output == "-":
        return Destination(chosen or "table", None, force, precision)
    path = Path(output)
    suffix = path.suffix.lower()
    if chosen is None:
        if suffix not in _SUFFIXES:
            raise UsageError(
                f"The format of {quoted(output)} cannot be told from its name; end it in {listed(_SUFFIXES)}, "
                "or add --format."
            )
        chosen = _SUFFIXES[suffix]
    if path.is_dir():
        raise OutputError(f"{quoted(output)} is a folder; --output needs the name of a file.")
    if path.exists() and not force:
        raise OutputError(f"{quoted(output)} exists; add --force to write over it.")
    if not path.parent.is_dir():
        raise OutputError(f"There is no folder {quoted(path.parent)} to write {quoted(path.name)} in.")
    return Destination(chosen, output, force, precision)


def emit(view: View, destination: Destination) -> None:
    """Write `view` where and how `destination` says.

    Raises: OutputError when it cannot be written (no partial file stays), OutputClosedError when a pipe was closed.
    """
    if destination.format in _BINARY and view.arrays is None:
        raise UsageError(f"rnncalc {view.command} has no arrays to write; take {listed(FORMATS)} or .svg.")
    if destination.path is None:
        _write_stdout(view, destination)
    else:
        _write_file(view, destination, Path(destination.path))


def _write_stdout(view: View, destination: Destination) -> None:
    # Python leaves stdout None when the shell closed it.
    stream = sys.stdout or StringIO()
    try:
        _write_text(view, destination, stream)
        stream.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at exit; give it somewhere to go.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputClosedError from None
    except OSError as error:
        raise OutputError(f"stdout cannot be written: {(error.strerror or str(error)).lower()}.") from None


def _write_file(view: View, destination: Destination, path: Path) -> None:
    """Write beside the file and move it there when it is whole."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        try:
            if destination.format in _BINARY:
                with partial.open("wb") as binary:
                    _write_arrays(view, destination, binary)
            else:
                with partial.open("w", encoding="utf-8", newline="\n") as text:
                    _write_text(view, destination, text)
            partial.replace(path)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise OutputError(f"{quoted(str(path))} cannot be written: {reason}.") from None
    finally:
        partial.unlink(missing_ok=True)


def _write_text(view: View, destination: Destination, stream: IO[str]) -> None:
    match destination.format:
        case "json":
            for piece in view.json():
                stream.write(piece)
            stream.write("\n")
        case "csv":
            from rnn_calc.show.plain import csv_line

            stream.writelines(csv_line(row) for row in view.csv())
        case "markdown":
            from rnn_calc.show.plain import render_markdown

            stream.write(_encodable(render_markdown(view.document(), precision=destination.precision), stream))
        case "latex":
            from rnn_calc.show.plain import render_latex

            stream.write(_encodable(render_latex(view.document(), precision=destination.precision), stream))
        case "svg":
            from rnn_calc.show.terminal import render_svg

            stream.write(render_svg(view.document(), precision=destination.precision, title=view.title, width=100))
        case _:
            from rnn_calc.show.terminal import render_terminal

            width = destination.width
            render_terminal(view.document(), stream, precision=destination.precision, width=width)


def _encodable(text: str, stream: IO[str]) -> str:
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        from rnn_calc.show.format import to_ascii

        return "\n".join(map(to_ascii, text.split("\n")))
    return text


def _write_arrays(view: View, destination: Destination, stream: IO[bytes]) -> None:
    import numpy as np

    assert view.arrays is not None
    arrays = view.arrays()
    if destination.format == "npz":
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # the stubs confuse the names with allow_pickle
    else:
        np.save(stream, next(iter(arrays.values())), allow_pickle=False)


def json_object(command: str, content: Mapping[str, object]) -> Iterator[str]:
    """One JSON object with the schema and the command first. Numbers must be finite: NaN is a bug here."""
    import json

    yield json.dumps({"schema": 1, "command": command, **content}, ensure_ascii=True, allow_nan=False)
