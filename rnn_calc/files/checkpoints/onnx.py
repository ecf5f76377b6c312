"""ONNX models: the tensors of their graphs, and what their RNN, LSTM and GRU nodes say.

Source: onnx/docs/IR.md, Operators.md and onnx.proto of the format's own repository.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from rnn_calc.core.errors import DataError, TooLargeError, quoted
from rnn_calc.core.memory import require_memory, write_bytes
from rnn_calc.core.weights import Array
from rnn_calc.files.checkpoints.onnx_nodes import RECURRENT, describe_node
from rnn_calc.files.checkpoints.onnx_tensors import as_text, header, values
from rnn_calc.files.checkpoints.reading import file_size, find_tensor, open_file
from rnn_calc.files.checkpoints.tensors import Checkpoint, LayerConfig
from rnn_calc.files.source import describe_source, open_error

if TYPE_CHECKING:
    import onnx

# Protobuf's own limit: a message is shorter than 2 GiB. Larger models keep their tensors in a file beside them.
LARGEST_MODEL = 2**31 - 1
_MOST_PARTS = 500_000


class _Graph(NamedTuple):
    """A graph, what its own names are given out with in front, and what the names of the graphs around it mean."""

    graph: onnx.GraphProto
    prefix: str
    outer: ChainMap[str, str]


class _Found(NamedTuple):
    """The tensors of all graphs under the names given out, and the recurrent layers."""

    tensors: dict[str, onnx.TensorProto]
    layers: list[LayerConfig]


def open_onnx(path: str) -> Checkpoint:
    """The initializers and constants of an ONNX model, and a layer for each of its RNN, LSTM and GRU nodes.

    Names are the model's; those of a graph inside of a node (If, Loop, Scan) stand behind the node's name. Values kept
    in a file beside the model are read from there when they are asked for.
    Raises: DataError for a file that is no ONNX model or contradicts itself, and when onnx is not installed;
    TooLargeError beyond `LARGEST_MODEL` bytes.
    """
    model = _load(path)
    found = _walk(model, path)
    tensors = {name: header(tensor, name, path) for name, tensor in found.tensors.items()}

    def read(name: str) -> Array:
        info = find_tensor(tensors, name, path)
        return values(found.tensors[name], info, name, path)

    return Checkpoint(path, "onnx", tensors, read, tuple(found.layers), _metadata(model))


def _library(path: str) -> ModuleType:
    try:
        import onnx
    except ImportError:
        raise DataError(
            f"{describe_source(path)} needs onnx, which is not installed: pip install 'rnn-calc[onnx]'"
        ) from None
    return onnx


def _load(path: str) -> onnx.ModelProto:
    """The message in a file; values that it keeps elsewhere are not looked at."""
    with open_file(path) as file:
        library = _library(path)
        from google.protobuf.message import DecodeError

        size = file_size(file)
        if size > LARGEST_MODEL:
            raise TooLargeError(
                f"{describe_source(path)} has {write_bytes(size)}; {write_bytes(LARGEST_MODEL)} is the limit of the "
                "format. Keep its tensors in a file beside it."
            )
        require_memory(3 * size, describe_source(path), "Its tensors can be kept in a file beside it.")
        try:
            content = file.read(size)
        except OSError as error:
            raise open_error(path, error) from None
    model: onnx.ModelProto = library.ModelProto()
    try:
        model.ParseFromString(content)
        is_model = model.HasField("graph") and model.ir_version > 0
    except (DecodeError, ValueError, RuntimeError, MemoryError):
        is_model = False
    if not is_model:
        raise DataError(f"{describe_source(path)} is no ONNX model: it is cut short, damaged or something else.")
    return model


def _metadata(model: onnx.ModelProto) -> dict[str, str]:
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    opset = opsets.get("", opsets.get("ai.onnx"))
    producer = f"{as_text(model.producer_name)} {as_text(model.producer_version)}".strip()
    known = {"producer": producer, "ir_version": str(model.ir_version), "opset": "" if opset is None else str(opset)}
    return {name: value for name, value in known.items() if value}


def _walk(model: onnx.ModelProto, path: str) -> _Found:
    """The tensors and layers of the graph and of every graph inside of it; protobuf bounds how deep they lie."""
    found = _Found({}, [])
    pending = [_Graph(model.graph, "", ChainMap())]
    parts = 0
    prefixes: set[str] = set()
    while pending:
        at = pending.pop()
        parts += len(at.graph.node) + len(at.graph.initializer)
        if parts > _MOST_PARTS:
            raise TooLargeError(
                f"{describe_source(path)} has more than the limit of {_MOST_PARTS:,} nodes and tensors."
            )
        # Not copied: thousands of graphs may stand in one with thousands of names.
        visible = at.outer.new_child()
        for name, tensor in _own_tensors(at.graph):
            given = at.prefix + name
            if given in found.tensors:
                raise DataError(f"{describe_source(path)} has two tensors {quoted(given)}.")
            found.tensors[given] = tensor
            visible[name] = given
        inner = []
        for number, node in enumerate(at.graph.node):
            prefix = at.prefix + (as_text(node.name) or f"node_{number}")
            # Names of nodes may repeat: the specification asks for nothing else.
            prefix = f"{prefix}_{number}" if prefix in prefixes else prefix
            if node.op_type in RECURRENT and node.domain in ("", "ai.onnx"):
                prefixes.add(prefix)
                found.layers.append(describe_node(node, prefix, visible, path))
            inner += [_Graph(graph, f"{prefix}/{branch}/", visible) for branch, graph in _inner_graphs(node)]
        pending += reversed(inner)
    return found


def _inner_graphs(node: onnx.NodeProto) -> Iterator[tuple[str, onnx.GraphProto]]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield as_text(attribute.name), attribute.g
        for number, graph in enumerate(attribute.graphs):
            yield f"{as_text(attribute.name)}_{number}", graph


def _own_tensors(graph: onnx.GraphProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    """The initializers of a graph, and what its Constant nodes hold; sparse tensors are no weights of a layer."""
    for tensor in graph.initializer:
        yield as_text(tensor.name), tensor
    for node in graph.node:
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx") and len(node.output) == 1:
            for attribute in node.attribute:
                if attribute.name == "value" and attribute.HasField("t"):
                    yield as_text(node.output[0]), attribute.t
