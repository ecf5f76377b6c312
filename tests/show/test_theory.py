"""The sentences about theory are true of the networks they are said of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS
from rnn_calc.core.convoy import Family
from rnn_calc.core.decay import DecayReport, gradient_decay
from rnn_calc.core.equations import ACTIVATIONS
from rnn_calc.core.network import Network
from rnn_calc.core.trace import trace
from rnn_calc.core.weights import Weights
from rnn_calc.show.format import power_of_ten, short
from rnn_calc.show.theory import theory_of
from tests.commandline import calc, refused
from tests.core.drawing import random_weights, sequence
from tests.references import Array


def report_of(
    W_hh: Sequence[Sequence[float]] | Array,
    steps: int,
    activation: str = "identity",
    drive: float = 0.0,
    h0: float = 0.0,
    family: Family = "back",
) -> DecayReport:
    n = len(W_hh)
    weights = Weights({"W_xh": np.ones((n, 1)), "W_hh": np.array(W_hh, dtype=np.float64), "b_h": np.zeros(n)})
    network = Network(1, n, activation=activation)
    done = trace(network, weights, np.full((steps, 1), drive), {"h": np.full(n, h0)})
    return gradient_decay(done, family=family)


def said(report: DecayReport) -> str:
    return " ".join(theory_of(report, "W"))


JORDAN = [[0.9, 5.0], [0.0, 0.9]]
NILPOTENT = [[0.0, 100.0], [0.0, 0.0]]
ROTATION = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]


def test_one_unit_is_never_called_not_normal() -> None:
    assert "not normal" not in said(report_of([[0.99]], 10))


def test_a_verdict_that_the_last_norm_has_not_come_to_is_called_a_trend() -> None:
    text = said(report_of(JORDAN, 31))
    assert "Vanishing is a trend here: over the longer half of the lags the norm of h is fitted to shrink" in text
    # ‖J^30‖ is about 5·30·0.9^29.
    assert "a step; at lag 30 it is 7.065, still above 1." in text
    for report in (report_of(JORDAN, 100), report_of([[0.5]], 30), report_of([[1.2]], 30)):
        assert "is a trend here" not in said(report)


def test_too_few_lags_are_called_too_few() -> None:
    for radius in (0.99, 1.01):
        text = said(report_of([[radius]], 10))
        assert "cannot be judged here" in text
        assert "does not hold" not in text


def test_a_linear_network_is_not_said_to_saturate() -> None:
    assert "φ′ " not in said(report_of([[1.01]], 10))


@pytest.mark.parametrize("activation", ["identity", "tanh"])
def test_growth_below_radius_one_is_put_down_to_a_matrix_that_is_not_normal(activation: str) -> None:
    # W^k = .9^k·[[1, 5k/.9], [0, 1]], so ‖W^11‖ is 19.18; .9^11 = .3138. At h = 0 the slope of tanh is 1.
    text = said(report_of(JORDAN, 12, activation))
    assert "(ρ = 0.9 < 1: vanishing) does not hold here: what was measured is steady, 19.18 at lag 11" in text
    assert "ρ^11 = 0.3138" in text
    assert "Why: W is not normal (σ_max = 5.1571 against ρ = 0.9)" in text
    assert "‖W^11‖ = 19.18" in text
    assert "first grows to 19.38 at lag 9" in text


def test_growth_that_is_about_to_end_is_explained_where_the_rule_cannot_be_judged() -> None:
    # Over the longer half of 19 lags the norm falls by less than a half.
    text = said(report_of(JORDAN, 20))
    assert "cannot be judged here" in text
    assert "first grows to 19.38 at lag 9" in text
    assert "though ρ = 0.9 < 1: W is not normal" in text


def test_growth_before_the_fall_is_told_where_the_rule_agrees_in_the_end() -> None:
    text = said(report_of(JORDAN, 100, "tanh"))
    assert "(ρ = 0.9 < 1: vanishing) agrees with what was measured" in text
    assert "first grows to 19.38 at lag 9 and is above 1 until lag 54, though ρ = 0.9 < 1: W is not normal" in text
    assert "‖W^9‖ = 19.38" in text
    assert "Why" not in text


@pytest.mark.parametrize("family", ["back", "forward"])
def test_three_times_the_identity_vanishes_by_saturation(family: Family) -> None:
    report = report_of(3 * np.eye(2), 50, "tanh", h0=0.5, family=family)
    text = said(report)
    lag = {"back": 49, "forward": 50}[family]
    assert "= 3 > 1 is necessary for exploding, not sufficient" in text
    assert f"(ρ = 3 > 1: exploding) does not hold here: what was measured is vanishing, {measured(report)}" in text
    assert f"ρ^{lag} = {power_of_ten(lag * np.log10(3))}" in text
    assert f"With all slopes 1 it would be ‖W^{lag}‖ = {power_of_ten(lag * np.log10(3))}" in text
    # The states are those of one unit, h = tanh(3 h) from .5; only the first slope is above .1.
    h, slopes = 0.5, []
    for _ in range(50):
        h = np.tanh(3 * h)
        slopes.append(1 / np.cosh(np.arctanh(h)) ** 2)
    slopes = slopes[-lag:]
    assert f"φ′ is {short(float(np.mean(slopes)))} on average" in text
    share = np.mean(np.array(slopes) < 0.1)
    assert f"below 0.1 in {share:.0%}".replace("%", " % of all units and steps, which are saturated") in text


def test_the_number_of_the_notes_for_three_times_the_identity() -> None:
    assert "5.197e-75 at lag 50" in said(report_of(3 * np.eye(2), 50, "tanh", h0=0.5, family="forward"))


def measured(report: DecayReport) -> str:
    return power_of_ten(report.log10_norm(len(report.lags)))


def test_a_nilpotent_matrix_is_said_to_grow_once_and_then_be_exactly_0() -> None:
    text = said(report_of(NILPOTENT, 50))
    assert "first grows to 100 at lag 1" in text
    assert "From lag 2 on the norm is exactly 0: W^2 = 0." in text
    assert "(ρ = 0 < 1: vanishing) agrees with what was measured: 0 at lag 49, where ρ^49 = 0" in text


def test_a_unit_that_is_off_ends_every_path_of_a_relu_network() -> None:
    text = said(report_of([[1.5]], 30, "relu", -5.0))
    assert "From lag 1 on the norm is exactly 0: every path then meets a unit that is off." in text


@pytest.mark.parametrize(
    ("activation", "reason"),
    [("tanh", "below 0.1 in"), ("sigmoid", "never above 0.25"), ("relu", "φ′ is 0 in 100 % of all units and steps")],
)
def test_shrinking_above_radius_one_is_put_down_to_the_activation(activation: str, reason: str) -> None:
    drive = -5.0 if activation == "relu" else 5.0
    text = said(report_of([[1.5]], 30, activation, drive))
    assert "(ρ = 1.5 > 1: exploding) does not hold here: what was measured is vanishing" in text
    assert f"Why: eigenvalues know nothing of slopes, and {'φ′ is' if activation != 'relu' else reason}" in text
    assert reason in text


@pytest.mark.parametrize("norm", [0.99999, 1.00001, 0.9999999, 1.0000001])
def test_a_bound_beside_one_is_never_shown_as_one(norm: float) -> None:
    text = said(report_of([[norm]], 5))
    assert f"{norm:.10g}" in text
    assert " 1 <" not in text
    assert " 1 >" not in text


def test_a_rotation_that_rounding_leaves_at_one_can_neither_grow_nor_is_judged() -> None:
    assert theory_of(report_of(ROTATION, 50), "W") == (
        "max|φ′|·σ_max = 1 is sufficient for not exploding: the norm cannot grow. It is neither sufficient nor "
        "necessary for vanishing: theory does not say whether the norm shrinks.",
        "The tutorials' eigenvalue rule is about ρ below or above 1 and says nothing of ρ = 1; what was measured is "
        "steady, 1 at lag 49.",
    )


def test_a_rotation_under_tanh_is_said_to_lose_by_its_slopes() -> None:
    text = said(report_of(ROTATION, 50, "tanh", 1.0))
    assert "says nothing of ρ = 1; what was measured is vanishing" in text
    assert "The linear network has ‖W^49‖ = 1; φ′ is" in text


def test_the_rule_is_said_to_agree_where_it_does() -> None:
    text = said(report_of([[1.5]], 30))
    assert "(ρ = 1.5 > 1: exploding) agrees with what was measured: 1.278e+05 at lag 29" in text
    assert "neither sufficient nor necessary" in text


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_bound_named_as_sufficient_holds(activation: str) -> None:
    report = report_of([[0.4, 0.3], [-0.2, 0.5]], 40, activation, 0.3)
    assert "is sufficient for vanishing" in said(report)
    assert report.bound_per_step is not None
    assert all(report.log10_norm(lag) <= lag * np.log10(report.bound_per_step) + 1e-12 for lag in report.lags)


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 6),
    size=st.floats(0.05, 6),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    drive=st.floats(-2, 2),
    family=st.sampled_from(["back", "forward"]),
)
@settings(deadline=None, max_examples=60)
def test_vanishing_is_called_certain_only_below_the_bound_and_growth_possible_only_above(
    seed: int, n: int, size: float, activation: str, drive: float, family: Family
) -> None:
    W = size * np.random.default_rng(seed).standard_normal((n, n)) / np.sqrt(n)
    sigma = float(np.sqrt(np.linalg.eigvalsh(W.T @ W)[-1]))
    gamma = 0.25 if activation == "sigmoid" else 1.0
    report = report_of(W, 12, activation, drive, family=family)
    text = said(report)
    norms = [report.log10_norm(lag) for lag in report.lags]
    assert ("is sufficient for vanishing" in text) == (gamma * sigma < 1)
    assert ("necessary for exploding, not sufficient" in text) == (gamma * sigma > 1)
    if "is sufficient for vanishing" in text:
        assert all(norm <= lag * np.log10(gamma * sigma) + 1e-9 for lag, norm in enumerate(norms, start=1))
    if max(norms) > 1e-9:
        assert "is necessary for exploding" in text
    radius = float(np.abs(np.linalg.eigvals(W)).max())
    if "agrees with what was measured" in text:
        assert report.verdict == ("vanishing" if radius < 1 else "exploding")
    if "does not hold here" in text:
        assert report.verdict != ("vanishing" if radius < 1 else "exploding")


# ---- gated cells ----


def gated_report(cell: str, T: int = 30, **parts: Any) -> DecayReport:
    network = Network(2, 4, cell=CELLS[cell], **parts)
    done = trace(network, random_weights(network, 1), sequence(1, T, 2))
    return gradient_decay(done)


GATED = [name for name in CELLS if name not in ("rnn", "indrnn")]


@pytest.mark.parametrize("cell", GATED)
def test_no_test_with_the_largest_singular_value_is_applied_to_a_gated_cell(cell: str) -> None:
    text = said(gated_report(cell))
    assert "max|φ′|·σ_max" not in text
    assert "is sufficient for" not in text
    assert "is necessary for" not in text


def test_a_forget_gate_that_keeps_is_held_against_the_eigenvalues() -> None:
    # Every recurrent matrix is half the identity, so the rule says vanishing; b_f = 20 keeps c as it is.
    network = Network(1, 2, cell=CELLS["lstm"])
    weights = Weights({p.name: np.zeros(network.shape(p)) for p in network.parameters})
    for gate in "ifgo":
        weights.arrays[f"W_h{gate}"][:] = 0.5 * np.eye(2)
    weights.arrays["b_f"][:] = 20.0
    weights.arrays["b_i"][:] = -20.0
    text = said(gradient_decay(trace(network, weights, np.zeros((30, 1)))))
    assert "(“below 1: vanishing”) does not hold here: ρ of its 4 recurrent matrices is 0.5 to 0.5" in text
    assert "measured is steady for h and c. Eigenvalues know nothing of gates." in text
    assert "f_t, the share of the state that stays, is 0.999999998 on average" in text


def test_matrices_on_both_sides_of_1_are_none_that_the_rule_could_look_at() -> None:
    network = Network(1, 2, cell=CELLS["gru"])
    weights = Weights({p.name: np.zeros(network.shape(p)) for p in network.parameters})
    for gate, radius in {"r": 0.5, "z": 1.5, "n": 1.0}.items():
        weights.arrays[f"W_h{gate}"][:] = radius * np.eye(2)
    text = said(gradient_decay(trace(network, weights, np.zeros((30, 1)))))
    assert "has no one W_hh to look at: ρ of its 3 recurrent matrices is 0.5 to 1.5." in text


def test_an_lstm_with_a_forget_bias_of_4_is_told_what_its_forget_gate_keeps() -> None:
    network = Network(2, 6, cell=CELLS["lstm"])
    weights = random_weights(network, 3, 0.1)
    weights.arrays["b_f"][:] = 4.0
    report = gradient_decay(trace(network, weights, sequence(3, 100, 2)))
    f = report.trace.layers[0].values.now["f"]
    text = said(report)
    assert f"f_t, the share of the state that stays, is {short(float(f.mean()))} on average" in text
    assert f"over 99 steps its norm is {power_of_ten(np.log10(f[1:].prod(axis=0).max()))}" in text
    assert report.cell_state is not None
    same = report.verdict == report.cell_state.verdict
    verdicts = f"{report.verdict} for h and c" if same else f"{report.verdict} for h, {report.cell_state.verdict} for c"
    assert f"What was measured is {verdicts}." in text


@pytest.mark.parametrize("cell", ["lstm", "gru", "mgu"])
def test_the_direct_path_forward_goes_through_every_step(cell: str) -> None:
    network = Network(2, 4, cell=CELLS[cell])
    done = trace(network, random_weights(network, 1), sequence(1, 30, 2))
    report = gradient_decay(done, family="forward")
    now = done.layers[0].values.now
    share = {"lstm": "f", "gru": "z", "mgu": "f"}[cell]
    kept = 1 - now[share] if cell == "mgu" else now[share]
    assert f"over 30 steps its norm is {power_of_ten(np.log10(kept.prod(axis=0).max()))}" in said(report)


@pytest.mark.parametrize(("states", "told"), [(("c",), "for c."), (("state",), "for (h, c).")])
def test_the_states_that_were_measured_are_those_that_are_named(states: tuple[str, ...], told: str) -> None:
    network = Network(2, 4, cell=CELLS["lstm"])
    done = trace(network, random_weights(network, 1), sequence(1, 30, 2))
    first = theory_of(gradient_decay(done, states=states))[0]
    assert first.endswith(told)
    assert "for h" not in first


def test_an_indrnn_is_judged_by_its_largest_weight() -> None:
    report = gated_report("indrnn")
    largest = float(np.abs(report.trace.weights["u_h"]).max())
    assert f"{largest:.4f}" in said(report)


@pytest.mark.parametrize(
    ("cell", "share"), [("lstm", "f_t"), ("gru", "z_t"), ("mgu", "1 − f_t"), ("mingru", "1 − z_t")]
)
def test_what_the_gate_lets_through_is_told_with_its_mean(cell: str, share: str) -> None:
    report = gated_report(cell)
    now = report.trace.layers[0].values.now
    values = {"f_t": "f", "z_t": "z", "1 − f_t": "f", "1 − z_t": "z"}
    kept = now[values[share]] if "−" not in share else 1 - now[values[share]]
    assert f"{share}, the share of the state that stays, is {float(f'{kept.mean():.4f}'):g} on average" in said(report)


@pytest.mark.parametrize("cell", ["lstm", "gru", "mgu"])
def test_the_direct_path_is_told_beside_the_measured_norm_and_called_no_bound(cell: str) -> None:
    report = gated_report(cell)
    decay = report.cell_state or report
    assert decay.direct is not None
    text = said(report)
    assert power_of_ten(float(decay.direct.log10_norms[-1])) in text
    assert power_of_ten(decay.log10_norm(29)) in text
    assert "bounds the norm neither from above nor from below" in text


def test_the_direct_path_is_indeed_no_bound_on_either_side() -> None:
    # h feeds the candidate back with a large weight, or takes away what the gate keeps.
    network = Network(1, 1, cell=CELLS["gru"])
    sides = set()
    for weight in (4.0, -0.9):
        weights = Weights({p.name: np.zeros(network.shape(p)) for p in network.parameters})
        weights.arrays["W_hn"][:] = weight
        weights.arrays["b_r"][:] = 50.0
        report = gradient_decay(trace(network, weights, np.zeros((10, 1))))
        assert report.direct is not None
        sides.add(report.log10_norm(9) > report.direct.log10_norms[8])
    assert sides == {True, False}


@pytest.mark.parametrize("cell", ["minlstm", "mingru"])
def test_a_cell_without_recurrent_matrix_is_said_to_have_a_diagonal_jacobian_and_cannot_grow(cell: str) -> None:
    report = gated_report(cell)
    assert "There is no recurrent matrix" in said(report)
    assert all(report.log10_norm(lag) <= 0 for lag in report.lags)


def test_the_symbols_are_those_of_the_layer() -> None:
    report = gated_report("lstm", layers=2, bidirectional=True)
    assert "The direct path from c^(2→) to c^(2→)" in said(report)
    assert "f^(2→)_t" in said(report)


@pytest.mark.parametrize("cell", CELLS)
def test_every_format_shows_every_cell(cell: str) -> None:
    run = ("gradient-decay", "--cell", cell, "--steps", "6")
    content = json.loads(calc(*run, "--json").out)
    csv = calc(*run, "--format", "csv").out.splitlines()
    lags = content["lags"]
    assert [f"{entry['log10_norm']!r}" for entry in lags] == [row.split(",")[1] for row in csv[1:]]
    assert [entry["log10_bound"] for entry in lags] == [
        float(b) if (b := row.split(",")[2]) else None for row in csv[1:]
    ]
    assert (content["spectral_norm"] is None) == (len(content["recurrent"]) != 1)
    assert ("cell_state" in content) == ("c" in CELLS[cell].state)
    assert ("log10_norm_cell_state" in csv[0]) == ("c" in CELLS[cell].state)
    if "cell_state" in content:
        assert {*lags[0]} == {*content["cell_state"]["lags"][0]}
        assert [f"{e['log10_norm']!r}" for e in content["cell_state"]["lags"]] == [row.split(",")[3] for row in csv[1:]]


@pytest.mark.parametrize("measure", ["radius", "norm"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "mgu", "indrnn"])
def test_every_gates_matrix_is_scaled_in_every_layer(cell: str, measure: str) -> None:
    run = ("gradient-decay", "--cell", cell, "--layers", "2", "--steps", "5", f"--spectral-{measure}", "0.7")
    for layer in ("1", "2"):
        content = json.loads(calc(*run, "--layer", layer, "--json").out)
        assert content["layer"] == int(layer)
        assert len(content["recurrent"]) == {"lstm": 4, "gru": 3, "mgu": 2, "indrnn": 1}[cell]
        for matrix in content["recurrent"]:
            assert matrix[f"spectral_{measure}"] == pytest.approx(0.7, rel=1e-12)


def test_what_cannot_be_measured_is_refused() -> None:
    run = ("gradient-decay", "--steps", "5")
    assert "has no recurrent matrix" in refused(*run, "--cell", "mingru", "--spectral-norm", "1", status=2)
    radius = refused(*run, "--cell", "lstm", "--d-h", "5", "--proj", "2", "--spectral-radius", "1")
    assert "only a square matrix has a spectral radius" in radius
    assert "Did you mean backward?" in refused(*run, "--direction", "bakward", status=2)
    assert "add --bidirectional" in refused(*run, "--direction", "backward", status=2)
