"""Decay from the top layer down to the bottom one, against complex steps through the whole stack."""

from __future__ import annotations

from math import inf, log10

import numpy as np
import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.errors import DataError, NonFiniteError
from rnn_calc.core.network import Network
from rnn_calc.core.stack_linearization import stack_decay
from rnn_calc.core.trace import Trace, trace
from rnn_calc.core.weights import Weights
from tests.core.drawing import random_arrays, sequence
from tests.references import Array, Step, gru_after_step, lstm_step, rnn_step

STEPS: dict[str, Step] = {"rnn": rnn_step, "lstm": lstm_step, "gru": gru_after_step}


def jacobian_through_the_stack(done: Trace, step: Step, k: int) -> Array:
    """∂h⁽ᴸ⁾_T/∂h⁽¹⁾_k: the bottom layer's h after step k is moved, and everything from there on is run anew."""
    count = len(done.layers)
    weights = [
        {
            name[: -len(f"^({i + 1})")]: array
            for name, array in done.weights.arrays.items()
            if name.endswith(f"^({i + 1})")
        }
        for i in range(count)
    ]
    columns = []
    for unit in range(done.layers[0].values.now["h"].shape[1]):
        states = [
            {name: run.values.now[name][k - 1 - (index > 0)].astype(complex) for name in run.layer.state}
            if k - 1 - (index > 0) >= 0
            else {name: run.initial[name].astype(complex) for name in run.layer.state}
            for index, run in enumerate(done.layers)
        ]
        states[0]["h"] = states[0]["h"] + 1e-100j * np.eye(len(states[0]["h"]))[unit]
        for t in range(k, done.steps + 1):
            below = done.x[t - 1].astype(complex)
            for index in range(count):
                if index > 0 or t > k:
                    states[index] = dict(step(weights[index], below, states[index]))
                below = states[index]["h"]
        columns.append(states[-1]["h"].imag / 1e-100)
    return np.array(columns).T


def stacked(cell: str, layers: int, T: int, n: int = 3, scale: float = 1.0) -> Trace:
    network = Network(2, n, cell=CELLS[cell], layers=layers)
    return trace(network, Weights(random_arrays(network, layers, scale)), sequence(layers, T, 2))


@pytest.mark.parametrize("cell", STEPS)
@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("n", [3, 36])
def test_the_decay_down_the_stack_is_that_of_complex_steps(cell: str, layers: int, n: int) -> None:
    T = 9
    done = stacked(cell, layers, T, n)
    found = stack_decay(done)
    for lag in (0, 1, 2, 5, 8):
        norm = log10(np.linalg.norm(jacobian_through_the_stack(done, STEPS[cell], T - lag), 2))
        ours = found.log10_norm_at_lag_0 if lag == 0 else found.decay.log10_norm(lag)
        # A few dozen products of matrices with entries of about 1.
        assert ours == pytest.approx(norm, abs=1e-11)
    assert found.decay.lags == range(1, T)
    assert found.decay.certificate.met


def test_paths_that_go_up_at_any_step_count_together() -> None:
    # Linear layers of one unit: h² = a h²₋₁ + h¹, h¹ = b h¹₋₁ + x, so ∂h²_T/∂h¹_k is Σ aⁱ bʲ over i + j = T − k.
    network = Network(1, 1, layers=2, activation="identity")
    arrays = {name: np.zeros(network.shape(p)) for p in network.parameters for name in (p.name,)}
    arrays |= {"W_hh^(1)": np.array([[0.5]]), "W_hh^(2)": np.array([[0.25]]), "W_xh^(2)": np.ones((1, 1))}
    found = stack_decay(trace(network, Weights(arrays), np.zeros((7, 1))))
    assert found.log10_norm_at_lag_0 == 0
    for lag in range(1, 7):
        exact = sum(0.25**i * 0.5 ** (lag - i) for i in range(lag + 1))
        assert found.decay.log10_norm(lag) == pytest.approx(log10(exact), abs=1e-15)


def test_layers_that_do_not_reach_each_other_have_the_norm_zero() -> None:
    network = Network(1, 1, layers=2)
    arrays = {p.name: np.zeros(network.shape(p)) for p in network.parameters}
    arrays |= {"W_hh^(1)": np.ones((1, 1)), "W_hh^(2)": np.ones((1, 1))}
    found = stack_decay(trace(network, Weights(arrays), np.zeros((4, 1))))
    assert found.log10_norm_at_lag_0 == -inf
    assert found.decay.log10_norms.tolist() == [-inf] * 3


@pytest.mark.parametrize(
    ("parts", "what"), [({"layers": 1}, "one layer"), ({"layers": 2, "bidirectional": True}, "two")]
)
def test_only_a_stack_in_one_direction_has_a_decay_down_it(parts: dict[str, int], what: str) -> None:
    network = Network(2, 3, **parts)  # type: ignore[arg-type]
    done = trace(network, Weights(random_arrays(network, 0)), sequence(0, 4, 2))
    with pytest.raises(DataError, match=what):
        stack_decay(done)


def test_saturation_beyond_float64_is_refused_with_the_layer_named() -> None:
    network = Network(1, 2, layers=2)
    arrays = random_arrays(network, 0)
    arrays["b_h^(2)"] = np.array([400.0, 0.0])
    with pytest.raises(NonFiniteError, match="layer 2 saturate"):
        stack_decay(trace(network, Weights(arrays), sequence(0, 4, 1)))
