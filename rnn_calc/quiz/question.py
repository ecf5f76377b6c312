"""What a question is, what is expected as an answer to it, and what is said to an answer."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from rnn_calc.show.document import Block


class Verdict(NamedTuple):
    """Whether an answer is right, and what is to be said to it; `right` is None where it could not be read."""

    right: bool | None
    message: str


class Expected(Protocol):
    """What answers a question: it knows the right answer, and judges any text that somebody typed."""

    def judge(self, text: str) -> Verdict:
        """The verdict on an answer as it was typed, whatever was typed."""
        ...

    @property
    def written(self) -> str:
        """The right answer, as one would write it."""
        ...

    @property
    def hint(self) -> str:
        """How to type an answer: "a shape, as in 3,4", "a number", "a, b or c"."""
        ...


class Question(NamedTuple):
    """One question with its answer.

    `facts` is a named tuple of the topic's own, with every number that the question states; `derivation` says how the
    answer comes about, with the numbers put in.
    """

    topic: str
    level: int
    facts: object
    prompt: tuple[Block, ...]
    expected: Expected
    derivation: tuple[Block, ...]
