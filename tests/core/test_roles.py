from __future__ import annotations

import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.roles import describe_stored

# The order of gates is that of each library's documentation.
ROLES = [
    (
        "pytorch",
        "gru",
        "weight_hh_l0",
        "takes the previous hidden state into the next; gates r, z, n one after the other",
    ),
    ("keras", "lstm", "kernel", "takes the input into the hidden space; gates i, f, c, o one after the other"),
    ("onnx", "lstm", "W", "takes the input into the hidden space; gates i, o, f, c one after the other"),
    (
        "onnx",
        "lstm-peephole",
        "P",
        "lets the gates see the cell state, unit by unit; gates i, o, f one after the other",
    ),
    (
        "onnx",
        "gru",
        "B",
        "shifts every hidden unit: the input's biases, then the recurrent ones, in a row; "
        "gates z, r, h one after the other",
    ),
    (
        "keras",
        "gru",
        "bias",
        "shifts every hidden unit: the input's biases, then the recurrent ones, in two rows; "
        "gates z, r, h one after the other",
    ),
    ("xh", "lstm", "W_xf", "takes the input into the forget gate"),
    ("xh", "gru", "b_hn", "shifts the recurrent part of the candidate, before the reset gate scales it"),
    ("xh", "indrnn", "u", "takes each unit's previous state into its next"),
    ("xh", "rnn", "W_hh", "takes the previous hidden state into the next"),
]


@pytest.mark.parametrize(("convention", "cell", "symbol", "role"), ROLES)
def test_a_stored_array_says_what_it_does_and_the_order_of_its_gates(
    convention: str, cell: str, symbol: str, role: str
) -> None:
    rule = CONVENTIONS[convention]
    notation = Notation(Network(4, 3, 2, cell=CELLS[cell], biases=rule.biases(CELLS[cell])), rule)
    assert {stored.symbol: describe_stored(notation, stored) for stored in notation.stored}[symbol] == role


def test_an_upper_layer_takes_the_layer_below() -> None:
    notation = Notation(Network(4, 3, layers=2))
    assert describe_stored(notation, notation.stored[3]) == "takes the output of layer 1 into the hidden space"


def test_a_table_that_is_also_the_readout_says_so() -> None:
    notation = Notation(Network(3, 3, 9, vocab=9, tied=True))
    assert (
        describe_stored(notation, notation.stored[0]) == "holds a row for each token; the readout reads out through it"
    )


def test_both_directions_in_one_array_come_in_an_order() -> None:
    notation = Notation(Network(4, 3, bidirectional=True, biases=2), "onnx")
    assert describe_stored(notation, notation.stored[0]).endswith("; forward, then backward")
