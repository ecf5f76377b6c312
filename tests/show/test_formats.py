"""Every command in every format: well-formed, complete, and exact where it is for programs."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.commandline import WRITING, calc, refused

CASES = [
    ("shapes",),
    ("shapes", "--convention", "wx", "--steps", "3", "--batch", "2", "--unroll", "3", "--got", "W_x=3,4"),
    ("shapes", "--convention", "pytorch", "--mode", "seq2seq", "--steps", "3"),
    ("params",),
    ("params", "--convention", "keras", "--d-h", "1000000000"),
    ("cost",),
    ("cost", "--cell", "lstm", "--layers", "2", "--lengths", "7,3,1", "--count", "all"),
    ("cost", "--cell", "gru", "--convention", "keras", "--vocab", "9", "--truncate", "5", "--optimizer", "adam"),
    ("cost", "--cell", "rnn", "--layers", "2", "--bidirectional", "--merge", "sum"),
    ("cells",),
    ("cells", "gru", "--convention", "keras"),
    ("compare",),
    ("compare", "--conventions", "all", "--cell", "lstm"),
    ("inspect",),
    ("export", "--cell", "gru", "--convention", "pytorch"),
    ("trace",),
    ("trace", "--cell", "lstm", "--layers", "2", "--bidirectional", "--vocab", "5"),
    ("trace", "--example", "cat-sat-here", "--explain"),
    ("trace", "--convention", "pytorch", "--d-h", "20", "--steps", "40"),
    ("trace", "--step", "3", "--unit", "9", "--cell", "gru", "--d-h", "20", "--layers", "2", "--spectral-norm", "2"),
    ("bptt",),
    (
        *("bptt", "--example", "tiny", "--path", "W_hh[0,1]@2", "--clip", "1", "--check", "--truncate", "0..1"),
        *("--targets", "0.5; nan"),
    ),
    ("bptt", "--cell", "gru", "--layers", "2", "--bidirectional", "-c", "keras", "--loss", "cross-entropy"),
    ("gradient-decay",),
    ("gradient-decay", "--example", "tiny"),
    ("gradient-decay", "--cell", "lstm", "--steps", "12"),
    ("gradient-decay", "--spectral-radius", "0.5,1.5"),
    ("sweep", "--d-h", "3", "--steps", "15", "--over", "gain=0.5,2", "--over", "cell=rnn,gru", "--repeats", "2"),
    ("sweep", "--d-h", "3", "--steps", "15", "--over", "spectral-radius=0.5,1,2"),
    ("quiz", "--seed", "7", "--questions", "3"),
    ("examples",),
    ("examples", "cat-sat-here"),
]
FORMATS = ("table", "json", "csv", "markdown", "latex")
each_case = pytest.mark.parametrize("args", CASES, ids=" ".join)


def shown(*args: str) -> str:
    result = calc(*args)
    assert result.status == 0, result.err
    assert result.err == ""
    assert result.out.endswith("\n")
    return result.out


def strict_json(text: str) -> dict[str, Any]:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)

    document = json.loads(text, parse_constant=refuse)
    assert isinstance(document, dict)
    return document


def test_every_command_is_tried() -> None:
    assert {case[0] for case in CASES} == set(WRITING)


@each_case
def test_json_is_one_object_with_its_schema_and_command(args: tuple[str, ...]) -> None:
    document = strict_json(shown(*args, "--format", "json"))
    assert (document["schema"], document["command"]) == (1, args[0])


CONTRACT = {
    "shapes": ({"rows", "checks"}, "rows", {"symbol", "kind", "shape", "axes", "count", "role"}),
    "params": ({"rows", "total", "formula"}, "rows", {"symbol", "shape", "formula", "count"}),
    "cost": (
        {"passes", "total", "rows", "parts", "gates", "operations", "real_steps", "count", "memory"},
        "rows",
        {"part", "gate", "operation", "formula", "forward_multiply_adds", "forward_flops", "backward_flops"},
    ),
    "trace": ({"steps", "h0"}, "steps", {"t", "x", "h", "y", "terms"}),
    "gradient-decay": (
        {"lags", "spectral_radius", "spectral_norm", "rate_per_step", "verdict"},
        "lags",
        {"lag", "log10_norm", "log10_bound"},
    ),
    "sweep": (
        {"axes", "repeats", "points"},
        "points",
        {"at", "log10_norm", "rate_per_step", "verdict", "lyapunov", "lyapunov_error", "phase", "runs"},
    ),
}


@pytest.mark.parametrize("command", CONTRACT)
def test_the_names_that_scripts_rely_on_are_there(command: str) -> None:
    top, rows, names = CONTRACT[command]
    document = strict_json(shown(command, "--json"))
    assert top <= document.keys()
    assert all(names <= row.keys() for row in document[rows])
    if command == "shapes":
        kinds = {row["kind"] for row in document["rows"]}
        assert kinds <= {"input", "state", "gate", "output", "parameter", "gradient"}
        assert all(check.keys() == {"expression", "operands", "result"} for check in document["checks"])
    if command == "gradient-decay":
        assert document["verdict"] in ("vanishing", "exploding", "steady")
        assert [row["lag"] for row in document["lags"]] == list(range(1, 50))
    if command == "trace":
        assert [row["t"] for row in document["steps"]] == [1, 2, 3, 4, 5]


def test_a_zero_norm_is_null_and_said_to_be_zero() -> None:
    document = strict_json(
        shown("gradient-decay", "--activation", "relu", "--inputs", "zeros", "--steps", "3", "--json")
    )
    assert [(row["log10_norm"], row["zero"]) for row in document["lags"]] == [(None, True)] * 2


def table_of(args: tuple[str, ...]) -> list[list[str]]:
    return list(csv.reader(io.StringIO(shown(*args, "--format", "csv"))))


# Questions are no table.
@pytest.mark.parametrize("args", [case for case in CASES if case[0] != "quiz"], ids=" ".join)
def test_csv_has_a_header_and_one_width(args: tuple[str, ...]) -> None:
    rows = table_of(args)
    assert len(rows) > 1
    assert {len(row) for row in rows} == {len(rows[0])}
    assert len(set(rows[0])) == len(rows[0])


def test_json_csv_and_npz_hold_the_same_exact_numbers(tmp_path: Path) -> None:
    document = strict_json(shown("trace", "--steps", "7", "--json"))
    header, *rows = table_of(("trace", "--steps", "7"))
    shown("trace", "--steps", "7", "--json")
    assert calc("trace", "--steps", "7", "--output", str(tmp_path / "t.npz")).status == 0
    assert calc("trace", "--steps", "7", "--output", str(tmp_path / "t.npy")).status == 0
    arrays = np.load(tmp_path / "t.npz")
    columns = [index for index, name in enumerate(header) if re.fullmatch(r"h\[\d\]", name)]
    for t, (step, row) in enumerate(zip(document["steps"], rows, strict=True)):
        assert step["h"] == [float(row[index]) for index in columns] == arrays["h"][t].tolist()
    assert np.array_equal(arrays["h"], np.load(tmp_path / "t.npy"))
    assert {"h0", "x", "y", "z_t", "W_xh", "W_hh", "b_h", "W_hy", "b_y", "W_xh x_t"} <= set(arrays.files)
    assert np.array_equal(np.tanh(arrays["z_t"]), arrays["h"])


def test_the_weights_that_trace_writes_are_those_it_ran_with(tmp_path: Path) -> None:
    first = strict_json(shown("trace", "--convention", "row", "--json"))
    path = tmp_path / "t.npz"
    assert calc("trace", "--convention", "row", "--output", str(path)).status == 0
    arrays = np.load(path)
    np.savez(path, **{name: arrays[name] for name in ("W_xh", "W_hh", "b_h", "W_hy", "b_y")})
    np.save(tmp_path / "x.npy", [step["x"] for step in first["steps"]])
    again = strict_json(
        shown("trace", "--convention", "row", "--model", str(path), "--sequence", str(tmp_path / "x.npy"), "--json")
    )
    assert [step["h"] for step in again["steps"]] == [step["h"] for step in first["steps"]]


def cells(line: str) -> list[str]:
    return re.split(r"(?<!\\)\|", line)


@each_case
def test_markdown_tables_have_as_many_cells_in_every_row(args: tuple[str, ...]) -> None:
    text = shown(*args, "--format", "markdown")
    outside = re.sub(r"^```text\n.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    tables = re.findall(r"(?:^\|.*\n)+", outside, flags=re.MULTILINE)
    assert tables or "```text" in text
    for table in tables:
        heading, rule, *rows = table.splitlines()
        assert re.fullmatch(r"\|( -{3}:? \|)+", rule)
        assert {len(cells(row)) for row in (heading, rule, *rows)} == {len(cells(heading))}
        assert rows
        assert "``" not in table


@each_case
def test_latex_is_balanced_and_escaped(args: tuple[str, ...]) -> None:
    text = shown(*args, "--format", "latex")
    outside = re.sub(r"\\begin{verbatim}.*?\\end{verbatim}", "", text, flags=re.DOTALL)
    assert text.isascii()
    plain = outside.replace("\\\\", "").replace("\\{", "").replace("\\}", "").replace("\\$", "")
    assert plain.count("{") == plain.count("}")
    assert plain.count("$") % 2 == 0
    assert "$$" not in re.sub(r"\$[^$]+\$", "", plain)
    assert re.findall(r"\\begin{(\w+)}", text) == re.findall(r"\\end{(\w+)}", text)
    for spec, body in re.findall(r"\\begin{tabular}{(\w+)}(.*?)\\end{tabular}", text, flags=re.DOTALL):
        for row in re.findall(r"^(.*) \\\\$", body, flags=re.MULTILINE):
            assert len(re.split(r"(?<!\\)&", row)) == len(spec)
    in_text = re.sub(r"\$[^$]*\$", "", plain)
    assert not re.search(r"(?<!\\)[_^#&](?!\S*})", in_text.replace(" & ", " ").replace("& ", "").replace(" &", ""))


# What export writes to a file are weights.
@pytest.mark.parametrize("args", [case for case in CASES if case[0] != "export"], ids=" ".join)
def test_svg_is_well_formed_and_loads_nothing(args: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "t.svg"
    assert calc(*args, "--output", str(path)).status == 0
    text = path.read_text("utf-8")
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert re.findall(r"https?://", text) == ["http://"]
    assert not re.search(r"href|@import|@font-face|<script|url\((?!#)", text)


@pytest.mark.parametrize("command", ["trace", "gradient-decay"])
@pytest.mark.parametrize("form", ["npz", "npy"])
def test_commands_with_arrays_write_them(command: str, form: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{form}"
    assert calc(command, "--output", str(path)).status == 0
    loaded = np.load(path, allow_pickle=False)
    assert len(loaded.files if form == "npz" else loaded) > 0


@pytest.mark.parametrize("command", ["shapes", "params", "examples"])
@pytest.mark.parametrize("form", ["npz", "npy"])
def test_commands_without_arrays_refuse_them(command: str, form: str, tmp_path: Path) -> None:
    assert "has no arrays to write" in refused(command, "--output", str(tmp_path / f"t.{form}"), status=2)


@pytest.mark.parametrize("form", ["table", "markdown", "latex"])
def test_precision_is_how_many_digits_tables_show(form: str) -> None:
    for digits in (0, 2, 9):
        text = shown("trace", "--example", "tiny", "--precision", str(digits), "--format", form)
        assert re.search(rf"\b0\.\d{{{digits}}}\b" if digits else r"\d", text)


def test_the_file_of_an_example_is_printed_as_it_is() -> None:
    folder = Path(__file__).parents[2] / "rnn_calc" / "files" / "examples"
    for path in folder.glob("*.toml"):
        assert shown("examples", path.stem) == path.read_text("utf-8")
        assert calc("examples", path.stem, columns=20).out == path.read_text("utf-8")


def test_raised_marks_are_one_thing_in_latex() -> None:
    page = calc("shapes", "--cell", "gru", "--layers", "2", "--bidirectional", "--format", "latex").out
    assert r"$a^{r(1\to )}_t = W_{xr}^{(1\to )}\, x_t" in page
    assert r"h^{(2\leftarrow )}_{t+1}" in page
    assert page.isascii()
    stored = calc("shapes", "--cell", "gru", "--convention", "keras", "--format", "latex").out
    assert r"\mathtt{bias}[\mathrm{input\ z}]" in stored
