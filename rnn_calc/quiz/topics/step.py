"""One step of the recurrence, with numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnn_calc.core.equations import Equation
from rnn_calc.core.notation import Notation
from rnn_calc.core.storage import write_arrays
from rnn_calc.core.trace import Trace, trace
from rnn_calc.core.weights import make_weights
from rnn_calc.quiz.numbers import Mistake, NumberAnswer
from rnn_calc.quiz.question import Question
from rnn_calc.quiz.setting import (
    TEXTBOOKS,
    Setting,
    Values,
    draw_tenths,
    equations_of,
    nested,
    numbers_of,
    write_values,
)
from rnn_calc.quiz.worked import worked_steps
from rnn_calc.show.document import Block, Text

_DIGITS = (2, 3, 3)
_ORDINALS = ("first", "second", "third")


class StepFacts(NamedTuple):
    """A network with its arrays as its convention stores them, what goes into one step, and which value is asked for.

    `weights` are under the convention's symbols, `states` by name (h, and c of an LSTM); `value` is the name of an
    equation (h, c, i, f …) and `unit` counts from 1.
    """

    setting: Setting
    weights: tuple[tuple[str, Values], ...]
    x: tuple[float, ...]
    states: tuple[tuple[str, tuple[float, ...]], ...]
    value: str
    unit: int


def make(rng: np.random.Generator, level: int) -> Question:
    """A question for one unit of a state, or of a gate, after one step from a given state."""
    setting = _draw_setting(rng, level)
    network = setting.network
    notation = Notation(network, setting.convention)
    run, worked = _draw_run(rng, notation, setting, whole_inputs=level == 1)
    unit = int(rng.integers(setting.d_h))
    equation = _asked(rng, run, level)
    arrays = write_arrays(network, setting.convention, run.weights.arrays)
    stored = tuple((symbol, nested(array)) for symbol, array in arrays.items())
    states = tuple((name, numbers_of(state)) for name, state in run.initial[0].items())
    facts = StepFacts(setting, stored, numbers_of(run.x[0]), states, equation.name, unit + 1)
    expected = _expected(run, notation, equation, unit, _DIGITS[level - 1])
    return Question(
        "step",
        level,
        facts,
        (*_given(facts, notation), Text((_question(facts, notation, equation, expected),))),
        expected,
        worked,
    )


def _draw_setting(rng: np.random.Generator, level: int) -> Setting:
    d_in, d_h = int(rng.integers(1, 3 if level != 2 else 4)), int(rng.integers(1, 3))
    if level == 1:
        return Setting(
            str(rng.choice(TEXTBOOKS)), "rnn", d_in, d_h, activation=str(rng.choice(["identity", "identity", "relu"]))
        )
    if level == 2:
        return Setting(str(rng.choice([*TEXTBOOKS, "pytorch", "keras"])), "rnn", d_in, d_h + 1)
    return Setting(str(rng.choice(["xh", "pytorch", "keras"])), str(rng.choice(["lstm", "gru"])), d_in, 1)


def _draw_run(
    rng: np.random.Generator, notation: Notation, setting: Setting, *, whole_inputs: bool
) -> tuple[Trace, tuple[Text, ...]]:
    """One step of a network of numbers with one decimal, and its arithmetic, in which no rounding shows."""
    network = notation.network
    while True:
        weights = make_weights(network, {p.name: draw_tenths(rng, *network.shape(p)) for p in network.parameters})
        x = rng.choice([-2.0, -1.0, 1.0, 2.0], setting.d_in) if whole_inputs else draw_tenths(rng, setting.d_in)
        run = trace(network, weights, x[None, :], {name: draw_tenths(rng, setting.d_h) for name in network.cell.state})
        worked = worked_steps(run, notation)
        # A sum that is 0 but for rounding would be written 1.7e-18.
        if not any("e-" in line for block in worked for line in block.lines):
            return run, worked


def _asked(rng: np.random.Generator, run: Trace, level: int) -> Equation:
    """The new state of a plain cell; of a gated one any state or gate, but no pre-activation."""
    layer = run.top[0].layer
    named = [e for e in layer.equations if e.kind == "state" or (level == 3 and not e.name.startswith("a_"))]
    return named[int(rng.integers(len(named)))]


def _expected(run: Trace, notation: Notation, asked: Equation, unit: int, digits: int) -> NumberAnswer:
    """The value; every other value of the step is a mistake that can be named."""
    values = run.top[0].values.now
    mistakes = []
    for equation in run.top[0].layer.equations:
        for other, value in enumerate(values[equation.name][0]):
            if (equation.name, other) != (asked.name, unit):
                which = f" of unit {other + 1}" if len(values[equation.name][0]) > 1 else ""
                mistakes.append(Mistake(float(value), f"That is {notation.vector(equation, 1)}{which}."))
    return NumberAnswer(float(values[asked.name][0][unit]), digits, mistakes=tuple(mistakes))


def _given(facts: StepFacts, notation: Notation) -> tuple[Block, ...]:
    """The network, its equations, its arrays, and what goes into the step."""
    setting, network = facts.setting, notation.network
    order = next((stored.gates for stored in notation.stored if stored.gates), ())
    more = (f"gates {', '.join(order)}, one after the other",) if order else ()
    first = {equation.name: equation for equation in network.stack[0][0].equations}
    entering = [(f"{notation.vector(first[name], 0)}", state) for name, state in facts.states]
    lines = [f"{symbol} = {write_values(values)}" for symbol, values in (*facts.weights, *entering, ("x_1", facts.x))]
    return (*setting.described(notation, *more)[:1], equations_of(notation), Text(tuple(lines), "math"))


def _question(facts: StepFacts, notation: Notation, equation: Equation, expected: NumberAnswer) -> str:
    symbol = notation.vector(equation, 1)
    unit = f"the {_ORDINALS[facts.unit - 1]} unit of " if facts.setting.d_h > 1 else ""
    return f"What is {unit}{symbol}, {expected.asked}?"
