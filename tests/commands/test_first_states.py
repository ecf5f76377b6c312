"""--h0 gaussian: a state to start from that nobody has to type, whatever its width."""

from __future__ import annotations

import json

import numpy as np

from tests.commandline import calc, refused


def first_state(*args: str) -> dict[str, list[float]]:
    result = calc("trace", "--steps", "2", *args, "--json")
    assert result.status == 0, result.err
    document = json.loads(result.out)
    return {name: document[name] for name in ("h0", "c0") if name in document}


def test_it_is_drawn_from_the_seed_and_is_standard_normal() -> None:
    drawn = first_state("--d-h", "400", "--h0", "gaussian")["h0"]
    # The mean of 400 is within 0.25 of 0, and their scatter within 0.2 of 1, but once in a million times.
    assert abs(np.mean(drawn)) < 0.25
    assert abs(np.std(drawn) - 1) < 0.2
    assert drawn == first_state("--d-h", "400", "--h0", "gaussian", "--seed", "0")["h0"]
    assert drawn != first_state("--d-h", "400", "--h0", "gaussian", "--seed", "1")["h0"]


def test_states_and_directions_have_their_own_numbers() -> None:
    both = first_state("--cell", "lstm", "--d-h", "5", "--bidirectional", "--h0", "gaussian", "--c0", "gaussian")
    assert len({*both["h0"], *both["c0"]}) == 20


def test_a_seed_gives_the_same_weights_and_inputs_with_it_and_without() -> None:
    with_it, without = (json.loads(calc("trace", *args, "--json").out) for args in (("--h0", "gaussian"), ()))
    assert [step["x"] for step in with_it["steps"]] == [step["x"] for step in without["steps"]]
    assert with_it["h0"] != without["h0"]


def test_what_has_no_cell_state_has_none_to_draw() -> None:
    assert "rnn has none" in refused("trace", "--c0", "gaussian", status=2)


def test_a_word_that_is_nearly_the_one_that_draws_names_it() -> None:
    said = "--h0 takes numbers, as in --h0 \"0.1, 0.2\", or gaussian; it is 'gausian'. Did you mean gaussian?"
    assert refused("trace", "--h0", "gausian", status=2) == said
