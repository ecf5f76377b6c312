"""Every tab is what its command prints, and follows every input."""

from __future__ import annotations

import shlex
import time

import pytest

from rnn_calc.commands.options import NetworkOptions
from rnn_calc.commands.run_options import SequenceOptions
from rnn_calc.ui.calculator import PATIENCE as CALCULATORS_PATIENCE
from rnn_calc.ui.fields import FIELD, FIELDS, QUIZ, TABS, TITLES
from rnn_calc.ui.session import Session
from tests.commandline import calc, refused
from tests.ui.driving import opening, played, printed, shows_what_its_command_prints, words_of

COMMANDS = [tab.command for tab in TABS]


def test_every_tab_shows_what_its_command_prints() -> None:
    async def scene() -> None:
        async with opening() as screen:
            for command in [*COMMANDS, *reversed(COMMANDS)]:
                await screen.tab(command)
                assert screen.command.split()[:2] == ["rnncalc", command]
                assert shows_what_its_command_prints(screen)
            assert screen.wrong == []

    played(scene())


def test_every_line_of_a_tab_is_a_line_of_its_command() -> None:
    async def scene() -> None:
        async with opening(size=(120, 40)) as screen:
            for command in ("shapes", "params", "cost"):
                await screen.tab(command)
                assert screen.page.rstrip() == printed(screen).rstrip()

    played(scene())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_tab_without_colours_is_what_its_command_prints_without(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def scene() -> None:
        async with opening(Session(NetworkOptions(cell="lstm")), tab=command) as screen:
            assert screen.app.no_color
            assert shows_what_its_command_prints(screen)

    played(scene())


# What is typed where, and in which tab: every field at least once.
TYPED = [
    ("shapes", "d_in", "6"),
    ("params", "d_h", "12"),
    ("shapes", "d_out", "0"),
    ("gradient-decay", "steps", "30"),
    ("cost", "batch", "16"),
    ("shapes", "cell", "gru"),
    ("params", "convention", "pytorch"),
    ("shapes", "layers", "3"),
    ("params", "directions", "2"),
    ("trace", "activation", "relu"),
    ("trace", "init", "identity"),
    ("gradient-decay", "spectral_radius", "1.25"),
    ("bptt", "seed", "11"),
    ("trace", "sequence", "1,2,3,4;0,0,0,1"),
    ("trace", "text", "to be or not to"),
    ("trace", "step", "3"),
    ("trace", "unit", "2"),
    ("bptt", "loss", "sum"),
    ("bptt", "targets", "1,0;0,1;1,0;0,1;1,0;0,1;1,0;0,1;1,0;0,1"),
]


def test_every_field_is_typed_into() -> None:
    assert {name for _, name, _ in TYPED} == set(FIELD)


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_typed_into_a_field_is_on_the_page_and_in_the_command(command: str) -> None:
    async def scene() -> None:
        async with opening(tab=command, size=(100, 60)) as screen:
            before = screen.page
            for name, text in [(name, text) for tab, name, text in TYPED if tab == command]:
                await screen.put(name, text)
                assert (name, screen.wrong, screen.is_error) == (name, [], False)
                option = "--bidirectional" if name == "directions" else f"--{name.replace('_', '-')}"
                words = shlex.split(screen.command)
                assert option in words
                assert name == "directions" or words[words.index(option) + 1] == text
                assert shows_what_its_command_prints(screen)
                assert screen.page != before, name
                await screen.put(name, "1" if name == "step" else "")
                assert screen.page == before, name

    played(scene())


def test_arrow_keys_count() -> None:
    async def scene() -> None:
        async with opening() as screen:
            for name, keys, after in (
                ("d_in", ("up", "up", "down"), "5"),
                ("d_h", ("shift+up", "up"), "14"),
                ("d_h", ("shift+down", "shift+down"), "1"),
                ("d_out", ("down", "down", "down"), "0"),
                ("layers", ("up",), "2"),
                ("cell", ("up",), "lstm"),
                ("cell", ("down",), "rnn"),
                ("activation", ("down",), "identity"),
                ("directions", ("up",), "2"),
            ):
                await screen.focus(name)
                await screen.press(*keys)
                assert (name, screen.entry(name).value) == (name, after)
                assert shows_what_its_command_prints(screen)

    played(scene())


def test_the_decay_is_redrawn_as_the_radius_moves_through_one() -> None:
    async def scene() -> None:
        session = Session(NetworkOptions(d_h="8", activation="identity"))
        async with opening(session, tab="gradient-decay", size=(100, 50)) as screen:
            await screen.put("spectral_radius", "0.98")
            pages = {screen.entry("spectral_radius").value: screen.page}
            for _ in range(4):
                await screen.press("up")
                pages[screen.entry("spectral_radius").value] = screen.page
                assert shows_what_its_command_prints(screen)
            assert list(pages) == ["0.98", "0.99", "1.00", "1.01", "1.02"]
            assert len(set(pages.values())) == 5
            await screen.press("shift+up", "shift+up")
            assert screen.entry("spectral_radius").value == "1.22"
            assert "exploding" in screen.page
            await screen.press(*["shift+down"] * 4)
            assert screen.entry("spectral_radius").value == "0.82"
            assert "vanishing" in screen.page

    played(scene())


def test_the_mouse_counts_on_the_marks_and_by_the_wheel_and_scrolls_elsewhere() -> None:
    async def scene() -> None:
        async with opening() as screen:
            down, up = screen.app.query("#row-d_h .mark")
            await screen.click(up)
            await screen.click(up, shift=True)
            await screen.click(down)
            assert screen.entry("d_h").value == "13"
            assert screen.entry("d_h").has_focus
            await screen.wheel("d_h", 1)
            assert screen.entry("d_h").value == "14"
            await screen.wheel("d_h", -1, shift=True)
            assert screen.entry("d_h").value == "4"
            # A field that is not chosen is only passed over.
            await screen.wheel("d_in", 1)
            assert screen.entry("d_in").value == ""
            assert shows_what_its_command_prints(screen)
            down, up = screen.app.query("#row-cell .mark")
            await screen.click(up)
            assert screen.entry("cell").value == "lstm"
            await screen.click(down)
            assert screen.entry("cell").value == "rnn"

    played(scene())


def test_tabs_are_chosen_by_number_by_mouse_and_one_after_the_other() -> None:
    async def scene() -> None:
        async with opening(size=(100, 30)) as screen:
            await screen.press("escape")
            for number, command in enumerate(COMMANDS, 1):
                await screen.press(str(number))
                assert screen.command.split()[1] == command
            await screen.press("1")
            for command in (*COMMANDS[1:], QUIZ, COMMANDS[0]):
                await screen.press("ctrl+t")
                assert screen.command.split()[1] == command
            await screen.click("Tab#params")
            assert screen.command == "rnncalc params"
            assert list(TITLES) == [*COMMANDS, QUIZ]

    played(scene())


def test_a_digit_in_a_field_is_a_digit_and_on_the_page_a_tab() -> None:
    async def scene() -> None:
        async with opening() as screen:
            await screen.put("d_h", "2")
            assert screen.command == "rnncalc shapes --d-h 2"
            await screen.press("escape", "2")
            assert screen.command == "rnncalc params --d-h 2"
            await screen.press("e")
            assert screen.entry("d_h").has_focus

    played(scene())


def test_enter_and_tab_go_on_to_the_next_field() -> None:
    async def scene() -> None:
        async with opening() as screen:
            names = [field.name for field in FIELDS if not field.only]
            await screen.focus(names[0])
            for name, key in zip(names[1:], ("enter", "tab") * len(names), strict=False):
                await screen.press(key)
                assert screen.entry(name).has_focus

    played(scene())


def test_a_name_that_is_begun_is_proposed_and_taken_by_the_right_arrow() -> None:
    async def scene() -> None:
        async with opening() as screen:
            await screen.put("cell", "ls")
            await screen.until(lambda: screen.entry("cell")._suggestion == "lstm", "a proposal")
            await screen.press("right")
            assert screen.command == "rnncalc shapes --cell lstm"

    played(scene())


def test_a_field_that_is_chosen_is_explained_in_the_words_of_the_help() -> None:
    async def scene() -> None:
        async with opening() as screen:
            await screen.focus("d_h")
            await screen.settle()
            assert screen.message.startswith("--d-h: Number of hidden units")
            await screen.focus("seed")
            await screen.settle()
            assert screen.message == "seed: shapes has no use for it."

    played(scene())


# A text that is wrong, where, and what stands beside it.
WRONG = [
    ("shapes", "d_in", "x"),
    ("shapes", "d_in", "0"),
    ("params", "d_h", "3,x"),
    ("shapes", "d_out", "-1"),
    ("trace", "steps", "0"),
    ("shapes", "batch", "many"),
    ("cost", "cell", "lstn"),
    ("shapes", "convention", "torch7"),
    ("bptt", "layers", "1.5"),
    ("shapes", "directions", "3"),
    ("trace", "activation", "tahn"),
    ("gradient-decay", "init", "xaver"),
    ("gradient-decay", "spectral_radius", "-1"),
    ("bptt", "spectral_radius", "wide"),
    ("trace", "seed", "-1"),
    ("trace", "sequence", "1,2;3"),
    ("trace", "sequence", "-"),
    ("trace", "sequence", "@nowhere.csv"),
    ("trace", "step", "99"),
    ("trace", "unit", "77"),
    ("bptt", "loss", "mes"),
    ("bptt", "targets", "1,0,1"),
]


def test_every_field_but_words_is_wrong_once() -> None:
    # A text is drawn from its own words; it is wrong only where sizes contradict it.
    assert {name for _, name, _ in WRONG} == set(FIELD) - {"text"}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_wrong_is_marked_where_it_stands_and_the_last_right_page_stays(command: str) -> None:
    async def scene() -> None:
        async with opening(tab=command) as screen:
            page, line = screen.page, screen.command
            for name, text in [(name, text) for tab, name, text in WRONG if tab == command]:
                start = screen.entry(name).value
                await screen.put(name, text)
                assert (screen.wrong, screen.is_error) == ([name], True)
                assert screen.app.live.form.rows[name].has_class("wrong")
                session = screen.app.live.session
                if session.problem() is None:
                    assert screen.message == f"✗ {refusal(command, session)}"
                assert shows_what_its_command_prints(screen)
                await screen.put(name, start)
                now = (name, screen.wrong, screen.is_error, screen.page, screen.command)
                assert now == (name, [], False, page, line)

    played(scene())


def refusal(command: str, session: Session) -> str:
    """What the command says of it."""
    words = session.words(command)
    return refused(command, *words, status=calc(command, *words).status)


def test_of_two_wrong_fields_the_one_that_is_told_of_is_marked_and_then_the_other() -> None:
    async def scene() -> None:
        async with opening() as screen:
            await screen.put("cell", "lstn")
            assert screen.wrong == ["cell"]
            await screen.put("d_in", "x")
            assert screen.wrong == ["d_in"]
            assert "--d-in" in screen.message
            await screen.put("d_in", "5")
            assert screen.wrong == ["cell"]
            assert "lstn" in screen.message
            await screen.put("cell", "lstm")
            assert screen.wrong == []
            assert screen.command == "rnncalc shapes --d-in 5 --cell lstm"
            assert shows_what_its_command_prints(screen)

    played(scene())


def test_on_another_tab_a_wrong_field_leaves_what_follows_from_the_last_right_form() -> None:
    async def scene() -> None:
        async with opening() as screen:
            await screen.put("d_in", "7")
            await screen.put("d_h", "u")
            said = screen.message
            await screen.tab("params")
            assert screen.wrong == ["d_h"]
            assert screen.is_error
            assert screen.message == said
            assert screen.command == "rnncalc params --d-in 7"
            assert shows_what_its_command_prints(screen)
            await screen.put("d_h", "5")
            assert screen.wrong == []
            assert screen.command == "rnncalc params --d-in 7 --d-h 5"

    played(scene())


def test_a_wrong_field_stays_marked_whatever_else_is_answered_meanwhile() -> None:
    async def scene() -> None:
        async with opening() as screen:
            await screen.focus("d_h")
            screen.strike("7")
            await screen.until(lambda: screen.entry("d_h").value == "7", "7")
            await screen.put("directions", "3")
            assert screen.wrong == ["directions"]
            assert screen.is_error

    played(scene())


def test_without_colours_a_wrong_field_has_a_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def scene() -> None:
        async with opening() as screen:
            await screen.put("d_in", "x")
            assert screen.wrong == ["d_in"]
            shown = screen.app.export_screenshot(simplify=True)
            assert "✗d_in" in shown

    played(scene())


def test_a_tab_that_has_no_use_for_a_field_keeps_its_text_for_those_that_have() -> None:
    async def scene() -> None:
        async with opening(tab="gradient-decay") as screen:
            await screen.put("spectral_radius", "0.70")
            await screen.tab("shapes")
            assert screen.app.live.form.rows["spectral_radius"].has_class("unused")
            assert screen.command == "rnncalc shapes"
            await screen.tab("gradient-decay")
            assert screen.command == "rnncalc gradient-decay --spectral-radius 0.70"

    played(scene())


def test_fast_typing_ends_at_what_was_typed_last() -> None:
    async def scene() -> None:
        async with opening(tab="params") as screen:
            await screen.focus("d_h")
            screen.strike(*"1234567890" * 3)
            await screen.until(lambda: screen.entry("d_h").value == "1234567890" * 3, "thirty digits")
            screen.strike(*["backspace"] * 27)
            await screen.until(lambda: screen.entry("d_h").value == "123", "three digits")
            screen.strike(*["shift+up"] * 3, *["up"] * 30, "down")
            await screen.until(lambda: screen.entry("d_h").value == "182", "counted up")
            await screen.settle()
            assert screen.command == "rnncalc params --d-h 182"
            assert shows_what_its_command_prints(screen)

    played(scene())


def test_heavy_work_says_that_it_runs_never_holds_up_a_key_and_is_dropped() -> None:
    async def scene() -> None:
        async with opening(tab="bptt") as screen:
            await screen.put("cell", "lstm")
            await screen.focus("d_h")
            screen.strike(*"512")
            await screen.until(lambda: screen.entry("d_h").value == "512", "512")
            await screen.focus("steps")
            screen.strike(*"20000")
            await screen.until(lambda: screen.entry("steps").value == "20000", "20000")
            await screen.until(lambda: screen.message.startswith("running …"), "word of it")
            assert screen.wrong == []
            # Of what is on the way all may be there, or what can be shown before the share of each lag.
            assert screen.page.startswith("lstm (tanh) · d_in = 4")
            await screen.focus("d_in")
            start = time.monotonic()
            screen.strike(*"17")
            await screen.until(lambda: screen.entry("d_in").value == "17", "17")
            # A tenth of a second where nothing else runs: the work takes minutes.
            assert time.monotonic() - start < 10
            await screen.put("steps", "3")
            await screen.put("d_h", "4")
            assert screen.command == "rnncalc bptt --d-in 17 --d-h 4 --cell lstm --steps 3"
            assert shows_what_its_command_prints(screen)

    played(scene())


def test_a_tab_that_is_left_while_it_calculates_shows_nothing_in_the_next_one() -> None:
    async def scene() -> None:
        async with opening(tab="bptt") as screen:
            await screen.focus("d_h")
            screen.strike(*"512")
            await screen.until(lambda: screen.entry("d_h").value == "512", "512")
            await screen.focus("steps")
            screen.strike(*"20000")
            await screen.until(lambda: screen.entry("steps").value == "20000", "20000")
            await screen.tab("params")
            assert screen.command == "rnncalc params --d-h 512 --steps 20000"
            assert shows_what_its_command_prints(screen)

    played(scene())


def test_the_page_is_as_wide_as_the_window_lets_it_be() -> None:
    async def scene() -> None:
        async with opening(tab="gradient-decay", size=(80, 24)) as screen:
            first, rooms = screen.page, []
            for size in ((200, 60), (40, 12), (80, 24)):
                await screen.pilot.resize_terminal(*size)
                await screen.settle()
                rooms.append(screen.app.live.page.measure.width)
                assert shows_what_its_command_prints(screen)
            assert rooms[0] > rooms[2] > rooms[1] > 30
            assert screen.page == first

    played(scene())


def test_a_narrow_window_shows_the_page_alone_and_the_form_on_demand() -> None:
    async def scene() -> None:
        async with opening(size=(50, 20)) as screen:
            assert not screen.app.live.form.display
            assert screen.app.live.page.measure.width > 40
            await screen.press("e")
            assert screen.app.live.form.display
            assert shows_what_its_command_prints(screen)
            await screen.press("escape", "f")
            assert not screen.app.live.form.display
            assert words_of(screen.page) == words_of(calc("shapes", columns=screen.app.live.page.measure.width).out)

    played(scene())


@pytest.mark.parametrize("command", ["shapes", "trace", "gradient-decay"])
def test_it_opens_on_an_example_and_says_what_its_empty_fields_stand_for(command: str) -> None:
    async def scene() -> None:
        async with opening(Session(NetworkOptions(example="cat-sat-here")), tab=command) as screen:
            assert shows_what_its_command_prints(screen)
            assert screen.entry("d_in").placeholder == "2"
            assert screen.entry("d_h").value == ""
            await screen.put("d_in", "7")
            assert screen.is_error
            assert screen.wrong == ["d_in"]

    played(scene())


def test_a_question_that_comes_after_long_work_takes_its_place_at_once() -> None:
    async def scene() -> None:
        heavy = Session(NetworkOptions(cell="lstm", d_h="512"), sequence=SequenceOptions(steps=20000))
        async with opening(tab="bptt") as screen:
            for width in range(2, 5):
                screen.app.live.restart(heavy)
                # Nothing is left to wait for when the next one comes.
                await screen.until(lambda: screen.app.calculator.busy_for > 2 * CALCULATORS_PATIENCE, "work")
                screen.app.live.restart(Session(NetworkOptions(d_h=str(width))))
                await screen.settle()
                assert screen.command == f"rnncalc bptt --d-h {width}"
            assert shows_what_its_command_prints(screen)

    played(scene())
