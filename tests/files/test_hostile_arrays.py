"""NumPy files that lie, explode or carry code are refused before anything is allocated, and never unpickled."""

from __future__ import annotations

import io
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rnn_calc.core.errors import DataError, TooLargeError
from rnn_calc.files.arrays import LARGEST_UNPACKED, map_npy, read_npz
from tests.commandline import calc, refused


class _Trap:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return (Path.touch, (self.path,))


def npy(shape: object, data: bytes = b"", dtype: object = "<f8") -> bytes:
    header = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def test_pickles_are_refused_and_not_loaded(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    objects = np.array([_Trap(sprung)], dtype=object)
    np.save(tmp_path / "object.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "object.npz", W_xh=objects)
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(_Trap(sprung)))
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(_Trap(sprung)))
    assert "never unpickled" in refused("trace", "--sequence", str(tmp_path / "object.npy"))
    assert "never unpickled" in refused("trace", "--model", str(tmp_path / "object.npz"))
    assert "header cannot be read" in refused("trace", "--sequence", str(tmp_path / "pickle.npy"))
    assert "no readable .npz archive" in refused("trace", "--model", str(tmp_path / "pickle.npz"))
    assert not sprung.exists()
    np.load(tmp_path / "object.npy", allow_pickle=True)
    assert sprung.exists(), "the trap itself must work"


HEADERS = {
    "huge": (npy((10**12, 4)), "promises 32,000,000,000,000 bytes of data in its header and holds 0"),
    "negative": (npy((-1, 4)), "impossible shape"),
    "boolean size": (npy((True, 2), bytes(16)), "impossible shape"),
    "empty but wide": (npy((0, 10**12)), "is an empty array"),
    "no columns": (npy((2, 0)), "is an empty array"),
    "fields": (npy((1,), bytes(8), [("a", "<f8")]), "real numbers are needed"),
    "complex": (npy((1,), bytes(16), "<c16"), "real numbers are needed"),
    "booleans": (npy((1,), bytes(1), "|b1"), "real numbers are needed"),
    "zero-width text": (npy((10**18,), b"", "|S0"), "real numbers are needed"),
    "truncated header": (npy((2, 2))[:20], "header cannot be read"),
    "truncated data": (npy((2, 2), bytes(31)), "promises 32 bytes of data in its header and holds 31"),
    "more data": (npy((2, 2), bytes(33)), "holds 33"),
    "huge header": (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + bytes(1000), "header cannot be read"),
    "code": (b"\x93NUMPY\x01\x00" + struct.pack("<H", 40) + b"__import__('os').abort()".ljust(40), "cannot be read"),
    "scalar": (npy((), bytes(8)), "a sequence has shape (T, d_in)"),
    "three axes": (npy((1, 1, 1), bytes(8)), "a sequence has shape (T, d_in)"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_bad_npy_is_refused_by_its_header(tmp_path: Path, case: str) -> None:
    content, said = HEADERS[case]
    path = tmp_path / "s.npy"
    path.write_bytes(content)
    assert said in refused("trace", "--sequence", str(path))


def test_a_lying_header_allocates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.npy"
    path.write_bytes(npy((2**36,)))
    archive = tmp_path / "m.npz"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("W_xh.npy", npy((2**36,)))
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            map_npy(str(path))
        with pytest.raises(DataError):
            read_npz(str(archive))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
        file.open("W_xh.npy", "w", force_zip64=True) as member,
    ):
        for _ in range(LARGEST_UNPACKED // 2**24 + 1):
            member.write(bytes(2**24))
    assert path.stat().st_size < 2**21
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError, match=r"unpacks to more than the limit of 1\.0 GiB"):
            read_npz(str(path))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_member_that_unpacks_to_more_than_it_says_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lie.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("W_xh.npy", npy((1000,), bytes(8000)))
    content = bytearray(path.read_bytes())
    entry = content.find(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", 100)
    path.write_bytes(content)
    assert "no readable .npz archive" in refused("trace", "--model", str(path))


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"readme.txt": b"hi"}, "'readme.txt' in "),
        ({"W_xh.npy": b"hi there"}, "header cannot be read"),
        ({"../../x\x1b[31m.npy": npy((1,), bytes(8))}, r"'../../x\x1b[31m' is no parameter"),
        ({"W_xh.npy": npy((0, 4))}, "is an empty array of shape (0, 4)"),
        ({"W_xh.npy": npy((), bytes(8))}, "W_xh has shape ()"),
        ({"W_xh.npy": npy((1, 2), struct.pack("<dd", 1, float("nan")))}, "row 1, number 2 is nan"),
        ({"W_hx.npy": npy((1, 2), bytes(16))}, "Did you mean W_xh?"),
        ({}, "is an empty archive"),
    ],
)
def test_a_bad_member_is_named(tmp_path: Path, members: dict[str, bytes], said: str) -> None:
    assert said in refused("trace", "--model", str(archive(tmp_path / "m.npz", **members)))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("b_h.npy", npy((1,), bytes(8)))
        file.writestr("b_h.npy", npy((1,), bytes(8)))
    assert "has two members 'b_h'" in refused("trace", "--model", str(path))


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", ">f2", "<i4", "|u1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_real_number_type_and_order_is_read(tmp_path: Path, dtype: str, order: str) -> None:
    values = np.arange(12).reshape(3, 4)
    buffer = io.BytesIO()
    np.save(buffer, np.array(values, dtype=dtype, order="F" if order == "F" else "C"))
    (tmp_path / "s.npy").write_bytes(buffer.getvalue())
    result = calc("trace", "--sequence", str(tmp_path / "s.npy"), "--format", "csv")
    rows = [line.split(",") for line in result.out.splitlines()[1:]]
    assert [[float(cell) for cell in row[1:5]] for row in rows] == values.tolist()
