"""rnncalc params: what it finds besides a count, and what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from typing import Any

import pytest

from rnn_calc.core.conventions import CONVENTIONS
from tests.commandline import calc, refused


def answer(*args: str) -> Any:
    """The JSON of a call that must succeed."""
    result = calc("params", *args, "--json")
    assert result.status == 0, result.err
    return json.loads(result.out)


def test_keras_and_pytorch_are_told_apart_by_one_term() -> None:
    found = answer("--cell", "lstm", "-i", "64", "-H", "128", "-o", "0", "--all-conventions")["conventions"]
    by_name = {each["convention"]: each for each in found}
    assert list(by_name) == list(CONVENTIONS)
    assert (by_name["keras"]["total"], by_name["pytorch"]["total"]) == (98_816, 98_816 + 4 * 128)
    assert (by_name["pytorch"]["difference"], by_name["pytorch"]["term"]) == (512, "+ 4·d_h")
    assert by_name["pytorch"]["rule"] == "two biases a gate"


def test_parts_and_gates_add_up_in_json() -> None:
    found = answer("--cell", "gru", "--layers", "12", "--bidirectional", "--vocab", "100", "-c", "keras")
    assert found["total"] == sum(row["count"] for row in found["rows"]) == sum(p["count"] for p in found["parts"])
    assert found["recurrent"] == sum(gate["count"] for gate in found["gates"])
    assert found["total"] == found["embedding"] + found["recurrent"] + found["readout"]
    assert len([row for row in found["rows"] if row["part"].startswith("layer")]) == 12 * 2 * 3


@pytest.mark.parametrize("layers", ["3", "4", "12"])
def test_a_table_with_folded_layers_adds_up(layers: str) -> None:
    out = calc("params", "--cell", "lstm", "--layers", layers, "-c", "flax", "--vocab", "50", columns=200).out
    for title in ("Parameters", "Closed form"):
        table = re.split(rf"^{title}$", out, flags=re.MULTILINE)[1].split("\n\n")
        counts = [int(line.split()[-1].replace(",", "")) for line in table[0].splitlines()[3:]]
        assert sum(counts) == int(table[1].split()[-1].replace(",", ""))


def test_a_budget_adds_up() -> None:
    found = answer("--budget", "1M", "--cell", "lstm", "-i", "64", "-o", "0")
    assert (found["budget"], found["unit"], found["dtype"]) == (1_000_000, "parameters", None)
    assert found["fits"] == {"d_h": 468, "total": 997_776, "left": 2224}
    assert found["next"] == {"d_h": 469, "total": 1_001_784, "over": 1784}


def test_a_budget_in_bytes_counts_what_is_left_in_bytes() -> None:
    found = answer("--budget", "50MB", "--dtype", "float16", "--cell", "gru", "-c", "keras")
    fits, after = found["fits"], found["next"]
    assert (found["budget"], found["unit"], found["dtype"]) == (50_000_000, "bytes", "float16")
    assert fits["bytes"] == 2 * fits["total"] == 50_000_000 - fits["left"]
    assert after["bytes"] == 2 * after["total"] == 50_000_000 + after["over"]


def test_a_file_gives_a_budget_all_but_d_h() -> None:
    found = answer("--budget", "1M", "--example", "two-step")
    assert found["fits"] == {"d_h": 999, "total": 999_999, "left": 1}


def test_a_total_is_answered_with_what_was_searched() -> None:
    found = answer("--total", "98816", "--cell", "lstm", "-c", "keras", "-i", "64")
    assert found["complete"]
    assert found["searched"]["cells"] == ["lstm"]
    assert found["searched"]["d_in"] == 64
    assert found["count"] >= len(found["found"]) > 0
    keras = {"cell": "lstm", "conventions": ["keras"], "biases": 1, "layers": 1, "directions": 1, "d_in": 64}
    assert {**keras, "d_h": 128} in found["likely"]


def test_the_command_under_a_total_counts_it_again() -> None:
    for total in ("3938304", "98816", "1000"):
        (again,) = re.findall(r"^Count the first: rnncalc (.*)$", calc("params", "--total", total).out, re.MULTILINE)
        result = calc(*again.split(), "--json")
        assert json.loads(result.out)["total"] == int(total)


@pytest.mark.parametrize(
    ("total", "known"),
    [
        (452, ("--vocab", "20", "--tied", "--layers", "2")),
        (3276, ("--cell", "lstm", "--proj", "3", "-c", "pytorch", "-o", "4", "--no-readout-bias")),
        (3276, ("--bidirectional", "--merge", "sum", "-o", "3", "--biases", "0")),
    ],
)
def test_options_that_narrow_a_search_come_back_in_its_command(total: int, known: tuple[str, ...]) -> None:
    (again,) = re.findall(
        r"^Count the first: rnncalc (.*)$", calc("params", "--total", str(total), *known).out, re.MULTILINE
    )
    assert json.loads(calc(*again.split(), "--json").out)["total"] == total


def test_a_total_that_no_network_has_is_answered_so() -> None:
    result = calc("params", "--total", "7", "--cell", "lstm")
    assert (result.status, result.err) == (0, "")
    assert "0 networks have exactly 7 parameters" in result.out
    assert "-o N" in result.out


def test_a_search_cut_short_says_so() -> None:
    out = " ".join(calc("params", "--total", "1000000000", "--vocab", "10000", "--limit", "1").out.split())
    assert "gave up" in out
    assert "no other" not in out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--budget", "1M", "-H", "3"), "leave --d-h or --budget out"),
        (("--budget", "1M", "-H", "3,4"), "one for all layers"),
        (("--budget", "1M", "--tied", "--vocab", "9"), "leaves it no choice"),
        (("--budget", "1M", "--total", "9"), "give one of them"),
        (("--budget", "1M", "--steps", "9"), "--steps plays no part"),
        (("--budget", "7B"), "1G for a billion"),
        (("--budget", "much"), "number of parameters"),
        (("--budget", "1M", "--proj", "3"), "no projection"),
        (("--budget", "1M", "--cell", "mgu", "-c", "onnx"), "onnx has no mgu"),
        (("--dtype", "int8"), "add --budget"),
        (("--all-conventions", "--biases", "1"), "leave --biases out"),
        (("--limit", "3"), "add --total"),
        (("--total", "0"), "at least 1"),
        (("--total", str(10**18 + 1)), "at most 10^18"),
        (("--total", "9", "--limit", "0"), "--limit must be at least 1"),
        (("--total", "9", "--example", "two-step"), "--example plays no part"),
        (("--total", "9", "--check"), "--check plays no part"),
        (("--total", "9", "--cell", "mgu", "-c", "onnx"), "onnx has no mgu"),
        (("--total", "9", "--cell", "lstn"), "Did you mean lstm"),
        (("--total", "9", "-H", "3,4", "--layers", "3"), "--layers is 3"),
        (("--total", "9", "--tied"), "add --vocab"),
        (("--total", "9", "--layers", "2000"), "at most 1,000 layers"),
    ],
)
def test_options_that_do_not_fit_together_are_told_so(args: tuple[str, ...], message: str) -> None:
    assert message in refused("params", *args, status=2)


def test_a_budget_that_nothing_fits_names_the_smallest_total() -> None:
    message = refused("params", "--budget", "9", status=1)
    assert message == "Nothing fits: with d_h = 1 the network has 10 parameters, 1 over the budget of 9 parameters."
    # 4·101·(5 + 100 + 1) + 101·100 + 2·100 + 2 numbers of four bytes.
    projected = refused("params", "--budget", "1KB", "--cell", "lstm", "--proj", "100", "-i", "5")
    assert "53,126 parameters, 212,504 bytes" in projected


@pytest.mark.parametrize("args", [("--budget", "1M"), ("--total", "3938304"), ("--all-conventions",)])
def test_sizes_are_found_without_numpy(args: tuple[str, ...]) -> None:
    code = "import sys; from rnn_calc.cli import run; run(sys.argv[1:]); assert 'numpy' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code, "params", *args], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_total_is_searched_within_two_seconds() -> None:
    # It has more divisors than any other up to 10^12.
    begun = time.process_time()
    assert calc("params", "--total", "963761198400").status == 0
    assert time.process_time() - begun < 2
