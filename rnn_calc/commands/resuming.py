"""Which sweep is which, so that one that was interrupted goes on and no other does."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from rnn_calc.commands.points import Sweep
from rnn_calc.core.errors import DataError
from rnn_calc.files.journal import Journal, Settings

_SUFFIX = ".partial"
# What --sequence takes without an @ in front.
_SEQUENCES = (".csv", ".json", ".npy")


def open_journal(sweep: Sweep, output: str, again: str, *, resume: bool, force: bool) -> Journal:
    """The journal beside the output file; see `Journal`."""
    settings = Settings(_digest(sweep), sweep.grid.runs, again, version("rnn-calc"))
    return Journal(Path(f"{output}{_SUFFIX}"), settings, resume=resume, force=force)


def _digest(sweep: Sweep) -> str:
    """A digest of everything that the numbers depend on: options, axes, and the content of the files they name."""
    axes = [[axis.name, list(axis.values)] for axis in sweep.grid.axes]
    files = [_file_digest(path) for path in _files(sweep)]
    settings = [asdict(sweep.fixed), axes, sweep.grid.repeats, files]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode("ascii")).hexdigest()


def _files(sweep: Sweep) -> list[str]:
    found = [sweep.fixed.network.model] if sweep.fixed.network.model is not None else []
    sequence = sweep.fixed.sequence.sequence
    if sequence is not None and (sequence.startswith("@") or sequence.lower().endswith(_SEQUENCES)):
        found.append(sequence.removeprefix("@"))
    return found


def _file_digest(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except IsADirectoryError:
        return "a folder"
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {(error.strerror or str(error)).lower()}.") from None
