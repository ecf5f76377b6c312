"""What an arrow key makes of a field, whatever stands in it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.ui.fields import FIELD, FIELDS, TABS, Field, stepped

WHOLE = [field for field in FIELDS if field.kind == "whole"]
NAMES = [field for field in FIELDS if field.kind == "name"]
# The machine that runs tests may be busy.
calmly = settings(deadline=None, max_examples=60)
by = st.sampled_from([1, -1, 10, -10])


def of_kind(*kinds: str) -> list[str]:
    return [field.name for field in FIELDS if field.kind in kinds]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
@calmly
@given(text=st.text(), shown=st.text(), by=by, place=st.integers(0, 40))
def test_no_text_at_all_is_too_strange_to_step_from(field: Field, text: str, shown: str, by: int, place: int) -> None:
    assert isinstance(stepped(field, text, shown, by, place), str)


@pytest.mark.parametrize("field", WHOLE, ids=lambda field: field.name)
@calmly
@given(number=st.integers(0, 10**9), by=by)
def test_a_whole_number_counts_up_and_down_to_its_least(field: Field, number: int, by: int) -> None:
    assert stepped(field, str(number), "", by) == str(max(number + by, field.least))


@calmly
@given(number=st.integers(1, 10**9), by=by)
def test_an_empty_field_counts_from_what_it_shows(number: int, by: int) -> None:
    assert stepped(FIELD["d_in"], "", str(number), by) == str(max(1, number + by))


def test_where_nothing_is_known_the_arrows_begin_at_the_start() -> None:
    assert stepped(FIELD["steps"], "", "", 1) == "11"
    assert stepped(FIELD["seed"], "", "", 1) == "1"
    assert stepped(FIELD["spectral_radius"], "", "", -1) == "0.99"


@pytest.mark.parametrize("text", ["many", "-3", "1e3", "٣", "²", "3.5", "9" * 40])
def test_what_is_no_number_gives_way_to_the_one_that_is_shown(text: str) -> None:
    assert stepped(FIELD["d_in"], text, "7", 1) == "8"


@calmly
@given(hundredths=st.integers(1, 10**7), by=by)
def test_a_radius_counts_in_hundredths_and_tenths_and_stays_positive(hundredths: int, by: int) -> None:
    text = stepped(FIELD["spectral_radius"], str(Decimal(hundredths) / 100), "", by)
    assert Decimal(text) == Decimal(max(1, hundredths + by)) / 100
    assert text[-3] == "."


def test_a_radius_of_more_digits_is_rounded_to_hundredths_on_the_way() -> None:
    assert stepped(FIELD["spectral_radius"], "0.987654", "", 1) == "1.00"


@pytest.mark.parametrize(
    ("place", "by", "after"),
    [(0, 1, "5,7,5"), (1, 10, "14,7,5"), (2, 1, "4,8,5"), (3, -10, "4,1,5"), (4, 1, "4,7,6"), (5, 1, "4,7,6")],
)
def test_of_several_widths_the_one_at_the_cursor_counts(place: int, by: int, after: str) -> None:
    assert stepped(FIELD["d_h"], "4,7,5", "", by, place) == after


def test_widths_that_are_only_shown_count_too() -> None:
    assert stepped(FIELD["d_h"], "", "4,7,5", 1) == "5,7,5"
    assert stepped(FIELD["d_h"], "", "64", 10) == "74"


def test_a_width_that_is_missing_in_a_list_begins_at_one() -> None:
    assert stepped(FIELD["d_h"], "4,", "", 1, 2) == "4,2"


@pytest.mark.parametrize("field", NAMES, ids=lambda field: field.name)
@pytest.mark.parametrize("by", [1, -1, 10, -10])
def test_names_come_round_through_every_choice(field: Field, by: int) -> None:
    choices = field.choices()
    assert len(choices) > 1
    text, seen = choices[0], []
    for _ in choices:
        text = stepped(field, text, "", by)
        seen.append(text)
    assert sorted(seen) == sorted(choices)
    assert text == choices[0]


def test_a_name_that_is_begun_is_finished_and_an_unknown_one_starts_over() -> None:
    assert stepped(FIELD["cell"], "ls", "rnn", 1) == "lstm"
    assert stepped(FIELD["cell"], "quantum", "rnn", 1) == FIELD["cell"].choices()[0]


@pytest.mark.parametrize("name", of_kind("text"))
@calmly
@given(text=st.text(), by=by)
def test_text_is_left_alone(name: str, text: str, by: int) -> None:
    assert stepped(FIELD[name], text, "", by) == text


def test_every_field_belongs_to_a_tab_and_every_tab_s_fields_exist() -> None:
    taken = {name for tab in TABS for name in tab.takes}
    assert taken == set(FIELD)
    for field in FIELDS:
        if field.only:
            assert [tab.command for tab in TABS if field.name in tab.takes] == [field.only]
