"""Files that torch.save itself makes are read without torch: every value as torch.load gives it."""

from __future__ import annotations

import argparse
import zipfile
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_calc.core.errors import DataError, TooLargeError
from rnn_calc.files.checkpoints.tensors import Checkpoint, TensorInfo
from rnn_calc.files.checkpoints.torch_zip import open_torch

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

READ = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
READ += ["uint16", "uint32", "uint64"]
ONLY_LISTED = ["complex64", "complex128", "float8_e4m3fn", "float8_e5m2"]


def saved(path: Path, content: object, **options: Any) -> Checkpoint:
    torch.save(content, path, **options)
    return open_torch(str(path))


def require_equal(checkpoint: Checkpoint, expected: dict[str, Any]) -> None:
    assert list(checkpoint.tensors) == list(expected)
    for name, tensor in expected.items():
        assert checkpoint.tensors[name] == TensorInfo(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
        read = checkpoint.read(name)
        assert read.dtype == np.float64
        assert read.flags.c_contiguous
        np.testing.assert_array_equal(read, tensor.detach().double().numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_the_state_dict_of_a_recurrent_module_is_read(tmp_path: Path, kind: str, dtype: str) -> None:
    torch.manual_seed(1)
    module = getattr(torch.nn, kind)(3, 5, num_layers=2, bidirectional=True, dtype=getattr(torch, dtype))
    checkpoint = saved(tmp_path / "m.pt", module.state_dict())
    assert (checkpoint.format, checkpoint.metadata) == ("torch", {})
    require_equal(checkpoint, module.state_dict())


@pytest.mark.parametrize("dtype", READ)
def test_every_type_of_entry_is_read(tmp_path: Path, dtype: str) -> None:
    tensor = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
    parts = {"w": tensor, "turned": tensor.T, "scalar": tensor[1, 2], "none": tensor[:0]}
    require_equal(saved(tmp_path / "m.pt", parts), parts)


@pytest.mark.parametrize("dtype", ONLY_LISTED)
def test_other_types_are_listed_and_not_read(tmp_path: Path, dtype: str) -> None:
    checkpoint = saved(tmp_path / "m.pt", {"w": torch.ones(2, 3).to(getattr(torch, dtype))})
    assert checkpoint.tensors == {"w": TensorInfo((2, 3), dtype)}
    with pytest.raises(DataError, match=f"is {dtype}, which is listed and not read"):
        checkpoint.read("w")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_every_half_is_exact(tmp_path: Path, dtype: str) -> None:
    halves = {"w": torch.arange(-(2**15), 2**15, dtype=torch.int16).view(getattr(torch, dtype))}
    require_equal(saved(tmp_path / "m.pt", halves), halves)


def test_views_and_shared_storages_are_read_in_place(tmp_path: Path) -> None:
    base = torch.arange(60, dtype=torch.float32).reshape(3, 4, 5)
    views = {
        "base": base,
        "permuted": base.permute(2, 0, 1),
        "slice": base[1:, ::2, 1:4],
        "broadcast": base[0, 0].expand(3, 5),
        "diagonal": base[0].diagonal(),
        "windows": base.flatten()[10:30].unfold(0, 4, 2),
        "negated": torch._neg_view(base[2]),
    }
    require_equal(saved(tmp_path / "m.pt", views), views)
    with zipfile.ZipFile(tmp_path / "m.pt") as file:
        assert sum("/data/" in name for name in file.namelist()) == 1, "the views must share a storage"


def test_parameters_and_their_attributes_are_read(tmp_path: Path) -> None:
    marked = torch.nn.Parameter(torch.ones(2))
    marked.note = "mine"  # torch then writes another rebuild function
    plain = torch.ones(3)
    plain.note = "mine"
    parts = {"p": torch.nn.Parameter(torch.ones(2, 3)), "marked": marked, "plain": plain}
    require_equal(saved(tmp_path / "m.pt", parts), parts)


def test_a_trainers_checkpoint_gives_its_tensors_and_names_what_was_not_made(tmp_path: Path) -> None:
    module = torch.nn.LSTM(3, 4)
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(2, 1, 3))[0].sum().backward()
    optimizer.step()
    content = {
        "state_dict": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "args": argparse.Namespace(lr=1e-3, path=Path("x")),
        "epoch": 3,
        "history": [{"loss": 0.5, "state": torch.zeros(2)}, (torch.ones(1), None)],
        "plain": (torch.Size([1, 2]), torch.device("cpu"), torch.float16, {1, 2}, frozenset({3}), b"bytes", 2**70, 1.5),
        "counts": Counter("abca"),
        "lists": defaultdict(list, {"a": [1]}),
        "numpy": np.float64(0.25),
        ("a", 1): torch.ones(1),
    }
    checkpoint = saved(tmp_path / "m.pt", content)
    expected = {f"state_dict.{name}": tensor for name, tensor in module.state_dict().items()}
    for position, state in optimizer.state_dict()["state"].items():
        expected |= {f"optimizer.state.{position}.{name}": tensor for name, tensor in state.items()}
    expected |= {"history.0.state": torch.zeros(2), "history.1.0": torch.ones(1), "(9)": torch.ones(1)}
    require_equal(checkpoint, expected)
    foreign = checkpoint.metadata["foreign objects"]
    assert "argparse.Namespace" in foreign
    assert "pathlib" in foreign
    assert "scalar" in foreign
    assert "OrderedDict" not in foreign
    assert "tensors left out" not in checkpoint.metadata


class Holder:
    def __init__(self, tensor: object) -> None:
        self.tensor = tensor


def test_tensors_inside_foreign_objects_are_left_out_and_said_so(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path / "m.pt", {"model": {"w": torch.ones(2)}, "ema": {"h": Holder([torch.ones(3)])}})
    assert set(checkpoint.tensors) == {"model.w"}
    assert checkpoint.metadata["tensors left out"] == f"ema.h ({__name__}.Holder)"


def test_a_whole_module_is_refused_with_its_class_and_what_to_save(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"inside 'torch\.nn\.modules\.rnn\.LSTM'.*torch\.save\(model\.state_dict\(\)"):
        saved(tmp_path / "m.pt", torch.nn.LSTM(2, 3))


def test_a_sparse_tensor_is_left_out_by_the_function_that_makes_it(tmp_path: Path) -> None:
    sparse = torch.sparse_coo_tensor(torch.tensor([[0]]), torch.ones(1), (2,), check_invariants=True)
    checkpoint = saved(tmp_path / "m.pt", {"w": torch.ones(1), "s": sparse})
    assert checkpoint.metadata["tensors left out"] == "s (torch._utils._rebuild_sparse_tensor)"


def test_one_tensor_alone_has_a_name(tmp_path: Path) -> None:
    require_equal(saved(tmp_path / "m.pt", torch.ones(2)), {"tensor": torch.ones(2)})


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol_of_torch_is_read(tmp_path: Path, protocol: int) -> None:
    content = OrderedDict(module=OrderedDict(w=torch.ones(2, 3)), notes=["long " * 100, b"b" * 300, 2**40, -7, {1}])
    checkpoint = saved(tmp_path / "m.pt", content, pickle_protocol=protocol)
    require_equal(checkpoint, {"module.w": torch.ones(2, 3)})


def test_the_byte_order_is_followed(tmp_path: Path) -> None:
    torch.save({"w": torch.arange(3.0)}, tmp_path / "m.pt")
    with zipfile.ZipFile(tmp_path / "m.pt") as old, zipfile.ZipFile(tmp_path / "big.pt", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("byteorder"):
                content = b"big"
            elif "/data/" in name:
                content = np.frombuffer(content, "<f4").astype(">f4").tobytes()
            new.writestr(name, content)
    require_equal(open_torch(str(tmp_path / "big.pt")), torch.load(tmp_path / "big.pt", weights_only=True))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_an_archive_packed_again_is_read(tmp_path: Path, method: int) -> None:
    parts = {"w": torch.arange(600_000.0).reshape(600, 1000)[3:, 5:].T}
    torch.save(parts, tmp_path / "m.pt")
    with zipfile.ZipFile(tmp_path / "m.pt") as old, zipfile.ZipFile(tmp_path / "new.pt", "w", method) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    require_equal(open_torch(str(tmp_path / "new.pt")), parts)


def test_old_files_are_refused_with_how_to_save_them_again(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"that PyTorch saved before 1\.6.*Save it again"):
        saved(tmp_path / "m.pt", {"w": torch.ones(2)}, _use_new_zipfile_serialization=False)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused_with_how_to_save_it_again(tmp_path: Path) -> None:
    torch.jit.script(torch.nn.Linear(2, 3)).save(str(tmp_path / "m.pt"))
    with pytest.raises(DataError, match=r"is a TorchScript archive.*torch\.jit\.load"):
        open_torch(str(tmp_path / "m.pt"))


def test_a_tensor_that_memory_could_not_hold_is_listed_and_not_read(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path / "m.pt", {"w": torch.zeros(1).expand(2**30, 2**30)})
    assert checkpoint.tensors["w"].shape == (2**30, 2**30)
    with pytest.raises(TooLargeError, match=r"'w' in .* needs 8,192 PiB"):
        checkpoint.read("w")
