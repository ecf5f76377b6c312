"""Every topic's answers over a thousand seeds, against answers that the package had no part in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from rnn_calc.quiz.listing import plain_text
from rnn_calc.quiz.question import Question
from rnn_calc.quiz.quiz import TOPICS, question_at
from tests.quiz.frameworks import gate_arrays, parameter_count, parameter_shape, sequence_shape, vector_shape
from tests.references import ACTIVATIONS, Array, sigmoid

SEEDS = 1000
# The seeds of a topic are shared between processes.
PARTS = 4

Shape = tuple[int, ...]


def shape_answer(facts: Any, _: str) -> Shape:
    setting, symbol = facts.setting, facts.symbol
    if facts.steps is not None:
        return sequence_shape(setting, symbol, facts.steps, facts.batch, facts.batch_first)
    found = vector_shape(setting, symbol) or parameter_shape(setting, symbol)
    assert found is not None, symbol
    return found


def transposed_answer(facts: Any, _: str) -> str:
    wrong = [symbol for symbol, shape in facts.shapes if parameter_shape(facts.setting, symbol) != tuple(shape)]
    assert len(wrong) == 1
    assert parameter_shape(facts.setting, wrong[0]) == tuple(dict(facts.shapes)[wrong[0]])[::-1]
    return str(wrong[0])


def step_values(setting: Any, w: dict[str, Array], x: Array, s: dict[str, Array]) -> dict[str, Array]:
    """Every gate and state of one step, from the equations."""

    def affine(gate: str) -> Array:
        return np.asarray(w[f"W_x{gate}"] @ x + w[f"W_h{gate}"] @ s["h"] + w[f"b_{gate}"] + w.get(f"b_h{gate}", 0.0))

    if setting.cell == "rnn":
        return {"h": ACTIVATIONS[setting.activation](affine("h"))}
    if setting.cell == "lstm":
        values = {gate: sigmoid(affine(gate)) for gate in "ifo"} | {"g": np.tanh(affine("g"))}
        values["c"] = values["f"] * s["c"] + values["i"] * values["g"]
        return values | {"h": values["o"] * np.tanh(values["c"])}
    r, z = sigmoid(affine("r")), sigmoid(affine("z"))
    n = np.tanh(w["W_xn"] @ x + w["b_n"] + r * (w["W_hn"] @ s["h"] + w["b_hn"]))
    return {"r": r, "z": z, "n": n, "h": (1 - z) * n + z * s["h"]}


def step_answer(facts: Any, _: str) -> float:
    arrays = {symbol: np.array(values) for symbol, values in facts.weights}
    states = {name: np.array(values) for name, values in facts.states}
    values = step_values(facts.setting, gate_arrays(facts.setting, arrays), np.array(facts.x), states)
    return float(values[facts.value][facts.unit - 1])


def output_answer(facts: Any, _: str) -> float | str:
    first, second, entry = facts.at
    b, t = (first, second) if facts.batch_first else (second, first)
    if facts.states:
        return float(facts.states[b][t][entry])
    width = facts.setting.d_h
    state = ("forward state" if entry < width else "backward state") if facts.setting.bidirectional else "state"
    return f"sequence {b + 1}, t = {t + 1}, unit {entry % width + 1} of the {state}"


def last_states_answer(facts: Any, text: str) -> Shape | int | str:
    setting = facts.setting
    directions = 2 if setting.bidirectional else 1
    if facts.asked == "shape":
        return (setting.layers * directions, facts.batch, setting.d_h)
    if facts.asked == "row":
        asked = re.search(r"last state of layer (\d+)(?:, (forward|backward))?", text)
        assert asked is not None
        assert (asked[2] is not None) == setting.bidirectional
        return (int(asked[1]) - 1) * directions + (asked[2] == "backward")
    layer, backward = divmod(facts.row, directions)
    if layer < setting.layers - 1:
        return "none of these: it is not in output"
    half = ":" if not setting.bidirectional else f"{setting.d_h}:" if backward else f":{setting.d_h}"
    # The backward direction comes to the first step last.
    time = 0 if backward else -1
    return f"output[:, {time}, {half}]" if facts.batch_first else f"output[{time}, :, {half}]"


# A task by the words that say how many outputs it has, and when.
TASKS = {
    "many-to-many": "one label a word|after each of them|at each one|For each of",
    "many-to-one": "one rating is given at its end|the answer is whether|of the day after|the answer is the language",
    "one-to-many": "From one|From the name of one",
    "seq2seq": r"becomes an English one of \d+|gets an answer of \d+ words|shortened to a headline of \d+",
}


def mode_answer(facts: Any, _: str) -> Shape | str:
    if facts.mode is None:
        (mode,) = (mode for mode, words in TASKS.items() if re.search(words, facts.task))
        return mode
    if facts.mode == "many-to-one":
        return (facts.batch, facts.setting.d_out)
    steps = facts.decoder_steps if facts.mode == "seq2seq" else facts.steps
    ahead = (facts.batch, steps) if facts.batch_first else (steps, facts.batch)
    return (*ahead, facts.setting.d_out)


def norm_answer(facts: Any, _: str) -> float:
    W_hh = np.array(facts.W_hh)
    slopes = np.array(facts.slopes) if facts.slopes else np.ones((facts.steps, len(W_hh)))
    product = np.eye(len(W_hh))
    for t in range(facts.steps - facts.lag + 1, facts.steps + 1):
        product = np.diag(slopes[t - 1]) @ W_hh @ product
    norm = float(np.linalg.svd(product, compute_uv=False)[0])
    return float(np.log10(norm)) if facts.log10 else norm


def truncation_answer(facts: Any, _: str) -> int | float:
    match facts.asked:
        case "first":
            return int(facts.steps - facts.back)
        case "pieces":
            return len(range(0, facts.steps, facts.back))
        case "reach":
            starts = [start for start in range(1, facts.steps + 1, facts.back) if start <= facts.at]
            return int(facts.at - starts[-1])
    # Forward through time: a derivative that begins where the gradient is cut off, at a state taken as given.
    h, dh = 0.0, 0.0
    for t, x_t in enumerate(facts.x, 1):
        z = facts.W_xh * x_t + facts.W_hh * h
        dz = facts.W_hh * dh + (x_t if facts.parameter == "W_xh" else h)
        h, slope = (np.tanh(z), 1 - np.tanh(z) ** 2) if facts.activation == "tanh" else (z, 1.0)
        dh = slope * dz if t >= facts.steps - facts.back else 0.0
    return float(dh)


def jacobians(facts: Any, arrays: dict[str, Array]) -> Iterator[Array]:
    """∂(all states)_t/∂(all states)_{t−1} for t = 1 … T, by complex steps."""
    d_h, tiny = facts.setting.d_h, 1e-100
    names = ("h", "c") if facts.setting.cell == "lstm" else ("h",)
    state = np.concatenate([np.array(facts.h_0) if name == "h" else np.zeros(d_h) for name in names])
    x = np.array([facts.x])

    def stepped(before: Array) -> Array:
        given = {name: before[place * d_h : (place + 1) * d_h] for place, name in enumerate(names)}
        values = step_values(facts.setting, arrays, x, given)
        return np.concatenate([values[name] for name in names])

    for _ in range(facts.steps):
        columns = [stepped(state + 1j * tiny * unit).imag / tiny for unit in np.eye(len(state))]
        state = stepped(state)
        yield np.array(columns).T


def decay_answer(facts: Any, _: str) -> str:
    d_h = facts.setting.d_h
    block = slice(d_h, 2 * d_h) if facts.state == "c" else slice(0, d_h)
    product, size, logs = np.eye(d_h * (2 if facts.setting.cell == "lstm" else 1)), 0.0, [0.0]
    arrays = {symbol: np.array(values) for symbol, values in facts.weights}
    for jacobian in list(jacobians(facts, arrays))[:0:-1]:  # ∂h_T/∂h_1 is the last
        product = product @ jacobian
        norm = float(np.linalg.svd(product[block, block], compute_uv=False)[0])
        if norm == 0:
            return "vanishing"
        logs.append(size + float(np.log10(norm)))
        scale = float(np.abs(product).max())
        product, size = product / scale, size + float(np.log10(scale))
    lags = np.arange(len(logs))
    tail = slice(lags[-1] // 2, None)
    fitted = float(np.polyfit(lags[tail], logs[tail], 1)[0]) * float(lags[-1])
    # The verdict turns at a factor of 2; a question that is fair is not near it.
    assert abs(fitted) > np.log10(8) or abs(fitted) < np.log10(1.3)
    return "neither" if abs(fitted) < np.log10(2) else "vanishing" if fitted < 0 else "exploding"


ORACLES: dict[str, Callable[[Any, str], Shape | int | float | str]] = {
    "shape": shape_answer,
    "count": lambda facts, _: parameter_count(facts.setting),
    "transposed": transposed_answer,
    "step": step_answer,
    "output": output_answer,
    "h-n": last_states_answer,
    "mode": mode_answer,
    "norm": norm_answer,
    "decay": decay_answer,
    "truncation": truncation_answer,
}


def typed(answer: Shape | int | float | str) -> str:
    """The answer as somebody would type it who knows nothing of the question's own."""
    match answer:
        case tuple():
            return f"({', '.join(map(str, answer))}{',' if len(answer) == 1 else ''})"
        case _:
            return str(answer)


def wrong(answer: Shape | int | float | str) -> str | None:
    """Something near the answer that is wrong; None for a choice."""
    match answer:
        case tuple():
            return typed((answer[0] + 1, *answer[1:]))
        case int():
            return str(answer + 1)
        case float():
            return repr(answer + 0.2 * abs(answer) + 0.11)
        case _:
            return None


def stated(topic: str, facts: Any) -> set[float]:
    """The numbers of the facts that a question must state; sizes of 0 and 1 are said in words."""
    if topic == "mode":
        used = ("steps", "batch", "setting", *(("decoder_steps",) if facts.mode == "seq2seq" else ()))
        facts = tuple(getattr(facts, name) for name in used)
    elif topic == "h-n" and facts.asked == "row":
        facts = facts._replace(row=None)  # the answer
    return set(_numbers_in(facts))


def _numbers_in(facts: object) -> Iterator[float]:
    if isinstance(facts, tuple):
        for fact in facts:
            yield from _numbers_in(fact)
    elif isinstance(facts, float) or (isinstance(facts, int) and not isinstance(facts, bool) and facts > 1):
        yield float(facts)


def numbers_read(text: str) -> set[float]:
    for number, word in enumerate(("first", "second", "third"), 1):
        text = text.replace(f"the {word} unit", f"unit {number}")
    return set(map(float, re.findall(r"(?<![A-Za-z0-9.])-?\d+(?:\.\d+)?(?:e-?\d+)?", text.replace("−", "-"))))


def require_right(question: Question, answer: Shape | int | float | str) -> None:
    own: Any = question.expected
    match answer:
        case tuple():
            assert own.shape == answer
        case int():
            assert own.value == answer
        case float():
            assert own.value == pytest.approx(answer, rel=1e-9, abs=1e-12)
    assert own.judge(typed(answer)).right is True
    assert own.judge(own.written).right is True
    slip = wrong(answer)
    if slip is not None:
        assert own.judge(slip).right is False


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("topic", TOPICS)
def test_the_answer_is_that_of_an_oracle(topic: str, part: int) -> None:
    for seed in range(part, SEEDS, PARTS):
        question = question_at(seed, 1, (topic,))
        try:
            require_right(question, ORACLES[topic](question.facts, plain_text(question.prompt)))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {question.facts}") from error


@pytest.mark.parametrize("topic", TOPICS)
def test_the_question_states_all_its_numbers(topic: str) -> None:
    for seed in range(200):
        question = question_at(seed, 1, (topic,))
        text = plain_text(question.prompt)
        missing = stated(topic, question.facts) - numbers_read(text)
        assert not missing, f"seed {seed}: {missing} in {question.facts}\n{text}"
