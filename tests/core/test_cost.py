from __future__ import annotations

from collections import Counter
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.cost import COUNTABLE, CostReport, CostRow, add_up, count_cost, write_factored
from rnn_calc.core.equations import MERGES
from rnn_calc.core.errors import DataError, RnnCalcError, SizeError
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.operations import works
from rnn_calc.core.run import Run, make_run
from tests.core.taping import RECIPES, count_run

every_cell = pytest.mark.parametrize("name", CELLS)
small = st.integers(1, 4)
PURPOSES = ("forward", "weights", "vectors")


@st.composite
def networks(draw: st.DrawFn) -> Network:
    layers = draw(st.integers(1, 3))
    both = draw(st.booleans())
    vocab = draw(st.integers(0, 3))
    return Network(
        draw(small),
        tuple(draw(st.lists(small, min_size=layers, max_size=layers))),
        draw(st.integers(0, 3)),
        cell=CELLS[draw(st.sampled_from(list(CELLS)))],
        biases=draw(st.integers(0, 2)),
        bidirectional=both,
        merge=draw(st.sampled_from(MERGES)) if both else "concat",
        vocab=vocab,
        readout_bias=draw(st.booleans()),
    )


runs = st.builds(
    lambda lengths, cut: make_run(lengths=lengths, truncate=cut or None),
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.integers(0, 7),
)


def amounts(report: CostReport, purpose: str) -> Counter[str]:
    """Multiply-adds of products and FLOPs of the rest, by what they are called in the oracle."""
    found: Counter[str] = Counter()
    for row in report.rows:
        cost = getattr(row, purpose)
        is_product = row.operation in COUNTABLE["products"]
        found["products" if is_product else row.operation] += cost.multiply_adds if is_product else cost.flops
    return +found


# By hand


def test_a_plain_network_costs_what_its_matrices_hold_at_every_step() -> None:
    # W_xh 12, W_hh 9, W_hy 6; backward the same again for the weights, then 6 for h of W_hy and 9 for h of W_hh, which
    # the first of the 20 steps does not need.
    total = count_cost(Network(4, 3, 2)).total
    assert (total.forward.multiply_adds, total.weights.multiply_adds) == (20 * 27, 20 * 27)
    assert total.vectors.multiply_adds == 20 * 6 + 19 * 9
    assert total.total.flops == 2 * total.total.multiply_adds == 2 * 1371


@pytest.mark.parametrize(("name", "gates"), [("rnn", 1), ("gru", 3), ("gru-reset-before", 3), ("lstm", 4)])
def test_each_gate_costs_d_h_times_d_in_and_d_h(name: str, gates: int) -> None:
    report = count_cost(Network(64, 128, cell=CELLS[name]), run=make_run(100, 32))
    assert report.total.forward.multiply_adds == 3200 * gates * 128 * (64 + 128)
    assert [row.forward.multiply_adds for row in report.by_gate] == [3200 * 128 * 192] * gates
    assert write_factored(report.passes["forward"].always, str) in (
        f"{gates}·d_h·(d_in + d_h)",
        "d_h·(d_in + d_h)",
    )


def test_an_lstm_step_has_five_functions_three_products_and_one_sum_an_element() -> None:
    report = count_cost(Network(4, 3, cell=CELLS["lstm"]), run=make_run(1, 1), count=["all"])
    assert amounts(report, "forward") == {"products": 84, "biases": 12, "activations": 15, "element-wise": 12}
    # One step: no gradient of h_0 and c_0. δ goes through h = o ⊙ tanh(c) as two products, through f ⊙ c_0 as one (for
    # f), through i ⊙ g as two; through five functions; into four biases.
    assert amounts(report, "weights") == {"products": 84, "biases": 12}
    assert amounts(report, "vectors") == {"activations": 15, "element-wise": 15}


def test_two_steps_of_an_lstm_hand_their_gradient_on_once() -> None:
    one, two = (count_cost(Network(4, 3, cell=CELLS["lstm"]), run=make_run(n, 1), count=["all"]) for n in (1, 2))
    more = amounts(two, "vectors") - amounts(one, "vectors") - amounts(one, "vectors")
    # Four products with transposed W; δ ⊙ f for c_1, added to what h_1 hands to c_1; the loss's part of δh_1 added on.
    assert more == {"products": 4 * 9, "element-wise": 3 + 3 + 3}


def test_a_lookup_takes_no_multiply_add_but_its_row_is_added_to_the_gradient() -> None:
    report = count_cost(Network(5, 3, 7, vocab=7), run=make_run(10), count=["all"])
    embedding = report.by_part[0]
    assert (embedding.part, embedding.forward.flops, embedding.total.multiply_adds) == ("embedding", 0, 0)
    assert embedding.weights.flops == 10 * 5


def test_a_tied_readout_multiplies_by_the_whole_table() -> None:
    report = count_cost(Network(5, 5, 11, vocab=11, tied=True), run=make_run(10))
    assert report.by_part[-1].forward.multiply_adds == 10 * 11 * 5


def test_a_projection_narrows_what_the_gates_and_the_readout_see() -> None:
    report = count_cost(Network(4, 6, 3, cell=CELLS["lstm"], d_p=2), run=make_run(10))
    assert report.total.forward.multiply_adds == 10 * (4 * 6 * (4 + 2) + 2 * 6 + 3 * 2)
    assert {row.operation: row.forward.multiply_adds for row in report.by_operation}["projection"] == 120


def test_what_needs_the_state_before_is_told_from_what_does_not() -> None:
    for name, waiting in {"rnn": 9, "gru": 27, "lstm": 36, "indrnn": 0, "minlstm": 0, "mingru": 0}.items():
        assert count_cost(Network(4, 3, 2, cell=CELLS[name])).waiting == 20 * waiting


def test_the_backward_pass_lacks_nothing_but_what_is_said_to_be_twice_the_forward_pass() -> None:
    report = count_cost(Network(4, 3, 2), run=make_run(20, 5))
    assert (report.unused_inputs, report.unused_states) == (20 * 5 * 12, 5 * 9)
    embedded = count_cost(Network(4, 3, 2, vocab=6), run=make_run(20, 5))
    assert (embedded.unused_inputs, embedded.unused_states) == (0, 5 * 9)


@given(network=networks(), run=runs)
@settings(deadline=None, max_examples=100)
def test_twice_the_forward_products_are_the_backward_ones_and_those_that_nobody_needs(
    network: Network, run: Run
) -> None:
    report = count_cost(network, run=run)
    total = report.total
    missing = report.unused_inputs + report.unused_states
    assert 2 * total.forward.multiply_adds == total.backward.multiply_adds + missing
    assert total.weights == total.forward


# Against runs in which every operation is counted when it is done


def test_the_oracle_knows_every_cell() -> None:
    assert set(RECIPES) == set(CELLS)


@every_cell
@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    widths=st.lists(small, min_size=1, max_size=3),
    d_in=small,
    d_out=st.integers(0, 3),
    biases=st.integers(0, 2),
    cut=st.integers(0, 4),
    embedded=st.booleans(),
    merge=st.sampled_from(["", "", *MERGES]),
)
@settings(deadline=None, max_examples=40)
def test_counts_are_those_of_a_run_counted_operation_by_operation(
    name: str,
    lengths: list[int],
    widths: list[int],
    d_in: int,
    d_out: int,
    biases: int,
    cut: int,
    embedded: bool,
    merge: str,
) -> None:
    network = Network(
        d_in,
        tuple(widths),
        d_out,
        cell=CELLS[name],
        biases=biases,
        vocab=5 if embedded else 0,
        bidirectional=bool(merge),
        merge=merge or "concat",
    )
    report = count_cost(network, run=make_run(lengths=lengths, truncate=cut or None), count=["all"])
    tape = count_run(name, lengths, widths, d_in, d_out, biases=biases, cut=cut, embedded=embedded, merge=merge)
    for purpose in PURPOSES:
        assert amounts(report, purpose) == +getattr(tape, purpose), purpose


@pytest.mark.parametrize(
    ("merge", "forward", "backward"), [("concat", 0, 0), ("sum", 1, 0), ("average", 2, 1), ("product", 1, 2)]
)
def test_joining_two_directions_costs_what_its_formula_has(merge: str, forward: int, backward: int) -> None:
    report = count_cost(Network(4, 3, 2, bidirectional=True, merge=merge), run=make_run(10), count=["all"])
    joined = next(row for row in report.by_part if row.part.endswith("merge"))
    assert (joined.forward.flops, joined.backward.flops) == (30 * forward, 30 * backward)


# Sums


def both_passes(row: CostRow) -> tuple[object, ...]:
    return row.forward, row.weights, row.vectors


@given(network=networks(), run=runs, count=st.sets(st.sampled_from([*COUNTABLE, "all"]), min_size=1))
@settings(deadline=None, max_examples=100)
def test_every_breakdown_adds_up_to_the_total(network: Network, run: Run, count: set[str]) -> None:
    report = count_cost(network, run=run, count=count)
    total = both_passes(report.total)
    for rows in (report.rows, report.by_part, report.by_gate, report.by_operation):
        assert both_passes(add_up(rows)) == total
    everything = count_cost(network, run=run, count=["all"])
    assert add_up((*report.rows, *report.left_out)).total == everything.total.total
    assert everything.left_out == ()


@given(network=networks(), run=runs)
@settings(deadline=None, max_examples=50)
def test_each_part_gate_and_operation_has_one_row(network: Network, run: Run) -> None:
    names = [(row.part, row.gate, row.operation) for row in count_cost(network, run=run, count=["all"]).rows]
    assert len(set(names)) == len(names)
    parts = [part for part, _, _ in names]
    assert parts == sorted(parts, key=parts.index)


def evaluated(formula: str, sizes: dict[str, int]) -> int:
    """A written formula in numbers."""
    for name in sorted(sizes, key=len, reverse=True):
        formula = formula.replace(name, str(sizes[name]))
    value = eval(formula.replace("·", "*").replace("²", "**2"), {"__builtins__": {}})
    assert isinstance(value, int)
    return value


@given(network=networks(), run=runs)
@settings(deadline=None, max_examples=100)
def test_the_printed_formulas_give_the_printed_numbers(network: Network, run: Run) -> None:
    report = count_cost(network, run=run, count=["all"])
    for purpose, forms in report.passes.items():
        always, linked = (evaluated(write_factored(form, str), network.sizes) for form in forms)
        amount = run.real_steps * always + (run.real_steps - run.pieces) * linked
        assert amount == getattr(report.total, purpose).multiply_adds
    for row in report.rows:
        amount = run.real_steps * evaluated(write_factored(row.form, str), network.sizes)
        assert amount == (row.forward.multiply_adds or row.forward.flops)


@pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=CONVENTIONS)
def test_a_convention_changes_names_and_biases_and_no_product(convention: object) -> None:
    from rnn_calc.core.conventions import Convention

    assert isinstance(convention, Convention)
    name = "lstm" if not convention.cells or "lstm" in convention.cells else "rnn"
    network = Network(4, 3, 2, cell=CELLS[name], biases=convention.biases(CELLS[name]))
    report = count_cost(network, convention)
    assert report.total.forward.multiply_adds == 20 * (4 * 3 * 7 + 6)
    assert isinstance(report.notation, Notation)


# Runs


def test_packed_sequences_cost_their_real_steps() -> None:
    network = Network(4, 3, 2, cell=CELLS["lstm"])
    packed = count_cost(network, run=make_run(lengths=[7, 3, 1]), count=["all"])
    alone = [count_cost(network, run=make_run(n, 1), count=["all"]) for n in (7, 3, 1)]
    for purpose in PURPOSES:
        assert amounts(packed, purpose) == sum((amounts(report, purpose) for report in alone), Counter())


def test_a_run_counts_real_steps_pieces_and_what_is_kept() -> None:
    run = make_run(lengths=[7, 3, 1], truncate=3)
    assert (run.steps, run.batch, run.real_steps, run.pieces) == (7, 3, 11, 3 + 1 + 1)
    assert [run.kept_steps(k) for k in (1, 3, 7, 100)] == [3, 7, 11, 11]
    assert make_run(20, 5).pieces == make_run(20, 5, truncate=20).pieces == 5
    assert make_run(20, 5, truncate=6).pieces == 5 * 4


def test_truncation_saves_the_products_at_its_cuts_and_nothing_else() -> None:
    network = Network(4, 3, 2)
    full, cut = (count_cost(network, run=make_run(20, 2, truncate=k)).total for k in (None, 5))
    assert (full.forward, full.weights) == (cut.forward, cut.weights)
    assert full.vectors.multiply_adds - cut.vectors.multiply_adds == 2 * 3 * 9


def test_a_huge_batch_is_counted_exactly_and_at_once() -> None:
    n = 10**18
    assert count_cost(Network(n, n), run=make_run(n, n)).total.forward.multiply_adds == n * n * 2 * n * n


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: make_run(0), SizeError, "steps must be at least 1"),
        (lambda: make_run(batch=-1), SizeError, "batch must be at least 1"),
        (lambda: make_run(truncate=0), SizeError, "truncate must be at least 1"),
        (lambda: make_run(lengths=[3, 0]), SizeError, "ength 2 must be at least 1"),
        (lambda: make_run(batch=2, lengths=[3]), SizeError, "lengths has 1"),
        (lambda: make_run(4, lengths=[3]), SizeError, "longest of .*lengths is 3"),
        (lambda: count_cost(Network(1, 1), count=["product"]), DataError, "Did you mean products?"),
    ],
)
def test_what_cannot_be_run_is_refused(call: object, error: type[RnnCalcError], message: str) -> None:
    assert callable(call)
    with pytest.raises(error, match=message.replace("?", r"\?")):
        call()


def test_every_parameter_is_used_by_a_gradient_of_its_size() -> None:
    for cell in CELLS.values():
        network = Network(4, 3, 2, cell=cell, biases=2)
        found = [work for work in works(network) if work.purpose == "weights"]
        total = sum(work.term.value(network.sizes) for work in found)
        vectors = sum(prod(network.shape(p)) for p in network.parameters if p.role in ("peephole", "diagonal"))
        # A vector of weights takes a product and an addition an element.
        assert total == sum(prod(network.shape(p)) for p in network.parameters) + vectors
