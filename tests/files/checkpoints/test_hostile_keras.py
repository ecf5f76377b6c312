"""Keras files that are cut short, lie, link elsewhere or never end are refused with a sentence."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_calc.core.errors import DataError, RnnCalcError, TooLargeError
from rnn_calc.files.checkpoints.keras import open_keras
from tests.files.checkpoints.keras_files import archive, cell_config, drawn, h5py, layer, legacy, recurrent, sequential

LSTM = {"layers/lstm/cell": recurrent(5, 4, 4)}
CONFIG = sequential(layer("LSTM", "lstm", units=4, **cell_config()))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"m{suffix}"
    if suffix == ".keras":
        archive(path, LSTM, CONFIG)
    else:
        legacy(path, {"lstm": {"lstm/lstm_cell/kernel:0": drawn(5, 16)}}, CONFIG)
    content = path.read_bytes()
    for part in range(20):
        path.write_bytes(content[: len(content) * part // 20])
        with pytest.raises(DataError):
            open_keras(str(path))
    path.write_bytes(content)
    open_keras(str(path))
    assert capfd.readouterr().err == ""


def test_what_is_no_keras_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(DataError, match="neither as a zip archive nor as HDF5"):
        open_keras(str(tmp_path / "text.h5"))
    with pytest.raises(DataError, match="There is no file"):
        open_keras(str(tmp_path / "none.h5"))
    with pytest.raises(DataError, match="is a folder"):
        open_keras(str(tmp_path))
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as file:
        file.writestr("config.json", "{}")
    with pytest.raises(DataError, match=r"with model\.weights\.h5"):
        open_keras(str(tmp_path / "other.keras"))


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "model.weights.h5"])
def test_an_archive_with_a_name_that_leads_out_or_stands_twice_is_refused(tmp_path: Path, name: str) -> None:
    archive(tmp_path / "m.keras", LSTM, CONFIG)
    with zipfile.ZipFile(tmp_path / "m.keras", "a") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        file.writestr(name, b"x")
    with pytest.raises(DataError, match=r"leads out|two members"):
        open_keras(str(tmp_path / "m.keras"))


def external(file: Any) -> None:
    file["a/evil"] = h5py.ExternalLink("/etc/passwd", "/x")


def outside(file: Any) -> None:
    file.create_dataset("a/evil", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "x", (4,))
    file.create_virtual_dataset("a/evil", layout)


def never_written(file: Any) -> None:
    file.create_dataset("a/evil", (10**12, 4), "f4", fillvalue=1.0)


def never_written_in_pieces(file: Any) -> None:
    file.create_dataset("a/evil", (10**12,), "f4", chunks=(1000,))


def never_packed(file: Any) -> None:
    file.create_dataset("a/evil", (10**9,), "f4", chunks=(10**6,), compression="gzip")


def bomb(file: Any) -> None:
    # Zeros that were packed a thousandfold, said to be twice as many.
    file.create_dataset("a/evil", data=np.zeros(2**20), chunks=(2**18,), compression="gzip", maxshape=(None,))
    file["a/evil"].resize((2**21,))


def deep(file: Any) -> None:
    file.create_group("/".join("g" * 100))


HOSTILE: dict[str, tuple[Callable[[Any], None], str]] = {
    "external link": (external, "link to another file"),
    "external storage": (outside, "in other files"),
    "virtual dataset": (virtual, "in other files"),
    "never written": (never_written, "promises 16,000,000,000,000 bytes"),
    "never written in pieces": (never_written_in_pieces, "holds 0"),
    "never packed": (never_packed, "holds 0"),
    "bomb": (bomb, "holds 0"),
    "deep": (deep, "nested deeper"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_dataset_that_is_not_in_the_file_is_refused(tmp_path: Path, case: str) -> None:
    make, said = HOSTILE[case]
    with h5py.File(tmp_path / "m.h5", "w") as file:
        make(file)
    with pytest.raises(RnnCalcError, match=said):
        open_keras(str(tmp_path / "m.h5"))


def test_groups_that_hold_themselves_and_soft_links_end(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["a/kernel"] = drawn(2, 2)
        file["a/again"] = file["/"]
        file["a/soft"] = h5py.SoftLink("/a/kernel")
        file["a/\x1b[31mred"] = drawn(2)
    found = open_keras(str(tmp_path / "m.h5"))
    assert set(found.tensors) == {"a/kernel", "a/\x1b[31mred"}
    with pytest.raises(DataError, match=r"\\x1b"):
        found.read("a/\x1b[31mgreen")


def test_large_pieces_and_other_filters_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("a/kernel", data=drawn(4, 4), compression="lzf")
    with pytest.raises(DataError, match="a filter other than gzip and shuffle"):
        open_keras(str(tmp_path / "m.h5")).read("a/kernel")
    with h5py.File(tmp_path / "n.h5", "w") as file:
        file.create_dataset("a/kernel", (2**29,), "f4", chunks=(2**29,), compression="gzip")
    with pytest.raises(TooLargeError, match=r"in pieces of 2\.0 GiB"):
        open_keras(str(tmp_path / "n.h5"))


@pytest.mark.parametrize("size", [0, 2**64 - 16, 2**63])
def test_a_heap_of_texts_without_an_end_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = "{}"
    content = bytearray(path.read_bytes())
    # The free space follows the only object: {} in eight bytes behind two heads.
    free = content.index(b"GCOL") + 16 + 16 + 8
    assert struct.unpack_from("<H", content, free) == (0,)
    struct.pack_into("<Q", content, free + 8, size)
    path.write_bytes(content)
    with pytest.raises(DataError, match="has no end"):
        open_keras(str(path))


CONFIGS: dict[str, object] = {
    "a number": 7,
    "a list": [],
    "layers are a number": {"class_name": "Sequential", "config": {"layers": 3}},
    "entries are texts": sequential("x", None, 3),
    "names are numbers": sequential({"class_name": 3, "config": {"name": 4}}, {"class_name": "LSTM", "config": [[]]}),
    "no configurations": sequential({"class_name": "LSTM"}, {"class_name": "Bidirectional", "config": {"layer": 3}}),
    "odd values": sequential(layer("LSTM", "lstm", units="4", activation=[1], go_backwards="yes", use_bias=None)),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_configuration_of_other_types_is_passed_over(tmp_path: Path, case: str) -> None:
    archive(tmp_path / "m.keras", LSTM, CONFIGS[case])
    found = open_keras(str(tmp_path / "m.keras"))
    assert set(found.tensors) == {"lstm/kernel", "lstm/recurrent_kernel", "lstm/bias"}
    assert all(layer.d_h is None and not layer.reverse for layer in found.layers)


def test_a_configuration_nested_too_deep_is_refused(tmp_path: Path) -> None:
    config: Any = CONFIG
    for _ in range(60):
        config = sequential(config)
    archive(tmp_path / "m.keras", LSTM, config)
    with pytest.raises(DataError, match="nested deeper"):
        open_keras(str(tmp_path / "m.keras"))
    archive(tmp_path / "n.keras", LSTM, CONFIG)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = "[" * 100_000
    with pytest.raises(DataError, match="too deep"):
        open_keras(str(tmp_path / "m.h5"))


def test_a_layer_named_after_a_custom_function_says_so(tmp_path: Path) -> None:
    custom = {"class_name": "function", "config": "my\x1b[0mact"}
    archive(tmp_path / "m.keras", LSTM, sequential(layer("LSTM", "lstm", **cell_config(activation=custom))))
    found = open_keras(str(tmp_path / "m.keras")).layers[0]
    assert found.activation == "my\x1b[0mact"
    assert json.dumps(found.notes).isascii()
    assert "\x1b" not in found.notes[0]
