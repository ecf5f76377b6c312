"""Pickles whose work or memory would grow with the square of their length: all are read in proportion to it."""

from __future__ import annotations

import struct
import time
import tracemalloc
from pathlib import Path

import pytest

from rnn_calc.core.errors import DataError, TooLargeError
from rnn_calc.files.checkpoints import state_dicts
from rnn_calc.files.checkpoints.torch_zip import open_torch
from tests.files.checkpoints.archives import TENSOR, archive, number, pickled, state_dict, text

MANY = 3000
# Read in proportion to their length, these files take well under a second; squared, minutes.
SECONDS = 10
MIB = 2**20


def put(index: int) -> bytes:
    return b"r" + struct.pack("<I", index)


def get(index: int) -> bytes:
    return b"j" + struct.pack("<I", index)


def called_often(function: bytes, argument: bytes) -> bytes:
    """A list of what calling one function with one argument many times gives, both kept in the memo."""
    return pickled(function + put(1) + b"0" + argument + put(2) + b"0](" + (get(1) + get(2) + b"R") * MANY + b"e")


DICT = b"}(" + b"".join(text(str(i)) + b"N" for i in range(MANY)) + b"u"
TUPLE = b"(" + b"N" * MANY + b"t"
COPIED = {
    "a dict that is filled from a dict": (b"ccollections\nOrderedDict\n", DICT + b"\x85"),
    "a count": (b"ccollections\nCounter\n", DICT + b"\x85"),
    "a device": (b"ctorch\ndevice\n", TUPLE),
    "a foreign object": (b"cowners\nClass\n", TUPLE),
}


@pytest.mark.parametrize("case", COPIED)
def test_what_is_handed_over_is_never_copied(tmp_path: Path, case: str) -> None:
    path = archive(tmp_path / "m.pt", called_often(*COPIED[case]))
    tracemalloc.start()
    try:
        assert not open_torch(path).tensors
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB  # a copy for every call: 70 MiB and more
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("named", [b"c" + b"m" * 600 + b"\nClass\n", text("m") + text("C" * 600) + b"\x93"])
def test_a_class_of_an_endless_name_is_refused(tmp_path: Path, named: bytes) -> None:
    with pytest.raises(DataError, match=r"^data.pkl of '.*' names a class by 60\d characters\.$"):
        open_torch(archive(tmp_path / "m.pt", state_dict(x=named)))


def test_numbers_that_hash_alike_are_no_slow_keys(tmp_path: Path) -> None:
    keys = b"".join(number(i * (2**61 - 1)) + b"N" for i in range(1, 30_000))
    path = archive(tmp_path / "m.pt", state_dict(w=TENSOR, x=b"}(" + keys + b"u"))
    start = time.process_time()
    assert list(open_torch(path).tensors) == ["w"]
    assert time.process_time() - start < SECONDS


def test_a_large_number_as_a_key_names_its_tensor(tmp_path: Path) -> None:
    path = archive(tmp_path / "m.pt", pickled(b"}(" + number(2**70) + TENSOR + number(-5) + TENSOR + b"u"))
    assert list(open_torch(path).tensors) == [str(2**70), "-5"]


def test_a_shared_list_is_searched_once(tmp_path: Path) -> None:
    shared = b"](" + TENSOR + b"N" * 30_000 + b"e" + put(1)
    path = archive(tmp_path / "m.pt", pickled(shared + b"0](" + get(1) * 30_000 + b"e"))
    start = time.process_time()
    assert list(open_torch(path).tensors) == [f"{position}.0" for position in range(30_000)]
    assert time.process_time() - start < SECONDS


def test_a_shared_container_gives_its_tensors_in_every_place(tmp_path: Path) -> None:
    inner = b"}(" + text("a") + b"N" + text("b") + TENSOR + text("c") + b"](N" + TENSOR + b"e" + b"u" + put(1)
    path = archive(tmp_path / "m.pt", pickled(inner + b"0}(" + b"".join(text(k) + get(1) for k in "xyz") + b"u"))
    assert list(open_torch(path).tensors) == ["x.b", "x.c.1", "y.b", "y.c.1", "z.b", "z.c.1"]


# A list of foreign objects that each have a tensor inside.
HOLDERS = b"cowners\nClass\n" + put(1) + b"0" + TENSOR + put(2) + b"0](" + (get(1) + get(2) + b"\x85R") * MANY + b"e"


def test_places_of_endless_keys_are_not_joined_for_each_object(tmp_path: Path) -> None:
    path = archive(tmp_path / "m.pt", pickled(b"}(" + text("k" * 8 * MIB) + HOLDERS + text("w") + TENSOR + b"u"))
    start = time.process_time()
    checkpoint = open_torch(path)
    assert time.process_time() - start < SECONDS
    assert list(checkpoint.tensors) == ["w"]
    assert len(checkpoint.metadata["tensors left out"]) < 5000


def test_endless_foreign_objects_with_tensors_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_dicts, "MOST_TENSORS", 100)
    with pytest.raises(TooLargeError, match="more than 100 foreign objects with tensors inside"):
        open_torch(archive(tmp_path / "m.pt", pickled(HOLDERS)))
