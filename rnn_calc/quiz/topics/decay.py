"""Vanishing, exploding or neither: what a gradient does in a network that is shown."""

from __future__ import annotations

from collections.abc import Callable
from math import isinf, log10
from typing import NamedTuple

import numpy as np

from rnn_calc.core.decay import Decay, DecayReport, gradient_decay
from rnn_calc.core.notation import Notation
from rnn_calc.core.trace import Trace, trace
from rnn_calc.core.weights import Array, make_weights
from rnn_calc.quiz.answers import ChoiceAnswer
from rnn_calc.quiz.question import Question
from rnn_calc.quiz.setting import Setting, Values, draw_tenths, equations_of, nested, numbers_of, write_values
from rnn_calc.show.document import Block, Column, Magnitude, Table, Text
from rnn_calc.show.format import power_of_ten, vector
from rnn_calc.show.theory import theory_of, write_block

CHOICES = ("vanishing", "exploding", "neither")

# A verdict turns at a factor of 2; what is asked is beyond 10, or within 1.25.
_CLEAR, _LEVEL = 1.0, 0.1


class DecayFacts(NamedTuple):
    """A network with its arrays under the convention's symbols, its first state, the input of every step, and T.

    `state` is the one whose gradient is asked about: h, or c of an LSTM.
    """

    setting: Setting
    weights: tuple[tuple[str, Values], ...]
    h_0: tuple[float, ...]
    x: float
    steps: int
    state: str


class _Drawn(NamedTuple):
    """A network that might be asked about."""

    setting: Setting
    arrays: dict[str, Array]
    h_0: Array
    x: float
    state: str = "h"


def make(rng: np.random.Generator, level: int) -> Question:
    """A question for the verdict on a network, each as often as the others."""
    wanted = int(rng.integers(len(CHOICES)))
    families = _FAMILIES[level - 1][wanted]
    steps = 10 * int(rng.integers(2, 6))
    while True:
        drawn = families[int(rng.integers(len(families)))](rng)
        run, report = _measured(drawn, steps)
        decay = _asked_about(report, drawn)
        if _clear_verdict(decay) == wanted:
            break
    stored = tuple((name, nested(array)) for name, array in drawn.arrays.items())
    facts = DecayFacts(drawn.setting, stored, numbers_of(drawn.h_0), drawn.x, steps, drawn.state)
    expected = ChoiceAnswer(CHOICES, wanted)
    notation = Notation(drawn.setting.network)
    block = write_block(report.layer, drawn.state)
    asked = Text(
        (
            f"What does ‖{block}‖ do from lag 1 to lag {steps - 1}? Answer neither where at the "
            "fitted rate it neither halves nor doubles over these lags.",
        )
    )
    return Question(
        "decay",
        level,
        facts,
        (*_given(facts, notation), asked, expected.block),
        expected,
        (*_one_step(facts, run.h), *_derivation(report, decay, block)),
    )


def _measured(drawn: _Drawn, steps: int) -> tuple[Trace, DecayReport]:
    network = drawn.setting.network
    weights = make_weights(network, drawn.arrays)
    run = trace(network, weights, np.full((steps, 1), drawn.x), {"h": drawn.h_0})
    return run, gradient_decay(run)


def _asked_about(report: DecayReport, drawn: _Drawn) -> Decay:
    return next(decay for decay in report.decays if decay.state == drawn.state)


def _clear_verdict(decay: Decay) -> int | None:
    """The index of the program's own verdict, None where another network would make a better question."""
    longest = decay.lags[-1]
    end = decay.log10_norm(longest)
    fitted = longest * log10(decay.rate_per_step) if decay.rate_per_step > 0 else -np.inf
    verdict = {"vanishing": 0, "exploding": 1, "steady": 2}[decay.verdict]
    clear = (
        max(end, fitted) < -_CLEAR,
        min(end, fitted) > _CLEAR and end < 12,
        max(abs(end), abs(fitted)) < _LEVEL,
    )[verdict]
    return verdict if clear else None


# Networks. All of them have one input, and say what their arrays are.


def _plain(activation: str, W_hh: Array, h_0: Array | None = None, x: float = 0.0, W_xh: Array | None = None) -> _Drawn:
    d_h = len(W_hh)
    arrays = {"W_xh": np.ones((d_h, 1)) if W_xh is None else W_xh, "W_hh": W_hh, "b_h": np.zeros(d_h)}
    setting = Setting("xh", "rnn", 1, d_h, activation=activation)
    return _Drawn(setting, arrays, np.zeros(d_h) if h_0 is None else h_0, x)


def _scalar(rng: np.random.Generator) -> Array:
    return draw_tenths(rng, 1, 1, most=14)


def _diagonal(rng: np.random.Generator) -> Array:
    """Two units by themselves, or one of which also feeds the other."""
    W = np.diag(draw_tenths(rng, 2, least=-12, most=12))
    W[0, 1] = float(draw_tenths(rng, 1)[0]) if rng.random() < 0.5 else 0.0
    return W


def _rotation(rng: np.random.Generator) -> Array:
    """A rotation by the angle of a 3-4-5 triangle, or by a quarter, scaled: its numbers are exact."""
    scale = float(rng.choice([0.5, 1.0, 1.5]))
    a, b = (float(n) for n in ([0.6, 0.8], [0.8, 0.6], [0.0, 1.0])[int(rng.integers(3))])
    return np.round(np.array([[a, -b], [b, a]]) * scale, 1) + 0.0


def _level(rng: np.random.Generator) -> Array:
    """A rotation, an exchange, or a unit that keeps its value beside one that fades: the largest factor is 1."""
    if rng.random() < 0.4:
        a, b = ([0.6, 0.8], [0.8, 0.6], [0.0, 1.0])[int(rng.integers(3))]
        return np.array([[a, -b], [b, a]])
    if rng.random() < 0.5:
        return np.array([[0.0, 1.0], [1.0, 0.0]]) * float(rng.choice([-1.0, 1.0]))
    return np.diag(rng.permutation([float(rng.choice([-1.0, 1.0])), float(draw_tenths(rng, 1, most=8)[0])]))


def _linear(matrix: Callable[[np.random.Generator], Array], activation: str = "identity") -> _Family:
    """From h_0 = 0 and without inputs tanh and ReLU's slope at 0 are met too."""
    return lambda rng: _plain(activation, matrix(rng))


def _saturated(rng: np.random.Generator) -> _Drawn:
    """Weights beyond 1 with states so large that tanh is flat."""
    d_h = int(rng.integers(1, 3))
    W = np.diag(rng.integers(15, 41, d_h) / 10)
    if rng.random() < 0.5:
        return _plain("tanh", W, h_0=np.full(d_h, float(rng.choice([-0.5, 0.5]))))
    return _plain("tanh", W, x=float(rng.choice([1.0, 2.0])), W_xh=draw_tenths(rng, d_h, 1, least=5))


def _lopsided(rng: np.random.Generator) -> _Drawn:
    """A triangular matrix: its eigenvalues are below 1, and one large weight makes the norm grow at first."""
    a = float(rng.choice([0.5, 0.6, 0.7, 0.8]))
    return _plain(str(rng.choice(["identity", "tanh"])), np.array([[a, float(rng.integers(2, 10))], [0.0, a]]))


def _nilpotent(rng: np.random.Generator) -> _Drawn:
    return _plain("identity", np.array([[0.0, float(rng.integers(2, 100))], [0.0, 0.0]]))


def _relu(rng: np.random.Generator) -> _Drawn:
    """All states positive, and ReLU is the identity; all of them negative, and it is 0."""
    W = np.diag(rng.choice([0.5, 0.8, 1.0, 1.2, 1.5], 2))
    return _plain("relu", W, x=float(rng.choice([-1.0, 1.0])))


def _forget_gate(rng: np.random.Generator) -> _Drawn:
    """An LSTM of one unit, whose forget gate is where its bias puts it."""
    return _gated(rng, "lstm", "b_f", float(rng.choice([-2.0, -1.0, 0.0, 1.0, 2.0, 7.0, 8.0])), "c")


def _update_gate(rng: np.random.Generator) -> _Drawn:
    return _gated(rng, "gru", "b_z", float(rng.choice([-2.0, -1.0, 0.0, 1.0, 7.0, 8.0])), "h")


def _strong_candidate(rng: np.random.Generator) -> _Drawn:
    """A GRU of one unit that stays at 0, where its candidate passes on more than it gets."""
    drawn = _gated(rng, "gru", "b_z", float(rng.choice([-2.0, -1.0])), "h")
    drawn.arrays["W_hn"] = np.array([[float(rng.integers(2, 7))]])
    return drawn._replace(x=0.0)


def _gated(rng: np.random.Generator, cell: str, bias: str, value: float, state: str) -> _Drawn:
    setting = Setting("xh", cell, 1, 1)
    network = setting.network
    arrays = {}
    for p in network.parameters:
        arrays[p.name] = draw_tenths(rng, *network.shape(p), least=-3, most=3) if p.is_matrix else np.zeros(1)
    arrays[bias] = np.array([value])
    return _Drawn(setting, arrays, np.zeros(1), float(rng.choice([0.0, 0.5])), state)


_Family = Callable[[np.random.Generator], _Drawn]

# For each level, families that often give the first, second and third of the verdicts.
_FAMILIES: tuple[tuple[tuple[_Family, ...], ...], ...] = (
    (
        (_linear(_scalar), _linear(_diagonal), _linear(_rotation)),
        (_linear(_scalar), _linear(_diagonal), _linear(_rotation)),
        (_linear(_level),),
    ),
    (
        (_saturated, _saturated, _linear(_diagonal, "tanh"), _linear(_rotation, "tanh"), _relu),
        (_linear(_diagonal, "tanh"), _linear(_rotation, "tanh"), _relu),
        (_linear(_level, "tanh"), _relu),
    ),
    (
        (_forget_gate, _update_gate, _saturated, _lopsided, _nilpotent),
        (_strong_candidate, _strong_candidate, _linear(_diagonal, "tanh"), _relu),
        (_forget_gate, _update_gate, _linear(_level, "tanh")),
    ),
)


def _given(facts: DecayFacts, notation: Notation) -> tuple[Block, ...]:
    zero = [symbol for symbol, values in facts.weights if not np.any(values)]
    lines = [f"{symbol} = {write_values(values)}" for symbol, values in facts.weights if symbol not in zero]
    if zero:
        lines.append(f"{' = '.join(zero)} = 0")
    firsts = " = ".join(f"{name}_0" for name in notation.network.cell.state)
    start = f"h_0 = {write_values(facts.h_0)}" if any(facts.h_0) else f"{firsts} = 0"
    lines.append(start)
    inputs = Text((f"Every input x_t is {facts.x:g}, over T = {facts.steps} steps.",))
    return (*facts.setting.described(notation)[:1], equations_of(notation), Text(tuple(lines), "math"), inputs)


def _one_step(facts: DecayFacts, h: Array) -> tuple[Block, ...]:
    """What a step of a network without gates multiplies the gradient by, with its numbers; of gates theory tells."""
    if facts.setting.cell != "rnn":
        return ()
    rule, slopes = {
        "identity": ("1", np.ones_like(h)),
        "tanh": ("1 − h_t²", 1 - h**2),
        "relu": ("1 where z_t > 0, else 0", np.where(h > 0, 1.0, 0.0)),
    }[facts.setting.activation]
    first, last = vector(slopes[0]), vector(slopes[-1])
    factor = write_values(nested(slopes[-1][:, None] * np.array(dict(facts.weights)["W_hh"])))
    if (slopes == slopes[-1]).all():
        where, step = f"{last} at every step", f"∂h_T/∂h_{{T−lag}} = {factor}^lag"
    else:
        where, step = f"{first} at t = 1, {last} at t = {facts.steps}", f"∂h_T/∂h_{{T−1}} = {factor}"
    slope = rule if rule == "1" else f"{rule}: {where}"
    return (
        Text(("∂h_t/∂h_{t-1} = diag(φ′(z_t)) W_hh",), "math"),
        Text((f"The slope φ′(z_t) is {slope}.",)),
        Text((step,), "math"),
    )


def _derivation(report: DecayReport, decay: Decay, block: str) -> tuple[Block, ...]:
    longest = decay.lags[-1]
    lags = [lag for lag in (1, 2, 3, 5, 10, 20, longest) if lag <= longest]
    rows = tuple((lag, Magnitude(decay.log10_norm(lag))) for lag in dict.fromkeys(lags))
    said = [f"· {sentence}" for sentence in theory_of(report)]
    if isinf(decay.log10_norm(longest)):
        trend = "it becomes exactly 0"
    else:
        rate = decay.rate_per_step
        trend = f"a factor of {rate:.4g} a step over the longer half of the lags, "
        trend += f"{power_of_ten(longest * log10(rate))} over {longest}"
    verdict = decay.verdict if decay.verdict != "steady" else "steady, neither vanishing nor exploding"
    return (
        Table("Measured", (Column("lag", "index"), Column(f"‖{block}‖", "number", "math")), rows),
        Text((f"{verdict.capitalize()}: {trend}.", *said)),
    )
