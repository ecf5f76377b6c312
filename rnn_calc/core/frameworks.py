"""How frameworks store each cell they have: which parameters one array joins, in which order of gates."""

from __future__ import annotations

from typing import NamedTuple


class Joined(NamedTuple):
    """One stored array: the parameters of these roles, gate by gate in this order, one after the other.

    `stacked`: the roles lie on a leading axis instead. `{gate}` in the symbol: one array for each gate.
    """

    symbol: str
    roles: tuple[str, ...]
    gates: str
    stacked: bool = False


class CellLayout(NamedTuple):
    """How a framework keeps one cell: what it calls it, its arrays, its biases a gate, and its letters for gates."""

    called: str
    arrays: tuple[Joined, ...]
    biases: int
    letters: dict[str, str]


# W, then R, then biases: the order of gates is the framework's, the letters are those of `cells`.


def _pytorch(called: str, gates: str) -> CellLayout:
    names = {"weight_ih": "input", "weight_hh": "recurrent", "bias_ih": "bias", "bias_hh": "recurrent_bias"}
    arrays = tuple(Joined(symbol, (role,), gates) for symbol, role in names.items())
    projection = (Joined("weight_hr", ("projection",), "m"),) if called == "nn.LSTM" else ()
    return CellLayout(called, (*arrays, *projection), 2, {})


def _keras(called: str, gates: str, letters: dict[str, str], biases: int = 1) -> CellLayout:
    both = biases == 2
    bias = Joined("bias", ("bias", "recurrent_bias") if both else ("bias",), gates, stacked=both)
    arrays = (Joined("kernel", ("input",), gates), Joined("recurrent_kernel", ("recurrent",), gates), bias)
    return CellLayout(called, arrays, biases, letters)


def _onnx(called: str, gates: str, letters: dict[str, str], peepholes: str = "") -> CellLayout:
    arrays = (
        Joined("W", ("input",), gates),
        Joined("R", ("recurrent",), gates),
        Joined("B", ("bias", "recurrent_bias"), gates),
    )
    return CellLayout(called, (*arrays, *((Joined("P", ("peephole",), peepholes),) if peepholes else ())), 2, letters)


def _flax(called: str, gates: str, biases: tuple[Joined, ...]) -> CellLayout:
    arrays = (Joined("i{gate}.kernel", ("input",), gates), Joined("h{gate}.kernel", ("recurrent",), gates))
    return CellLayout(called, (*arrays, *biases), 1, {})


def _equinox(called: str, gates: str, *more: Joined) -> CellLayout:
    arrays = (Joined("weight_ih", ("input",), gates), Joined("weight_hh", ("recurrent",), gates))
    return CellLayout(called, (*arrays, Joined("bias", ("bias",), gates), *more), 1, {})


PYTORCH = {"rnn": _pytorch("nn.RNN", "h"), "lstm": _pytorch("nn.LSTM", "ifgo"), "gru": _pytorch("nn.GRU", "rzn")}

KERAS = {
    "rnn": _keras("SimpleRNN", "h", {}),
    "lstm": _keras("LSTM", "ifgo", {"g": "c"}),
    "gru": _keras("GRU", "zrn", {"n": "h"}, biases=2),
    "gru-reset-before": _keras("GRU", "zrn", {"n": "h"}),
}

ONNX = {
    "rnn": _onnx("RNN", "h", {}),
    "lstm": _onnx("LSTM", "iofg", {"g": "c"}),
    "lstm-peephole": _onnx("LSTM", "iofg", {"g": "c"}, "iof"),
    "gru": _onnx("GRU", "zrn", {"n": "h"}),
    "gru-reset-before": _onnx("GRU", "zrn", {"n": "h"}),
}

FLAX = {
    "rnn": CellLayout(
        "SimpleCell",
        (
            Joined("i.kernel", ("input",), "h"),
            Joined("i.bias", ("bias",), "h"),
            Joined("h.kernel", ("recurrent",), "h"),
        ),
        1,
        {},
    ),
    "lstm": _flax("LSTMCell", "ifgo", (Joined("h{gate}.bias", ("bias",), "ifgo"),)),
    "gru": _flax(
        "GRUCell",
        "rzn",
        (Joined("i{gate}.bias", ("bias",), "rzn"), Joined("hn.bias", ("recurrent_bias",), "n")),
    ),
}

EQUINOX = {
    "lstm": _equinox("LSTMCell", "ifgo"),
    "gru": _equinox("GRUCell", "rzn", Joined("bias_n", ("recurrent_bias",), "n")),
}
