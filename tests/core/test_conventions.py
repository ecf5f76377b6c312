from __future__ import annotations

import re

import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS, Convention, as_convention
from rnn_calc.core.counts import count_parameters
from rnn_calc.core.errors import DataError
from rnn_calc.core.network import Network
from rnn_calc.core.shapes import shapes

every_convention = pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=CONVENTIONS)
TEXTBOOKS = [convention for convention in CONVENTIONS.values() if not convention.is_framework]
FRAMEWORKS = [convention for convention in CONVENTIONS.values() if convention.is_framework]

# What each library ships, by its own documentation.
SHIPPED = {
    "pytorch": {"rnn": "nn.RNN", "lstm": "nn.LSTM", "gru": "nn.GRU"},
    "keras": {"rnn": "SimpleRNN", "lstm": "LSTM", "gru": "GRU", "gru-reset-before": "GRU"},
    "onnx": {"rnn": "RNN", "lstm": "LSTM", "lstm-peephole": "LSTM", "gru": "GRU", "gru-reset-before": "GRU"},
    "flax": {"rnn": "SimpleCell", "lstm": "LSTMCell", "gru": "GRUCell"},
    "equinox": {"lstm": "LSTMCell", "gru": "GRUCell"},
}

# The gates of each library's joined arrays, in its own letters and its own order.
GATES = {
    ("pytorch", "lstm"): "ifgo",
    ("pytorch", "gru"): "rzn",
    ("keras", "lstm"): "ifco",
    ("keras", "gru"): "zrh",
    ("onnx", "lstm"): "iofc",
    ("onnx", "gru"): "zrh",
    ("equinox", "lstm"): "ifgo",
    ("equinox", "gru"): "rzn",
}


@every_convention
def test_no_two_sizes_share_a_name(convention: Convention) -> None:
    names = ("d_in", "d_h", "d_out", "d_p", "V", "T", "B")
    assert len(set(map(convention.size, names))) == len(names)


@every_convention
def test_the_width_of_a_layer_keeps_its_mark(convention: Convention) -> None:
    assert convention.size("d_h^(2)") == f"{convention.size('d_h')}^(2)"


@every_convention
def test_the_tensors_of_a_sequence_have_different_names(convention: Convention) -> None:
    names = [convention.sequences[key] for key in ("x", "h", "h_0", "h_T", "y")]
    assert len(set(names)) == len(names)
    # The states of an LSTM have a name each, or lie in a pair whose order is said.
    for end in ("0", "T"):
        same = convention.sequences[f"h_{end}"] == convention.sequences[f"c_{end}"]
        assert same == bool(convention.sequences.get("states"))


@every_convention
def test_every_convention_says_whose_it_is(convention: Convention) -> None:
    assert re.search(r"\w{3}", convention.whose)
    assert CONVENTIONS[convention.name] is convention


@pytest.mark.parametrize("convention", FRAMEWORKS, ids=lambda c: c.name)
def test_a_framework_has_the_cells_that_it_ships(convention: Convention) -> None:
    found = {name: layout.called for name, layout in convention.cells.items()}
    assert found == SHIPPED[convention.name]


@pytest.mark.parametrize("convention", FRAMEWORKS, ids=lambda c: c.name)
def test_a_cell_that_a_framework_lacks_is_refused_with_those_it_has(convention: Convention) -> None:
    for cell in CELLS.values():
        if cell.name not in SHIPPED[convention.name]:
            with pytest.raises(DataError) as caught:
                convention.layout(cell)
            message = str(caught.value)
            assert message.startswith(f"{convention.name} has no {cell.name}: it ships ")
            assert all(name in message for name in SHIPPED[convention.name])
            assert message.endswith("--convention xh.")


@pytest.mark.parametrize("convention", TEXTBOOKS, ids=lambda c: c.name)
def test_a_textbook_writes_every_cell_with_one_bias_a_gate(convention: Convention) -> None:
    for cell in CELLS.values():
        assert convention.layout(cell) is None
        assert convention.biases(cell) == 1


@pytest.mark.parametrize(("name", "cell"), GATES)
def test_gates_are_joined_in_the_order_of_the_documentation(name: str, cell: str) -> None:
    convention = CONVENTIONS[name]
    network = Network(4, 3, cell=CELLS[cell], biases=convention.biases(CELLS[cell]))
    orders = {"".join(stored.gates) for stored in shapes(network, convention).notation.stored if stored.gates}
    assert orders == {GATES[name, cell]}


@pytest.mark.parametrize(
    ("name", "cell", "biases"),
    [
        ("pytorch", "lstm", 2),
        ("pytorch", "gru", 2),
        ("keras", "lstm", 1),
        ("keras", "gru", 2),
        ("keras", "gru-reset-before", 1),
        ("onnx", "rnn", 2),
        ("flax", "lstm", 1),
        ("equinox", "gru", 1),
    ],
)
def test_a_gate_has_the_biases_of_the_documentation(name: str, cell: str, biases: int) -> None:
    assert CONVENTIONS[name].biases(CELLS[cell]) == biases


# keras.io and the tutorials print these totals.
@pytest.mark.parametrize(
    ("cell", "d_in", "d_h", "total"), [("lstm", 64, 128, 98816), ("gru", 64, 256, 247296), ("rnn", 256, 128, 49280)]
)
def test_the_counts_that_keras_prints_hold(cell: str, d_in: int, d_h: int, total: int) -> None:
    keras = CONVENTIONS["keras"]
    network = Network(d_in, d_h, cell=CELLS[cell], biases=keras.biases(CELLS[cell]))
    assert sum(row.count or 0 for row in shapes(network, keras).parameters) == total


@pytest.mark.parametrize("convention", TEXTBOOKS + FRAMEWORKS, ids=lambda c: c.name)
def test_a_convention_can_be_given_by_its_name(convention: Convention) -> None:
    network = Network(4, 3, 2, cell=CELLS["gru"], biases=convention.biases(CELLS["gru"]))
    assert as_convention(convention) is as_convention(convention.name) is convention
    assert count_parameters(network, convention.name).total == count_parameters(network, convention).total
    assert shapes(network, convention.name, steps=3).rows == shapes(network, convention, steps=3).rows


def test_an_unknown_convention_is_answered_with_the_nearest() -> None:
    for report in (shapes, count_parameters):
        with pytest.raises(DataError, match=r"no convention 'pytroch'; it must be xh, .*\. Did you mean pytorch\?"):
            report(Network(4, 3), "pytroch")
