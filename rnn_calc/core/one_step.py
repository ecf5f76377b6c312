"""One step cut out of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from rnn_calc.core.inputs import States
from rnn_calc.core.layer_trace import LayerTrace
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array


class OneStep(NamedTuple):
    """The trace of one step alone, with the states that the whole run began with, and how many steps that has."""

    trace: Trace
    total: int


def find_step(parts: Iterable[Trace], t: int, total: int | None) -> OneStep | None:
    """The step t (counted from 1) of a run that comes in parts; none where it has no such step.

    Parts that follow it are made only where `total` is not known and must be counted.
    """
    found, initial, last = None, None, 0
    for part in parts:
        initial = initial or part.initial
        last = part.first + part.steps - 1
        if found is None and part.first <= t <= last:
            found = _cut(part, t - part.first, initial)
        if found is not None and total is not None:
            break
    return None if found is None else OneStep(found, total or last)


def _cut(part: Trace, index: int, initial: States) -> Trace:
    """The trace of the step at an index alone."""
    step = slice(index, index + 1)
    return replace(
        part,
        x=part.x[step],
        layers=tuple(_cut_layer(run, step, own) for run, own in zip(part.layers, initial, strict=True)),
        outputs=tuple(output[step] for output in part.outputs),
        y=None if part.y is None else part.y[step],
        tokens=None if part.tokens is None else part.tokens[step],
        first=part.first + index,
    )


def _cut_layer(run: LayerTrace, step: slice, initial: dict[str, Array]) -> LayerTrace:
    # Of a single step, the order in which a layer reads is that of time.
    return replace(run, values=run.in_time.block(step), initial=initial)
