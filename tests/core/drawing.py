"""What the tests of the core draw: networks, weights and sequences, from seeds."""

from __future__ import annotations

import numpy as np

from rnn_calc.core.network import Network
from rnn_calc.core.trace import Trace, trace
from rnn_calc.core.weights import Weights
from tests.references import Array


def random_arrays(network: Network, seed: int, scale: float = 1.0) -> dict[str, Array]:
    """A dense array for every parameter, biases too, not drawn by the code under test."""
    rng = np.random.default_rng(seed)
    return {
        parameter.name: scale * rng.standard_normal(shape) / np.sqrt(shape[-1])
        for parameter in network.parameters
        for shape in (network.shape(parameter),)
    }


def random_weights(network: Network, seed: int, scale: float = 1.0) -> Weights:
    return Weights(random_arrays(network, seed, scale))


def sequence(seed: int, *shape: int) -> Array:
    return np.random.default_rng([seed, 1]).standard_normal(shape)


def plain_trace(W_hh: Array, steps: int, *, activation: str = "identity", h0: Array | None = None) -> Trace:
    """A network that is its recurrent matrix alone: no input and no bias."""
    n = len(W_hh)
    network = Network(1, n, activation=activation)
    weights = Weights({"W_xh": np.zeros((n, 1)), "W_hh": np.asarray(W_hh, dtype=np.float64), "b_h": np.zeros(n)})
    return trace(network, weights, np.zeros((steps, 1)), None if h0 is None else {"h": h0})
