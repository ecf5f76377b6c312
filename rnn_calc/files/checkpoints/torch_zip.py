"""PyTorch's .pt and .pth files: the zip archive that torch.save makes, read without torch and without unpickling.

A file may hold objects of classes that only its owner has (an argparse.Namespace beside the state dict). They are kept
as inert records, never made: tensors outside them are listed, tensors inside them are left out and named, because only
the class knows what it would do with them. A file whose tensors are all inside is refused.

Source: torch.serialization and torch._utils, PyTorch 1.6 to 2.13.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from rnn_calc.core.errors import DataError, TooLargeError, printable, quoted
from rnn_calc.core.memory import write_bytes
from rnn_calc.files.checkpoints.pickled import read_pickle
from rnn_calc.files.checkpoints.reading import (
    ITEM_SIZES,
    ByteOrder,
    as_floats,
    as_units,
    find_tensor,
    is_flat,
    label,
    open_file,
    require_room,
    to_float64,
)
from rnn_calc.files.checkpoints.state_dicts import Found, flatten
from rnn_calc.files.checkpoints.tensors import Checkpoint, TensorInfo
from rnn_calc.files.checkpoints.torch_objects import Layout, construct, resolve_storage
from rnn_calc.files.checkpoints.zip_members import Member, list_members, read_member, read_small_member
from rnn_calc.files.source import describe_source

if TYPE_CHECKING:
    from rnn_calc.core.weights import Array

LARGEST_PICKLE = 64 * 2**20
_PICKLE = "data.pkl"
_ZIP = b"PK\x03\x04"
# The number that files of torch before 1.6 begin with, as protocol 2 writes it.
_LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_NAMES_IN_METADATA = 20


def open_torch(path: str) -> Checkpoint:
    """The tensors of a file of torch.save, named by their keys joined with dots; only the pickle is read.

    Its metadata name what was not made: "foreign objects" by class, "tensors left out" by their place in the file.

    Raises: DataError for what is no such file (with how to save it again), a damaged one, or tensors that only foreign
    code could make; TooLargeError beyond a limit.
    """
    _require_zip(path)
    members = list_members(path)
    root = _root(members, path)
    order = _byte_order(path, members, root)
    content = _read_small(path, members[f"{root}/{_PICKLE}"], LARGEST_PICKLE)
    what = f"{_PICKLE} of {describe_source(path)}"
    found = flatten(read_pickle(content, construct, partial(resolve_storage, what=what), what), what)
    if found.left_out and not found.tensors:
        raise DataError(
            f"The tensors of {describe_source(path)} are inside {quoted(next(iter(found.left_out.values())))}, whose "
            "code is never run. Save a state dict instead: torch.save(model.state_dict(), 'new.pt')."
        )
    for name, layout in found.tensors.items():
        _require_within(layout, members.get(_storage_name(root, layout)), label(name, path))
    tensors = {name: TensorInfo(layout.size, layout.dtype) for name, layout in found.tensors.items()}
    archive = _Archive(path, members, root, order, tensors, found.tensors)
    return Checkpoint(path, "torch", tensors, archive.read, metadata=_metadata(found), flat=archive.flat)


def _require_zip(path: str) -> None:
    with open_file(path) as file:
        head = file.read(len(_LEGACY))
    if head == _LEGACY:
        raise DataError(
            f"{describe_source(path)} is of the kind that PyTorch saved before 1.6, which is not read. Save it again "
            "with a newer one: torch.save(torch.load('old.pt', weights_only=True), 'new.pt')."
        )
    if head[:1] == b"\x80":
        raise DataError(f"{describe_source(path)} is a bare pickle, which is never loaded; torch.save makes archives.")
    if not head.startswith(_ZIP):
        raise DataError(f"{describe_source(path)} is no file of torch.save, which would be a zip archive.")


def _root(members: Mapping[str, Member], path: str) -> str:
    """The folder inside the archive that holds everything."""
    if any(name.split("/")[1:2] in (["code"], ["constants.pkl"]) for name in members):
        raise DataError(
            f"{describe_source(path)} is a TorchScript archive, which holds a program. Save its state dict instead: "
            "torch.save(torch.jit.load('model.pt').state_dict(), 'new.pt')."
        )
    roots = [name.removesuffix(f"/{_PICKLE}") for name in members if name.endswith(f"/{_PICKLE}")]
    if len(roots) != 1 or "/" in roots[0]:
        raise DataError(
            f"{describe_source(path)} is a zip archive, but not of torch.save: that has one member called "
            f"'NAME/{_PICKLE}'; here {len(roots) or 'none'} of {len(members):,} is."
        )
    return roots[0]


def _byte_order(path: str, members: Mapping[str, Member], root: str) -> ByteOrder:
    """The byte order as NumPy writes it; files before torch 2.1 do not state it and are little-endian."""
    member = members.get(f"{root}/byteorder")
    stated = _read_small(path, member, 16).decode("latin-1") if member else "little"
    if stated not in ("little", "big"):
        raise DataError(f"{describe_source(path)} has the byte order {quoted(stated)}; it must be little or big.")
    return "<" if stated == "little" else ">"


def _read_small(path: str, member: Member, limit: int) -> bytes:
    if member.size > limit:
        raise TooLargeError(
            f"Member {quoted(member.name)} of {describe_source(path)} has {write_bytes(member.size)}; "
            f"{write_bytes(limit)} is the limit."
        )
    return bytes(read_small_member(path, member))


def _storage_name(root: str, layout: Layout) -> str:
    return f"{root}/data/{layout.storage.key}"


def _span(layout: Layout) -> int:
    """Entries from the first to the last one that the tensor reaches, both counted; 0 for an empty tensor."""
    if 0 in layout.size:
        return 0
    return sum((size - 1) * stride for size, stride in zip(layout.size, layout.stride, strict=True)) + 1


def _require_within(layout: Layout, member: Member | None, what: str) -> None:
    """Nothing, when all entries of a tensor lie in its storage, and the storage in the file."""
    if member is None:
        raise DataError(f"{what} lies in the storage {quoted(layout.storage.key)}, which the file does not hold.")
    if layout.storage.nbytes > member.size:
        raise DataError(
            f"{what} lies in a storage that promises {layout.storage.nbytes:,} bytes and holds {member.size:,}."
        )
    needed = (layout.offset + _span(layout)) * ITEM_SIZES[layout.dtype]
    if _span(layout) and needed > layout.storage.nbytes:
        raise DataError(f"{what} reaches to byte {needed:,} of a storage of {layout.storage.nbytes:,}.")


class _Archive(NamedTuple):
    """An archive whose pickle has been read: where the values of each tensor lie."""

    path: str
    members: Mapping[str, Member]
    root: str
    order: ByteOrder
    tensors: Mapping[str, TensorInfo]
    layouts: Mapping[str, Layout]

    def read(self, name: str) -> Array:
        """The values of a tensor, whatever its strides."""
        import numpy as np

        info, what = find_tensor(self.tensors, name, self.path), label(name, self.path)
        layout, item = self.layouts[name], ITEM_SIZES[info.dtype]
        # A transposed or strided tensor is picked from all that lies between its first entry and its last.
        span = _span(layout)
        require_room(info.shape, span * item, what)
        content = read_member(self.path, self._member(layout), layout.offset * item if span else 0, span * item)
        units = as_units(content, info.dtype, self.order)
        if prod(info.shape):
            units = np.lib.stride_tricks.as_strided(units, info.shape, [stride * item for stride in layout.stride])
        values = to_float64(units.reshape(info.shape), info.dtype)
        return np.negative(values, out=values) if layout.negated else values

    def flat(self, name: str) -> tuple[float, ...] | None:
        """A vector that lies in the file in one piece, as it is."""
        info, layout = find_tensor(self.tensors, name, self.path), self.layouts[name]
        if not is_flat(info) or tuple(layout.stride) != (1,) or layout.negated or not info.shape[0]:
            return None
        item = ITEM_SIZES[info.dtype]
        content = read_small_member(self.path, self._member(layout), layout.offset * item, info.shape[0] * item)
        return as_floats(content, info.dtype, self.order)

    def _member(self, layout: Layout) -> Member:
        return self.members[_storage_name(self.root, layout)]


def _metadata(found: Found) -> dict[str, str]:
    """What was not made, as text that a terminal can show."""
    left_out = [f"{name} ({label})" for name, label in found.left_out.items()]
    stated = {"foreign objects": sorted(found.foreign), "tensors left out": left_out}
    return {key: _enumerated(names) for key, names in stated.items() if names}


def _enumerated(names: list[str]) -> str:
    shown = ", ".join(printable(name[:200]) for name in names[:_NAMES_IN_METADATA])
    more = len(names) - _NAMES_IN_METADATA
    return f"{shown} and {more:,} more" if more > 0 else shown
