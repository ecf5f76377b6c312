"""The topics that questions are about, and quizzes made of them: the same seed, the same quiz."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple, cast

from rnn_calc.core.errors import UsageError, did_you_mean, listed, quoted
from rnn_calc.quiz.question import Question

if TYPE_CHECKING:
    import numpy as np

    Maker = Callable[[np.random.Generator, int], Question]

LEVELS = (1, 2, 3)

# A class is done with far fewer.
MOST_QUESTIONS = 10_000
# What a quiz has that nobody says a number for.
QUESTIONS = 10


class Topic(NamedTuple):
    """What questions are about: its name, what it asks in a few words, and the module that makes its questions."""

    name: str
    title: str
    module: str

    def make(self, rng: np.random.Generator, level: int) -> Question:
        """A question of this topic, drawn from `rng`."""
        # Only then: a topic's module needs NumPy, and the names of topics do not.
        maker = cast("Maker", import_module(f"rnn_calc.quiz.topics.{self.module}").make)
        return maker(rng, level)


TOPICS = {
    topic.name: topic
    for topic in (
        Topic("shape", "the shape of a tensor", "shape"),
        Topic("count", "how many parameters a network has", "count"),
        Topic("transposed", "which matrix was transposed", "transposed"),
        Topic("step", "one step of the recurrence", "step"),
        Topic("output", "what lies where in `output`", "output"),
        Topic("h-n", "the last states of a stack", "last_states"),
        Topic("norm", "the norm of ∂h_T/∂h_{T−k} after k steps", "norm"),
        Topic("decay", "vanishing, exploding or neither", "decay"),
        Topic("mode", "many-to-many, many-to-one and the other modes", "mode"),
        Topic("truncation", "what truncated backpropagation keeps", "truncation"),
    )
}


def make_quiz(
    seed: int, questions: int, topics: Iterable[str] = tuple(TOPICS), level: int | None = None
) -> tuple[Question, ...]:
    """So many questions on the topics, each of them once before one comes again; without `level` the levels vary.

    Raises: UsageError for a topic or a level that there is not, a negative seed, or a number of questions that is none.
    """
    if not 1 <= questions <= MOST_QUESTIONS:
        raise UsageError(f"A quiz has 1 to {MOST_QUESTIONS:,} questions, not {questions:,}.")
    names = tuple(topics)
    return tuple(question_at(seed, number, names, level) for number in range(1, questions + 1))


def question_at(seed: int, number: int, topics: Iterable[str] = tuple(TOPICS), level: int | None = None) -> Question:
    """Question `number`, from 1, of the quiz of that seed, made without those before it.

    Raises: the same as `make_quiz`.
    """
    names = _checked(tuple(topics), level)
    if seed < 0:
        raise UsageError(f"A seed is 0 or more, not {seed}.")
    if number < 1:
        raise UsageError(f"Questions are numbered from 1; there is no question {number}.")
    import numpy as np

    # Streams of their own, so that neither the order nor another question moves this one.
    def stream(kind: int, index: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(kind, index)))

    turn, place = divmod(number - 1, len(names))
    topic = TOPICS[names[int(stream(0, turn).permutation(len(names))[place])]]
    rng = stream(1, number)
    drawn = int(rng.choice(LEVELS))
    return topic.make(rng, level or drawn)


def quiz_command(seed: int, topics: str, level: str, questions: int) -> str:
    """The command that asks the same questions; `topics` and `level` as they are typed, empty where all are meant."""
    words = ["rnncalc quiz", f"--seed {seed}"]
    words += [f"--topic {quote(topics)}"] if topics else []
    words += [f"--level {quote(level)}"] if level else []
    words += [f"--questions {questions}"] if questions != QUESTIONS else []
    return " ".join(words)


def _checked(names: tuple[str, ...], level: int | None) -> tuple[str, ...]:
    """The topics in the order of `TOPICS`, each once."""
    for name in names:
        if name not in TOPICS:
            raise UsageError(
                f"There is no topic {quoted(name)}; it must be {listed(TOPICS)}.{did_you_mean(name, TOPICS)}"
            )
    if not names:
        raise UsageError(f"A quiz needs a topic: {listed(TOPICS)}.")
    if level is not None and level not in LEVELS:
        raise UsageError(f"There is no level {level}; it must be {listed(map(str, LEVELS))}.")
    return tuple(name for name in TOPICS if name in names)
