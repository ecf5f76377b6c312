from __future__ import annotations

from itertools import product
from math import log10, prod

import numpy as np
import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.engine import Engine
from rnn_calc.core.equations import MERGES
from rnn_calc.core.errors import DataError, TooLargeError
from rnn_calc.core.gradients import backpropagate
from rnn_calc.core.linearization import Linearization
from rnn_calc.core.losses import Loss
from rnn_calc.core.network import Network
from rnn_calc.core.paths import PathReport, Target, Unit, follow_paths
from rnn_calc.core.trace import Trace, trace
from rnn_calc.core.weights import Weights
from tests.core.drawing import random_weights, sequence

NETWORKS = {
    **{name: Network(2, 3, 2, cell=cell) for name, cell in CELLS.items()},
    "stack": Network(2, (3, 2), 2),
    "projected stack": Network(2, 3, 2, cell=CELLS["lstm"], layers=2, d_p=2),
    "embedded": Network(3, 3, 2, vocab=4),
    "tied": Network(3, 3, 4, vocab=4, tied=True),
    "without readout": Network(2, 3, 0, cell=CELLS["gru"]),
    **{f"both directions, {how}": Network(2, 3, 2, bidirectional=True, merge=how) for how in MERGES},
}
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


def run_of(network: Network, steps: int = 5, scale: float = 1.0) -> Trace:
    x = np.array([0, 2, 2, 3, 1])[:steps] if network.vocab else sequence(4, steps, network.d_in)
    return trace(network, random_weights(network, 3, scale), x)


def tutorial_run() -> Trace:
    arrays = {
        "W_xh": np.array([[0.2], [0.3]]),
        "W_hh": np.array([[0.5, 0.1], [0.1, 0.5]]),
        "b_h": np.zeros(2),
        "W_hy": np.array([[1.0, 1.0]]),
        "b_y": np.zeros(1),
    }
    return trace(Network(1, 2, 1), Weights(arrays), [[1.0], [2.0]])


def test_tutorial_003_its_path_1_the_direct_path_and_their_sum() -> None:
    found = follow_paths(tutorial_run(), Loss("last"), "W_xh", (0, 0), 1, Target("y", 0, 2))
    (first, path_1), (second, direct) = found.occurrences
    assert (first, second) == (1, 2)
    # ../shared/worked_examples.md, recomputed there to 6 digits.
    assert path_1.value == pytest.approx(0.424307, abs=5e-7)
    assert direct.value == pytest.approx(1.532045, abs=5e-7)
    assert found.total.value == pytest.approx(1.956352, abs=5e-7)
    np.testing.assert_allclose(found.start, [0.961043, 0], atol=5e-7)
    np.testing.assert_allclose(found.jacobians[0], [[0.383011, 0.076602], [0.058495, 0.292475]], atol=5e-7)
    np.testing.assert_array_equal(found.ends, [[0, 0], [1, 1]])


def test_tutorial_003_the_same_from_unit_to_unit() -> None:
    found = follow_paths(tutorial_run(), Loss("last"), "W_xh", (0, 0), 1, Target("y", 0, 2))
    through_0, through_1 = found.paths
    assert found.count == 2
    assert through_0.units == (Unit(0, "h", 0), Unit(0, "h", 0))
    assert through_1.units == (Unit(0, "h", 0), Unit(0, "h", 1))
    assert through_0.product.value == pytest.approx(0.961043 * 0.383011, abs=1e-6)
    assert through_1.product.value == pytest.approx(0.961043 * 0.058495, abs=1e-6)
    assert found.rest.value == 0


@every_network
@pytest.mark.parametrize("kind", ["loss", "y"])
def test_the_occurrences_are_the_shares_of_the_steps_in_the_gradient(network: Network, kind: str) -> None:
    run = run_of(network)
    width = network.d_out or network.output_width
    targets = np.zeros((5, width))
    # Of mse on one output of one step the derivative is 2(y − target): with the target y − 1/2 that output's own.
    outputs = run.h if run.y is None else run.y
    targets[:] = np.nan
    targets[3, 1] = outputs[3, 1] - 0.5
    loss, target = (Loss("mse", targets, "sum"), Target("y", 1, 4)) if kind == "y" else (Loss("sum"), Target("loss"))
    expected = backpropagate(run, loss)
    for parameter in network.parameters:
        if network.bidirectional and parameter.role == "embedding":
            continue
        index = tuple(size - 1 for size in network.shape(parameter))
        found = follow_paths(run, loss, parameter.name, index, 2, target)
        for step, contribution in found.occurrences:
            share = expected.step_gradient(parameter.name, step)[index]
            np.testing.assert_allclose(contribution.value, share, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(found.total.value, expected.parameters[parameter.name][index], rtol=1e-9, atol=1e-13)


def every_product(found: PathReport) -> list[float]:
    """All paths multiplied out, one by one."""
    units = range(len(found.units))
    products = []
    for length in range(1, len(found.ends) + 1):
        for nodes in product(units, repeat=length):
            steps = (found.jacobians[t][nodes[t + 1], nodes[t]] for t in range(length - 1))
            products.append(found.start[nodes[0]] * prod(steps) * found.ends[length - 1][nodes[-1]])
    return [value for value in products if value]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "indrnn"])
@pytest.mark.parametrize("kind", ["loss", "y"])
def test_the_paths_shown_are_the_largest_of_all_multiplied_out(cell: str, kind: str) -> None:
    run = run_of(Network(1, 2, 2, cell=CELLS[cell]))
    name = next(p.name for p in run.network.parameters if p.role == "input")
    target = Target("loss") if kind == "loss" else Target("y", 0, 5)
    found = follow_paths(run, Loss("sum"), name, (0, 0), 1, target, most=12)
    everything = every_product(found)
    assert found.count == len(everything)
    largest = sorted(map(abs, everything), reverse=True)[:12]
    np.testing.assert_allclose([abs(path.product.value) for path in found.paths], largest, rtol=1e-12)
    for path in found.paths:
        np.testing.assert_allclose(prod(path.factors), path.product.value, rtol=1e-12)
    np.testing.assert_allclose(found.contribution.value, sum(everything), rtol=1e-12)
    np.testing.assert_allclose(
        found.rest.value, sum(everything) - sum(path.product.value for path in found.paths), rtol=1e-9, atol=1e-15
    )


@pytest.mark.parametrize("cell", CELLS)
def test_the_factors_are_the_jacobians_of_the_run(cell: str) -> None:
    run = run_of(Network(2, 3, 2, cell=CELLS[cell]))
    name = run.network.parameters[0].name
    found = follow_paths(run, Loss("last"), name, (0, 0), 2, Target("y", 0, 5))
    layer = run.layers[0]
    linearization = Linearization(Engine(layer.layer, run.weights), layer.values)
    sizes = [layer.layer.sizes[axis] for axis in layer.layer.state.values()]
    splits = np.split(np.eye(sum(sizes)), np.cumsum(sizes)[:-1], axis=1)
    for t, jacobian in enumerate(found.jacobians, start=2):
        rows = linearization.pull(t, dict(zip(layer.layer.state, splits, strict=True)))
        columns = [
            rows.get(state, np.zeros((sum(sizes), width)))
            for state, width in zip(layer.layer.state, sizes, strict=True)
        ]
        np.testing.assert_allclose(jacobian, np.concatenate(columns, axis=1), rtol=1e-12, atol=1e-15)


def test_a_path_of_a_gated_cell_goes_through_the_cell_state() -> None:
    run = run_of(Network(2, 3, 2, cell=CELLS["lstm"]))
    found = follow_paths(run, Loss("last"), "W_xi", (0, 0), 1, Target("y", 0, 5))
    assert {unit.state for path in found.paths for unit in path.units} == {"h", "c"}
    assert all(path.units[-1].state == "h" for path in found.paths)


def test_a_target_may_be_a_hidden_state() -> None:
    found = follow_paths(tutorial_run(), Loss("last"), "W_xh", (0, 0), 1, Target("h", 1, 2))
    assert found.contribution.value == pytest.approx(0.961043 * 0.058495, abs=1e-6)


def test_what_comes_after_the_target_contributes_nothing() -> None:
    found = follow_paths(tutorial_run(), Loss("last"), "W_xh", (0, 0), 2, Target("y", 0, 1))
    assert [step for step, _ in found.occurrences] == [1]
    assert (found.contribution.value, found.count, found.paths) == (0, 0, ())


def test_a_readouts_weight_goes_past_every_state() -> None:
    found = follow_paths(tutorial_run(), Loss("last"), "W_hy", (0, 1), 2, Target("y", 0, 2))
    assert found.direct == pytest.approx(0.644243, abs=5e-7)
    assert found.contribution.value == found.direct
    assert found.count == 0


def test_the_number_of_paths_is_exact_and_a_product_far_below_float64_keeps_its_logarithm() -> None:
    network = Network(1, 3, 1)
    arrays = {
        "W_xh": np.full((3, 1), 0.1),
        "W_hh": np.full((3, 3), 1e-3),
        "b_h": np.zeros(3),
        "W_hy": np.ones((1, 3)),
        "b_y": np.zeros(1),
    }
    run = trace(network, Weights(arrays), np.vstack([[[1.0]], np.zeros((400, 1))]))
    found = follow_paths(run, Loss("last"), "W_xh", (0, 0), 1, Target("y", 0, 401), most=4)
    assert found.count == 3**400
    # Of small states tanh has the slope 1; every step adds up three units.
    assert found.contribution.log10 == pytest.approx(400 * log10(3e-3) + log10(1 - np.tanh(0.1) ** 2), abs=1e-3)
    assert found.contribution.value == 0
    assert found.paths[0].product.log10 == pytest.approx(-1200 + log10(1 - np.tanh(0.1) ** 2), abs=1e-3)
    assert found.rest.log10 == pytest.approx(found.contribution.log10, abs=1e-9)


def test_a_stack_of_both_directions_is_told_why_it_has_no_such_paths() -> None:
    run = run_of(Network(2, 3, 2, bidirectional=True, layers=2))
    with pytest.raises(DataError, match="paths go forth and back in time"):
        follow_paths(run, Loss("last"), run.network.parameters[0].name, (0, 0), 1, Target("y", 0, 5))


def test_an_embedding_that_feeds_both_directions_is_told_so() -> None:
    run = run_of(Network(3, 3, 2, bidirectional=True, vocab=4))
    with pytest.raises(DataError, match="E feeds both directions"):
        follow_paths(run, Loss("last"), "E", (0, 0), 1, Target("y", 0, 5))


def test_too_many_units_are_refused_before_anything_is_done() -> None:
    network = Network(1, 2000)
    weights = Weights({p.name: np.zeros(network.shape(p)) for p in network.parameters})
    with pytest.raises(TooLargeError, match="give at most"):
        follow_paths(trace(network, weights, np.zeros((20, 1))), Loss("last"), "W_xh", (0, 0), 1, Target("h", 0, 20))
