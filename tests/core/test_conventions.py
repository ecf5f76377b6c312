from __future__ import annotations

import re

import pytest

from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.conventions import CONVENTIONS, Convention, as_convention, shape_of, write_shape
from rnn_calc.core.counts import count_parameters
from rnn_calc.core.equations import Apply, Hadamard, Parameter, Vector, operands, walk
from rnn_calc.core.errors import DataError
from rnn_calc.core.network import Network
from rnn_calc.core.shapes import shapes

H = Vector("h", "d_h")
H_PREV = Vector("h", "d_h", previous=True)

every_convention = pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=CONVENTIONS)
every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)


@every_cell
@every_convention
def test_no_two_parameters_share_a_symbol(convention: Convention, cell: Cell) -> None:
    parameters = Network(4, 3, 2, cell=cell, biases=convention.biases).parameters
    symbols = [convention.symbol(parameter) for parameter in parameters]
    assert len(set(symbols)) == len(symbols)


@every_convention
def test_no_two_sizes_share_a_name(convention: Convention) -> None:
    assert len({convention.size(axis) for axis in ("d_in", "d_h", "d_out", "T", "B")}) == 5


@every_cell
@every_convention
def test_only_row_conventions_store_a_matrix_the_other_way_round(convention: Convention, cell: Cell) -> None:
    for parameter in Network(4, 3, 2, cell=cell, biases=convention.biases).parameters:
        stored = convention.stored_axes(parameter)
        if parameter.is_matrix:
            assert stored == (parameter.axes[::-1] if convention.row_vectors else parameter.axes)
        else:
            assert stored == ((*parameter.axes, "1") if convention.column_matrices else parameter.axes)


# As the documentation of each textbook or framework prints it.
FORMULAS = {
    "xh": ("W_xh x_t + W_hh h_{t-1} + b_h", "W_hy h_t + b_y"),
    "hx": ("W_hx x_t + W_hh h_{t-1} + b_h", "W_ho h_t + b_v"),
    "wx": ("W_x x_t + W_h h_{t-1} + b", "W_y h_t + b_y"),
    "row": ("x_t W_xh + h_{t-1} W_hh + b_h", "h_t W_hy + b_y"),
    "pytorch": (
        "weight_ih_l0 x_t + weight_hh_l0 h_{t-1} + bias_ih_l0 + bias_hh_l0",
        "linear.weight h_t + linear.bias",
    ),
    "keras": ("x_t kernel + h_{t-1} recurrent_kernel + bias", "h_t dense.kernel + dense.bias"),
}


@every_convention
def test_the_equations_are_written_as_the_convention_prints_them(convention: Convention) -> None:
    z, h, y = Network(4, 3, 2, biases=convention.biases).equations
    assert (convention.write(z.expression), convention.write(y.expression)) == FORMULAS[convention.name]
    assert convention.write(h.expression) == "tanh(z_t)"


@every_cell
@every_convention
def test_a_formula_names_every_parameter_it_uses(convention: Convention, cell: Cell) -> None:
    for equation in Network(4, 3, 2, cell=cell, biases=convention.biases).equations:
        written = convention.write(equation.expression)
        for node in walk(equation.expression):
            if isinstance(node, Parameter):
                assert convention.symbol(node) in written
            assert not operands(node) or convention.write(node) in written


def test_a_step_is_written_by_its_number() -> None:
    xh = CONVENTIONS["xh"]
    z = Network(4, 3).equations[0].expression
    assert xh.write(z, 3) == "W_xh x_3 + W_hh h_2 + b_h"
    assert (xh.vector(H), xh.vector(H_PREV), xh.vector(H_PREV, 1)) == ("h_t", "h_{t-1}", "h_0")


def test_the_identity_is_not_written_and_a_product_entry_by_entry_has_its_sign() -> None:
    xh = CONVENTIONS["xh"]
    assert xh.write(Apply("identity", H)) == "h_t"
    assert xh.write(Hadamard(H, H_PREV)) == "h_t ⊙ h_{t-1}"


@pytest.mark.torch
def test_the_pytorch_convention_has_the_names_and_shapes_of_torch() -> None:
    torch = pytest.importorskip("torch")
    convention, network = CONVENTIONS["pytorch"], Network(4, 3, biases=2)
    ours = {convention.symbol(p): shape_of(convention.stored_axes(p), network.sizes) for p in network.parameters}
    theirs = {name: tuple(p.shape) for name, p in torch.nn.RNN(4, 3).named_parameters()}
    assert ours == theirs
    assert not torch.nn.RNN(4, 3).batch_first
    assert not convention.batch_first


@every_convention
def test_the_tensors_of_a_sequence_have_different_names(convention: Convention) -> None:
    names = list(convention.sequences.values())
    assert len(set(names)) == len(names) == 5


@pytest.mark.parametrize(
    ("shape", "column", "written"),
    [((3,), False, "(3,)"), ((3, 4), False, "(3, 4)"), ((3, 1), True, "(3×1)"), ((), False, "()")],
)
def test_a_shape_is_written_as_it_is_read_aloud(shape: tuple[int, ...], column: bool, written: str) -> None:
    assert write_shape(shape, column_matrices=column) == written


@every_convention
def test_every_convention_says_whose_it_is(convention: Convention) -> None:
    assert re.search(r"\w{3}", convention.whose)
    assert CONVENTIONS[convention.name] is convention


@every_convention
def test_a_convention_can_be_given_by_its_name(convention: Convention) -> None:
    network = Network(4, 3, 2, biases=convention.biases)
    assert as_convention(convention) is as_convention(convention.name) is convention
    assert count_parameters(network, convention.name) == count_parameters(network, convention)
    assert shapes(network, convention.name, steps=3) == shapes(network, convention, steps=3)


def test_an_unknown_convention_is_answered_with_the_nearest() -> None:
    for report in (shapes, count_parameters):
        with pytest.raises(DataError, match=r"no convention 'pytroch'; it must be xh, .*\. Did you mean pytorch\?"):
            report(Network(4, 3), "pytroch")


@pytest.mark.parametrize("name", [name for name, entry in CONVENTIONS.items() if entry.biases == 1])
def test_a_second_bias_has_no_name_where_gates_have_one(name: str) -> None:
    with pytest.raises(DataError, match="no name for b_hh; take a network with biases=1,"):
        count_parameters(Network(2, 3, biases=2), CONVENTIONS[name])
