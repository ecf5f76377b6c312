"""The sentences about theory are true of the networks they are said of."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.decay import DecayReport, gradient_decay
from rnn_calc.core.equations import ACTIVATIONS
from rnn_calc.core.network import Network
from rnn_calc.core.trace import trace
from rnn_calc.core.weights import Weights
from rnn_calc.show.format import power_of_ten
from rnn_calc.show.theory import theory_of
from tests.commandline import calc, refused
from tests.core.drawing import random_weights, sequence


def report_of(W_hh: list[list[float]], steps: int, activation: str = "identity", drive: float = 0.0) -> DecayReport:
    n = len(W_hh)
    weights = Weights({"W_xh": np.ones((n, 1)), "W_hh": np.array(W_hh), "b_h": np.zeros(n)})
    return gradient_decay(trace(Network(1, n, activation=activation), weights, np.full((steps, 1), drive)))


def said(report: DecayReport) -> str:
    return " ".join(theory_of(report, "W"))


def test_one_unit_is_never_called_not_normal() -> None:
    assert "not normal" not in said(report_of([[0.99]], 10))


def test_too_few_lags_are_called_too_few() -> None:
    for radius in (0.99, 1.01):
        text = said(report_of([[radius]], 10))
        assert "cannot be judged here" in text
        assert "does not hold" not in text


def test_a_linear_network_is_not_said_to_saturate() -> None:
    assert "φ′ " not in said(report_of([[1.01]], 10))


def test_growth_below_radius_one_is_put_down_to_a_matrix_that_is_not_normal() -> None:
    text = said(report_of([[0.9, 5.0], [0.0, 0.9]], 12))
    assert "first grows to 19.38 at lag 9" in text
    assert "W is not normal" in text


@pytest.mark.parametrize(("activation", "reason"), [("tanh", "1 − tanh²"), ("sigmoid", "1/4"), ("relu", "that is off")])
def test_shrinking_above_radius_one_is_put_down_to_the_activation(activation: str, reason: str) -> None:
    drive = -5.0 if activation == "relu" else 5.0
    text = said(report_of([[1.5]], 30, activation, drive))
    assert "does not hold here: ρ = 1.5, yet what was measured is vanishing" in text
    assert reason in text


@pytest.mark.parametrize("norm", [0.99999, 1.00001, 0.9999999, 1.0000001])
def test_a_bound_beside_one_is_never_shown_as_one(norm: float) -> None:
    text = said(report_of([[norm]], 5))
    assert f"{norm:.10g}" in text
    assert " 1 <" not in text
    assert " 1 >" not in text


def test_a_rotation_that_rounding_leaves_at_one_can_neither_grow_nor_is_judged() -> None:
    c, s = np.cos(0.3), np.sin(0.3)
    assert said(report_of([[c, -s], [s, c]], 50)) == (
        "max|φ′|·σ_max = 1: the norm cannot grow; theory does not say whether it shrinks."
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_bound_named_as_sufficient_holds(activation: str) -> None:
    report = report_of([[0.4, 0.3], [-0.2, 0.5]], 40, activation, 0.3)
    assert "is sufficient for vanishing" in said(report)
    assert report.bound_per_step is not None
    assert all(report.log10_norm(lag) <= lag * np.log10(report.bound_per_step) + 1e-12 for lag in report.lags)


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
    assert "sufficient" not in text
    assert "eigenvalues above" not in text


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
    assert "∂c^(2→)_T/∂c^(2→)_{T−lag}" in said(report)
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
