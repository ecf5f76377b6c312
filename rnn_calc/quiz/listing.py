"""The questions of a quiz → document without answers, JSON with them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from rnn_calc.quiz.question import Question
from rnn_calc.show.document import Block, Document, Layout, Text
from rnn_calc.show.output import View, json_object
from rnn_calc.show.page import page_lines


class Quiz(NamedTuple):
    """Questions, what they were chosen by, and the command that gives them again."""

    questions: tuple[Question, ...]
    seed: int
    topics: tuple[str, ...]
    level: int | None
    again: str


def quiz_view(quiz: Quiz) -> View:
    """The questions in every format that can hold them, which csv cannot."""
    return View("quiz", partial(_document, quiz), partial(_json, quiz), partial(iter, ()))


def question_blocks(question: Question, number: int, count: int) -> tuple[Block, ...]:
    """A question as it is asked, under a line that says which it is."""
    heading = f"Question {number} of {count}: {question.topic}, level {question.level}"
    return (Text((heading,), "title"), *question.prompt)


def plain_text(blocks: tuple[Block, ...]) -> str:
    """Blocks as lines of text, unfolded and without colours."""
    lines = page_lines(Document(blocks), Layout(width=10_000))
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def _document(quiz: Quiz) -> Document:
    count = len(quiz.questions)
    asked = (
        block
        for number, question in enumerate(quiz.questions, 1)
        for block in (*question_blocks(question, number, count), Text((f"Answer: {question.expected.hint}",), "muted"))
    )
    return Document((*asked, Text((quiz.again,), "muted")))


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
