"""Archives as torch.save lays them out, made by hand with pickles of any kind, and damaged at will."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

# torch._utils._rebuild_tensor_v2(storage, 0, (2, 3), (3, 1), False, {}) for six floats in data/0, protocol 2.
STORAGE = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x06tQ"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
TENSOR = REBUILD + b"(" + STORAGE + b"K\0K\x02K\x03\x86K\x03K\x01\x86\x89}tR"
DATA = struct.pack("<6f", *range(6))


def text(value: str) -> bytes:
    content = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(content)) + content


def pickled(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def state_dict(**values: bytes) -> bytes:
    """The pickle of a dict of these values, each of them opcodes."""
    return pickled(b"}(" + b"".join(text(name) + value for name, value in values.items()) + b"u")


def archive(
    path: Path, content: bytes, data: bytes = DATA, more: dict[str, bytes] | None = None, method: int = 0
) -> str:
    members = {"m/data.pkl": content, "m/byteorder": b"little", "m/data/0": data, "m/version": b"3\n", **(more or {})}
    with zipfile.ZipFile(path, "w", method) as file:
        for name, member in members.items():
            file.writestr(name, member)
    return str(path)


def tensor(
    offset: bytes = b"K\0", size: bytes = b"K\x02K\x03\x86", stride: bytes = b"K\x03K\x01\x86", storage: bytes = STORAGE
) -> bytes:
    """The opcodes of a tensor whose arguments are those opcodes."""
    return REBUILD + b"(" + storage + offset + size + stride + b"\x89}tR"


def number(value: int) -> bytes:
    content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(content)]) + content


class Trap:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        import os

        return (os.system, (f"touch '{self.path}'",))


def trap(path: Path) -> bytes:
    """The opcodes of a trap, without the frame of a pickle."""
    return pickle.dumps(Trap(path), protocol=2)[2:-1]


def patched(content: bytes, place: int, new: bytes) -> bytes:
    return content[:place] + new + content[place + len(new) :]


def directory_entry(content: bytes, name: bytes) -> int:
    """Where the central directory has the entry of a member."""
    place = -1
    while True:
        place = content.index(b"PK\x01\x02", place + 1)
        if content[place + 46 : place + 46 + len(name)] == name:
            return place


def zip_of(members: dict[str, bytes], method: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, member in members.items():
            file.writestr(name, member)
    return buffer.getvalue()
