from __future__ import annotations

from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.counts import count_parameters
from rnn_calc.core.network import Network

every_convention = pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=CONVENTIONS)
every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
sizes = st.integers(1, 10**18)


def evaluated(formula: str, numbers: dict[str, int]) -> int:
    """The value of a printed closed form: terms, factors, squares and numbers."""

    def factor(text: str) -> int:
        if text.endswith("²"):
            return numbers[text[:-1]] ** 2
        return int(text) if text.isdigit() else numbers[text]

    return sum(prod(map(factor, term.split("·"))) for term in formula.split(" + ") if term)


@every_cell
@every_convention
@given(d_in=sizes, d_h=sizes, d_out=st.integers(0, 10**18), biases=st.sampled_from([0, 1, 2]))
@settings(deadline=None, max_examples=25)
def test_the_closed_form_gives_the_total_at_any_size(
    convention: Convention, cell: Cell, d_in: int, d_h: int, d_out: int, biases: int
) -> None:
    if biases == 2 and "recurrent_bias" not in convention.symbols:
        biases = 1
    network = Network(d_in, d_h, d_out, cell=cell, biases=biases)
    report = count_parameters(network, convention)
    numbers = {convention.size(axis): n for axis, n in network.sizes.items()}
    assert evaluated(report.formula, numbers) == report.total
    assert evaluated(report.recurrent_formula, numbers) == report.recurrent
    assert evaluated(report.readout_formula, numbers) == report.readout
    for row in report.rows:
        assert evaluated(row.formula, numbers) == row.count == prod(map(int, row.numbers.split("·")))


@every_cell
@every_convention
@given(d_in=sizes, d_h=sizes, d_out=st.integers(0, 10**18))
@settings(deadline=None, max_examples=25)
def test_the_columns_add_up_to_the_totals(convention: Convention, cell: Cell, d_in: int, d_h: int, d_out: int) -> None:
    report = count_parameters(Network(d_in, d_h, d_out, cell=cell, biases=convention.biases), convention)
    assert sum(row.count for row in report.rows) == report.total == report.recurrent + report.readout
    assert sum(row.count for row in report.rows if row.part == "readout") == report.readout
    assert (report.readout == 0) == (d_out == 0)


@given(d_in=sizes, d_h=sizes, d_out=sizes)
@settings(deadline=None, max_examples=50)
def test_a_vanilla_network_has_the_count_of_the_textbooks(d_in: int, d_h: int, d_out: int) -> None:
    for convention in CONVENTIONS.values():
        total = count_parameters(Network(d_in, d_h, d_out, biases=convention.biases), convention).total
        assert total == d_h * d_h + d_h * d_in + convention.biases * d_h + d_out * d_h + d_out


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
    assert count_parameters(Network(4, 3, 2, biases=convention.biases), convention).formula == formula


@given(T=st.integers(1, 10**6), d_h=sizes)
@settings(deadline=None, max_examples=25)
def test_sharing_weights_makes_the_count_independent_of_the_steps(T: int, d_h: int) -> None:
    report = count_parameters(Network(4, d_h, 2), steps=(1, T))
    one, many = report.unrolled
    assert one.shared == many.shared == one.own == report.total
    assert (many.steps, many.own) == (T, T * report.total)


@pytest.mark.torch
@every_cell
def test_torch_counts_the_same(cell: Cell) -> None:
    torch = pytest.importorskip("torch")
    layer = getattr(torch.nn, cell.name.upper())(7, 5)
    ours = count_parameters(Network(7, 5, cell=cell, biases=2), CONVENTIONS["pytorch"])
    assert ours.total == sum(p.numel() for p in layer.parameters())
