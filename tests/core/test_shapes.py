from __future__ import annotations

from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.network import Network
from rnn_calc.core.shapes import MODES, Mode, ShapeReport, shapes

every_convention = pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=CONVENTIONS)
every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
sizes = st.integers(1, 10**18)


def table(report: ShapeReport) -> dict[str, tuple[int, ...]]:
    return {row.symbol: row.shape for row in report.rows}


# d_in 4, d_h 3, d_out 2, by hand: tutorial 000 for hx, tutorial 001 for wx, tutorial 002 for row.
PARAMETERS = {
    "xh": {"W_xh": (3, 4), "W_hh": (3, 3), "b_h": (3,), "W_hy": (2, 3), "b_y": (2,)},
    "hx": {"W_hx": (3, 4), "W_hh": (3, 3), "b_h": (3,), "W_ho": (2, 3), "b_v": (2,)},
    "wx": {"W_x": (3, 4), "W_h": (3, 3), "b": (3, 1), "W_y": (2, 3), "b_y": (2, 1)},
    "row": {"W_xh": (4, 3), "W_hh": (3, 3), "b_h": (3,), "W_hy": (3, 2), "b_y": (2,)},
    "pytorch": {
        "weight_ih_l0": (3, 4),
        "weight_hh_l0": (3, 3),
        "bias_ih_l0": (3,),
        "bias_hh_l0": (3,),
        "linear.weight": (2, 3),
        "linear.bias": (2,),
    },
    "keras": {
        "kernel": (4, 3),
        "recurrent_kernel": (3, 3),
        "bias": (3,),
        "dense.kernel": (3, 2),
        "dense.bias": (2,),
    },
}


@every_convention
def test_the_first_example_of_the_tutorials_has_the_shapes_printed_there(convention: Convention) -> None:
    report = shapes(Network(4, 3, 2, biases=convention.biases), convention)
    assert {row.symbol: row.shape for row in report.parameters} == PARAMETERS[convention.name]
    one = (1,) if convention.column_matrices else ()
    assert {row.symbol: row.shape for row in report.vectors} == {
        "x_t": (4, *one),
        "h_{t-1}": (3, *one),
        "z_t": (3, *one),
        "h_t": (3, *one),
        "y_t": (2, *one),
    }


@every_cell
@every_convention
@given(d_in=sizes, d_h=sizes, d_out=sizes)
@settings(deadline=None, max_examples=20)
def test_every_product_fits_at_any_size(convention: Convention, cell: Cell, d_in: int, d_h: int, d_out: int) -> None:
    network = Network(d_in, d_h, d_out, cell=cell, biases=convention.biases)
    for check in shapes(network, convention).checks:
        if check.operation == "product":
            left, right = check.operands
            inner = right[0] if not convention.row_vectors else left[0]
            matrix, outer = (left, left[0]) if not convention.row_vectors else (right, right[-1])
            assert inner == (matrix[1] if not convention.row_vectors else matrix[0])
            assert check.result[0] == outer
        else:
            assert set(check.operands) == {check.result}


@every_cell
@every_convention
@given(d_in=sizes, d_h=sizes, d_out=st.integers(0, 10**18))
@settings(deadline=None, max_examples=20)
def test_a_count_is_the_exact_product_of_the_shape(
    convention: Convention, cell: Cell, d_in: int, d_h: int, d_out: int
) -> None:
    network = Network(d_in, d_h, d_out, cell=cell, biases=convention.biases)
    for row in shapes(network, convention).rows:
        assert len(row.shape) == len(row.axes)
        assert row.count == (prod(row.shape) if row.kind == "parameter" else None)


@every_convention
def test_a_shape_is_its_named_axes_with_the_numbers_put_in(convention: Convention) -> None:
    network = Network(5, 7, 11, biases=convention.biases)
    numbers = {convention.size(axis): n for axis, n in {**network.sizes, "T": 13, "B": 17}.items()}
    for row in shapes(network, convention, steps=13, batch=17).rows:
        assert tuple(numbers[axis] for axis in row.axes) == row.shape


@every_convention
def test_the_dimension_check_follows_the_order_of_evaluation(convention: Convention) -> None:
    report = shapes(Network(4, 3, 2, biases=convention.biases), convention)
    operations = [check.operation for check in report.checks]
    assert operations == ["product", "product", "sum", "entrywise", "product", "sum"]
    first = report.checks[0]
    column = (1,) if convention.column_matrices else ()
    assert first.operands == (((4,), (4, 3)) if convention.row_vectors else ((3, 4), (4, *column)))
    assert first.result == (3, *column)


def test_the_linear_network_has_no_function_to_check() -> None:
    report = shapes(Network(4, 3, 2, activation="identity"))
    assert [check.operation for check in report.checks] == ["product", "product", "sum", "product", "sum"]
    assert report.equations == ("z_t = W_xh x_t + W_hh h_{t-1} + b_h", "h_t = z_t", "y_t = W_hy h_t + b_y")


def test_without_a_readout_there_is_no_y() -> None:
    report = shapes(Network(4, 3), steps=5, batch=2)
    assert not any(row.symbol.startswith(("y", "W_hy", "b_y")) for row in report.rows)


def test_whole_sequences_have_batch_and_time_in_front() -> None:
    report = shapes(Network(4, 3, 2), steps=20, batch=32)
    assert {row.symbol: row.shape for row in report.sequence} == {
        "x": (32, 20, 4),
        "h": (32, 20, 3),
        "h_0": (32, 3),
        "h_T": (32, 3),
        "y": (32, 20, 2),
    }


@pytest.mark.parametrize(
    ("steps", "batch", "x"), [(20, None, (20, 4)), (None, 32, (32, 4)), (1, 1, (1, 1, 4)), (None, None, None)]
)
def test_an_axis_is_there_when_it_is_asked_for(steps: int | None, batch: int | None, x: tuple[int, ...] | None) -> None:
    assert table(shapes(Network(4, 3, 2), steps=steps, batch=batch)).get("x") == x


@every_convention
def test_time_first_is_batch_first_with_the_two_exchanged(convention: Convention) -> None:
    network = Network(4, 3, 2, biases=convention.biases)
    first, second = (
        shapes(network, convention, steps=20, batch=32, batch_first=batch_first).sequence
        for batch_first in (True, False)
    )
    for ours, theirs in zip(first, second, strict=True):
        has_both = 20 in ours.shape and 32 in ours.shape
        assert theirs.shape == ((ours.shape[1], ours.shape[0], *ours.shape[2:]) if has_both else ours.shape)


@pytest.mark.torch
@pytest.mark.parametrize("batch_first", [True, False])
def test_torch_gives_its_tensors_the_shapes_of_the_pytorch_convention(batch_first: bool) -> None:
    torch = pytest.importorskip("torch")
    report = shapes(Network(50, 128, biases=2), CONVENTIONS["pytorch"], steps=20, batch=32, batch_first=batch_first)
    ours = table(report)
    output, h_n = torch.nn.RNN(50, 128, batch_first=batch_first)(torch.zeros(ours["input"]))
    assert (tuple(output.shape), tuple(h_n.shape)) == (ours["output"], ours["h_n"])
    assert ours["h_n"] == ours["h_0"] == (1, 32, 128)  # tutorial 001


# T = 20, T_out = 7, B = 32: what goes in and what comes out, by the drawings of Karpathy 2015.
IN_AND_OUT: dict[Mode, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "many-to-many": ((32, 20, 4), (32, 20, 2)),
    "many-to-one": ((32, 20, 4), (32, 2)),
    "one-to-many": ((32, 1, 4), (32, 20, 2)),
    "seq2seq": ((32, 20, 4), (32, 7, 2)),
}


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_changes_what_goes_in_and_what_comes_out(mode: Mode) -> None:
    found = table(shapes(Network(4, 3, 2), steps=20, batch=32, mode=mode, decoder_steps=7))
    assert (found["x"], found["y"]) == IN_AND_OUT[mode]
    assert ("s" in found) == (mode == "seq2seq")


@pytest.mark.parametrize(
    ("mode", "inputs", "outputs"),
    [
        ("many-to-many", ["x_1", "x_2", "x_3"], ["y_1", "y_2", "y_3"]),
        ("many-to-one", ["x_1", "x_2", "x_3"], [None, None, "y_3"]),
        ("one-to-many", ["x_1", None, None], ["y_1", "y_2", "y_3"]),
    ],
)
def test_the_unrolled_network_has_the_inputs_and_outputs_of_its_mode(
    mode: Mode, inputs: list[str | None], outputs: list[str | None]
) -> None:
    steps = shapes(Network(4, 3, 2), mode=mode, unroll=3).unrolled
    assert [step.t for step in steps] == [1, 2, 3]
    assert [step.x for step in steps] == inputs
    assert [step.y for step in steps] == outputs
    assert not any(step.y for step in shapes(Network(4, 3), mode=mode, unroll=3).unrolled)


def test_a_tensor_is_found_by_its_symbol() -> None:
    report = shapes(Network(4, 3, 2))
    found = report.tensor("W_xh")
    assert found is not None
    assert found.shape == (3, 4)
    assert report.tensor("W_hx") is None
