"""Which matrix was transposed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.diagnosis import diagnose
from rnn_calc.core.notation import Notation, Stored, write_shape
from rnn_calc.core.shapes import shapes
from rnn_calc.quiz.answers import ChoiceAnswer
from rnn_calc.quiz.question import Question
from rnn_calc.quiz.setting import FRAMEWORKS, TEXTBOOKS, Setting, draw_setting
from rnn_calc.show.document import Column, Table, Text

_MOST_SHOWN = 5

# An ONNX array has an axis for the directions: it is no matrix.
_FRAMEWORKS = tuple(name for name in FRAMEWORKS if not CONVENTIONS[name].joins_directions)


class TransposedFacts(NamedTuple):
    """A network, and the shapes of some of its matrices as somebody has them, one of them transposed."""

    setting: Setting
    shapes: tuple[tuple[str, tuple[int, ...]], ...]


def make(rng: np.random.Generator, level: int) -> Question:
    """A question for the one matrix whose two sizes are exchanged."""
    framework = level == 3 or (level == 2 and rng.random() < 0.7)
    setting = draw_setting(rng, level, _FRAMEWORKS if framework else TEXTBOOKS)
    notation = Notation(setting.network, setting.convention)
    matrices = [stored for stored in notation.stored if stored.parameters[0].is_matrix]
    # A square one looks the same from both sides.
    oblong = [stored for stored in matrices if len(set(notation.shape(stored))) == 2]
    wrong = oblong[int(rng.integers(len(oblong)))]
    others = [stored for stored in matrices if stored is not wrong]
    kept = [others[int(index)] for index in rng.permutation(len(others))[: _MOST_SHOWN - 1]]
    shown = [stored for stored in matrices if stored is wrong or stored in kept]
    given = tuple((stored.symbol, _given(notation, stored, wrong)) for stored in shown)
    answer = ChoiceAnswer(tuple(symbol for symbol, _ in given), shown.index(wrong))
    table = Table(
        "Somebody has",
        (Column("matrix", "math"), Column("shape", "shape")),
        tuple((symbol, write_shape(shape)) for symbol, shape in given),
    )
    asked = Text(("Which one is transposed?",))
    return Question(
        "transposed",
        level,
        TransposedFacts(setting, given),
        (*setting.described(notation), table, asked, answer.block),
        answer,
        _derivation(setting, given),
    )


def _given(notation: Notation, stored: Stored, wrong: Stored) -> tuple[int, ...]:
    shape = notation.shape(stored)
    return shape[::-1] if stored is wrong else shape


def _derivation(setting: Setting, given: tuple[tuple[str, tuple[int, ...]], ...]) -> tuple[Table]:
    report = shapes(setting.network, setting.convention)
    rows = []
    for symbol, shape in given:
        found = diagnose(report, symbol, shape)
        mark = "✓" if found.fits else "✗"
        rows.append((symbol, write_shape(shape), write_shape(found.needs), f"{mark} {found.reason}"))
    columns = (Column("matrix", "math"), Column("has", "shape"), Column("needs", "shape"), Column("", "verdict"))
    return (Table("What each needs", columns, tuple(rows)),)
