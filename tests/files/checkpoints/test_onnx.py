"""ONNX models made with onnx and passed by its checker come out with their tensors, values and recurrent nodes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnn_calc.files.checkpoints.onnx import open_onnx
from tests.files.checkpoints.onnx_files import (
    GATES,
    TensorProto,
    broken,
    drawn,
    helper,
    model,
    numpy_helper,
    saved,
    weights,
)


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_a_recurrent_node_gives_its_tensors_by_role(tmp_path: Path, kind: str, direction: str) -> None:
    both = direction == "bidirectional"
    arrays = weights(kind, 3, 4, 2 if both else 1)
    node = helper.make_node(kind, ["x", *arrays], ["y"], name="layer", hidden_size=4, direction=direction)
    found = open_onnx(saved(tmp_path / "m.onnx", model([node], arrays)))
    assert found.format == "onnx"
    assert found.metadata == {"producer": "test", "ir_version": "8", "opset": "17"}
    for name, array in arrays.items():
        assert found.tensors[name] == (array.shape, "float32")
        assert np.array_equal(found.read(name), array.astype(np.float64))
        assert found.read(name).dtype == np.float64
    (layer,) = found.layers
    assert (layer.prefix, layer.cell, layer.d_h) == ("layer", kind.lower(), 4)
    assert (layer.reverse, layer.bidirectional) == (direction == "reverse", both)
    assert layer.tensors == {"W": "W", "R": "R", "B": "B"}
    assert layer.activation == "tanh"
    assert layer.recurrent_activation == (None if kind == "RNN" else "sigmoid")
    assert layer.reset_after == (False if kind == "GRU" else None)
    assert layer.notes == ()


def one_layer(tmp_path: Path, kind: str, tensors: dict[str, NDArray[Any]], inputs: list[str], **attributes: Any) -> Any:
    node = helper.make_node(kind, ["x", *inputs], ["y"], hidden_size=2, **attributes)
    return open_onnx(saved(tmp_path / "m.onnx", model([node], tensors))).layers[0]


def test_what_changes_the_computation_is_said(tmp_path: Path) -> None:
    gru, lstm, rnn = weights("GRU", 3, 2), weights("LSTM", 3, 2), weights("RNN", 3, 2)
    found = one_layer(tmp_path, "GRU", gru, ["W", "R", "B"], linear_before_reset=1)
    assert (found.prefix, found.reset_after, found.notes) == ("node_0", True, ())
    found = one_layer(tmp_path, "RNN", rnn, ["W", "R"], activations=["Relu"])
    assert (found.activation, found.use_bias, found.notes) == ("relu", False, ())
    found = one_layer(tmp_path, "GRU", gru, ["W", "R"], activations=["HardSigmoid", "Tanh"], activation_alpha=[0.2])
    assert (found.recurrent_activation, len(found.notes)) == ("hardsigmoid", 2)
    found = one_layer(tmp_path, "LSTM", lstm, ["W", "R"], clip=3.0, input_forget=1, layout=1)
    assert [word for word, note in zip(("±3", "coupled", "batch first"), found.notes, strict=True) if word in note] == [
        *("±3", "coupled", "batch first")
    ]


def test_peepholes_initial_states_and_computed_weights(tmp_path: Path) -> None:
    arrays = weights("LSTM", 3, 2) | {"P": drawn(1, 6), "h0": drawn(1, 1, 2), "Wt": drawn(1, 3, 8)}
    del arrays["W"]
    nodes = [
        helper.make_node("Transpose", ["Wt"], ["W"], perm=[0, 2, 1]),
        helper.make_node("LSTM", ["x", "W", "R", "B", "", "h0", "", "P"], ["y"], hidden_size=2),
    ]
    (layer,) = open_onnx(saved(tmp_path / "m.onnx", model(nodes, arrays))).layers
    assert layer.prefix == "node_1"
    assert layer.tensors == {"R": "R", "B": "B", "initial_h": "h0", "P": "P"}
    assert "W is no tensor of the file" in layer.notes[0]


def test_constants_and_graphs_inside_of_nodes_are_found(tmp_path: Path) -> None:
    outer, inner = weights("RNN", 3, 2), {"R_in": drawn(1, 2, 2, seed=5), "W_in": drawn(1, 2, 3, seed=5)}
    branches = {}
    for name, names, local in (("then_branch", ["W_in", "R_in"], inner), ("else_branch", ["W", "R"], {})):
        node = helper.make_node("RNN", ["x", *names, "B"], [f"{name}_y"], name="inner", hidden_size=2)
        output = helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, [None] * 4)
        kept = [numpy_helper.from_array(array, key) for key, array in local.items()]
        branches[name] = helper.make_graph([node], name, [], [output], kept)
    nodes = [
        helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.array(True))),
        helper.make_node("If", ["c"], ["y"], name="choice", **branches),
    ]
    found = open_onnx(saved(tmp_path / "m.onnx", model(nodes, outer)))
    assert set(found.tensors) == {"W", "R", "B", "c", "choice/then_branch/W_in", "choice/then_branch/R_in"}
    assert found.read("c") == 1.0
    layers = {layer.prefix: layer for layer in found.layers}
    assert set(layers) == {"choice/then_branch/inner", "choice/else_branch/inner"}
    then = layers["choice/then_branch/inner"].tensors
    assert then == {"W": "choice/then_branch/W_in", "R": "choice/then_branch/R_in", "B": "B"}
    assert layers["choice/else_branch/inner"].tensors == {"W": "W", "R": "R", "B": "B"}
    assert np.array_equal(found.read("choice/then_branch/R_in"), inner["R_in"])


TYPES = (
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("raw", [True, False])
def test_every_type_is_read_from_raw_bytes_and_from_its_field(tmp_path: Path, dtype: str, raw: bool) -> None:
    values = np.array([[0, 1, 1], [1, 0, 7]]).astype(dtype)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    tensor = helper.make_tensor("t", kind, values.shape, values.tobytes() if raw else values.ravel().tolist(), raw=raw)
    proto = model([helper.make_node("Identity", ["x"], ["y"])], {})
    proto.graph.initializer.append(tensor)
    found = open_onnx(saved(tmp_path / "m.onnx", proto))
    assert found.tensors["t"] == ((2, 3), dtype)
    assert np.array_equal(found.read("t"), values.astype(np.float64))


@pytest.mark.parametrize("raw", [True, False])
def test_bfloat16_is_read_exactly(tmp_path: Path, raw: bool) -> None:
    values = np.array([1.0, -2.5, 0.0, 3e38], np.float32)
    bits = (values.view(np.uint32) >> 16).astype(np.uint16)
    expected = (bits.astype(np.uint32) << 16).view(np.float32)
    tensor = TensorProto(name="t", dims=[4], data_type=TensorProto.BFLOAT16)
    if raw:
        tensor.raw_data = bits.tobytes()
    else:
        tensor.int32_data.extend(bits.tolist())
    proto = model([helper.make_node("Identity", ["x"], ["y"])], {})
    proto.graph.initializer.append(tensor)
    assert np.array_equal(open_onnx(saved(tmp_path / "m.onnx", proto)).read("t"), expected)


def test_without_onnx_the_command_that_installs_it_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.onnx", broken(lambda *_: None))
    program = (
        "import sys; sys.modules['onnx'] = None\n"
        "from rnn_calc.core.errors import DataError\n"
        "from rnn_calc.files.checkpoints.onnx import open_onnx\n"
        f"try: open_onnx({path!r})\n"
        "except DataError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'rnn-calc[onnx]'" in said.stdout
