"""Questions asked one after the other, in a terminal or of the lines of a pipe, and the verdict on each answer."""

from __future__ import annotations

import contextlib
import io
import select
import sys
from collections.abc import Callable
from shutil import get_terminal_size
from typing import IO, Any

from rnn_calc.core.errors import CheckFailedError, DataError, printable, quoted
from rnn_calc.quiz.listing import Quiz, answered_blocks, hint_text, question_blocks, quiz_view, solution_blocks
from rnn_calc.quiz.question import Question
from rnn_calc.quiz.score import Outcome, Score, score_blocks
from rnn_calc.show.document import Block, Document, Layout, Text
from rnn_calc.show.format import plural
from rnn_calc.show.output import Destination, emit
from rnn_calc.show.page import page_lines
from rnn_calc.show.progress import remark

Read = Callable[[], str]

# No answer is longer; the rest of such a line is read and dropped.
_LONGEST_LINE = 1000
_PROMPT = "> "
_TURN = "Enter goes on. "
_ENDS = ("q", "quit")
_WORDS = "? is a hint, skip goes on, q ends."


class _EndedError(Exception):
    """Nothing more is said: the end of the input, or a q."""


def is_asked() -> bool:
    """Whether there may be somebody to answer: not where the questions go elsewhere than to the terminal at hand."""
    return sys.stdin is not None and (not sys.stdin.isatty() or (sys.stdout is not None and sys.stdout.isatty()))


def ask(quiz: Quiz, destination: Destination) -> None:
    """Ask the questions; say after each what is right and how it comes about, and at the end the score.

    A pipe that gives no line at all answers nothing: the questions are shown, and that is all.

    Raises: CheckFailedError when answers from a pipe are wrong or missing.
    """
    page = _Page(quiz, destination)
    if sys.stdin.isatty():
        page.show(
            Text((f"{plural(len(quiz.questions), 'question')}, seed {quiz.seed}. At the prompt: {_WORDS}",), "muted")
        )
        _show_score(quiz, _outcomes(quiz, _typed, page, patient=True), page)
        return
    lines = _Lines(sys.stdin)
    outcomes = _outcomes(quiz, lambda: _echoed(lines.read(), page), page, patient=False)
    if not lines.given:
        for number in range(2, len(quiz.questions) + 1):
            page.show(Text(()), *question_blocks(quiz, number))
        page.show(Text(()), Text((quiz.again,), "muted"))
        return
    score = _show_score(quiz, outcomes, page)
    if lines.is_left():
        remark(f"there are more lines than questions; those after line {lines.given} were not read.")
    if score.right < score.questions:
        raise CheckFailedError(_shortfall(score))


class _Page:
    """Where blocks are shown; it knows those it showed last."""

    def __init__(self, quiz: Quiz, destination: Destination) -> None:
        self._view, self._destination = quiz_view(quiz), destination
        self._last: tuple[Block, ...] = ()

    def show(self, *blocks: Block) -> None:
        """Write the blocks, one after the other."""
        emit(self._view._replace(document=lambda: Document(blocks)), self._destination)
        self._last = blocks

    def turn(self, *blocks: Block) -> None:
        """Wait where these blocks would push what was shown last out of sight.

        Raises: _EndedError for q.
        """
        columns, rows = get_terminal_size()
        lines = sum(1 for shown in (self._last, blocks) for _ in page_lines(Document(shown), Layout(columns)))
        # The answer stands above them, and the next prompt below.
        if lines + 2 > rows and _typed(_TURN).strip().casefold() in _ENDS:
            raise _EndedError


def _outcomes(quiz: Quiz, read: Read, page: _Page, *, patient: bool) -> tuple[Outcome, ...]:
    """What becomes of each question, until nothing more is said."""
    found: list[Outcome] = []
    with contextlib.suppress(_EndedError):
        for number, question in enumerate(quiz.questions, 1):
            blocks = (Text(()), *question_blocks(quiz, number))
            if patient and found:
                page.turn(*blocks)
            page.show(*blocks)
            found.append(Outcome(question.topic, _outcome(question, read, page, patient=patient)))
    return tuple(found)


def _outcome(question: Question, read: Read, page: _Page, *, patient: bool) -> bool | None:
    """Whether the question was answered right, None where it was passed over.

    `patient`: what cannot be read is asked again, as one does with somebody who is there.
    """
    while True:
        text = read()
        word = text.strip().casefold()
        if word in _ENDS:
            raise _EndedError
        if word == "skip" or (not word and not patient):
            page.show(*solution_blocks(question))
            return None
        if word in ("", "?") and patient:
            page.show(Text((hint_text(question), _WORDS), "muted"))
            continue
        verdict = question.expected.judge(text)
        if verdict.right is None and patient:
            page.show(Text((verdict.message,), "warning"))
            continue
        page.show(*answered_blocks(question, verdict))
        return bool(verdict.right)


def _show_score(quiz: Quiz, outcomes: tuple[Outcome, ...], page: _Page) -> Score:
    score = Score(outcomes, len(quiz.questions))
    page.show(Text(()), *score_blocks(score, topics=quiz.topics, level=quiz.level, again=quiz.again))
    return score


def _shortfall(score: Score) -> str:
    """1 of 3 answers is wrong and 1 is missing."""
    parts: list[str] = []
    for count, what in ((score.wrong, "wrong"), (score.missing, "missing")):
        if count:
            of = "" if parts else f" of {plural(score.questions, 'answer')}"
            parts.append(f"{count}{of} {'is' if count == 1 else 'are'} {what}")
    return f"{' and '.join(parts)}."


def _typed(prompt: str = _PROMPT) -> str:
    """A line typed at the prompt.

    Raises: _EndedError for Ctrl-D.
    """
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - arrows and the lines before, for input()
    try:
        text = _read_text(input(prompt).encode(errors="surrogateescape"))
    except UnicodeDecodeError as error:
        text = _read_text(error.object)
    except EOFError:
        print()
        raise _EndedError from None
    except KeyboardInterrupt:
        # The shell's own prompt is to stand on a line of its own.
        print()
        raise
    return text


def _read_text(raw: bytes) -> str:
    """Bytes as text that any screen takes; what is no UTF-8 is written as an escape, and answers nothing."""
    return raw.decode("utf-8", "backslashreplace").removeprefix("\ufeff")


def _echoed(text: str, page: _Page) -> str:
    page.show(Text((f"{_PROMPT}{printable(text.strip()) if len(text) < 60 else quoted(text.strip())}",)))
    return text


class _Lines:
    """The lines of a pipe or a file, one an answer, and how many were given."""

    def __init__(self, stream: IO[str]) -> None:
        self._bytes: Any = getattr(stream, "buffer", stream)
        self.given = 0

    def read(self) -> str:
        """The next line.

        Raises: _EndedError after the last one; DataError when it cannot be read.
        """
        try:
            line = rest = self._bytes.readline(_LONGEST_LINE)
            while rest and not rest.endswith(b"\n"):
                rest = self._bytes.readline(_LONGEST_LINE)
        except OSError as error:
            raise DataError(f"stdin cannot be read: {(error.strerror or str(error)).lower()}.") from None
        if not line:
            raise _EndedError
        self.given += 1
        # A line that was cut is no answer, whatever its beginning says.
        return _read_text(line) + ("" if len(line) < _LONGEST_LINE or line.endswith(b"\n") else " …")

    def is_left(self) -> bool:
        """Whether more than blanks is left, as far as can be told without waiting for somebody to write it."""
        try:
            if not select.select([self._bytes], [], [], 0)[0]:
                return False
        except io.UnsupportedOperation:  # no file of the system's: it never keeps anybody waiting
            pass
        except OSError:
            return False
        return bool(self._bytes.read1(_LONGEST_LINE).strip())
