from __future__ import annotations

from math import prod
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.counts import CountReport, count_everywhere, count_parameters
from rnn_calc.core.network import Network

sizes = st.integers(1, 10**18)


def evaluated(formula: str, numbers: dict[str, int]) -> int:
    """The value of a printed closed form: terms, factors, squares and numbers."""

    def factor(text: str) -> int:
        if text.endswith("²"):
            return numbers[text[:-1].removeprefix("(").removesuffix(")")] ** 2
        return int(text) if text.isdigit() else numbers[text]

    return sum(prod(map(factor, term.split("·"))) for term in formula.split(" + ") if term)


def writes(convention: Convention, cell: Cell) -> bool:
    """Whether the convention has the cell."""
    return not convention.is_framework or cell.name in convention.cells


# Every convention with every cell that it has.
every_pair = pytest.mark.parametrize(
    ("convention", "cell"),
    [(convention, cell) for convention in CONVENTIONS.values() for cell in CELLS.values() if writes(convention, cell)],
    ids=lambda named: named.name,
)


@st.composite
def structures(draw: st.DrawFn) -> dict[str, Any]:
    """What a network is made of, apart from its cell: any sizes, layers and directions, with and without the rest."""
    layers = draw(st.integers(1, 4))
    widths = tuple(draw(st.lists(sizes, min_size=layers, max_size=layers)))
    return {
        "d_in": draw(sizes),
        "d_h": draw(st.sampled_from([widths, widths[0]])),
        "layers": layers,
        "d_out": draw(st.integers(0, 10**18)),
        "bidirectional": draw(st.booleans()),
        "vocab": draw(st.integers(0, 10**18)),
        "readout_bias": draw(st.booleans()),
    }


@every_pair
@given(structure=structures(), biased=st.booleans())
@settings(deadline=None, max_examples=10)
def test_the_closed_forms_give_the_counts_at_any_size(
    convention: Convention, cell: Cell, structure: dict[str, Any], biased: bool
) -> None:
    network = Network(**structure, cell=cell, biases=convention.biases(cell) if biased else 0)
    report = count_parameters(network, convention)
    numbers = {convention.size(name): size for name, size in network.sizes.items()}
    assert evaluated(report.formula, numbers) == report.total == report.form.value(network.sizes)
    assert evaluated(report.recurrent_formula, numbers) == report.recurrent
    assert evaluated(report.readout_formula, numbers) == report.readout
    for row in report.rows:
        assert evaluated(row.formula, numbers) == row.count == prod(map(int, row.numbers.split("·"))) == prod(row.shape)
    for part in report.parts:
        assert evaluated(part.formula, numbers) == part.count
    for gate in report.gates:
        assert evaluated(gate.formula, numbers) == gate.count


@every_pair
@given(structure=structures())
@settings(deadline=None, max_examples=10)
def test_rows_parts_and_gates_add_up_to_the_totals(
    convention: Convention, cell: Cell, structure: dict[str, Any]
) -> None:
    network = Network(**structure, cell=cell, biases=convention.biases(cell))
    report = count_parameters(network, convention)
    total = sum(prod(network.shape(parameter)) for parameter in network.parameters)
    assert sum(row.count for row in report.rows) == report.total == total
    assert sum(part.count for part in report.parts) == report.embedding + report.recurrent + report.readout == total
    assert sum(gate.count for gate in report.gates) == report.recurrent
    for part in report.parts:
        assert sum(row.count for row in report.rows if row.group == part.part) == part.count
    assert (report.readout == 0) == (network.d_out == 0)
    assert report.embedding == network.vocab * network.d_in


@given(d_in=sizes, d_h=sizes, d_out=sizes)
@settings(deadline=None, max_examples=50)
def test_a_vanilla_network_has_the_count_of_the_textbooks(d_in: int, d_h: int, d_out: int) -> None:
    for convention in CONVENTIONS.values():
        if writes(convention, CELLS["rnn"]):
            biases = convention.biases(CELLS["rnn"])
            total = count_parameters(Network(d_in, d_h, d_out, biases=biases), convention).total
            assert total == d_h * d_h + d_h * d_in + biases * d_h + d_out * d_h + d_out


def test_the_first_tutorial_counts_32() -> None:
    report = count_parameters(Network(4, 3, 2), CONVENTIONS["hx"])
    assert {row.symbol: row.count for row in report.rows} == {"W_hx": 12, "W_hh": 9, "b_h": 3, "W_ho": 6, "b_v": 2}
    assert (report.total, report.recurrent, report.readout) == (32, 24, 8)


def test_the_embedding_example_counts_22912() -> None:
    report = count_parameters(Network(50, 128), CONVENTIONS["row"])
    assert [row.count for row in report.rows] == [6400, 16384, 128]
    assert report.total == 22912
    assert report.formula == "H² + E·H + H"


def test_a_million_million_million_units_are_counted_to_the_last_one() -> None:
    n = 10**18
    assert count_parameters(Network(n, n)).total == 2 * n * n + n


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("xh", "d_h² + d_h·d_in + d_h + d_out·d_h + d_out"),
        ("wx", "n² + n·d + n + k·n + k"),
        (
            "pytorch",
            "hidden_size² + hidden_size·input_size + 2·hidden_size + out_features·hidden_size + out_features",
        ),
    ],
)
def test_the_closed_form_is_written_squares_first_and_equal_terms_collected(name: str, formula: str) -> None:
    convention = CONVENTIONS[name]
    assert count_parameters(Network(4, 3, 2, biases=convention.biases(CELLS["rnn"])), convention).formula == formula


@given(T=st.integers(1, 10**6), d_h=sizes)
@settings(deadline=None, max_examples=25)
def test_sharing_weights_makes_the_count_independent_of_the_steps(T: int, d_h: int) -> None:
    report = count_parameters(Network(4, d_h, 2), steps=(1, T))
    one, many = report.unrolled
    assert one.shared == many.shared == one.own == report.total
    assert (many.steps, many.own) == (T, T * report.total)


def of(cell: str, convention: str, **structure: Any) -> CountReport:
    """The count of a network with as many biases as the convention keeps."""
    return count_parameters(
        Network(**structure, cell=CELLS[cell], biases=CONVENTIONS[convention].biases(CELLS[cell])), convention
    )


@pytest.mark.parametrize(
    ("cell", "d_in", "d_h", "published"),
    [("lstm", 64, 128, 98_816), ("gru", 64, 256, 247_296), ("rnn", 256, 128, 49_280)],
)
def test_keras_publishes_these_counts(cell: str, d_in: int, d_h: int, published: int) -> None:
    assert of(cell, "keras", d_in=d_in, d_h=d_h).total == published


def test_a_row_is_an_array_as_the_convention_stores_it() -> None:
    rows = {row.symbol: row for row in of("lstm", "pytorch", d_in=5, d_h=3, layers=2, bidirectional=True).rows}
    row = rows["weight_ih_l1_reverse"]
    assert (row.shape, row.formula, row.numbers, row.count) == ((12, 6), "8·hidden_size²", "8·3·3", 72)
    assert (row.part, row.group) == ("layer 2, backward", "layer 2")
    assert len(rows) == 16
    (b,) = (row for row in of("lstm", "onnx", d_in=5, d_h=3, bidirectional=True).rows if row.symbol == "B")
    assert (b.shape, b.formula, b.numbers, b.part) == ((2, 24), "16·hidden_size", "16·3", "recurrent")


def test_the_equal_layers_of_a_stack_collect_into_one_polynomial() -> None:
    assert of("lstm", "xh", d_in=5, d_h=3, layers=3).formula == "20·d_h² + 4·d_h·d_in + 12·d_h"
    widths = of("gru", "pytorch", d_in=5, d_h=(3, 7))
    assert widths.formula == (
        "3·(hidden_size^(1))² + 3·(hidden_size^(2))² + 3·hidden_size^(1)·input_size + 6·hidden_size^(1) + "
        "3·hidden_size^(2)·hidden_size^(1) + 6·hidden_size^(2)"
    )


def test_a_tied_table_is_counted_once() -> None:
    apart = of("lstm", "pytorch", d_in=6, d_h=6, vocab=100, d_out=100)
    tied = of("lstm", "pytorch", d_in=6, d_h=6, vocab=100, d_out=100, tied=True)
    assert apart.total - tied.total == 600
    assert (tied.embedding, tied.readout) == (600, 100)


def test_gates_are_called_as_the_convention_calls_them() -> None:
    gates = of("lstm", "keras", d_in=5, d_h=3).gates
    assert [(gate.gate, gate.name) for gate in gates] == [
        ("i", "input gate"),
        ("f", "forget gate"),
        ("c", "candidate"),
        ("o", "output gate"),
    ]
    projected = of("lstm", "pytorch", d_in=5, d_h=3, d_p=2)
    assert (projected.gates[-1].name, projected.gates[-1].count) == ("projection", 6)


def test_conventions_differ_by_their_biases() -> None:
    network = Network(64, 256, cell=CELLS["gru"])
    found = {count.convention: count for count in count_everywhere(network)}
    assert set(found) == set(CONVENTIONS)
    assert found["keras"].total == found["pytorch"].total == found["onnx"].total == 247_296
    assert found["xh"].total == found["flax"].total == found["equinox"].total == 246_784
    assert (found["keras"].difference, found["keras"].term) == (512, "+ 2·d_h")
    assert (found["keras"].rule, found["xh"].rule) == ("two biases a gate", "one bias a gate, and b_hn")
    assert (found["xh"].difference, found["xh"].term) == (0, "")


def test_a_convention_without_the_cell_says_so() -> None:
    found = {count.convention: count for count in count_everywhere(Network(4, 3, cell=CELLS["mgu"]))}
    assert found["pytorch"].total is None
    assert found["pytorch"].reason == "has no mgu"
    assert found["row"].total == 2 * (3 * 3 + 3 * 4 + 3)


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_every_convention_counts_what_its_own_report_totals(cell: Cell) -> None:
    structure: dict[str, Any] = {"d_in": 7, "d_h": (5, 6), "d_out": 3, "cell": cell, "bidirectional": True}
    found = count_everywhere(Network(**structure, biases=0))
    assert [count.total is not None for count in found] == [writes(c, cell) for c in CONVENTIONS.values()]
    for count in found:
        if count.total is not None:
            biases = CONVENTIONS[count.convention].biases(cell)
            assert count.total == count_parameters(Network(**structure, biases=biases), count.convention).total
            assert count.difference == count.total - (found[0].total or 0)


def test_the_extra_biases_are_those_that_could_have_been_added_to_the_others() -> None:
    assert of("lstm", "pytorch", d_in=5, d_h=3).extra_biases.write(str) == "4·d_h"
    assert of("gru", "pytorch", d_in=5, d_h=3).extra_biases.write(str) == "2·d_h"
    assert of("gru", "xh", d_in=5, d_h=3).extra_biases.write(str) == "d_h"
    assert of("gru-reset-before", "xh", d_in=5, d_h=3).extra_biases.write(str) == "0"


@pytest.mark.torch
@given(
    cell=st.sampled_from(["rnn", "lstm", "gru"]),
    d_in=st.integers(1, 20),
    d_h=st.integers(2, 20),
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    bias=st.booleans(),
    projected=st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_torch_counts_the_same(
    cell: str, d_in: int, d_h: int, layers: int, bidirectional: bool, bias: bool, projected: bool
) -> None:
    torch = pytest.importorskip("torch")
    d_p = d_h // 2 if projected and cell == "lstm" else 0
    more = {"proj_size": d_p} if d_p else {}
    module = getattr(torch.nn, cell.upper())(d_in, d_h, layers, bias=bias, bidirectional=bidirectional, **more)
    network = Network(
        d_in, d_h, cell=CELLS[cell], biases=2 if bias else 0, layers=layers, bidirectional=bidirectional, d_p=d_p
    )
    report = count_parameters(network, "pytorch")
    assert report.total == sum(p.numel() for p in module.parameters())
    assert {row.symbol: row.shape for row in report.rows} == {
        name: tuple(parameter.shape) for name, parameter in module.named_parameters()
    }
