"""How many parameters a network has."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnn_calc.core.counts import CountReport, count_parameters
from rnn_calc.core.errors import listed
from rnn_calc.quiz.numbers import CountAnswer, Mistake
from rnn_calc.quiz.question import Question
from rnn_calc.quiz.setting import Setting, draw_setting
from rnn_calc.show.counts import counts_view
from rnn_calc.show.document import Text


class CountFacts(NamedTuple):
    """A network, and for how many steps it is said to run, which changes nothing."""

    setting: Setting
    steps: int


def make(rng: np.random.Generator, level: int) -> Question:
    """A question for the number of all parameters."""
    setting = draw_setting(rng, level)
    if level > 1 and rng.random() < 0.5:
        setting = setting._replace(d_out=0)
    if level == 3 and rng.random() < 0.4:
        setting = setting._replace(vocab=10 * int(rng.integers(2, 11)))
    steps = int(rng.integers(2, 21))
    report = count_parameters(setting.network, setting.convention)
    counted = ["the embedding"] * bool(setting.vocab) + ["the layers"] + ["the readout"] * bool(setting.d_out)
    parts = listed(counted).replace(" or ", " and ")
    return Question(
        "count",
        level,
        CountFacts(setting, steps),
        (
            *setting.described(report.notation),
            Text(
                (
                    f"How many parameters has it, when it runs over T = {steps} steps?",
                    f"Count {parts}, with all biases that the convention keeps.",
                )
            ),
        ),
        CountAnswer(report.total, tuple(_mistakes(report, steps))),
        (
            *counts_view(report, Text(()), unrolled=False).document().blocks[1:],
            Text((f"Every step uses the same matrices: T = {steps} is in none of the formulas.",)),
        ),
    )


def _mistakes(report: CountReport, steps: int) -> list[Mistake]:
    """What a wrong count shows to have been forgotten."""
    counts = [(stored.roles, row.count) for stored, row in zip(report.notation.stored, report.rows, strict=True)]
    biases = sum(count for roles, count in counts if any("bias" in role for role in roles))
    readout = sum(count for roles, count in counts if "readout_bias" in roles)
    second = report.extra_biases.value(report.network.sizes)
    found = {
        report.total - biases: "Those are the matrices; the biases are missing.",
        report.total - readout: "The bias of the readout is missing.",
        report.total - second: "This convention keeps two biases a gate; the second ones are missing.",
        report.recurrent: "Those are the recurrent layers alone.",
        report.total * steps: "The same weights serve every step: the count does not depend on T.",
    }
    return [Mistake(value, message) for value, message in found.items() if value != report.total]
