"""The screen under hostile hands: heavy work, huge and odd texts, keys that come too soon, names that steer."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from textual.widgets import Input, Static

from rnn_calc.ui import app
from rnn_calc.ui.calculator import Calculator, Reply
from rnn_calc.ui.screens import Save
from tests.ui.children import children
from tests.ui.driving import Screen, opening, played


def test_work_that_has_gone_on_for_long_is_dropped_for_the_first_change() -> None:
    async def scene() -> None:
        async with opening(tab="bptt") as screen:
            screen.app.live.put("cell", "lstm")
            screen.app.live.put("d_h", "512")
            screen.app.live.put("steps", "20000")
            await screen.until(lambda: screen.app.calculator.busy_for > 0.5, "some work")
            # One change alone, which no later one helps along: the work takes minutes.
            screen.app.live.put("d_h", "4")
            before = screen.app.calculator._working
            await screen.until(lambda: screen.app.calculator._working != before, "the end of it")
            screen.app.live.put("steps", "3")
            await screen.settle()
            assert screen.command == "rnncalc bptt --d-h 4 --cell lstm --steps 3"

    played(scene())


async def asked_where(screen: Screen, path: Path | str) -> Save:
    """The question where to save, with an answer typed in."""
    screen.app.live.page.focus()
    await screen.press("s")
    await screen.until(lambda: isinstance(screen.app.screen, Save), "the question")
    asking = screen.app.screen
    assert isinstance(asking, Save)
    asking.query_one("#path", Input).value = str(path)
    return asking


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What the processes that save have to say, which is held back until it is called: they are too quick to be met."""
    held: list[Callable[[], None]] = []

    class Slow(Calculator):
        def attach(
            self,
            deliver: Callable[[Reply], None],
            post: Callable[[Callable[[], None]], object],
            later: Callable[[float, Callable[[], None]], object],
        ) -> None:
            super().attach(lambda reply: held.append(partial(deliver, reply)), post, later)

    monkeypatch.setattr(app, "Calculator", Slow)
    return held


def problem(asking: Save) -> str:
    return str(asking.query_one("#problem", Static).content)


def test_enter_twice_saves_once_and_closes_the_question(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opening(tab="trace") as screen:
            asking = await asked_where(screen, tmp_path / "twice.svg")
            screen.strike("enter", "enter", "enter")
            await screen.until(lambda: "Saved: " in screen.message, "word of it")
            await screen.until(lambda: not asking.is_attached, "the question closed")
            assert [path.name for path in tmp_path.iterdir()] == ["twice.svg"]

    played(scene())


def test_a_file_is_saved_though_the_question_was_closed_and_another_thing_asked(
    tmp_path: Path, held: list[Callable[[], None]]
) -> None:
    async def scene() -> None:
        async with opening(tab="trace") as screen:
            for name in ("first.svg", "second.json"):
                asking = await asked_where(screen, tmp_path / name)
                screen.strike("enter")
                await screen.until(lambda asking=asking: "saving" in problem(asking), "the beginning")  # type: ignore[misc]
                screen.strike("escape")
                await screen.until(lambda: not isinstance(screen.app.screen, Save), "the question closed")
            await screen.until(lambda: len(held) == 2, "both files")
            for told in held:
                told()
            await screen.until(lambda: not screen.app._saving, "word of both")
            await screen.tab("quiz")
            assert {path.name for path in tmp_path.iterdir()} == {"first.svg", "second.json"}

    played(scene())


def test_why_nothing_was_saved_is_said_where_the_question_was_closed(
    tmp_path: Path, held: list[Callable[[], None]]
) -> None:
    async def scene() -> None:
        async with opening(tab="trace") as screen:
            asking = await asked_where(screen, tmp_path / "none" / "x.json")
            screen.strike("enter")
            await screen.until(lambda: "saving" in problem(asking), "the beginning")
            screen.strike("escape")
            await screen.until(lambda: not isinstance(screen.app.screen, Save) and held, "the question closed")
            held.pop()()
            await screen.until(lambda: "There is no folder" in screen.message, "word of it")
            assert screen.is_error

    played(scene())


def test_a_pipe_that_nobody_reads_holds_nothing_up_and_its_process_ends_with_the_screen(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")

    async def scene() -> None:
        async with opening(tab="trace") as screen:
            await asked_where(screen, tmp_path / "pipe.json")
            screen.strike("enter")
            await screen.until(lambda: screen.app._saving, "the beginning")
            screen.strike("escape")
            await screen.put("d_h", "5")
            assert "--d-h 5" in screen.command

    played(scene())


def test_nothing_is_said_to_be_saved_that_is_not() -> None:
    async def scene() -> None:
        async with opening(tab="trace") as screen:
            asking = await asked_where(screen, "-")
            screen.strike("enter")
            await screen.until(lambda: "stdout" in problem(asking), "the refusal")
            assert asking.is_active

    played(scene())


def test_a_name_that_would_steer_the_terminal_is_shown_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def scene() -> None:
        async with opening(tab="trace") as screen:
            await asked_where(screen, "a\x1b[31m.json")
            screen.strike("enter")
            await screen.until(lambda: screen.message == r"Saved: a\x1b[31m.json", "word of it")
            screen.app.live.put("text", "a\x1bb \u202ec d\ndc \udcff")
            await screen.settle()
            assert screen.command == r"rnncalc trace --text 'a\x1bb \u202ec d\ndc \udcff' --step 1"
            screen.app.action_copy_command()

    played(scene())


def test_a_calculator_that_was_ended_starts_nothing_any_more() -> None:
    before = children()
    calculator = Calculator()
    calculator.ask("page", command="bptt", args=["--steps", "20000"], layout=[80, 4, False, False])
    calculator.ask("page", command="shapes", args=[], layout=[80, 4, False, False])
    calculator.end()
    time.sleep(0.15)
    calculator._drop()
    calculator._go_on()
    assert children() == before


@pytest.mark.parametrize("text", ["9" * 5000, "\u0663", "-", "1e9"])
@pytest.mark.parametrize(("name", "key"), [("step", "right"), ("unit", "u")])
def test_a_step_that_nobody_counts_to_is_counted_from_the_first(name: str, key: str, text: str) -> None:
    async def scene() -> None:
        async with opening(tab="trace") as screen:
            screen.app.live.put(name, text)
            await screen.settle()
            assert screen.wrong == ([name] if text != "\u0663" else [])
            screen.app.live.page.focus()
            await screen.press(key)
            assert screen.entry(name).value == "1"
            assert screen.wrong == []

    played(scene())


async def asked_in_the_quiz(screen: Screen) -> None:
    screen.app.quiz.seed = 7
    screen.app.action_tab("quiz")
    await screen.until(lambda: "Question 1" in screen.app.quiz.page.text, "the first question")


def test_enter_twice_is_one_answer() -> None:
    async def scene() -> None:
        async with opening() as screen:
            await asked_in_the_quiz(screen)
            screen.strike("1", "enter", "enter", "enter")
            await screen.until(lambda: " of " in screen.message and "right" in screen.message, "the verdict")
            await screen.settle()
            assert (screen.app.quiz._answered, screen.app.quiz.number) == (1, 1)
            assert " of 1 right" in screen.message

    played(scene())


def test_an_answer_that_is_judged_when_another_quiz_begins_counts_for_neither() -> None:
    async def scene() -> None:
        async with opening() as screen:
            await asked_in_the_quiz(screen)
            quiz = screen.app.quiz
            asked: list[tuple[str, Callable[[Reply], None]]] = []
            quiz._consult = lambda then, op, **_: asked.append((op, then))
            screen.strike("1", "enter")
            await screen.until(lambda: asked, "judging")
            quiz.query_one("#field-level", Input).value = "1"
            await screen.until(lambda: len(asked) == 2, "the new quiz")
            ((first, judged), (second, _)) = asked
            assert (first, second) == ("judge", "question")
            judged(Reply(1, {"lines": [], "right": True, "message": "Right."}))
            assert quiz._answered == 0
            assert "Question 1" in quiz.page.text

    played(scene())


def test_a_topic_that_a_shell_would_run_is_quoted() -> None:
    async def scene() -> None:
        async with opening() as screen:
            await asked_in_the_quiz(screen)
            screen.app.quiz.query_one("#field-topic", Input).value = "x; touch made"
            await screen.until(lambda: screen.is_error, "the refusal")
            await screen.tab("shapes")
            await screen.tab("quiz")
            await screen.until(lambda: "quiz" in screen.command, "the command")
            assert shlex.split(screen.command)[-2:] == ["--topic", "x; touch made"]

    played(scene())


def test_a_field_shows_marks_for_what_would_steer_the_terminal_and_hands_it_on() -> None:
    async def scene() -> None:
        async with opening(tab="trace", size=(120, 30)) as screen:
            screen.app.live.put("text", "a\x1b[1m\u202e\n")
            await screen.settle()
            entry = screen.entry("text")
            assert entry.render_line(0).text.rstrip() == "a\ufffd[1m\ufffd\ufffd"
            assert entry.value == "a\x1b[1m\u202e\n"

    played(scene())
