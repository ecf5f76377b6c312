"""What a review found wrong stays mended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commandline import calc, refused


def shown_by(*args: str) -> str:
    """What the command prints, every run of white space as one blank."""
    return " ".join(calc(*args).out.split())


def written(tmp_path: Path, text: str, name: str = "m.toml") -> str:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return str(path)


def test_check_with_a_scaled_matrix_is_refused() -> None:
    message = refused("gradient-decay", "--example", "tiny", "--check", "--spectral-radius", "0.5", status=2)
    assert "--check compares the file's own network" in message


def test_the_weights_note_says_that_the_matrix_was_scaled() -> None:
    assert "W_h scaled to spectral radius 0.5, 1" in shown_by(
        "gradient-decay", "--convention", "wx", "--spectral-radius", "0.5,1"
    )


def test_several_radii_may_be_given_one_by_one() -> None:
    together = shown_by("gradient-decay", "-r", "0.5,0.7", "--json")
    assert shown_by("gradient-decay", "-r", "0.5", "-r", "0.7", "--json") == together


def test_a_second_bias_that_a_file_has_not_is_called_zero(tmp_path: Path) -> None:
    model = written(tmp_path, 'convention = "xh"\nd_in = 1\n[weights]\nW_hh = [[0.5]]\nb_h = [0.1]\n')
    assert "bias_hh_l0 0, since the file has one bias" in shown_by("trace", "--model", model, "--convention", "pytorch")


def test_other_random_numbers_are_not_compared_with_the_file(tmp_path: Path) -> None:
    model = written(tmp_path, "d_in = 1\nsequence = [1.0]\n[weights]\nW_hh = [[0.5]]\n[expected]\nh = [[1.0]]\n")
    assert "leave out the options" in refused("trace", "--model", model, "--check", "--seed", "5", status=2)


@pytest.mark.parametrize("expected", ['h = [["1e400"]]', "h = [[0.5]]"])
def test_json_has_no_infinity_and_no_nan(tmp_path: Path, expected: str) -> None:
    model = written(tmp_path, f"sequence = [[nan]]\n[weights]\nW_hh = [[0.5]]\n[expected]\n{expected}\n")
    found = json.loads(shown_by("trace", "--model", model, "--allow-nonfinite", "--json"), parse_constant=pytest.fail)
    assert found["expected"][0]["difference"] is None


def test_an_expected_norm_far_beyond_float64_is_compared(tmp_path: Path) -> None:
    model = written(
        tmp_path,
        'activation = "identity"\nsteps = 900\ninputs = "zeros"\n[weights]\nW_xh = [[1.0]]\nW_hh = [[4.0]]\n'
        '[expected]\nnorm = { 800 = "4.45e481" }\n',
    )
    # 4^800 = 10^481.648 = 4.446e481.
    assert "✓ met" in shown_by("gradient-decay", "--model", model, "--check")


@pytest.mark.parametrize("shape", ["--3,4", "3,,x-", "3,4.0", "9" * 31])
def test_a_shape_that_is_none_is_a_wrong_command_line(shape: str) -> None:
    assert "--got takes SYMBOL=SHAPE" in refused("shapes", "--got", f"W_xh={shape}", status=2)


def test_nested_embeddings_and_first_states_are_refused(tmp_path: Path) -> None:
    nested = written(tmp_path, 'text = "cat"\n[embedding]\ncat = [[1], [2]]\n')
    assert "embedding.cat is nested 2 lists deep" in refused("trace", "--model", nested, status=1)
    state = written(tmp_path, "h0 = [[[1, 2]]]\n", "h.toml")
    assert "h0 is nested 3 lists deep" in refused("trace", "--model", state, status=1)


def test_a_huge_first_state_is_in_the_pictures_scale() -> None:
    assert "−1.000e+308" in shown_by("trace", "--d-h", "1", "--h0", "1e308", "--steps", "2")


def test_a_mode_changes_the_roles_without_any_other_option() -> None:
    shown = shown_by("shapes", "--mode", "many-to-one")
    assert "output after the last step, t = T" in shown
    assert "many-to-one: one output after the last step" in shown


def test_decoder_steps_alone_draw_nothing() -> None:
    assert "needs --steps" in refused("shapes", "--mode", "seq2seq", "--decoder-steps", "5", status=2)


def test_jacobians_of_several_radii_carry_their_labels() -> None:
    shown = shown_by("gradient-decay", "--d-h", "2", "-r", "0.5,1", "-j", "1")
    assert shown.count("∂h_50/∂h_49: row i, column k is ∂h_50[i]/∂h_49[k] (ρ = 0.5)") == 1


def test_a_unit_asked_for_twice_is_shown_once() -> None:
    assert "left out" not in shown_by("trace", "--unit", "1", "--unit", "1", "--d-h", "1")


def test_an_expected_shape_that_is_no_table_is_the_files_fault(tmp_path: Path) -> None:
    model = written(tmp_path, "[expected]\nshape = 3\n")
    assert "m.toml" in refused("shapes", "--model", model, status=1)


def test_a_name_that_json_has_twice_is_refused(tmp_path: Path) -> None:
    model = written(tmp_path, '{"d_h": 2, "d_h": 3}', "m.json")
    assert "has the name 'd_h' twice" in refused("shapes", "--model", model, status=1)


def test_a_logarithm_that_only_rounding_keeps_from_zero_is_zero() -> None:
    shown = shown_by("gradient-decay", "--activation", "identity", "--init", "orthogonal", "--steps", "101")
    assert "largest norm 1 (lag 1)" in shown
    assert "e-16" not in shown.split("Measured")[0].split("some lags")[1]
