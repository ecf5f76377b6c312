"""NumPy's own files, read as data alone: headers are checked before anything is allocated, nothing is unpickled."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rnn_calc.core.errors import DataError, NonFiniteError, TooLargeError, printable, quoted
from rnn_calc.core.memory import write_bytes
from rnn_calc.core.weights import Array
from rnn_calc.files.numbers import place
from rnn_calc.files.source import describe_source, open_error

# What an .npz archive may unpack to, all members together.
LARGEST_UNPACKED = 2**30
_MOST_MEMBERS = 1000
_LARGEST_HEADER = 64 * 2**10


def _header(file: BinaryIO, name: str) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Shape, Fortran order and dtype from an .npy header."""
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=_LARGEST_HEADER)
        elif version == (2, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(file, max_header_size=_LARGEST_HEADER)
        else:
            raise DataError(f"{name} is an .npy file of version {version}; 1.0 and 2.0 are read.")
    except (ValueError, SyntaxError, EOFError, OverflowError, MemoryError, RecursionError):
        raise DataError(f"{name} is no .npy array: its header cannot be read.") from None
    if dtype.hasobject:
        raise DataError(f"{name} holds Python objects; those are never unpickled. Save it as an array of numbers.")
    if dtype.kind not in "fiu":
        raise DataError(f"{name} holds {printable(str(dtype))}; real numbers are needed.")
    if any(type(size) is not int or size < 0 for size in shape):
        raise DataError(f"{name} has an impossible shape in its header.")
    return shape, fortran, dtype


def read_npy_stream(file: BinaryIO, available: int, name: str) -> Array:
    """The array of an .npy stream of `available` bytes, as float64.

    Raises: DataError when the header promises anything but exactly the bytes that are there.
    """
    shape, fortran, dtype = _header(file, name)
    promised = math.prod(shape) * dtype.itemsize
    present = available - file.tell()
    if promised != present:
        raise DataError(f"{name} promises {promised:,} bytes of data in its header and holds {present:,}.")
    content = file.read(promised)
    flat = np.frombuffer(content, dtype=dtype)
    return flat.reshape(shape, order="F" if fortran else "C").astype(np.float64)


def read_npz(path: str, *, allow_nonfinite: bool = False) -> dict[str, Array]:
    """All arrays of an .npz archive by name.

    Raises: DataError for a damaged archive or anything in it that is no array of numbers; TooLargeError beyond
    `LARGEST_UNPACKED` bytes unpacked; NonFiniteError with the position.
    """
    arrays = {}
    unpacked = 0
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > _MOST_MEMBERS:
                raise TooLargeError(
                    f"{describe_source(path)} has {len(members):,} members; {_MOST_MEMBERS:,} is the limit."
                )
            for member in members:
                name = member.filename.removesuffix(".npy")
                label = f"{quoted(name)} in {describe_source(path)}"
                if not member.filename.endswith(".npy"):
                    raise DataError(f"{label} is no .npy array; an .npz archive holds nothing else.")
                if name in arrays:
                    raise DataError(f"{describe_source(path)} has two members {quoted(name)}; one of them must go.")
                unpacked += member.file_size
                if unpacked > LARGEST_UNPACKED:
                    raise TooLargeError(
                        f"{describe_source(path)} unpacks to more than the limit of {write_bytes(LARGEST_UNPACKED)}."
                    )
                with archive.open(member) as stream:
                    # The declared size bounds what is unpacked, whatever the compressed data would give.
                    content = stream.read(member.file_size)
                array = read_npy_stream(io.BytesIO(content), len(content), label)
                if not array.size:
                    raise DataError(f"{label} is an empty array of shape {array.shape}; it must hold numbers.")
                arrays[name] = _finite(array, label, allow_nonfinite=allow_nonfinite)
    except OSError as error:
        raise open_error(path, error) from None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
        raise DataError(f"{describe_source(path)} is no readable .npz archive.") from None
    if not arrays:
        raise DataError(f"{describe_source(path)} is an empty archive; it must hold at least one array.")
    return arrays


def map_npy(path: str, *, allow_nonfinite: bool = False) -> Array:
    """The array of an .npy file, mapped and not read: a long sequence need not fit in memory."""
    try:
        with Path(path).open("rb") as file:
            shape, fortran, dtype = _header(file, describe_source(path))
            offset = file.tell()
        promised, present = math.prod(shape) * dtype.itemsize, Path(path).stat().st_size - offset
    except OSError as error:
        raise open_error(path, error) from None
    if promised != present:
        raise DataError(
            f"{describe_source(path)} promises {promised:,} bytes of data in its header and holds {present:,}."
        )
    if promised == 0:
        raise DataError(f"{describe_source(path)} is an empty array of shape {shape}; it must hold numbers.")
    array = np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape, order="F" if fortran else "C")
    return _finite(array, describe_source(path), allow_nonfinite=allow_nonfinite)


def _finite(array: Array, name: str, *, allow_nonfinite: bool) -> Array:
    """The array, when every entry is finite or need not be; looked through in slabs, so that a map stays a map."""
    if not allow_nonfinite and array.ndim:
        for start in range(0, len(array), 4096):
            bad = np.argwhere(~np.isfinite(array[start : start + 4096]))
            if len(bad):
                first = (start + int(bad[0][0]), *map(int, bad[0][1:]))
                raise NonFiniteError(
                    f"{name}{place(first)} is {array[first]}; a finite number is needed "
                    "(--allow-nonfinite lets it through)."
                )
    return array
