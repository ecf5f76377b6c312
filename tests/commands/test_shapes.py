from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from tests.commandline import calc, refused

STACK = ("--cell", "lstm", "--layers", "2", "--bidirectional", "--convention", "pytorch")


def shapes(*args: str) -> dict[str, Any]:
    result = calc("shapes", *args, "--json")
    assert result.status == 0, result.err
    found: dict[str, Any] = json.loads(result.out)
    return found


def test_the_question_what_shape_h_n_has_is_answered() -> None:
    rows = {row["symbol"]: row for row in shapes(*STACK, "-i", "64", "-H", "128", "-T", "20", "-B", "32")["rows"]}
    # torch.nn.LSTM(64, 128, 2, bidirectional=True), as its documentation computes it.
    assert rows["h_n"]["shape"] == rows["c_n"]["shape"] == [4, 32, 128]
    assert rows["output"]["shape"] == [20, 32, 256]
    assert rows["weight_ih_l1_reverse"]["shape"] == [512, 256]
    assert rows["weight_ih_l1_reverse"]["layer"] == 2
    assert rows["weight_ih_l1_reverse"]["direction"] == "backward"


def test_layer_and_direction_are_there_only_where_there_are_several() -> None:
    assert set(shapes()["rows"][0]) == {"symbol", "kind", "shape", "axes", "count", "role"}
    assert "layer" not in shapes("--bidirectional")["rows"][0]
    assert "direction" not in shapes("--layers", "2")["rows"][0]


def test_csv_has_the_same_columns_in_every_row() -> None:
    rows = list(csv.reader(io.StringIO(calc("shapes", *STACK, "--format", "csv").out)))
    assert rows[0][-2:] == ["layer", "direction"]
    assert {len(row) for row in rows} == {8}


def test_packed_lengths_come_with_their_values() -> None:
    packed = shapes("--convention", "pytorch", "--lengths", "3,7,1")["packed"]
    assert packed == {
        "lengths": [3, 7, 1],
        "batch_sizes": [3, 2, 2, 1, 1, 1, 1],
        "sorted_indices": [1, 0, 2],
        "unsorted_indices": [1, 0, 2],
    }


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--lengths", "3,0"), "length 2 must be at least 1; it is 0."),
        (
            ("--lengths", "3;1"),
            "--lengths takes whole numbers with commas between, as in --lengths 7,3,1; it is '3;1'.",
        ),
        (("--lengths", "3,1", "--batch", "3"), "--batch is 3, but --lengths has 2: leave --batch out."),
        (
            ("--lengths", "3,1", "--steps", "4"),
            "--steps is 4, but the longest of --lengths is 3: leave --steps out.",
        ),
    ],
)
def test_lengths_that_cannot_be_are_refused(args: tuple[str, ...], message: str) -> None:
    assert refused("shapes", *args, status=2) == message


def test_a_length_beyond_the_limit_is_refused_with_the_limit() -> None:
    assert "at most 1,000,000 steps; one has 2,000,000" in refused("shapes", "--lengths", "2000000")


def test_more_cells_than_can_be_looked_at_are_not_drawn() -> None:
    said = refused("shapes", "--layers", "200", "--bidirectional", "--unroll", "1000", status=2)
    assert said == "--unroll draws at most 100,000 cells; steps times layers are 400,000 here."


def test_a_mode_that_two_directions_cannot_have_is_refused_with_the_reason() -> None:
    said = refused("shapes", "--bidirectional", "--mode", "one-to-many", status=2)
    assert "a backward direction begins at a last step that is not there yet" in said


@pytest.mark.parametrize("cell", ["gru", "gru-reset-before", "mgu"])
def test_which_way_an_update_gate_goes_is_said_where_it_is_printed(cell: str) -> None:
    page = calc("shapes", "--cell", cell).out
    assert "keeps the old state" in page
    assert "keeps the old state" in shapes("--cell", cell)["note"]


def test_layers_that_are_alike_are_told_once() -> None:
    page = calc("shapes", "--layers", "12", "--steps", "3").out
    assert "Layers 2 to 12, all alike" in page
    assert "W_hh^(2)" in page
    assert "W_hh^(3)" not in page
    assert len([row for row in shapes("--layers", "12")["rows"] if row["symbol"].startswith("W_hh^(")]) == 12


def test_a_network_that_a_framework_has_not_is_refused() -> None:
    said = refused("shapes", "--cell", "mgu", "--convention", "pytorch", status=2)
    assert said.startswith("pytorch has no mgu: it ships ")


def test_dropout_is_said_to_change_nothing() -> None:
    assert "dropout 0.5: changes no shape" in calc("shapes", "--dropout", "0.5").out
