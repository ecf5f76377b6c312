from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.equations import ACTIVATIONS, COMPLEMENT, MAX_SLOPE
from rnn_calc.core.functions import ELEMENTWISE, apply_function, lifted_slopes, slopes
from tests import references
from tests.references import mp_sigmoid_slope, mp_tanh_slope

every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)


def test_every_activation_is_an_elementwise_function() -> None:
    assert set(ELEMENTWISE) - {COMPLEMENT} == set(ACTIVATIONS) == set(references.ACTIVATIONS)


@every_activation
@given(a=st.floats(-700, 700))
def test_an_activation_is_what_plain_numpy_makes_of_its_formula(activation: str, a: float) -> None:
    z = np.array([a])
    # One rounding in exp, sum and quotient each: a few u.
    np.testing.assert_allclose(apply_function(activation, z), references.ACTIVATIONS[activation](z), rtol=1e-15)


@every_activation
@given(a=st.floats(-40, 40))
def test_no_slope_passes_the_gamma_of_its_function(activation: str, a: float) -> None:
    slope = slopes(activation, np.array([a]))[0]
    # Quotient and square round by some u.
    assert 0 <= slope <= MAX_SLOPE[activation] * (1 + 1e-15)


@pytest.mark.parametrize(("function", "oracle"), [("tanh", mp_tanh_slope), ("sigmoid", mp_sigmoid_slope)])
@given(a=st.floats(-40, 40))
@settings(deadline=None, max_examples=200)
def test_a_slope_keeps_its_digits_where_the_function_saturates(function: str, oracle: object, a: float) -> None:
    assert callable(oracle)
    slope, exact = slopes(function, np.array([a]))[0], oracle(a)
    # exp, sum, square and quotient: a few u of 1.1e−16 each.
    assert abs(mpmath.mpf(slope) / exact - 1) < 1e-14


@given(v=st.floats(-1e300, 1e300))
def test_a_complement_is_one_subtraction_and_its_slope_minus_one(v: float) -> None:
    assert apply_function(COMPLEMENT, np.array([v]))[0] == 1 - v
    assert slopes(COMPLEMENT, np.array([v]))[0] == -1


def test_the_slope_of_a_relu_is_zero_at_zero_and_one_above() -> None:
    np.testing.assert_array_equal(slopes("relu", np.array([-1.0, 0.0, 5e-324, 2.0])), [0, 0, 1, 1])


@every_activation
def test_nothing_far_out_gives_a_warning(activation: str) -> None:
    # NumPy's own state, where everything is fatal, stands for a caller that has none of its own.
    z = np.array([[-np.inf, -80000.0, -1e308, 1e308, 80000.0, np.inf, np.nan]])
    with np.errstate(all="raise"):
        value, slope = apply_function(activation, z)[0], slopes(activation, z)[0]
        lifted_slopes(activation, z)
    ends = {"tanh": (-1, 1), "sigmoid": (0, 1), "relu": (0, np.inf), "identity": (-np.inf, np.inf)}[activation]
    assert (value[0], value[5]) == ends
    assert np.isnan(value[6])
    steep = {"tanh": (0, 0), "sigmoid": (0, 0), "relu": (0, 1), "identity": (1, 1)}[activation]
    assert [(slope[1], slope[4]), (slope[2], slope[3])] == [steep, steep]
