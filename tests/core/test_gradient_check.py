from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.gradient_check import check_gradient
from rnn_calc.core.gradient_probes import GradientCheck
from rnn_calc.core.gradients import backpropagate
from rnn_calc.core.losses import Loss
from rnn_calc.core.network import Network
from rnn_calc.core.trace import Trace, trace
from rnn_calc.core.weights import Array, Weights
from tests.core.drawing import random_weights, sequence

SLOPES: dict[str, Callable[[Array], Any]] = {
    "tanh": lambda z: 1 / np.cosh(z) ** 2,
    "relu": lambda z: (z > 0) * 1.0,
    "identity": np.ones_like,
}


def worked_gradient(run: Trace, loss: Loss) -> dict[str, Array]:
    """The gradient of the plain recurrent network, by the textbook's loop over the steps."""
    w, h = run.weights, run.h
    z = run.layers[0].values.now["z"]
    dy = loss.gradient(run.y if run.y is not None else h)
    found = {name: np.zeros_like(array) for name, array in w.arrays.items()}
    delta = np.zeros(h.shape[1])
    for t in reversed(range(len(h))):
        before = h[t - 1] if t else run.h0
        delta = delta + w["W_hy"].T @ dy[t]
        dz = delta * SLOPES[run.network.activation](z[t])
        found["W_hy"] += np.outer(dy[t], h[t])
        found["b_y"] += dy[t]
        found["W_xh"] += np.outer(dz, run.x[t])
        found["W_hh"] += np.outer(dz, before)
        found["b_h"] += dz
        delta = w["W_hh"].T @ dz
    return found


def plain_run(steps: int = 6, *, scale: float = 1.0, d_h: int = 4, activation: str = "tanh") -> Trace:
    network = Network(2, d_h, 2, activation=activation)
    return trace(network, random_weights(network, 1, scale), sequence(1, steps, 2))


def mse(steps: int, width: int = 2) -> Loss:
    return Loss("mse", sequence(2, steps, width))


def checked(run: Trace, loss: Loss, gradients: dict[str, Array]) -> GradientCheck:
    return check_gradient(run, loss, gradients)


@pytest.mark.parametrize("activation", SLOPES)
def test_the_textbooks_gradient_holds(activation: str) -> None:
    run = plain_run(activation=activation)
    found = checked(run, mse(6), worked_gradient(run, mse(6)))
    assert found.holds
    assert len(found.entries) == found.total == 8 + 16 + 4 + 8 + 2
    # One direction through each of five parameters, and one through all.
    assert len(found.directions) == 6
    assert found.worst.error < 1e-12
    # A unit that never fires has a slope of 0, which no difference tells from rounding.
    assert found.central_count + found.kinked == sum(probe.gradient != 0 for probe in found.probes)


@pytest.mark.parametrize("kind", ["last", "sum"])
@pytest.mark.parametrize("factor", [1, 1e-60, 1e60])
def test_one_entry_that_is_off_by_a_millionth_is_found_and_named(kind: str, factor: float) -> None:
    run = plain_run()
    run.weights.arrays["W_hy"][:] *= factor
    right = worked_gradient(run, Loss(kind))
    assert checked(run, Loss(kind), right).holds
    for name in ("W_hh", "W_xh", "b_h"):
        wrong = {**right, name: right[name].copy()}
        where = (1, 1)[: right[name].ndim]
        wrong[name][where] *= 1 + 1e-6
        found = checked(run, Loss(kind), wrong)
        assert not found.holds
        assert (found.worst.name, found.worst.entry) == (name, where)
        assert found.worst.error == pytest.approx(1e-6, rel=1e-5)


@pytest.mark.parametrize("name", ["W_hh", "W_xh", "b_h"])
def test_a_gradient_that_has_all_but_vanished_is_judged_by_its_own_size(name: str) -> None:
    # Of the loss at the last of 40 steps, through W_hh of norm about 1e-7, the first input's share is below 1e-250.
    run = plain_run(40, scale=1e-7)
    quiet = trace(run.network, run.weights, np.vstack([run.x[:1], np.zeros((39, 2))]))
    right = worked_gradient(quiet, Loss("last"))
    assert 0 < np.abs(right["W_xh"]).max() < 1e-250
    assert checked(quiet, Loss("last"), right).holds
    wrong = {**right, name: right[name] * (1 + 1e-6)}
    found = checked(quiet, Loss("last"), wrong)
    assert not found.holds
    assert {probe.name for probe in found.failed} - {""} == {name}


def test_a_gradient_of_nothing_but_zeros_is_found_out() -> None:
    run = plain_run()
    zeros = {name: np.zeros_like(array) for name, array in run.weights.arrays.items()}
    found = checked(run, mse(6), zeros)
    assert not found.holds
    assert found.worst.error == 1


def test_a_loss_without_any_slope_has_a_gradient_of_exact_zeros() -> None:
    run = plain_run()
    assert run.y is not None
    loss = Loss("mse", run.y)
    found = checked(run, loss, worked_gradient(run, loss))
    assert found.holds
    assert found.worst.error == 0


def test_where_there_are_many_entries_a_sample_of_every_parameter_is_looked_at() -> None:
    run = plain_run(d_h=40)
    right = worked_gradient(run, mse(6))
    found = check_gradient(run, mse(6), right, most=50)
    assert found.holds
    assert found.total == 80 + 1600 + 40 + 80 + 2
    assert 50 <= len(found.entries) <= 60
    assert {probe.name for probe in found.entries} == right.keys()
    again = check_gradient(run, mse(6), right, most=50)
    assert [probe.entry for probe in again.entries] == [probe.entry for probe in found.entries]
    other = check_gradient(run, mse(6), right, most=50, seed=1)
    assert [probe.entry for probe in other.entries] != [probe.entry for probe in found.entries]


def test_what_the_sample_leaves_out_the_directions_find() -> None:
    run = plain_run(d_h=40)
    wrong = worked_gradient(run, mse(6))
    wrong["W_hh"] *= 1 + 1e-6
    found = check_gradient(run, mse(6), wrong, most=1)
    assert {probe.name for probe in found.failed if probe.entry is None} >= {"W_hh"}


def test_a_relu_that_switches_within_the_step_is_left_out_of_the_differences_and_counted() -> None:
    network = Network(1, 1, 1, activation="relu")
    arrays = {"W_xh": np.array([[1.0]]), "W_hh": np.array([[1.0]]), "b_h": np.array([-1.0 + 1e-9]),
              "W_hy": np.array([[1.0]]), "b_y": np.zeros(1)}  # fmt: skip
    run = trace(network, Weights(arrays), np.array([[1.0], [3.0]]))
    found = checked(run, Loss("sum"), worked_gradient(run, Loss("sum")))
    assert found.holds
    # W_xh and b_h move the pre-activation 1e-9 across 0, and so do the directions through them.
    assert {probe.name for probe in found.entries if probe.kinked} == {"W_xh", "b_h"}
    assert found.kinked == 2 + 3


def test_a_chaotic_run_is_followed_as_it_was_traced() -> None:
    run = plain_run(200, scale=3, d_h=40)
    right = worked_gradient(run, Loss("last"))
    assert np.abs(right["W_hh"]).max() > 1e4
    found = checked(run, Loss("last"), right)
    assert found.holds
    assert found.drift < 1e-13


def test_states_that_no_equation_gave_do_not_hold() -> None:
    run = plain_run()
    right = worked_gradient(run, mse(6))
    run.layers[0].values.now["h"][2, 1] += 1e-6
    found = checked(run, mse(6), right)
    assert found.drift > 1e-7
    assert not found.holds


def test_an_entry_below_the_rounding_of_its_sum_is_not_called_wrong() -> None:
    # The two inputs' shares cancel: 0.3 from the first step against 0.1 + 0.2 from the others.
    network = Network(1, 1, activation="identity")
    run = trace(
        network,
        Weights({"W_xh": np.ones((1, 1)), "W_hh": np.zeros((1, 1)), "b_h": np.zeros(1)}),
        np.array([[0.1], [0.2], [-0.3]]),
    )
    gradients = {"W_xh": np.array([[0.1 + 0.2 - 0.3]]), "W_hh": np.array([[0.1 + 0.2]]), "b_h": np.array([3.0])}
    gradients["W_xh"][0, 0] *= 2
    found = check_gradient(run, Loss("sum"), gradients, {"W_xh": 0.6, "W_hh": 0.3, "b_h": 3.0})
    assert found.holds
    assert found.undecided >= 1


@pytest.mark.parametrize(("cell", "bias"), [("gru", "b_z"), ("minlstm", "b_i"), ("minlstm", "b_f"), ("mgu", "b_f")])
@pytest.mark.parametrize("size", [-40.0, 40.0])
def test_gates_that_round_to_1_or_share_unevenly_keep_the_digits_of_both_derivatives(
    cell: str, bias: str, size: float
) -> None:
    network = Network(2, 3, 2, cell=CELLS[cell])
    weights = random_weights(network, 7)
    weights.arrays[bias][:] = size
    run = trace(network, weights, sequence(7, 4, 2))
    found = backpropagate(run, Loss("sum"))
    report = check_gradient(run, Loss("sum"), found.parameters)
    # Behind a gate of e^−40 a gradient is that small, and is compared all the same.
    smallest = min(abs(probe.gradient) for probe in report.entries if probe.gradient)
    assert smallest < 1e-15
    assert report.holds
    assert report.worst.error < 1e-11


def test_a_tiny_gradient_that_is_said_to_be_0_is_held_against_a_step_that_can_show_it() -> None:
    network = Network(2, 4, 2)
    weights = random_weights(network, 3)
    weights.arrays["b_h"][2] = 60
    run = trace(network, weights, sequence(3, 12, 2))
    right = backpropagate(run, Loss("sum")).parameters
    wrong = {name: array.copy() for name, array in right.items()}
    wrong["W_xh"][2, 0] = 0
    assert 0 < abs(right["W_xh"][2, 0]) < 1e-30
    (probe,) = [
        own for own in check_gradient(run, Loss("sum"), wrong).entries if own.entry == (2, 0) and own.name == "W_xh"
    ]
    assert probe.complex_step == pytest.approx(right["W_xh"][2, 0], rel=1e-7, abs=0)
