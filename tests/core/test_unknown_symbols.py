from __future__ import annotations

import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.shapes import ShapeReport, shapes
from rnn_calc.core.unknown_symbols import explain_unknown


def report(convention: str, cell: str = "rnn", steps: int | None = None, **parts: int | bool) -> ShapeReport:
    rule = CONVENTIONS[convention]
    network = Network(4, 3, 2, CELLS[cell], biases=rule.biases(CELLS[cell]), **parts)  # type: ignore[arg-type]
    return shapes(network, rule, steps=steps)


ANSWERS = [
    (
        {"convention": "pytorch", "cell": "lstm", "layers": 2},
        "weight_ih_l2",
        "There is no tensor 'weight_ih_l2' here: the network has 2 layers, weight_ih_l0 and weight_ih_l1.",
    ),
    (
        {"convention": "keras", "cell": "lstm", "layers": 12},
        "lstm_12.kernel",
        "There is no tensor 'lstm_12.kernel' here: the network has 12 layers, lstm_1.kernel to lstm_11.kernel.",
    ),
    (
        {"convention": "pytorch", "cell": "lstm"},
        "weight_ih_l1",
        "There is no tensor 'weight_ih_l1' here: the network has 1 layer, weight_ih_l0.",
    ),
    (
        {"convention": "pytorch", "cell": "lstm"},
        "weight_ih_l0_reverse",
        "There is no tensor 'weight_ih_l0_reverse' here: the network has one direction; --bidirectional makes it two. "
        "Did you mean weight_ih_l0?",
    ),
    (
        {"convention": "pytorch", "cell": "lstm"},
        "weight_hr_l0",
        "There is no tensor 'weight_hr_l0' here: the network has no projection; --proj adds one.",
    ),
    (
        {"convention": "xh", "layers": 2},
        "W_xh",
        "There is no tensor 'W_xh' here: the network has 2 layers. It has W_xh^(1) and W_xh^(2).",
    ),
    (
        {"convention": "xh"},
        "W_xh^(1)",
        "There is no tensor 'W_xh^(1)' here: the network has 1 layer; --layers 2 makes it two. Did you mean W_xh?",
    ),
    (
        {"convention": "xh"},
        "E",
        "There is no tensor 'E' here: the network has no embedding; --vocab adds one.",
    ),
    (
        {"convention": "xh", "cell": "lstm"},
        "W_xz",
        "There is no tensor 'W_xz' here: it belongs to gru, gru-reset-before, mingru, and --cell is lstm.",
    ),
    (
        {"convention": "pytorch", "cell": "lstm"},
        "W_xi",
        "'W_xi' is what the convention xh calls weight_ih_l0[i]; ask for weight_ih_l0[i], or add --convention xh.",
    ),
    (
        {"convention": "xh", "cell": "gru"},
        "recurrent_kernel",
        "'recurrent_kernel' is what the convention keras calls W_hz, W_hr and W_hn together; ask for one of them, or "
        "add --convention keras.",
    ),
    (
        {"convention": "xh"},
        "bias_hh_l0",
        "'bias_hh_l0' is what the convention pytorch has and xh has not; add --convention pytorch.",
    ),
    (
        {"convention": "xh"},
        "h_n",
        "'h_n' is what the convention pytorch calls h_T (with --steps or --batch); ask for h_T, or add --convention "
        "pytorch.",
    ),
    (
        {"convention": "pytorch", "steps": 3},
        "outputs",
        "'outputs' is what the convention keras calls output; ask for output, or add --convention keras.",
    ),
]


@pytest.mark.parametrize(("network", "symbol", "answer"), ANSWERS)
def test_a_symbol_that_is_elsewhere_is_answered_with_where(network: dict[str, str], symbol: str, answer: str) -> None:
    assert explain_unknown(report(**network), symbol) == answer  # type: ignore[arg-type]


WITH_LSTM = [c for c in CONVENTIONS.values() if not c.is_framework or "lstm" in c.cells]


@pytest.mark.parametrize("other", WITH_LSTM, ids=[c.name for c in WITH_LSTM])
@pytest.mark.parametrize("convention", WITH_LSTM, ids=[c.name for c in WITH_LSTM])
def test_every_array_of_another_convention_is_translated(convention: Convention, other: Convention) -> None:
    own = report(convention.name, "lstm")
    theirs = Notation(Network(4, 3, 2, CELLS["lstm"], biases=other.biases(CELLS["lstm"])), other)
    known = {row.symbol for row in own.rows} | {own.notation.symbol(p) for p in own.network.parameters}
    for stored in theirs.stored:
        if stored.symbol not in known:
            said = explain_unknown(own, stored.symbol)
            assert "is what the convention " in said
            assert "add --convention " in said


def test_an_unknown_symbol_is_answered_with_the_nearest_and_with_all() -> None:
    said = explain_unknown(report("xh"), "W_xhh")
    assert said.startswith("There is no tensor 'W_xhh' here; there are x_t, ")
    assert said.endswith("b_y. Tensors of whole sequences need --steps or --batch. Did you mean W_xh?")


def test_a_tensor_of_whole_sequences_is_said_to_need_steps() -> None:
    assert "need --steps or --batch" in explain_unknown(report("xh"), "h_T")
    assert "--steps" not in explain_unknown(report("xh", steps=5), "h_X")


def test_of_many_symbols_only_some_are_listed_and_the_rest_counted() -> None:
    made = report("xh", "lstm", layers=12)
    said = explain_unknown(made, "bogus")
    assert f" and {len(made.rows) - 24:,} more." in said


def test_a_symbol_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in explain_unknown(report("xh"), "W_xh\x1b[31m")
