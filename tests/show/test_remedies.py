"""What is said of remedies is what was measured, and is said where it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.decay import DecayReport, gradient_decay
from rnn_calc.core.network import Network
from rnn_calc.core.remedies import RemedyReport, measure_remedies
from rnn_calc.core.trace import trace
from rnn_calc.show.format import power_of_ten
from rnn_calc.show.remedies import remedies_json, sentences_of
from tests.commandline import calc, refused
from tests.core.drawing import plain_trace, random_weights, sequence

RUN = ("gradient-decay", "--d-h", "4")


def content_of(*arguments: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(calc(*RUN, *arguments, "--json").out)
    return content


def report_of(cell: str, scale: float, steps: int = 40) -> DecayReport:
    network = Network(2, 4, cell=CELLS[cell])
    return gradient_decay(trace(network, random_weights(network, 1, scale), sequence(1, steps, 2)))


def linear(scale: float, steps: int = 40) -> RemedyReport:
    return measure_remedies(gradient_decay(plain_trace(scale * np.diag([1.0, 0.5]), steps)))


def test_json_has_every_remedy_with_the_norm_that_the_command_measures_itself() -> None:
    content = content_of()
    found = {f"{one['name']} {one.get('bias_added', 0):.2f}": one for one in content["remedies"]}
    assert content["verdict"] == "vanishing"
    again = content_of("--spectral-radius", "1")
    assert found["radius 0.00"]["log10_norms"] == pytest.approx([lag["log10_norm"] for lag in again["lags"]], abs=1e-9)
    assert found["radius 0.00"]["verdict"] == again["verdict"]
    for one in content["remedies"][:-2]:
        assert one["log10_norm_before"] == content["lags"][-1]["log10_norm"]
        assert one["log10_norm"] == one["log10_norms"][-1]
        assert len(one["log10_norms"]) == len(content["lags"]) == one["lag"]
    assert [one["name"] for one in content["remedies"][-2:]] == ["truncation", "clipping"]


def test_another_cell_is_what_the_command_measures_of_it() -> None:
    (gru,) = (one for one in content_of()["remedies"] if one["name"] == "gru")
    assert gru["log10_norms"] == [lag["log10_norm"] for lag in content_of("--cell", "gru")["lags"]]


def test_the_page_has_a_table_of_them() -> None:
    page = calc(*RUN).out
    assert "What would help" in page
    after = page[page.index("What would help") :]
    for row in ("as it is", "W_hh orthogonal", "W_hh the identity", "W_hh scaled to ρ = 1", "gru, as drawn"):
        assert row in after
    assert "lstm, forget bias 1" in after
    assert "lstm, forget bias ln 49 = 3.89" in after


def test_the_recurrent_matrix_is_called_what_the_convention_calls_it() -> None:
    assert "W_h orthogonal" in calc(*RUN, "--convention", "wx").out


def test_only_a_small_network_is_measured_without_being_asked_for() -> None:
    large = ("--steps", "300")
    page = calc(*RUN, *large).out
    assert "--remedies measures the same network" in page
    assert "remedies" not in content_of(*large)
    assert "W_hh orthogonal" in calc(*RUN, *large, "--remedies").out
    assert len(content_of(*large, "--remedies")["remedies"]) > 2


def test_networks_side_by_side_have_theirs_when_asked_for() -> None:
    both = ("--spectral-radius", "0.5,0.9")
    assert "What would help" not in calc(*RUN, *both).out
    page = calc(*RUN, *both, "--remedies").out
    assert "What would help (ρ = 0.5)" in page
    assert "What would help (ρ = 0.9)" in page
    assert all(run["remedies"] for run in content_of(*both, "--remedies")["runs"])


def test_they_can_be_left_out_and_the_command_says_so_again() -> None:
    content = content_of("--no-remedies")
    assert "remedies" not in content
    assert "What would help" not in calc(*RUN, "--no-remedies").out
    (again,) = (note for note in content["notes"] if note.startswith("Again: "))
    assert again.endswith("--no-remedies")


def test_csv_holds_norms_alone_and_says_so() -> None:
    done = calc(*RUN, "--remedies", "--format", "csv")
    assert "the remedies are not in it" in done.err
    assert done.out == calc(*RUN, "--format", "csv").out


def test_a_steady_network_has_none_and_is_told_so_when_asked(tmp_path: Path) -> None:
    model = tmp_path / "steady.toml"
    model.write_text(
        'd_in = 1\nd_h = 2\nd_out = 0\nactivation = "identity"\n'
        "[weights]\nW_xh = [[0.0], [0.0]]\nW_hh = [[0.0, 1.0], [1.0, 0.0]]\nb_h = [0.0, 0.0]\n",
        encoding="utf-8",
    )
    run = ("gradient-decay", "--model", str(model), "--steps", "30")
    assert "What would help" not in calc(*run).out
    assert "Nothing: the norm neither vanishes nor explodes" in calc(*run, "--remedies").out
    assert json.loads(calc(*run, "--remedies", "--json").out)["remedies"] == []


def test_a_steady_network_costs_no_import() -> None:
    code = (
        "import sys; from rnn_calc.cli import run; "
        "run(['gradient-decay', '--steps', '5', '--init', 'orthogonal', '--activation', 'identity', '--json']); "
        "print('rnn_calc.core.remedies' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["verdict"] == "steady"
    assert done.stderr.strip() == "False"


@pytest.mark.parametrize("other", [("--from-loss",), ("--ensemble", "3")])
def test_where_no_network_is_measured_alone_they_are_refused(other: tuple[str, ...]) -> None:
    assert "--remedies has nothing to act on" in refused(*RUN, "--remedies", *other, status=2)


def test_the_best_is_the_one_whose_norm_is_nearest_1() -> None:
    found = linear(0.5)
    (first, *_) = sentences_of(found, "W")
    assert first == f"With “W orthogonal” the norm at lag 39 is 1; as it is, {power_of_ten(39 * np.log10(0.5))}."


def test_a_steady_one_is_better_than_one_that_happens_to_be_nearer() -> None:
    found = linear(0.5)
    identity, lstm = (next(one for one in found.remedies if one.name == name) for name in ("identity", "lstm"))
    nearer = lstm._replace(
        report=replace(lstm.report, log10_norms=lstm.report.log10_norms * 1e-9 - np.arange(39.0) / 39)
    )
    nearer.report.log10_norms[-1] = 0.0
    assert nearer.report.verdict == "vanishing"
    steady = identity._replace(report=replace(identity.report, log10_norms=identity.report.log10_norms - 0.05))
    (first, *_) = sentences_of(RemedyReport(found.before, (nearer, steady)), "W")
    assert first.startswith("With “W the identity”")


def test_that_none_is_enough_is_said() -> None:
    found = linear(0.5)
    lstm = tuple(one for one in found.remedies if one.name == "lstm" and one.raised == 1)
    (first, *_) = sentences_of(RemedyReport(found.before, lstm), "W")
    norm = power_of_ten(lstm[0].report.log10_norm(39))
    assert first.startswith(f"None of these is enough. “lstm, forget bias 1” comes nearest: {norm} at lag 39")


def test_truncation_is_told_by_the_share_that_it_keeps() -> None:
    # 1 + 1/2 + … + 2^−10 of 1 + … + 2^−39; of 3^k, the first 11 of 40.
    shrinking, growing = (" ".join(sentences_of(linear(scale), "W")) for scale in (0.5, 3.0))
    assert "keeps lags 0 to 10, more than 99.9 % of the sum of all norms, and makes every longer lag exactly 0" in (
        shrinking
    )
    share = (3**11 - 1) / (3**40 - 1)
    assert f"keeps lags 0 to 10, {power_of_ten(np.log10(share))} of the sum of all norms, and drops" in growing
    assert f"the largest norm left is {power_of_ten(10 * np.log10(3))}" in growing


def test_clipping_is_said_to_mend_no_vanishing_and_to_scale_every_lag() -> None:
    shrinking, growing = (" ".join(sentences_of(linear(scale), "W")) for scale in (0.5, 3.0))
    assert f"mends no vanishing: lag 39 stays {power_of_ten(39 * np.log10(0.5))} of lag 0" in shrinking
    assert f"a gradient grown to {power_of_ten(39 * np.log10(3))} is multiplied by" in growing
    assert power_of_ten(-39 * np.log10(3)) in growing


def test_truncation_and_clipping_are_in_json_by_their_logarithms() -> None:
    *_, truncation, clipping = remedies_json(linear(3.0, 800), "W")
    # (3^11 − 1)/(3^800 − 1)
    assert truncation["log10_share_of_norms"] == pytest.approx(np.log10(3**11 - 1) - 800 * np.log10(3))
    assert clipping["log10_factor"] == pytest.approx(-799 * np.log10(3))


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("lstm", "forget gate's bias + 1"),
        ("gru", "update gate's bias + 1"),
        ("mgu", "forget gate's bias − 1"),
        ("mingru", "update gate's bias − 1"),
        ("indrnn", "of ±1, signs drawn"),
    ],
)
def test_every_cell_is_told_its_own(cell: str, told: str) -> None:
    page = calc("gradient-decay", "--cell", cell, "--d-h", "3", "--steps", "30").out
    assert told in page


def test_a_tiny_number_of_lags_is_no_obstacle() -> None:
    for steps in ("2", "3", "12"):
        assert "What would help" in calc(*RUN, "--steps", steps, "--gain", "0.01").out
