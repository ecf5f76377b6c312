"""The heaps of an HDF5 file that hold its texts, checked before the library walks them: a bad one it walks for ever.

Source: HDF5 File Format Specification, III.E "Disk Format: Level 1E - Global Heap".
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

from rnn_calc.core.errors import DataError
from rnn_calc.files.source import describe_source

_SIGNATURE = b"GCOL"
_HEAD = 16
_BLOCK = 4 * 2**20


def require_sound_heaps(file: BinaryIO | io.RawIOBase, path: str) -> None:
    """Nothing, when every heap's objects follow each other to the heap's end.

    Raises: DataError otherwise. What only looks like a heap (four bytes of a weight) has no such size that fits.
    """
    size = file.seek(0, 2)
    for start in _places(file, size):
        file.seek(start)
        head = file.read(_HEAD) or b""
        length = int.from_bytes(head[8:], "little")
        # The library reads a heap of version 1 only, and none that leaves the file.
        if len(head) == _HEAD and head[4] == 1 and _HEAD < length <= size - start:
            _require_sound(file, length - _HEAD, path)


def _places(file: BinaryIO | io.RawIOBase, size: int) -> Iterator[int]:
    """Where the signature stands, in any part of the file: a heap may lie anywhere."""
    for begin in range(0, size, _BLOCK):
        file.seek(begin)
        # A signature may reach over the end of a block.
        block = file.read(_BLOCK + len(_SIGNATURE) - 1) or b""
        found = block.find(_SIGNATURE)
        while found >= 0:
            yield begin + found
            found = block.find(_SIGNATURE, found + 1)


def _require_sound(file: BinaryIO | io.RawIOBase, left: int, path: str) -> None:
    """Walks the objects of a heap as the library does, which adds up their sizes without looking at them."""
    while left >= _HEAD:
        head = file.read(_HEAD) or b""
        index, size = int.from_bytes(head[:2], "little"), int.from_bytes(head[8:], "little")
        # The free space at the end is object 0, whose size has its head in it.
        needed = _HEAD + (size + 7) // 8 * 8 if index else size
        if len(head) < _HEAD or not _HEAD <= needed <= left:
            raise DataError(f"{describe_source(path)} is damaged: the heap that holds its texts has no end.")
        left -= needed
        file.seek(needed - _HEAD, 1)
