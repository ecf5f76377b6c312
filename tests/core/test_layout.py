from __future__ import annotations

import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.engine import Engine
from rnn_calc.core.layout import Place, join
from rnn_calc.core.lowering import Call, StackProduct
from rnn_calc.core.stepping import Recurrence
from rnn_calc.core.weights import Weights
from tests.core.cells import CASES, Case
from tests.core.test_engine import layer_arrays, only_layer

every_case = pytest.mark.parametrize("case", CASES, ids=[case.cell.name for case in CASES])


def compiled(case: Case) -> Recurrence:
    layer = only_layer(case, 2, 3)
    return Engine(layer, Weights(layer_arrays(layer, case, 0))).compiled


def by_name(name: str) -> Case:
    (case,) = (case for case in CASES if case.cell.name == name)
    return case


# Counted by hand: product, drive, the calls of each function, and one for each sum and each set of products.
CALLS = {
    "rnn": 3,  # product, drive, tanh
    "lstm": 9,  # product, drive, exp and + 1 for i f o, tanh g, both products of c, their sum, tanh c, h
    "gru": 11,  # product, drive, three for r z, r ⊙ (…), drive of n, tanh n, 1 − z, both products of h, their sum
    "gru-reset-before": 12,
    "mgu": 12,
    "indrnn": 3,
    "minlstm": 2,  # what does not see the state is no part of the step: f′ ⊙ h_prev, and the rest added
    "mingru": 2,
}


@pytest.mark.parametrize("name", CALLS)
def test_a_step_takes_as_few_calls_as_its_gates_allow(name: str) -> None:
    assert len(compiled(by_name(name)).calls) == CALLS[name]


@every_case
def test_matrices_that_multiply_the_same_vector_make_one_product(case: Case) -> None:
    recurrence = compiled(case)
    products = [call for call in recurrence.calls if isinstance(call, StackProduct)]
    assert len({call.operand for call in products}) == len(products)


@every_case
def test_no_two_values_lie_in_the_same_place(case: Case) -> None:
    recurrence = compiled(case)
    layout = recurrence.layout
    names = [name for name in (*recurrence.program.given, *recurrence.program.assignments) if name not in layout.hosted]
    columns = [(layout.place(name).bank, k) for name in names for k in range(*layout.place(name)[1:3])]
    assert len(set(columns)) == len(columns)
    assert all(column < layout.banks[bank].width for bank, column in columns)


@every_case
def test_whatever_a_call_reads_was_written_before(case: Case) -> None:
    recurrence = compiled(case)
    layout, program = recurrence.layout, recurrence.program

    def columns(place: Place) -> set[tuple[int, int, bool]]:
        return {(place.bank, k, place.after) for k in range(place.start, place.stop)}

    known = set().union(*(columns(layout.place(name)) for name in program.given))
    known |= set().union(*(columns(layout.place(name)._replace(after=False)) for name in program.state))
    for call in recurrence.calls:
        if isinstance(call, Call):
            *sources, out = [operand for operand in call.operands if isinstance(operand, Place)]
        else:
            sources, out = [call.operand], call.out
        if isinstance(call, Call) and call.function.__name__ == "copyto":
            sources, out = [out], sources[0]
        assert all(columns(source) <= known for source in sources)
        known |= columns(out)
    assert all(columns(layout.place(equation.name)) <= known for equation in program.equations)


def test_places_are_joined_where_they_are_neighbours_in_order() -> None:
    a, b, elsewhere = Place(0, 0, 4), Place(0, 4, 6), Place(1, 6, 8)
    assert join([a, b]) == Place(0, 0, 6)
    assert join([a]) == a
    assert join([b, a]) is None
    assert join([a, b, elsewhere]) is None
    assert join([a, b._replace(after=True)]) is None


def test_every_cell_that_ships_is_looked_at() -> None:
    assert {*CALLS, "lstm-peephole"} == set(CELLS)
