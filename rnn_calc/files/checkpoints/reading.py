"""Parts of a file read by their place, and their bytes made into float64: what all containers share.

NumPy is imported where values are read: it takes as long as all else that a look at the headers does.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Mapping
from io import BufferedReader
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rnn_calc.core.errors import DataError, did_you_mean, quoted
from rnn_calc.core.memory import FLOAT64, require_memory
from rnn_calc.files.checkpoints.tensors import TensorInfo
from rnn_calc.files.source import describe_source, open_error

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rnn_calc.core.weights import Array

ByteOrder = Literal["<", ">"]

# NumPy before 2 stops here.
MOST_AXES = 32
# What any format may state as a size; a larger number comes from no file that can exist.
LARGEST_SIZE = 2**63 - 1

# Bytes of one entry of every type that can be listed.
ITEM_SIZES: Mapping[str, int] = {
    **{"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2},
    **{"int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint64": 8, "uint32": 4, "uint16": 2, "uint8": 1, "bool": 1},
    **{"complex128": 16, "complex64": 8, "complex32": 4},
    **{"float8_e4m3fn": 1, "float8_e5m2": 1, "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1, "float8_e8m0fnu": 1},
}
# How the entries of the types that are read lie in the file; bfloat16 is the upper half of a float32.
_UNITS = {name: name for name in ITEM_SIZES if name.startswith(("int", "uint"))} | {
    **{"float64": "f8", "float32": "f4", "float16": "f2", "bfloat16": "u2", "bool": "u1"},
}
# The same for the struct module.
_CODES = {"float64": "d", "float32": "f", "float16": "e", "bfloat16": "H"}
# What is read without NumPy at most: a vector, and no matrix.
_MOST_FLAT = 2**20


def label(name: str, path: str) -> str:
    """How a tensor is named in messages."""
    return f"{quoted(name)} in {describe_source(path)}"


def open_file(path: str) -> BufferedReader:
    """The file, open for reading.

    Raises: DataError when it is missing (with the nearest name), cannot be read or is no ordinary file.
    """
    try:
        # A named pipe would be waited for without end.
        mode = Path(path).stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise DataError(f"{describe_source(path)} is no ordinary file.")
        return Path(path).open("rb")
    except OSError as error:
        raise open_error(path, error) from None
    except ValueError:
        raise DataError(f"{describe_source(path)} is no file name.") from None


def file_size(file: BufferedReader) -> int:
    """Bytes in an open file, which stands at its start afterwards."""
    size = file.seek(0, 2)
    file.seek(0)
    return size


def read_bytes_at(path: str, start: int, count: int, what: str) -> NDArray[np.uint8]:
    """`count` bytes of a file from `start` on; the caller has checked them against the file's size.

    Raises: DataError when they are no longer there.
    """
    import numpy as np

    content = np.empty(count, np.uint8)
    read_into(content.data, path, start, what)
    return content


def read_into(content: memoryview, path: str, start: int, what: str) -> None:
    """Fill `content` with the bytes of a file from `start` on.

    Raises: DataError when they are no longer there.
    """
    count, found = len(content), 0
    with open_file(path) as file:
        try:
            file.seek(start)
            found = file.readinto(content) if count else 0
        except OSError as error:
            raise open_error(path, error) from None
    if found != count:
        raise DataError(f"{what} should be {count:,} bytes at {start:,}; the file ends after {found:,} of them.")


def find_tensor(tensors: Mapping[str, TensorInfo], name: str, path: str) -> TensorInfo:
    """The header of a tensor that can be read.

    Raises: DataError for a name that is not there (with the nearest one) or a type that has no float64 values.
    """
    require_name(tensors, name, path)
    info = tensors[name]
    if info.dtype not in _UNITS:
        raise DataError(f"{label(name, path)} is {info.dtype}, which is listed and not read; save it as float32.")
    return info


def require_name(tensors: Mapping[str, object], name: str, path: str) -> None:
    """Nothing, when there is a tensor of this name.

    Raises: DataError with the nearest of the names that a terminal can show; others come from a hostile file.
    """
    if name not in tensors:
        nearest = did_you_mean(name, (other for other in tensors if other.isprintable()))
        raise DataError(f"{describe_source(path)} has no tensor {quoted(name)}.{nearest}")


def require_room(shape: tuple[int, ...], raw: int, what: str) -> None:
    """Nothing, when a tensor of `shape` as float64 and `raw` bytes beside it fit in memory.

    Raises: TooLargeError otherwise, for an empty tensor too whose other sizes NumPy could not hold.
    """
    require_memory(raw + FLOAT64 * prod(max(size, 1) for size in shape), what, "It can only be listed here.")


def as_units(content: NDArray[np.uint8], dtype: str, order: ByteOrder = "<") -> NDArray[Any]:
    """The entries of a type that is read as they are stored, in the byte order of the file."""
    import numpy as np

    return content.view(np.dtype(_UNITS[dtype]).newbyteorder(order))


def is_flat(info: TensorInfo) -> bool:
    """Whether `as_floats` takes a tensor: few floating-point numbers."""
    return info.dtype in _CODES and prod(info.shape) <= _MOST_FLAT


def as_floats(content: bytes | bytearray, dtype: str, order: ByteOrder = "<") -> tuple[float, ...]:
    """The entries of a small tensor as they are stored, without NumPy."""
    count = len(content) // ITEM_SIZES[dtype]
    units = struct.unpack(f"{order}{count}{_CODES[dtype]}", content)
    if dtype == "bfloat16":
        units = struct.unpack(f"<{count}f", struct.pack(f"<{count}I", *(unit << 16 for unit in units)))
    return units


def to_float64(units: NDArray[Any], dtype: str) -> Array:
    """What the stored entries mean, as a C-contiguous float64 array; exact but for integers beyond 2^53."""
    import numpy as np

    if dtype == "bfloat16":
        units = (units.astype(np.uint32) << 16).view(np.float32)
    elif dtype == "bool":
        units = units != 0
    # A signalling NaN turns into a quiet one, which some processors report.
    with np.errstate(invalid="ignore"):
        return np.asarray(units).astype(np.float64, order="C", copy=False)
