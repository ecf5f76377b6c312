from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core import memory
from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.errors import DataError, NonFiniteError, TooLargeError
from rnn_calc.core.network import Network
from rnn_calc.core.vocabulary import INITS
from rnn_calc.core.weights import Init, draw, make_weights

every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
every_scheme = pytest.mark.parametrize("scheme", INITS)
seeds = st.integers(0, 2**63)

# Large enough for statistics: 40,000 recurrent and 20,000 input weights.
LARGE = Network(100, 200, 50)


@every_scheme
@every_cell
@given(seed=seeds, gain=st.floats(0.01, 10))
@settings(deadline=None, max_examples=10)
def test_the_gain_multiplies_whatever_multiplies_a_vector_and_no_bias(
    scheme: str, cell: Cell, seed: int, gain: float
) -> None:
    network = Network(3, 4, 2, cell=cell, layers=2)
    plain, scaled = (draw(network, Init(scheme, factor, seed)) for factor in (1.0, gain))
    for parameter in network.parameters:
        factor = 1.0 if "bias" in parameter.role else gain
        np.testing.assert_array_equal(scaled[parameter.name], plain[parameter.name] * factor)


@every_scheme
@every_cell
@given(
    seed=seeds,
    d_outs=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    biases=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    activation=st.sampled_from(["tanh", "relu"]),
)
@settings(deadline=None, max_examples=25)
def test_one_seed_gives_one_parameter_the_same_numbers_whatever_else_there_is(
    scheme: str, cell: Cell, seed: int, d_outs: tuple[int, int], biases: tuple[int, int], activation: str
) -> None:
    first = Network(3, 4, d_outs[0], cell=cell, biases=biases[0])
    second = Network(3, 4, d_outs[1], cell=cell, biases=biases[1], activation=activation)
    ours, theirs = (draw(network, Init(scheme, seed=seed)) for network in (first, second))
    for name in ours.keys() & theirs.keys():
        if ours[name].shape == theirs[name].shape:
            np.testing.assert_array_equal(ours[name], theirs[name])


@every_scheme
@every_cell
@given(seed=seeds, bidirectional=st.booleans(), layers=st.integers(1, 3))
@settings(deadline=None, max_examples=10)
def test_the_first_layer_of_a_stack_is_drawn_as_the_only_layer(
    scheme: str, cell: Cell, seed: int, bidirectional: bool, layers: int
) -> None:
    stack = Network(3, 4, cell=cell, layers=layers, bidirectional=bidirectional)
    ours = draw(stack, Init(scheme, seed=seed))
    theirs = draw(Network(3, 4, cell=cell), Init(scheme, seed=seed))
    mark = stack.stack[0][0].mark
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[f"{name}^{mark}" if mark else name], array)


@every_cell
def test_no_two_layers_or_directions_are_drawn_alike(cell: Cell) -> None:
    network = Network(5, 5, cell=cell, layers=3, bidirectional=True, merge="sum")
    arrays = [array for array in draw(network, Init("gaussian")).values() if array.ndim == 2]
    assert len(arrays) >= 6
    for position, array in enumerate(arrays):
        assert not any(np.array_equal(array, other) for other in arrays[position + 1 :])


@every_scheme
def test_another_seed_gives_other_matrices(scheme: str) -> None:
    first, second = (draw(LARGE, Init(scheme, seed=seed))["W_xh"] for seed in (0, 1))
    # Of 20,000 equal numbers in either, a share of 1 % would be far from chance.
    assert (first == second).mean() < 0.01


@every_scheme
def test_no_two_parameters_share_their_numbers(scheme: str) -> None:
    arrays = draw(Network(50, 50, 50), Init(scheme))
    assert not np.array_equal(arrays["W_xh"], arrays["W_hy"])
    assert not np.array_equal(arrays["W_xh"], arrays["W_hh"])


def test_gaussian_matrices_have_the_variance_of_one_over_the_fan_in() -> None:
    arrays = draw(LARGE, Init("gaussian", seed=5))
    for name, fan_in in (("W_xh", 100), ("W_hh", 200), ("W_hy", 200)):
        n = arrays[name].size
        scaled = arrays[name] * np.sqrt(fan_in)
        # Mean and variance of n standard normal numbers: standard errors 1/√n and √(2/n); five of them.
        assert abs(scaled.mean()) < 5 / np.sqrt(n)
        assert abs(scaled.var() - 1) < 5 * np.sqrt(2 / n)
    assert not arrays["b_h"].any()
    assert not arrays["b_y"].any()


def test_uniform_fills_the_interval_that_torch_fills() -> None:
    for name, array in draw(LARGE, Init("uniform")).items():
        limit = 1 / np.sqrt(200)
        assert np.abs(array).max() <= limit
        # The largest of n of them falls short of the limit by about 1/n; by twelve times that with a chance of e⁻¹².
        assert np.abs(array).max() > limit * (1 - 12 / array.size), name


def test_xavier_fills_the_interval_of_glorot_and_bengio() -> None:
    arrays = draw(LARGE, Init("xavier"))
    for name, fans in (("W_xh", 300), ("W_hh", 400), ("W_hy", 250)):
        limit = np.sqrt(6 / fans)
        assert limit * (1 - 12 / arrays[name].size) < np.abs(arrays[name]).max() <= limit
    assert not arrays["b_h"].any()


@given(seed=seeds, d_in=st.integers(1, 12), d_h=st.integers(1, 12), d_out=st.integers(1, 12))
@settings(deadline=None, max_examples=25)
def test_orthogonal_matrices_have_orthonormal_rows_or_columns(seed: int, d_in: int, d_h: int, d_out: int) -> None:
    arrays = draw(Network(d_in, d_h, d_out), Init("orthogonal", seed=seed))
    for matrix in (arrays["W_xh"], arrays["W_hh"], arrays["W_hy"]):
        short = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
        # Householder QR is orthogonal to a few n·u; 12 × 1.1e−16 × 10.
        np.testing.assert_allclose(short @ short.T, np.eye(len(short)), atol=1.4e-14)


def test_orthogonal_matrices_are_spread_evenly() -> None:
    # Without the sign correction the diagonal of Q is negative always (LAPACK's R has a negative diagonal).
    signs = [np.sign(draw(Network(1, 3), Init("orthogonal", seed=s))["W_hh"][0, 0]) for s in range(200)]
    # 200 fair coins: five standard deviations are 71.
    assert abs(sum(signs)) < 71


def test_identity_makes_the_recurrent_matrix_the_identity_times_the_gain() -> None:
    arrays = draw(Network(3, 4, 2), Init("identity", 0.5))
    np.testing.assert_array_equal(arrays["W_hh"], 0.5 * np.eye(4))
    np.testing.assert_array_equal(arrays["W_xh"], draw(Network(3, 4, 2), Init("gaussian", 0.5))["W_xh"])


@every_cell
def test_identity_makes_every_recurrent_matrix_of_a_gated_cell_the_identity(cell: Cell) -> None:
    network = Network(3, 4, cell=cell, layers=2, bidirectional=True)
    for parameter in network.parameters:
        if parameter.role in ("recurrent", "diagonal"):
            eye = np.eye(4) if parameter.role == "recurrent" else np.ones(4)
            np.testing.assert_array_equal(draw(network, Init("identity", 0.5))[parameter.name], 0.5 * eye)


def test_a_row_of_a_gaussian_embedding_has_entries_of_size_1() -> None:
    table = draw(Network(20, 2, vocab=1000), Init("gaussian", seed=3))["E"]
    assert table.shape == (1000, 20)
    # 20,000 standard normal numbers: the variance is known to √(2/n) = 1 %; five of them.
    assert abs(table.var() - 1) < 0.05


def test_an_unknown_init_is_answered_with_the_nearest() -> None:
    with pytest.raises(DataError, match=r"no init 'xavir'; it must be .* Did you mean xavier\?"):
        draw(Network(3, 4), Init("xavir"))


@every_scheme
def test_what_is_given_is_taken_and_the_rest_is_drawn(scheme: str) -> None:
    network, W_hh = Network(3, 4, 2), np.full((4, 4), 0.25)
    weights = make_weights(network, {"W_hh": W_hh}, Init(scheme, seed=3))
    np.testing.assert_array_equal(weights["W_hh"], W_hh)
    assert weights.drawn == ("W_xh", "b_h", "W_hy", "b_y")
    for name in weights.drawn:
        np.testing.assert_array_equal(weights[name], draw(network, Init(scheme, seed=3))[name])
    assert make_weights(network, weights.arrays).drawn == ()


def test_a_network_too_large_to_hold_is_refused_before_anything_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("memory was asked for")

    monkeypatch.setattr("rnn_calc.core.weights.draw", never)
    with pytest.raises(TooLargeError, match=r"2,000,000,001,000,000,000 parameters needs .* PiB"):
        make_weights(Network(10**9, 10**9))
    monkeypatch.setattr(memory, "physical_memory", lambda: 100)
    with pytest.raises(TooLargeError, match="A network of 32 parameters needs 512 bytes of memory"):
        make_weights(Network(4, 3, 2))


@pytest.mark.parametrize(("name", "nearest"), [("W_xhh", r" Did you mean W_xh\?"), ("w_HY", r" Did you mean W_hy\?")])
def test_a_name_given_to_make_weights_must_be_one_of_the_network(name: str, nearest: str) -> None:
    with pytest.raises(DataError, match=rf"^'{name}' is no parameter of .* has W_xh, W_hh, b_h, W_hy, b_y\.{nearest}"):
        make_weights(Network(4, 3, 2), {name: np.zeros((3, 4))})
    with pytest.raises(DataError, match=r"'W_hy' is no parameter of this network, which has W_xh, W_hh, b_h\."):
        make_weights(Network(4, 3), {"W_hy": np.zeros((2, 3))})


@every_cell
@pytest.mark.parametrize("biases", [0, 1, 2])
def test_a_shape_given_to_make_weights_must_be_the_one_of_the_equations(cell: Cell, biases: int) -> None:
    network = Network(5, 3, 2, cell=cell, biases=biases)
    for p in network.parameters:
        needs = tuple({"d_in": 5, "d_h": 3, "d_o": 3, "d_out": 2}[axis] for axis in p.axes)
        wrong = [needs[::-1]] if len(set(needs)) == 2 else []
        for shape in [*wrong, (*needs, 1), (), (7,)]:
            with pytest.raises(DataError) as caught:
                make_weights(network, {p.name: np.zeros(shape)})
            message = str(caught.value)
            assert message.startswith(f"{p.name} has shape {shape}; it needs (")
            assert f"= {needs}." in message
            assert ("It is transposed" in message) == (shape == needs[::-1] and shape != needs)


def test_what_is_given_becomes_float64_and_must_be_real_numbers() -> None:
    weights = make_weights(Network(2, 1), {"W_xh": np.array([[1, 2]]), "W_hh": [[True]]})  # type: ignore[dict-item]
    assert {array.dtype for array in weights.arrays.values()} == {np.dtype(np.float64)}
    assert (weights["W_xh"].tolist(), weights["W_hh"].tolist()) == ([[1.0, 2.0]], [[1.0]])
    for wrong in (np.array([[1j, 2]]), [["1", "2"]], [[1, 2], [3]], None):
        with pytest.raises(DataError, match="W_xh must be an array of real numbers"):
            make_weights(Network(2, 1), {"W_xh": wrong})  # type: ignore[dict-item]


@every_scheme
@pytest.mark.parametrize("gain", [np.inf, np.nan])
def test_a_gain_beyond_float64_is_refused_by_name(scheme: str, gain: float) -> None:
    with pytest.raises(NonFiniteError, match=rf"^A gain of {re.escape(f'{gain:g}')} takes W_\w+ beyond float64"):
        make_weights(Network(4, 3, 2), init=Init(scheme, gain))


def test_a_gain_that_overflows_is_refused_without_a_warning() -> None:
    with pytest.raises(NonFiniteError, match=r"^A gain of 1e\+308 takes W_xh beyond float64"):
        make_weights(Network(1, 100), init=Init("gaussian", 1e308))
