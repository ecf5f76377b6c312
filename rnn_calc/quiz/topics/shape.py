"""The shape of a tensor under a convention."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.notation import Notation
from rnn_calc.core.shapes import shapes
from rnn_calc.quiz.answers import ShapeAnswer
from rnn_calc.quiz.question import Question
from rnn_calc.quiz.setting import Setting, briefly, draw_setting, in_numbers
from rnn_calc.show.document import Text


class ShapeFacts(NamedTuple):
    """A network, the symbol that is asked about, and the batch, where whole sequences are."""

    setting: Setting
    symbol: str
    steps: int | None
    batch: int | None
    batch_first: bool


def make(rng: np.random.Generator, level: int) -> Question:
    """A question for the shape of an array, of a vector of one step, or of a tensor of whole sequences."""
    setting = draw_setting(rng, level)
    convention = CONVENTIONS[setting.convention]
    # Keras and the others decide which axis is first; PyTorch leaves it to its user.
    batch_first = bool(rng.random() < 0.5) if setting.convention == "pytorch" else convention.batch_first
    sizes = {setting.d_in, setting.d_h, setting.d_out}
    steps, batch = (int(size) for size in rng.permutation([n for n in range(2, 13) if n not in sizes])[:2])
    report = shapes(setting.network, convention, steps=steps, batch=batch, batch_first=batch_first)
    whole = level > 1 and rng.random() < 0.5
    rows = report.sequence if whole else report.parameters if rng.random() < 0.75 else report.vectors
    tensor = rows[int(rng.integers(len(rows)))]
    facts = ShapeFacts(setting, tensor.symbol, steps if whole else None, batch if whole else None, batch_first)
    notation = Notation(setting.network, convention)
    more: tuple[str, ...] = ()
    if whole:
        more = (f"T = {steps} steps, B = {batch} sequences, {setting.batch_order(batch_first)}",)
    asked = Text((f"What is the shape of {tensor.symbol} ({briefly(tensor.role)})?",))
    return Question(
        "shape",
        level,
        facts,
        (*setting.described(notation, *more), asked),
        ShapeAnswer(tensor.shape),
        (
            Text((f"{tensor.symbol}: {in_numbers(notation, tensor, T=steps, B=batch)}",), "math"),
            Text((f"{tensor.symbol}: {tensor.role}.",)),
        ),
    )
