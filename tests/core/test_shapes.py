from __future__ import annotations

from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.errors import DataError, SizeError
from rnn_calc.core.network import Network
from rnn_calc.core.shapes import DimensionCheck, ShapeReport, shapes
from rnn_calc.core.tensors import MODES, Mode
from tests.core.random_networks import written_networks

# A vanilla network, in every convention that has one.
WITH_RNN = [c for c in CONVENTIONS.values() if not c.is_framework or "rnn" in c.cells]
every_convention = pytest.mark.parametrize("convention", WITH_RNN, ids=[c.name for c in WITH_RNN])
PAIRS = [(c, cell) for c in CONVENTIONS.values() for cell in CELLS.values() if not c.cells or cell.name in c.cells]
every_pair = pytest.mark.parametrize(("convention", "cell"), PAIRS, ids=[f"{c.name}-{cell.name}" for c, cell in PAIRS])
sizes = st.integers(1, 10**18)


def vanilla(convention: Convention, d_in: int = 4, d_h: int = 3, d_out: int = 2) -> Network:
    return Network(d_in, d_h, d_out, biases=convention.biases(CELLS["rnn"]))


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
    "onnx": {"W": (1, 3, 4), "R": (1, 3, 3), "B": (1, 6), "gemm.B": (2, 3), "gemm.C": (2,)},
    "flax": {
        "i.kernel": (4, 3),
        "i.bias": (3,),
        "h.kernel": (3, 3),
        "Dense_0.kernel": (3, 2),
        "Dense_0.bias": (2,),
    },
}


@every_convention
def test_the_first_example_of_the_tutorials_has_the_shapes_printed_there(convention: Convention) -> None:
    report = shapes(vanilla(convention), convention)
    assert {row.symbol: row.shape for row in report.parameters} == PARAMETERS[convention.name]
    one = (1,) if convention.column_matrices else ()
    assert {row.symbol: row.shape for row in report.vectors} == {
        "x_t": (4, *one),
        "h_{t-1}": (3, *one),
        "z_t": (3, *one),
        "h_t": (3, *one),
        "y_t": (2, *one),
    }


def fits(check: DimensionCheck, *, rows: bool) -> bool:
    """Whether the result follows from the operands, by the rules of matrices and vectors alone."""
    operands = [tuple(size for size in shape if size != 1) or (1,) for shape in check.operands]
    match check.sign.strip():
        case "·" if rows:
            return check.operands[0][-1] == check.operands[1][0] and check.result == check.operands[1][1:]
        case "·":
            (out, inner), vector = check.operands
            return inner == vector[0] and check.result == (out, *vector[1:])
        case ";":
            return check.result[0] == sum(shape[0] for shape in check.operands)
        case "at":
            table, index = check.operands
            return index == () and check.result[0] == table[1]
        case _:
            return bool(operands) and set(check.operands) == {check.result}


@every_pair
@given(d_in=sizes, d_h=sizes, d_out=sizes)
@settings(deadline=None, max_examples=10)
def test_every_product_fits_at_any_size(convention: Convention, cell: Cell, d_in: int, d_h: int, d_out: int) -> None:
    network = Network(d_in, d_h, d_out, cell=cell, biases=convention.biases(cell))
    checks = shapes(network, convention).checks
    assert len(checks) >= len(network.equations) - 1
    assert all(fits(check, rows=convention.row_vectors) for check in checks)


def test_a_wrong_product_would_not_fit() -> None:
    assert not fits(DimensionCheck("", " · ", ((3, 4), (5,)), (3,)), rows=False)
    assert not fits(DimensionCheck("", " · ", ((4,), (3, 4)), (3,)), rows=True)
    assert not fits(DimensionCheck("", " ; ", ((3,), (3,)), (3,)), rows=False)


@given(written=written_networks())
@settings(deadline=None, max_examples=150)
def test_any_network_in_any_convention_has_a_consistent_report(written: tuple[Network, Convention]) -> None:
    network, convention = written
    report = shapes(network, convention, steps=5, batch=7)
    assert all(fits(check, rows=convention.row_vectors) for check in report.checks)
    assert len(report.equations) == len(network.equations)
    # Every number is there once: the stored arrays hold what the parameters of the equations do.
    column = sum(prod(network.shape(parameter)) for parameter in network.parameters)
    assert sum(prod(row.shape) for row in report.parameters) == report.notation.total == column
    for row in report.rows:
        assert len(row.shape) == len(row.axes)
        assert row.count == (prod(row.shape) if row.kind == "parameter" else None)
        assert row.role
    symbols = [row.symbol for row in report.rows]
    assert len(set(symbols)) == len(symbols)
    # The vectors of one step have a width each, in the numbers of their axes.
    numbers = {report.notation.size(name): size for name, size in network.sizes.items()}
    numbers |= {"T": 5, "B": 7, "num_layers": network.layers, "num_directions": network.directions}
    for row in report.rows:
        for axis, size in zip(row.axes, row.shape, strict=True):
            multiple, dot, name = axis.partition("·")
            number = int(axis) if axis.isdecimal() else int(multiple) * numbers[name] if dot else numbers[axis]
            assert number == size, row


@given(written=written_networks())
@settings(deadline=None, max_examples=60)
def test_a_row_says_its_layer_and_its_direction_where_there_are_several(written: tuple[Network, Convention]) -> None:
    network, convention = written
    report = shapes(network, convention)
    recurrent = [row for part in report.parts if part.layer for row in (*part.vectors, *part.parameters)]
    layers = {row.layer for row in recurrent}
    assert layers == (set(range(1, network.layers + 1)) if network.layers > 1 else {None})
    directions = {row.direction for row in report.vectors if row.kind == "gate" and row.symbol != "x_t"}
    assert directions - {None} == ({"forward", "backward"} if network.bidirectional else set())
    assert all(row.layer is None for row in report.rows if row.role.startswith(("takes the hidden state", "holds")))


def test_layers_that_are_alike_are_found() -> None:
    assert shapes(Network(4, 3, layers=12)).alike == ((1,), tuple(range(2, 13)))
    assert shapes(Network(4, (3, 5, 5))).alike == ((1,), (2,), (3,))
    assert shapes(Network(4, 3)).alike == ((1,),)


def test_one_to_many_needs_one_direction() -> None:
    with pytest.raises(DataError, match="a backward direction begins at a last step that is not there yet"):
        shapes(Network(4, 3, 2, bidirectional=True), mode="one-to-many")


@pytest.mark.parametrize(
    ("steps", "batch", "message"),
    [
        (8, None, "steps is 8, but the longest of lengths is 7: leave steps out."),
        (None, 4, "batch is 4, but lengths has 3: leave batch out."),
    ],
)
def test_steps_and_batch_that_contradict_lengths_are_refused(
    steps: int | None, batch: int | None, message: str
) -> None:
    with pytest.raises(SizeError) as caught:
        shapes(Network(4, 3, 2), lengths=(7, 3, 1), steps=steps, batch=batch)
    assert str(caught.value) == message
    assert shapes(Network(4, 3, 2), lengths=(7, 3, 1), steps=7, batch=3).packing is not None


# weight_ih_l0 of torch.nn.LSTM(4, 3) is (12, 4); its first three rows are the input gate's.
def test_the_check_names_the_gates_part_of_a_joined_array_with_its_own_shape() -> None:
    report = shapes(Network(4, 3, cell=CELLS["lstm"], biases=2), "pytorch")
    first = report.checks[0]
    assert (first.expression, first.operands, first.result) == ("weight_ih_l0[i] x_t", ((3, 4), (4,)), (3,))
    found = report.tensor("weight_ih_l0")
    assert found is not None
    assert (found.shape, found.axes) == ((12, 4), ("4·hidden_size", "input_size"))
    assert found.role == "takes the input into the hidden space; gates i, f, g, o one after the other"


@every_convention
def test_the_dimension_check_follows_the_order_of_evaluation(convention: Convention) -> None:
    report = shapes(vanilla(convention), convention)
    assert [check.sign.strip() for check in report.checks if len(check.operands) > 1] == ["·", "·", "+", "·", "+"]
    assert len(report.checks[3].operands) == 1
    first = report.checks[0]
    column = (1,) if convention.column_matrices else ()
    assert first.operands == (((4,), (4, 3)) if convention.row_vectors else ((3, 4), (4, *column)))
    assert first.result == (3, *column)


def test_the_linear_network_has_no_function_to_check() -> None:
    report = shapes(Network(4, 3, 2, activation="identity"))
    assert [check.sign.strip() for check in report.checks] == ["·", "·", "+", "·", "+"]
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
