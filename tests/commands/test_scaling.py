"""Recurrent matrices scaled to a spectral radius or norm: the same weights in every command that runs a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.commandline import calc, refused
from tests.references import STEPS, Array, rnn_states, run

SMALL = ("--d-h", "6", "--d-in", "2", "--steps", "9", "--seed", "3")


def answer(*args: str) -> dict[str, Any]:
    result = calc(*args, "--json")
    assert result.status == 0, result.err
    found: dict[str, Any] = json.loads(result.out)
    return found


def arrays(tmp_path: Path, *args: str) -> dict[str, Array]:
    """The weights, inputs and states of a trace as .npz holds them."""
    path = tmp_path / "run.npz"
    assert calc("trace", *args, "--output", str(path), "--force").status == 0
    with np.load(path) as held:
        return {name: held[name] for name in held.files}


def radius(matrix: Array) -> float:
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def test_the_states_are_those_of_a_matrix_scaled_by_hand(tmp_path: Path) -> None:
    plain = arrays(tmp_path, *SMALL)
    plain["W_hh"] = plain["W_hh"] * (1.1 / radius(plain["W_hh"]))
    expected = rnn_states(plain, plain["x"], np.zeros(6))
    found = np.array([step["h"] for step in answer("trace", *SMALL, "--spectral-radius", "1.1")["steps"]])
    # The eigenvalues of two LAPACKs may differ in last digits, which nine steps of tanh do not amplify much.
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("cell", ["lstm", "gru", "indrnn"])
def test_every_gate_s_matrix_is_scaled_to_the_norm(cell: str, tmp_path: Path) -> None:
    args = ("--cell", cell, *SMALL)
    plain = arrays(tmp_path, *args)
    recurrent = [name for name in plain if name.startswith(("W_h", "u")) and name != "W_hy" and " " not in name]
    assert len(recurrent) == {"lstm": 4, "gru": 3, "indrnn": 1}[cell]
    scaled = plain | {"u_h": plain.get("u", np.zeros(6))}
    for name in recurrent:
        norm = np.linalg.norm(plain[name], 2) if plain[name].ndim == 2 else np.abs(plain[name]).max()
        scaled[name if name != "u" else "u_h"] = plain[name] * (0.7 / norm)
    zeros = {name: np.zeros(6) for name in ("h", "c")[: 1 + (cell == "lstm")]}
    expected = run(STEPS[cell], scaled, plain["x"], zeros)["h"]
    found = arrays(tmp_path, *args, "--spectral-norm", "0.7")
    np.testing.assert_allclose(found["h"], expected, rtol=1e-11, atol=1e-13)
    for name in recurrent:
        np.testing.assert_allclose(found[name], scaled[name if name != "u" else "u_h"], rtol=1e-13)


def test_three_commands_are_about_the_same_weights(tmp_path: Path) -> None:
    args = (*SMALL, "--spectral-radius", "1.1")
    found = arrays(tmp_path, *args)
    assert radius(found["W_hh"]) == pytest.approx(1.1, rel=1e-12)
    # ∂h_T/∂h_{T−1} of tanh, from the states that trace gives.
    jacobian = (1 - found["h"][-1] ** 2)[:, None] * found["W_hh"]
    lag = answer("gradient-decay", *args)["lags"][0]
    assert 10 ** lag["log10_norm"] == pytest.approx(np.linalg.norm(jacobian, 2), rel=1e-9)
    # The loss is the sum of the last outputs.
    output = found["W_hy"] @ found["h"][-1] + found["b_y"]
    assert answer("bptt", *args)["loss"]["value"] == pytest.approx(output.sum(), rel=1e-12)
    notes = {answer(command, *args)["notes"][0] for command in ("trace", "bptt", "gradient-decay")}
    assert len(notes) == 1
    assert notes.pop().endswith("W_hh scaled to spectral radius 1.1")


@pytest.mark.parametrize("command", ["trace", "bptt"])
def test_the_command_to_paste_has_the_scaling(command: str) -> None:
    first = answer(command, "--spectral-norm", "0.5", "--steps", "3")
    (again,) = [note for note in first["notes"] if note.startswith("Again: ")]
    assert " --spectral-norm 0.5" in again
    assert answer(*again.removeprefix("Again: rnncalc ").split()) == first


def test_given_matrices_are_scaled_too_and_what_a_file_expects_is_of_others() -> None:
    states = answer("trace", "--example", "tiny", "-r", "0.25")
    assert states["steps"][0]["h"] == answer("trace", "--example", "tiny")["steps"][0]["h"]  # from h_0 = 0
    assert states["steps"][1]["h"] != answer("trace", "--example", "tiny")["steps"][1]["h"]
    assert "expected" not in states
    assert "--check compares the file's own network" in refused(
        "trace", "--example", "tiny", "--check", "-r", "0.25", status=2
    )


@pytest.mark.parametrize("command", ["trace", "bptt"])
@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (("-r", "1", "--spectral-norm", "1"), 2, "both scale W_hh; give one of them"),
        (("-r", "0.5,1"), 2, "--spectral-radius is one number here"),
        (("-r", "big"), 2, "--spectral-radius takes a number, as in --spectral-radius 1.1; 'big' is none"),
        (("--spectral-norm", "0"), 2, "--spectral-norm must be positive and finite; it is 0."),
        (("-r", "nan"), 2, "must be positive and finite"),
        (("-r", "1", "--cell", "mingru"), 2, "The cell mingru has no recurrent matrix"),
        (("-r", "1", "--gain", "0"), 1, "W_hh has a spectral radius of 0"),
        (("-r", "1", "--cell", "lstm", "--proj", "2"), 1, "only a square matrix has a spectral radius"),
    ],
)
def test_what_cannot_be_scaled_is_refused(command: str, args: tuple[str, ...], status: int, message: str) -> None:
    assert message in refused(command, *args, status=status)
