"""ONNX models made with onnx: real ones, which its checker passes, and broken ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402  # only where onnx is

__all__ = ["GATES", "TensorProto", "broken", "drawn", "helper", "model", "numpy_helper", "saved", "weights"]

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def drawn(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def weights(kind: str, d_in: int, d_h: int, directions: int = 1) -> dict[str, NDArray[np.float32]]:
    rows = GATES[kind] * d_h
    return {
        "W": drawn(directions, rows, d_in),
        "R": drawn(directions, rows, d_h),
        "B": drawn(directions, 2 * rows),
    }


def model(nodes: list[Any], tensors: dict[str, NDArray[Any]], d_in: int = 3) -> Any:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, None, d_in])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4)],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    return helper.make_model(graph, producer_name="test", opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def saved(path: Path, proto: Any, *, check: bool = True) -> str:
    if check:
        onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString())
    return str(path)


def broken(change: Callable[[Any, Any], None]) -> Any:
    proto = model(
        [helper.make_node("LSTM", ["x", "W", "R", "B"], ["y"], name="layer", hidden_size=2)], weights("LSTM", 3, 2)
    )
    change(proto, proto.graph.initializer[0])
    return proto
