"""NumPy's own files, read as data alone: headers are checked before anything is allocated, nothing is unpickled."""

from __future__ import annotations

import io
import math
import tokenize
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from rnn_calc.core.errors import DataError, NonFiniteError, TooLargeError, printable, quoted
from rnn_calc.core.memory import write_bytes
from rnn_calc.files.checkpoints.reading import MOST_AXES, require_room
from rnn_calc.files.numbers import place
from rnn_calc.files.source import describe_source, open_error

if TYPE_CHECKING:
    from rnn_calc.core.weights import Array

# What an .npz archive may unpack to, all members together.
LARGEST_UNPACKED = 2**30
_MOST_MEMBERS = 1000
_LARGEST_HEADER = 64 * 2**10
# What NumPy's reader of headers lets through from the parser and from the constructor of dtypes.
_HEADER_ERRORS = (ValueError, SyntaxError, TypeError, KeyError, IndexError, tokenize.TokenError)


class NpyHeader(NamedTuple):
    """What an .npy header says of the data after it."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[np.generic]

    @property
    def size(self) -> int:
        """Bytes of data that are promised."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy_header(file: BinaryIO, name: str) -> NpyHeader:
    """The header of an .npy stream, which stands at the data afterwards.

    Raises: DataError for a header that cannot be read.
    """
    try:
        # The header is a Python literal, whose escapes and long integers Python and NumPy warn of.
        with warnings.catch_warnings(action="ignore"):
            version = np.lib.format.read_magic(file)
            if version == (1, 0):
                header = np.lib.format.read_array_header_1_0(file, max_header_size=_LARGEST_HEADER)
            elif version == (2, 0):
                header = np.lib.format.read_array_header_2_0(file, max_header_size=_LARGEST_HEADER)
            else:
                raise DataError(f"{name} is an .npy file of version {version}; 1.0 and 2.0 are read.")
    except (*_HEADER_ERRORS, EOFError, OverflowError, MemoryError, RecursionError):
        raise DataError(f"{name} is no .npy array: its header cannot be read.") from None
    if any(type(size) is not int or size < 0 for size in header[0]):
        raise DataError(f"{name} has an impossible shape in its header.")
    if len(header[0]) > MOST_AXES:
        raise DataError(f"{name} has {len(header[0])} axes; {MOST_AXES} is the most that is read.")
    return NpyHeader(*header)


def require_numbers(dtype: np.dtype[np.generic], name: str) -> None:
    """Nothing, when entries of this type are real numbers.

    Raises: DataError otherwise; objects are named apart, because NumPy would unpickle them.
    """
    if dtype.hasobject:
        raise DataError(f"{name} holds Python objects; those are never unpickled. Save it as an array of numbers.")
    if dtype.kind not in "fiu":
        raise DataError(f"{name} holds {printable(str(dtype))}; real numbers are needed.")


def _header(file: BinaryIO, name: str) -> NpyHeader:
    header = read_npy_header(file, name)
    require_numbers(header.dtype, name)
    return header


def require_promised(header: NpyHeader, present: int, name: str) -> None:
    """Nothing, when the data are exactly as long as the header promises.

    Raises: DataError with both lengths.
    """
    if header.size != present:
        raise DataError(f"{name} promises {header.size:,} bytes of data in its header and holds {present:,}.")


def read_npy_stream(file: BinaryIO, available: int, name: str) -> Array:
    """The array of an .npy stream of `available` bytes, as float64.

    Raises: DataError when the header promises anything but exactly the bytes that are there; TooLargeError when they do
    not fit in memory as float64.
    """
    header = _header(file, name)
    require_promised(header, available - file.tell(), name)
    shape, fortran, dtype = header
    require_room(shape, header.size, name)
    content = file.read(header.size)
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
                arrays[name] = require_finite(array, label, allow_nonfinite=allow_nonfinite)
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
            header = _header(file, describe_source(path))
            offset = file.tell()
        present = Path(path).stat().st_size - offset
    except OSError as error:
        raise open_error(path, error) from None
    require_promised(header, present, describe_source(path))
    shape, fortran, dtype = header
    if header.size == 0:
        raise DataError(f"{describe_source(path)} is an empty array of shape {shape}; it must hold numbers.")
    array = np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape, order="F" if fortran else "C")
    return require_finite(array, describe_source(path), allow_nonfinite=allow_nonfinite)


def require_finite(array: Array, name: str, *, allow_nonfinite: bool) -> Array:
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
