"""gradient-decay at full strength: numbers worked by hand, parts that must agree, and what is refused."""

from __future__ import annotations

import json
from math import inf, log, log10, pi, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.commandline import calc, refused

JORDAN = [[0.9, 5.0], [0.0, 0.9]]
ROTATION = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
# The rounding of a few dozen products of small matrices, and the certificate's own width.
CLOSE = 1e-9


def answer(*args: str, stdin: bytes = b"") -> dict[str, Any]:
    result = calc("gradient-decay", *args, "--json", stdin=stdin)
    assert result.status == 0, result.err
    document: dict[str, Any] = json.loads(result.out)
    return document


def norms(content: dict[str, Any]) -> list[float]:
    """The logarithms of the norms, an exact zero as −∞."""
    return [-inf if row["log10_norm"] is None else row["log10_norm"] for row in content["lags"]]


@pytest.fixture
def linear(tmp_path: Path) -> Any:
    """A linear network h_t = W h_{t−1} in a file, for a matrix W."""

    def write(matrix: list[list[float]], steps: int = 60) -> str:
        rows = [[float(value) for value in row] for row in matrix]
        n = len(rows)
        path = tmp_path / "linear.toml"
        path.write_text(
            f'activation = "identity"\nd_in = 1\nd_h = {n}\nd_out = 1\nsequence = {[[0.0]] * steps}\n[weights]\n'
            f"W_xh = {[[0.0]] * n}\nW_hh = {rows}\nb_h = {[0.0] * n}\nW_hy = {[[1.0] * n]}\nb_y = [0.0]\n"
        )
        return str(path)

    return write


# ---- numbers worked by hand ----


def test_a_rotation_keeps_every_singular_value_at_1_in_both_families(linear: Any) -> None:
    found = answer("--model", linear(ROTATION), "--family", "both", "--singular-values", "2")
    for family in (found, found["forward"]):
        values = np.array([row["log10_singular_values"] for row in family["lags"]])
        assert values.shape == (len(family["lags"]), 2)
        assert np.allclose(values, 0, atol=CLOSE)
    assert len(found["lags"]) == 59
    assert len(found["forward"]["lags"]) == 60


def test_a_jordan_block_grows_to_19_at_lag_9_and_has_the_singular_values_of_its_powers(linear: Any) -> None:
    found = answer("--model", linear(JORDAN), "--singular-values", "2")
    for row in found["lags"]:
        # J^k = [[a, b], [0, a]] with a = 0.9^k, b = 5 k 0.9^(k−1): σ₁σ₂ = a², σ₁² + σ₂² = 2a² + b².
        lag = row["lag"]
        a, b = 0.9**lag, 5 * lag * 0.9 ** (lag - 1)
        first, second = (b + sqrt(b * b + 4 * a * a)) / 2, a * a / ((b + sqrt(b * b + 4 * a * a)) / 2)
        assert row["log10_singular_values"] == pytest.approx([log10(first), log10(second)], rel=CLOSE, abs=CLOSE)
    assert found["peak_lag"] == 9
    assert 10 ** norms(found)[8] == pytest.approx(19.4, abs=0.05)


def test_the_exponents_of_a_diagonal_matrix_are_the_logarithms_of_its_entries(linear: Any) -> None:
    found = answer("--model", linear([[2.0, 0.0], [0.0, 0.25]]), "--lyapunov", "all", "--burn-in", "20")["lyapunov"]
    # The burn-in turns the tangents to the axes: what is left of the wrong one is (1/8)^20.
    assert [row["exponent"] for row in found["exponents"]] == pytest.approx([log(2), log(0.25)], rel=CLOSE)
    assert found["kaplan_yorke"] == pytest.approx(1.5, rel=CLOSE)
    assert (found["width"], found["burn_in"], found["steps"]) == (2, 20, 40)


def test_a_nilpotent_matrix_has_exact_zeros_in_every_part(linear: Any) -> None:
    found = answer("--model", linear([[0.0, 100.0], [0.0, 0.0]], 5), "--pairs", "--family", "both")
    assert norms(found) == [2.0, -inf, -inf, -inf]
    assert norms(found["forward"]) == [2.0, -inf, -inf, -inf, -inf]
    rows = found["pairs"][0]["rows"]
    assert [row["log10_norms"] for row in rows] == [
        [None] * (t - 1) + [pytest.approx(2.0, abs=CLOSE)] for t in range(1, 6)
    ]


def test_from_the_loss_of_a_linear_network_the_norm_is_that_of_the_powers_row(linear: Any) -> None:
    found = answer("--model", linear(JORDAN, 9), "--from-loss")
    told = found["layers"][0]["log10_norms"]["h"]
    for t in range(1, 10):
        row = np.ones(2) @ np.linalg.matrix_power(np.array(JORDAN), 9 - t)
        assert told[t - 1] == pytest.approx(log10(float(np.linalg.norm(row))), rel=CLOSE, abs=CLOSE)


def test_a_loss_at_every_step_of_a_network_that_forgets_is_the_same_at_each(linear: Any) -> None:
    found = answer("--model", linear([[0.0]], 4), "--from-loss", "--loss", "sum")
    assert found["layers"][0]["log10_norms"]["h"] == [0.0] * 4
    assert found["loss"] == {"kind": "sum", "reduction": None, "value": 0.0, "targets": None}


# ---- parts that must agree ----

RUN = ("--cell", "lstm", "--steps", "12", "--d-h", "4")


def test_the_longest_lag_forward_is_the_pair_of_the_last_step_and_the_first_state() -> None:
    found = answer(*RUN, "--pairs", "--family", "both")
    for name, pairs in (("", found["pairs"][0]), ("cell_state", found["pairs"][1])):
        back, forward = ((own[name] if name else own) for own in (found, found["forward"]))
        rows = [row["log10_norms"] for row in pairs["rows"]]
        assert rows[-1][:0:-1] == pytest.approx(norms(back), rel=CLOSE)
        assert [row[0] for row in rows] == pytest.approx(norms(forward), rel=CLOSE)
        assert [len(row) for row in rows] == list(range(1, 13))


def test_a_singular_value_that_rounding_hides_is_not_told(tmp_path: Path) -> None:
    path = tmp_path / "saturated.toml"
    path.write_text(
        "d_in = 1\nd_h = 3\nd_out = 0\n[weights]\nW_xh = [[0], [0], [0]]\nb_h = [0, 25, 0.1]\n"
        "W_hh = [[0.5, 0.2, 0.1], [0.3, 0.4, -0.2], [-0.1, 0.6, 0.7]]\n"
    )
    options = ("--model", str(path), "--inputs", "zeros", "--steps", "4", "--singular-values", "3", "--no-remedies")
    first, *others = answer(*options)["lags"]
    assert first["log10_singular_values"][2] == pytest.approx(-21.8, abs=0.2)  # the slope is 4 e^−50
    assert "hidden_by_rounding" not in first
    for row in others:
        assert row["hidden_by_rounding"] == 1
        assert None not in row["log10_singular_values"][:2]
        assert row["log10_singular_values"][2] is None
    page = " ".join(calc("gradient-decay", *options).out.split())
    assert "–: rounding hides it" in page
    assert "–: rounding hides it" not in calc("gradient-decay", "--singular-values", "3").out
    assert calc("gradient-decay", *options, "--format", "csv").out.splitlines()[-1].endswith(",")


def test_exponents_from_one_step_have_no_error_and_none_is_spoken_of() -> None:
    page = " ".join(calc("gradient-decay", "--lyapunov", "1", "--burn-in", "49").out.split())
    assert "by QR; one step has no error to tell, which takes two blocks of steps." in page
    assert "taken as independent" not in page
    for burn_in, told in ((0, "none is"), (1, "the first is"), (2, "the first 2 are")):
        options = ("--lyapunov", "1", "--burn-in", str(burn_in), "--steps", str(10 + burn_in))
        page = " ".join(calc("gradient-decay", *options).out.split())
        assert f"({told} left out)" in page


def test_the_norm_is_the_largest_singular_value_of_each_state() -> None:
    found = answer(*RUN, "--through", "state,h,c", "--singular-values", "1")
    assert found["state"] == "state"
    for content in (found, found["hidden_state"], found["cell_state"]):
        values = [row["log10_singular_values"][0] for row in content["lags"]]
        assert values == pytest.approx(norms(content), rel=CLOSE)
    # A block is no larger than the matrix it is in.
    for block in ("hidden_state", "cell_state"):
        assert (np.array(norms(found[block])) <= np.array(norms(found)) + CLOSE).all()


def test_a_stack_whose_lower_layer_is_the_only_one_with_memory_decays_like_it() -> None:
    found = answer("--layers", "2", "--cell", "gru", "--steps", "10", "--across")
    alone = answer("--layers", "2", "--cell", "gru", "--steps", "10", "--layer", "1")
    assert [own["layer"] for own in found["within"]] == [1, 2]
    assert norms(found["within"][0]) == pytest.approx(norms(alone), rel=CLOSE)
    assert norms(found["within"][1]) == pytest.approx(norms(found), rel=CLOSE)
    assert len(norms(found["across"])) == 9
    assert found["across"]["log10_norm_at_lag_0"] < 0.5
    assert (found["across"]["from_layer"], found["across"]["to_layer"]) == (2, 1)


def test_of_a_deep_stack_the_lowest_and_the_top_layer_stand_beside_what_is_across() -> None:
    found = answer("--layers", "6", "--steps", "5", "--across", "--layer", "3")
    assert [own["layer"] for own in found["within"]] == [1, 6]
    assert found["layer"] == 3


def test_from_the_last_loss_the_norm_is_at_most_the_product_of_norms() -> None:
    loss, jacobians = answer(*RUN, "--from-loss"), answer(*RUN, "--through", "h")
    back = loss["layers"][0]["log10_norms"]["h"][::-1]
    for lag, norm in enumerate(norms(jacobians), start=1):
        assert back[lag] <= back[0] + norm + CLOSE


def test_the_loss_and_its_norms_are_those_of_bptt() -> None:
    args = ("--cell", "gru", "--layers", "2", "--steps", "6", "--loss", "mse")
    ours, theirs = answer(*args, "--from-loss"), json.loads(calc("bptt", *args, "--json").out)
    assert ours["loss"]["value"] == pytest.approx(theirs["loss"]["value"], rel=1e-13)
    for own, other in zip(ours["layers"], theirs["layers"], strict=True):
        assert own["log10_norms"]["h"] == pytest.approx(other["log10_norms"]["h"], rel=CLOSE, abs=CLOSE)


def test_each_family_alone_is_that_of_both() -> None:
    both = answer(*RUN, "--family", "both")
    assert norms(answer(*RUN, "--family", "forward")) == pytest.approx(norms(both["forward"]), rel=CLOSE)
    assert norms(answer(*RUN, "--family", "back")) == norms(both)


# ---- the certificate ----


def test_every_norm_has_a_certificate_and_a_looser_tolerance_is_kept_to() -> None:
    for tolerance in (1e-10, 1e-4):
        found = answer("--d-h", "48", "--steps", "40", "--tolerance", str(tolerance))["certificate"]
        assert found["tolerance"] == tolerance
        assert found["met"]
        assert found["widest"] <= tolerance
        assert found["iterated"] + found["decomposed"] == 39
        assert 0 <= found["failure_probability"] < 1e-9


def test_the_page_says_what_is_guaranteed_and_what_is_estimated() -> None:
    page = " ".join(calc("gradient-decay", "--tolerance", "1e-6").out.split())
    assert "Each norm is the 2-norm of the float64 product, within 1e-06 of itself (--tolerance)" in page
    assert "49 by decomposition." in page
    assert "That is an estimate, which cancellation can exceed." in page


def test_what_is_diagonal_is_known_at_once() -> None:
    assert "49 at once." in " ".join(calc("gradient-decay", "--cell", "mingru").out.split())


def test_the_intervals_are_among_the_arrays(tmp_path: Path) -> None:
    path = tmp_path / "norms.npz"
    assert calc("gradient-decay", *RUN, "--family", "both", "--pairs", "-O", str(path)).status == 0
    found = np.load(path)
    for end in ("", "_cell_state", "_forward", "_cell_state_forward"):
        low, norm, high = (found[f"log10_{name}{end}"] for name in ("low", "norm", "high"))
        assert ((low <= norm) & (norm <= high)).all()
        assert (high - low < 1e-9).all()
    assert found["log10_pairs"].shape == (13, 13)


# ---- ensembles ----


def test_a_member_of_an_ensemble_is_the_run_with_its_seed() -> None:
    found = answer("--ensemble", "3", "--seed", "7", "--cell", "gru", "--steps", "9")
    for member in found["members"]:
        alone = answer("--seed", str(member["seed"]), "--cell", "gru", "--steps", "9")
        assert member["log10_norm"] == norms(alone)[-1]
        assert (member["verdict"], member["rate_per_step"]) == (alone["verdict"], alone["rate_per_step"])
    assert found["ensemble"] == {"runs": 3, "vary": "all", "seeds": [7, 8, 9]}


@pytest.mark.parametrize("vary", ["weights", "sequences"])
def test_what_is_not_varied_stays_as_it_is(vary: str, tmp_path: Path) -> None:
    path = tmp_path / "e.npz"
    args = ("gradient-decay", "--ensemble", "4", "--vary", vary, "--steps", "9", "-O", str(path))
    assert calc(*args).status == 0
    rows = np.load(path)["log10_norm"]
    assert rows.shape == (4, 8)
    assert len(np.unique(rows[:, -1])) == 4
    # The first is the run itself.
    assert rows[0].tolist() == norms(answer("--steps", "9", "--seed", "0"))


def test_a_linear_network_is_the_same_whatever_goes_in() -> None:
    found = answer("--ensemble", "5", "--vary", "sequences", "--activation", "identity", "--steps", "8")
    for row in found["lags"]:
        assert row["log10_lower_quartile"] == row["log10_median"] == row["log10_upper_quartile"]


def test_weights_vary_over_a_sequence_that_comes_through_a_pipe_once() -> None:
    args = ("--ensemble", "3", "--vary", "weights", "--sequence", "-", "--d-in", "1")
    found = answer(*args, stdin=b"0.5\n-1\n2\n0.25\n")
    assert len(found["lags"]) == 3
    assert len({member["log10_norm"] for member in found["members"]}) == 3


def test_an_ensemble_of_each_spectral_radius_stands_side_by_side() -> None:
    found = answer("--ensemble", "4", "--spectral-radius", "0.5,2", "--activation", "identity", "--family", "both")
    low, high = found["runs"]
    assert (low["label"], high["label"]) == ("ρ = 0.5", "ρ = 2")
    assert low["verdicts"] == {"vanishing": 4, "steady": 0, "exploding": 0}
    assert high["verdicts"] == low["forward"]["verdicts"] | {"vanishing": 0, "exploding": 4}
    # The rate of W^k tends to ρ.
    assert low["rate_per_step"]["median"] == pytest.approx(0.5, rel=0.05)
    page = calc("gradient-decay", "--ensemble", "4", "--spectral-radius", "0.5,2").out
    assert "ρ = 0.5, median" in page.replace("\n", " ")
    assert "4 of 4" in page


def test_what_fails_in_an_ensemble_is_named_by_its_seed() -> None:
    args = ("--ensemble", "3", "--activation", "relu", "--gain", "1e5", "--steps", "200")
    assert refused("gradient-decay", *args).startswith("At seed 0: ")


def test_the_first_lag_of_a_rotation_by_a_right_angle_is_itself(linear: Any) -> None:
    found = answer("--model", linear([[0.0, -1.0], [1.0, 0.0]], 4), "--family", "forward", "--jacobian", "1")
    (jacobian,) = found["jacobians"]
    angle = np.arctan2(jacobian["matrix"][1][0], jacobian["matrix"][0][0])
    assert angle == pytest.approx(pi / 2, rel=CLOSE)
    assert (
        "∂h_1/∂h_0: row i, column k is"
        in calc(
            "gradient-decay", "--model", linear([[0.0, -1.0], [1.0, 0.0]], 4), "--family", "forward", "--jacobian", "1"
        ).out
    )
