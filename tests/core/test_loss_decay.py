from __future__ import annotations

import numpy as np
import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.errors import DataError
from rnn_calc.core.gradients import backpropagate
from rnn_calc.core.loss_decay import loss_decay
from rnn_calc.core.losses import Loss
from rnn_calc.core.network import Network
from rnn_calc.core.trace import trace
from rnn_calc.core.weights import Weights, make_weights
from tests.core.drawing import random_weights, sequence


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_norms_are_those_of_the_gradients_of_the_states(cell: str, layers: int, bidirectional: bool) -> None:
    network = Network(3, 4, 2, cell=CELLS[cell], layers=layers, bidirectional=bidirectional)
    # Longer than a block of steps.
    done = trace(network, random_weights(network, 1), sequence(1, 600, 3))
    loss = Loss("mse", sequence(2, 600, 2))
    found, whole = loss_decay(done, loss), backpropagate(done, loss)
    assert found.loss == pytest.approx(whole.loss, rel=1e-13)
    for own, layer in zip(found.layers, whole.layers, strict=True):
        for name, norms in own.log10_norms.items():
            rows = layer.states[name].plain[:: -1 if own.run.layer.reverse else 1]
            np.testing.assert_allclose(10**norms, np.linalg.norm(rows, axis=1), rtol=1e-9)


@pytest.mark.parametrize("kind", ["last", "sum"])
def test_a_loss_without_a_readout_is_on_the_states(kind: str) -> None:
    network = Network(2, 3)
    done = trace(network, random_weights(network, 3), sequence(3, 9, 2))
    (own,) = loss_decay(done, Loss(kind)).layers
    assert own.log10_norms["h"][-1] == pytest.approx(np.log10(np.sqrt(3)))


def test_norms_far_below_float64_are_told_at_any_length() -> None:
    network = Network(1, 1, activation="identity")
    weights = Weights({"W_xh": np.zeros((1, 1)), "W_hh": np.array([[1e-3]]), "b_h": np.zeros(1)})
    done = trace(network, weights, np.zeros((3001, 1)))
    (own,) = loss_decay(done, Loss("last")).layers
    np.testing.assert_allclose(own.log10_norms["h"], -3.0 * np.arange(3000, -1, -1), rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("factor", [1e-60, 1e-160])
def test_norms_of_units_that_no_matrix_joins_may_leave_float64(factor: float) -> None:
    network = Network(1, 1, cell=CELLS["indrnn"], activation="relu")
    given = {"W_xh": np.ones((1, 1)), "u_h": np.full(1, factor), "b_h": np.zeros(1)}
    found = loss_decay(trace(network, make_weights(network, given), np.ones((7, 1))), Loss("last"))
    # Every unit is above 0, so that a step back multiplies by u_h.
    np.testing.assert_allclose(
        found.layers[0].log10_norms["h"], [(7 - t) * np.log10(factor) for t in range(1, 8)], rtol=1e-13
    )


def test_a_batch_is_refused() -> None:
    network = Network(2, 3)
    with pytest.raises(DataError, match="one sequence"):
        loss_decay(trace(network, random_weights(network, 0), np.zeros((4, 2, 2))), Loss("last"))
