"""The norm of ∂h_T/∂h_{T−k}: what k steps make of a gradient."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnn_calc.core.decay import gradient_decay
from rnn_calc.core.trace import trace
from rnn_calc.core.weights import Array, make_weights
from rnn_calc.quiz.numbers import Mistake, NumberAnswer
from rnn_calc.quiz.question import Question
from rnn_calc.quiz.setting import Setting, Values, draw_tenths, nested, write_values
from rnn_calc.show.document import Block, Column, Table, Text, Value
from rnn_calc.show.format import short

_SLOPE_DIGITS = 2


class NormFacts(NamedTuple):
    """W_hh, how many steps there are and how many of them the gradient goes back, and the slopes of each step.

    `slopes` holds tanh′ of each unit at each step t = 1 … T, rounded as it is printed; it is empty for the linear
    network. With `log10` the base-10 logarithm of the norm is asked for.
    """

    W_hh: Values
    steps: int
    lag: int
    slopes: Values
    log10: bool


def make(rng: np.random.Generator, level: int) -> Question:
    """A question for a norm: of a linear network, or at level 3 of one whose slopes are given."""
    if level == 3:
        return _with_slopes(rng)
    log10 = level == 2 and rng.random() < 0.3
    if log10:
        W_hh, lag, why = draw_tenths(rng, 1, 1), int(rng.integers(40, 101)), "A number to a power: {w}^{lag}."
    elif level == 1:
        W_hh, lag, why = _draw_diagonal(rng, int(rng.integers(1, 3))), int(rng.integers(2, 5)), _DIAGONAL
    else:
        W_hh, why = _draw_plane(rng)
        lag = int(rng.integers(3, 11))
    steps = lag + 1 + int(rng.integers(5))
    facts = NormFacts(nested(W_hh), steps, lag, (), log10)
    network = Setting("xh", "rnn", 1, len(W_hh), activation="identity").network
    weights = make_weights(network, {"W_hh": W_hh})
    report = gradient_decay(trace(network, weights, np.zeros((steps, 1))))
    found = report.log10_norm(lag)
    least = float(np.abs(W_hh[W_hh != 0]).min())
    mistakes = (
        Mistake(10**found * 10 ** report.log10_norm(1), "That is one step too many."),
        Mistake(10 ** report.log10_norm(lag - 1), "That is one step too few."),
        Mistake(least**lag, "The norm goes by what is stretched most, not least."),
    )
    expected = NumberAnswer(found, 1) if log10 else NumberAnswer(10**found, 3, significant=True, mistakes=mistakes)
    power = np.linalg.matrix_power(W_hh, lag)
    said = why.format(w=short(float(abs(W_hh[0, 0]))), lag=lag, scale=short(float(np.linalg.norm(W_hh, 2))))
    return Question(
        "norm",
        level,
        facts,
        (
            Text(("A linear network: its activation is the identity.",)),
            Text(("h_t = W_hh h_{t-1} + W_xh x_t + b_h", f"W_hh = {write_values(facts.W_hh)}"), "math"),
            _asked(facts, expected),
        ),
        expected,
        (
            Text((f"∂h_T/∂h_{{T−{lag}}} = W_hh^{lag}" + ("" if log10 else f" = {_matrix(power)}"),), "math"),
            Text((said, _result(facts, found))),
        ),
    )


_DIAGONAL = "The norm is the largest absolute value on the diagonal, to the power {lag}."


def _draw_diagonal(rng: np.random.Generator, d_h: int) -> Array:
    """Numbers on a diagonal, the absolute values different and none of them 1."""
    values = rng.permutation([n for n in range(3, 16) if n != 10])[:d_h] / 10
    return np.diag(values * rng.choice([-1, 1], d_h))


def _draw_plane(rng: np.random.Generator) -> tuple[Array, str]:
    """A rotation that scales, or two units that feed each other."""
    if rng.random() < 0.5:
        # 3-4-5 triangles: a rotation whose numbers are exact.
        a, b = rng.permutation([0.6, 0.8])
        half = int(rng.choice([1, 2, 3, 4]))
        return np.round(np.array([[a, -b], [b, a]]) * half / 2, 1), (
            "A rotation, scaled: every step makes every vector {scale} times as long, {scale}^{lag} over all."
        )
    a, b = rng.permutation([n for n in range(3, 16) if n != 10])[:2] / 10
    signs = rng.choice([-1, 1], 2)
    return np.array([[0, signs[0] * a], [signs[1] * b, 0]]), (
        "Two units that feed each other: over two steps both are multiplied by the product of the two weights."
    )


def _matrix(values: Array) -> str:
    return write_values(nested(values))


def _asked(facts: NormFacts, expected: NumberAnswer) -> Text:
    norm = f"‖∂h_T/∂h_{{T−k}}‖, the largest singular value, for T = {facts.steps} and k = {facts.lag}"
    if facts.log10:
        return Text((f"What is the base-10 logarithm of {norm}, {expected.asked}?",))
    return Text((f"What is {norm}, {expected.asked}?",))


def _result(facts: NormFacts, log10_norm: float) -> str:
    if facts.log10:
        w = abs(np.array(facts.W_hh)).max()
        return f"{facts.lag}·log10({short(float(w))}) = {short(log10_norm, 3)}"
    return f"Its largest singular value is {10**log10_norm:.4g}."


def _with_slopes(rng: np.random.Generator) -> Question:
    """tanh: the Jacobian of a step is diag(tanh′) W_hh; W_hh is diagonal, so that each unit is by itself."""
    d_h = int(rng.integers(1, 3))
    lag = int(rng.integers(2, 5))
    steps = lag + int(rng.integers(1, 4))
    network = Setting("xh", "rnn", 1, d_h).network
    while True:
        W_hh = _draw_diagonal(rng, d_h)
        weights = make_weights(network, {"W_hh": W_hh, "W_xh": draw_tenths(rng, d_h, 1), "b_h": np.zeros(d_h)})
        run = trace(network, weights, draw_tenths(rng, steps, 1))
        slopes = np.round(1 - run.h**2, _SLOPE_DIGITS)
        if slopes.min() >= 0.1:
            break
    facts = NormFacts(nested(W_hh), steps, lag, nested(slopes), log10=False)
    factors = np.abs(np.diag(W_hh)) * slopes
    kept, early = factors[steps - lag :].prod(axis=0), factors[:lag].prod(axis=0)
    one_more = factors[steps - lag - 1 :].prod(axis=0)
    mistakes = (
        Mistake(float(early.max()), "Those are the slopes of the first steps: the last k of them count."),
        Mistake(float(one_more.max()), "That is one step too many: the slope of step T − k lies before h_{T−k}."),
        Mistake(float(np.abs(W_hh).max() ** lag), "That leaves out the slopes."),
    )
    expected = NumberAnswer(float(kept.max()), 3, significant=True, mistakes=mistakes)
    return Question(
        "norm",
        3,
        facts,
        (
            Text(("h_t = tanh(z_t), z_t = W_hh h_{t-1} + W_xh x_t + b_h", f"W_hh = {_matrix(W_hh)}"), "math"),
            _slopes_table(slopes),
            _asked(facts, expected),
        ),
        expected,
        _slopes_derivation(facts, np.diag(W_hh), slopes, kept),
    )


def _slopes_table(slopes: Array) -> Table:
    units = [Column("slope" if slopes.shape[1] == 1 else f"unit {u + 1}", "number") for u in range(slopes.shape[1])]
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (t, *(f"{slope:.{_SLOPE_DIGITS}f}" for slope in row)) for t, row in enumerate(slopes, 1)
    )
    return Table("The slopes tanh′(z_t)", (Column("t", "index"), *units), rows)


def _slopes_derivation(facts: NormFacts, diagonal: Array, slopes: Array, kept: Array) -> tuple[Block, ...]:
    first = facts.steps - facts.lag
    steps = [first + 1, facts.steps]
    lines = []
    for unit, w in enumerate(diagonal):
        factors = " · ".join(f"{abs(w):.1f}·{slope:.{_SLOPE_DIGITS}f}" for slope in slopes[first:, unit])
        name = f"unit {unit + 1}: " if len(diagonal) > 1 else ""
        lines.append(f"{name}{factors} = {kept[unit]:.4g}")
    said = [f"∂h_t/∂h_{{t-1}} = diag(tanh′(z_t)) W_hh, for t = {steps[0]} … {steps[1]}."]
    if len(diagonal) > 1:
        said.append("W_hh is diagonal, so the norm is the larger product.")
    return Text(tuple(said)), Text(tuple(lines), "math")
