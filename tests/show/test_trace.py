"""What a trace shows of every cell and network: the arithmetic is that of its numbers, the streams hold all of them."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.equations import MERGES
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.stages import Layer
from rnn_calc.core.trace import Trace, trace, trace_blocks
from rnn_calc.show.document import Layout
from rnn_calc.show.explain import draw_explanation
from rnn_calc.show.selection import head_and_tail
from rnn_calc.show.trace_streams import trace_arrays, trace_csv, trace_json
from tests.commandline import calc, refused
from tests.core.drawing import random_weights, sequence

every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)

NETWORKS = {
    "stack": Network(2, (3, 2), 2, cell=CELLS["lstm"]),
    "two directions": Network(2, 3, 2, cell=CELLS["gru"], layers=2, bidirectional=True),
    "projected": Network(2, 3, cell=CELLS["lstm"], layers=2, d_p=2, bidirectional=True),
    "tokens": Network(2, 2, 5, cell=CELLS["mgu"], vocab=5, tied=True),
}
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


def traced(network: Network, steps: int = 3) -> Trace:
    tokens = np.arange(steps) * 2 % network.vocab if network.vocab else None
    x = sequence(1, steps, network.d_in) if tokens is None else tokens
    return trace(network, random_weights(network, 1), x)


# The arithmetic

FUNCTIONS = {
    "tanh": math.tanh,
    "sigmoid": lambda a: 1 / (1 + math.exp(-a)),
    "relu": lambda a: max(a, 0.0),
}


def explanation(done: Trace, *, layers: tuple[int, ...] = (), convention: str = "xh", steps: int = 12) -> list[str]:
    def shows(layer: Layer) -> bool:
        return not layers or layer.index in layers

    drawn = draw_explanation(
        done,
        Notation(done.network, convention),
        head_and_tail(done.steps, steps),
        lambda width: head_and_tail(width, 8),
        shows,
        Layout(10**6, 16),
    )
    return ["".join(part for part, _ in line) for line in drawn]


def checked_sums(lines: list[str]) -> int:
    """How many lines say [arithmetic] = [number]; each is worked out again."""
    count = 0
    for line in lines:
        found = re.fullmatch(r".* \[(.*?)\] *= \[(\S+)\]", f" {line}")
        if found:
            # Nothing but numbers, signs and three functions is evaluated.
            arithmetic = found[1].replace("·", "*").replace("−", "-")
            assert re.fullmatch(r"[-+*/(). \de]*|(tanh|sigmoid|relu)\([-.\de]+\)", arithmetic), line
            value = eval(arithmetic, {"__builtins__": {}}, FUNCTIONS)
            # Every number is shown with 16 digits after the point.
            assert float(found[2]) == pytest.approx(value, rel=1e-13, abs=1e-14), line
            count += 1
    return count


@every_cell
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("activation", ["tanh", "relu", "identity"])
def test_every_line_of_an_explanation_is_true(cell: Cell, bidirectional: bool, activation: str) -> None:
    network = Network(2, 2, 2, cell=cell, activation=activation, layers=2, bidirectional=bidirectional)
    lines = explanation(traced(network))
    equations = sum(len(stage.equations) for stage in network.stages if "concat" not in str(stage))
    assert checked_sums(lines) >= 3 * 2 * (equations - network.directions * network.layers)


@pytest.mark.parametrize("merge", [merge for merge in MERGES if merge != "concat"])
def test_the_explanation_of_a_merge_is_true(merge: str) -> None:
    done = traced(Network(2, 3, bidirectional=True, merge=merge))
    lines = explanation(done)
    joined = [line for line in lines if line.startswith("  h_")]
    assert len(joined) == 3
    assert checked_sums(lines) == 3 * 2 * 3 * 4 + 9
    sign = {"sum": " + ", "average": ")/2]", "product": "·"}[merge]
    assert all(sign in line for line in joined)


def test_a_concatenation_and_a_lookup_are_shown_as_what_they_take() -> None:
    done = traced(Network(2, 2, bidirectional=True, vocab=9))
    lines = explanation(done)
    assert any(line.startswith("  x_2 = E[token_2] = E[2] = [") for line in lines)
    (joined,) = [line for line in lines if line.startswith("  h_3 = ")]
    numbers = re.findall(r"-?\d\.\d+", joined)
    assert "  h_3 = [h^(→)_3; h^(←)_3] = [" in joined
    np.testing.assert_allclose([float(number) for number in numbers], done.h[2], rtol=1e-13)


def test_a_backward_direction_is_explained_from_the_last_step_to_the_first() -> None:
    lines = explanation(traced(Network(2, 1, bidirectional=True)))
    headings = [line for line in lines if line.startswith("Step")]
    assert [re.match(r"Step (\d), ([^:]*)", line)[0] for line in headings] == [  # type: ignore[index]
        *(f"Step {t}, recurrent, forward" for t in (1, 2, 3)),
        *(f"Step {t}, recurrent, backward" for t in (3, 2, 1)),
        *(f"Step {t}, recurrent" for t in (1, 2, 3)),
    ]
    assert "h^(←)_4 = [0]" in headings[3]
    assert any("W_hh^(←) h^(←)_3 = " in line for line in lines)


def test_steps_that_are_left_out_are_said_to_be_between_those_that_are_shown() -> None:
    for network in (Network(1, 1, bidirectional=True), Network(1, 1, layers=2)):
        lines = [line for line in explanation(traced(network, 9), steps=4) if line.startswith(("Step", "…"))]
        for before, after in pairwise(lines):
            if after.startswith("…"):
                assert after == "… 5 steps left out …"
                assert re.match(r"Step [28]", before)
        assert sum(line.startswith("…") for line in lines) == (3 if network.bidirectional else 1)


def test_row_vectors_multiply_from_the_left() -> None:
    lines = explanation(traced(Network(2, 1), 1), convention="row")
    (product,) = [line for line in lines if line.startswith("  x_1 W_xh")]
    x = sequence(1, 1, 2)[0]
    assert product.startswith(f"  x_1 W_xh = [{x[0]:.16f}".rstrip("0")[:30])


def test_layers_that_are_not_shown_are_not_explained() -> None:
    network = Network(2, 2, 2, layers=3)
    lines = explanation(traced(network), layers=(1,))
    parts = {match[1] for line in lines if (match := re.match(r"Step \d, ([^:]*):", line))}
    assert parts == {"layer 2", "readout"}


# The streams


def json_of(done: Trace) -> dict[str, Any]:
    notation = Notation(done.network, "xh")
    document = json.loads("".join(trace_json(lambda: [done], notation, (), (), ())))
    assert isinstance(document, dict)
    return document


@every_network
def test_json_holds_every_state_of_every_layer(network: Network) -> None:
    done = traced(network)
    document = json_of(done)
    bidirectional = network.bidirectional
    inner = done.layers if bidirectional else done.layers[:-1]
    assert document["h0"] == done.h0.tolist()
    assert document.get("c0") == (None if done.c0 is None else done.c0.tolist())
    for t, step in enumerate(document["steps"]):
        assert step["t"] == t + 1
        assert (step["x"], step["h"]) == (done.x[t].tolist(), done.h[t].tolist())
        assert step["y"] == (None if done.y is None else done.y[t].tolist())
        assert ("c" in step) == ("c" in network.cell.state)
        assert ("token" in step) == bool(network.vocab)
        assert bool(step["terms"]) is not bidirectional
        assert ("layers" in step) == bool(inner)
        for run, shown in zip(inner, step.get("layers", []), strict=True):
            assert shown["layer"] == run.layer.index + 1
            assert shown["direction"] == ("backward" if run.layer.reverse else "forward")
            assert shown["h"] == run.h[t].tolist()
            if run.c is not None:
                assert shown["c"] == run.c[t].tolist()
            assert list(shown["terms"].values()) == [values[t].tolist() for _, values in run.terms]
    if not bidirectional:
        for t, step in enumerate(document["steps"]):
            assert list(step["terms"].values()) == [values[t].tolist() for _, values in done.terms]


def test_json_of_one_layer_is_what_it_was() -> None:
    document = json_of(traced(Network(2, 3, 1)))
    assert list(document) == ["schema", "command", "convention", "notes", "h0", "steps"]
    assert list(document["steps"][0]) == ["t", "x", "h", "y", "terms"]
    assert list(document["steps"][0]["terms"]) == ["W_xh x_t", "W_hh h_{t-1}", "b_h", "z_t"]


@every_network
def test_csv_has_a_column_for_every_number_and_no_two_alike(network: Network) -> None:
    done = traced(network)
    header, *rows = (list(row) for row in trace_csv(lambda: [done], Notation(network, "xh"), ()))
    assert len(set(header)) == len(header)
    numbers = 1 + bool(network.vocab) + network.d_in + done.h.shape[-1] + network.d_out
    numbers += 0 if done.c is None else done.c.shape[-1]
    inner = done.layers if network.bidirectional else done.layers[:-1]
    for run in done.layers:
        numbers += sum(values.shape[-1] for _, values in run.terms)
    for run in inner:
        numbers += sum(run.layer.sizes[axis] for axis in run.layer.state.values())
    assert {len(row) for row in (header, *rows)} == {numbers}
    first = header.index("h[1]")
    assert [row[first : first + done.h.shape[-1]] for row in rows] == done.h.tolist()


@every_network
def test_arrays_are_under_the_names_of_the_csv_columns(network: Network) -> None:
    done, notation = traced(network), Notation(network, "xh")
    arrays = trace_arrays(done, notation)
    header = next(iter(trace_csv(lambda: [done], notation, ())))
    columns = dict.fromkeys(str(name).rpartition("[")[0] or str(name) for name in header if name != "t")
    biases = {stored.symbol for stored in notation.stored}  # the same at every step, and kept once
    for name in columns:
        assert name in biases or len(arrays[name]) == done.steps
    assert next(iter(arrays)) == "h"
    for run in done.layers if len(done.layers) > 1 and network.bidirectional else done.layers[:-1]:
        for name, state in run.initial.items():
            np.testing.assert_array_equal(arrays[f"{name}0^{run.layer.mark}"], state)
    for stored in notation.stored:
        assert arrays[stored.symbol].shape == notation.shape(stored)


def test_a_stream_of_blocks_is_the_stream_of_the_whole() -> None:
    network = NETWORKS["stack"]
    weights, x, notation = random_weights(network, 1), sequence(1, 9, 2), Notation(network, "xh")
    parts, whole = list(trace_blocks(network, weights, np.split(x, [4, 5]))), [trace(network, weights, x)]
    assert [*trace_csv(lambda: parts, notation, ())] == [*trace_csv(lambda: whole, notation, ())]
    assert "".join(trace_json(lambda: parts, notation, (), (), ())) == "".join(
        trace_json(lambda: whole, notation, (), (), ())
    )


# The command


@every_cell
def test_every_table_of_every_cell_fits_a_page_of_80_columns(cell: Cell) -> None:
    for more in ((), ("--layers", "2", "--bidirectional"), ("--convention", "row", "--explain")):
        result = calc("trace", "--cell", cell.name, *more)
        assert result.status == 0, result.err
        for line in result.out.splitlines():
            assert len(line) <= 80 or line.startswith("Again: "), line
        # Where z stands for what others call 1 − z, it is said once.
        assert result.out.count(f"{cell.name}: ") == bool(cell.note)


def test_the_top_layer_is_shown_in_full_and_of_the_others_their_states() -> None:
    top = calc("trace", "--cell", "lstm", "--layers", "3").out
    assert "Layers 1, 2 show no more than states; --layer N" in top
    assert re.findall(r"^Layer (\d) · input gate", top, re.MULTILINE) == ["3"]
    assert re.findall(r"^Layer (\d) · the cell state after", top, re.MULTILINE) == ["1", "2"]
    first = calc("trace", "--cell", "lstm", "--layers", "3", "--layer", "1").out
    assert set(re.findall(r"^Layer (\d) · input gate", first, re.MULTILINE)) == {"1"}
    assert "Layers 2, 3 show no more than states" in first


def test_a_layer_or_unit_that_there_is_not_is_refused() -> None:
    error = refused("trace", "--layers", "2", "--layer", "3", status=2)
    assert "There is no layer 3: the network has layers 1 to 2." in error
    error = refused("trace", "--d-h", "4", "--unit", "5", status=2)
    assert "There is no unit 5: d_h = 4 has units 1 to 4." in error
    error = refused("trace", "--d-h", "4,2", "--unit", "5", status=2)
    assert "There is no unit 5: the widest layer has units 1 to 4." in error


def test_npz_and_csv_of_a_stack_are_written_by_the_command(tmp_path: Path) -> None:
    args = ("trace", "--cell", "gru", "--layers", "2", "--bidirectional", "--steps", "4", "--vocab", "6")
    path = tmp_path / "trace.npz"
    assert calc(*args, "--output", str(path)).status == 0
    arrays = np.load(path)
    rows = list(csv.DictReader(io.StringIO(calc(*args, "--format", "csv").out)))
    assert [int(row["token"]) for row in rows] == arrays["token"].tolist()
    np.testing.assert_array_equal([float(row["h[6]"]) for row in rows], arrays["h"][:, 5])
    np.testing.assert_array_equal([float(row["h^(1←)_t[2]"]) for row in rows], arrays["h^(1←)_t"][:, 1])
