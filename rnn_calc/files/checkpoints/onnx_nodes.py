"""What an RNN, LSTM or GRU node of an ONNX graph says of its layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rnn_calc.core.errors import DataError, quoted
from rnn_calc.files.checkpoints.onnx_tensors import as_text
from rnn_calc.files.checkpoints.reading import label
from rnn_calc.files.checkpoints.tensors import LayerConfig

if TYPE_CHECKING:
    import onnx

# Inputs by their places; X, the sequence, comes first.
_INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h")
RECURRENT: Mapping[str, tuple[str, ...]] = {
    "RNN": _INPUTS,
    "GRU": _INPUTS,
    "LSTM": (*_INPUTS, "initial_c", "P"),
}
_DEFAULTS = {"RNN": ("tanh",), "GRU": ("sigmoid", "tanh"), "LSTM": ("sigmoid", "tanh", "tanh")}
_DIRECTIONS = ("forward", "reverse", "bidirectional")


def describe_node(node: onnx.NodeProto, prefix: str, visible: Mapping[str, str], path: str) -> LayerConfig:
    """The layer of a node; `visible` says under which names the tensors in its reach are given out.

    Raises: DataError for a direction or a hidden size that cannot be.
    """
    attributes = {attribute.name: attribute for attribute in node.attribute}
    direction = _text(attributes, "direction", "forward")
    if direction not in _DIRECTIONS:
        raise DataError(
            f"{label(prefix, path)} has the direction {quoted(direction)}; forward, reverse and bidirectional exist."
        )
    hidden = attributes["hidden_size"].i if "hidden_size" in attributes else None
    if hidden is not None and hidden < 1:
        raise DataError(f"{label(prefix, path)} has hidden_size {hidden}; a positive number was expected.")
    roles = dict(zip(RECURRENT[node.op_type], map(as_text, node.input), strict=False))
    activations = _activations(node.op_type, attributes)
    notes = [
        *_activation_notes(node.op_type, attributes, activations, 2 if direction == "bidirectional" else 1),
        *_notes(attributes, roles, visible),
    ]
    is_plain = node.op_type == "RNN"
    return LayerConfig(
        prefix,
        node.op_type.lower(),
        activations[0 if is_plain else 1],
        _number(attributes, "linear_before_reset") != 0 if node.op_type == "GRU" else None,
        direction == "reverse",
        {role: visible[name] for role, name in roles.items() if role != "X" and name in visible},
        tuple(notes),
        recurrent_activation=None if is_plain else activations[0],
        bidirectional=direction == "bidirectional",
        use_bias=bool(roles.get("B")),
        d_h=hidden,
    )


def _text(attributes: Mapping[str, onnx.AttributeProto], name: str, default: str) -> str:
    return as_text(attributes[name].s) if name in attributes else default


def _number(attributes: Mapping[str, onnx.AttributeProto], name: str) -> int:
    return attributes[name].i if name in attributes else 0


def _activations(kind: str, attributes: Mapping[str, onnx.AttributeProto]) -> Sequence[str]:
    """The activations of all directions in lower case: their names have no case. The defaults where one is missing."""
    given = attributes["activations"].strings if "activations" in attributes else []
    words = [as_text(word).lower() for word in given]
    return words if len(words) >= len(_DEFAULTS[kind]) else _DEFAULTS[kind]


def _activation_notes(
    kind: str, attributes: Mapping[str, onnx.AttributeProto], activations: Sequence[str], directions: int
) -> Iterator[str]:
    usual = _DEFAULTS[kind]
    given = len(attributes["activations"].strings) if "activations" in attributes else 0
    if given not in (0, len(usual) * directions):
        yield f"It has {given} activations where {len(usual) * directions} are due."
    first = activations[: len(usual)]
    unusual = [word for word, expected in zip(first, usual, strict=True) if word != expected]
    if unusual and not (kind == "RNN" and first[0] == "relu"):
        yield f"Its activations are {', '.join(map(quoted, first))}, where {', '.join(usual)} are usual."
    if directions == 2 and len(activations) >= 2 * len(usual) and activations[len(usual) : 2 * len(usual)] != first:
        yield "Its two directions have different activations."
    for name in ("activation_alpha", "activation_beta"):
        if name in attributes and attributes[name].floats:
            yield f"Its activations have parameters ({name}), which are not read."


def _notes(
    attributes: Mapping[str, onnx.AttributeProto], roles: Mapping[str, str], visible: Mapping[str, str]
) -> Iterator[str]:
    """What else changes the computation, and what of it is not in the file as a tensor."""
    for role in ("W", "R", "B", "P"):
        if roles.get(role) and roles[role] not in visible:
            yield f"{role} is no tensor of the file but computed in the graph, as {quoted(roles[role])}."
        elif role in "WR" and not roles.get(role):
            yield f"It has no {role}."
    if "clip" in attributes:
        yield f"What enters its activations is clipped to ±{attributes['clip'].f:g}, which is not computed here."
    if _number(attributes, "input_forget"):
        yield "Its input and forget gates are coupled (input_forget), which is not computed here."
    if _number(attributes, "layout"):
        yield "Its sequences have the batch first (layout 1)."
