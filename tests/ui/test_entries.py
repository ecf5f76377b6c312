"""A field under quick fingers: where its cursor is, where the next key goes, and what of its text and label is seen."""

from __future__ import annotations

import pytest

from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.ui.fields import FIELDS
from rnn_calc.ui.form import Row
from rnn_calc.ui.screens import Help
from tests.ui.driving import opening, played, shows_what_its_command_prints


def test_after_a_count_that_adds_a_digit_backspace_takes_the_last_one() -> None:
    async def scene() -> None:
        async with opening() as screen:
            await screen.put("d_h", "9")
            await screen.press("up", "backspace", "2")
            assert screen.entry("d_h").value == "12"
            await screen.put("layers", "2")
            await screen.put("d_h", "9,9")
            await screen.press("left", "left", "up", "backspace", "5")
            assert screen.entry("d_h").value == "15,9"
            assert shows_what_its_command_prints(screen)

    played(scene())


@pytest.mark.parametrize("key", ["tab", "enter"])
def test_what_is_typed_at_once_after_the_next_field_was_asked_for_goes_there(key: str) -> None:
    async def scene() -> None:
        async with opening() as screen:
            await screen.focus("d_in")
            screen.strike("7", key, "8", key, "9")
            await screen.settle()
            assert screen.command == "rnncalc shapes --d-in 7 --d-h 8 --d-out 9"
            screen.strike("shift+tab", "5")
            await screen.settle()
            assert screen.command == "rnncalc shapes --d-in 7 --d-h 5 --d-out 9"

    played(scene())


def test_what_is_typed_at_once_after_esc_goes_to_the_page() -> None:
    async def scene() -> None:
        async with opening(tab="trace") as screen:
            await screen.focus("d_h")
            screen.strike("escape", "u", "right")
            await screen.settle()
            assert screen.command == "rnncalc trace --step 2 --unit 1"
            await screen.tab("quiz")
            await screen.until(lambda: "Question 1" in screen.app.quiz.page.text, "a question")
            screen.app.quiz.query_one("#field-topic").focus()
            screen.strike("escape", "1")
            await screen.settle()
            assert screen.command == "rnncalc shapes"

    played(scene())


def test_a_label_is_whole_and_apart_from_its_field_also_where_it_is_marked() -> None:
    async def scene() -> None:
        async with opening() as screen:
            await screen.put("convention", "x" + max(CONVENTIONS, key=len))
            assert screen.wrong == ["convention"]
            for name, row in screen.app.live.form.rows.items():
                assert len(_label(row)) <= row.query_one(".label").content_size.width or not row.display, name

    played(scene())
    assert {field.label for field in FIELDS if len(field.label) > 10} == set()


def test_a_name_that_is_as_long_as_its_field_is_read_from_its_beginning_when_the_field_is_left() -> None:
    async def scene() -> None:
        async with opening(tab="trace") as screen:
            await screen.put("init", "orthogonal")
            await screen.press("tab")
            assert screen.entry("init").scroll_offset.x == 0
            assert screen.entry("init").value == "orthogonal"

    played(scene())


def test_a_question_mark_is_help_in_a_field_that_holds_none() -> None:
    async def scene() -> None:
        async with opening() as screen:
            for field in FIELDS:
                if not field.only:
                    await screen.focus(field.name)
                    await screen.press("?")
                    assert isinstance(screen.app.screen, Help) is (field.kind != "text"), field.name
                    assert screen.entry(field.name).value == ("?" if field.kind == "text" else "")
                    if field.kind != "text":
                        await screen.press("escape")

    played(scene())


def _label(row: Row) -> str:
    return str(row.query_one(".label").render())
