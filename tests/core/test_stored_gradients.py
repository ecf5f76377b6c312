from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.gradients import Gradients, backpropagate
from rnn_calc.core.lag_shares import lag_gradients
from rnn_calc.core.losses import Loss
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.storage import read_arrays
from rnn_calc.core.stored_gradients import (
    Clipping,
    LagShares,
    all_together,
    lag_shares,
    log10_norm_of,
    stored_gradients,
)
from rnn_calc.core.trace import trace
from tests.core.drawing import random_weights, sequence


def some_gradients(cell: str = "lstm", steps: int = 6, **sizes: object) -> Gradients:
    network = Network(2, 3, 2, cell=CELLS[cell], **sizes)  # type: ignore[arg-type]
    run = trace(network, random_weights(network, 5), sequence(5, steps, 2))
    return backpropagate(run, Loss("mse", sequence(6, steps, 2)))


def test_a_stored_gradient_has_the_layout_of_the_weights_it_belongs_to() -> None:
    found = some_gradients(biases=2)
    notation = Notation(found.trace.network, CONVENTIONS["pytorch"])
    stored = stored_gradients(found, notation)
    assert [own.symbol for own in stored] == [one.symbol for one in notation.stored]
    back = read_arrays(found.trace.network, CONVENTIONS["pytorch"], {own.symbol: own.array for own in stored})
    for name, array in found.parameters.items():
        np.testing.assert_array_equal(back[name], array)


def test_norms_and_shares_of_joined_parameters_are_those_of_one_long_vector() -> None:
    found = some_gradients()
    whole = np.concatenate([array.ravel() for array in found.parameters.values()])
    steps = [np.concatenate([found.step_gradient(name, t).ravel() for name in found.parameters]) for t in range(1, 7)]
    norm, shares, norms = all_together(found)
    np.testing.assert_allclose(10**norm, np.linalg.norm(whole), rtol=1e-13)
    np.testing.assert_allclose(10**norms, [np.linalg.norm(step) for step in steps], rtol=1e-13)
    np.testing.assert_allclose(shares, [step @ whole / (whole @ whole) for step in steps], rtol=1e-12, atol=1e-15)
    lags = LagShares.joined(list(lag_shares(found).values()))
    np.testing.assert_allclose(10 ** lags.log10_kept[-1], np.linalg.norm(whole), rtol=1e-13)
    np.testing.assert_allclose(lags.shares.sum(), 1, rtol=1e-13)
    np.testing.assert_allclose(np.cumsum(lags.shares), lags.cumulative, rtol=1e-12)


@pytest.mark.parametrize("most", [None, 30])
def test_a_tiny_angle_between_truncated_and_full_is_as_exact_as_a_large_one(most: int | None) -> None:
    found = some_gradients("rnn", 40)
    shares = LagShares.joined(list(lag_shares(found, most).values()))
    lags = [own.gradients for own in lag_gradients(found.trace, found.loss_function)]
    vectors = [np.concatenate([own[name].array.ravel() for name in found.parameters]) for own in lags]
    with mpmath.workdps(60):
        exact = [[mpmath.mpf(float(number)) for number in vector] for vector in vectors]
        whole = [mpmath.fsum(column) for column in zip(*exact, strict=True)]
        size = mpmath.norm(whole)
        for k in range(0, 30, 3):
            kept = [mpmath.fsum(column) for column in zip(*exact[: k + 1], strict=True)]
            expected = float(mpmath.acos(mpmath.fdot(kept, whole) / (mpmath.norm(kept) * size)))
            # Beyond a lag that is not looked at, the difference is that of two float64 sums.
            np.testing.assert_allclose(shares.angles[k], expected, rtol=1e-6, atol=0 if most is None else 1e-14)


@given(st.lists(st.floats(-400, 400) | st.just(-np.inf), min_size=1, max_size=6))
@settings(deadline=None)
def test_the_norm_of_parts_is_at_least_the_largest_and_at_most_root_n_of_it(parts: list[float]) -> None:
    norm = log10_norm_of(parts)
    if max(parts) == -np.inf:
        assert norm == -np.inf
    else:
        assert max(parts) - 1e-12 <= norm <= max(parts) + np.log10(len(parts)) / 2 + 1e-12


def test_what_comes_after_a_lag_keeps_its_digits_far_below_rounding() -> None:
    network = Network(1, 1, activation="identity")
    weights = random_weights(network, 0)
    weights.arrays["W_hh"][:] = 1e-4
    run = trace(network, weights, np.ones((12, 1)))
    shares = lag_shares(backpropagate(run, Loss("last")))["W_xh"]
    # The gradient is Σ 1e-4^lag; what comes after lag k is 1e-4^(k+1) of it, but for 1e-4.
    expected = [1e-4 ** (k + 1) for k in range(11)]
    np.testing.assert_allclose(shares.relative_differences[:-1], expected, rtol=2e-4)
    assert shares.relative_differences[-1] == 0


def test_lags_up_to_k_are_the_first_of_all_lags() -> None:
    found = some_gradients("gru")
    every, some = lag_shares(found), lag_shares(found, 2)
    for name in every:
        assert len(some[name].lags) == 3
        np.testing.assert_allclose(some[name].shares, every[name].shares[:3], rtol=1e-12)
        np.testing.assert_allclose(
            some[name].relative_differences, every[name].relative_differences[:3], rtol=1e-9, atol=1e-14
        )


@pytest.mark.parametrize(("before", "factor"), [(2.0, 0.5 / (2 + 1e-6)), (0.25, 1.0), (0.0, 1.0)])
def test_clipping_divides_by_the_norm_and_a_millionth(before: float, factor: float) -> None:
    with np.errstate(divide="ignore"):
        clipping = Clipping(0.5, float(np.log10(before)))
    assert clipping.factor == pytest.approx(factor, rel=1e-14)


def test_clipping_a_norm_beyond_float64_has_a_logarithm() -> None:
    clipping = Clipping(1.0, 4000.0)
    assert (clipping.factor, clipping.log10_factor, clipping.log10_after) == (0, -4000, 0)


def test_clipping_to_next_to_nothing_has_a_logarithm() -> None:
    clipping = Clipping(1e-300, 200.0)
    assert clipping.log10_factor == pytest.approx(-500, abs=1e-12)
    assert clipping.log10_after == pytest.approx(-300, abs=1e-12)
