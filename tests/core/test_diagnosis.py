from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.diagnosis import diagnose
from rnn_calc.core.errors import UsageError
from rnn_calc.core.network import Network
from rnn_calc.core.shapes import ShapeReport, shapes
from tests.core.random_networks import written_networks

WITH_RNN = [c for c in CONVENTIONS.values() if not c.is_framework or "rnn" in c.cells]
every_convention = pytest.mark.parametrize("convention", WITH_RNN, ids=[c.name for c in WITH_RNN])


def report(
    convention: str = "xh",
    d_in: int = 4,
    d_h: int = 3,
    d_out: int = 2,
    steps: int | None = None,
    cell: str = "rnn",
    **parts: int | bool,
) -> ShapeReport:
    rule = CONVENTIONS[convention]
    network = Network(d_in, d_h, d_out, CELLS[cell], biases=rule.biases(CELLS[cell]), **parts)  # type: ignore[arg-type]
    return shapes(network, rule, steps=steps, batch=steps)


@given(written=written_networks(), data=st.data())
@settings(deadline=None, max_examples=60)
def test_every_tensor_and_every_gates_part_fits_itself(
    written: tuple[Network, Convention], data: st.DataObject
) -> None:
    made = shapes(*written, steps=5, batch=7)
    for row in made.rows:
        assert diagnose(made, row.symbol, row.shape).fits
    if made.network.parameters:
        parameter = data.draw(st.sampled_from(made.network.parameters))
        column = made.network.shape(parameter)
        turned = column[::-1] if made.notation.transposes(parameter) else column
        symbol = made.notation.symbol(parameter)
        if made.tensor(symbol) is None:
            assert diagnose(made, symbol, made.notation.column(turned)).fits


@given(written=written_networks(), shape=st.lists(st.integers(-1, 20), max_size=4), data=st.data())
@settings(deadline=None, max_examples=150)
def test_any_other_shape_has_a_reason(
    written: tuple[Network, Convention], shape: list[int], data: st.DataObject
) -> None:
    made = shapes(*written, steps=5, batch=7)
    row = data.draw(st.sampled_from(made.rows))
    for got in (tuple(shape), row.shape[::-1], row.shape[1:], tuple(2 * size for size in row.shape)):
        found = diagnose(made, row.symbol, got)
        assert found.fits == (got == row.shape)
        assert found.needs == row.shape
        assert found.reason
        assert (found.reason == "fits") == found.fits


@given(written=written_networks(), other=written_networks(), data=st.data())
@settings(deadline=None, max_examples=80)
def test_any_symbol_of_any_other_network_is_answered(
    written: tuple[Network, Convention], other: tuple[Network, Convention], data: st.DataObject
) -> None:
    made = shapes(*written)
    row = data.draw(st.sampled_from(shapes(*other, steps=5, batch=7).rows))
    if made.tensor(row.symbol) is None and row.symbol not in map(made.notation.symbol, made.network.parameters):
        with pytest.raises(UsageError):
            diagnose(made, row.symbol, row.shape)


@every_convention
def test_a_transposed_matrix_is_called_transposed(convention: Convention) -> None:
    made = report(convention.name)
    for row in made.parameters:
        if "1" not in row.axes and len(set(row.shape)) == 2:
            reason = diagnose(made, row.symbol, row.shape[::-1]).reason
            have, needs = (f"({', '.join(axes)})" for axes in (row.axes[::-1], row.axes))
            assert reason.startswith(f"transposed: you have {have}, this convention needs {needs}; stored your way in ")
            named = reason.rpartition(" in ")[2].replace(" and ", ", ").split(", ")
            # ONNX's own have an axis more, but its readout has none.
            others = [c.name for c in WITH_RNN if c.row_vectors != convention.row_vectors]
            assert named == [name for name in others if name != "onnx" or row.role.startswith("takes the hidden")]


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
        ("onnx", "W", (1, 9, 5), "9 = 3·3: a GRU's three gates stacked?"),
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
        "its axes are in another order: you have (T, B, d_in), this convention needs (B, T, d_in); "
        "--time-first exchanges time and batch"
    )


REASONS = [
    (
        {"convention": "pytorch", "cell": "gru"},
        "weight_ih_l0",
        (12, 4),
        "axis 1 is 12, it needs 3·hidden_size = 9; 12 = 4·hidden_size: an LSTM's four gates; gru has 3",
    ),
    (
        {"convention": "pytorch", "cell": "gru"},
        "weight_ih_l0",
        (3, 4),
        "axis 1 is 3, it needs 3·hidden_size = 9; 3 is hidden_size: one gate alone; this convention joins 3",
    ),
    (
        {"convention": "pytorch", "cell": "lstm"},
        "weight_ih_l0",
        (4, 12),
        "transposed: you have (input_size, 4·hidden_size), this convention needs (4·hidden_size, input_size); "
        "stored your way in keras",
    ),
    (
        {"convention": "keras", "cell": "gru"},
        "kernel",
        (9, 4),
        "transposed: you have (3·units, input_dim), this convention needs (input_dim, 3·units); "
        "stored your way in pytorch (gates r z n) and equinox (gates r z n)",
    ),
    (
        {"convention": "onnx", "cell": "lstm"},
        "W",
        (12, 4),
        "the axis of the directions is missing; this convention writes (1, 4·hidden_size, input_size) = (1, 12, 4): "
        "reshape it, no number changes",
    ),
    (
        {"convention": "onnx", "cell": "lstm", "bidirectional": True},
        "W",
        (12, 4),
        "it has 2 axes; W has 3 axes: (2, 4·hidden_size, input_size); this is one direction: forward and backward lie "
        "on the first axis",
    ),
    (
        {"convention": "onnx", "cell": "lstm"},
        "B",
        (1, 12),
        "axis 2 is 12, it needs 8·hidden_size = 24; 12 = 4·hidden_size: one bias a gate; this convention joins both",
    ),
    (
        {"convention": "keras", "cell": "gru"},
        "bias",
        (9,),
        "it has 1 axis; bias has 2 axes: (2, 3·units); this is one bias a gate: the input's and the recurrent part's "
        "lie on the first axis",
    ),
    (
        {"convention": "pytorch", "cell": "lstm", "layers": 2, "bidirectional": True},
        "weight_ih_l1",
        (12, 3),
        "axis 2 is 3, it needs 2·hidden_size = 6; 3 is hidden_size, of one direction; both are joined here",
    ),
    (
        {"convention": "pytorch", "cell": "lstm", "layers": 2},
        "weight_ih_l1",
        (12, 6),
        "axis 2 is 6, it needs hidden_size = 3; 6 = 2·hidden_size: both directions joined? the network has one",
    ),
    (
        {"convention": "pytorch", "cell": "lstm", "d_out": 7, "steps": 5, "layers": 2, "bidirectional": True},
        "h_n",
        (2, 5, 3),
        "axis 1 is 2, it needs 2·num_layers = 4; 2 is num_layers",
    ),
    (
        {"convention": "pytorch", "cell": "lstm", "steps": 5, "layers": 2, "bidirectional": True},
        "h_n",
        (5, 4, 3),
        "its axes are in another order: you have (B, 2·num_layers, hidden_size), this convention needs "
        "(2·num_layers, B, hidden_size); batch_first leaves the states as they are",
    ),
    (
        {"convention": "onnx", "cell": "lstm", "steps": 5, "bidirectional": True},
        "Y",
        (5, 5, 6),
        "it has 3 axes; Y has 4 axes: (T, num_directions, B, hidden_size); the directions are joined in yours, and "
        "stay apart here",
    ),
    ({"convention": "pytorch", "cell": "lstm"}, "weight_ih_l0[i]", (3, 5), "axis 2 is 5, it needs input_size = 4"),
]


@pytest.mark.parametrize(("network", "symbol", "got", "reason"), REASONS)
def test_a_wrong_stored_array_or_sequence_is_explained(
    network: dict[str, str], symbol: str, got: tuple[int, ...], reason: str
) -> None:
    assert diagnose(report(**network), symbol, got).reason == reason  # type: ignore[arg-type]
