"""Oracle: the shape of every array as the textbooks and the frameworks' own pages have it, and how arrays are read.

Nothing here calls the package; `setting` has the fields of the question's facts.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from tests.references import Array

Shape = tuple[int, ...]

GATES = {"rnn": "h", "lstm": "ifgo", "gru": "rzn"}
# Gates in the order in which one array holds them.
STACKED = {
    "pytorch": {"rnn": "h", "lstm": "ifgo", "gru": "rzn"},
    "keras": {"rnn": "h", "lstm": "ifgo", "gru": "zrn"},
    "onnx": {"rnn": "h", "lstm": "iofg", "gru": "zrn"},
    "equinox": {"lstm": "ifgo", "gru": "rzn"},
}
TEXTBOOKS = ("xh", "hx", "wx", "row")

# What each textbook calls its arrays: the kind of a symbol is that of the first pattern that fits.
_TEXTBOOK = {
    "xh": {"readout": "W_hy", "input": r"W_x[a-z]", "recurrent": r"W_h[a-z]", "readout bias": "b_y", "bias": r"b_\w+"},
    "hx": {"readout": "W_ho", "input": r"W_[a-z]x", "recurrent": r"W_[a-z]h", "readout bias": "b_v", "bias": r"b_\w+"},
    "wx": {"readout": "W_y", "input": r"W_x[a-z]?", "recurrent": r"W_h[a-z]?", "readout bias": "b_y", "bias": r"b\w*"},
}
_TEXTBOOK["row"] = _TEXTBOOK["xh"]


def vector_shape(setting: Any, symbol: str) -> Shape | None:
    """The shape of a vector of one step: x_t, h_{t-1}, a^f(2)_t; None for another symbol."""
    named = re.fullmatch(r"([a-z])(\^[^_]*)?_(t|\{t[+-]1\})", symbol)
    if named is None:
        return None
    size = {"x": setting.d_in, "y": setting.d_out}.get(named[1], setting.d_h)
    return (size, 1) if setting.convention == "wx" else (size,)


def parameter_shape(setting: Any, symbol: str) -> Shape | None:
    """The shape of a stored array; None for another symbol."""
    if setting.convention in TEXTBOOKS:
        return _textbook_shape(setting, symbol)
    return _framework_shape(setting, symbol)


def _textbook_shape(setting: Any, symbol: str) -> Shape | None:
    d_in, d_h, d_out = setting.d_in, setting.d_h, setting.d_out
    patterns = _TEXTBOOK[setting.convention]
    kind = next((kind for kind, pattern in patterns.items() if re.fullmatch(pattern, symbol)), None)
    if kind is None:
        return None
    columns: dict[str, Shape] = {"input": (d_h, d_in), "recurrent": (d_h, d_h), "readout": (d_out, d_h)}
    if kind in columns:
        return columns[kind][::-1] if setting.convention == "row" else columns[kind]
    size = d_h if kind == "bias" else d_out
    return (size, 1) if setting.convention == "wx" else (size,)


def _framework_shape(setting: Any, symbol: str) -> Shape | None:
    d_in, d_h, d_out = setting.d_in, setting.d_h, setting.d_out
    directions = 2 if setting.bidirectional else 1
    top = directions * d_h
    rows = len(GATES[setting.cell]) * d_h
    place, _, name = symbol.rpartition(".")
    number = re.search(r"_l(\d)" if setting.convention == "pytorch" else r"[_\[](\d)", symbol)
    below = top if number and int(number[1]) else d_in
    readouts: dict[str, dict[str, Shape]] = {
        "pytorch": {"linear.weight": (d_out, top), "linear.bias": (d_out,)},
        "equinox": {"linear.weight": (d_out, top), "linear.bias": (d_out,)},
        "keras": {"dense.kernel": (top, d_out), "dense.bias": (d_out,)},
        "flax": {"Dense_0.kernel": (top, d_out), "Dense_0.bias": (d_out,)},
        "onnx": {"gemm.B": (d_out, top), "gemm.C": (d_out,)},
    }
    if symbol in readouts[setting.convention]:
        return readouts[setting.convention][symbol]
    arrays: dict[str, dict[str, Shape]] = {
        "pytorch": {"weight_ih": (rows, below), "weight_hh": (rows, d_h), "bias_ih": (rows,), "bias_hh": (rows,)},
        "equinox": {"weight_ih": (rows, below), "weight_hh": (rows, d_h), "bias": (rows,), "bias_n": (d_h,)},
        "keras": {
            "kernel": (below, rows),
            "recurrent_kernel": (d_h, rows),
            "bias": (2, rows) if setting.cell == "gru" else (rows,),
        },
        "onnx": {"W": (directions, rows, below), "R": (directions, rows, d_h), "B": (directions, 2 * rows)},
        "flax": {"i": (below, d_h), "h": (d_h, d_h), "bias": (d_h,)},
    }
    if setting.convention == "pytorch":
        name = re.sub(r"_l\d(_reverse)?$", "", symbol)
    elif setting.convention == "flax":
        name = "bias" if name == "bias" else place.rpartition(".")[2][:1]
    return arrays[setting.convention].get(name)


def sequence_shape(setting: Any, symbol: str, steps: int, batch: int, batch_first: bool) -> Shape:
    """The shape of a tensor of whole sequences."""
    d_in, d_h, d_out = setting.d_in, setting.d_h, setting.d_out
    directions = 2 if setting.bidirectional else 1
    name = symbol.rpartition(".")[2]
    bare = re.sub(r"(\[\d\])+$", "", name)
    ahead = (batch, steps) if batch_first else (steps, batch)
    if "(" in name:
        return (*ahead, d_out)
    if setting.convention in TEXTBOOKS:
        return {"x": (*ahead, d_in), "h": (*ahead, d_h), "y": (*ahead, d_out)}.get(name, (batch, d_h))
    if setting.convention == "onnx":
        fed = directions * d_h if re.match(r"\w+_[1-9]\.", symbol) else d_in
        return {"X": (steps, batch, fed), "Y": (steps, directions, batch, d_h)}.get(name, (directions, batch, d_h))
    if bare in ("input", "inputs"):
        return (*ahead, d_in)
    if bare in ("output", "outputs"):
        return (*ahead, directions * d_h)
    assert bare in ("h_0", "h_n", "c_0", "c_n") or re.fullmatch(r"(initial_)?(state|carry)|hidden_[0T]", bare), symbol
    return (setting.layers * directions, batch, d_h) if setting.convention == "pytorch" else (batch, d_h)


def parameter_count(setting: Any) -> int:
    """How many numbers the network keeps, biases as the framework or the textbook has them."""
    d_in, d_h, d_out = setting.d_in, setting.d_h, setting.d_out
    gates = len(GATES[setting.cell])
    if setting.convention in ("pytorch", "onnx"):
        biases = 2 * gates
    elif setting.cell == "gru":
        # The GRU that resets after the product needs the candidate's second bias; Keras keeps one for each gate.
        biases = 6 if setting.convention == "keras" else 4
    else:
        biases = gates
    directions = 2 if setting.bidirectional else 1
    total = 0
    for layer in range(setting.layers):
        below = directions * d_h if layer else d_in
        total += directions * (gates * d_h * (below + d_h) + biases * d_h)
    if d_out:
        total += d_out * directions * d_h + d_out
    return int(total + setting.vocab * d_in)


def gate_arrays(setting: Any, arrays: dict[str, Array]) -> dict[str, Array]:
    """The arrays of one layer as W_x·, W_h·, b_· and b_h· of each gate, for column vectors."""
    found: dict[str, Array] = {}
    if setting.convention in TEXTBOOKS:
        # Only a plain network's symbols differ.
        common = {"W_hx": "W_xh", "W_x": "W_xh", "W_h": "W_hh", "b": "b_h"}
        for symbol, array in arrays.items():
            found[common.get(symbol, symbol)] = (
                array.T if setting.convention == "row" else array.reshape(len(array), -1)
            )
        return {symbol: array.ravel() if symbol.startswith("b") else array for symbol, array in found.items()}
    order = STACKED[setting.convention][setting.cell]
    if setting.convention == "pytorch":
        W_x, W_h, b, b_h = (arrays[f"{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    else:
        W_x, W_h, b = arrays["kernel"].T, arrays["recurrent_kernel"].T, arrays["bias"]
        b, b_h = b if b.ndim == 2 else (b, np.zeros_like(b))
    for index, gate in enumerate(order):
        rows = slice(index * setting.d_h, (index + 1) * setting.d_h)
        found |= {f"W_x{gate}": W_x[rows], f"W_h{gate}": W_h[rows], f"b_{gate}": b[rows], f"b_h{gate}": b_h[rows]}
    return found
