"""A tensor of an ONNX model: its header checked against its data, and its values from wherever they are kept."""

from __future__ import annotations

import os
import stat
from math import prod
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.errors import DataError, quoted
from rnn_calc.core.weights import Array
from rnn_calc.files.checkpoints.reading import (
    ITEM_SIZES,
    MOST_AXES,
    as_units,
    label,
    read_bytes_at,
    require_room,
    to_float64,
)
from rnn_calc.files.checkpoints.tensors import TensorInfo

if TYPE_CHECKING:
    import onnx

# TensorProto.DataType; the numbers are part of the format.
_TYPES = {
    **{1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool"},
    **{10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16"},
    **{17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz"},
    **{21: "uint4", 22: "int4", 23: "float4e2m1", 24: "float8_e8m0fnu"},
}
_WIDE = {"float_data": "f4", "double_data": "f8", "int32_data": "i8", "int64_data": "i8", "uint64_data": "u8"}
# The field of each type that is read, and as what its entries hold the bits.
_FIELDS = {
    **{"float32": ("float_data", "float32"), "float64": ("double_data", "float64"), "int64": ("int64_data", "int64")},
    **{"uint32": ("uint64_data", "uint32"), "uint64": ("uint64_data", "uint64")},
    **{name: ("int32_data", name) for name in ("int8", "int16", "int32", "uint8", "uint16")},
    **{"bool": ("int32_data", "uint8"), "float16": ("int32_data", "uint16"), "bfloat16": ("int32_data", "uint16")},
}
_EXTERNAL = 1


def as_text(value: str | bytes) -> str:
    """A text of a message: protobuf hands out its bytes when they are not UTF-8, whatever its type says."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def header(tensor: onnx.TensorProto, name: str, path: str) -> TensorInfo:
    """Shape and type of a tensor.

    Raises: DataError for sizes that cannot be, and where the data in the file are more or less than they.
    """
    shape = tuple(tensor.dims)
    what = label(name, path)
    if any(size < 0 for size in shape):
        raise DataError(f"{what} has a negative size in its header.")
    if len(shape) > MOST_AXES:
        raise DataError(f"{what} has {len(shape)} axes; {MOST_AXES} is the limit.")
    dtype = _TYPES.get(tensor.data_type, f"type {tensor.data_type}")
    if tensor.HasField("segment"):
        raise DataError(f"{what} is a part of a larger tensor; those are not read.")
    if dtype in _FIELDS:
        if tensor.data_location == _EXTERNAL:
            _place(tensor, prod(shape) * ITEM_SIZES[dtype], what)
        else:
            _require_data(tensor, prod(shape), dtype, what)
    return TensorInfo(shape, dtype)


def values(tensor: onnx.TensorProto, info: TensorInfo, name: str, path: str) -> Array:
    """The values of a tensor as float64.

    Raises: DataError when they are not where the model says, or do not fit their type.
    """
    what = label(name, path)
    count = prod(info.shape)
    size = count * ITEM_SIZES[info.dtype]
    require_room(info.shape, size, what)
    if tensor.data_location == _EXTERNAL:
        units = as_units(_external(tensor, size, path, what), info.dtype)
    elif tensor.HasField("raw_data"):
        units = as_units(np.frombuffer(tensor.raw_data, np.uint8), info.dtype)
    else:
        units = _typed(tensor, info.dtype, what)
    return to_float64(units, info.dtype).reshape(info.shape)


def _require_data(tensor: onnx.TensorProto, count: int, dtype: str, what: str) -> None:
    field, _ = _FIELDS[dtype]
    entries = len(getattr(tensor, field))
    if tensor.HasField("raw_data"):
        present, promised = len(tensor.raw_data), count * ITEM_SIZES[dtype]
        if entries:
            raise DataError(f"{what} holds its values twice, as raw_data and as {field}.")
        if present != promised:
            raise DataError(f"{what} promises {promised:,} bytes of data in its header and holds {present:,}.")
    elif entries != count:
        raise DataError(f"{what} promises {count:,} values in its header and holds {entries:,}.")


def _typed(tensor: onnx.TensorProto, dtype: str, what: str) -> NDArray[Any]:
    """The entries of the field for a type; narrow types are kept in wide ones and have to fit."""
    field, kept = _FIELDS[dtype]
    wide = np.array(getattr(tensor, field), _WIDE[field])
    if wide.dtype.kind in "iu" and wide.size:
        limits = np.iinfo(kept)
        if int(wide.min()) < limits.min or int(wide.max()) > limits.max:
            raise DataError(f"{what} has values that {dtype} does not hold.")
    units = wide.astype(kept)
    return units.view(np.float16) if dtype == "float16" else units


def _external(tensor: onnx.TensorProto, size: int, path: str, what: str) -> NDArray[np.uint8]:
    """The bytes of a tensor from the file beside the model that it names."""
    location, start = _place(tensor, size, what)
    target = _beside(location, path, what)
    there = target.stat().st_size
    if start + size > there:
        raise DataError(
            f"{what} has its values at {start:,} to {start + size:,} of {quoted(target.name)}, which ends at {there:,}."
        )
    return read_bytes_at(str(target), start, size, what)


def _place(tensor: onnx.TensorProto, size: int, what: str) -> tuple[str, int]:
    """The file that holds the `size` bytes of a tensor, as the model names it, and where they begin in it."""
    entries = [(as_text(entry.key), as_text(entry.value)) for entry in tensor.external_data]
    table = dict(entries)
    if len(table) != len(entries):
        raise DataError(f"{what} says twice where its values are.")
    if "length" in table and _whole(table["length"], what) != size:
        raise DataError(f"{what} promises {size:,} bytes of data in its header and says it has {table['length']}.")
    return table.get("location", ""), _whole(table.get("offset", "0"), what)


def _beside(location: str, path: str, what: str) -> Path:
    """The file that a location names, in the model's folder or below it.

    Raises: DataError for a path that leads elsewhere, by its parts or by a symbolic link, or to no ordinary file.
    """
    parts = PurePosixPath(location.replace("\\", "/")).parts
    refused = f"{what} keeps its values in {quoted(location)}; only a file in the model's own folder is read."
    if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0] or "\0" in location:
        raise DataError(refused)
    target = Path(path).parent
    try:
        for part in parts:
            target /= part
            if stat.S_ISLNK(os.lstat(target).st_mode):
                raise DataError(f"{what} keeps its values behind a symbolic link, {quoted(location)}.")
        if not stat.S_ISREG(os.lstat(target).st_mode):
            raise DataError(refused)
    except FileNotFoundError:
        raise DataError(f"{what} keeps its values in {quoted(location)}, which is not there.") from None
    except (OSError, ValueError):
        raise DataError(refused) from None
    return target


def _whole(text: str, what: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise DataError(f"{what} has {quoted(text)} where a number of bytes was expected.")
    return int(text)
