"""ONNX models that are cut short, contradict themselves or point elsewhere are refused with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest

from rnn_calc.core.errors import DataError
from rnn_calc.files.checkpoints.onnx import open_onnx
from tests.files.checkpoints.onnx_files import TensorProto, broken, helper, model, saved, weights


def both_fields(proto: Any, tensor: Any) -> None:
    tensor.float_data.extend([1.0])


def attribute(name: str, value: Any) -> Callable[[Any, Any], None]:
    def change(proto: Any, _: Any) -> None:
        kept = [entry for entry in proto.graph.node[0].attribute if entry.name != name]
        del proto.graph.node[0].attribute[:]
        proto.graph.node[0].attribute.extend([*kept, helper.make_attribute(name, value)])

    return change


BROKEN: dict[str, tuple[Callable[[Any, Any], None], str]] = {
    "more promised": (lambda _, tensor: tensor.dims.append(2), "promises 192 bytes .* and holds 96"),
    "huge": (lambda _, tensor: tensor.dims.extend([2**62, 2**62]), "promises .* and holds 96"),
    "negative": (lambda _, tensor: tensor.dims.extend([-1, -1]), "negative size"),
    "too many axes": (lambda _, tensor: tensor.dims.extend([1] * 40), "axes; 32 is the limit"),
    "values twice": (both_fields, "twice"),
    "no values": (lambda _, tensor: tensor.ClearField("raw_data"), "promises 24 values .* and holds 0"),
    "part": (lambda _, tensor: tensor.segment.CopyFrom(TensorProto.Segment(begin=0, end=1)), "part of a larger"),
    "two of a name": (lambda proto, tensor: proto.graph.initializer.append(tensor), "two tensors 'W'"),
    "direction": (attribute("direction", "\x1b[0mup"), r"'\\x1b\[0mup'; forward, reverse"),
    "hidden size": (attribute("hidden_size", -3), "hidden_size -3"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_model_that_contradicts_itself_is_refused(tmp_path: Path, case: str) -> None:
    change, said = BROKEN[case]
    with pytest.raises(DataError, match=said):
        open_onnx(saved(tmp_path / "m.onnx", broken(change), check=False))


def test_wide_values_in_a_narrow_type_and_unread_types_are_refused(tmp_path: Path) -> None:
    proto = model([helper.make_node("Identity", ["x"], ["y"])], {})
    proto.graph.initializer.append(TensorProto(name="n", dims=[1], data_type=TensorProto.INT8, int32_data=[300]))
    proto.graph.initializer.append(TensorProto(name="s", dims=[1], data_type=TensorProto.STRING, string_data=[b"a"]))
    proto.graph.initializer.append(TensorProto(name="u", dims=[1], data_type=99, raw_data=b"a"))
    found = open_onnx(saved(tmp_path / "m.onnx", proto, check=False))
    with pytest.raises(DataError, match="values that int8 does not hold"):
        found.read("n")
    for name in ("s", "u"):
        with pytest.raises(DataError, match="listed and not read"):
            found.read(name)


def test_a_truncated_model_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = broken(lambda *_: None).SerializeToString()
    for part in range(20):
        (tmp_path / "m.onnx").write_bytes(content[: len(content) * part // 20])
        with pytest.raises(DataError):
            open_onnx(str(tmp_path / "m.onnx"))
    assert capfd.readouterr().err == ""
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(DataError, match="no ONNX model"):
        open_onnx(str(tmp_path / "text.onnx"))
    with pytest.raises(DataError, match="There is no file"):
        open_onnx(str(tmp_path / "none.onnx"))


def test_names_that_are_not_utf8_and_control_characters_stay_harmless(tmp_path: Path) -> None:
    proto = broken(lambda _, tensor: setattr(tensor, "name", "evil\x1b[31m"))
    content = proto.SerializeToString().replace(b"layer", b"la\xffer")
    (tmp_path / "m.onnx").write_bytes(content)
    found = open_onnx(str(tmp_path / "m.onnx"))
    assert found.layers[0].prefix == "la\\xffer"
    assert "evil\x1b[31m" in found.tensors
    with pytest.raises(DataError, match=r"no tensor 'evil\\x1b'"):
        found.read("evil\x1b")


def test_graphs_nested_too_deep_for_protobuf_are_refused(tmp_path: Path) -> None:
    def message(field: int, content: bytes) -> bytes:
        length, number = b"", len(content)
        while number > 127:
            length, number = length + bytes([number & 127 | 128]), number >> 7
        return bytes([field << 3 | 2]) + length + bytes([number]) + content

    graph = b""
    for _ in range(200):
        # node (1) → attribute (5) → g (6)
        graph = message(1, message(5, message(6, graph)))
    (tmp_path / "m.onnx").write_bytes(b"\x08\x08" + message(7, graph))
    with pytest.raises(DataError, match="no ONNX model"):
        open_onnx(str(tmp_path / "m.onnx"))


def outside(path: Path, **entries: str) -> str:
    """A model whose W is kept in another file."""

    def change(_: Any, tensor: Any) -> None:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=value)

    return saved(path, broken(change), check=False)


def test_values_beside_the_model_are_read(tmp_path: Path) -> None:
    values = weights("LSTM", 3, 2)["W"]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "w.bin").write_bytes(bytes(16) + values.tobytes() + bytes(5))
    for entries in ({"length": "96"}, {}):
        path = outside(tmp_path / "m.onnx", location="data/w.bin", offset="16", **entries)
        assert np.array_equal(open_onnx(path).read("W"), values)


def test_values_elsewhere_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(96))
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "way").symlink_to(tmp_path)
    (folder / "short").write_bytes(bytes(95))
    locations = {
        **{"../secret": "own folder", str(tmp_path / "secret"): "own folder", "..\\secret": "own folder"},
        **{"link": "symbolic link", "way/secret": "symbolic link", "": "own folder", ".": "own folder"},
        **{"none": "not there", "a\0b": "own folder", "short": "ends at 95"},
    }
    for location, said in locations.items():
        found = open_onnx(outside(folder / "m.onnx", location=location))
        with pytest.raises(DataError, match=said):
            found.read("W")
    for entries, said in (
        ({"offset": "-1"}, "number of bytes"),
        ({"offset": "9" * 5000}, "number of bytes"),
        ({"length": "95"}, "says it has 95"),
    ):
        with pytest.raises(DataError, match=said):
            open_onnx(outside(folder / "m.onnx", location="short", **entries))


def test_many_graphs_in_one_with_many_names_are_walked_once(tmp_path: Path) -> None:
    many = 10_000
    inner = helper.make_graph([], "inner", [], [])
    branches = [helper.make_node("If", ["c"], ["o"], then_branch=inner) for _ in range(many)]
    names = {f"t{number}": np.zeros(1, np.float32) for number in range(many)}
    path = saved(tmp_path / "m.onnx", model(branches, names), check=False)
    start = process_time()
    assert len(open_onnx(path).tensors) == many
    # A copy of the names for every graph would take a minute.
    assert process_time() - start < 10
