from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_calc.core import errors
from rnn_calc.core.errors import LONGEST_QUOTE, RnnCalcError, did_you_mean, listed, printable, quoted

ALL = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, RnnCalcError)]


def test_the_tree_at_the_top_of_the_file_names_every_error_with_its_status() -> None:
    assert errors.__doc__ is not None
    for error in ALL:
        (line,) = [line for line in errors.__doc__.splitlines() if error.__name__ in line.split()]
        parent = error.__mro__[1]
        if "exit" in line:
            assert f"exit {error.exit_status}" in line
        else:
            assert issubclass(parent, RnnCalcError)
            assert error.exit_status == parent.exit_status


@given(st.text())
def test_printable_text_cannot_steer_a_terminal(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in shown)


@given(st.text(st.characters(categories=("L", "N", "P", "S"))))
def test_printable_text_of_any_script_is_left_alone(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\x1b[31m", r"\x1b[31m"), ("a\u202eb", r"a\u202eb"), ("\n", r"\n"), ("\ud800", r"\ud800"), ("日本", "日本")],
)
def test_a_control_character_is_shown_by_its_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_character_that_is_asked_for_passes() -> None:
    assert printable("a\nb\t", keep="\n") == "a\nb\\t"


@given(st.text(max_size=200))
def test_a_quote_says_how_much_it_leaves_out(text: str) -> None:
    shown = quoted(text)
    if len(text) <= LONGEST_QUOTE:
        assert shown == f"'{printable(text)}'"
    else:
        assert shown.endswith(f"' and {len(text) - LONGEST_QUOTE} more characters")


def test_the_nearest_word_is_found_whatever_its_case() -> None:
    assert did_you_mean("w_HX", ["W_hh", "W_xh", "W_hx"]) == " Did you mean W_hx?"
    assert did_you_mean("elephant", ["W_hh", "b_h"]) == ""


def test_a_name_that_was_only_begun_is_the_nearest() -> None:
    assert did_you_mean("py", ["keras", "pytorch"]) == " Did you mean pytorch?"
    assert did_you_mean("Grad", ["trace", "gradient-decay"]) == " Did you mean gradient-decay?"
    assert did_you_mean("ls", ["lstm-peephole", "lstm", "als"]) == " Did you mean lstm?"
    assert did_you_mean("p", ["keras", "pytorch"]) == ""


@pytest.mark.parametrize(("words", "sentence"), [(["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c")])
def test_words_are_joined_as_a_sentence_does_it(words: list[str], sentence: str) -> None:
    assert listed(words) == sentence
