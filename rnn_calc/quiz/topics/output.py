"""What lies at (t, batch, unit) of `output`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnn_calc.core.notation import Notation
from rnn_calc.core.shapes import shapes
from rnn_calc.core.tensors import Tensor
from rnn_calc.core.trace import trace
from rnn_calc.core.weights import Array, make_weights
from rnn_calc.quiz.answers import ChoiceAnswer
from rnn_calc.quiz.numbers import Mistake, NumberAnswer
from rnn_calc.quiz.question import Question
from rnn_calc.quiz.setting import Setting, Values, draw_tenths, in_numbers, nested
from rnn_calc.show.document import Block, Column, Table, Text, Value

_DIGITS = 2


class OutputFacts(NamedTuple):
    """A network and its batch, and the index `at` into its output, which counts from 0.

    `states` holds every h_t, rounded as it is printed, sequence by sequence: [b][t][unit]; empty where only the place
    is asked for.
    """

    setting: Setting
    steps: int
    batch: int
    batch_first: bool
    at: tuple[int, int, int]
    states: Values


class _Place(NamedTuple):
    """What an entry is: of which step and sequence, and which unit of the joined directions; all from 0."""

    t: int
    b: int
    unit: int


def make(rng: np.random.Generator, level: int) -> Question:
    """A question for a number of a small trace, or for what an index leads to."""
    setting = _draw_setting(rng, level)
    batch_first = setting.convention != "pytorch" or bool(rng.random() < 0.5)
    most = 4 if level == 1 else 12
    steps, batch = (int(size) for size in rng.permutation(np.arange(2, most))[:2])
    width = setting.network.output_width
    place = _Place(int(rng.integers(steps)), int(rng.integers(batch)), int(rng.integers(width)))
    if level == 3:
        place = place._replace(unit=int(rng.integers(setting.d_h, width)) if rng.random() < 0.7 else place.unit)
    report = shapes(setting.network, setting.convention, steps=steps, batch=batch, batch_first=batch_first)
    output = next(row for row in reversed(report.sequence) if row.symbol.endswith(report.convention.sequences["h"]))
    # The axes say where each of the three stands.
    at = {"T": place.t, "B": place.b}
    index = tuple(at.get(axis, place.unit) for axis in output.axes)
    facts = OutputFacts(setting, steps, batch, batch_first, (index[0], index[1], index[2]), ())
    given: tuple[Block, ...] = ()
    expected: NumberAnswer | ChoiceAnswer
    if level == 1:
        states = _draw_states(rng, setting, steps, batch)
        facts = facts._replace(states=nested(states))
        given = (_states_table(states),)
        expected = _number(states, place)
        asked = Text((f"What is {output.symbol}{list(index)}? Indices count from 0.",))
        choices: tuple[Block, ...] = ()
    else:
        expected = _choice(rng, facts, place, index)
        asked = Text((f"What is {output.symbol}{list(index)}? Indices count from 0; t counts from 1.",))
        choices = (expected.block,)
    notation = report.notation
    called = (
        f"{output.symbol} of a batch of B = {batch} sequences of T = {steps} steps, {setting.batch_order(batch_first)}"
    )
    return Question(
        "output",
        level,
        facts,
        (*setting.described(notation, called)[:1], *given, asked, *choices),
        expected,
        _derivation(facts, notation, output, place),
    )


def _draw_setting(rng: np.random.Generator, level: int) -> Setting:
    if level == 1:
        return Setting("pytorch", "rnn", 2, int(rng.integers(2, 4)))
    convention = "pytorch" if level == 3 else str(rng.choice(["pytorch", "keras"]))
    d_in, d_h = (int(size) for size in rng.permutation(np.arange(3, 10))[:2])
    layers = int(rng.integers(1, 4)) if level == 3 else 1
    return Setting(convention, str(rng.choice(["rnn", "lstm", "gru"])), d_in, d_h, 0, layers, level == 3)


def _draw_states(rng: np.random.Generator, setting: Setting, steps: int, batch: int) -> Array:
    """h_t of a run, rounded, no two of them alike. Shapes: (B, T, d_h)."""
    network = setting.network
    while True:
        weights = make_weights(network, {p.name: draw_tenths(rng, *network.shape(p)) for p in network.parameters})
        h = np.round(trace(network, weights, draw_tenths(rng, steps, batch, setting.d_in)).h, _DIGITS)
        if len(set(h.flat)) == h.size:
            return np.asarray(h.swapaxes(0, 1))


def _states_table(states: Array) -> Table:
    columns = (Column("sequence", "index"), Column("t", "index"))
    units = tuple(Column(f"unit {unit + 1}", "number") for unit in range(states.shape[-1]))
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (b + 1, t + 1, *(f"{value:.{_DIGITS}f}" for value in states[b, t]))
        for b in range(states.shape[0])
        for t in range(states.shape[1])
    )
    return Table("h_t", (*columns, *units), rows)


def _number(states: Array, place: _Place) -> NumberAnswer:
    mistakes = []
    swapped = place._replace(t=place.b, b=place.t)
    shifted = _Place(place.t - 1, place.b - 1, place.unit - 1)
    for wrong, message in ((swapped, "Time and batch are exchanged."), (shifted, "Indices count from 0.")):
        inside = 0 <= wrong.b < states.shape[0] and 0 <= wrong.t < states.shape[1] and wrong.unit >= 0
        if inside and wrong != place:
            mistakes.append(Mistake(float(states[wrong.b, wrong.t, wrong.unit]), message))
    return NumberAnswer(float(states[place.b, place.t, place.unit]), _DIGITS, mistakes=tuple(mistakes))


def _choice(rng: np.random.Generator, facts: OutputFacts, place: _Place, index: tuple[int, ...]) -> ChoiceAnswer:
    """The place among others that a wrong order, a wrong half or counting from 1 lead to."""
    setting, width = facts.setting, facts.setting.d_h
    other = _Place(index[0], index[1], place.unit)
    if other == place:
        other = _Place(index[1], index[0], place.unit)
    wrong = [other, _Place(place.t - 1, place.b - 1, place.unit - 1)]
    if setting.bidirectional:
        wrong.insert(1, place._replace(unit=(place.unit + width) % (2 * width)))
        wrong.append(other._replace(unit=(place.unit + width) % (2 * width)))
    wrong += [_Place(place.t + 1, place.b + 1, place.unit), _Place(place.t, place.b + 1, place.unit)]
    texts = list(dict.fromkeys(_written(setting, one) for one in (place, *wrong) if min(one) >= 0))[:4]
    order = [int(number) for number in rng.permutation(len(texts))]
    return ChoiceAnswer(tuple(texts[number] for number in order), order.index(0))


def _written(setting: Setting, place: _Place) -> str:
    """A place in words: sequence 3, t = 6, unit 2 of the backward state."""
    direction, unit = divmod(place.unit, setting.d_h)
    state = ("forward state", "backward state")[direction] if setting.bidirectional else "state"
    return f"sequence {place.b + 1}, t = {place.t + 1}, unit {unit + 1} of the {state}"


def _derivation(facts: OutputFacts, notation: Notation, output: Tensor, place: _Place) -> tuple[Block, ...]:
    setting = facts.setting
    names = {"T": f"t = {place.t} + 1 = {place.t + 1}", "B": f"sequence {place.b} + 1 = {place.b + 1}"}
    entry = f"entry {place.unit} + 1 = {place.unit + 1} of h_t"
    read = [f"index {number}: {names.get(axis, entry)}" for number, axis in zip(facts.at, output.axes, strict=True)]
    said = []
    if setting.bidirectional:
        first = "h_1 … h_t of the forward direction" if place.unit < setting.d_h else ""
        side = "forward" if first else "backward"
        reads = f"x_1 … x_{place.t + 1}" if first else f"x_{facts.steps} … x_{place.t + 1}, from the end"
        said.append(
            f"Entries 1 to {setting.d_h} are the forward state, {setting.d_h + 1} to {2 * setting.d_h} the backward "
            f"one: this is unit {place.unit % setting.d_h + 1} of the {side} state, which has read {reads}."
        )
    if setting.layers > 1:
        said.append("Only the top layer is in it.")
    shape = in_numbers(notation, output, T=facts.steps, B=facts.batch)
    return Text((f"{output.symbol}: {shape}",), "math"), Text((*read, *said))
