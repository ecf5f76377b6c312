from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.cost import count_cost
from rnn_calc.core.memory_cost import DTYPES, count_memory
from rnn_calc.core.network import Network
from rnn_calc.core.run import Run
from rnn_calc.show.cost import cost_view
from rnn_calc.show.document import Table, Text
from rnn_calc.show.memory_cost import Memory, write_bytes
from tests.commandline import calc, refused
from tests.core.test_cost import networks, runs


def answer(*args: str) -> dict[str, Any]:
    result = calc("cost", *args, "--json")
    assert result.status == 0, result.err
    document = json.loads(result.out)
    assert isinstance(document, dict)
    return document


def tables(text: str) -> list[list[list[str]]]:
    """The tables of a Markdown page as cells."""
    found: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if line.startswith("| "):
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--count", "all", "--lengths", "7,3,1"),
        ("--layers", "3", "--bidirectional", "--merge", "sum", "--vocab", "9", "--count", "biases,activations"),
    ],
    ids=["default", "packed", "stack"],
)
def test_every_printed_column_adds_up_to_its_printed_total(cell: str, more: tuple[str, ...]) -> None:
    result = calc("cost", "--cell", cell, *more, "--format", "markdown")
    assert result.status == 0, result.err
    totals = 0
    for header, rule, *rows in tables(result.out):
        if rows[-1][0] != "total":
            continue
        totals += 1
        for column in range(len(header)):
            if rule[column] == "---:":
                *parts, total = (int(row[column].replace(",", "")) for row in rows)
                assert sum(parts) == total, header
    assert totals >= 5


@given(network=networks(), run=runs)
@settings(deadline=None, max_examples=50)
def test_the_tables_of_any_network_add_up(network: Network, run: Run) -> None:
    view = cost_view(
        count_cost(network, run=run, count=["all"]), Memory(count_memory(network, run=run)), Text(("", ""))
    )
    found = [block for block in view.document().blocks if isinstance(block, Table) and block.total]
    assert len(found) >= 5
    for table in found:
        assert table.total
        for index, column in enumerate(table.columns):
            if column.kind == "count":
                cells = [row[index] for row in table.rows]
                assert all(isinstance(cell, int) for cell in cells)
                assert sum(int(str(cell)) for cell in cells) == table.total[index]


@pytest.mark.parametrize("name", CONVENTIONS)
def test_every_convention_shows_its_own_names_of_sizes(name: str) -> None:
    cell = "gru" if name == "equinox" else "rnn"
    document = answer("--convention", name, "--cell", cell)
    size = CONVENTIONS[name].size
    gates = "3·" if cell == "gru" else ""
    assert document["operations"][0]["formula"] == f"{gates}{size('d_h')}·{size('d_in')}"


def test_json_has_both_passes_every_row_and_the_memory() -> None:
    document = answer("--cell", "lstm", "-i", "64", "-H", "128", "-o", "0", "-T", "100", "-B", "32")
    assert document["passes"][0] == {
        "pass": "forward",
        "formula": "N·4·d_h·(d_in + d_h)",
        "multiply_adds": 3200 * 98304,
        "flops": 2 * 3200 * 98304,
    }
    assert [row["pass"] for row in document["passes"]] == ["forward", "backward_weights", "backward_vectors"]
    assert document["passes"][2]["formula"] == "(N − S)·4·d_h²"
    assert [(row["gate"], row["operation"]) for row in document["rows"]] == [
        (gate, operation) for gate in "ifgo" for operation in ("input products", "recurrent products")
    ]
    assert document["sequential_multiply_adds"] == 3200 * 4 * 128**2
    assert document["memory"]["activations"]["full"] == 3200 * (64 + 7 * 128)
    totals = {(row["dtype"], row["optimizer"]): row["bytes"] for row in document["memory"]["totals"]}
    weights = 4 * 128 * (64 + 128 + 1)
    assert totals["float32", "adam"] == 4 * (4 * weights + 3200 * 960)
    assert totals["bfloat16", "sgd"] == totals["float16", "sgd"] == 2 * (2 * weights + 3200 * 960)
    assert totals["int8", None] == weights
    assert ("int8", "sgd") not in totals


def test_csv_rows_are_those_of_json_and_end_in_the_total() -> None:
    args = ("--cell", "gru", "--layers", "2", "--count", "all")
    header, *rows, total = (line.split(",") for line in calc("cost", *args, "-f", "csv").out.splitlines())
    document = answer(*args)
    assert [dict(zip(header, row, strict=True)) for row in rows] == [
        {name: str(row[name] or "") if name == "gate" else str(row[name]) for name in header}
        for row in document["rows"]
    ]
    assert {name: int(value) for name, value in zip(header[4:], total[4:], strict=True)} == document["total"]


def test_what_counts_is_chosen_and_what_does_not_is_said() -> None:
    products, everything = answer(), answer("--count", "all")
    some = answer("--count", "biases", "--count", "elementwise,activations")
    assert products["count"] == ["products"]
    assert everything["count"] == ["products", *some["count"]] == ["products", "biases", "elementwise", "activations"]
    assert products["not_counted_flops"] == some["total"]["total_flops"] > 0
    assert products["total"]["total_flops"] + some["total"]["total_flops"] == everything["total"]["total_flops"]
    assert some["total"]["total_multiply_adds"] == everything["not_counted_flops"] == 0
    assert "320 FLOPs more; --count all counts them." in calc("cost", columns=400).out
    assert "Not counted" not in calc("cost", "--count", "all").out


def test_the_page_says_what_it_counts() -> None:
    text = calc("cost", "--vocab", "7", columns=200).out
    assert "1 multiply-add = 2 FLOPs" in text
    assert "a product of (m × n) by (n) is m·n multiply-adds" in text
    assert "An embedding is looked up: it copies a row and takes no multiply-add." in text
    assert "1 FLOP an element" in text


def test_packed_lengths_leave_padding_out() -> None:
    document = answer("--lengths", "7, 3,1")
    assert (document["steps"], document["batch"], document["real_steps"]) == (7, 3, 11)
    assert "10 of padding" in calc("cost", "--lengths", "7,3,1").out
    assert answer("--lengths", "7,3,1", "--steps", "7", "--batch", "3") == document


def test_truncation_changes_memory_more_than_operations() -> None:
    full, cut = (answer("-T", "1000", "-H", "64", *more) for more in ((), ("--truncate", "10")))
    assert cut["total"]["total_flops"] > 0.95 * full["total"]["total_flops"]
    memory = [document["memory"]["totals"][0]["numbers"] for document in (full, cut)]
    assert memory[0] - memory[1] == (1000 - 10) * full["memory"]["activations"]["per_step"]


def test_a_dtype_and_an_optimizer_can_be_picked() -> None:
    totals = answer("--dtype", "float32,int8", "--optimizer", "adam")["memory"]["totals"]
    assert [(row["dtype"], row["optimizer"]) for row in totals] == [
        ("float32", "adam"),
        ("float32", None),
        ("int8", None),
    ]
    assert [row["dtype"] for row in answer()["memory"]["totals"] if row["optimizer"] is None] == list(DTYPES)
    assert "no training in int8" in calc("cost", "--dtype", "int8", columns=200).out


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1 kB = 0.977 KiB"),
        (1024, "1.02 kB = 1 KiB"),
        (400_000_000, "400 MB = 381 MiB"),
        (999_600_000, "1 GB = 953 MiB"),
        (7 * 10**18, "7,000 PB = 6,217 PiB"),
    ],
)
def test_bytes_are_readable_by_thousands_and_by_1024s(count: int, text: str) -> None:
    assert write_bytes(count) == text


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--count", "product"), "Did you mean products?"),
        (("--count", ""), "There is no operation to count ''"),
        (("--dtype", "float31"), "Did you mean float32?"),
        (("--optimizer", "adamw"), "Did you mean adam?"),
        (("--steps", "0"), "--steps must be at least 1; it is 0."),
        (("--truncate", "0"), "--truncate must be at least 1; it is 0."),
        (("--lengths", "7;3"), "as in --lengths 7,3,1; it is '7;3'."),
        (("--lengths", "7,0"), "must be at least 1; it is 0."),
        (("--lengths", "7,3", "--batch", "3"), "leave --batch out."),
        (("--lengths", "7,3", "--steps", "9"), "leave --steps out."),
        (("--check",), "--check compares with the expected values of a file"),
    ],
)
def test_a_wrong_option_is_answered_with_what_is_right(args: tuple[str, ...], message: str) -> None:
    assert message in refused("cost", *args, status=2)


def test_an_example_s_sizes_steps_and_biases_are_taken() -> None:
    document = answer("--example", "practice-shapes")
    own = json.loads(calc("params", "--example", "practice-shapes", "--json").out)
    assert document["memory"]["weights"] == own["total"]


def test_neither_numpy_nor_a_framework_is_imported() -> None:
    code = "import sys; from rnn_calc.cli import run; run(['cost']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stderr.split()) & {"numpy", "torch", "matplotlib"}
