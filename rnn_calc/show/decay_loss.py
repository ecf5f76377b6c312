"""The norms of a loss's gradient at every step → document, JSON, CSV, arrays and charts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import inf, isfinite, log10
from typing import NamedTuple

import numpy as np

from rnn_calc.core.loss_decay import LossDecay
from rnn_calc.core.losses import Loss
from rnn_calc.core.vocabulary import LOSSES, REDUCTIONS
from rnn_calc.core.weights import Array
from rnn_calc.show.charts import chart_figure
from rnn_calc.show.decay_data import finite, finite_numbers
from rnn_calc.show.decay_series import chosen_lags
from rnn_calc.show.document import Block, Column, Document, Magnitude, Table, Text, Value
from rnn_calc.show.format import short
from rnn_calc.show.output import View, json_object
from rnn_calc.show.picture import Chart, Curve, Picture

# More columns of logarithms beside their norms than these do not fit.
_FEW = 2


class LossDecayShown(NamedTuple):
    """Loss decays of networks side by side, and what a page needs beside their numbers.

    `places` are those of the shown layers and directions, as a trace holds them.
    """

    heading: Text
    notes: tuple[str, ...]
    labels: tuple[str, ...]
    decays: tuple[LossDecay, ...]
    places: tuple[int, ...]
    origin: str
    threshold: float


class _Series(NamedTuple):
    """One curve: log₁₀‖∂L/∂s_t‖ for t = 1 … T, or from the end for what reads from there; `symbol` is s."""

    label: str
    symbol: str
    log10_norms: Array
    back: Array


def loss_decay_view(shown: LossDecayShown) -> View:
    """The norms of ∂L/∂h_t in every format."""
    return View(
        "gradient-decay",
        partial(_document, shown),
        partial(_json, shown),
        partial(_csv, shown),
        partial(_arrays, shown),
        partial(_pictures, shown),
    )


def _series(shown: LossDecayShown) -> list[_Series]:
    found = []
    for label, decay in zip(shown.labels, shown.decays, strict=True):
        for place in shown.places:
            own = decay.layers[place]
            for name, norms in own.log10_norms.items():
                symbol = own.run.layer.symbol(name)
                called = f"∂L/∂{symbol}_t"
                if len(shown.labels) > 1:
                    called = label if len(shown.places) * len(own.log10_norms) == 1 else f"{called} ({label})"
                # From the step that was read last, which the gradient meets first.
                back = norms if own.run.layer.reverse else norms[::-1]
                found.append(_Series(called, symbol, norms, back))
    return found


def _document(shown: LossDecayShown) -> Document:
    series = _series(shown)
    blocks: list[Block] = [shown.heading, Text(shown.notes, "muted"), Text(tuple(_losses(shown)), title="The loss")]
    blocks.append(chart_figure(_chart(series)))
    blocks += [_table(series), _summary(shown, series)]
    blocks.append(Text(tuple(f"· {line}" for line in _meaning(shown)), title="What it means"))
    return Document(tuple(blocks))


def _losses(shown: LossDecayShown) -> Iterator[str]:
    loss = shown.decays[0].loss_function
    reduction = f", {REDUCTIONS[loss.reduction]}" if loss.takes_targets else ""
    yield f"L ({loss.kind}): {LOSSES[loss.kind]}{reduction}"
    for label, decay in zip(shown.labels, shown.decays, strict=True):
        yield f"L = {short(decay.loss, 6)}" + (f" ({label})" if len(shown.labels) > 1 else "")


def _chart(series: list[_Series]) -> Chart:
    symbols = {one.symbol for one in series}
    name = f"‖∂L/∂{symbols.pop() if len(symbols) == 1 else 's'}_t‖"
    curves = [Curve(one.label, np.arange(1.0, len(one.log10_norms) + 1), one.log10_norms, "norm") for one in series]
    return Chart("", "step t", name, tuple(curves), log10=True)


def _table(series: list[_Series]) -> Table:
    """The norms at some numbers of steps back."""
    T = len(series[0].back)
    columns = [Column("steps back", "index")]
    for one in series:
        columns.append(Column(one.label if len(series) > 1 else f"‖{one.label}‖", "number"))
        if len(series) <= _FEW:
            columns.append(Column(f"log₁₀ {one.label if len(series) > 1 else 'norm'}", "number"))
    rows = []
    for lag in [0, *chosen_lags(T - 1)]:
        row: list[Value] = [lag]
        for one in series:
            value = float(one.back[lag])
            row += [_norm(value), *([finite(value)] if len(series) <= _FEW else [])]
        rows.append(tuple(row))
    title = "The norm of the loss's gradient by the state, some steps back from the end"
    return Table(title, tuple(columns), tuple(rows))


def _summary(shown: LossDecayShown, series: list[_Series]) -> Table:
    columns = [Column("measured"), *(Column(one.label if len(series) > 1 else "value", "number") for one in series)]
    first, last = [float(one.back[-1]) for one in series], [float(one.back[0]) for one in series]
    T = len(series[0].back)
    largest = [float(one.back.max()) for one in series]
    rows: list[tuple[Value, ...]] = [
        ("norm where the way back begins", *map(_norm, last)),
        (f"norm {T - 1} steps back", *map(_norm, first)),
        ("largest norm", *map(_norm, largest)),
        ("mean factor a step back", *(_factor(one.back) for one in series)),
        (
            f"first under {shown.threshold:g} of the largest, steps back",
            *(_first_below(one.back, shown.threshold) for one in series),
        ),
    ]
    return Table("Measured", tuple(columns), tuple(rows))


def _norm(log10_norm: float) -> Value:
    """A norm by its logarithm; nothing where a NaN or an infinity was let through."""
    return Magnitude(log10_norm) if log10_norm < inf else None


def _factor(back: Array) -> Value:
    """The geometric mean of the factors from the end to the start; nothing where an end is exactly 0."""
    fall = float(back[-1]) - float(back[0]) if np.isfinite([back[0], back[-1]]).all() else inf
    return Magnitude(fall / (len(back) - 1)) if len(back) > 1 and isfinite(fall) else None


def _first_below(back: Array, threshold: float) -> str:
    """The first step back, after the largest norm, that is under that share of it."""
    peak = int(back.argmax())
    below = np.nonzero(back[peak:] < back[peak] + log10(threshold))[0]
    return str(peak + int(below[0])) if len(below) and isfinite(back[peak]) else "none"


def _meaning(shown: LossDecayShown) -> Iterator[str]:
    decay = shown.decays[0]
    steps = decay.trace.steps
    there = decay.loss_function.has_loss(steps)
    if int(there.sum()) == 1 and there[-1]:
        yield (
            "Only the last step has a loss, so ∂L/∂h_t is the vector ∂L/∂h_T times ∂h_T/∂h_t, and its norm is at most "
            "the product of theirs: one direction, while gradient-decay without --from-loss tells the largest of all."
        )
    else:
        yield (
            f"{int(there.sum()):,} of {steps:,} steps have a loss, and each adds its own gradient to ∂L/∂h_t: the "
            "short paths hide how the long ones fade. --loss last shows these alone; ‖∂h_T/∂h_t‖₂, without "
            "--from-loss, in all directions."
        )
    if len(decay.trace.layers) > 1:
        yield "Of a stack, ∂L/∂h_t takes in every path: through later steps and through the layers above."


# ---- data ----


def _loss_json(loss: Loss, value: float, origin: str) -> dict[str, object]:
    return {
        "kind": loss.kind,
        "reduction": loss.reduction if loss.takes_targets else None,
        "value": finite(value),
        "targets": origin or None,
    }


def _json(shown: LossDecayShown) -> Iterator[str]:
    head: dict[str, object] = {"notes": list(shown.notes), "steps": shown.decays[0].trace.steps, "from_loss": True}
    runs = [_decay_json(shown, decay) for decay in shown.decays]
    if len(runs) == 1:
        return json_object("gradient-decay", head | runs[0])
    labelled = [{"label": label, **run} for label, run in zip(shown.labels, runs, strict=True)]
    return json_object("gradient-decay", head | {"runs": labelled})


def _decay_json(shown: LossDecayShown, decay: LossDecay) -> dict[str, object]:
    layers = [decay.layers[place] for place in shown.places]
    return {
        "loss": _loss_json(decay.loss_function, decay.loss, shown.origin),
        "layers": [
            {
                "layer": own.run.layer.index + 1,
                "direction": "backward" if own.run.layer.reverse else "forward",
                "log10_norms": {name: finite_numbers(norms) for name, norms in own.log10_norms.items()},
            }
            for own in layers
        ],
    }


def _columns(shown: LossDecayShown) -> dict[str, Array]:
    """The norms in the order of time, by state; the network's label where there are several."""
    found: dict[str, Array] = {}
    for label, decay in zip(shown.labels, shown.decays, strict=True):
        end = f" ({label})" if len(shown.labels) > 1 else ""
        for place in shown.places:
            own = decay.layers[place]
            found |= {
                f"log10_norm dL/d{own.run.layer.symbol(name)}{end}": norms for name, norms in own.log10_norms.items()
            }
    return found


def _csv(shown: LossDecayShown) -> Iterator[tuple[object, ...]]:
    """A row a step in the order of time; the empty cell is an exact zero's."""
    columns = _columns(shown)
    yield ("t", *columns)
    for t in range(shown.decays[0].trace.steps):
        yield (t + 1, *(finite(float(norms[t])) for norms in columns.values()))


def _arrays(shown: LossDecayShown) -> dict[str, Array]:
    return _columns(shown)


def _pictures(shown: LossDecayShown) -> list[Picture]:
    return [_chart(_series(shown))]
