from __future__ import annotations

import pytest

from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.equations import (
    ACTIVATIONS,
    H_PREV,
    INPUT,
    Affine,
    Apply,
    Equation,
    Hadamard,
    Lookup,
    Parameter,
    Product,
    Quotient,
    RecurrentAffine,
    Sum,
    Vector,
    axis_of,
    operands,
    parameters,
    resolve,
    rewrite,
    walk,
)
from rnn_calc.core.network import Network

U = Parameter("u", "diagonal", ("d_h",))
W = Parameter("W", "recurrent", ("d_h", "d_in"))


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_the_equations_of_every_cell_give_every_state_a_value_of_width_d_h(cell: Cell) -> None:
    values = {equation.name: axis_of(equation.expression) for equation in Network(2, 3, cell=cell).equations}
    assert {values[name] for name in cell.state} == {"d_h"}


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_a_vector_is_used_only_after_it_has_a_value(cell: Cell) -> None:
    known = {"x"}
    for equation in Network(2, 3, 4, cell=cell).equations:
        used = {n.name for n in walk(equation.expression) if isinstance(n, Vector) and not n.previous}
        assert used <= known
        known.add(equation.name)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_a_resolved_network_holds_no_phi_and_no_affine(cell: Cell, activation: str) -> None:
    for equation in Network(2, 3, 4, cell=cell, activation=activation).equations:
        for node in walk(equation.expression):
            assert not isinstance(node, Affine)
            assert not (isinstance(node, Apply) and node.function == "phi")


@pytest.mark.parametrize(
    ("biases", "names"),
    [(0, ["W_xi", "W_hi"]), (1, ["W_xi", "W_hi", "b_i"]), (2, ["W_xi", "W_hi", "b_i", "b_hi"])],
)
def test_a_gate_has_the_biases_it_is_given(biases: int, names: list[str]) -> None:
    found = parameters([Equation("i", resolve(Affine("i"), activation="tanh", biases=biases), "gate", "")])
    assert [parameter.name for parameter in found] == names
    assert {parameter.gate for parameter in found} == {"i"}


def test_a_recurrent_part_that_stands_apart_has_one_bias_of_its_own_or_none() -> None:
    apart = Affine("n", None) + Hadamard(Vector("r", "d_h"), RecurrentAffine("n"))
    for biases, names in ((0, ["W_xn", "W_hn"]), (1, ["W_xn", "b_n", "W_hn", "b_hn"])):
        found = resolve(apart, activation="tanh", biases=biases)
        assert [p.name for p in parameters([Equation("n", found, "gate", "")])] == names
    assert resolve(apart, activation="tanh", biases=2) == resolve(apart, activation="tanh", biases=1)


def test_a_projected_state_is_as_wide_as_its_projection() -> None:
    assert resolve(H_PREV, activation="tanh", biases=1, h_axis="d_p") == Vector("h", "d_p", previous=True)


def test_rewriting_keeps_what_is_not_changed_and_flattens_sums() -> None:
    expression = Apply("tanh", Product(W, INPUT) + Quotient(U, H_PREV) + Hadamard(U, H_PREV))
    assert rewrite(expression, lambda node: node) == expression
    wider = rewrite(expression, lambda node: U + U if node == U else node)
    assert isinstance(wider, Apply)
    assert U not in operands(wider.argument)
    assert rewrite(Sum((U, H_PREV)), lambda node: INPUT + INPUT if node == H_PREV else node) == Sum((U, INPUT, INPUT))


def test_a_lookup_gives_a_row_of_its_table() -> None:
    table = Parameter("E", "embedding", ("V", "d_in"))
    assert axis_of(Lookup(table, Vector("token", "1"))) == "d_in"
    assert parameters([Equation("x", Lookup(table, Vector("token", "1")), "input", "")]) == (table,)


def test_a_sum_of_sums_is_one_sum() -> None:
    assert Sum((INPUT, INPUT, INPUT)) == (INPUT + INPUT) + INPUT
    resolved = resolve(Sum((Affine("h"), U)), activation="tanh", biases=1)
    assert isinstance(resolved, Sum)
    assert not any(isinstance(term, Sum) for term in resolved.terms)
    assert len(resolved.terms) == 4


def test_resolving_reaches_into_every_kind_of_expression() -> None:
    inner = Affine("h")
    nested = Hadamard(Apply("phi", Product(Parameter("V", "recurrent", ("d_h", "d_h")), inner)), U)
    assert resolve(nested, activation="relu", biases=0) == Hadamard(
        Apply(
            "relu", Product(Parameter("V", "recurrent", ("d_h", "d_h")), resolve(inner, activation="relu", biases=0))
        ),
        U,
    )


def test_walk_gives_operands_before_what_is_made_of_them() -> None:
    expression = Apply("tanh", Product(W, INPUT) + U * H_PREV)
    seen = list(walk(expression))
    for position, node in enumerate(seen):
        assert all(operand in seen[:position] for operand in operands(node))
    assert seen[-1] == expression


def test_a_parameter_that_is_used_twice_is_listed_once() -> None:
    assert parameters([Equation("h", U * H_PREV + U, "state", "")]) == (U,)


@pytest.mark.parametrize(
    "wrong", [Product(W, H_PREV), INPUT + H_PREV, U * INPUT], ids=["product", "sum", "entry by entry"]
)
def test_an_equation_whose_widths_do_not_fit_stops_before_any_number(wrong: Product | Sum | Hadamard) -> None:
    with pytest.raises(AssertionError, match="d_in"):
        axis_of(wrong)


def test_a_matrix_has_an_orientation_and_a_vector_has_none() -> None:
    assert W.is_matrix
    assert not U.is_matrix
