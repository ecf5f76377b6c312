from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.diagnosis import diagnose
from rnn_calc.core.errors import UsageError
from rnn_calc.core.network import Network
from rnn_calc.core.shapes import ShapeReport, shapes

every_convention = pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=CONVENTIONS)
every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)


def report(
    convention: str = "xh", d_in: int = 4, d_h: int = 3, d_out: int = 2, steps: int | None = None
) -> ShapeReport:
    rule = CONVENTIONS[convention]
    return shapes(Network(d_in, d_h, d_out, biases=rule.biases), rule, steps=steps, batch=steps)


@every_cell
@every_convention
def test_every_tensor_fits_itself(convention: Convention, cell: Cell) -> None:
    network = Network(4, 3, 2, cell=cell, biases=convention.biases)
    for row in (made := shapes(network, convention, steps=5, batch=7)).rows:
        assert diagnose(made, row.symbol, row.shape).fits


@every_cell
@every_convention
@given(shape=st.lists(st.integers(-1, 20), max_size=4))
@settings(deadline=None, max_examples=60)
def test_any_other_shape_has_a_reason(convention: Convention, cell: Cell, shape: list[int]) -> None:
    network = Network(4, 3, 2, cell=cell, biases=convention.biases)
    for row in (made := shapes(network, convention, steps=5, batch=7)).rows:
        found = diagnose(made, row.symbol, tuple(shape))
        assert found.fits == (tuple(shape) == row.shape)
        assert found.needs == row.shape
        assert found.reason
        assert (found.reason == "fits") == found.fits


@every_convention
def test_a_transposed_matrix_is_called_transposed(convention: Convention) -> None:
    made = report(convention.name)
    for row in made.parameters:
        if "1" not in row.axes and len(set(row.shape)) == 2:
            reason = diagnose(made, row.symbol, row.shape[::-1]).reason
            have, needs = (f"({', '.join(axes)})" for axes in (row.axes[::-1], row.axes))
            assert reason.startswith(f"transposed: you have {have}, this convention needs {needs}; stored your way in ")
            named = reason.rpartition(" in ")[2].replace(" and ", ", ").split(", ")
            assert named == [c.name for c in CONVENTIONS.values() if c.row_vectors != convention.row_vectors]


def test_the_issues_own_example_is_answered() -> None:
    found = diagnose(report(), "W_xh", (4, 3))
    assert not found.fits
    assert (found.got, found.needs, found.axes) == ((4, 3), (3, 4), ("d_h", "d_in"))
    assert "transposed: you have (d_in, d_h), this convention needs (d_h, d_in)" in found.reason


@pytest.mark.parametrize(("got", "kind"), [((3, 1), "a matrix of one column"), ((1, 3), "a matrix of one row")])
def test_a_row_or_a_column_where_a_flat_vector_is_needed_is_called_so(got: tuple[int, ...], kind: str) -> None:
    reason = diagnose(report(), "b_h", got).reason
    assert reason.startswith(f"it is {kind}; this convention writes (d_h,) = (3,)")


def test_a_flat_vector_where_a_column_is_needed_is_to_be_reshaped() -> None:
    assert diagnose(report("wx"), "b", (3,)).reason == (
        "it has 1 axis; this convention writes (n, 1) = (3, 1): reshape it, no number changes"
    )


def test_a_lying_bias_vector_is_not_said_to_be_stored_so_elsewhere() -> None:
    assert diagnose(report("wx"), "b", (1, 3)).reason == ("transposed: you have (1, n), this convention needs (n, 1)")


def test_a_number_where_a_vector_of_one_entry_is_needed_has_no_axes() -> None:
    assert diagnose(report(d_h=1), "b_h", ()).reason.startswith("it has 0 axes; ")


def test_a_wrong_axis_is_named_with_what_it_needs_and_what_it_equals() -> None:
    assert diagnose(report(d_in=5), "W_hh", (3, 5)).reason == "axis 2 is 5, it needs d_h = 3; 5 is d_in"
    assert diagnose(report(), "W_hh", (7, 8)).reason == "axis 1 is 7, it needs d_h = 3; axis 2 is 8, it needs d_h = 3"


@pytest.mark.parametrize(
    ("convention", "symbol", "got", "gates"),
    [
        ("pytorch", "weight_ih_l0", (12, 5), "12 = 4·3: an LSTM's four gates stacked?"),
        ("pytorch", "weight_hh_l0", (9, 3), "9 = 3·3: a GRU's three gates stacked?"),
        ("pytorch", "bias_ih_l0", (12,), "12 = 4·3: an LSTM's four gates stacked?"),
        ("keras", "kernel", (5, 9), "9 = 3·3: a GRU's three gates stacked?"),
    ],
)
def test_stacked_gates_are_recognized(convention: str, symbol: str, got: tuple[int, ...], gates: str) -> None:
    assert gates in diagnose(report(convention, d_in=5), symbol, got).reason


@pytest.mark.parametrize("got", [(3,), (3, 4, 5), (1, 2, 3, 4)])
def test_a_wrong_number_of_axes_is_said_before_anything_else(got: tuple[int, ...]) -> None:
    axes = "1 axis" if len(got) == 1 else f"{len(got)} axes"
    assert diagnose(report(), "W_xh", got).reason == f"it has {axes}; W_xh has 2 axes: (d_h, d_in)"


@pytest.mark.parametrize("got", [(0, 4), (3, -4)])
def test_no_axis_is_empty(got: tuple[int, ...]) -> None:
    assert diagnose(report(), "W_xh", got).reason == "no axis can be smaller than 1"


def test_batch_and_time_exchanged_are_called_so() -> None:
    rule = CONVENTIONS["xh"]
    made = shapes(Network(4, 3, 2), rule, steps=20, batch=32)
    assert diagnose(made, "x", (20, 32, 4)).reason == (
        "its axes are in another order: you have (T, B, d_in), this convention needs (B, T, d_in)"
    )


@every_convention
def test_a_symbol_of_another_convention_is_translated(convention: Convention) -> None:
    own = report(convention.name)
    for other in CONVENTIONS.values():
        for parameter in own.network.parameters:
            symbol = other.symbols.get(parameter.role, "").format(gate=parameter.gate)
            if symbol and own.tensor(symbol) is None:
                with pytest.raises(UsageError) as caught:
                    diagnose(own, symbol, (3, 4))
                assert f"ask for {convention.symbol(parameter)}, or add --convention" in str(caught.value)


def test_an_unknown_symbol_is_answered_with_the_nearest_and_with_all() -> None:
    with pytest.raises(UsageError, match=r"no tensor 'W_xhh' here; there are x_t, .*b_y\..* Did you mean W_xh\?"):
        diagnose(report(), "W_xhh", (3, 4))


def test_a_tensor_of_whole_sequences_is_said_to_need_steps() -> None:
    with pytest.raises(UsageError, match="need --steps or --batch"):
        diagnose(report(), "h_T", (3,))
    with pytest.raises(UsageError) as caught:
        diagnose(report(steps=5), "h_X", (3,))
    assert "--steps" not in str(caught.value)
