"""Files that are well-formed and too much: refused before the work or the memory that they would take."""

from __future__ import annotations

import io
import resource
import struct
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from time import process_time

import numpy as np
import pytest

from rnn_calc.core.errors import DataError, TooLargeError
from rnn_calc.files.arrays import read_npz
from rnn_calc.files.checkpoints.finding import find_layers
from rnn_calc.files.checkpoints.keras_names import matched
from rnn_calc.files.checkpoints.opening import open_checkpoint
from rnn_calc.files.checkpoints.safetensors import LARGEST_HEADER, open_safetensors
from rnn_calc.files.checkpoints.tensors import Checkpoint, LayerConfig, TensorInfo
from tests.commandline import RNNCALC, environment


def checkpoint(shapes: Mapping[str, tuple[int, ...]], layers: tuple[LayerConfig, ...] = ()) -> Checkpoint:
    infos = {name: TensorInfo(shape, "float32") for name, shape in shapes.items()}

    def read(name: str) -> None:
        raise AssertionError(name)

    return Checkpoint("m", "safetensors", infos, read, layers)  # type: ignore[arg-type]


def test_layers_are_counted_in_all_stacks_together() -> None:
    names = [f"m{module}.{w}_l{k}" for module in range(11) for k in range(100) for w in ("weight_ih", "weight_hh")]
    with pytest.raises(TooLargeError, match="1,100 recurrent layers; 1,000 is the limit"):
        find_layers(checkpoint(dict.fromkeys(names, (3, 3))))


def test_nodes_that_share_their_tensors_are_counted() -> None:
    node = LayerConfig("n", "rnn", tensors={"W": "W", "R": "R"})
    shapes = {"W": (1, 3, 3), "R": (1, 3, 3)}
    assert len(find_layers(checkpoint(shapes, (node,) * 10))) == 10
    with pytest.raises(TooLargeError, match="1,001 recurrent layers; 1,000 is the limit"):
        find_layers(checkpoint(shapes, (node,) * 1001))


def test_a_header_that_would_take_gigabytes_as_json_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", LARGEST_HEADER + 1) + b"{")
    with path.open("r+b") as file:
        file.truncate(LARGEST_HEADER + 100)
    with pytest.raises(DataError, match=r"promises a header of 16,777,217 bytes; 16,777,216 is the limit"):
        open_safetensors(str(path))


def test_less_memory_than_the_machine_has_ends_with_a_message(tmp_path: Path) -> None:
    size = 2**13
    shapes = {"weight_ih_l0": (size, 1), "weight_hh_l0": (size, size)}
    begin, entries = 0, []
    for name, (rows, columns) in shapes.items():
        end = begin + 8 * rows * columns
        entries.append(f'"{name}":{{"dtype":"F64","shape":[{rows},{columns}],"data_offsets":[{begin},{end}]}}')
        begin = end
    header = f"{{{','.join(entries)}}}".encode()
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with path.open("r+b") as file:
        file.truncate(8 + len(header) + begin)  # a file of half a gigabyte that takes no room

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (400 * 2**20,) * 2)

    single = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [RNNCALC, "trace", "--model", str(path), "-T", "2"],
        capture_output=True,
        env=environment(**single),
        preexec_fn=limit,
        check=False,
        timeout=60,
    )
    assert result.returncode == 1
    assert result.stderr.startswith(b"rnncalc: This needs more memory than there is."), result.stderr
    assert result.stderr.count(b"\n") == 1


@pytest.mark.parametrize("shape", [(2**63, 0), (2**40, 2**40, 0)])
def test_an_empty_array_that_numpy_cannot_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(tmp_path / "m.npz", "w") as file:
        file.writestr("W_hh.npy", header.getvalue())
    with pytest.raises(TooLargeError, match=r"'W_hh' in .* of memory"):
        read_npz(str(tmp_path / "m.npz"))


def test_layers_of_a_configuration_are_looked_up_and_not_searched() -> None:
    tensors = [f"block{i}/lstm/kernel" for i in range(20_000)]
    layers = [LayerConfig(f"model{i}/lstm", "lstm") for i in range(20_000)] + [LayerConfig("block7/rnn/lstm", "lstm")]
    start = process_time()
    assert [layer.prefix for layer in matched(layers, tensors)] == ["block7/lstm"]
    # Each among all would be 400 million looks.
    assert process_time() - start < 5


def test_a_layer_that_a_configuration_names_twice_counts_once() -> None:
    layers = [LayerConfig("q", "lstm", d_h=1), LayerConfig("q", "lstm", d_h=2)] * 1000
    assert [(layer.prefix, layer.d_h) for layer in matched(layers, ["q/kernel"])] == [("q", 1)]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="there is no file that fails to be read")
def test_a_file_that_fails_to_be_read_is_named() -> None:
    with pytest.raises(DataError, match=r"^'/proc/self/mem' cannot be read: input/output error\.$"):
        open_checkpoint("/proc/self/mem")
