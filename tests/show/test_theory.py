"""The sentences about theory are true of the networks they are said of."""

from __future__ import annotations

import numpy as np
import pytest

from rnn_calc.core.decay import DecayReport, gradient_decay
from rnn_calc.core.equations import ACTIVATIONS
from rnn_calc.core.network import Network
from rnn_calc.core.trace import trace
from rnn_calc.core.weights import Weights
from rnn_calc.show.theory import theory_of


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
    assert all(report.log10_norm(lag) <= report.log10_bound(lag) + 1e-12 for lag in report.lags)
