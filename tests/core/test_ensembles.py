"""An ensemble's quartiles and counts are those of its members."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rnn_calc.core.decay import Decay, gradient_decay
from rnn_calc.core.ensembles import EnsembleDecay, quantile
from rnn_calc.core.errors import DataError
from rnn_calc.core.network import Network
from rnn_calc.core.trace import trace
from rnn_calc.core.weights import Weights, make_weights


def scalar_decay(weight: float, steps: int = 5) -> Decay:
    """The decay of h_t = w h_{t−1}: w^lag."""
    network = Network(1, 1, 0, activation="identity")
    drawn = make_weights(network)
    given_arrays = {name: np.zeros_like(array) for name, array in drawn.arrays.items()}
    (recurrent,) = (p.name for p in network.parameters if p.role == "recurrent")
    given_arrays[recurrent] = np.array([[weight]])
    done = trace(network, Weights(given_arrays), np.zeros((steps, 1)))
    return gradient_decay(done).decays[0]


def test_three_scalar_networks_have_the_middle_one_as_their_median() -> None:
    ensemble = EnsembleDecay(tuple(map(scalar_decay, (0.1, 10.0, 1.0))))
    lower, median, upper = ensemble.quartiles
    lags = np.array(ensemble.lags)
    # The quartiles of −lag, 0 and lag.
    assert np.allclose(median, 0, atol=1e-14)
    assert np.allclose(lower, -lags / 2, rtol=1e-13)
    assert np.allclose(upper, lags / 2, rtol=1e-13)
    assert [ensemble.count(verdict) for verdict in ("vanishing", "steady", "exploding")] == [1, 1, 1]
    assert ensemble.rates == pytest.approx((0.55, 1.0, 5.5), rel=1e-12)


def test_an_exact_zero_is_below_every_other_norm() -> None:
    ensemble = EnsembleDecay(tuple(map(scalar_decay, (0.0, 0.0, 0.5, 0.5))))
    lower, median, upper = ensemble.quartiles
    assert (lower == -inf).all()
    assert (median == -inf).all()
    assert np.allclose(upper, np.array(ensemble.lags) * np.log10(0.5), rtol=1e-13)


def test_half_of_the_members_below_the_threshold_is_the_median_lag() -> None:
    # 0.1^lag is below 0.001 first at lag 4, 0.01^lag at lag 2, 1 never.
    def first(*weights: float) -> int | None:
        return EnsembleDecay(tuple(scalar_decay(weight, 9) for weight in weights)).median_first_below

    assert first(0.01, 1.0) == 2
    assert first(0.01, 0.09, 1.0) == 3
    assert first(0.01, 1.0, 1.0) is None


@given(arrays(np.float64, (7, 3), elements=st.floats(-1e6, 1e6)), st.sampled_from([0.25, 0.5, 0.75, 0.1]))
def test_quantiles_of_finite_numbers_are_numpy_s(values: np.ndarray, share: float) -> None:
    # Two roundings of numbers up to 1e6.
    assert np.allclose(quantile(values, share), np.quantile(values, share, axis=0), rtol=1e-12, atol=1e-9)


def test_decays_of_different_lengths_are_no_ensemble() -> None:
    with pytest.raises(DataError, match="as many lags each"):
        EnsembleDecay((scalar_decay(1.0, 4), scalar_decay(1.0, 5)))
