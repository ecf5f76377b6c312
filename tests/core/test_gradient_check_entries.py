"""How far single entries of a gradient may be off: by their own rounding, not by that of the whole."""

from __future__ import annotations

import numpy as np
import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.equations import MERGES
from rnn_calc.core.gradient_check import check_gradient
from rnn_calc.core.gradients import Gradients, backpropagate
from rnn_calc.core.losses import Loss
from rnn_calc.core.network import Network
from rnn_calc.core.trace import trace
from rnn_calc.core.weights import Weights
from tests.core.drawing import random_weights, sequence
from tests.core.test_gradient_check import checked, mse, worked_gradient


def scales_of(found: Gradients) -> dict[str, float]:
    return {name: float(np.sum(10.0 ** found.step_log10_norms(name))) for name in found.parameters}


# An input of next to nothing, a saturated unit, an output gate that is all but shut.
FAR_BELOW = {
    "input": ("rnn", "W_xh", (1, 1)),
    "unit": ("rnn", "W_xh", (2, 0)),
    "unit's bias": ("rnn", "b_h", (2,)),
    "gate": ("lstm", "W_xo", (1, 0)),
    "gate's bias": ("lstm", "b_o", (1,)),
}


@pytest.mark.parametrize("factor", [2, 1 + 1e-6, -1, 0])
@pytest.mark.parametrize("case", FAR_BELOW)
def test_an_entry_far_below_the_rest_of_its_gradient_is_judged_by_its_own_size(case: str, factor: float) -> None:
    cell, name, where = FAR_BELOW[case]
    network = Network(2, 4, 2, cell=CELLS[cell])
    weights, x = random_weights(network, 3), sequence(3, 12, 2)
    match case.partition("'")[0]:
        case "input":
            x[:, 1] *= 1e-20
        case "unit":
            weights.arrays["b_h"][2] = 45
        case _:
            weights.arrays["b_o"][1] = -60
    found = backpropagate(trace(network, weights, x), Loss("sum"))
    right, scales = found.parameters, scales_of(found)
    assert 0 < abs(right[name][where]) < 1e-18 * np.abs(right[name]).max()
    assert check_gradient(found.trace, Loss("sum"), right, scales).undecided == 0
    wrong = {**right, name: right[name].copy()}
    wrong[name][where] *= factor
    report = check_gradient(found.trace, Loss("sum"), wrong, scales)
    assert [(probe.name, probe.entry) for probe in report.failed] == [(name, where)]
    assert report.undecided == 0


def chain(below: float, above: float) -> Gradients:
    """One unit on another, without a memory: the lower one's derivative is `below` and `above` multiplied."""
    network = Network(1, 1, 1, activation="identity", layers=2)
    weights = Weights({p.name: np.zeros(network.shape(p)) for p in network.parameters})
    weights.arrays["W_xh^(1)"][:], weights.arrays["W_xh^(2)"][:], weights.arrays["W_hy"][:] = 1, below, above
    return backpropagate(trace(network, weights, np.ones((1, 1))), Loss("sum"))


def test_a_derivative_that_loses_digits_on_the_way_for_want_of_exponents_is_not_called_wrong() -> None:
    found = chain(1.2345678e-300, 1e18)
    entry = found.parameters["W_xh^(1)"][0, 0]
    assert entry == pytest.approx(1.2345678e-282, rel=1e-12, abs=0)
    report = check_gradient(found.trace, Loss("sum"), found.parameters)
    # A step of 1e−20 goes through 1e−320.
    assert any(probe.error > 1e-5 for probe in report.entries if probe.name == "W_xh^(1)")
    assert report.holds
    assert report.undecided
    assert not check_gradient(found.trace, Loss("sum"), {**found.parameters, "W_xh^(1)": np.array([[2 * entry]])}).holds


def test_a_derivative_of_1e_200_that_is_said_to_be_0_is_found() -> None:
    found = chain(1e-200, 1)
    report = check_gradient(found.trace, Loss("sum"), {**found.parameters, "W_xh^(1)": np.zeros((1, 1))})
    (probe,) = [own for own in report.entries if own.name == "W_xh^(1)"]
    assert probe.complex_step == pytest.approx(1e-200, rel=1e-12, abs=0)
    assert not probe.holds


@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("cell", CELLS)
def test_what_cancels_between_units_that_are_alike_is_not_called_wrong(cell: str, merge: str) -> None:
    # Units in pairs: the same on their way in, the opposite of each other on their way out.
    network = Network(2, 4, cell=CELLS[cell], layers=2, bidirectional=True, merge=merge)
    for seed in range(3):
        weights = random_weights(network, seed)
        for array in weights.arrays.values():
            if len(array) % 2 == 0:
                array[1::2] = array[::2]
            if array.shape[-1] % 2 == 0 and array.ndim == 2:
                array[:, 1::2] = -array[:, ::2]
        found = backpropagate(trace(network, weights, sequence(seed, 8, 2)), Loss("last"))
        report = check_gradient(found.trace, Loss("last"), found.parameters, scales_of(found), most=60)
        assert report.holds
        assert report.worst.error < 1e-7


@pytest.mark.parametrize("scale", [0.3, 1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_a_right_gradient_holds_of_every_cell_at_every_scale_and_no_entry_is_let_off(cell: str, scale: float) -> None:
    network = Network(2, 5, 2, cell=CELLS[cell], layers=2, bidirectional=True)
    found = backpropagate(trace(network, random_weights(network, 11, scale), sequence(11, 20, 2)), mse(20))
    report = check_gradient(found.trace, mse(20), found.parameters, scales_of(found))
    assert report.holds
    assert report.undecided == 0
    wrong = {name: array * (1 + 1e-6) for name, array in found.parameters.items()}
    report = check_gradient(found.trace, mse(20), wrong, scales_of(found))
    # Along a drawn direction they may cancel to less than that.
    assert all(not probe.holds for probe in report.entries if probe.gradient)


def test_where_a_relu_is_at_0_in_trace_and_equations_alike_a_wrong_gradient_is_found() -> None:
    network = Network(1, 1, 1, activation="relu")
    arrays = {"W_xh": np.array([[1.0]]), "W_hh": np.array([[1.0]]), "b_h": np.array([-1.0]),
              "W_hy": np.array([[1.0]]), "b_y": np.zeros(1)}  # fmt: skip
    run = trace(network, Weights(arrays), np.array([[1.0], [3.0]]))
    right = worked_gradient(run, Loss("sum"))
    assert right["W_xh"] == 3
    assert checked(run, Loss("sum"), right).holds
    assert not checked(run, Loss("sum"), {**right, "W_xh": np.array([[4.0]])}).holds
    # Had rounding left the trace with more than 0 there, its gradient would be as right as the other.
    run.layers[0].values.now["z"][0] = 1e-17
    across = worked_gradient(run, Loss("sum"))
    assert across["W_xh"] == 5
    report = checked(run, Loss("sum"), across)
    assert report.holds
    assert report.undecided
