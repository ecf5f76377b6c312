"""h_n and c_n of a stack: their shape, which row is whose, and what of it is in `output`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnn_calc.core.inputs import all_layers
from rnn_calc.core.notation import Notation
from rnn_calc.core.shapes import ShapeReport, shapes
from rnn_calc.core.stages import Layer
from rnn_calc.core.trace import trace
from rnn_calc.core.weights import make_weights
from rnn_calc.quiz.answers import ChoiceAnswer, ShapeAnswer
from rnn_calc.quiz.numbers import CountAnswer
from rnn_calc.quiz.question import Question
from rnn_calc.quiz.setting import Setting, draw_setting, in_numbers
from rnn_calc.show.document import Block, Text

_NONE = "none of these: it is not in output"


class LastStatesFacts(NamedTuple):
    """A network and its batch; `asked` is shape, row or slice, of the tensor `symbol` and its `row`, from 0."""

    setting: Setting
    steps: int
    batch: int
    batch_first: bool
    asked: str
    symbol: str
    row: int | None


def make(rng: np.random.Generator, level: int) -> Question:
    """A question for a shape at level 1, for a shape or a row at level 2, for any of the three at level 3."""
    setting = _draw_setting(rng, level)
    sizes = {setting.d_in, setting.d_h, setting.layers, 2 * setting.layers}
    steps, batch = (int(size) for size in rng.permutation([n for n in range(2, 13) if n not in sizes])[:2])
    batch_first = level > 1 and bool(rng.random() < 0.5)
    asked = str(rng.choice((["shape"], ["shape", "row"], ["shape", "row", "slice", "slice"])[level - 1]))
    report = shapes(setting.network, "pytorch", steps=steps, batch=batch, batch_first=batch_first)
    states = ("h", "c") if setting.cell == "lstm" and asked != "slice" else ("h",)
    symbol = report.convention.sequences[f"{states[int(rng.integers(len(states)))]}_T"]
    layers = all_layers(setting.network)
    # In half of the questions about output, a state that it holds.
    row = int(rng.integers(len(layers)))
    if asked == "slice" and rng.random() < 0.6:
        row = len(layers) - 1 - int(rng.integers(setting.network.directions))
    facts = LastStatesFacts(setting, steps, batch, batch_first, asked, symbol, None if asked == "shape" else row)
    more = f"T = {steps} steps, B = {batch} sequences, batch_first={batch_first}"
    prompt = setting.described(report.notation, more)[:1]
    return {"shape": _shape, "row": _row, "slice": _slice}[asked](rng, level, facts, report, prompt)


def _draw_setting(rng: np.random.Generator, level: int) -> Setting:
    setting = draw_setting(rng, max(level, 2), ("pytorch",))._replace(d_out=0)
    cell = "rnn" if level == 1 else setting.cell
    d_in, d_h = (int(size) for size in rng.permutation(np.arange(3, 9))[:2])
    layers = int(rng.integers(2, 5))
    return setting._replace(
        cell=cell, d_in=d_in, d_h=d_h, layers=layers, bidirectional=level > 1 and rng.random() < 0.7
    )


def _shape(
    _: np.random.Generator, level: int, facts: LastStatesFacts, report: ShapeReport, prompt: tuple[Block, ...]
) -> Question:
    tensor = report.tensor(facts.symbol)
    assert tensor is not None
    expected = ShapeAnswer(tensor.shape)
    said = [f"{tensor.symbol}: {tensor.role}."]
    if facts.batch_first:
        said.append("batch_first moves the batch of the input and of output to the front; the states stay as they are.")
    line = f"{tensor.symbol}: {in_numbers(report.notation, tensor, B=facts.batch)}"
    asked = Text((f"What is the shape of {tensor.symbol}?",))
    return Question("h-n", level, facts, (*prompt, asked), expected, (Text((line,), "math"), Text(tuple(said))))


def _row(
    _: np.random.Generator, level: int, facts: LastStatesFacts, report: ShapeReport, prompt: tuple[Block, ...]
) -> Question:
    assert facts.row is not None
    layer = all_layers(report.network)[facts.row]
    asked = Text((f"At which index of {facts.symbol} is the last state of {_named(layer, report.notation)}?",))
    asked = asked._replace(lines=(*asked.lines, "Layers count from 1, indices from 0."))
    return Question("h-n", level, facts, (*prompt, asked), CountAnswer(facts.row), _rows(facts, report.notation))


def _named(layer: Layer, notation: Notation) -> str:
    side = ", backward" if layer.reverse else ", forward"
    return f"layer {layer.index + 1}" + (side if notation.network.bidirectional else "")


def _rows(facts: LastStatesFacts, notation: Notation) -> tuple[Text, ...]:
    """Whose each row is."""
    layers = all_layers(notation.network)
    lines = tuple(f"{facts.symbol}[{row}]: {_named(layer, notation)}" for row, layer in enumerate(layers))
    said = "Layer after layer"
    if notation.network.bidirectional:
        assert facts.row is not None
        layer = layers[facts.row]
        said += f", forward before backward: index 2·({layer.index + 1} − 1) + {int(layer.reverse)} = {facts.row}"
    return Text((f"{said}.",)), Text(lines)


def _slice(
    rng: np.random.Generator, level: int, facts: LastStatesFacts, report: ShapeReport, prompt: tuple[Block, ...]
) -> Question:
    """Which part of output is a row of h_n, found by a run."""
    assert facts.row is not None
    network, width = report.network, facts.setting.d_h
    weights = make_weights(network)
    run = trace(network, weights, rng.standard_normal((facts.steps, facts.batch, network.d_in)))
    halves = (
        {f":{width}": slice(0, width), f"{width}:": slice(width, None)} if network.bidirectional else {":": slice(None)}
    )
    candidates = {}
    for step in (-1, 0):
        for written, half in halves.items():
            where = f":, {step}" if facts.batch_first else f"{step}, :"
            candidates[f"output[{where}, {written}]"] = run.h[step][..., half]
    state = run.final[facts.row]["h"]
    found = [text for text, part in candidates.items() if np.array_equal(part, state)]
    texts = (*candidates, _NONE)
    expected = ChoiceAnswer(texts, texts.index(found[0] if found else _NONE))
    asked = Text((f"Which of these is equal to {facts.symbol}[{facts.row}]?",))
    layer = all_layers(network)[facts.row]
    said = f"{facts.symbol}[{facts.row}] is the last state of {_named(layer, report.notation)}. "
    if layer.index < network.layers - 1:
        said += f"output holds the top layer alone, layer {network.layers}."
    elif layer.reverse:
        said += (
            "The backward direction reads from the end, so that its last state stands at t = 1, index 0, in the "
            f"second half of output; at t = {facts.steps} it has read one input only."
        )
    else:
        said += f"It is read to the end, t = {facts.steps}, which stands at index -1 of output"
        said += ", in its first half." if network.bidirectional else "."
    return Question("h-n", level, facts, (*prompt, asked, expected.block), expected, (Text((said,)),))
