from __future__ import annotations

from math import prod

import pytest
from hypothesis import given, settings

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.equations import Apply, Hadamard, Parameter, Vector, operands, walk
from rnn_calc.core.errors import DataError
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation, write_axes, write_shape
from tests.core.random_networks import written_networks

H = Vector("h", "d_h")
H_PREV = Vector("h", "d_h", previous=True)
BACKWARD = Vector("h", "d_h", previous=True, symbol="h^(←)")


def notation(convention: str, cell: str = "rnn", d_out: int = 2, **parts: int | bool) -> Notation:
    rule = CONVENTIONS[convention]
    return Notation(Network(4, 3, d_out, CELLS[cell], biases=rule.biases(CELLS[cell]), **parts), rule)  # type: ignore[arg-type]


@given(written=written_networks())
@settings(deadline=None, max_examples=100)
def test_every_parameter_lies_in_one_stored_array(written: tuple[Network, Convention]) -> None:
    network, _ = written
    made = Notation(*written)
    held = [parameter for stored in made.stored for parameter in stored.parameters]
    assert sorted(held, key=repr) == sorted(network.parameters, key=repr)
    assert all(parameter in made.home(parameter).parameters for parameter in network.parameters)
    assert made.total == sum(prod(network.shape(parameter)) for parameter in network.parameters)
    for stored in made.stored:
        assert made.count(stored) == sum(prod(network.shape(parameter)) for parameter in stored.parameters)


@given(written=written_networks())
@settings(deadline=None, max_examples=100)
def test_no_two_arrays_and_no_two_parameters_share_a_symbol(written: tuple[Network, Convention]) -> None:
    made = Notation(*written)
    arrays = [stored.symbol for stored in made.stored]
    assert len(set(arrays)) == len(arrays)
    symbols = [made.symbol(parameter) for parameter in made.network.parameters]
    assert len(set(symbols)) == len(symbols)


@given(written=written_networks())
@settings(deadline=None, max_examples=60)
def test_a_formula_names_every_parameter_it_uses(written: tuple[Network, Convention]) -> None:
    made = Notation(*written)
    for equation in made.network.equations:
        text = made.write(equation.expression)
        for node in walk(equation.expression):
            if isinstance(node, Parameter):
                assert made.symbol(node) in text
            assert not operands(node) or made.write(node) in text


@given(written=written_networks())
@settings(deadline=None, max_examples=60)
def test_only_row_conventions_store_a_matrix_the_other_way_round(written: tuple[Network, Convention]) -> None:
    network, convention = written
    made = Notation(network, convention)
    for stored in made.stored:
        (first, *_), shape = stored.parameters, made.shape(stored)
        if len(stored.parameters) == 1 and first.is_matrix and not stored.stacked:
            turned = convention.row_vectors and first.role != "embedding"
            assert shape == (network.shape(first)[::-1] if turned else network.shape(first))


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
    "onnx": ("W x_t + R h_{t-1} + B[input] + B[recurrent]", "gemm.B h_t + gemm.C"),
    "flax": ("x_t i.kernel + h_{t-1} h.kernel + i.bias", "h_t Dense_0.kernel + Dense_0.bias"),
}


@pytest.mark.parametrize("convention", FORMULAS)
def test_the_equations_are_written_as_the_convention_prints_them(convention: str) -> None:
    made = notation(convention)
    z, h, y = made.network.equations
    assert (made.write(z.expression), made.write(y.expression)) == FORMULAS[convention]
    assert made.write(h.expression) == "tanh(z_t)"


def test_every_convention_with_a_vanilla_network_has_its_formula_here() -> None:
    assert set(FORMULAS) == {c.name for c in CONVENTIONS.values() if not c.is_framework or "rnn" in c.cells}


# The candidate of a GRU, where the conventions differ most.
CANDIDATES = {
    "xh": "W_xn x_t + b_n + r_t ⊙ (W_hn h_{t-1} + b_hn)",
    "pytorch": "weight_ih_l0[n] x_t + bias_ih_l0[n] + r_t ⊙ (weight_hh_l0[n] h_{t-1} + bias_hh_l0[n])",
    "keras": "x_t kernel[h] + bias[input h] + r_t ⊙ (h_{t-1} recurrent_kernel[h] + bias[recurrent h])",
    "onnx": "W[h] x_t + B[input h] + r_t ⊙ (R[h] h_{t-1} + B[recurrent h])",
    "flax": "x_t in.kernel + in.bias + r_t ⊙ (h_{t-1} hn.kernel + hn.bias)",
    "equinox": "weight_ih[n] x_t + bias[n] + r_t ⊙ (weight_hh[n] h_{t-1} + bias_n)",
}


@pytest.mark.parametrize("convention", CANDIDATES)
def test_the_candidate_of_a_gru_names_the_parts_of_joined_arrays(convention: str) -> None:
    made = notation(convention, "gru")
    candidate = next(equation for equation in made.network.equations if equation.name == "a_n")
    assert made.write(candidate.expression) == CANDIDATES[convention]


# The names that a whole network has: of a recurrent matrix in layer 2, backward.
NAMES = {
    "xh": "W_hf^(2←)",
    "pytorch": "weight_hh_l1_reverse[f]",
    "keras": "bidirectional_1.backward_lstm.recurrent_kernel[f]",
    "onnx": "lstm_1.R[backward f]",
    "flax": "Bidirectional_1.backward_rnn.cell.hf.kernel",
    "equinox": "backward[1].weight_hh[f]",
}


@pytest.mark.parametrize("convention", NAMES)
def test_an_array_of_a_whole_network_has_its_whole_name(convention: str) -> None:
    made = notation(convention, "lstm", layers=2, bidirectional=True)
    parameter = next(p for p in made.network.parameters if p.name == "W_hf^(2←)")
    assert made.symbol(parameter) == NAMES[convention]


def test_a_step_is_written_by_its_number() -> None:
    made = notation("xh", d_out=0)
    z = made.network.equations[0].expression
    assert made.write(z, 3) == "W_xh x_3 + W_hh h_2 + b_h"
    assert (made.vector(H), made.vector(H_PREV), made.vector(H_PREV, 1)) == ("h_t", "h_{t-1}", "h_0")


def test_read_backward_the_step_before_is_the_one_after() -> None:
    made = notation("xh", bidirectional=True)
    assert (made.vector(BACKWARD), made.vector(BACKWARD, 3)) == ("h^(←)_{t+1}", "h^(←)_4")


def test_the_identity_is_not_written_and_a_product_entry_by_entry_has_its_sign() -> None:
    made = notation("xh")
    assert made.write(Apply("identity", H)) == "h_t"
    assert made.write(Hadamard(H, H_PREV)) == "h_t ⊙ h_{t-1}"
    assert made.write(Apply("complement", H)) == "1 − h_t"


@pytest.mark.parametrize(
    ("merge", "written"),
    [
        ("concat", "[h^(→)_t; h^(←)_t]"),
        ("sum", "h^(→)_t + h^(←)_t"),
        ("average", "(h^(→)_t + h^(←)_t) / 2"),
        ("product", "h^(→)_t ⊙ h^(←)_t"),
    ],
)
def test_a_merge_is_written_as_what_it_computes(merge: str, written: str) -> None:
    made = Notation(Network(4, 3, bidirectional=True, merge=merge))
    assert made.write(made.network.merges[0].equations[0].expression) == written


def test_a_tied_readout_multiplies_by_the_table() -> None:
    for convention, written in {"xh": "E h_t + b_y", "row": "h_t Eᵀ + b_y"}.items():
        made = Notation(Network(3, 3, 9, vocab=9, tied=True), convention)
        assert made.write(made.network.equations[-1].expression) == written
        assert made.shape(made.home(made.network.parameters[0])) == (9, 3)


@pytest.mark.parametrize("name", ["keras", "flax", "equinox"])
def test_a_second_bias_has_no_name_where_gates_have_one(name: str) -> None:
    message = (
        f"The convention {name} has 1 bias a gate of the cell lstm and no name for b_hi: "
        "leave the biases to it, or give 1."
    )
    with pytest.raises(DataError) as caught:
        Notation(Network(2, 3, cell=CELLS["lstm"], biases=2), name)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["keras", "onnx", "flax", "equinox"])
def test_only_pytorch_and_the_textbooks_have_a_projection(name: str) -> None:
    rule = CONVENTIONS[name]
    with pytest.raises(DataError, match="W_hr"):
        Notation(Network(4, 3, cell=CELLS["lstm"], d_p=2, biases=rule.biases(CELLS["lstm"])), rule)


@pytest.mark.torch
def test_the_pytorch_convention_has_the_names_and_shapes_of_torch() -> None:
    torch = pytest.importorskip("torch")
    made = Notation(Network(4, 3, cell=CELLS["lstm"], biases=2, layers=2, bidirectional=True, d_p=2), "pytorch")
    theirs = torch.nn.LSTM(4, 3, 2, bidirectional=True, proj_size=2).named_parameters()
    assert {stored.symbol: made.shape(stored) for stored in made.stored} == {n: tuple(p.shape) for n, p in theirs}


@pytest.mark.parametrize(
    ("shape", "column", "written"),
    [((3,), False, "(3,)"), ((3, 4), False, "(3, 4)"), ((3, 1), True, "(3×1)"), ((), False, "()")],
)
def test_a_shape_is_written_as_it_is_read_aloud(shape: tuple[int, ...], column: bool, written: str) -> None:
    assert write_shape(shape, column_matrices=column) == written


def test_axes_are_written_like_a_shape() -> None:
    assert [write_axes(axes) for axes in (("d_h",), ("d_h", "d_in"), ())] == ["(d_h,)", "(d_h, d_in)", "()"]
