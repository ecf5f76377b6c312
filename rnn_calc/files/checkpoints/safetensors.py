"""The safetensors format: a JSON header that says where every tensor lies, then the bytes; read and written.

Source: the format's description at https://github.com/huggingface/safetensors
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from functools import partial
from io import BufferedReader
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from rnn_calc.core.errors import DataError, did_you_mean, listed, quoted
from rnn_calc.files.checkpoints.reading import (
    ITEM_SIZES,
    LARGEST_SIZE,
    MOST_AXES,
    as_floats,
    as_units,
    file_size,
    find_tensor,
    is_flat,
    label,
    open_file,
    read_bytes_at,
    read_into,
    require_room,
    to_float64,
)
from rnn_calc.files.checkpoints.tensors import Checkpoint, TensorInfo
from rnn_calc.files.source import decode, describe_source, parse_json

if TYPE_CHECKING:
    from rnn_calc.core.weights import Array

# The format's own limit is 100 MB; JSON of that length may take 20 times as much memory, and lists a million tensors.
LARGEST_HEADER = 16 * 2**20
_METADATA = "__metadata__"
_LENGTH = struct.Struct("<Q")

_DTYPES = {
    **{"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"},
    **{"I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8"},
    **{"U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool", "C64": "complex64"},
    **{"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu"},
}
_WRITTEN = {"float64": "F64", "float32": "F32"}


class _Span(NamedTuple):
    """The bytes of a tensor, counted from the end of the header."""

    begin: int
    end: int


def open_safetensors(path: str) -> Checkpoint:
    """The tensors that the header of a .safetensors file lists; nothing beyond the header is read.

    Raises: DataError for a header that does not describe exactly the file it stands in.
    """
    with open_file(path) as file:
        size = file_size(file)
        header, start = _read_header(file, size, path)
    metadata = _read_metadata(header.pop(_METADATA, {}), path)
    tensors, spans = {}, {}
    for name, entry in header.items():
        tensors[name], spans[name] = _read_entry(entry, label(name, path))
    _require_full_cover(spans, size - start, path)
    return Checkpoint(
        path,
        "safetensors",
        tensors,
        partial(_read, path, start, tensors, spans),
        metadata=metadata,
        flat=partial(_read_flat, path, start, tensors, spans),
    )


def _read_header(file: BufferedReader, size: int, path: str) -> tuple[dict[str, object], int]:
    """The JSON object at the head of the file, and where it ends."""
    if size < _LENGTH.size:
        raise DataError(f"{describe_source(path)} has {size} bytes; a .safetensors file begins with 8 that say more.")
    (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
    if length > LARGEST_HEADER:
        raise DataError(
            f"{describe_source(path)} promises a header of {length:,} bytes; {LARGEST_HEADER:,} is the limit, which is "
            "enough for 100,000 tensors. It is damaged, or no .safetensors file."
        )
    if length > size - _LENGTH.size:
        raise DataError(
            f"{describe_source(path)} promises a header of {length:,} bytes and holds {size - _LENGTH.size:,}."
        )
    text = file.read(length)
    if not text.startswith(b"{"):
        raise DataError(f"{describe_source(path)} is no .safetensors file: its header is no JSON object.")
    header = parse_json(decode(text, path), path)
    if not isinstance(header, dict):
        raise DataError(f"{describe_source(path)} is no .safetensors file: its header is no JSON object.")
    return header, _LENGTH.size + length


def _read_metadata(entry: object, path: str) -> dict[str, str]:
    if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
        raise DataError(f"{_METADATA} in {describe_source(path)} must be an object of texts.")
    return entry


def _read_entry(entry: object, name: str) -> tuple[TensorInfo, _Span]:
    """What the header says of one tensor, after its sizes were found to agree."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise DataError(f"{name} must be described by dtype, shape and data_offsets, and nothing else.")
    stored, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(stored, str) or stored not in _DTYPES:
        raise DataError(
            f"{name} has the unknown dtype {quoted(stored)}; {listed(_DTYPES)} are known."
            f"{did_you_mean(str(stored), _DTYPES)}"
        )
    if not _are_sizes(shape) or len(shape) > MOST_AXES:
        raise DataError(f"{name} must have as its shape a list of at most {MOST_AXES} whole numbers from 0 on.")
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise DataError(f"{name} must have as its data_offsets two whole numbers, begin ≤ end.")
    dtype, span = _DTYPES[stored], _Span(*offsets)
    needed = prod(shape) * ITEM_SIZES[dtype]
    if needed != span.end - span.begin:
        raise DataError(
            f"{name} takes {needed:,} bytes by its shape and dtype and {span.end - span.begin:,} by its data_offsets."
        )
    return TensorInfo(tuple(shape), dtype), span


def _are_sizes(value: object) -> bool:
    return isinstance(value, list) and all(type(size) is int and 0 <= size <= LARGEST_SIZE for size in value)


def _require_full_cover(spans: Mapping[str, _Span], available: int, path: str) -> None:
    """Nothing, when the spans follow each other from the first byte to the last, as the format demands."""
    position, before = 0, ""
    for name, span in sorted(spans.items(), key=lambda item: item[1]):
        if span.begin < position:
            raise DataError(f"{label(name, path)} begins within the bytes of {quoted(before)}.")
        if span.begin > position:
            raise DataError(
                f"{span.begin - position:,} bytes before {label(name, path)} belong to no tensor; "
                "the format allows no gaps."
            )
        if span.end > available:
            raise DataError(f"{label(name, path)} ends at byte {span.end:,} of the data, which has {available:,}.")
        position, before = span.end, name
    if position != available:
        raise DataError(f"{describe_source(path)} describes {position:,} bytes of data and holds {available:,}.")


def _read(path: str, start: int, tensors: Mapping[str, TensorInfo], spans: Mapping[str, _Span], name: str) -> Array:
    info, what = find_tensor(tensors, name, path), label(name, path)
    begin, end = spans[name]
    require_room(info.shape, end - begin, what)
    content = read_bytes_at(path, start + begin, end - begin, what)
    return to_float64(as_units(content, info.dtype), info.dtype).reshape(info.shape)


def _read_flat(
    path: str, start: int, tensors: Mapping[str, TensorInfo], spans: Mapping[str, _Span], name: str
) -> tuple[float, ...] | None:
    info = find_tensor(tensors, name, path)
    if not is_flat(info):
        return None
    begin, end = spans[name]
    content = bytearray(end - begin)
    read_into(memoryview(content), path, start + begin, label(name, path))
    return as_floats(content, info.dtype)


def write_safetensors(
    tensors: Mapping[str, Array], metadata: Mapping[str, str] | None = None, dtype: str = "float64"
) -> Iterator[bytes]:
    """The parts of a .safetensors file that holds `tensors` as float64 or float32, header first.

    Raises: DataError for the one name that the format keeps for itself, or a number beyond float32.
    """
    header: dict[str, object] = {_METADATA: dict(metadata)} if metadata else {}
    item, position = ITEM_SIZES[dtype], 0
    for name, array in tensors.items():
        if name == _METADATA:
            raise DataError(f"A tensor cannot be called {_METADATA} in a .safetensors file.")
        _require_range(name, array, dtype)
        end = position + array.size * item
        header[name] = {"dtype": _WRITTEN[dtype], "shape": list(array.shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    # Spaces bring the data to a multiple of 8, so that it can be mapped.
    text += b" " * (-len(text) % _LENGTH.size)
    return _parts(_LENGTH.pack(len(text)) + text, tensors, dtype)


def _require_range(name: str, array: Array, dtype: str) -> None:
    import numpy as np

    limit = float(np.finfo(dtype).max)
    if array.size and dtype != "float64":
        largest = float(np.max(np.abs(array), where=np.isfinite(array), initial=0.0))
        if largest > limit:
            raise DataError(
                f"{quoted(name)} holds {largest:g}, beyond {dtype} (about {limit:.2g}); write it as float64."
            )


def _parts(head: bytes, tensors: Mapping[str, Array], dtype: str) -> Iterator[bytes]:
    import numpy as np

    yield head
    stored = np.dtype(dtype).newbyteorder("<")
    for array in tensors.values():
        yield array.astype(stored, order="C", copy=False).tobytes()
