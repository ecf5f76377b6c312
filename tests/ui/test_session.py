"""What the form says is a command line that its command takes."""

from __future__ import annotations

import inspect
import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.commands.options import NetworkOptions
from rnn_calc.commands.parsing import answer_of, command_function
from rnn_calc.commands.run_options import LossOptions, SequenceOptions
from rnn_calc.core.errors import RnnCalcError
from rnn_calc.ui.fields import FIELD, FIELDS, TABS, Tab
from rnn_calc.ui.options import describe
from rnn_calc.ui.session import Session, culprit

# One value a field that every command accepts, together with the defaults of the others.
VALID = {
    "d_in": "2",
    "d_h": "4",
    "d_out": "3",
    "steps": "3",
    "batch": "2",
    "cell": "gru",
    "convention": "pytorch",
    "layers": "2",
    "directions": "2",
    "activation": "relu",
    "init": "orthogonal",
    "spectral_radius": "0.90",
    "seed": "5",
    "sequence": "1,2,3,4; 5,6,7,8",
    "text": "a b a",
    "step": "2",
    "unit": "1",
    "loss": "sum",
    "targets": "1,0; 0,1; 1,0; 0,1; 1,0; 0,1; 1,0; 0,1; 1,0; 0,1",
}
# What a value needs beside it.
WITH = {"text": {"d_in": "2"}, "targets": {"loss": "mse"}}

each_tab = pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.command)
each_field = pytest.mark.parametrize("name", FIELD)


def said(**texts: str) -> Session:
    session = Session()
    for name, text in texts.items():
        session = session.with_text(name, text)
    return session


def test_every_field_is_tried() -> None:
    assert set(VALID) == set(FIELD)


@each_tab
def test_what_a_tab_takes_are_options_of_its_command(tab: Tab) -> None:
    parameters = inspect.signature(command_function(tab.command)).parameters
    for name in tab.takes:
        assert {"directions": "bidirectional"}.get(name, name) in parameters


@each_tab
@each_field
def test_a_field_that_says_something_valid_makes_no_tab_s_command_fail(tab: Tab, name: str) -> None:
    answer = answer_of(tab.command, said(**WITH.get(name, {}), **{name: VALID[name]}).words(tab.command))
    assert answer.view.document().blocks
    assert answer.failure is None


@each_tab
@each_field
def test_a_field_is_in_the_command_of_exactly_the_tabs_that_take_it(tab: Tab, name: str) -> None:
    option = "--bidirectional" if name == "directions" else f"--{name.replace('_', '-')}"
    words = said(**{name: VALID[name]}).words(tab.command)
    assert (option in words) is (name in tab.takes)
    if name in tab.takes and name != "directions":
        assert words[words.index(option) + 1] == VALID[name]


@each_tab
def test_all_fields_of_a_tab_together_are_one_command_line(tab: Tab) -> None:
    # One input, be it a sequence, a text or drawn; an LSTM has its own activations.
    apart = ("text", "activation", "steps" if "sequence" in tab.takes else "sequence")
    texts = {name: text for name, text in VALID.items() if name in tab.takes and name not in apart}
    texts |= {"cell": "lstm", "sequence": "1,2; 3,4; 5,6", "targets": "1,0,2; 0,1,2; 1,0,2", "loss": "mse"}
    answer = answer_of(tab.command, said(**texts).words(tab.command))
    assert answer.setup is not None
    assert answer.setup.network.layers == 2
    assert answer.setup.network.directions == 2


def test_an_empty_form_is_the_command_alone() -> None:
    for tab in TABS:
        assert Session().command_line(tab.command) == f"rnncalc {tab.command}"


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(FIELD)), st.text(max_size=12), max_size=6))
def test_whatever_is_typed_is_quoted_so_that_a_shell_hands_it_on_as_it_is(texts: dict[str, str]) -> None:
    session = said(**texts)
    for tab in TABS:
        words = shlex.split(session.command_line(tab.command))
        assert words == ["rnncalc", tab.command, *session.words(tab.command)]
        for name in set(tab.takes) & set(texts) - {"directions"}:
            if texts[name].strip():
                assert texts[name].strip() in {*words, *(word.partition("=")[2] for word in words)}


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(TABS), st.sampled_from(sorted(FIELD)), st.text(max_size=12))
def test_whatever_is_typed_the_command_answers_or_says_what_is_wrong(tab: Tab, name: str, text: str) -> None:
    session = said(**{name: text})
    if session.problem():
        return
    # A number may be right and very large: such answers take their time, and are tried elsewhere.
    if name in ("text", "sequence", "steps", "d_h", "d_in", "layers") and len(text) > 3:
        return
    try:
        message = str(answer_of(tab.command, session.words(tab.command)).failure)
    except RnnCalcError as error:
        message = str(error)
    assert message


@each_field
def test_a_text_that_was_put_in_is_there_and_one_that_was_taken_away_is_not(name: str) -> None:
    session = said(**{name: f" {VALID[name]} "})
    assert session.text(name) == VALID[name]
    empty = session.with_text(name, "  ")
    assert empty.text(name) == ""
    for tab in TABS:
        assert empty.command_line(tab.command) == f"rnncalc {tab.command}"


def test_options_that_have_no_field_stay() -> None:
    session = Session(
        NetworkOptions(merge="sum", bidirectional=True),
        sequence=SequenceOptions(h0="gaussian", steps=4),
        loss=LossOptions(reduction="sum"),
    ).with_text("d_h", "5")
    assert session.command_line("shapes") == "rnncalc shapes --d-h 5 --bidirectional --merge sum --steps 4"
    assert session.words("bptt")[-4:] == ["--h0", "gaussian", "--reduction", "sum"]


@pytest.mark.parametrize("text", ["0", "3", "two", "-"])
def test_directions_are_one_or_two(text: str) -> None:
    problem = said(directions=text).problem()
    assert problem is not None
    assert problem[0] == "directions"
    assert "1 or 2" in problem[1]


@pytest.mark.parametrize("name", ["sequence", "targets"])
def test_the_keyboard_is_no_file(name: str) -> None:
    problem = said(**{name: "-"}).problem()
    assert problem is not None
    assert problem[0] == name
    assert f"--{name}" in problem[1]


def test_a_form_without_problems_has_none() -> None:
    assert said(**VALID).problem() is None


def test_an_error_is_marked_where_it_was_before_else_where_it_says_else_where_something_changed_last() -> None:
    message = "Invalid value for --d-h: 'x' is no whole number."
    assert culprit(message, ["d_h", "d_in"], {}) == "d_h"
    assert culprit("There is no cell 'x'.", ["d_in", "cell"], {}) == "cell"
    assert (
        culprit("There is no cell 'x'.", ["cell", "d_in"], {"There is no cell 'x'.": "cell", "Another.": "d_in"})
        == "cell"
    )
    assert culprit("There is no cell 'x'.", ["cell", "d_in"], {"Another.": "cell"}) == "d_in"
    assert culprit("--spectral-radius must be positive.", ["spectral_radius", "d_in"], {}) == "spectral_radius"
    assert culprit("Whatever.", [], {}) == ""


@pytest.mark.parametrize("name", FIELD)
def test_every_field_is_described_in_the_words_of_its_option_s_help(name: str) -> None:
    for tab in TABS:
        if name in tab.takes:
            text = describe(name, tab.command)
            option = "--bidirectional" if name == "directions" else f"--{name.replace('_', '-')}"
            assert text.startswith(f"{option}: ")
            assert len(text) > len(option) + 10


def test_a_field_that_a_tab_has_no_use_for_says_so() -> None:
    assert describe("batch", "trace") == "batch: trace has no use for it."
    assert [field.name for field in FIELDS if field.only == "bptt"] == ["loss", "targets"]
