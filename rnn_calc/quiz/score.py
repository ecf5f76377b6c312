"""What somebody answered → the score by topic, and what to practise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rnn_calc.quiz.quiz import LEVELS, TOPICS
from rnn_calc.show.document import Block, Column, Table, Text

# More topics at once would be no practice, and no line to paste.
_PRACTISED = 3


class Outcome(NamedTuple):
    """What became of a question: right, wrong, or None where it was passed over."""

    topic: str
    right: bool | None


class TopicScore(NamedTuple):
    """How many of a topic's questions were right, and how many were asked."""

    topic: str
    right: int
    asked: int


class Score(NamedTuple):
    """The outcomes of the questions that were asked, of a quiz of `questions`."""

    outcomes: tuple[Outcome, ...]
    questions: int

    @property
    def right(self) -> int:
        """How many answers were right."""
        return sum(outcome.right is True for outcome in self.outcomes)

    @property
    def wrong(self) -> int:
        """How many answers were wrong."""
        return sum(outcome.right is False for outcome in self.outcomes)

    @property
    def missing(self) -> int:
        """How many questions have no answer: those passed over, and those never asked."""
        return self.questions - self.right - self.wrong

    @property
    def topics(self) -> tuple[TopicScore, ...]:
        """The score of each topic, in the order in which they were asked."""
        found: dict[str, list[bool]] = {}
        for outcome in self.outcomes:
            found.setdefault(outcome.topic, []).append(outcome.right is True)
        return tuple(TopicScore(topic, sum(rights), len(rights)) for topic, rights in found.items())

    @property
    def weak(self) -> tuple[str, ...]:
        """The topics of which a question was not answered right, the weakest first."""
        short = [score for score in self.topics if score.right < score.asked]
        return tuple(score.topic for score in sorted(short, key=lambda score: score.right / score.asked))


def score_blocks(score: Score, *, topics: tuple[str, ...], level: int | None, again: str) -> tuple[Block, ...]:
    """The score at the end of a quiz: by topic, what to practise, and the command that gives the quiz again."""
    return tuple(_blocks(score, topics, level, again))


def _blocks(score: Score, topics: tuple[str, ...], level: int | None, again: str) -> Iterator[Block]:
    answered = score.right + score.wrong
    if not answered:
        yield Text(("No question was answered.",))
    else:
        columns = (Column("topic"), Column("right", "count"), Column("of", "count"))
        total = ("total", score.right, len(score.outcomes))
        yield Table("Score", columns, score.topics, total)
    lines = []
    if answered and score.missing:
        lines.append(f"{score.missing} of {score.questions} questions without an answer.")
    harder = (level or 1) + 1
    if score.weak and answered:
        own = f" --level {level}" if level else ""
        lines.append(f"To practise: rnncalc quiz --topic {','.join(score.weak[:_PRACTISED])}{own}")
    elif answered and not score.missing and harder <= LEVELS[-1]:
        named = f" --topic {','.join(topics)}" if len(topics) < len(TOPICS) else ""
        lines.append(f"All right. Harder: rnncalc quiz{named} --level {harder}")
    yield Text((*lines, again), "muted")
