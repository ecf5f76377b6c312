"""Files, clipboard, help, palette, stepping and the quiz: what keys do beside the form."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from textual.command import CommandPalette
from textual.widgets import Input, Static

from rnn_calc.commands.options import NetworkOptions
from rnn_calc.files.examples import example_names
from rnn_calc.quiz.quiz import TOPICS, question_at
from rnn_calc.ui.app import Calc
from rnn_calc.ui.fields import QUIZ
from rnn_calc.ui.palette import Commands
from rnn_calc.ui.screens import Help, Save
from rnn_calc.ui.session import Session
from tests.commandline import calc
from tests.ui.children import children
from tests.ui.driving import Screen, opening, played, shows_what_its_command_prints

SUFFIXES = ("json", "csv", "md", "svg", "html")


async def save_as(screen: Screen, path: Path) -> None:
    """`s`, a name, Enter."""
    if not isinstance(screen.app.screen, Save):
        await screen.press("s")
        await screen.until(lambda: isinstance(screen.app.screen, Save), "the question where to")
    screen.app.screen.query_one("#path", Input).value = str(path)
    await screen.press("enter")


def problem(screen: Screen) -> str:
    return str(screen.app.screen.query_one("#problem", Static).content)


def test_a_tab_is_saved_as_its_command_writes_it(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opening(Session(NetworkOptions(cell="lstm")), tab="params") as screen:
            await screen.press("escape")
            for suffix in SUFFIXES:
                await save_as(screen, tmp_path / f"saved.{suffix}")
                await screen.until(lambda: not isinstance(screen.app.screen, Save), "saved")
                assert screen.message == f"Saved: {tmp_path / f'saved.{suffix}'}"

    played(scene())
    for suffix in SUFFIXES:
        written = tmp_path / f"written.{suffix}"
        assert calc("params", "--cell", "lstm", "--output", str(written)).status == 0
        assert (tmp_path / f"saved.{suffix}").read_bytes() == written.read_bytes()


def test_a_file_that_exists_is_written_over_only_on_a_second_enter(tmp_path: Path) -> None:
    path, other = tmp_path / "there.json", tmp_path / "other.json"
    for file in (path, other):
        file.write_text("mine", "utf-8")

    async def scene() -> None:
        async with opening() as screen:
            await screen.press("escape")
            await save_as(screen, path)
            await screen.until(lambda: "Enter once more" in problem(screen), "a word of it")
            assert "exists" in problem(screen)
            assert "--force" not in problem(screen)
            # The second Enter is about that file alone.
            await save_as(screen, other)
            await screen.until(lambda: "other.json' exists" in problem(screen), "a word of the other")
            assert [path.read_text("utf-8"), other.read_text("utf-8")] == ["mine", "mine"]
            await screen.press("enter")
            await screen.until(lambda: not isinstance(screen.app.screen, Save), "saved")

    played(scene())
    assert path.read_text("utf-8") == "mine"
    assert other.read_text("utf-8") == calc("shapes", "--json").out


def test_what_cannot_be_saved_is_said_and_esc_gives_it_up(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opening() as screen:
            await screen.press("escape")
            for path, said in (
                (tmp_path / "nowhere" / "x.json", "nowhere"),
                (tmp_path / "x.docx", ".docx"),
                (tmp_path, str(tmp_path)[-20:]),
            ):
                await save_as(screen, path)
                await screen.until(lambda: "saving" not in problem(screen), said)
                assert said in "".join(problem(screen).split())
                assert "--" not in problem(screen)
            await screen.press("escape")
            assert not isinstance(screen.app.screen, Save)
            assert shows_what_its_command_prints(screen)

    played(scene())
    assert list(tmp_path.iterdir()) == []


def test_the_command_is_copied_from_the_page_and_from_a_field() -> None:
    async def scene() -> None:
        async with opening() as screen:
            await screen.put("d_h", "7")
            await screen.press("ctrl+y")
            assert screen.app.clipboard == "rnncalc shapes --d-h 7"
            await screen.press("escape", "2")
            await screen.press("c")
            assert screen.app.clipboard == screen.command == "rnncalc params --d-h 7"
            assert "clipboard" in screen.message

    played(scene())


def test_the_help_names_every_key_and_is_closed_by_esc() -> None:
    async def scene() -> None:
        async with opening() as screen:
            await screen.press("escape", "question_mark")
            assert isinstance(screen.app.screen, Help)
            shown = " ".join(str(part.content) for part in screen.app.screen.query(Static))
            for binding in Calc.BINDINGS:
                keys = binding.key.split(",")  # type: ignore[union-attr]
                names = [key.replace("ctrl+", "Ctrl+").replace("question_mark", "?") for key in keys]
                names = [name[:-1] + name[-1].upper() if name.startswith("Ctrl+") else name for name in names]
                if not names[0].isdigit():
                    assert any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", shown, re.I) for name in names), names
            await screen.press("escape")
            assert not isinstance(screen.app.screen, Help)
            assert shows_what_its_command_prints(screen)
            await screen.press("f1")
            assert isinstance(screen.app.screen, Help)

    played(scene())


def test_the_palette_knows_tabs_cells_conventions_and_examples() -> None:
    async def scene() -> None:
        async with opening() as screen:
            entries = dict(Commands(screen.app.screen)._entries())
            for name in example_names():
                assert any(name in title for title in entries)
            next(run for title, run in entries.items() if "gru" in title)()
            await screen.settle()
            assert screen.command == "rnncalc shapes --cell gru"
            next(run for title, run in entries.items() if "cat-sat-here" in title)()
            await screen.settle()
            assert screen.command == "rnncalc shapes --example cat-sat-here"
            assert screen.entry("cell").value == ""
            assert shows_what_its_command_prints(screen)
            await screen.press("ctrl+p")
            await screen.until(lambda: isinstance(screen.app.screen, CommandPalette), "the palette")
            await screen.press(*"Start again")
            await screen.until(lambda: screen.app.screen.query("OptionList > *, OptionList"), "a proposal")
            await screen.press("escape")
            next(run for title, run in entries.items() if title.startswith("Start again"))()
            await screen.settle()
            assert screen.command == "rnncalc shapes"

    played(scene())


def test_light_and_dark_are_a_key_apart_and_a_light_terminal_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(first: str) -> None:
        async with opening() as screen:
            assert screen.app.theme == first
            await screen.press("escape", "d")
            assert screen.app.theme != first
            await screen.press("d")
            assert screen.app.theme == first

    monkeypatch.delenv("COLORFGBG", raising=False)
    played(scene("textual-dark"))
    monkeypatch.setenv("COLORFGBG", "0;15")
    played(scene("textual-light"))


def test_the_trace_is_stepped_with_arrows_from_the_first_step_to_the_last() -> None:
    async def scene() -> None:
        async with opening(tab="trace", size=(100, 40)) as screen:
            await screen.press("escape")
            assert screen.command == "rnncalc trace --step 1"
            pages = [screen.page]
            await screen.press("left")
            assert screen.page == pages[0]
            for step in range(2, 6):
                await screen.press("right")
                assert screen.command == f"rnncalc trace --step {step}"
                assert screen.entry("step").value == str(step)
                assert shows_what_its_command_prints(screen)
                pages.append(screen.page)
            assert len(set(pages)) == 5
            await screen.press("right")
            assert screen.command == "rnncalc trace --step 5"
            await screen.press("left")
            assert screen.page == pages[3]

    played(scene())


def test_a_unit_is_chosen_with_u_from_none_to_the_last_and_back() -> None:
    async def scene() -> None:
        async with opening(tab="trace", size=(100, 40)) as screen:
            await screen.press("escape")
            plain = screen.page
            for unit in (1, 2, 3, 3):
                await screen.press("u")
                assert screen.entry("unit").value == str(unit)
                assert (screen.wrong, screen.is_error) == ([], False)
                assert shows_what_its_command_prints(screen)
            for text in ("2", "1", "", ""):
                await screen.press("U")
                assert screen.entry("unit").value == text
            assert screen.page == plain
            # Elsewhere it is no key.
            await screen.press("1")
            await screen.press("u")
            assert screen.command == "rnncalc shapes"

    played(scene())


def quiz_page(screen: Screen) -> str:
    return screen.app.quiz.page.text


async def answered(screen: Screen, text: str) -> None:
    field = screen.app.query_one("#answer", Input)
    field.value = text
    field.focus()
    await screen.settle()
    await screen.press("enter")


def test_the_quiz_asks_judges_and_goes_on() -> None:
    async def scene() -> None:
        async with opening(tab=QUIZ) as screen:
            quiz = screen.app.quiz
            await screen.until(lambda: "Question 1" in quiz_page(screen), "a question")
            for number, is_right in enumerate((True, False, True), 1):
                question = question_at(quiz.seed, number, tuple(TOPICS))
                assert f"Question {number}" in quiz_page(screen)
                assert screen.command == f"rnncalc quiz --seed {quiz.seed}"
                before = quiz_page(screen)
                await answered(screen, "¿¡ hello !?")
                assert screen.is_error
                assert quiz_page(screen) == before
                wrong = next(
                    text for text in ("1", "2", "b", "c", "7,7", "a") if question.expected.judge(text).right is False
                )
                await answered(screen, question.expected.written if is_right else wrong)
                await screen.until(lambda: "Enter: the next question" in screen.message, "a verdict")
                assert quiz_page(screen).startswith(before.rstrip()[:200])
                assert len(quiz_page(screen)) > len(before)
                await screen.press("enter")
                await screen.until(lambda number=number: f"Question {number + 1}" in quiz_page(screen), "the next")  # type: ignore[misc]
                assert screen.app.query_one("#answer", Input).value == ""
            assert screen.message.startswith("2 of 3 right.")

    played(scene())


def test_a_quiz_of_one_topic_level_and_seed_is_that_of_the_command() -> None:
    async def scene() -> None:
        async with opening(tab=QUIZ, size=(100, 40)) as screen:
            rows = screen.app.quiz.query_one("Form").rows  # type: ignore[attr-defined]
            await screen.until(lambda: "Question 1" in quiz_page(screen), "a question")
            for name, text in (("topic", "shape"), ("level", "2"), ("quiz_seed", "7")):
                rows[name].entry.value = text
                await screen.settle()
            assert screen.command == "rnncalc quiz --seed 7 --topic shape --level 2"
            printed = calc(*screen.command.split()[1:], columns=100).out
            assert quiz_page(screen).split()[3:60] == printed.split()[5:62]
            page = quiz_page(screen)
            for name, text in (("quiz_seed", "x"), ("level", "9"), ("topic", "shap")):
                right = rows[name].entry.value
                rows[name].entry.value = text
                await screen.settle()
                assert screen.is_error, name
                assert quiz_page(screen) == page
                rows[name].entry.value = right
                await screen.settle()
                assert not screen.is_error
            assert screen.command == "rnncalc quiz --seed 7 --topic shape --level 2"

    played(scene())


def test_the_quiz_waits_where_it_was_left() -> None:
    async def scene() -> None:
        async with opening() as screen:
            await screen.tab(QUIZ)
            await screen.until(lambda: "Question 1" in quiz_page(screen), "a question")
            page, line = quiz_page(screen), screen.command
            await screen.press("escape")
            await screen.press("1")
            assert screen.command == "rnncalc shapes"
            assert shows_what_its_command_prints(screen)
            await screen.press("7")
            await screen.until(lambda: screen.command == line, "the quiz's own command")
            assert quiz_page(screen) == page

    played(scene())


def test_a_bug_in_the_process_ends_the_screen_with_its_traceback() -> None:
    async def scene() -> None:
        async with opening() as screen:
            screen.app.calculator.ask("page", command="no_such_command", args=[], layout=[80, 4, False, False])
            await screen.until(lambda: screen.app._exception, "the end")

    before = children()
    with pytest.raises(RuntimeError, match=r"Traceback (.|\n)*no_such_command"):
        asyncio.run(scene())
    assert children() == before
