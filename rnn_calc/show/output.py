"""Where the result goes and in which format: stdout or a file, never half a file."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from rnn_calc.core.errors import OutputClosedError, OutputError, UsageError, did_you_mean, listed, printable, quoted
from rnn_calc.show.document import Document

if TYPE_CHECKING:
    from rnn_calc.core.weights import Array
    from rnn_calc.show.picture import Picture

FORMATS = ("table", "json", "csv", "markdown", "latex")
COLORS = ("auto", "always", "never")
SUFFIXES = {
    ".txt": "table",
    ".json": "json",
    ".csv": "csv",
    ".md": "markdown",
    ".tex": "latex",
    ".html": "html",
    ".svg": "svg",
    ".npz": "npz",
    ".npy": "npy",
}
_BINARY = ("npz", "npy")
# No terminal shows these: they need --output.
_FILE_FORMATS = ("html", "svg", *_BINARY)


class Destination(NamedTuple):
    """The format, the file (None: stdout), whether an existing file may go, digits, --plot's file, and colours.

    `color` is of tables: auto is what the terminal and its environment say, and a picture has colours.
    """

    format: str = "table"
    path: str | None = None
    force: bool = False
    precision: int = 4
    plot: str | None = None
    color: str = "auto"


class View(NamedTuple):
    """One result, as every format needs it; each part is made only when it is asked for.

    `json` gives pieces of one JSON object, `csv` a header and rows: both may be streams. `arrays` are for .npz, and its
    first one for .npy; without it these formats are refused. `pictures` are what --plot draws. `sketch` is as much of
    the document as can be made at once, where the whole takes long: for a screen, meanwhile.
    """

    command: str
    document: Callable[[], Document]
    json: Callable[[], Iterable[str]]
    csv: Callable[[], Iterable[Iterable[object]]]
    arrays: Callable[[], Mapping[str, Array]] | None = None
    pictures: Callable[[], Sequence[Picture]] | None = None
    sketch: Callable[[], Document] | None = None


def resolve_destination(
    format_name: str | None, *, as_json: bool, output: str | None, force: bool, precision: int, color: str = "auto"
) -> Destination:
    """The destination that the options name, checked before any work is done.

    Raises: UsageError for formats that contradict each other or do not exist; OutputError for a file that exists.
    """
    if format_name in _FILE_FORMATS and output in (None, "-"):
        raise UsageError(f"{format_name} is for files: add --output NAME.{format_name}.")
    if format_name is not None and format_name not in (*FORMATS, *_FILE_FORMATS):
        raise UsageError(
            f"There is no format {quoted(format_name)}; it must be {listed(FORMATS)}."
            f"{did_you_mean(format_name, FORMATS)}"
        )
    if as_json and format_name not in (None, "json"):
        raise UsageError(f"--json and --format {format_name} ask for two formats; give one of them.")
    chosen = "json" if as_json else format_name
    if output is None or output == "-":
        return Destination(chosen or "table", None, force, precision, color=color)
    _require_no_folder(output)
    if chosen is None:
        chosen = format_of(output, SUFFIXES, "or add --format")
    require_writable(output, force=force)
    return Destination(chosen, output, force, precision, color=color)


def format_of(output: str, formats: Mapping[str, str], otherwise: str = "") -> str:
    """The format that a file's suffix stands for.

    Raises: UsageError for a suffix that is none of them, naming them and what else to do.
    """
    suffix = Path(output).suffix.lower()
    if suffix not in formats:
        advice = f", {otherwise}" if otherwise else ""
        raise UsageError(
            f"The format of {named(output)} cannot be told from its name; end it in {listed(formats)}{advice}."
        )
    return formats[suffix]


def require_writable(output: str, *, force: bool, option: str = "--output") -> None:
    """Nothing, when a file of that name can be written.

    Raises: OutputError for a folder, a file that exists (unless `force`), or a folder that does not.
    """
    _require_no_folder(output, option)
    path = Path(output)
    if _file_type(path) == stat.S_IFREG and not force:
        raise OutputError(f"{named(output)} exists; add --force to write over it.")
    if not path.parent.is_dir():
        raise OutputError(f"There is no folder {named(path.parent)} to write {named(path.name)} in.")


def is_device(path: str) -> bool:
    """Whether what is at `path` is written straight: a pipe or a device, and no file that is moved there when whole."""
    return _file_type(Path(path)) not in (None, stat.S_IFREG)


def _require_no_folder(output: str, option: str = "--output") -> None:
    if _file_type(Path(output)) == stat.S_IFDIR:
        raise OutputError(f"{named(output)} is a folder; {option} needs the name of a file.")


def _file_type(path: Path) -> int | None:
    """What is at `path`, as `stat.S_IF…`, links followed; None where nothing is.

    Raises: OutputError when the system does not say.
    """
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise _write_error(str(path), error) from None


def named(path: str | Path) -> str:
    """A path for a message: whole, because its end says most."""
    return f"'{printable(str(path))}'"


def _write_error(path: str, error: OSError | ValueError) -> OutputError:
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    return OutputError(f"{named(path)} cannot be written: {reason}.")


def emit(view: View, destination: Destination) -> None:
    """Write `view` where and how `destination` says.

    Raises: OutputError when it cannot be written (no partial file stays), OutputClosedError when a pipe was closed.
    """
    if destination.format in _BINARY and view.arrays is None:
        raise UsageError(f"rnncalc {view.command} has no arrays to write; take {listed((*FORMATS, 'html', 'svg'))}.")
    if destination.plot is not None:
        from rnn_calc.show.plotting import write_plot

        # First, because a pipe may be closed before it has all of the rest.
        write_plot(view, destination.plot)
    if destination.path is None:
        _write_stdout(view, destination)
    else:
        write_file(destination.path, lambda path: _write_content(view, destination, path))


def _write_stdout(view: View, destination: Destination) -> None:
    # Python leaves stdout None when the shell closed it.
    if sys.stdout is None:
        raise OutputError("stdout is closed, so the result has nowhere to go; add --output FILE.")
    try:
        _write_text(view, destination, sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at exit; give it somewhere to go.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputClosedError from None
    except OSError as error:
        raise OutputError(f"stdout cannot be written: {(error.strerror or str(error)).lower()}.") from None


def write_file(name: str, write: Callable[[Path], None]) -> None:
    """Write beside the file and move it there when it is whole; into a pipe or a device, write straight.

    Raises: OutputError when it cannot be written (no partial file stays), OutputClosedError when a pipe was closed.
    """
    path = Path(name)
    try:
        kind = _file_type(path)
        if kind not in (None, stat.S_IFREG):
            # Moving a file there would replace /dev/null itself.
            write(path)
            return
        # A link stays a link: what it points to is written.
        target = path.resolve()
        partial = target.with_name(f".{target.name[:100]}.{os.getpid()}.partial")
        # Made anew, so that nobody's link of that name is followed.
        partial.touch(exist_ok=False)
        try:
            write(partial)
            if kind is not None:
                partial.chmod(stat.S_IMODE(target.stat().st_mode))
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise OutputClosedError from None
        raise _write_error(str(path), error) from None


def _write_content(view: View, destination: Destination, path: Path) -> None:
    if destination.format in _BINARY:
        with path.open("wb") as binary:
            _write_arrays(view, destination, binary)
    else:
        with path.open("w", encoding="utf-8", newline="\n") as text:
            _write_text(view, destination, text)


def _write_text(view: View, destination: Destination, stream: IO[str]) -> None:
    match destination.format:
        case "json":
            for piece in view.json():
                stream.write(piece)
            stream.write("\n")
        case "csv":
            from rnn_calc.show.plain import csv_line

            lines = map(csv_line, view.csv())
            stream.writelines(line if line.isascii() else _encodable(line, stream) for line in lines)
        case "markdown":
            from rnn_calc.show.plain import render_markdown

            stream.write(_encodable(render_markdown(view.document(), precision=destination.precision), stream))
        case "latex":
            from rnn_calc.show.plain import render_latex

            stream.write(_encodable(render_latex(view.document(), precision=destination.precision), stream))
        case "html":
            from rnn_calc.show.html import html_page, render_html

            fragment = render_html(view.document(), precision=destination.precision)
            stream.write(html_page(fragment, f"rnncalc {view.command}"))
        case "svg":
            from rnn_calc.show.terminal import render_svg

            inked = destination.color != "never"
            picture = render_svg(
                view.document(), precision=destination.precision, title="rnncalc", width=100, has_color=inked
            )
            stream.write(picture)
        case _:
            from rnn_calc.show.terminal import render_terminal

            render_terminal(view.document(), stream, precision=destination.precision, color=destination.color)


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
        name, array = next(iter(arrays.items()))
        np.save(stream, array, allow_pickle=False)
        if len(arrays) > 1:
            from rnn_calc.show.progress import remark

            remark(f"an .npy file holds one array: {printable(name)}; .npz holds all {len(arrays)}.")


def json_object(command: str, content: Mapping[str, object]) -> Iterator[str]:
    """One JSON object with the schema and the command first. Numbers must be finite: NaN is a bug here."""
    import json

    yield json.dumps({"schema": 1, "command": command, **content}, ensure_ascii=True, allow_nan=False)
