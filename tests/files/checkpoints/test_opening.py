"""A checkpoint is opened by its suffix, or by its first bytes where that says nothing; a large one in little memory."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rnn_calc.core.errors import DataError
from rnn_calc.files.checkpoints.opening import CHECKPOINT_SUFFIXES, open_checkpoint
from rnn_calc.files.checkpoints.safetensors import write_safetensors
from tests.files.checkpoints.archives import TENSOR, archive, pickled, state_dict, zip_of
from tests.files.test_hostile_arrays import npy

ARRAY = npy((2,), struct.pack("<2d", 1, 2))
CONTENTS = {
    "safetensors": b"".join(write_safetensors({"w": np.array([1.0, 2.0])})),
    "npz": zip_of({"w.npy": ARRAY}),
    "torch": zip_of({"m/data.pkl": state_dict(w=TENSOR), "m/data/0": bytes(24)}),
}


@pytest.mark.parametrize("name", ["m.bin", "m", "m.ckpt", "m.TXT"])
@pytest.mark.parametrize("container", CONTENTS)
def test_the_first_bytes_tell_the_format(tmp_path: Path, container: str, name: str) -> None:
    (tmp_path / name).write_bytes(CONTENTS[container])
    checkpoint = open_checkpoint(str(tmp_path / name))
    assert checkpoint.format == container
    assert checkpoint.path == str(tmp_path / name)
    assert list(checkpoint.tensors) == ["w"]


@pytest.mark.parametrize(
    ("suffix", "container"),
    [(".safetensors", "safetensors"), (".npz", "npz"), (".pt", "torch"), (".pth", "torch"), (".PT", "torch")],
)
def test_the_suffix_tells_the_format(tmp_path: Path, suffix: str, container: str) -> None:
    path = tmp_path / f"m{suffix}"
    path.write_bytes(CONTENTS[container])
    assert open_checkpoint(str(path)).format == container
    path.write_bytes(b"something else, long enough to have a header")
    with pytest.raises(DataError, match=r"is no|promises a header"):
        open_checkpoint(str(path))


def test_hdf5_is_told_by_its_first_bytes(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    for name in ("m.h5", "m.hdf5", "m.bin"):
        with h5py.File(tmp_path / name, "w") as file:
            file["lstm/kernel"] = np.ones((2, 3))
        checkpoint = open_checkpoint(str(tmp_path / name))
        assert checkpoint.format == "keras"
        assert [info.shape for info in checkpoint.tensors.values()] == [(2, 3)]


def test_onnx_is_told_by_its_suffix(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    graph = onnx.helper.make_graph([], "g", [], [], [onnx.numpy_helper.from_array(np.ones((2, 3)), "w")])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "m.onnx")
    checkpoint = open_checkpoint(str(tmp_path / "m.onnx"))
    assert checkpoint.format == "onnx"
    assert checkpoint.tensors["w"].shape == (2, 3)


def test_a_folder_is_one_of_npy_files(tmp_path: Path) -> None:
    (tmp_path / "w.npy").write_bytes(ARRAY)
    checkpoint = open_checkpoint(str(tmp_path))
    assert checkpoint.format == "npy folder"
    np.testing.assert_array_equal(checkpoint.read("w"), [1, 2])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"\x1b[31mhello", "it begins with the bytes 1b 5b 33 31 6d 68 65 6c"),
        (zip_of({"a.txt": b"", "b.npy": ARRAY}), "it is a zip archive of 2 members, none of them tensors"),
        (ARRAY, "is one array; a folder of .npy files or an .npz is a checkpoint"),
        (pickled(b"}"), "is a bare pickle"),
    ],
)
def test_what_is_no_checkpoint_says_what_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "m.bin").write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        open_checkpoint(str(tmp_path / "m.bin"))
    assert "pickle" in said or "array" in said or all(suffix in str(caught.value) for suffix in CHECKPOINT_SUFFIXES)


def test_a_missing_file_gets_the_nearest_name(tmp_path: Path) -> None:
    archive(tmp_path / "model.pt", state_dict(w=TENSOR))
    for name in ("modl.pt", "model"):
        with pytest.raises(DataError, match=r"There is no file .*\. Did you mean model\.pt\?"):
            open_checkpoint(str(tmp_path / name))


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(DataError, match="is no file name"):
        open_checkpoint("a\0b.pt")
    with pytest.raises(DataError, match="stdin cannot be"):
        open_checkpoint("-")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("m.pt", "m.npz", "m.safetensors", "m"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(DataError, match="is no ordinary file"):
            open_checkpoint(str(tmp_path / name))


MEASURE = """
import sys
from rnn_calc.files.checkpoints.opening import open_checkpoint
checkpoint = open_checkpoint(sys.argv[1])
assert len(checkpoint.tensors) == 3
assert checkpoint.read("b").sum() == 1000
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux' account of a process")
@pytest.mark.parametrize("suffix", ["npz", "safetensors", pytest.param("pt", marks=pytest.mark.torch)])
def test_400_megabytes_are_opened_in_less_than_60(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"large.{suffix}"
    zeros = np.zeros(25_000_000)
    tensors = {"b": np.ones(1000), "a": zeros, "c": zeros}
    if suffix == "pt":
        torch = pytest.importorskip("torch")
        torch.save({name: torch.from_numpy(array.copy()) for name, array in tensors.items()}, path)
    elif suffix == "npz":
        np.savez(path, **tensors)  # type: ignore[arg-type]
    else:
        with path.open("wb") as file:
            file.writelines(write_safetensors(tensors))
    assert path.stat().st_size > 400_000_000
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
    path.unlink()
    assert int(done.stdout) < 60 * 1024
