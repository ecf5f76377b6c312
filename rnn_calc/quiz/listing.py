"""The questions of a quiz → document without answers, JSON with them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from rnn_calc.quiz.question import Question, Verdict
from rnn_calc.show.document import Block, Document, Layout, Text
from rnn_calc.show.output import View, json_object
from rnn_calc.show.page import page_lines

# Wider than any paragraph of a question.
_FULL_WIDTH = 10_000


class Quiz(NamedTuple):
    """Questions, what they were chosen by, and the command that gives them again."""

    questions: tuple[Question, ...]
    seed: int
    topics: tuple[str, ...]
    level: int | None
    again: str


def quiz_view(quiz: Quiz) -> View:
    """The questions in every format that can hold them, which csv cannot."""
    return View("quiz", partial(_document, quiz), partial(_json, quiz), _csv)


def again_view(quiz: Quiz) -> View:
    """Nothing but the command that gives the quiz again."""
    return quiz_view(quiz)._replace(document=lambda: Document((Text((quiz.again,), "muted"),)))


def question_blocks(quiz: Quiz, number: int) -> tuple[Block, ...]:
    """A question of a quiz as it is asked."""
    return asked_blocks(quiz.questions[number - 1], f"{number} of {len(quiz.questions)}")


def asked_blocks(question: Question, which: str) -> tuple[Block, ...]:
    """A question as it is asked: a line that says which it is, what is asked, and how to write an answer."""
    heading = f"Question {which}: {question.topic}, level {question.level}"
    return (Text((), title=heading), *question.prompt, Text((hint_text(question),), "muted"))


def answered_blocks(question: Question, verdict: Verdict) -> tuple[Block, ...]:
    """What is said to an answer: right or wrong, and how the right one comes about."""
    if verdict.right:
        return (Text((f"✓ {verdict.message}",), "good"), *question.derivation)
    unread = "That cannot be read. " if verdict.right is None else ""
    return (Text((f"✗ {unread}{verdict.message}",), "bad"), *solution_blocks(question))


def solution_blocks(question: Question) -> tuple[Block, ...]:
    """The right answer, and how it comes about."""
    return (Text((f"The right answer: {question.expected.written}",)), *question.derivation)


def hint_text(question: Question) -> str:
    """How to write an answer, as a sentence."""
    return f"Type {question.expected.hint}."


def plain_text(blocks: tuple[Block, ...]) -> str:
    """Blocks as lines of text, without colours, tables and paragraphs at their full width."""
    lines = page_lines(Document(blocks), Layout(_FULL_WIDTH))
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def _document(quiz: Quiz) -> Document:
    asked = (block for number in range(1, len(quiz.questions) + 1) for block in question_blocks(quiz, number))
    return Document((*asked, Text((quiz.again,), "muted")))


def _csv() -> Iterator[tuple[object, ...]]:
    raise AssertionError("a quiz is refused as csv before it is made")


def _json(quiz: Quiz) -> Iterator[str]:
    questions = [
        {
            "number": number,
            "topic": question.topic,
            "level": question.level,
            "prompt": plain_text(question.prompt),
            "hint": question.expected.hint,
            "expected": question.expected.written,
            "derivation": plain_text(question.derivation),
        }
        for number, question in enumerate(quiz.questions, 1)
    ]
    content = {"seed": quiz.seed, "topics": list(quiz.topics), "level": quiz.level, "questions": questions}
    return json_object("quiz", content)
