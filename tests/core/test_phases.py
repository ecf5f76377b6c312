from __future__ import annotations

from itertools import pairwise
from math import inf, log

import numpy as np
import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.decay import gradient_decay
from rnn_calc.core.lyapunov import lyapunov_exponents
from rnn_calc.core.network import Network
from rnn_calc.core.phases import OUTGROWN, PHASES, Measurement, Phase, measure, measuring_bytes, summarize
from rnn_calc.core.trace import Trace, trace
from rnn_calc.core.weights import Weights
from tests.core.drawing import plain_trace, random_weights, sequence
from tests.references import Array


def gaussian(n: int, gain: float, seed: int = 0) -> Array:
    return np.asarray(gain * np.random.default_rng(seed).standard_normal((n, n)) / np.sqrt(n))


def started(W: Array, activation: str, steps: int = 200) -> Trace:
    """The network on its own, from a random state."""
    return plain_trace(W, steps, activation=activation, h0=np.random.default_rng(1).standard_normal(len(W)))


@pytest.mark.parametrize(
    ("run", "phase"),
    [
        (started(0.5 * np.linalg.qr(gaussian(20, 1.0))[0], "identity"), "vanishing"),
        (started(np.linalg.qr(gaussian(20, 1.0))[0], "identity"), "steady"),
        (started(1.5 * np.linalg.qr(gaussian(20, 1.0))[0], "identity"), "exploding"),
        # Sompolinsky, Crisanti, Sommers 1988: chaos in a large tanh network on its own beyond a gain of 1.
        (started(gaussian(150, 3.0), "tanh"), "chaotic"),
        (started(gaussian(150, 0.5), "tanh"), "vanishing"),
        # From h = 0 the same network never leaves its point of rest, which is unstable: no chaos there.
        (plain_trace(gaussian(150, 3.0), 200, activation="tanh"), "exploding"),
        # 3·I saturates, whatever its spectral radius.
        (started(3.0 * np.eye(5), "tanh"), "vanishing"),
        (started(gaussian(100, 3.0), "relu"), "exploding"),
    ],
)
def test_known_networks_are_in_their_phase(run: Trace, phase: Phase) -> None:
    assert measure(run).phase == phase


def test_a_linear_network_is_never_chaotic_however_it_is_driven() -> None:
    network = Network(3, 10, activation="identity")
    for seed in range(20):
        run = trace(network, random_weights(network, seed, 1.2), sequence(seed, 60, 3))
        assert measure(run).phase != "chaotic"


def test_a_cell_state_that_adds_up_is_no_chaos() -> None:
    # With its forget gate wide open an LSTM counts: c grows for as long as it is driven, and its exponent is above 0.
    network = Network(4, 32, cell=CELLS["lstm"])
    drawn = random_weights(network, 0, 0.1).arrays
    open_gate = Weights(drawn | {"b_f": np.full(32, 8.0)})
    found = measure(trace(network, open_gate, sequence(0, 200, 4)))
    assert found.phase != "chaotic"


def test_the_numbers_are_those_of_gradient_decay_and_of_the_largest_exponent() -> None:
    network = Network(2, 6, cell=CELLS["lstm"])
    run = trace(network, random_weights(network, 3, 2.0), sequence(3, 50, 2))
    found, decay, exponents = measure(run), gradient_decay(run), lyapunov_exponents(run, count=1)
    assert found.log10_norm == decay.log10_norms[-1]
    assert (found.rate_per_step, found.verdict) == (decay.rate_per_step, decay.verdict)
    assert (found.lyapunov, found.lyapunov_error) == (exponents.largest, exponents.largest_error)


def test_an_exact_zero_is_a_logarithm_of_minus_infinity() -> None:
    found = measure(plain_trace(np.array([[0.0, 100.0], [0.0, 0.0]]), 10))
    assert (found.log10_norm, found.lyapunov, found.lyapunov_error) == (-inf, -inf, None)
    assert found.phase == "vanishing"


def test_two_steps_are_enough_to_be_measured_and_too_few_for_chaos() -> None:
    found = measure(started(gaussian(50, 3.0), "tanh", steps=2))
    assert found.phase != "chaotic"


def run_of(norm: float, phase: Phase = "vanishing") -> Measurement:
    verdict = "exploding" if phase == "chaotic" else phase
    return Measurement(norm, 0.5, verdict, log(0.5), 0.1, phase)


def test_several_runs_of_a_point_have_a_median_and_the_phase_of_most() -> None:
    runs = [run_of(-3.0), run_of(2.0, "chaotic"), run_of(-1.0, "steady"), run_of(4.0, "chaotic"), run_of(-inf)]
    found = summarize([*runs, run_of(5.0, "chaotic")])
    assert found.log10_norm == 0.5
    assert (found.phase, found.agreeing, found.runs, found.outgrown) == ("chaotic", 3, 6, 0)
    assert found.verdict == "exploding"


def test_a_tie_is_the_calmer_phase() -> None:
    for calm, wild in pairwise(PHASES):
        assert summarize([run_of(1.0, wild), run_of(1.0, calm)]).phase == calm


def test_medians_are_over_the_runs_that_have_numbers() -> None:
    found = summarize([OUTGROWN, run_of(2.0, "exploding"), OUTGROWN])
    assert (found.log10_norm, found.outgrown, found.phase) == (2.0, 2, "exploding")
    assert summarize([OUTGROWN]).log10_norm is None


def test_memory_grows_with_the_square_of_the_state_and_with_the_steps() -> None:
    small, large = (measuring_bytes(Network(1, n), 10) for n in (1000, 2000))
    assert 3.5 < large / small < 4.5
    assert measuring_bytes(Network(4, 8), 10**9) > 10**9 * 8 * 8
    assert measuring_bytes(Network(1, 10**12), 2) > 10**24
