"""Zip archives whose list of members lies, leads elsewhere or never ends are refused before a member is read."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rnn_calc.core.errors import DataError, TooLargeError
from rnn_calc.files.checkpoints import zip_members
from rnn_calc.files.checkpoints.zip_members import LARGEST_DIRECTORY, list_members, read_member, read_whole
from tests.files.checkpoints.archives import directory_entry, patched, zip_of

NOISE = np.random.default_rng(3).integers(0, 256, 3_000_000, np.uint8).tobytes()
CONTENT = {"a": b"alpha", "b/c": NOISE, "zeros": bytes(3_000_000), "none": b""}

# Where the entry of a member in the central directory has what.
FLAGS, METHOD, CRC, PACKED, SIZE, OFFSET = 8, 10, 16, 20, 24, 42


def written(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def changed(path: Path, name: bytes, field: int, value: bytes, method: int = 0) -> str:
    content = zip_of(CONTENT, method)
    return written(path, patched(content, directory_entry(content, name) + field, value))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_read_whole_and_in_part(tmp_path: Path, method: int) -> None:
    path = written(tmp_path / "m.zip", zip_of(CONTENT, method))
    members = list_members(path)
    assert {name: member.size for name, member in members.items()} == {k: len(v) for k, v in CONTENT.items()}
    for name, content in CONTENT.items():
        assert read_whole(path, members[name]).tobytes() == content
        for start, count in ((0, 3), (1_500_000, 1_200_000), (2_999_999, 1), (len(content), 0)):
            if start + count <= len(content):
                assert read_member(path, members[name], start, count).tobytes() == content[start : start + count]


def test_what_comes_before_an_archive_is_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path / "m.zip", b"#!/bin/sh\n" + zip_of(CONTENT))
    assert read_whole(path, list_members(path)["a"]).tobytes() == b"alpha"


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/etc/passwd", "..\\a", "\\a", "C:/a", "a/..", "\x1b[2J/.."])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="has a name that leads out of the archive") as caught:
        list_members(written(tmp_path / "m.zip", zip_of({"a": b"", name: b"x"})))
    assert str(caught.value).isprintable()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as file:
        file.writestr("a", b"1")
        file.writestr("a", b"2")
    with pytest.raises(DataError, match="has two members 'a'"):
        list_members(str(tmp_path / "m.zip"))


LIES = {
    "overlap by offset": (b"b/c", OFFSET, struct.pack("<I", 3), "overlaps what comes after it"),
    "overlap by size": (b"a", PACKED, struct.pack("<II", 40, 40), "Member 'a' of .* overlaps"),
    "beyond the file": (b"a", OFFSET, struct.pack("<I", 2**31), "overlaps what comes after it"),
    "huge": (b"none", PACKED, struct.pack("<II", 2**31, 2**31), "Member 'none' of .* overlaps"),
    "stored size": (b"a", SIZE, struct.pack("<I", 6), "promises 6 bytes, which its 5 cannot give"),
    "encrypted": (b"a", FLAGS, struct.pack("<H", 1), "is encrypted"),
    "method": (b"a", METHOD, struct.pack("<H", 12), "is compressed by method 12"),
    "unknown method": (b"a", METHOD, struct.pack("<H", 77), "compressed by method 77"),
}


@pytest.mark.parametrize("case", LIES)
def test_a_list_of_members_that_lies_is_refused(tmp_path: Path, case: str) -> None:
    name, field, value, said = LIES[case]
    with pytest.raises(DataError, match=said):
        list_members(changed(tmp_path / "m.zip", name, field, value))


def test_more_than_deflate_can_give_is_refused(tmp_path: Path) -> None:
    path = changed(tmp_path / "m.zip", b"zeros", SIZE, struct.pack("<I", 2**32 - 2), zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match=r"promises 4,294,967,294 bytes, which its .* cannot give"):
        list_members(path)


def test_a_member_that_unpacks_to_less_than_it_says_is_refused(tmp_path: Path) -> None:
    path = changed(tmp_path / "m.zip", b"zeros", SIZE, struct.pack("<I", 3_000_001), zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match="unpacks to 3,000,000 bytes; it promised 3,000,001"):
        read_whole(path, list_members(path)["zeros"])


def test_a_member_that_unpacks_to_more_gives_what_it_says(tmp_path: Path) -> None:
    path = changed(tmp_path / "m.zip", b"zeros", SIZE, struct.pack("<I", 1000), zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    try:
        assert read_member(path, list_members(path)["zeros"]).tobytes() == bytes(1000)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_a_damaged_member_is_refused(tmp_path: Path) -> None:
    content = zip_of({"a": bytes(1000)}, zipfile.ZIP_DEFLATED)
    path = written(tmp_path / "m.zip", patched(content, 31, b"\xff\xff"))
    with pytest.raises(DataError, match="is damaged: it cannot be unpacked"):
        read_whole(path, list_members(path)["a"])
    path = changed(tmp_path / "m.zip", b"a", CRC, b"abcd")
    with pytest.raises(DataError, match=r"'a' of .* is damaged: its checksum differs"):
        read_whole(path, list_members(path)["a"])


def test_more_than_a_member_has_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path / "m.zip", zip_of(CONTENT))
    with pytest.raises(DataError, match="has 5 bytes; 6 were expected"):
        read_member(path, list_members(path)["a"], 2, 4)


def test_an_endless_list_of_members_is_not_read(tmp_path: Path) -> None:
    content = zip_of(CONTENT)
    end = content.index(b"PK\x05\x06")
    path = tmp_path / "m.zip"
    with path.open("wb") as file:
        file.seek(LARGEST_DIRECTORY + 1)
        file.write(content[end : end + 12] + struct.pack("<II", LARGEST_DIRECTORY + 1, 0) + bytes(2))
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError, match=r"has a list of members of 8\.0 MiB; 8\.0 MiB is the limit"):
            list_members(str(path))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_an_empty_archive_has_no_members(tmp_path: Path) -> None:
    assert list_members(written(tmp_path / "m.zip", zip_of({}))) == {}


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive", bytes(100), b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match="is no readable zip archive"):
        list_members(written(tmp_path / "m.zip", content))


def test_what_lies_deep_in_a_compressed_member_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_members, "LARGEST_INFLATED", 2_000_000)
    for method, refused in ((zipfile.ZIP_DEFLATED, True), (zipfile.ZIP_STORED, False)):
        path = written(tmp_path / "m.zip", zip_of(CONTENT, method))
        zeros = list_members(path)["zeros"]
        assert read_member(path, zeros, 1_000_000, 1_000_000).tobytes() == bytes(1_000_000)
        for start, count in ((0, None), (2_000_000, 1), (1_500_000, 1_000_000)):
            if refused:
                with pytest.raises(TooLargeError, match=r"'zeros' of .* unpacks to 2.9 MiB; 1.9 MiB is the limit"):
                    read_member(path, zeros, start, count)
            else:
                assert not read_member(path, zeros, start, count).any()
