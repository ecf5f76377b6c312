"""Files that are well-formed and too much: refused before the work or the memory that they would take."""

from __future__ import annotations

import resource
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from rnn_calc.core.errors import DataError, TooLargeError
from rnn_calc.files.checkpoints.finding import find_layers
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
