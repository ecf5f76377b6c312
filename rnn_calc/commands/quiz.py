"""rnncalc quiz."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnn_calc.commands.answer import Answer
from rnn_calc.commands.options import FILES, OutputOptions, Values, size_option, takes_groups, text_option
from rnn_calc.commands.setup import choose, destination_of
from rnn_calc.core.errors import UsageError, listed
from rnn_calc.quiz.quiz import QUESTIONS

if TYPE_CHECKING:
    from rnn_calc.quiz.listing import Quiz

_LARGEST_DRAWN_SEED = 10**6
# A question states its numbers with so many digits; with fewer it would be another question.
_DIGITS = 4
_NO_TEXT = ("csv", "npz", "npy")


@takes_groups
def command(
    *,
    topics: Annotated[
        list[str] | None,
        text_option(
            "--topic",
            text="shape, count, transposed, step, output, h-n, norm, decay, mode, truncation; repeatable. [all]",
            metavar="NAME[,NAME…]",
        ),
        Values("quiz.quiz", "TOPICS", several=True),
    ] = None,
    level: Annotated[
        int | None,
        size_option("--level", text="1, 2 or 3: how hard. [all of them]"),
        Values("quiz.quiz", "LEVELS"),
    ] = None,
    questions: Annotated[int, typer.Option("--questions", "-n", help="How many questions.", metavar="N")] = QUESTIONS,
    seed: Annotated[
        int | None, size_option("--seed", "-s", text="The same seed is the same quiz. [another one each time]")
    ] = None,
    worksheet: Annotated[
        str | None,
        text_option(
            "--worksheet",
            text="Write the questions to FILE.md, .tex or .html, and the answers to FILE-answers beside it.",
            metavar="FILE",
        ),
        FILES,
    ] = None,
    output: OutputOptions,
) -> Answer | None:
    """Questions about random networks, each answer worked out.

    An answer is a line; at the prompt ? is a hint, skip goes on, q ends. Lines from a pipe are answers too: exit status
    1 if any is wrong. With nobody to answer, the questions are shown.

    \b
    rnncalc quiz
    rnncalc quiz --topic shape,count --level 1 --questions 5
    rnncalc quiz --topic truncation --seed 7
    rnncalc quiz --seed 7 --worksheet week-3.tex        for a class, with a key
    rnncalc quiz --seed 7 --json
    """
    destination = destination_of(output)
    if output.check:
        raise UsageError("quiz checks answers that it is given; leave --check out.")
    if destination.format in _NO_TEXT:
        raise UsageError(
            f"A quiz is text, which {destination.format} cannot hold; take table, json, markdown or latex."
        )
    if destination.precision < _DIGITS:
        raise UsageError(f"--precision must be at least {_DIGITS} here: questions state numbers with so many digits.")

    from rnn_calc.commands.asking import ask, is_asked
    from rnn_calc.quiz.listing import again_view, quiz_view

    quiz = _quiz(tuple(topics or ()), level, questions, seed)
    if worksheet is not None:
        _write_worksheet(quiz, worksheet, output, destination.precision)
        return Answer(again_view(quiz), destination)
    if destination.format == "table" and destination.path is None and is_asked():
        ask(quiz, destination)
        return None
    return Answer(quiz_view(quiz), destination)


def _quiz(named: tuple[str, ...], level: int | None, questions: int, seed: int | None) -> Quiz:
    """The quiz that the options ask for; without a seed, one of a seed that is drawn now.

    Raises: UsageError for a topic or a level that does not exist, and for too few or too many questions.
    """
    from rnn_calc.quiz.listing import Quiz
    from rnn_calc.quiz.quiz import TOPICS, make_quiz, quiz_command
    from rnn_calc.show.document import AGAIN

    words = [word.strip() for names in named for word in names.split(",")]
    topics = tuple(choose(word, tuple(TOPICS), "topic") for word in words)
    if seed is None:
        from secrets import randbelow

        seed = randbelow(_LARGEST_DRAWN_SEED)
    again = quiz_command(seed, ",".join(topics), "" if level is None else str(level), questions)
    chosen = tuple(name for name in TOPICS if name in topics or not topics)
    return Quiz(make_quiz(seed, questions, chosen, level), seed, chosen, level, f"{AGAIN}{again}")


def _write_worksheet(quiz: Quiz, path: str, output: OutputOptions, precision: int) -> None:
    """Write the questions and, beside them, the answers: both or neither.

    Raises: UsageError for a file of another kind; OutputError where one of the two cannot be written.
    """
    from rnn_calc.quiz.worksheet import WORKSHEETS, key_of, key_text, worksheet_text
    from rnn_calc.show.format import plural
    from rnn_calc.show.output import format_of, named, require_writable, write_file
    from rnn_calc.show.progress import remark

    if output.format or output.json or output.output:
        raise UsageError(f"--worksheet says its format by the name of its file: end that in {listed(WORKSHEETS)}.")
    format_name = format_of(path, WORKSHEETS)
    key = key_of(path)
    for name in (path, key):
        require_writable(name, force=output.force, option="--worksheet")
    asked = worksheet_text(quiz, format_name, precision=precision)
    answered = key_text(quiz, format_name, precision=precision)

    def write_both(partial: Path) -> None:
        _write(asked, partial)
        write_file(key, lambda other: _write(answered, other))

    # The questions are moved where they belong when the answers are there.
    write_file(path, write_both)
    remark(f"{plural(len(quiz.questions), 'question')} written to {named(path)}, the answers to {named(key)}.")


def _write(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
