"""What truncated backpropagation through time keeps: which steps, how many pieces, and which number."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnn_calc.core.lag_shares import lag_gradients
from rnn_calc.core.losses import Loss
from rnn_calc.core.trace import Trace, trace
from rnn_calc.core.weights import Array, make_weights
from rnn_calc.quiz.numbers import CountAnswer, Mistake, NumberAnswer
from rnn_calc.quiz.question import Question
from rnn_calc.quiz.setting import Setting, draw_tenths, numbers_of, write_values
from rnn_calc.show.document import Block, Column, Table, Text
from rnn_calc.show.format import plural, short

_DIGITS = (2, 3, 3)


class TruncationFacts(NamedTuple):
    """`asked` is first (the first step that still counts), pieces, reach (how far a loss goes back) or gradient.

    Of `steps` steps the gradient goes `back` steps back, or the sequence is cut into pieces of `back`; `at` is the step
    whose loss is asked about. The rest is the scalar network of a gradient, and the parameter that it is by.
    """

    asked: str
    steps: int
    back: int
    at: int
    activation: str = ""
    W_xh: float = 0
    W_hh: float = 0
    x: tuple[float, ...] = ()
    parameter: str = ""


def make(rng: np.random.Generator, level: int) -> Question:
    """A question for steps or pieces, or from level 1 on for a number of a scalar network."""
    kinds = (["first", "pieces", "gradient"], ["reach", "gradient", "gradient"], ["gradient"])[level - 1]
    asked = str(rng.choice(kinds))
    if asked == "gradient":
        return _gradient(rng, level)
    if asked == "first":
        return _first(rng, level)
    return _cut(rng, level, asked)


def _first(rng: np.random.Generator, level: int) -> Question:
    steps = int(rng.integers(5, 31))
    back = int(rng.integers(1, steps - 1))
    # Whatever the weights: no path of a linear network is 0.
    run = _run("identity", 0.5, 0.5, np.ones(steps))
    kept = [
        own.lag for own in lag_gradients(run, Loss("last")) if own.lag <= back and own.gradients["W_xh"].array.any()
    ]
    first, dropped = steps - max(kept), steps - len(kept)
    mistake = Mistake(first + 1, "One step more: h_T itself is no step back, so lags 0 to k are kept.")
    asked = (
        f"A network reads T = {steps} steps; there is a loss at the last step only. Backpropagation is truncated: it "
        f"goes k = {plural(back, 'step')} back.",
        "Which is the first step t whose input x_t still counts in the gradient of W_xh?",
    )
    said = (
        f"Going back {plural(back, 'step')} keeps lags 0 to {max(kept)}: steps T − lag from {steps} down to "
        f"{steps} − {max(kept)} = {first}. What {plural(dropped, 'step')} before that would add is dropped."
    )
    facts, expected = TruncationFacts("first", steps, back, steps), CountAnswer(first, (mistake,))
    return Question("truncation", level, facts, (Text(asked),), expected, (Text((said,)),))


def _cut(rng: np.random.Generator, level: int, asked: str) -> Question:
    steps, back = int(rng.integers(20, 301)), int(rng.integers(3, 20))
    at = int(rng.integers(2, steps + 1))
    pieces, reach = -(-steps // back), (at - 1) % back
    given = (
        f"A sequence of T = {steps} steps is cut into pieces of {back} steps; states are carried over, gradients stop "
        "at the start of a piece."
    )
    if asked == "pieces":
        question = "How many pieces are there?"
        said = f"{steps} / {back} = {short(steps / back)}: {pieces} pieces"
        said += (
            f", the last one of {plural(steps - (pieces - 1) * back, 'step')}."
            if steps % back
            else ", all of them full."
        )
        expected = CountAnswer(pieces, (Mistake(steps // back, "The rest is a piece too."),) if steps % back else ())
    else:
        question = f"How many steps back does the gradient of the loss at step {at} go?"
        start = at - reach
        said = f"Step {at} lies in the piece that begins at step {start}: {at} − {start} = {reach} steps back."
        expected = CountAnswer(
            reach, (Mistake(reach + 1, "That counts the step itself; from it no step is gone yet."),)
        )
    facts = TruncationFacts(asked, steps, back, steps if asked == "pieces" else at)
    return Question("truncation", level, facts, (Text((given, question)),), expected, (Text((said,)),))


def _run(activation: str, W_xh: float, W_hh: float, x: Array) -> Trace:
    """The scalar network, from h_0 = 0, without a bias."""
    network = Setting("xh", "rnn", 1, 1, activation=activation).network
    given = {"W_xh": np.array([[W_xh]]), "W_hh": np.array([[W_hh]]), "b_h": np.zeros(1)}
    return trace(network, make_weights(network, given), x[:, None])


def _gradient(rng: np.random.Generator, level: int) -> Question:
    """The truncated derivative of h_T by a weight of the scalar network: lags 0 to k of all that there are."""
    while True:
        facts = _draw_network(rng, level)
        run = _run(facts.activation, facts.W_xh, facts.W_hh, np.array(facts.x))
        shares = [float(own.gradients[facts.parameter].array[0, 0]) for own in lag_gradients(run, Loss("last"))]
        kept, digits = sum(shares[: facts.back + 1]), _DIGITS[level - 1]
        mistakes = (
            Mistake(sum(shares), "That is the full gradient; what lies further back than k steps is dropped."),
            Mistake(sum(shares[: facts.back]), "That stops one step early: going back k steps keeps lags 0 to k."),
            Mistake(sum(shares[: facts.back + 2]), "That goes one step too far back."),
        )
        # Who truncates elsewhere, or not at all, must not get the same digits.
        if min(abs(mistake.value - kept) for mistake in mistakes) > 5 * 10**-digits:
            break
    expected = NumberAnswer(kept, digits, mistakes=mistakes)
    return Question("truncation", level, facts, _prompt(facts, expected), expected, _derivation(facts, run, shares))


def _draw_network(rng: np.random.Generator, level: int) -> TruncationFacts:
    activation, steps = ("identity", "identity", "tanh")[level - 1], int(rng.integers(4, 7 if level == 2 else 5))
    parameter = "W_xh" if level == 1 or rng.random() < 0.6 else "W_hh"
    # h_0 = 0 makes W_hh's longest lag 0, which must not be all that is dropped.
    back = int(rng.integers(1, 2 if level == 1 else steps - 1 - (parameter == "W_hh")))
    W_xh, W_hh = (float(w) for w in draw_tenths(rng, 2))
    x = rng.choice([-2.0, -1.0, 1.0, 2.0, 3.0], steps) if level < 3 else draw_tenths(rng, steps)
    return TruncationFacts("gradient", steps, back, steps, activation, W_xh, W_hh, numbers_of(x), parameter)


def _prompt(facts: TruncationFacts, expected: NumberAnswer) -> tuple[Block, ...]:
    z = "W_xh x_t + W_hh h_{t-1}"
    given = (
        f"h_t = {z if facts.activation == 'identity' else f'tanh({z})'}, h_0 = 0",
        f"W_xh = {short(facts.W_xh)}, W_hh = {short(facts.W_hh)}",
        f"x_1 … x_{facts.steps} = {write_values(facts.x)}",
    )
    asked = (
        f"The loss is L = h_{facts.steps}. Backpropagation through time is truncated: it goes k = "
        f"{plural(facts.back, 'step')} back. What is ∂L/∂{facts.parameter}, {expected.asked}?"
    )
    return Text(given, "math"), Text((asked,))


def _derivation(facts: TruncationFacts, run: Trace, shares: list[float]) -> tuple[Block, ...]:
    """What each lag adds: the slopes and weights on the way, times what the weight is multiplied by."""
    states = [0.0, *(float(h) for h in run.h[:, 0])]
    slopes = [1.0] * (facts.steps + 1) if facts.activation == "identity" else [1 - h * h for h in states]
    rows = []
    for lag, share in enumerate(shares):
        t = facts.steps - lag
        factor = facts.x[t - 1] if facts.parameter == "W_xh" else states[t - 1]
        way = [_bracketed(slopes[s]) for s in range(t, facts.steps + 1) if facts.activation != "identity"]
        way += [f"{_bracketed(facts.W_hh)}^{lag}"] if lag else []
        product = "·".join([*way, _bracketed(factor)])
        rows.append((lag, t, product, share, "kept" if lag <= facts.back else "dropped"))
    columns = (
        *(Column("lag", "index"), Column("t", "index"), Column("product", "math")),
        *(Column("adds", "number"), Column("")),
    )
    factor_name = "x_t" if facts.parameter == "W_xh" else "h_{t-1}"
    way_name = "W_hh^lag" if facts.activation == "identity" else "the slopes 1 − h² of t … T, W_hh^lag"
    total = sum(shares[: facts.back + 1])
    lines = []
    if facts.activation != "identity" or facts.parameter == "W_hh":
        lines.append(f"h_1 … h_{facts.steps} = {write_values(tuple(states[1:]))}")
    if facts.activation != "identity":
        lines.append(f"1 − h_t² = {write_values(tuple(slopes[1:]))}")
    return (
        Text((f"Each lag adds {way_name} and {factor_name}, multiplied.",)),
        *([Text(tuple(lines), "math")] if lines else []),
        Table("What each lag adds", columns, tuple(rows)),
        Text((f"Lags 0 to {facts.back} add up to {short(total)}; all of them to {short(sum(shares))}.",)),
    )


def _bracketed(value: float) -> str:
    return f"({short(value)})" if value < 0 else short(value)
