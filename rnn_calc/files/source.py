"""Bytes, text and JSON from a path or from stdin, with limits, and an error for everything that can go wrong."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import BinaryIO

from rnn_calc.core.errors import DataError, TooLargeError, did_you_mean, printable, quoted
from rnn_calc.core.memory import write_bytes

# Model files and JSON are read whole; a larger one is no model file for a calculator.
LARGEST_DOCUMENT = 64 * 2**20


def describe_source(path: str) -> str:
    """How a source is named in messages: a path is never cut, because its end says most."""
    return "stdin" if path == "-" else f"'{printable(path)}'"


def open_error(path: str, error: OSError) -> DataError:
    """The error for a path that cannot be opened, naming the nearest file where there is one."""
    if isinstance(error, FileNotFoundError):
        parent = Path(path).parent
        names = [printable(entry.name) for entry in parent.iterdir()] if parent.is_dir() else []
        return DataError(f"There is no file {describe_source(path)}.{did_you_mean(Path(path).name, names)}")
    if isinstance(error, IsADirectoryError):
        return DataError(f"{describe_source(path)} is a folder; a file is needed.")
    reason = (error.strerror or type(error).__name__).lower()
    return DataError(f"{describe_source(path)} cannot be read: {reason}.")


def stdin_bytes() -> BinaryIO:
    """What is piped in.

    Raises: DataError when the shell closed it.
    """
    if sys.stdin is None:
        raise DataError("stdin is closed, so nothing can be read from it.")
    return sys.stdin.buffer


def read_bytes(path: str, limit: int = LARGEST_DOCUMENT) -> bytes:
    """All bytes of a file, or of stdin for `-`.

    Raises: DataError when it cannot be read, TooLargeError beyond `limit` bytes (never reading more than that).
    """
    try:
        if path == "-":
            content = stdin_bytes().read(limit + 1)
        else:
            with Path(path).open("rb") as file:
                content = file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise (
            open_error(path, error)
            if isinstance(error, OSError)
            else DataError(f"{describe_source(path)} is no file name.")
        ) from None
    if len(content) > limit:
        raise TooLargeError(f"{describe_source(path)} is larger than the limit of {write_bytes(limit)}.")
    return content


def decode(content: bytes, path: str) -> str:
    """The bytes as UTF-8 text, without a byte order mark.

    Raises: DataError naming the offset of the first byte that is not UTF-8.
    """
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{describe_source(path)} is not UTF-8 text: byte {error.start} is 0x{content[error.start]:02x}."
        ) from None


def _unique_names(path: str, pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object, in which TOML's rule holds: a name stands once."""
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise DataError(f"{describe_source(path)} has the name {quoted(name)} twice in one object.")
        found[name] = value
    return found


def parse_json(text: str, path: str) -> object:
    """The JSON document in `text`.

    Raises: DataError naming line and column where it is no JSON, or that it is nested too deep.
    """
    import json

    try:
        document: object = json.loads(text, object_pairs_hook=partial(_unique_names, path))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{describe_source(path)} is no JSON: line {error.lineno}, column {error.colno}: {error.msg.lower()}."
        ) from None
    except RecursionError:
        raise DataError(f"{describe_source(path)} is nested too deep to be read.") from None
    except ValueError:
        raise DataError(f"{describe_source(path)} holds a number with too many digits.") from None
    return document
