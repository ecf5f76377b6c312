"""trace --step: one step of a run in every format, with the words for what is no step and no unit."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.commandline import calc, refused

LSTM = ("trace", "--cell", "lstm", "--layers", "2", "--bidirectional", "--d-h", "3", "--steps", "6")
RUNS = [
    ("trace",),
    LSTM,
    ("trace", "--text", "cat sat here", "--d-h", "2"),
    ("trace", "--vocab", "7", "--cell", "gru"),
    ("trace", "--example", "two-step"),
]
each_run = pytest.mark.parametrize("args", RUNS, ids=" ".join)


def shown(*args: str, **options: Any) -> str:
    result = calc(*args, **options)
    assert result.status == 0, result.err
    return result.out


@each_run
def test_json_holds_that_step_alone_under_the_same_names(args: tuple[str, ...]) -> None:
    whole = json.loads(shown(*args, "--json"))
    for step in whole["steps"]:
        alone = json.loads(shown(*args, "--step", str(step["t"]), "--json"))
        assert alone["steps"] == [step]
        assert {name: alone[name] for name in alone if name not in ("notes", "steps")} == {
            name: whole[name] for name in whole if name not in ("notes", "steps", "expected")
        }


@each_run
def test_csv_holds_the_header_and_that_step_s_row(args: tuple[str, ...]) -> None:
    rows = list(csv.reader(io.StringIO(shown(*args, "--format", "csv"))))
    assert list(csv.reader(io.StringIO(shown(*args, "--format", "csv", "--step", "2")))) == [rows[0], rows[2]]


def test_arrays_hold_that_step_and_the_weights(tmp_path: Path) -> None:
    for name, extra in (("whole", ()), ("alone", ("--step", "4"))):
        shown(*LSTM, "--output", str(tmp_path / f"{name}.npz"), *extra)
    with np.load(tmp_path / "whole.npz") as whole, np.load(tmp_path / "alone.npz") as alone:
        assert whole.files == alone.files
        cut = 0
        for name in whole.files:
            steps = whole[name].shape != alone[name].shape
            np.testing.assert_array_equal(alone[name], whole[name][3:4] if steps else whole[name])
            cut += steps
        assert cut > 20
        assert alone["h"].shape == (1, 6)


def test_a_step_is_explained_with_and_without_explain() -> None:
    page = shown("trace", "--step", "2")
    assert shown("trace", "--step", "2", "--explain") == page
    assert "Step by step\nStep 2: x_2 = [" in page
    assert "Step 1:" not in page
    whole = shown("trace", "--explain")
    arithmetic = page.split("Step by step\n")[1].rstrip("\n")
    assert arithmetic in whole


def test_the_word_of_the_step_is_its_own() -> None:
    page = shown("trace", "--text", "cat sat here", "--d-h", "2", "--step", "2")
    table = page.split("Inputs and outputs\n")[1].split("\n\n")[0]
    assert "sat" in table
    assert "cat" not in table


def test_the_command_to_paste_makes_the_same_page() -> None:
    page = shown("trace", "--d-h", "20", "--step", "3", "-u", "12", "-u", "2", "--seed", "4")
    (again,) = [line for line in page.splitlines() if line.startswith("Again: ")]
    assert again.endswith(" --step 3 --unit 12 --unit 2")
    assert shown(*again.removeprefix("Again: rnncalc ").split()) == page


def test_a_picture_beside_the_step_is_of_the_whole_run(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name, extra in (("whole", ()), ("alone", ("--step", "2"))):
        shown("trace", "--plot", str(tmp_path / f"{name}.svg"), *extra)
    assert (tmp_path / "alone.svg").read_text() == (tmp_path / "whole.svg").read_text()


def test_a_sequence_from_a_pipe_is_read_once() -> None:
    numbers = "\n".join(f"{t},{-t}" for t in range(1, 31)).encode()
    page = shown("trace", "--sequence", "-", "--step", "29", stdin=numbers)
    assert "Step 29 of 30 in the unrolled network" in page
    assert "[29, -29]" in page
    assert "There is no step 31: the run has steps 1 to 30." in refused(
        "trace", "--sequence", "-", "--step", "31", status=2, stdin=numbers
    )


def test_a_step_of_a_long_run_needs_no_more_than_its_own_block_in_memory() -> None:
    page = shown("trace", "--steps", "300000", "--d-h", "2", "--step", "150000")
    assert "of 300,000\n" in page


def test_what_a_file_expects_is_compared_where_that_is_asked_for() -> None:
    assert "Expected values" not in shown("trace", "--example", "two-step", "--step", "2")
    checked = calc("trace", "--example", "two-step", "--step", "2", "--check")
    compared = calc("trace", "--example", "two-step", "--check")
    assert checked.status == compared.status
    table = checked.out.split("Expected values")[1]
    assert table == compared.out.split("Expected values")[1]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--step", "6"), "There is no step 6: the run has steps 1 to 5."),
        (("--step", "0"), "There is no step 0: the run has steps 1 to 5."),
        (("--step", "-3"), "There is no step -3: the run has steps 1 to 5."),
        (("--step", "2", "--steps", "1"), "There is no step 2: the run has one, 1."),
        (("--step", "2", "--unit", "4"), "There is no unit 4: d_h = 3 has units 1 to 3."),
        (("--step", "2", "--unit", "4", "--bidirectional"), "There is no unit 4: d_h = 3 has units 1 to 3."),
        (("--step", "2", "-u", "4", "-H", "3,5", "--layer", "1"), "There is no unit 4: layer 1 has units 1 to 3."),
    ],
)
def test_what_is_no_step_and_no_unit_is_refused(args: tuple[str, ...], message: str) -> None:
    assert refused("trace", *args, status=2) == message


def test_the_unit_of_the_top_layer_is_meant_unless_a_layer_is_named() -> None:
    args = ("trace", "-H", "3,5", "--step", "2", "--unit", "2")
    assert "W_hh^(2) h^(2)_1\n" in shown(*args)
    below = shown(*args, "--layer", "1")
    assert "W_hh^(1) h^(1)_1\n" in below
    assert "W_hh^(2) h^(2)_1\n" not in below


@pytest.mark.parametrize(("form", "mark"), [("markdown", "▸ 2"), ("latex", "> 2"), ("table", "▸ 2")])
def test_every_format_of_a_document_marks_the_unit_s_row(form: str, mark: str) -> None:
    page = shown("trace", "--step", "2", "--unit", "2", "--format", form)
    assert sum(line.startswith(f"{mark}  ") for line in page.splitlines()) == 2


def test_what_is_lit_is_bold_and_reversed_where_there_are_colours() -> None:
    args = ("trace", "--step", "2", "--unit", "1")
    assert "\x1b[1;7m[▸rnn◂]\x1b[0m" in shown(*args, "--color", "always")
    plain = shown(*args, "--color", "never")
    assert "\x1b" not in plain
    assert "[▸rnn◂]" in plain


def test_what_is_lit_stands_out_in_a_picture_and_in_a_browser(tmp_path: Path) -> None:
    for suffix in ("svg", "html"):
        shown("trace", "--step", "2", "--unit", "1", "--output", str(tmp_path / f"page.{suffix}"))
    assert "▸rnn◂" in (tmp_path / "page.svg").read_text("utf-8").replace("&#160;", " ")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert re.search(r"font-weight:bold;background:rgba\(255,190,0,\.35\).>\[▸rnn◂\]</span>", page)
