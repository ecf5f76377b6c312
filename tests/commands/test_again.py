"""The command that a report ends its notes with makes the same numbers again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.commandline import calc


def answer(*args: str) -> dict[str, Any]:
    result = calc(*args, "--json")
    assert result.status == 0, result.err
    document: dict[str, Any] = json.loads(result.out)
    return document


@pytest.mark.parametrize(
    "args",
    [
        ("trace",),
        ("trace", "--seed", "7", "--steps", "3", "--gain", "0.5"),
        ("trace", "--init", "orthogonal", "--convention", "pytorch", "--d-out", "0"),
        ("trace", "--sequence", "1, -2, 3"),
        ("trace", "--sequence", "-1,2; 3,4", "--h0", "-0.5, 0.25, 0", "--activation", "relu"),
        ("trace", "--text", 'it\'s a "word" $x', "--d-h", "2"),
        ("trace", "--inputs", "zeros", "--init", "uniform", "--steps", "4"),
        ("trace", "--example", "cat-sat-here"),
        ("trace", "--example", "cat-sat-here", "--text", "here cat"),
        ("trace", "--example", "dimensions", "--seed", "3"),
        ("trace", "--example", "two-step", "--convention", "keras"),
        ("trace", "--h0", "nan,0,0", "--allow-nonfinite"),
        ("trace", "--step", "3", "--unit", "2", "--spectral-radius", "1.25"),
        ("gradient-decay", "--seed", "5", "--steps", "9"),
        ("gradient-decay", "--spectral-radius", "0.5,1.5", "--steps", "12", "--threshold", "0.01"),
        ("gradient-decay", "--spectral-norm", "0.9", "--jacobian", "2", "--jacobian", "4", "--steps", "6"),
        ("gradient-decay", "--example", "tiny"),
        ("bptt", "--example", "tiny", "--path", "W_xh[0,0]@1", "--to", "loss", "--clip", "1"),
        ("bptt", "--cell", "lstm", "--loss", "mse", "--reduction", "sum", "--truncate", "0..2", "--by-lag"),
        ("bptt", "--steps", "3", "--check"),
        ("bptt", "--steps", "3", "--targets", "1, -2; nan,nan; 3,4", "--d-out", "2"),
    ],
    ids=" ".join,
)
def test_the_printed_command_gives_the_same_numbers(args: tuple[str, ...]) -> None:
    first = answer(*args)
    (again,) = [note for note in first["notes"] if note.startswith("Again: ")]
    program, *words = shlex.split(again.removeprefix("Again: "))
    assert program == "rnncalc"
    second = answer(*words)
    assert second == first


def test_a_model_file_with_a_blank_in_its_name_is_quoted(tmp_path: Path) -> None:
    path = tmp_path / "my model.toml"
    path.write_text("d_h = 2\n")
    (again,) = [note for note in answer("trace", "--model", str(path))["notes"] if note.startswith("Again: ")]
    assert str(path) in shlex.split(again)
