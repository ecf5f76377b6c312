"""Same seed, same quiz; and every question of every topic can be asked, answered and read."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache

import numpy as np
import pytest

from rnn_calc.core.errors import UsageError
from rnn_calc.quiz.answers import LETTERS, ChoiceAnswer, ShapeAnswer
from rnn_calc.quiz.numbers import CountAnswer, NumberAnswer
from rnn_calc.quiz.question import Question
from rnn_calc.quiz.quiz import LEVELS, TOPICS, make_quiz, question_at
from rnn_calc.quiz.topics.decay import DecayFacts
from rnn_calc.quiz.topics.step import StepFacts
from rnn_calc.quiz.topics.transposed import TransposedFacts
from rnn_calc.show.document import Block, Document, Layout
from rnn_calc.show.page import page_lines

SEEDS = 12


@cache
def questions(topic: str, level: int) -> tuple[Question, ...]:
    return tuple(question_at(seed, seed + 1, (topic,), level) for seed in range(SEEDS))


def page(blocks: tuple[Block, ...], width: int = 100, *, ascii_only: bool = False) -> list[str]:
    lines = page_lines(Document(blocks), Layout(width, ascii=ascii_only))
    return ["".join(text for text, _ in line).rstrip() for line in lines]


every_topic = pytest.mark.parametrize("topic", TOPICS)
every_level = pytest.mark.parametrize("level", LEVELS)


@every_topic
@every_level
def test_the_written_answer_is_right(topic: str, level: int) -> None:
    for question in questions(topic, level):
        assert (question.topic, question.level) == (topic, level)
        assert question.expected.judge(question.expected.written).right
        assert question.expected.judge(f" {question.expected.written.upper()} \n").right


@every_topic
@every_level
def test_a_neighbour_of_the_answer_is_wrong(topic: str, level: int) -> None:
    for question in questions(topic, level):
        neighbours = list(wrong_neighbours(question))
        assert neighbours
        for typed in neighbours:
            assert question.expected.judge(typed).right is False, (question.facts, typed)


def wrong_neighbours(question: Question) -> list[str]:
    match question.expected:
        case ShapeAnswer(shape):
            others = [(*shape[:-1], shape[-1] + 1), (shape[0] + 1, *shape[1:]), (*shape, 1), shape[::-1]]
            return [str(other) for other in others if other != shape]
        case CountAnswer(value):
            return [str(value - 1), str(value + 1)]
        case NumberAnswer(significant=True) as answer:
            # In the last digit that is asked for, of the first of them 1 in 10^(digits − 1) at the most.
            return [f"{answer.value * (1 + sign * 2 * 10 ** (1 - answer.digits)):.9e}" for sign in (-1, 1)]
        case NumberAnswer(value, digits):
            return [f"{value + sign * 2 * 10**-digits:.9f}" for sign in (-1, 1)]
        case ChoiceAnswer(choices, right):
            return [LETTERS[index] for index in range(len(choices)) if index != right]
    raise AssertionError(question)


@every_topic
@every_level
def test_choices_differ_and_one_alone_is_right(topic: str, level: int) -> None:
    for question in questions(topic, level):
        expected = question.expected
        if isinstance(expected, ChoiceAnswer):
            assert len(set(map(str.casefold, expected.choices))) == len(expected.choices) >= 3
            letters = LETTERS[: len(expected.choices)]
            assert sum(bool(expected.judge(letter).right) for letter in letters) == 1
            assert [bool(expected.judge(choice).right) for choice in expected.choices].count(True) == 1
            assert expected.block in question.prompt


@every_topic
@every_level
def test_the_prompt_holds_nothing_of_the_derivation(topic: str, level: int) -> None:
    for question in questions(topic, level):
        asked = "\n".join(page(question.prompt))
        assert question.derivation
        for block in question.derivation:
            assert "\n".join(page((block,))) not in asked
        if isinstance(question.expected, ShapeAnswer):
            assert question.expected.written not in asked


@every_topic
@every_level
def test_a_page_of_60_columns_holds_every_question(topic: str, level: int) -> None:
    for question in questions(topic, level):
        for blocks in (question.prompt, question.derivation):
            assert max(map(len, page(blocks, 60))) <= 60
            assert all(line.isascii() for line in page(blocks, 60, ascii_only=True))


@every_topic
@every_level
def test_no_number_shows_that_it_was_rounded(topic: str, level: int) -> None:
    for question in questions(topic, level):
        assert not re.search(r"\de-1\d|\bnan\b|0000\d", "\n".join(page(question.prompt)))
        assert not re.search(r"\bnan\b|\de-1[678]\b", "\n".join(page(question.derivation))) or topic == "decay"


@every_topic
@every_level
def test_the_same_seed_gives_the_same_question(topic: str, level: int) -> None:
    assert question_at(3, 4, (topic,), level) == questions(topic, level)[3]


@every_topic
@every_level
def test_facts_are_plain_numbers_and_words(topic: str, level: int) -> None:
    for question in questions(topic, level):
        assert "np." not in repr(question.facts)


@every_topic
def test_another_seed_gives_another_question(topic: str) -> None:
    assert len({question.facts for question in questions(topic, 2)}) > SEEDS // 2


@pytest.mark.parametrize("level", [None, 1])
def test_a_question_alone_is_that_of_the_quiz(level: int | None) -> None:
    quiz = make_quiz(7, 23, level=level)
    assert [question_at(7, number, level=level) for number in range(1, 24)] == list(quiz)
    assert make_quiz(7, 5, level=level) == quiz[:5]
    assert make_quiz(8, 23, level=level) != quiz


def test_every_topic_comes_once_before_one_comes_twice() -> None:
    quiz = make_quiz(1, 30, level=1)
    for start in (0, 10, 20):
        assert {question.topic for question in quiz[start : start + 10]} == set(TOPICS)
    orders = {tuple(question.topic for question in quiz[start : start + 10]) for start in (0, 10, 20)}
    assert len(orders) > 1


def test_the_order_of_the_topics_does_not_matter() -> None:
    assert make_quiz(2, 6, ("count", "shape", "step")) == make_quiz(2, 6, ("step", "shape", "count", "shape"))


def test_without_a_level_all_levels_come() -> None:
    assert {question.level for question in make_quiz(4, 20, ("count",))} == set(LEVELS)
    assert {question.level for question in make_quiz(4, 5, ("count",), 2)} == {2}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"topics": ("shapes",)}, "Did you mean shape?"),
        ({"topics": ()}, "needs a topic"),
        ({"level": 4}, "1, 2 or 3"),
        ({"seed": -1}, "0 or more"),
        ({"questions": 0}, "1 to 10,000"),
        ({"questions": 10**9}, "1 to 10,000"),
    ],
)
def test_what_there_is_not_is_named(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make_quiz(**{"seed": 0, "questions": 1, **arguments})  # type: ignore[arg-type]  # some are wrong
    with pytest.raises(UsageError, match="numbered from 1"):
        question_at(0, 0)


@every_level
def test_a_step_is_computed_from_the_numbers_that_are_read(level: int) -> None:
    for question in questions("step", level):
        facts = question.facts
        assert isinstance(facts, StepFacts)
        lines = [line for line in page(question.prompt, 1000) if " = [" in line]
        read = {name: ast.literal_eval(values) for name, _, values in (line.partition(" = ") for line in lines)}
        stated = {**dict(facts.weights), **{f"{name}_0": state for name, state in facts.states}, "x_1": facts.x}
        assert read == {name: as_lists(values) for name, values in stated.items()}


def as_lists(values: object) -> object:
    return [as_lists(value) for value in values] if isinstance(values, tuple) else values


def test_the_transposed_matrix_is_not_square() -> None:
    for question in (q for level in LEVELS for q in questions("transposed", level)):
        facts, expected = question.facts, question.expected
        assert isinstance(facts, TransposedFacts)
        assert isinstance(expected, ChoiceAnswer)
        assert len(set(facts.shapes[expected.right][1])) == 2


def test_a_decay_without_gates_is_derived_from_the_factor_of_a_step() -> None:
    """Where the slopes stay as they are, the power of the printed matrix has the measured norms."""
    powers = 0
    for question in (q for level in LEVELS for q in questions("decay", level)):
        said = "\n".join(page(question.derivation))
        assert isinstance(question.facts, DecayFacts)
        assert ("diag(φ′(z_t)) W_hh" in said) is (question.facts.setting.cell == "rnn")
        if shown := re.search(r"= (\[\[.*\]\])\^lag", said):
            powers += 1
            matrix = np.array(ast.literal_eval(shown[1]))
            for lag, norm in re.findall(r"^ *(\d+) +([\d.e+-]+)$", said, re.MULTILINE):
                ours = np.linalg.norm(np.linalg.matrix_power(matrix, int(lag)), 2)
                # Four digits are printed of the norm.
                assert float(norm) == pytest.approx(ours, rel=1e-3, abs=1e-300), question.facts
    assert powers > SEEDS


@every_level
def test_a_count_says_that_the_steps_are_not_in_it(level: int) -> None:
    for question in questions("count", level):
        said = "\n".join(page(question.derivation))
        assert f"T = {question.facts.steps} is in none of the formulas" in said  # type: ignore[attr-defined]


def test_topics_are_known_without_numpy() -> None:
    code = "import rnn_calc.quiz.quiz, sys; print(*{'numpy', 'typer', 'rich', 'textual'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
