"""Questions to the process beside the screen: only the newest counts, and nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from rnn_calc.core.errors import TooLargeError, UsageError
from rnn_calc.ui.calculator import Calculator, Reply
from tests.commandline import calc
from tests.ui.children import PATIENCE, children, is_alive, wait_until

WIDTH = 80
LAYOUT = [WIDTH, 4, False, False]
# Minutes, if nobody stopped it.
HEAVY = ("bptt", ["--cell", "lstm", "--d-h", "512", "--steps", "20000"])


class Screen:
    """What the screen does for a calculator: calls functions in one thread, some of them later."""

    def __init__(self) -> None:
        self.calculator = Calculator()
        self.replies: list[Reply] = []
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._later: list[tuple[float, Callable[[], None]]] = []
        self.calculator.attach(self.replies.append, self._calls.put, self._call_later)

    def _call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self._later.append((time.monotonic() + seconds, call))

    def ask(self, command: str, args: list[str] | None = None) -> int:
        return self.calculator.ask("page", command=command, args=args or [], layout=LAYOUT)

    def work(self) -> None:
        """Call what is to be called by now."""
        due = [call for when, call in self._later if when <= time.monotonic()]
        self._later = [entry for entry in self._later if entry[1] not in due]
        for call in due:
            call()
        with contextlib.suppress(Empty):
            self._calls.get(timeout=0.002)()

    def until(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not after {PATIENCE:.0f} s; {self.replies}"
            self.work()

    @property
    def answers(self) -> dict[int, Reply]:
        return {reply.question: reply for reply in self.replies if not reply.is_news}

    def answer(self, question: int) -> Reply:
        self.until(lambda: question in self.answers, f"an answer to {question}")
        return self.answers[question]


@pytest.fixture
def screen() -> Iterator[Screen]:
    before = children()
    found = Screen()
    yield found
    found.calculator.end()
    assert children() == before


def text_of(reply: Reply) -> str:
    assert reply.error is None
    return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in reply.record["lines"])


def test_a_page_is_what_the_command_prints(screen: Screen) -> None:
    assert text_of(screen.answer(screen.ask("shapes", ["--d-h", "7"]))) == calc("shapes", "--d-h", "7").out


def test_the_first_answer_can_be_waited_for_before_there_is_a_screen() -> None:
    before = children()
    calculator = Calculator()
    question = calculator.ask("page", command="params", args=[], layout=LAYOUT)
    reply = calculator.wait()
    calculator.end()
    assert reply is not None
    assert (reply.question, text_of(reply)) == (question, calc("params").out)
    assert children() == before


def test_an_error_of_the_command_comes_as_its_own_kind_with_its_message(screen: Screen) -> None:
    reply = screen.answer(screen.ask("shapes", ["--cell", "lstn"]))
    assert isinstance(reply.error, UsageError)
    assert calc("shapes", "--cell", "lstn").err == f"rnncalc: {reply.error}\n"
    assert screen.answer(screen.ask("shapes")).error is None


def test_what_typer_refuses_is_said_as_the_command_says_it(screen: Screen) -> None:
    reply = screen.answer(screen.ask("shapes", ["--layers", "x"]))
    assert calc("shapes", "--layers", "x").err == f"rnncalc: {reply.error}\n"


def test_of_fifty_questions_at_once_the_last_is_answered_last(screen: Screen) -> None:
    questions = [screen.ask("params", ["--d-h", str(width)]) for width in range(1, 51)]
    reply = screen.answer(questions[-1])
    assert text_of(reply) == calc("params", "--d-h", "50").out
    assert list(screen.answers) == sorted(screen.answers)
    # The first was under way when the others came; those between were never begun.
    assert set(screen.answers) <= {questions[0], questions[-1]}


def test_a_newer_question_waits_for_no_heavy_one_and_its_process_is_gone(screen: Screen) -> None:
    screen.answer(screen.ask("trace"))
    assert screen.calculator._process
    busy = screen.calculator._process._child.pid
    heavy = screen.ask(*HEAVY)
    screen.until(lambda: screen.calculator.busy_for > 0.3, "some work")
    start = time.monotonic()
    reply = screen.answer(screen.ask("shapes"))
    # A tenth of a second where nothing else runs.
    assert time.monotonic() - start < PATIENCE / 3
    assert text_of(reply) == calc("shapes").out
    assert heavy not in screen.answers
    assert not is_alive(busy)
    assert busy not in children()


def test_an_older_question_that_is_nearly_done_is_answered_on_the_way(screen: Screen) -> None:
    screen.answer(screen.ask("shapes"))
    first, second = screen.ask("shapes", ["--d-h", "5"]), screen.ask("shapes", ["--d-h", "6"])
    screen.answer(second)
    assert text_of(screen.answers[second]) == calc("shapes", "--d-h", "6").out
    if first in screen.answers:
        assert text_of(screen.answers[first]) == calc("shapes", "--d-h", "5").out


def test_dropping_again_and_again_leaves_two_processes_at_most(screen: Screen) -> None:
    before = children()
    for _ in range(4):
        screen.ask(*HEAVY)
        screen.until(lambda: screen.calculator.busy_for > 0.15, "some work")
        screen.ask("shapes")
        screen.until(lambda: screen.calculator.busy_for < 0.1, "heavy work dropped")
        assert len(children() - before) <= 1
    screen.answer(screen.ask("shapes", ["--d-h", "9"]))


def test_a_process_that_is_ended_from_outside_is_told_of_and_replaced(screen: Screen) -> None:
    (process,) = children()
    heavy = screen.ask(*HEAVY)
    screen.until(lambda: screen.calculator.busy_for > 0.1, "some work")
    os.kill(process, signal.SIGKILL)
    reply = screen.answer(heavy)
    assert isinstance(reply.error, TooLargeError)
    assert "ended from outside" in str(reply.error)
    assert text_of(screen.answer(screen.ask("shapes"))) == calc("shapes").out


def test_a_process_that_ends_while_nothing_is_asked_is_replaced_without_a_word(screen: Screen) -> None:
    first = screen.ask("shapes")
    screen.answer(first)
    for process in children():
        os.kill(process, signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, children())), "the end of both")
    for _ in range(5):
        screen.work()
    second = screen.ask("params")
    assert text_of(screen.answer(second)) == calc("params").out
    assert set(screen.answers) == {first, second}


def test_a_bug_in_the_process_is_raised_with_its_traceback(screen: Screen) -> None:
    screen.calculator.ask("page", command="no_such_command", args=[], layout=LAYOUT)
    with pytest.raises(RuntimeError, match=r"Traceback (.|\n)*no_such_command"):
        screen.until(lambda: False, "a bug")


def test_long_work_tells_how_far_it_is(screen: Screen) -> None:
    screen.ask("gradient-decay", ["--cell", "lstm", "--d-h", "300", "--steps", "3000"])
    screen.until(lambda: [reply for reply in screen.replies if reply.is_news], "progress")
    told = next(reply for reply in screen.replies if reply.is_news)
    assert told.record["progress"]
    assert told.record["share"] is None or 0 <= told.record["share"] <= 1


def test_a_backpropagation_is_shown_before_the_share_of_each_lag_is_found(screen: Screen) -> None:
    last = screen.answer(screen.ask("bptt", ["--cell", "lstm", "--d-h", "64", "--steps", "150"])).record
    (sketch,) = [reply.record for reply in screen.replies if "sketch" in reply.record]
    early, whole = ([line_text(line) for line in record["lines"]] for record in (sketch, last))
    place = early.index("The share of each lag follows …")
    assert early[:place] == whole[:place]
    assert whole[place].startswith("The share of each lag in ∂L/∂(W_hi, W_hf, W_hg, W_ho)")
    assert sketch["effective"] == last["effective"]


def line_text(line: list[tuple[str, str]]) -> str:
    return "".join(text for text, _ in line).rstrip()


@pytest.mark.parametrize("option", ["--sequence", "--model"])
def test_what_reads_stdin_finds_nothing_and_takes_no_question_away(screen: Screen, option: str) -> None:
    reply = screen.answer(screen.ask("trace", [option, "-"]))
    assert reply.error is not None
    assert text_of(screen.answer(screen.ask("shapes"))) == calc("shapes").out


def test_what_the_form_s_empty_fields_stand_for_comes_with_the_page(screen: Screen) -> None:
    args = ["--cell", "lstm", "--layers", "2", "--convention", "pytorch"]
    effective = screen.answer(screen.ask("trace", args)).record["effective"]
    shown = calc("trace", *args).out
    for text in ("lstm", "input_size = {d_in}", "hidden_size = {d_h}", "{layers} layers", "convention {convention}"):
        assert text.format_map(effective) in shown
    assert (effective["steps"], effective["seed"], effective["init"]) == ("5", "0", "gaussian")
    widths = screen.answer(screen.ask("shapes", ["--d-h", "4,2", "--layers", "2"])).record["effective"]
    assert widths["d_h"] == "4,2"


@pytest.mark.parametrize("suffix", ["json", "csv", "md", "tex", "svg", "html", "txt"])
def test_what_is_saved_is_what_the_command_writes(screen: Screen, suffix: str, tmp_path: Path) -> None:
    saved, written = tmp_path / f"saved.{suffix}", tmp_path / f"written.{suffix}"
    args = ["--d-h", "5", "--steps", "4"]
    question = screen.calculator.ask("save", command="trace", args=args, path=str(saved), force=False)
    assert screen.answer(question).record["saved"] == str(saved)
    assert calc("trace", *args, "--output", str(written)).status == 0
    assert saved.read_bytes() == written.read_bytes()


def test_a_file_that_exists_is_left_alone_unless_it_is_forced(screen: Screen, tmp_path: Path) -> None:
    path = tmp_path / "there.json"
    path.write_text("mine", "utf-8")
    save = {"command": "shapes", "args": [], "path": str(path)}
    reply = screen.answer(screen.calculator.ask("save", **save, force=False))
    assert "exists" in str(reply.error)
    assert path.read_text("utf-8") == "mine"
    assert screen.answer(screen.calculator.ask("save", **save, force=True)).error is None
    assert path.read_text("utf-8") == calc("shapes", "--json").out


def test_the_processes_end_when_their_parent_does(screen: Screen) -> None:
    screen.answer(screen.ask("shapes"))
    processes = children()
    assert processes
    screen.ask(*HEAVY)
    screen.calculator.end()
    assert not any(map(is_alive, processes))
