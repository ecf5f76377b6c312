"""Archives and pickles that are damaged, lie or want to run something: an error each, and nothing is ever run."""

from __future__ import annotations

import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rnn_calc.core.errors import DataError, RnnCalcError, TooLargeError
from rnn_calc.files.checkpoints.torch_zip import LARGEST_PICKLE, open_torch
from tests.files.checkpoints.archives import (
    DATA,
    REBUILD,
    STORAGE,
    TENSOR,
    archive,
    number,
    patched,
    pickled,
    state_dict,
    tensor,
    text,
    trap,
)

VALUES = np.arange(6.0).reshape(2, 3)


def test_the_archive_made_by_hand_is_read(tmp_path: Path) -> None:
    checkpoint = open_torch(archive(tmp_path / "m.pt", state_dict(w=TENSOR)))
    np.testing.assert_array_equal(checkpoint.read("w"), VALUES)


@pytest.mark.torch
def test_torch_reads_the_archive_made_by_hand(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    loaded = torch.load(archive(tmp_path / "m.pt", state_dict(w=TENSOR)), weights_only=True)
    np.testing.assert_array_equal(loaded["w"].numpy(), VALUES)


def test_a_pickle_that_runs_a_command_runs_nothing(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    path = archive(tmp_path / "m.pt", state_dict(w=TENSOR, evil=trap(sprung)))
    checkpoint = open_torch(path)
    np.testing.assert_array_equal(checkpoint.read("w"), VALUES)
    assert checkpoint.metadata["foreign objects"] in ("posix.system", "nt.system")
    bare = tmp_path / "bare.pt"
    bare.write_bytes(pickled(trap(sprung)))
    with pytest.raises(DataError, match="is a bare pickle, which is never loaded"):
        open_torch(str(bare))
    assert not sprung.exists()
    pickle.loads(pickled(trap(sprung)))
    assert sprung.exists(), "the trap itself must work"


Make = Callable[[bytes], bytes]
HARMLESS: dict[str, tuple[Make, list[str]]] = {
    "as a key": (lambda evil: pickled(b"}" + evil + TENSOR + b"s"), ["(0)"]),
    "as an argument": (lambda evil: state_dict(w=tensor(size=evil)), []),
    "as a storage": (lambda evil: state_dict(w=tensor(storage=evil)), []),
}
RUNNING: dict[str, Make] = {
    "in a persistent id": lambda evil: state_dict(w=tensor(storage=evil + b"Q")),
    "called with the tensor": lambda evil: state_dict(w=b"cos\nsystem\n" + TENSOR + b"\x85R"),
    "built with the tensor": lambda evil: state_dict(w=b"cos\nsystem\n)\x81" + TENSOR + b"b"),
    "called again": lambda evil: state_dict(w=evil + TENSOR + b"\x85R"),
    "as a function's keywords": lambda evil: state_dict(w=b"cos\nsystem\n" + TENSOR + b"\x85}\x92"),
    "with items": lambda evil: state_dict(w=evil + b"(" + TENSOR + b"e"),
    "with keyed items": lambda evil: state_dict(w=evil + text("k") + TENSOR + b"s"),
    "instead of a tensor type": lambda evil: state_dict(
        w=b"ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\ncos\nsystem\n" + TENSOR + b"\x85}tR"
    ),
    "by its name on the stack": lambda evil: state_dict(w=text("os") + text("system") + b"\x93" + TENSOR + b"\x85R"),
}


@pytest.mark.parametrize("case", RUNNING)
def test_a_tensor_that_needs_foreign_code_is_refused(tmp_path: Path, case: str) -> None:
    sprung = tmp_path / "sprung"
    with pytest.raises(DataError, match=r"whose code is never run|a reference that is no storage"):
        open_torch(archive(tmp_path / "m.pt", RUNNING[case](trap(sprung))))
    assert not sprung.exists()


@pytest.mark.parametrize("case", HARMLESS)
def test_foreign_code_beside_the_tensors_is_left_alone(tmp_path: Path, case: str) -> None:
    sprung = tmp_path / "sprung"
    make, names = HARMLESS[case]
    checkpoint = open_torch(archive(tmp_path / "m.pt", make(trap(sprung))))
    assert list(checkpoint.tensors) == names
    assert not sprung.exists()


def test_names_and_classes_with_control_characters_are_printed_harmlessly(tmp_path: Path) -> None:
    evil = b"c\x1b[31mos\nsys\r\x07tem\n" + TENSOR + b"\x85R"
    content = state_dict(**{"\x1b[2Jw\u202e": TENSOR, "\x07": evil})
    checkpoint = open_torch(archive(tmp_path / "m.pt", content))
    assert all(entry.isprintable() for entry in checkpoint.metadata.values())
    assert set(checkpoint.metadata) == {"foreign objects", "tensors left out"}
    for name, broken in {"a.pt": state_dict(w=evil), "b.pt": state_dict(**{"\x1b": tensor(offset=b"K\x09")})}.items():
        with pytest.raises(DataError) as caught:
            open_torch(archive(tmp_path / name, broken))
        assert str(caught.value).isprintable()
    with pytest.raises(DataError) as caught:
        checkpoint.read("\x1b[2J")
    assert str(caught.value).isprintable()


def persistent(inside: bytes) -> bytes:
    return state_dict(w=tensor(storage=inside + b"Q"))


def storage(kind: str = "torch\nFloatStorage", key: str = "0", count: bytes = b"K\x06") -> bytes:
    return b"(" + text("storage") + b"c" + kind.encode() + b"\n" + text(key) + text("cpu") + count + b"t"


ROW = b"K\x06\x85"
STEP = b"K\x01\x85"
LIES: dict[str, tuple[bytes, str]] = {
    "offset": (state_dict(w=tensor(offset=b"K\x01")), "'w' in .* reaches to byte 28 of a storage of 24"),
    "stride": (state_dict(w=tensor(stride=b"K\x04K\x01\x86")), "reaches to byte 28 of a storage of 24"),
    "size": (state_dict(w=tensor(size=b"K\x03K\x03\x86")), "reaches to byte 36 of a storage of 24"),
    "wrapping stride": (
        state_dict(w=tensor(size=ROW, stride=number(2**62) + b"\x85")),
        "reaches to byte 92,233,720,368,547,758,084 of a storage",
    ),
    "wrapping offset": (state_dict(w=tensor(offset=number(2**63 - 1))), "of a storage of 24"),
    "wrapping size": (state_dict(w=tensor(size=number(2**62) + number(4) + b"\x86")), "of a storage of 24"),
    "storage count": (persistent(storage(count=b"K\x07")), "promises 28 bytes and holds 24"),
    "huge storage": (persistent(storage(count=number(2**62))), "promises 18,446,744,073,709,551,616 bytes and holds"),
    "missing storage": (persistent(storage(key="1")), "the storage '1', which the file does not hold"),
    "storage elsewhere": (persistent(storage(key="../data.pkl")), "which the file does not hold"),
    "storage type": (persistent(storage(kind="torch\nOtherStorage")), "unknown type 'torch.OtherStorage'"),
    "foreign storage": (persistent(storage(kind="evil\nFloatStorage")), "unknown type 'evil.FloatStorage'"),
    "negative count": (persistent(storage(count=b"J\xff\xff\xff\xff")), "a reference that is no storage"),
    "boolean count": (persistent(storage(count=b"\x88")), "a reference that is no storage"),
    "huge count": (persistent(storage(count=number(2**64))), "a reference that is no storage"),
    "reference": (persistent(text("0")), "a reference that is no storage"),
    "two names": (pickled(b"}(" + text("a.b") + TENSOR + text("a") + b"}" + text("b") + TENSOR + b"su"), "two tensors"),
    "long name": (state_dict(**{"n" * 1001: TENSOR}), "a name of 1,001 characters"),
    "protocol": (b"\x80\x06}.", "pickle protocol 6"),
    "opcode": (pickled(b"(S'a'\nios\nsystem\n"), "the pickle opcode 0x53, which no state dict needs"),
    "extension": (pickled(b"\x82\x01"), "the pickle opcode 0x82"),
    "nothing": (b"", "cut short or damaged"),
    "no end": (b"\x80\x02}", "cut short or damaged"),
    "empty stack": (b"\x80\x02.", "cut short or damaged"),
    "no mark": (pickled(b"t"), "cut short or damaged"),
    "memo": (pickled(b"h\x07"), "cut short or damaged"),
    "odd items": (pickled(b"}(K\x01u"), "cut short or damaged"),
    "items of a number": (pickled(b"K\x01(K\x01e"), "cut short or damaged"),
    "call of a number": (pickled(b"K\x01)R"), "cut short or damaged"),
    "global of numbers": (pickled(b"K\x01K\x01\x93"), "cut short or damaged"),
    "huge text": (pickled(b"\x8d" + struct.pack("<Q", 2**63) + b"a"), "cut short or damaged"),
    "no text": (pickled(b"X\x01\0\0\0\xff"), "cut short or damaged"),
    "no line": (pickled(b"ctorch"), "cut short or damaged"),
    "many marks": (pickled(b"(" * 2000), "nested too deep"),
    "deep list": (pickled(b"]" + b"]" * 1000 + b"a" * 1000), "nested deeper than 64 levels"),
    "deep tuple": (pickled(b")" + b"\x85" * 10**5), "nested deeper than 64 levels"),
}
REFUSED_ARGUMENTS = {
    "negative stride": tensor(stride=b"J\xff\xff\xff\xffK\x01\x86"),
    "negative offset": tensor(offset=b"J\xff\xff\xff\xff"),
    "negative size": tensor(size=b"J\xff\xff\xff\xffK\x03\x86"),
    "boolean size": tensor(size=b"\x88K\x03\x86"),
    "huge size": tensor(size=number(2**63) + b"K\x03\x86"),
    "strides missing": tensor(stride=STEP),
    "33 axes": tensor(size=b"(" + b"K\x01" * 33 + b"t", stride=b"(" + b"K\x01" * 33 + b"t"),
    "list": tensor(size=b"](K\x02K\x03e"),
    "no storage": tensor(storage=b"N"),
    "few arguments": REBUILD + STORAGE + b"\x85R",
    "marks": REBUILD + b"(" + STORAGE + b"K\0" + ROW + STEP + b"\x89}" + text("neg") + b"tR",
}


@pytest.mark.parametrize("case", LIES)
def test_a_pickle_that_lies_is_refused(tmp_path: Path, case: str) -> None:
    content, said = LIES[case]
    with pytest.raises(RnnCalcError, match=said):
        open_torch(archive(tmp_path / "m.pt", content))


@pytest.mark.parametrize("case", REFUSED_ARGUMENTS)
def test_impossible_arguments_make_no_tensor(tmp_path: Path, case: str) -> None:
    path = archive(tmp_path / "m.pt", state_dict(good=TENSOR, bad=REFUSED_ARGUMENTS[case]))
    checkpoint = open_torch(path)
    assert list(checkpoint.tensors) == ["good"]
    assert "torch._utils._rebuild_tensor_v2" in checkpoint.metadata["foreign objects"]


def doubled(seed: bytes, levels: int, shape: bytes = b"\x86") -> bytes:
    """A container that holds one twice that holds one twice … `levels` times: 2^levels ways lead to the seed."""
    level = b"".join(b"q%ch%c" % (index, index) + shape for index in range(levels))
    return seed + level


@pytest.mark.parametrize("seed", [b"N", b")", b"cos\nsystem\nN\x85R"], ids=["nothing", "empty", "foreign"])
def test_a_memo_bomb_without_tensors_is_walked_once(tmp_path: Path, seed: bytes) -> None:
    bomb = doubled(seed, 60)
    checkpoint = open_torch(
        archive(tmp_path / "m.pt", state_dict(w=TENSOR, bomb=bomb, evil=b"cos\nsystem\n" + bomb + b"R"))
    )
    assert list(checkpoint.tensors) == ["w"]


def test_a_memo_bomb_of_tensors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TooLargeError, match="more than 100,000 tensors"):
        open_torch(archive(tmp_path / "m.pt", state_dict(w=doubled(TENSOR, 60))))


def test_a_memo_bomb_as_a_key_is_not_hashed(tmp_path: Path) -> None:
    path = archive(tmp_path / "m.pt", pickled(b"}" + doubled(b"N", 60) + TENSOR + b"s"))
    assert list(open_torch(path).tensors) == ["(0)"]


def test_a_container_that_holds_itself_is_left(tmp_path: Path) -> None:
    path = archive(tmp_path / "m.pt", pickled(b"}q\x00(" + text("self") + b"h\x00" + text("w") + TENSOR + b"u"))
    assert list(open_torch(path).tensors) == ["w"]


def test_an_endless_pickle_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnn_calc.files.checkpoints.pickled.MOST_OPCODES", 1000)
    assert open_torch(archive(tmp_path / "m.pt", pickled(b"N0" * 498 + b"N"))).tensors == {}
    with pytest.raises(TooLargeError, match=r"'.*' has more than 1,000 pickle opcodes"):
        open_torch(archive(tmp_path / "m.pt", pickled(b"N0" * 500 + b"N")))


def test_numbers_in_a_pickle_allocate_nothing(tmp_path: Path) -> None:
    lying = [content for content, _ in LIES.values() if len(content) < 10_000]
    tracemalloc.start()
    try:
        for number_of, content in enumerate(lying):
            with pytest.raises(RnnCalcError):
                open_torch(archive(tmp_path / f"{number_of}.pt", content))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_pickle_beyond_the_limit_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("m/data.pkl", bytes(LARGEST_PICKLE + 1))
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError, match=r"'m/data\.pkl' of .* has 64\.0 MiB"):
            open_torch(str(path))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("twentieth", range(20))
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, twentieth: int) -> None:
    content = Path(archive(tmp_path / "m.pt", state_dict(w=TENSOR))).read_bytes()
    (tmp_path / "cut.pt").write_bytes(content[: len(content) * twentieth // 20])
    with pytest.raises(DataError):
        open_torch(str(tmp_path / "cut.pt"))


def test_a_file_cut_after_it_was_opened_is_noticed(tmp_path: Path) -> None:
    path = Path(archive(tmp_path / "m.pt", state_dict(w=TENSOR)))
    content, checkpoint = path.read_bytes(), open_torch(str(path))
    for length in (0, content.index(DATA) - 40, content.index(DATA) + 5):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match="the file ends after"):
            checkpoint.read("w")


def test_a_storage_that_was_moved_is_noticed(tmp_path: Path) -> None:
    path = Path(archive(tmp_path / "m.pt", state_dict(w=TENSOR)))
    content = path.read_bytes()
    header = content.rindex(b"PK\x03\x04", 0, content.index(DATA))
    for changed in (patched(content, header, b"PK\x05\x06"), patched(content, header + 28, struct.pack("<H", 60000))):
        path.write_bytes(changed)
        with pytest.raises(DataError, match="is not where the archive's list says"):
            open_torch(str(path)).read("w")


def test_the_byte_order_must_be_known(tmp_path: Path) -> None:
    path = archive(tmp_path / "m.pt", state_dict(w=TENSOR))
    Path(path).write_bytes(Path(path).read_bytes().replace(b"little", b"middle"))
    with pytest.raises(DataError, match="has the byte order 'middle'"):
        open_torch(path)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({}, "here none of 0 is"),
        ({"readme.txt": b"hello"}, "a zip archive, but not of torch.save"),
        ({"a/data.pkl": b"", "b/data.pkl": b""}, "here 2 of 2 is"),
        ({"a/b/data.pkl": b""}, "not of torch.save"),
        ({"a/data.pkl": b"", "a/constants.pkl": b""}, "is a TorchScript archive"),
        ({"a/data.pkl": b"", "a/code/__torch__.py": b""}, "is a TorchScript archive"),
    ],
)
def test_other_archives_are_refused_with_what_they_are(tmp_path: Path, members: dict[str, bytes], said: str) -> None:
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    with pytest.raises(DataError, match=said if members else "is no file of torch.save"):
        open_torch(str(tmp_path / "m.pt"))
