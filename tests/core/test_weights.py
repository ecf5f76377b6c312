from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core import memory
from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.conventions import CONVENTIONS, Convention, shape_of
from rnn_calc.core.errors import DataError, NonFiniteError, TooLargeError
from rnn_calc.core.network import Network
from rnn_calc.core.weights import (
    INITS,
    SCALINGS,
    Init,
    Weights,
    draw,
    fit_biases,
    make_weights,
    read_arrays,
    scale_recurrent,
    spectral_norm,
    spectral_radius,
    write_array,
)
from tests.core.drawing import random_arrays
from tests.references import Array

every_convention = pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=CONVENTIONS)
every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
every_scheme = pytest.mark.parametrize("scheme", INITS)
seeds = st.integers(0, 2**63)

# Large enough for statistics: 40,000 recurrent and 20,000 input weights.
LARGE = Network(100, 200, 50)


@every_scheme
@given(seed=seeds, gain=st.floats(0.01, 10))
@settings(deadline=None, max_examples=10)
def test_the_gain_multiplies_every_matrix_and_no_bias(scheme: str, seed: int, gain: float) -> None:
    network = Network(3, 4, 2)
    plain, scaled = (draw(network, Init(scheme, factor, seed)) for factor in (1.0, gain))
    for parameter in network.parameters:
        factor = gain if parameter.is_matrix else 1.0
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


@every_cell
@every_convention
@given(seed=st.integers(0, 10**6), d_in=st.integers(1, 5), d_h=st.integers(1, 5), d_out=st.integers(0, 5))
@settings(deadline=None, max_examples=20)
def test_arrays_are_read_as_the_convention_stores_them(
    convention: Convention, cell: Cell, seed: int, d_in: int, d_h: int, d_out: int
) -> None:
    network = Network(d_in, d_h, d_out, cell=cell, biases=convention.biases)
    canonical = random_arrays(network, seed)
    stored = {}
    for p in network.parameters:
        array = canonical[p.name]
        stored[convention.symbol(p)] = (array.T if convention.row_vectors else array).reshape(
            shape_of(convention.stored_axes(p), network.sizes)
        )
        np.testing.assert_array_equal(
            write_array(convention, p, array),
            stored[convention.symbol(p)].reshape(write_array(convention, p, array).shape),
        )
    read = read_arrays(network, convention, stored)
    assert read.keys() == canonical.keys()
    for name, array in read.items():
        np.testing.assert_array_equal(array, canonical[name])
        assert array.dtype == np.float64
        assert array.flags.c_contiguous


def test_a_row_convention_turns_its_matrices_and_not_its_biases() -> None:
    read = read_arrays(
        Network(3, 2), CONVENTIONS["keras"], {"kernel": np.array([[1, 2], [3, 4], [5, 6]]), "bias": np.array([7, 8])}
    )
    np.testing.assert_array_equal(read["W_xh"], [[1, 3, 5], [2, 4, 6]])
    np.testing.assert_array_equal(read["b_h"], [7, 8])


def test_a_flat_bias_is_read_where_vectors_are_columns() -> None:
    for bias in (np.array([1.0, 2.0]), np.array([[1.0], [2.0]])):
        np.testing.assert_array_equal(read_arrays(Network(3, 2), CONVENTIONS["wx"], {"b": bias})["b_h"], [1, 2])


@every_convention
def test_a_transposed_matrix_is_refused_with_both_shapes(convention: Convention) -> None:
    network = Network(5, 3, 2, biases=convention.biases)
    for p in network.parameters:
        needs = shape_of(convention.stored_axes(p), network.sizes)
        if p.is_matrix and len(set(needs)) == 2:
            with pytest.raises(DataError) as caught:
                read_arrays(network, convention, {convention.symbol(p): np.zeros(needs[::-1])})
            message = str(caught.value)
            assert message.startswith(f"{convention.symbol(p)} has shape {needs[::-1]}; ")
            assert f"= {needs}. It is transposed" in message


@pytest.mark.parametrize("shape", [(3,), (3, 4, 1), (2, 4), ()])
def test_any_other_shape_is_refused_without_calling_it_transposed(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"needs \(d_h, d_in\) = \(3, 4\)\.$"):
        read_arrays(Network(4, 3), CONVENTIONS["xh"], {"W_xh": np.zeros(shape)})


def test_an_unknown_symbol_is_answered_with_the_nearest() -> None:
    with pytest.raises(DataError, match=r"'W_xhh' is no parameter .* xh, which has W_xh, .*\. Did you mean W_xh"):
        read_arrays(Network(4, 3), CONVENTIONS["xh"], {"W_xhh": np.zeros((3, 4))})


@every_cell
def test_two_biases_become_one_by_adding_and_one_becomes_two_with_a_zero(cell: Cell) -> None:
    one, two = (Network(2, 3, 2, cell=cell, biases=biases) for biases in (1, 2))
    arrays = random_arrays(two, 0)
    merged = fit_biases(one, arrays)
    assert merged.keys() == {p.name for p in one.parameters}
    split = fit_biases(two, merged)
    assert split.keys() == arrays.keys()
    for p in two.parameters:
        if p.role == "bias":
            second = arrays[f"b_h{p.gate}"]
            np.testing.assert_array_equal(merged[p.name], arrays[p.name] + second)
            np.testing.assert_array_equal(split[p.name], merged[p.name])
            assert not split[f"b_h{p.gate}"].any()
        elif p.role != "recurrent_bias":
            np.testing.assert_array_equal(split[p.name], arrays[p.name])


def test_a_second_bias_without_a_first_stands_for_both() -> None:
    assert fit_biases(Network(2, 1), {"b_hh": np.array([3.0])}) == {"b_h": np.array([3.0])}


def test_a_network_without_biases_takes_a_bias_of_zero_and_no_other() -> None:
    bare, W = Network(2, 3, biases=0), np.ones((3, 3))
    zero = np.zeros(3)
    assert set(fit_biases(bare, {"W_hh": W, "b_h": zero, "b_hh": zero})) == {"W_hh"}
    # Two biases that cancel are none.
    assert set(fit_biases(bare, {"W_hh": W, "b_h": zero + 1, "b_hh": zero - 1})) == {"W_hh"}
    for name in ("b_h", "b_hh"):
        with pytest.raises(DataError, match="b_h is not zero, but this network has no biases"):
            fit_biases(bare, {name: zero + 1})


def test_a_name_that_no_bias_rule_knows_is_left_for_make_weights_to_refuse() -> None:
    for biases in (0, 1, 2):
        network = Network(2, 3, biases=biases)
        fitted = fit_biases(network, {"W_xx": np.ones((3, 2))})
        assert set(fitted) == {"W_xx"}
        with pytest.raises(DataError, match="'W_xx' is no parameter"):
            make_weights(network, fitted)


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
        needs = tuple({"d_in": 5, "d_h": 3, "d_out": 2}[axis] for axis in p.axes)
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


def measured(measure: str, matrix: Array) -> float:
    if measure == "spectral radius":
        return float(np.abs(np.linalg.eigvals(matrix)).max())
    return float(np.sqrt(np.linalg.eigvalsh(matrix.T @ matrix)[-1]))


@pytest.mark.parametrize("measure", SCALINGS)
@given(seed=st.integers(0, 10**6), d_h=st.integers(1, 20), target=st.floats(1e-6, 1e6))
@settings(deadline=None, max_examples=25)
def test_scaling_hits_its_target_and_changes_nothing_but_the_size(
    measure: str, seed: int, d_h: int, target: float
) -> None:
    weights = Weights(random_arrays(Network(2, d_h), seed))
    scaled = scale_recurrent(weights, measure, target)
    # Eigenvalues of a random matrix are good to about n·κ·u; 1e−9 leaves room for κ = 1e5.
    assert measured(measure, scaled["W_hh"]) == pytest.approx(target, rel=1e-9)
    ratio = scaled["W_hh"] / weights["W_hh"]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-15)
    for name in ("W_xh", "b_h"):
        assert scaled[name] is weights[name]
    assert f"{measure} {target:g}" in scaled.scaling


@pytest.mark.parametrize("matrix", [[[0, 100], [0, 0]], [[0, 0], [3, 0]], [[0, 0], [0, 0]]])
def test_no_factor_gives_a_nilpotent_matrix_a_spectral_radius(matrix: list[list[float]]) -> None:
    weights = Weights({"W_hh": np.array(matrix, dtype=float)})
    with pytest.raises(DataError, match=r"spectral radius of 0, so no factor can make it 0\.9"):
        scale_recurrent(weights, "spectral radius", 0.9)


def test_a_nilpotent_matrix_has_a_spectral_norm_that_can_be_scaled() -> None:
    scaled = scale_recurrent(Weights({"W_hh": np.array([[0.0, 100.0], [0.0, 0.0]])}), "spectral norm", 0.5)
    # One quotient and one product: two roundings.
    np.testing.assert_allclose(scaled["W_hh"], np.array([[0.0, 0.5], [0.0, 0.0]]), rtol=4e-16)


def nilpotent(n: int, seed: int) -> Array:
    """A dense nilpotent matrix of integers, exactly: S N S⁻¹ for unit triangular S and a shift N."""
    rng = np.random.default_rng(seed)
    S, inverse = np.eye(n, dtype=int), np.eye(n, dtype=int)
    for _ in range(2 * n):
        i, j = rng.choice(n, 2, replace=False)
        S[:, j] += S[:, i]  # S E with E = 1 + e_i e_jᵀ, and E⁻¹ S⁻¹
        inverse[i] -= inverse[j]
    matrix = S @ np.eye(n, k=1, dtype=int) @ inverse
    assert not np.linalg.matrix_power(matrix, n).any()
    assert np.abs(matrix).max() < 2**50
    return matrix.astype(np.float64)


@pytest.mark.parametrize("target", [0.9, 1.0, 2.0**-10])
@pytest.mark.parametrize("matrix", [[[1, -1], [1, -1]], [[2, -1], [4, -2]]])
def test_a_radius_that_is_rounding_noise_counts_as_zero(matrix: list[list[float]], target: float) -> None:
    W = np.array(matrix, dtype=float)
    assert not (W @ W).any()
    with pytest.raises(DataError, match=r"spectral radius of 0, so no factor"):
        scale_recurrent(Weights({"W_hh": W}), "spectral radius", target)


@given(seed=seeds, n=st.integers(2, 12))
@settings(deadline=None, max_examples=60)
def test_a_dense_nilpotent_matrix_is_not_blown_up(seed: int, n: int) -> None:
    with pytest.raises(DataError, match=r"spectral radius of 0, so no factor"):
        scale_recurrent(Weights({"W_hh": nilpotent(n, seed)}), "spectral radius", 0.9)


@pytest.mark.parametrize(
    ("matrix", "radius"),
    [
        ([[0.9, 5.0], [0.0, 0.9]], 0.9),
        ([[0.0, 100.0], [1e-20, 0.0]], 1e-9),
        ([[1e-30, 1e30], [0.0, 1e-31]], 1e-30),
        ([[2.8, 1.0], [-1.0, 0.8]], 1.8),
    ],
)
def test_a_small_or_repeated_eigenvalue_is_no_noise(matrix: list[list[float]], radius: float) -> None:
    scaled = scale_recurrent(Weights({"W_hh": np.array(matrix)}), "spectral radius", 1.0)
    # A double eigenvalue is known to √(κ·u), about 3e−8.
    np.testing.assert_allclose(scaled["W_hh"], np.array(matrix) / radius, rtol=1e-7)


@pytest.mark.parametrize("measure", SCALINGS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_measure_of_what_is_not_finite_is_refused_with_its_place(measure: str, bad: float) -> None:
    matrix = np.eye(3)
    matrix[1, 2] = bad
    with pytest.raises(NonFiniteError, match=rf"has {bad:g} in row 2, column 3; a {measure} needs finite"):
        scale_recurrent(Weights({"W_hh": matrix}), measure, 0.9)
    for function in (spectral_radius, spectral_norm):
        with pytest.raises(NonFiniteError):
            function(matrix)


@pytest.mark.parametrize(
    ("measure", "matrix", "target"),
    [
        ("spectral radius", [[1.0, 50.0], [0.0, 0.5]], 1e308),  # the 50 would be 5e309
        ("spectral radius", [[1e-5, 0.0], [0.0, 1e-5]], 5e-324),
        ("spectral norm", [[1e-5, 0.0], [0.0, 1e-5]], 5e-324),
        ("spectral norm", [[1e-320, 0.0], [0.0, 1e-320]], 1e308),  # the factor would be 1e628
    ],
)
def test_a_target_that_leaves_float64_is_refused_without_a_warning(
    measure: str, matrix: list[list[float]], target: float
) -> None:
    message = re.escape(f"W_hh with a {measure} of {target:g} would leave the range of float64")
    with pytest.raises(NonFiniteError, match=message):
        scale_recurrent(Weights({"W_hh": np.array(matrix)}), measure, target)


@pytest.mark.parametrize("target", [0.0, -1.0, np.nan, np.inf])
def test_a_target_is_a_number_above_0(target: float) -> None:
    with pytest.raises(DataError, match="must be a number above 0"):
        scale_recurrent(Weights({"W_hh": np.eye(2)}), "spectral radius", target)


def test_an_unknown_measure_is_answered_with_the_choices() -> None:
    with pytest.raises(DataError, match=r"no measure 'radius'; it must be spectral radius or spectral norm"):
        scale_recurrent(Weights({"W_hh": np.eye(2)}), "radius", 0.9)


@every_scheme
@pytest.mark.parametrize("gain", [np.inf, np.nan])
def test_a_gain_beyond_float64_is_refused_by_name(scheme: str, gain: float) -> None:
    with pytest.raises(NonFiniteError, match=rf"^A gain of {re.escape(f'{gain:g}')} takes W_\w+ beyond float64"):
        make_weights(Network(4, 3, 2), init=Init(scheme, gain))


def test_a_gain_that_overflows_is_refused_without_a_warning() -> None:
    with pytest.raises(NonFiniteError, match=r"^A gain of 1e\+308 takes W_xh beyond float64"):
        make_weights(Network(1, 100), init=Init("gaussian", 1e308))
