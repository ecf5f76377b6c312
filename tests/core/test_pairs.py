"""The triangle of norms between all pairs of steps."""

from __future__ import annotations

from math import inf, log, log10

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS
from rnn_calc.core.decay import gradient_decay
from rnn_calc.core.errors import DataError
from rnn_calc.core.network import Network
from rnn_calc.core.pairs import LONGEST, pair_decay
from rnn_calc.core.trace import trace
from rnn_calc.core.weights import Weights
from tests.core.drawing import plain_trace, random_arrays, sequence

seeds = st.integers(0, 10**6)
cells = st.sampled_from(sorted(CELLS))

# What is promised of every log₁₀ norm.
PROMISED = 1e-9


@given(cell=cells, seed=seeds, n=st.sampled_from([1, 3, 36]), T=st.integers(2, 20), data=st.data())
@settings(deadline=None, max_examples=30)
def test_each_row_of_the_triangle_is_the_decay_of_a_shorter_sequence(
    cell: str, seed: int, n: int, T: int, data: st.DataObject
) -> None:
    network = Network(2, n, cell=CELLS[cell])
    done = trace(network, Weights(random_arrays(network, seed)), sequence(seed, T, 2))
    state = data.draw(st.sampled_from(sorted(network.cell.state)))
    triangle = pair_decay(done, state=state).log10_norms
    t = data.draw(st.integers(2, T))
    shorter = trace(network, done.weights, done.x[:t])
    back = gradient_decay(shorter, states=[state]).log10_norms
    forward = gradient_decay(shorter, states=[state], family="forward").log10_norms
    np.testing.assert_allclose(triangle[t, t - 1 : 0 : -1], back, atol=PROMISED)
    np.testing.assert_allclose(triangle[1 : t + 1, 0], forward, atol=PROMISED)


@given(seed=seeds, n=st.sampled_from([2, 5, 36]), T=st.integers(3, 15))
@settings(deadline=None, max_examples=20)
def test_no_pair_passes_the_product_of_two_on_its_way(seed: int, n: int, T: int) -> None:
    network = Network(2, n)
    done = trace(network, Weights(random_arrays(network, seed, 1.2)), sequence(seed, T, 2))
    norms = pair_decay(done).log10_norms
    for t in range(T + 1):
        for m in range(t):
            for k in range(m):
                # J(t,k) = J(t,m)·J(m,k), so ‖J(t,k)‖ ≤ ‖J(t,m)‖·‖J(m,k)‖.
                assert norms[t, k] <= norms[t, m] + norms[m, k] + PROMISED


def test_the_triangle_of_a_scalar_has_its_powers_and_nothing_outside() -> None:
    found = pair_decay(plain_trace(np.array([[0.5]]), 6))
    for t in range(7):
        for k in range(7):
            value = found.log10_norms[t, k]
            assert np.isnan(value) if k >= t else value == pytest.approx((t - k) * log10(0.5), abs=1e-15)
    assert found.certificate.met


def test_exact_zeros_are_zeros() -> None:
    norms = pair_decay(plain_trace(np.array([[0.0, 100.0], [0.0, 0.0]]), 4)).log10_norms
    assert norms[4, 3] == pytest.approx(2, abs=1e-15)
    assert norms[4, :3].tolist() == [-inf] * 3


def test_units_that_saturate_beyond_float64_have_their_norms_too() -> None:
    weights = Weights({"W_xh": np.zeros((2, 1)), "W_hh": np.diag([1.0, 0.0]), "b_h": np.array([400.0, 0.0])})
    norms = pair_decay(trace(Network(1, 2), weights, np.zeros((3, 1)))).log10_norms
    # tanh′(a) = 4·exp(−2a) here, at a = 400, 401, 401.
    steps = (log(4) - 2 * np.array([400, 401, 401])) / log(10)
    for t in range(1, 4):
        for k in range(t):
            assert norms[t, k] == pytest.approx(steps[k:t].sum(), rel=1e-13)


def test_too_many_steps_and_unknown_states_are_refused() -> None:
    with pytest.raises(DataError, match="too many"):
        pair_decay(plain_trace(np.eye(1), LONGEST + 1))
    with pytest.raises(DataError, match="no state 'c'"):
        pair_decay(plain_trace(np.eye(1), 3), state="c")
