"""NumPy's archives and folders as checkpoints: numpy's own files are the oracle, lies are refused by their headers."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rnn_calc.core.errors import DataError, RnnCalcError, TooLargeError
from rnn_calc.files.checkpoints.numpy_files import open_npy_folder, open_npz
from rnn_calc.files.checkpoints.tensors import Checkpoint, TensorInfo
from tests.files.checkpoints.archives import Trap, zip_of
from tests.files.test_hostile_arrays import npy

DTYPES = ["<f8", ">f8", "<f4", "<f2", "<i8", "<i2", "|i1", ">u4", "|u1", "|b1"]


def opened(tmp_path: Path, container: str, arrays: dict[str, np.ndarray]) -> Checkpoint:
    if container == "npy folder":
        for name, array in arrays.items():
            np.save(tmp_path / f"{name}.npy", array)
        return open_npy_folder(str(tmp_path))
    write = np.savez_compressed if container == "compressed" else np.savez
    write(tmp_path / "m.npz", **arrays)  # type: ignore[arg-type]
    return open_npz(str(tmp_path / "m.npz"))


@pytest.mark.parametrize("container", ["npz", "compressed", "npy folder"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_real_type_and_order_is_read(tmp_path: Path, container: str, dtype: str) -> None:
    array = np.arange(12).reshape(3, 4).astype(dtype)
    arrays = {"c": array, "f": np.asfortranarray(array), "scalar": array[1, 2].reshape(()), "none": array[:0]}
    checkpoint = opened(tmp_path, container, arrays)
    assert checkpoint.format == ("npy folder" if container == "npy folder" else "npz")
    assert checkpoint.tensors == {name: TensorInfo(a.shape, a.dtype.name) for name, a in arrays.items()}
    for name, expected in arrays.items():
        read = checkpoint.read(name)
        assert read.dtype == np.float64
        assert read.flags.c_contiguous
        np.testing.assert_array_equal(read, expected.astype(np.float64))


@pytest.mark.parametrize("container", ["npz", "npy folder"])
def test_what_is_no_number_is_listed_and_not_read(tmp_path: Path, container: str) -> None:
    others = {
        "text": np.array(["a"]),
        "z": np.array([1j]),
        "\x1b[2J": np.array([(1, 2)], [("\x1b", "i4"), ("b", "i4")]),
    }
    checkpoint = opened(tmp_path, container, {**others, "w": np.ones(2)})
    assert set(checkpoint.tensors) == {*others, "w"}
    assert all(info.dtype.isprintable() for info in checkpoint.tensors.values())
    for name in others:
        with pytest.raises(DataError, match="real numbers are needed") as caught:
            checkpoint.read(name)
        assert str(caught.value).isprintable()


def test_pickled_objects_are_listed_and_never_loaded(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    objects = np.array([Trap(sprung)], dtype=object)
    np.savez(tmp_path / "m.npz", w=np.ones(2), evil=objects)
    with pytest.raises(DataError, match="never unpickled"):
        open_npz(str(tmp_path / "m.npz")).read("evil")
    np.testing.assert_array_equal(open_npz(str(tmp_path / "m.npz")).read("w"), np.ones(2))
    assert not sprung.exists()
    pickle.loads(pickle.dumps(Trap(sprung)))
    assert sprung.exists(), "the trap itself must work"


BAD_ARRAYS = {
    "huge": (npy((2**40, 2**40)), "promises 9,671,406,556,917,033,397,649,408 bytes of data in its header and holds 0"),
    "truncated": (npy((2, 2), bytes(31)), "promises 32 bytes of data in its header and holds 31"),
    "more": (npy((2, 2), bytes(33)), "and holds 33"),
    "negative": (npy((-1,)), "impossible shape"),
    "no array": (b"hello", "header cannot be read"),
    "empty": (b"", "header cannot be read"),
    "version": (b"\x93NUMPY\x09\x00" + bytes(100), "version"),
    "escape": (npy((1,), bytes(8)).replace(b"'shape'", b"'sh\\qpe'"), "header cannot be read"),
    "many axes": (npy((1,) * 100, bytes(8)), "100 axes"),
}


@pytest.mark.parametrize("container", ["npz", "compressed", "npy folder"])
@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_an_array_that_lies_is_refused(tmp_path: Path, container: str, case: str) -> None:
    content, said = BAD_ARRAYS[case]
    method = zipfile.ZIP_DEFLATED if container == "compressed" else zipfile.ZIP_STORED
    path = tmp_path / ("w.npy" if container == "npy folder" else "m.npz")
    path.write_bytes(content if container == "npy folder" else zip_of({"w.npy": content}, method))
    with pytest.raises(DataError, match=rf"'w(\.npy)?' in .*{said}"):
        open_npy_folder(str(tmp_path)) if container == "npy folder" else open_npz(str(path))


@pytest.mark.parametrize("name", ["../w.npy", "/w.npy"])
def test_a_member_that_leads_out_of_an_archive_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "m.npz").write_bytes(zip_of({name: npy((1,), bytes(8))}))
    with pytest.raises(DataError, match="leads out of the archive"):
        open_npz(str(tmp_path / "m.npz"))


def test_a_member_that_is_no_array_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.npz").write_bytes(zip_of({"read\x07me": b""}))
    with pytest.raises(DataError, match=r"'read\\x07me' in .* is no \.npy array"):
        open_npz(str(tmp_path / "m.npz"))


def test_links_are_followed_inside_the_folder_only(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    np.save(folder / "w.npy", np.ones(2))
    (folder / "tied.npy").symlink_to("w.npy")
    np.testing.assert_array_equal(open_npy_folder(str(folder)).read("tied"), np.ones(2))
    np.save(tmp_path / "secret.npy", np.ones(2))
    (folder / "x.npy").symlink_to(tmp_path / "secret.npy")
    with pytest.raises(DataError, match=r"'x\.npy' in .* is a link that leads out of the folder"):
        open_npy_folder(str(folder))


def test_a_link_to_a_folder_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    np.save(tmp_path / "folder" / "w.npy", np.ones(2))
    (tmp_path / "link").symlink_to("folder")
    np.testing.assert_array_equal(open_npy_folder(str(tmp_path / "link")).read("w"), np.ones(2))


def test_a_link_that_goes_round_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.npy").symlink_to("w.npy")
    with pytest.raises(DataError):
        open_npy_folder(str(tmp_path))


def test_a_folder_without_arrays_says_so(tmp_path: Path) -> None:
    (tmp_path / "w.txt").write_text("1")
    with pytest.raises(DataError, match=r"The folder .* holds no \.npy file"):
        open_npy_folder(str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "w.npy")
    with pytest.raises(DataError, match="is no ordinary file"):
        open_npy_folder(str(tmp_path))


@pytest.mark.parametrize("container", ["npz", "compressed", "npy folder"])
def test_a_file_cut_after_it_was_opened_is_noticed(tmp_path: Path, container: str) -> None:
    checkpoint = opened(tmp_path, container, {"w": np.arange(100.0)})
    file = next(tmp_path.iterdir())
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(DataError):
        checkpoint.read("w")
    with pytest.raises(DataError, match=r"has no tensor 'ww'\. Did you mean w\?"):
        checkpoint.read("ww")


def test_an_array_that_memory_could_not_hold_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w.npy").write_bytes(npy((0, 2**62)))
    checkpoint = open_npy_folder(str(tmp_path))
    with pytest.raises(TooLargeError):
        checkpoint.read("w")
    small = opened(tmp_path, "npz", {"w": np.ones(100)})
    monkeypatch.setattr("rnn_calc.core.memory.physical_memory", lambda: 100)
    with pytest.raises(TooLargeError, match=r"'w' in .* needs"):
        small.read("w")


@pytest.mark.parametrize("twentieth", range(20))
def test_an_archive_cut_anywhere_is_refused(tmp_path: Path, twentieth: int) -> None:
    np.savez(tmp_path / "m.npz", a=np.arange(50.0), b=np.ones((3, 4)))
    content = (tmp_path / "m.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) * twentieth // 20])
    with pytest.raises(RnnCalcError):
        open_npz(str(tmp_path / "cut.npz"))
