"""What a stored array of parameters is for, in words."""

from __future__ import annotations

from rnn_calc.core.cells import GATE_NAMES
from rnn_calc.core.equations import Parameter
from rnn_calc.core.notation import Notation, Stored
from rnn_calc.core.stages import Layer

# What a parameter does, and to what it does it in a cell without gates, or in all gates at once.
_ROLES = {
    "input": ("takes {below} into {target}", "the hidden space"),
    "recurrent": ("takes the previous hidden state into {target}", "the next"),
    "bias": ("shifts {target}", "every hidden unit"),
    "recurrent_bias": ("shifts {target} once more: PyTorch keeps two biases", "every hidden unit"),
    "peephole": ("lets {target} see the cell state, unit by unit", "the gates"),
    "diagonal": ("takes each unit's previous state into {target}", "its next"),
    "projection": ("takes what the cell shows down to {target}", "the projected state"),
    "readout": ("takes the hidden state to {target}", "the output"),
    "readout_bias": ("shifts {target}", "every output"),
    "embedding": ("holds {target}", "a row for each token"),
}


def describe_stored(notation: Notation, stored: Stored) -> str:
    """What a stored array does, and in which order it holds gates, biases and directions."""
    first = stored.parameters[0]
    parts = [_purpose(notation, stored, first)]
    if stored.gates:
        parts.append(f"gates {', '.join(stored.gates)} one after the other")
    if len({parameter.mark for parameter in stored.parameters}) > 1:
        parts.append("forward, then backward")
    if first.role == "embedding" and notation.network.tied:
        parts.append("the readout reads out through it")
    return "; ".join(parts)


def _purpose(notation: Notation, stored: Stored, first: Parameter) -> str:
    if len(stored.roles) > 1:
        where = "in two rows" if len(stored.rows) > 1 and not notation.convention.joins_directions else "in a row"
        return f"shifts every hidden unit: the input's biases, then the recurrent ones, {where}"
    text, target = _ROLES[first.role]
    one_gate = len({parameter.gate for parameter in stored.parameters}) == 1
    if one_gate and first.gate in GATE_NAMES and first.gate != "h":
        target = f"the {GATE_NAMES[first.gate]}"
    if first.role == "recurrent_bias" and notation.network.biases < 2:
        text = "shifts the recurrent part of {target}, before the reset gate scales it"
    owner = notation.network.owners[first]
    above = isinstance(owner, Layer) and owner.index > 0
    return text.format(below=f"the output of layer {owner.index}" if above else "the input", target=target)  # type: ignore[attr-defined]
