"""A sequence may come typed, from a file of three kinds, through stdin, or as words; it is the same sequence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.commandline import calc

STEPS = [[0.5, 0.2], [0.1, -0.9], [0.8, 0.3]]
TYPED = "0.5,0.2; 0.1,-0.9; 0.8 0.3"


def steps(*args: str, stdin: bytes = b"") -> list[dict[str, object]]:
    result = calc("trace", "--d-h", "2", *args, "--json", stdin=stdin)
    assert result.status == 0, result.err
    found: list[dict[str, object]] = json.loads(result.out)["steps"]
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "s.csv").write_text("0.5,0.2\n\n0.1,-0.9\r\n0.8; 0.3")
    (tmp_path / "s.json").write_text(json.dumps(STEPS))
    (tmp_path / "object.json").write_text(json.dumps({"sequence": STEPS}))
    (tmp_path / "s.txt").write_bytes(b"\xef\xbb\xbf0.5 0.2\n0.1 -0.9\n0.8 0.3\n")
    np.save(tmp_path / "s.npy", STEPS)
    return tmp_path


@pytest.mark.parametrize("name", ["s.csv", "s.json", "object.json", "s.npy", "@s.txt", "@s.csv"])
def test_a_file_gives_what_typing_gives(folder: Path, name: str) -> None:
    argument = f"@{folder / name[1:]}" if name.startswith("@") else str(folder / name)
    assert steps("--sequence", argument) == steps("--sequence", TYPED)


@pytest.mark.parametrize("content", ["0.5,0.2\n0.1,-0.9\n0.8,0.3\n", json.dumps(STEPS), TYPED])
def test_stdin_may_hold_csv_json_or_what_is_typed(content: str) -> None:
    assert steps("--sequence", "-", stdin=content.encode()) == steps("--sequence", TYPED)


@pytest.mark.parametrize("text", ["1, -2, 3", "1 -2 3", "1;-2;3", "1\n-2\n3"])
def test_numbers_are_steps_of_width_1(text: str) -> None:
    assert [step["x"] for step in steps("--sequence", text)] == [[1], [-2], [3]]


def test_one_step_of_known_width_is_one_step() -> None:
    assert [step["x"] for step in steps("--sequence", "1, -2, 3", "--d-in", "3")] == [[1, -2, 3]]


def test_words_without_an_embedding_are_one_hot_in_order_of_appearance() -> None:
    found = steps("--text", "to be or not to be")
    assert [step["word"] for step in found] == ["to", "be", "or", "not", "to", "be"]
    assert [step["x"] for step in found] == np.eye(4)[[0, 1, 2, 3, 0, 1]].tolist()


def test_words_with_an_embedding_are_its_vectors() -> None:
    found = calc("trace", "--example", "cat-sat-here", "--text", "here cat", "--json")
    assert [step["x"] for step in json.loads(found.out)["steps"]] == [[0.8, 0.3], [0.5, 0.2]]


def test_an_unknown_word_has_the_nearest() -> None:
    result = calc("trace", "--example", "cat-sat-here", "--text", "cat sad")
    assert (result.status, "Did you mean sat?" in result.err) == (1, True)


def test_h0_is_where_the_run_starts() -> None:
    result = calc("trace", "--d-h", "2", "--h0", "0.1, -0.2", "--json")
    assert json.loads(result.out)["h0"] == [0.1, -0.2]


def test_a_model_may_come_from_stdin_as_toml_or_json() -> None:
    toml = b"d_h = 2\nd_in = 1\nsequence = [1, 2]\n"
    as_json = b'{"d_h": 2, "d_in": 1, "sequence": [1, 2]}'
    first, second = (calc("trace", "--model", "-", "--format", "csv", stdin=text) for text in (toml, as_json))
    assert first.status == 0
    assert first.out == second.out


def test_drawn_inputs_are_the_same_in_every_format() -> None:
    table = calc("trace", "--steps", "3", "--precision", "17").out
    for step in json.loads(calc("trace", "--steps", "3", "--json").out)["steps"]:
        for value in step["h"]:
            assert re.search(re.escape(f"{value:.15f}"[:-2]), table)
