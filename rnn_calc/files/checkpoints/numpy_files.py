"""NumPy's files as checkpoints: an .npz archive, and a folder of .npy files."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.errors import DataError
from rnn_calc.files.arrays import NpyHeader, read_npy_header, require_numbers, require_promised
from rnn_calc.files.checkpoints.reading import (
    file_size,
    label,
    open_file,
    read_bytes_at,
    require_name,
    require_room,
)
from rnn_calc.files.checkpoints.tensors import Checkpoint, TensorInfo
from rnn_calc.files.checkpoints.zip_members import Member, list_members, read_member, read_whole
from rnn_calc.files.source import describe_source, open_error

if TYPE_CHECKING:
    from rnn_calc.core.weights import Array

_SUFFIX = ".npy"
# Enough for any header of an array of numbers: NumPy writes 128 bytes.
_HEADER_BYTES = 64 * 2**10


class _Place(NamedTuple):
    """An array that was looked at: where its data begin, in a file of its own or in a member."""

    header: NpyHeader
    data: int
    source: Path | Member


def open_npz(path: str) -> Checkpoint:
    """The arrays of an .npz archive; their headers alone are read.

    Raises: DataError for a damaged archive, a member that is no array or one that lies about its size.
    """
    places = {}
    for name, member in list_members(path).items():
        what = label(name.removesuffix(_SUFFIX), path)
        if not name.endswith(_SUFFIX):
            raise DataError(f"{what} is no .npy array; an .npz archive holds nothing else.")
        head = io.BytesIO(read_member(path, member, 0, min(member.size, _HEADER_BYTES)).tobytes())
        places[name.removesuffix(_SUFFIX)] = _look(head, member.size, member, what)
    return _checkpoint(path, "npz", places)


def open_npy_folder(path: str) -> Checkpoint:
    """The arrays of all .npy files that lie directly in a folder, named as the files are; their headers alone are read.

    Raises: DataError for a folder without any, a damaged file, or a link to somewhere else.
    """
    try:
        folder = Path(path).resolve(strict=True)
        files = sorted(entry for entry in folder.iterdir() if entry.suffix == _SUFFIX)
    except OSError as error:
        raise open_error(path, error) from None
    if not files:
        raise DataError(f"The folder {describe_source(path)} holds no .npy file.")
    places = {}
    for file in files:
        what = label(file.name, path)
        if _target(file).parent != folder:
            raise DataError(f"{what} is a link that leads out of the folder; put the file itself there.")
        with open_file(str(file)) as content:
            places[file.stem] = _look(content, file_size(content), file, what)
    return _checkpoint(path, "npy folder", places)


def _target(file: Path) -> Path:
    """What a link leads to; the file system's root where it goes round in a circle."""
    try:
        return file.resolve()
    except (OSError, RuntimeError):  # RuntimeError before Python 3.13
        return Path(file.anchor)


def _look(content: io.BufferedIOBase, size: int, source: Path | Member, what: str) -> _Place:
    header = read_npy_header(content, what)  # type: ignore[arg-type]
    # Objects are a pickle of any length, which is not looked at.
    if not header.dtype.hasobject:
        require_promised(header, size - content.tell(), what)
    return _Place(header, content.tell(), source)


def _checkpoint(path: str, container: str, places: Mapping[str, _Place]) -> Checkpoint:
    tensors = {name: TensorInfo(place.header.shape, place.header.dtype.name) for name, place in places.items()}
    return Checkpoint(path, container, tensors, partial(_read, path, places))


def _read(path: str, places: Mapping[str, _Place], name: str) -> Array:
    require_name(places, name, path)
    (header, data, source), what = places[name], label(name, path)
    if header.dtype.kind != "b":
        require_numbers(header.dtype, what)
    require_room(header.shape, header.size, what)
    content = _data(path, source, data, header.size, what)
    # A byte that is neither 0 nor 1 is no bool to NumPy.
    units = content != 0 if header.dtype.kind == "b" else content.view(header.dtype)
    with np.errstate(invalid="ignore"):
        return units.reshape(header.shape, order="F" if header.fortran else "C").astype(np.float64, order="C")


def _data(path: str, source: Path | Member, start: int, count: int, what: str) -> NDArray[np.uint8]:
    if isinstance(source, Path):
        return read_bytes_at(str(source), start, count, what)
    return read_whole(path, source)[start:]
