"""Output modes: which one a task needs, and what shape the outputs have under it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.shapes import shapes
from rnn_calc.core.tensors import MODES, Mode
from rnn_calc.quiz.answers import ChoiceAnswer, ShapeAnswer
from rnn_calc.quiz.question import Question
from rnn_calc.quiz.setting import Setting, draw_setting, in_numbers
from rnn_calc.show.document import Text

# What goes in and what comes out, with the number of steps of either.
_TASKS: dict[Mode, tuple[str, ...]] = {
    "many-to-many": (
        "Each of the {T} words of a sentence gets its part of speech, one label a word.",
        "A sensor gives {T} readings; after each of them the network says whether the machine is faulty.",
        "Of {T} letters of a text, the network guesses at each one which letter follows.",
        "For each of {T} frames of a film the network says whether a person is in it.",
    ),
    "many-to-one": (
        "A film review of {T} words is read, and one rating is given at its end.",
        "A heartbeat of {T} samples is read; the answer is whether it is healthy.",
        "{T} days of weather are read, and the temperature of the day after is foretold.",
        "A surname of {T} letters is read; the answer is the language that it comes from.",
    ),
    "one-to-many": (
        "From one picture a caption of {T} words is written.",
        "From one chosen note a melody of {T} notes is composed.",
        "From the name of one genre a line of {T} words is written.",
    ),
    "seq2seq": (
        "A German sentence of {T} words becomes an English one of {T_out} words.",
        "A spoken question of {T} sounds gets an answer of {T_out} words.",
        "A text of {T} words is shortened to a headline of {T_out} words.",
    ),
}

# Both have many inputs and many outputs, and textbooks are not at one about what to call them.
_WORDS = ("many-to-many: an output at every step of the input", "seq2seq: a decoder writes after an encoder has read")


class ModeFacts(NamedTuple):
    """A task and its lengths; or a network with the mode that it is run in, whose outputs are asked for.

    `mode` is the mode that is given, None where it is asked for.
    """

    task: str
    steps: int
    decoder_steps: int
    setting: Setting | None
    mode: Mode | None
    batch: int | None
    batch_first: bool


def make(rng: np.random.Generator, level: int) -> Question:
    """A question for the mode of a task at level 1, for the shape of the outputs above."""
    mode = MODES[int(rng.integers(len(MODES)))]
    steps, decoder_steps, batch = (int(size) for size in rng.permutation(np.arange(3, 16))[:3])
    if level == 1:
        return _which(rng, mode, steps, decoder_steps)
    setting = draw_setting(rng, level)
    if mode == "one-to-many":
        setting = setting._replace(bidirectional=False)
    sizes = {setting.d_in, setting.d_h, setting.d_out}
    free = [n for n in range(3, 20) if n not in sizes]
    steps, decoder_steps, batch = (int(size) for size in rng.permutation(free)[:3])
    return _outputs(rng, level, setting, ModeFacts("", steps, decoder_steps, setting, mode, batch, True))


def _which(rng: np.random.Generator, mode: Mode, steps: int, decoder_steps: int) -> Question:
    tasks = _TASKS[mode]
    task = tasks[int(rng.integers(len(tasks)))].format(T=steps, T_out=decoder_steps)
    expected = ChoiceAnswer(MODES, MODES.index(mode))
    network = Setting("xh", "rnn", 2, 3, 1).network
    report = shapes(network, steps=steps, batch=1, mode=mode, decoder_steps=decoder_steps)
    rows = [row for row in report.sequence if row.kind in ("input", "output")]
    # (B, T, ·): time is the second of three axes, and missing where there is one output.
    lengths = [row.shape[1] if len(row.shape) == 3 else 1 for row in rows]
    roles = {row.kind: row.role for row in report.vectors if row.kind in ("input", "output")}
    said = tuple(f"{kind}s: {count} · {roles[kind]}" for kind, count in zip(("input", "output"), lengths, strict=True))
    return Question(
        "mode",
        1,
        ModeFacts(task, steps, decoder_steps, None, None, None, True),
        (Text((task, "Which mode is that?")), expected.block, Text(_WORDS)),
        expected,
        (Text((f"{mode}:", *said)),),
    )


def _outputs(rng: np.random.Generator, level: int, setting: Setting, facts: ModeFacts) -> Question:
    convention = CONVENTIONS[setting.convention]
    batch_first = convention.batch_first if setting.convention != "pytorch" else bool(rng.random() < 0.5)
    facts = facts._replace(batch_first=batch_first)
    assert facts.mode is not None
    report = shapes(
        setting.network,
        convention,
        steps=facts.steps,
        batch=facts.batch,
        mode=facts.mode,
        decoder_steps=facts.decoder_steps,
        batch_first=batch_first,
    )
    y = report.sequence[-1]
    decoder = f", a decoder of T_out = {facts.decoder_steps} steps" if facts.mode == "seq2seq" else ""
    more = f"T = {facts.steps} steps{decoder}, B = {facts.batch} sequences, {setting.batch_order(batch_first)}"
    sizes = {"T": facts.steps, "B": facts.batch or 1, "T_out": facts.decoder_steps}
    line = f"{y.symbol}: {in_numbers(report.notation, y, **sizes)}"
    return Question(
        "mode",
        level,
        facts,
        (
            *setting.described(report.notation, more)[:1],
            Text((f"It runs {facts.mode}. What is the shape of {y.symbol}, the outputs of the readout?",)),
        ),
        ShapeAnswer(y.shape),
        (
            Text((line,), "math"),
            Text((f"{facts.mode}: {y.role}.",)),
        ),
    )
