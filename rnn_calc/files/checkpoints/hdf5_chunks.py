"""Compressed HDF5 datasets, unpacked here piece by piece: HDF5's own unpacking has no limit."""

from __future__ import annotations

import zlib
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.errors import DataError, TooLargeError
from rnn_calc.core.memory import write_bytes
from rnn_calc.files.arrays import LARGEST_UNPACKED

if TYPE_CHECKING:
    import h5py

LARGEST_CHUNK = LARGEST_UNPACKED
# No deflate stream gives more bytes for one.
MOST_INFLATION = 1032
_DEFLATE, _SHUFFLE = 1, 2


def read_packed(dataset: h5py.Dataset, filters: list[int], what: str) -> NDArray[Any]:
    """The values of a dataset that went through `filters`, of which deflate and shuffle are known.

    Raises: DataError for other filters (HDF5 would load them as code) and damage, TooLargeError beyond the limit.
    """
    if any(number not in (_DEFLATE, _SHUFFLE) for number in filters):
        raise DataError(f"{what} is packed by a filter other than gzip and shuffle; save it without compression.")
    promised = prod(dataset.shape) * dataset.dtype.itemsize
    if promised > LARGEST_UNPACKED:
        raise TooLargeError(
            f"{what} unpacks to {write_bytes(promised)}; {write_bytes(LARGEST_UNPACKED)} is the limit. "
            "Save it without compression."
        )
    values = np.empty(dataset.shape, dataset.dtype)
    for corner in product(*(range(0, axis, step) for axis, step in zip(dataset.shape, dataset.chunks, strict=True))):
        chunk = _chunk(dataset, filters, corner, what)
        # Pieces at the far edges reach beyond the dataset.
        inside = tuple(
            slice(start, min(start + step, axis))
            for start, step, axis in zip(corner, dataset.chunks, dataset.shape, strict=True)
        )
        values[inside] = chunk[tuple(slice(part.stop - part.start) for part in inside)]
    return values


def _chunk(dataset: h5py.Dataset, filters: list[int], corner: tuple[int, ...], what: str) -> NDArray[Any]:
    size = prod(dataset.chunks) * dataset.dtype.itemsize
    if dataset.id.get_chunk_info_by_coord(corner).size > 2 * size + 1024:
        raise DataError(f"{what} has a piece that is larger packed than unpacked.")
    skipped, content = dataset.id.read_direct_chunk(corner)
    for position, number in reversed(list(enumerate(filters))):
        if skipped >> position & 1:
            continue
        if number == _DEFLATE:
            content = _inflate(content, size, what)
        elif len(content) == size:
            planes = np.frombuffer(content, np.uint8).reshape(dataset.dtype.itemsize, -1)
            content = planes.T.tobytes()
    if len(content) != size:
        raise DataError(f"{what} has a piece of {len(content):,} bytes; {size:,} were promised.")
    return np.frombuffer(content, dataset.dtype).reshape(dataset.chunks)


def _inflate(content: bytes, size: int, what: str) -> bytes:
    try:
        return zlib.decompressobj().decompress(content, size + 1)
    except zlib.error:
        raise DataError(f"{what} is damaged: it cannot be unpacked.") from None
