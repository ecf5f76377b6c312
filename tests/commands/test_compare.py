from __future__ import annotations

import json
from typing import Any

import pytest

from tests.commandline import calc, refused


def rows(*args: str) -> list[dict[str, Any]]:
    result = calc("compare", "--json", *args)
    assert result.status == 0, result.err
    found: list[dict[str, Any]] = json.loads(result.out)["rows"]
    return found


def test_keras_and_flax_differ_in_a_gru_by_two_biases_of_d_h() -> None:
    """247,296 is what Keras publishes for GRU(256) on 64 inputs; Flax keeps b_r, b_z, b_n and b_hn."""
    keras, flax = rows("--conventions", "keras,flax", "--cell", "gru", "-i", "64", "-H", "256", "-o", "0")
    assert keras["total"] == 247_296
    assert flax["total"] == 3 * (64 * 256 + 256 * 256) + 4 * 256
    assert flax["difference"] == -2 * 256
    assert flax["difference_terms"] == {"biases": "− 2·d_h"}


def test_an_lstm_multiplies_four_times_what_an_rnn_does() -> None:
    rnn, lstm = rows("--cells", "rnn,lstm", "-i", "10", "-H", "20", "-o", "0")
    assert rnn["multiply_adds_per_step"] == 20 * (10 + 20)
    assert lstm["multiply_adds_per_step"] == 4 * 20 * (10 + 20)
    assert rnn["waiting_multiply_adds_per_step"] == 20 * 20
    assert lstm["states"] == {"h": 20, "c": 20}


@pytest.mark.parametrize("option", [("--cells", "all"), ("--conventions", "all", "--cell", "lstm"), ()])
def test_totals_are_those_of_params_and_parts_add_up(option: tuple[str, ...]) -> None:
    for row in rows(*option, "--layers", "2", "--bidirectional"):
        cell, convention = row["cell"], row["convention"]
        args = ("--cell", cell, "--convention", convention, "--layers", "2", "--bidirectional")
        assert row["total"] == json.loads(calc("params", *args, "--json").out)["total"]
        assert row["total"] == sum(row["parameters"].values())


def test_two_networks_are_compared_by_their_options() -> None:
    a, b = rows("--cell", "lstm", "--d-h", "128", "--with", "--cell gru --d-h 148")
    assert (a["label"], b["label"]) == ("A: lstm", "B: gru")
    assert b["difference"] == b["total"] - a["total"]


def test_what_makes_the_difference_is_said_in_symbols() -> None:
    page = calc("compare", "--conventions", "pytorch,keras", "--cell", "lstm").out
    assert "keras: − 4·d_h of biases: one bias a gate against two biases a gate" in page


def test_wrong_options_of_another_network_are_named() -> None:
    assert "--cel" in refused("compare", "--with", "--cel gru", status=2)
    assert "Did you mean gru?" in refused("compare", "--with", "--cell grv", status=2)
    assert "No closing quotation" in refused("compare", "--with", "--cell 'gru", status=2)
    assert "give one of them" in refused("compare", "--cells", "rnn", "--conventions", "xh", status=2)
    assert "--cells lstm" in refused("compare", "--cell", "lstm", status=2)
