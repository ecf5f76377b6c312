"""A remedy is the network that it says it is, and its norms are those of that network built by hand."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.decay import DecayReport, gradient_decay
from rnn_calc.core.equations import ACTIVATIONS
from rnn_calc.core.network import Network
from rnn_calc.core.remedies import RemedyReport, is_quick, kinds_of, measure_remedies
from rnn_calc.core.trace import trace
from rnn_calc.core.weights import Init, Weights, make_weights
from tests.core.drawing import plain_trace, random_weights, sequence
from tests.references import Array

T = 40


def report_of(cell: str = "rnn", *, scale: float = 1.0, d_h: int = 4, steps: int = T, **parts: Any) -> DecayReport:
    network = Network(2, d_h, cell=CELLS[cell], **parts)
    done = trace(network, random_weights(network, 1, scale), sequence(1, steps, 2))
    return gradient_decay(done)


def by_name(found: RemedyReport) -> dict[str, DecayReport]:
    return {f"{one.name} {one.raised:.2f}": one.report for one in found.remedies}


def by_hand(report: DecayReport, arrays: dict[str, Array], state: str = "h", **parts: Any) -> Array:
    """The norms of a network of one layer with some of its arrays replaced."""
    network = Network(2, 4, cell=report.layer.cell, activation=report.trace.network.activation, **parts)
    weights = Weights({**report.trace.weights.arrays, **arrays})
    done = trace(network, weights, report.trace.x, report.trace.layers[0].initial)
    return gradient_decay(done, states=(state,)).log10_norms


def q_of(report: DecayReport) -> Array:
    return next(one.report for one in measure_remedies(report).remedies if one.name == "orthogonal").trace.weights[
        "W_hh"
    ]


def test_an_orthogonal_matrix_in_a_linear_network_keeps_the_norm_at_1_at_every_lag() -> None:
    for scale in (0.3, 3.0):
        found = by_name(measure_remedies(report_of(activation="identity", scale=scale)))
        assert np.abs(found["orthogonal 0.00"].log10_norms).max() < 1e-13
        assert found["orthogonal 0.00"].verdict == "steady"
    vanishing = by_name(measure_remedies(report_of(activation="identity", scale=0.3)))
    assert (vanishing["identity 0.00"].log10_norms == 0).all()


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name != "relu"])
def test_matrices_of_a_plain_network_are_what_they_are_called_and_all_else_stays(activation: str) -> None:
    report = report_of(activation=activation, scale=0.5)
    assert report.verdict == "vanishing"
    weights = {name: one.trace.weights.arrays for name, one in by_name(measure_remedies(report)).items()}
    orthogonal, identity, radius = (weights[f"{name} 0.00"] for name in ("orthogonal", "identity", "radius"))
    assert np.abs(orthogonal["W_hh"] @ orthogonal["W_hh"].T - np.eye(4)).max() < 1e-14
    assert (identity["W_hh"] == np.eye(4)).all()
    own = report.trace.weights["W_hh"]
    assert radius["W_hh"] == pytest.approx(own / np.abs(np.linalg.eigvals(own)).max(), rel=1e-12)
    for arrays in (orthogonal, identity, radius):
        for name in ("W_xh", "b_h"):
            assert (arrays[name] == report.trace.weights[name]).all()


@pytest.mark.parametrize("activation", ["tanh", "identity", "sigmoid"])
def test_the_norms_are_those_of_the_network_built_by_hand(activation: str) -> None:
    report = report_of(activation=activation, scale=0.5)
    found = by_name(measure_remedies(report))
    own = report.trace.weights["W_hh"]
    built = {
        "identity 0.00": np.eye(4),
        "radius 0.00": own / np.abs(np.linalg.eigvals(own)).max(),
        "orthogonal 0.00": q_of(report),
    }
    for name, W in built.items():
        assert found[name].log10_norms == pytest.approx(by_hand(report, {"W_hh": W}), abs=1e-9)


@pytest.mark.parametrize(("cell", "state"), [("lstm", "c"), ("gru", "h")])
@pytest.mark.parametrize("bias", [1.0, log(T - 1)])
def test_another_cell_is_of_the_same_width_drawn_with_seed_0(cell: str, state: str, bias: float) -> None:
    report = report_of(scale=0.5)
    network = Network(2, 4, cell=CELLS[cell])
    weights = make_weights(network, None, Init(seed=0))
    if cell == "lstm":
        weights.arrays["b_f"][:] = bias
    initial = {"h": report.trace.layers[0].initial["h"]}
    expected = gradient_decay(trace(network, weights, report.trace.x, initial), states=(state,)).log10_norms
    found = by_name(measure_remedies(report))[f"{cell} {bias if cell == 'lstm' else 0:.2f}"]
    assert (found.log10_norms == expected).all()
    assert found.state == state


@pytest.mark.parametrize(
    ("cell", "name", "sign"),
    [
        ("lstm", "b_f", 1),
        ("lstm-peephole", "b_f", 1),
        ("gru", "b_z", 1),
        ("gru-reset-before", "b_z", 1),
        ("mgu", "b_f", -1),
        ("mingru", "b_z", -1),
        ("minlstm", "b_f", 1),
    ],
)
@pytest.mark.parametrize("biases", [0, 1, 2])
def test_the_bias_of_the_gate_that_keeps_is_raised_and_keeps_more(cell: str, name: str, sign: int, biases: int) -> None:
    report = report_of(cell, biases=biases, scale=0.3)
    state = "c" if "c" in CELLS[cell].state else "h"
    found = by_name(measure_remedies(report))
    before = report.cell_state or report
    kept = [before.log10_norm(T - 1)]
    for raised in (1.0, log(T - 1)):
        after = found[f"bias {sign * raised:.2f}"]
        network = Network(2, 4, cell=CELLS[cell], biases=max(1, biases))
        arrays = {p.name: np.zeros(network.shape(p)) for p in network.parameters}
        arrays |= report.trace.weights.arrays
        arrays[name] = arrays[name] + sign * raised
        done = trace(network, Weights(arrays), report.trace.x)
        assert (after.log10_norms == gradient_decay(done, states=(state,)).log10_norms).all()
        kept.append(after.log10_norm(T - 1))
    assert kept == sorted(kept)


def test_a_bias_of_the_logarithm_of_the_lags_keeps_1_of_e_where_the_gate_sees_nothing_else() -> None:
    network = Network(1, 3, cell=CELLS["mingru"])
    weights = Weights({p.name: np.zeros(network.shape(p)) for p in network.parameters})
    found = by_name(measure_remedies(gradient_decay(trace(network, weights, np.zeros((T, 1))))))
    lags = T - 1
    assert found[f"bias {-log(lags):.2f}"].log10_norm(lags) == pytest.approx(lags * np.log10(lags / (lags + 1)))


def test_an_exploding_network_scaled_to_the_bound_1_cannot_explode() -> None:
    for activation in ("identity", "relu"):
        report = report_of(activation=activation, scale=3.0)
        assert report.verdict == "exploding"
        found = by_name(measure_remedies(report))
        bounded = found["norm 0.00"]
        assert bounded.log10_norms.max() <= 1e-12
        assert bounded.bound_per_step == pytest.approx(1, rel=1e-12)
        assert [name.split()[0] for name in found] == ["norm", "radius", "orthogonal", "lstm", "gru"]


def test_every_recurrent_matrix_of_a_gated_cell_is_made_orthogonal() -> None:
    found = by_name(measure_remedies(report_of("gru", scale=0.5)))["orthogonal 0.00"].trace.weights
    for gate in "rzn":
        W = found[f"W_h{gate}"]
        assert np.abs(W @ W.T - np.eye(4)).max() < 1e-14


@pytest.mark.parametrize("place", range(4))
def test_a_layer_of_a_stack_is_changed_by_itself_and_reads_what_it_read(place: int) -> None:
    network = Network(2, 4, layers=2, bidirectional=True)
    done = trace(network, random_weights(network, 1, 0.5), sequence(1, T, 2))
    run = done.layers[place]
    report = gradient_decay(done, layer=run)
    found = by_name(measure_remedies(report))["identity 0.00"]
    mark = run.layer.mark
    arrays = {**done.weights.arrays, f"W_hh^{mark}": np.eye(4)}
    x = done.x if place < 2 else done.outputs[0]
    alone = Network(x.shape[1], 4)
    own = {name: arrays[f"{name}^{mark}"] for name in ("W_xh", "W_hh", "b_h")}
    expected = gradient_decay(trace(alone, Weights(own), x[::-1] if run.layer.reverse else x))
    assert (found.log10_norms == expected.log10_norms).all()


def test_a_projected_state_has_no_radius_and_that_remedy_is_left_out() -> None:
    network = Network(2, 6, cell=CELLS["lstm"], d_p=2)
    done = trace(network, random_weights(network, 1, 0.3), sequence(1, T, 2))
    found = measure_remedies(gradient_decay(done))
    assert [one.name for one in found.remedies] == ["bias", "bias", "orthogonal"]


def test_a_nilpotent_matrix_has_no_radius_to_scale_and_that_remedy_is_left_out() -> None:
    weights = Weights({"W_xh": np.ones((2, 1)), "W_hh": np.array([[0.0, 100.0], [0.0, 0.0]]), "b_h": np.zeros(2)})
    report = gradient_decay(trace(Network(1, 2, activation="identity"), weights, np.zeros((T, 1))))
    assert "radius" in kinds_of(report)
    assert "radius" not in {one.name for one in measure_remedies(report).remedies}


def test_a_steady_network_needs_no_remedy() -> None:
    weights = Weights({"W_xh": np.ones((2, 1)), "W_hh": np.eye(2), "b_h": np.zeros(2)})
    report = gradient_decay(trace(Network(1, 2, activation="identity"), weights, np.zeros((T, 1))))
    assert kinds_of(report) == ()
    assert measure_remedies(report).remedies == ()


def test_the_same_family_and_states_are_measured() -> None:
    network = Network(2, 4, cell=CELLS["lstm"])
    done = trace(network, random_weights(network, 1, 0.3), sequence(1, T, 2))
    for states, state in (((), "c"), (("h",), "h"), (("state",), "state"), (("h", "state"), "h")):
        report = gradient_decay(done, family="forward", states=states)
        for one in measure_remedies(report).remedies:
            assert one.report.family == "forward"
            assert one.report.state == state
            assert len(one.report.lags) == T
        assert [one.name for one in measure_remedies(report).remedies] == ["bias", "bias", "orthogonal"]


def test_a_steady_cell_state_beside_a_hidden_state_that_is_not_leaves_that_to_be_mended() -> None:
    # c stays as it is and h shows of it what o lets out, which W_ho·h moves: h grows, c does not.
    network = Network(1, 2, cell=CELLS["lstm"])
    weights = Weights({p.name: np.zeros(network.shape(p)) for p in network.parameters})
    weights.arrays["W_ho"][:] = 9 * np.eye(2)
    weights.arrays["b_f"][:] = 30.0
    weights.arrays["b_i"][:] = -30.0
    initial = {"h": np.zeros(2), "c": np.ones(2)}
    report = gradient_decay(trace(network, weights, np.zeros((T, 1)), initial))
    assert report.cell_state is not None
    assert report.cell_state.verdict == "steady"
    assert report.verdict != "steady"
    assert measure_remedies(report).before.state == "h"
    assert kinds_of(report)


def test_the_share_of_the_first_lags_is_that_of_the_sum_of_norms() -> None:
    found = measure_remedies(report_of(scale=0.7))
    norms = np.concatenate([[1.0], 10**found.before.log10_norms])
    for lag in (1, 10, 39):
        assert found.log10_share_within(lag) == pytest.approx(np.log10(norms[: lag + 1].sum() / norms.sum()), abs=1e-12)
    far = RemedyReport(gradient_decay(plain_trace(1e12 * np.eye(2), 60)), ())
    assert far.log10_share_within(1) == pytest.approx(12 - 59 * 12)


def test_only_small_networks_are_measured_without_being_asked_for() -> None:
    assert is_quick(report_of(steps=50))
    assert not is_quick(report_of(steps=200))
    assert not is_quick(report_of(d_h=128, steps=20))
