"""Safetensors files: what the safetensors package writes is read, what is written it reads, and lies are refused."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_calc.core.errors import DataError, TooLargeError
from rnn_calc.files.checkpoints.safetensors import open_safetensors, write_safetensors
from rnn_calc.files.checkpoints.tensors import TensorInfo

VALUES = np.array([[0.1, -2.5, 3e5], [1e-6, 65504.0, -0.0]])


def file_of(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape: object = (2,), dtype: object = "F32", offsets: object = (0, 8)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def written(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize(
    "dtype",
    ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool"],
)
def test_what_the_package_writes_is_read(tmp_path: Path, dtype: str) -> None:
    package = pytest.importorskip("safetensors.numpy")
    with np.errstate(over="ignore", invalid="ignore"):
        array = (VALUES if dtype.startswith("float") else np.arange(6).reshape(2, 3)).astype(dtype)
    path = str(tmp_path / "m.safetensors")
    package.save_file({"w": array, "s": array[1, 1:2].reshape(()), "none": array[:0]}, path, {"format": "np"})
    checkpoint = open_safetensors(path)
    assert checkpoint.format == "safetensors"
    assert checkpoint.metadata == {"format": "np"}
    assert checkpoint.tensors == {
        "w": TensorInfo((2, 3), dtype),
        "s": TensorInfo((), dtype),
        "none": TensorInfo((0, 3), dtype),
    }
    for name, expected in {"w": array, "s": array[1, 1], "none": array[:0]}.items():
        read = checkpoint.read(name)
        assert read.dtype == np.float64
        assert read.flags.c_contiguous
        np.testing.assert_array_equal(read, np.asarray(expected, np.float64))


@pytest.mark.torch
def test_every_bfloat16_and_float16_is_exact(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    package = pytest.importorskip("safetensors.torch")
    bits = torch.arange(-(2**15), 2**15, dtype=torch.int16)
    halves = {"b": bits.view(torch.bfloat16), "h": bits.clone().view(torch.float16)}
    package.save_file(halves, tmp_path / "m.safetensors")
    checkpoint = open_safetensors(str(tmp_path / "m.safetensors"))
    for name, tensor in halves.items():
        np.testing.assert_array_equal(checkpoint.read(name), tensor.double().numpy())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_is_written_the_package_reads(tmp_path: Path, dtype: str) -> None:
    package = pytest.importorskip("safetensors")
    tensors = {"W_hh": VALUES, "turned": VALUES.T, "büßer": VALUES[0, 0].reshape(()), "none": np.zeros((0, 4))}
    path = written(tmp_path / "m.safetensors", b"".join(write_safetensors(tensors, {"convention": "xh"}, dtype)))
    with package.safe_open(path, framework="numpy") as file:
        assert file.metadata() == {"convention": "xh"}
        assert set(file.keys()) == set(tensors)
        for name, array in tensors.items():
            read = file.get_tensor(name)
            assert read.dtype == dtype
            np.testing.assert_array_equal(read, array.astype(dtype))
    again = open_safetensors(path)
    np.testing.assert_array_equal(again.read("turned"), VALUES.T.astype(dtype))


def test_the_data_begin_at_a_multiple_of_8() -> None:
    for name in ("a", "ab", "abc"):
        head = next(iter(write_safetensors({name: VALUES})))
        assert len(head) % 8 == 0


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(DataError, match="cannot be called __metadata__"):
        write_safetensors({"__metadata__": VALUES})
    with pytest.raises(DataError, match=r"'w' holds 1e\+39, beyond float32"):
        write_safetensors({"w": np.array([1e39, np.inf])}, dtype="float32")
    assert b"".join(write_safetensors({"w": np.array([np.inf])}, dtype="float32"))[-4:] == struct.pack("<f", np.inf)


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2"])
def test_8_bit_floats_are_listed_and_not_read(tmp_path: Path, dtype: str) -> None:
    path = written(tmp_path / "m.safetensors", file_of({"w": entry((8,), dtype)}, bytes(8)))
    checkpoint = open_safetensors(path)
    assert checkpoint.tensors["w"].shape == (8,)
    with pytest.raises(DataError, match=r"'w' in .* is float8_e\dm\d\w*, which is listed and not read"):
        checkpoint.read("w")


TWICE = b'{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'
LIES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "has 0 bytes; a .safetensors file begins with 8"),
    "seven bytes": (bytes(7), "has 7 bytes"),
    "huge header": (file_of({}, length=2**60), "promises a header of 1,152,921,504,606,846,976 bytes; 16,777,216 is"),
    "long header": (file_of({}, length=50), "promises a header of 50 bytes and holds 2"),
    "no object": (file_of([1]), "its header is no JSON object"),
    "no JSON": (file_of(b"{nothing"), "is no JSON"),
    "no UTF-8": (file_of(b'{"\xff": 1}'), "is not UTF-8"),
    "deep": (file_of(b'{"a":' + b"[" * 10**5), "nested too deep"),
    "long number": (file_of(b'{"a":' + b"9" * 5000 + b"}"), "too many digits"),
    "name twice": (file_of(TWICE, b"a"), "has the name 'w' twice"),
    "metadata": (file_of({"__metadata__": {"a": 1}}), "__metadata__ in .* must be an object of texts"),
    "no entry": (file_of({"w": 3}), "must be described by dtype, shape and data_offsets"),
    "more in an entry": (file_of({"w": {**entry(), "x": 1}}), "and nothing else"),
    "dtype": (file_of({"w": entry(dtype="F33")}), "unknown dtype 'F33'; .* Did you mean F3"),
    "dtype list": (file_of({"w": entry(dtype=["F32"])}), "unknown dtype"),
    "negative size": (file_of({"w": entry([-2])}), "as its shape a list"),
    "boolean size": (file_of({"w": entry([True, 2])}), "as its shape a list"),
    "fraction": (file_of({"w": entry([2.0])}), "as its shape a list"),
    "shape number": (file_of({"w": entry(2)}), "as its shape a list"),
    "many axes": (file_of({"w": entry([1] * 33)}), "at most 32 whole numbers"),
    "one offset": (file_of({"w": entry(offsets=[0])}), "as its data_offsets two"),
    "offsets reversed": (file_of({"w": entry(offsets=[8, 0])}), "begin ≤ end"),
    "huge offset": (file_of({"w": entry(offsets=[0, 10**400])}), "as its data_offsets two"),
    "span": (file_of({"w": entry(offsets=[0, 12])}, bytes(12)), "takes 8 bytes by its shape and dtype and 12 by"),
    "huge shape": (file_of({"w": entry([2**40, 2**40])}, bytes(8)), "takes 4,835,703,278,458,516,698,824,704 bytes"),
    "wrapped shape": (file_of({"w": entry([2**62, 2**62, 2**4], offsets=[0, 0])}), "and 0 by its data_offsets"),
    "beyond the end": (file_of({"w": entry([2**40], "U8", [0, 2**40])}, bytes(8)), "ends at byte 1,099,511,627,776"),
    "overlap": (
        file_of({"a": entry(), "b": entry(offsets=[4, 12])}, bytes(12)),
        "'b' in .* begins within the bytes of 'a'",
    ),
    "gap": (file_of({"a": entry(), "b": entry(offsets=[12, 20])}, bytes(20)), "4 bytes before 'b'"),
    "gap before": (file_of({"a": entry(offsets=[4, 12])}, bytes(12)), "4 bytes before 'a'"),
    "more data": (file_of({"a": entry()}, bytes(9)), "describes 8 bytes of data and holds 9"),
    "less data": (file_of({"a": entry()}, bytes(7)), "ends at byte 8 of the data, which has 7"),
}


@pytest.mark.parametrize("case", LIES)
def test_a_header_that_lies_is_refused(tmp_path: Path, case: str) -> None:
    content, said = LIES[case]
    with pytest.raises(DataError, match=said):
        open_safetensors(written(tmp_path / "m.safetensors", content))


def whole_file() -> bytes:
    return b"".join(write_safetensors({"a": VALUES, "b": VALUES[0]}, {"who": "me"}))


@pytest.mark.parametrize("twentieth", range(20))
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, twentieth: int) -> None:
    content = whole_file()
    with pytest.raises(DataError):
        open_safetensors(written(tmp_path / "m.safetensors", content[: len(content) * twentieth // 20]))


def test_a_file_cut_after_it_was_opened_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path / "m.safetensors", whole_file())
    checkpoint = open_safetensors(path)
    Path(path).write_bytes(whole_file()[:-1])
    np.testing.assert_array_equal(checkpoint.read("a"), VALUES)
    with pytest.raises(DataError, match=r"should be 24 bytes .* ends after 23 of them"):
        checkpoint.read("b")
    Path(path).unlink()
    with pytest.raises(DataError, match="There is no file"):
        checkpoint.read("a")


def test_an_unknown_name_gets_the_nearest_and_nothing_raw(tmp_path: Path) -> None:
    content: dict[str, Any] = {"weight_hh": entry(), "w\x1b[31m\u202e": entry(offsets=[8, 16])}
    checkpoint = open_safetensors(written(tmp_path / "m.safetensors", file_of(content, bytes(16))))
    with pytest.raises(DataError, match=r"no tensor 'weight_xh'\. Did you mean weight_hh\?"):
        checkpoint.read("weight_xh")
    with pytest.raises(DataError) as caught:
        checkpoint.read("w\x1b[31m")
    assert str(caught.value).isprintable()
    with pytest.raises(DataError) as caught:
        open_safetensors(written(tmp_path / "n.safetensors", file_of({"\x1b[2J\r": entry()}, bytes(9))))
    assert str(caught.value).isprintable()


def test_a_tensor_that_would_not_fit_is_listed_and_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = open_safetensors(written(tmp_path / "m.safetensors", whole_file()))
    monkeypatch.setattr("rnn_calc.core.memory.physical_memory", lambda: 100)
    assert checkpoint.tensors["a"].shape == (2, 3)
    with pytest.raises(TooLargeError, match=r"'a' in .* needs 96 bytes"):
        checkpoint.read("a")
    empty = open_safetensors(
        written(tmp_path / "e.safetensors", file_of({"w": entry([0, 2**62, 2**62], offsets=[0, 0])}))
    )
    with pytest.raises(TooLargeError):
        empty.read("w")
