"""The members of a zip archive, looked at before any is read: nothing is unpacked to disk or beyond what it says."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from rnn_calc.core.errors import DataError, TooLargeError, quoted
from rnn_calc.core.memory import write_bytes
from rnn_calc.files.checkpoints.reading import open_file, read_into
from rnn_calc.files.source import describe_source, open_error

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# zipfile reads the list of members whole and makes an object of each; 8 MiB list about 100,000 of them.
LARGEST_DIRECTORY = 8 * 2**20
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_LOCAL_SIGNATURE = b"PK\x03\x04"
# No deflate stream gives more bytes for one.
_MOST_INFLATION = 1032
_INFLATE_BLOCK = 2**20
# A few megabytes of zeros unpack to any size; what is larger is stored by those who make it.
LARGEST_INFLATED = 2**30
_ENCRYPTED = 0x1


class Member(NamedTuple):
    """Where a member lies in its archive: from its local header at `start` on, before `limit`."""

    name: str
    start: int
    limit: int
    packed: int
    size: int
    deflated: bool
    crc: int


class _CarefulFile(io.FileIO):
    """A file that gives a directory of members of sensible size only: zipfile would read any."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > LARGEST_DIRECTORY:
            raise TooLargeError(
                f"{describe_source(str(self.name))} has a list of members of {write_bytes(size)}; "
                f"{write_bytes(LARGEST_DIRECTORY)} is the limit."
            )
        return super().read(size) or b""


def list_members(path: str) -> dict[str, Member]:
    """Every member of an archive by its name, in the order of the file.

    Raises: DataError for what is no archive, a name that stands twice or leads elsewhere, members that overlap or
    leave the file, encryption and methods other than stored and deflated; TooLargeError for an endless list.
    """
    open_file(path).close()
    try:
        with _CarefulFile(path) as file, zipfile.ZipFile(file) as archive:
            entries, end = archive.infolist(), archive.start_dir
    except OSError as error:
        raise open_error(path, error) from None
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, OverflowError):
        raise DataError(f"{describe_source(path)} is no readable zip archive: it is cut short or damaged.") from None
    entries.sort(key=lambda entry: entry.header_offset)
    _require_apart(entries, end, path)
    starts = [*(entry.header_offset for entry in entries), end]
    members: dict[str, Member] = {}
    for entry, limit in zip(entries, starts[1:], strict=True):
        if entry.orig_filename in members:
            raise DataError(f"{describe_source(path)} has two members {quoted(entry.orig_filename)}.")
        members[entry.orig_filename] = _checked(entry, limit, path)
    return members


def _require_apart(entries: Iterable[zipfile.ZipInfo], end: int, path: str) -> None:
    """Nothing, when no member reaches into the next one; names take at least a byte a character."""
    ends = [(entry.header_offset, entry.orig_filename, _least_end(entry)) for entry in entries]
    for (start, name, stop), (following, _, _) in pairwise([*ends, (end, "", end)]):
        if start < 0 or stop > following:
            raise DataError(f"Member {quoted(name)} of {describe_source(path)} overlaps what comes after it.")


def _least_end(entry: zipfile.ZipInfo) -> int:
    return entry.header_offset + _LOCAL_HEADER.size + len(entry.orig_filename) + entry.compress_size


def _checked(entry: zipfile.ZipInfo, limit: int, path: str) -> Member:
    name = entry.orig_filename
    what = f"Member {quoted(name)} of {describe_source(path)}"
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or not parts[0] or parts[0].endswith(":") or "\0" in name:
        raise DataError(f"{what} has a name that leads out of the archive.")
    if entry.flag_bits & _ENCRYPTED:
        raise DataError(f"{what} is encrypted.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{what} is compressed by method {entry.compress_type}; stored and deflated are read.")
    deflated = entry.compress_type == zipfile.ZIP_DEFLATED
    largest = entry.compress_size * _MOST_INFLATION if deflated else entry.compress_size
    if entry.file_size > largest or (not deflated and entry.file_size != largest):
        raise DataError(f"{what} promises {entry.file_size:,} bytes, which its {entry.compress_size:,} cannot give.")
    return Member(name, entry.header_offset, limit, entry.compress_size, entry.file_size, deflated, entry.CRC)


def read_member(path: str, member: Member, start: int = 0, count: int | None = None) -> NDArray[np.uint8]:
    """`count` bytes of a member from `start` on, all of them when None; the caller has seen that they fit in memory.

    Raises: DataError when the member does not hold what the archive's list says; TooLargeError where that much would
    have to be unpacked that the size of the file says nothing of it.
    """
    import numpy as np

    content = np.empty(_length(path, member, start, count), np.uint8)
    _read_into(content.data, path, member, start, count)
    return content


def read_small_member(path: str, member: Member, start: int = 0, count: int | None = None) -> bytearray:
    """The same without NumPy.

    Raises: DataError when the member does not hold what the archive's list says.
    """
    content = bytearray(_length(path, member, start, count))
    _read_into(memoryview(content), path, member, start, count)
    return content


def _length(path: str, member: Member, start: int, count: int | None) -> int:
    """How many bytes are to be read.

    Raises: TooLargeError for what lies deep in a compressed member.
    """
    length = member.size - start if count is None else min(count, member.size)
    if member.deflated and start + length > LARGEST_INFLATED:
        raise TooLargeError(
            f"Member {quoted(member.name)} of {describe_source(path)} is compressed and unpacks to "
            f"{write_bytes(member.size)}; {write_bytes(LARGEST_INFLATED)} is the limit. Save it without compression."
        )
    return length


def _read_into(content: memoryview, path: str, member: Member, start: int, count: int | None) -> None:
    count = len(content) if count is None else count
    what = f"Member {quoted(member.name)} of {describe_source(path)}"
    if start + count > member.size:
        raise DataError(f"{what} has {member.size:,} bytes; {start + count:,} were expected.")
    head = bytearray(_LOCAL_HEADER.size)
    read_into(memoryview(head), path, member.start, what)
    signature, name, extra = _LOCAL_HEADER.unpack(head)
    begin = member.start + _LOCAL_HEADER.size + name + extra
    if signature != _LOCAL_SIGNATURE or begin + member.packed > member.limit:
        raise DataError(f"{what} is not where the archive's list says.")
    if not member.deflated:
        read_into(content, path, begin + start, what)
    else:
        _inflate(content, path, member, begin, slice(start, start + count), what)


def read_whole(path: str, member: Member) -> NDArray[np.uint8]:
    """All bytes of a member, after its checksum was found to hold; the caller has seen that they fit in memory.

    Raises: DataError when the member does not hold what the archive's list says.
    """
    content = read_member(path, member)
    if zlib.crc32(content.data) != member.crc:
        raise DataError(f"Member {quoted(member.name)} of {describe_source(path)} is damaged: its checksum differs.")
    return content


def _inflate(content: memoryview, path: str, member: Member, begin: int, wanted: slice, what: str) -> None:
    """The wanted bytes of a deflated member, unpacked block by block, so that no more than they is kept."""
    inflater, position = zlib.decompressobj(-zlib.MAX_WBITS), 0
    with open_file(path) as file:
        file.seek(begin)
        left = member.packed
        while position < wanted.stop:
            packed = inflater.unconsumed_tail
            if not packed:
                packed = file.read(min(left, _INFLATE_BLOCK))
                left -= len(packed)
            try:
                block = inflater.decompress(packed, _INFLATE_BLOCK)
            except zlib.error:
                raise DataError(f"{what} is damaged: it cannot be unpacked.") from None
            if not block and (inflater.eof or not packed):
                raise DataError(f"{what} unpacks to {position:,} bytes; it promised {member.size:,}.")
            first, last = max(wanted.start - position, 0), min(wanted.stop - position, len(block))
            if first < last:
                target = position + first - wanted.start
                content[target : target + last - first] = block[first:last]
            position += len(block)
