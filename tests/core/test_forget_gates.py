"""Forget-gate biases against plain NumPy over torch's own arrays, and the half-life against high precision."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.forget_gates import forget_biases, has_forget_gate, summarize_bias
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.storage import write_arrays
from tests.core.drawing import random_arrays
from tests.torch_or_skip import torch


def test_torch_s_two_biases_are_added_layer_by_layer() -> None:
    module = torch.nn.LSTM(4, 5, 2, bidirectional=True, dtype=torch.float64)
    arrays = {name: value.numpy() for name, value in module.state_dict().items()}
    network = Network(4, 5, cell=CELLS["lstm"], biases=2, layers=2, bidirectional=True)
    found = forget_biases(Notation(network, "pytorch"), lambda name: arrays[name].ravel().tolist())
    places = [(bias.layer.index, bias.layer.reverse) for bias in found]
    assert places == [(0, False), (0, True), (1, False), (1, True)]
    for bias, end in zip(found, ("_l0", "_l0_reverse", "_l1", "_l1_reverse"), strict=True):
        b = (arrays[f"bias_ih{end}"] + arrays[f"bias_hh{end}"])[5:10]  # i f g o
        expected = (b.mean(), b.min(), b.max(), (1 / (1 + np.exp(-b))).mean())
        assert bias.summary is not None
        assert bias.summary[:4] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("convention", [c.name for c in CONVENTIONS.values() if "lstm" in (c.cells or CELLS)])
def test_every_convention_s_forget_gate_is_found_in_its_arrays(convention: str) -> None:
    cell = CELLS["lstm"]
    network = Network(2, 3, cell=cell, biases=CONVENTIONS[convention].biases(cell), layers=2, bidirectional=True)
    canonical = random_arrays(network, 3)
    stored = write_arrays(network, convention, canonical)
    found = forget_biases(Notation(network, convention), lambda name: stored[name].ravel().tolist())
    assert len(found) == 4
    for bias in found:
        mark = bias.layer.mark
        b = canonical[f"b_f^{mark}"] + canonical.get(f"b_hf^{mark}", 0)
        assert bias.summary is not None
        assert bias.summary[:3] == pytest.approx((b.mean(), b.min(), b.max()), rel=1e-14)


@pytest.mark.parametrize("cell", CELLS)
def test_only_lstms_have_a_forget_gate_on_a_cell_state(cell: str) -> None:
    network = Network(2, 3, cell=CELLS[cell])
    assert has_forget_gate(network) == (cell in ("lstm", "lstm-peephole"))
    arrays = write_arrays(network, "xh", random_arrays(network, 0))
    found = forget_biases(Notation(network), lambda name: arrays[name].tolist())
    assert len(found) == (cell in ("lstm", "lstm-peephole"))


def test_without_biases_nothing_is_read() -> None:
    def refuse(name: str) -> list[float]:
        raise AssertionError(name)

    network = Network(2, 3, cell=CELLS["lstm"], biases=0)
    assert forget_biases(Notation(network, "pytorch"), refuse) == ()


@pytest.mark.parametrize("b", [-40.0, -1.0, 0.0, 1.0, 5.0, 20.0, 36.0, 100.0, 700.0])
def test_the_half_life_of_one_bias_has_every_digit(b: float) -> None:
    summary = summarize_bias([b])
    assert summary is not None
    with mpmath.workprec(4000):
        gate = 1 / (1 + mpmath.exp(-mpmath.mpf(b)))
        assert summary.gate == pytest.approx(float(gate), rel=1e-15)
        assert summary.half_life == pytest.approx(float(mpmath.log(0.5) / mpmath.log(gate)), rel=1e-14)


def test_a_bias_of_one_is_the_textbook_s_case() -> None:
    summary = summarize_bias([1.0] * 8)
    assert summary is not None
    assert summary.gate == pytest.approx(0.7310585786300049, rel=1e-15)
    assert summary.half_life == pytest.approx(2.2127, abs=1e-4)


def test_a_gate_that_is_open_or_shut_to_the_last_digit_has_a_limit() -> None:
    open_gate, shut = summarize_bias([1e6, 1e6]), summarize_bias([-1e6])
    assert open_gate is not None
    assert (open_gate.gate, open_gate.half_life) == (1.0, None)
    assert shut is not None
    assert (shut.gate, shut.half_life) == (0.0, 0.0)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_has_no_summary(wrong: float) -> None:
    assert summarize_bias([0.0, wrong]) is None
    network = Network(1, 2, cell=CELLS["lstm"], biases=2)
    arrays = {"bias_ih_l0": [0.0] * 8, "bias_hh_l0": [0.0] * 8}
    arrays["bias_ih_l0"][2], arrays["bias_hh_l0"][2] = wrong, -wrong
    (found,) = forget_biases(Notation(network, "pytorch"), arrays.__getitem__)
    assert found.summary is None


@pytest.mark.parametrize("value", [1e308, -1e308, 1.7e308])
def test_biases_whose_sum_leaves_float64_have_no_summary(value: float) -> None:
    network = Network(2, 3, cell=CELLS["lstm"], biases=2)
    arrays = {stored.symbol: [value] * 24 for stored in Notation(network, "pytorch").stored}
    (found,) = forget_biases(Notation(network, "pytorch"), lambda name: arrays[name])
    assert found.summary is None
    assert summarize_bias([value] * 3) is None
