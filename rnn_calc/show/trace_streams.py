"""Traces for programs: JSON and CSV as streams, one block of steps after the other, and arrays for .npz."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.equations import Equation
from rnn_calc.core.layer_trace import LayerTrace
from rnn_calc.core.notation import Notation
from rnn_calc.core.storage import write_arrays
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array
from rnn_calc.show.expected import expectations_json

if TYPE_CHECKING:
    from rnn_calc.core.expectations import Expectation


def _finite(values: Array) -> list[float | None]:
    """The values for JSON, which has no NaN and no infinity: those are null."""
    plain: list[float | None] = values.tolist()
    return plain if np.isfinite(values).all() else [v if v is not None and isfinite(v) else None for v in plain]


def _inner(trace: Trace) -> tuple[LayerTrace, ...]:
    """The runs that do not stand at the top level of a step: all but an upper layer with one direction."""
    return trace.layers if trace.network.bidirectional else trace.layers[:-1]


def _states(run: LayerTrace) -> list[tuple[Equation, Array]]:
    """The states of a run after each step, h first."""
    by_name = {equation.name: equation for equation in run.layer.equations}
    return [(by_name[name], run.in_time.now[name]) for name in run.layer.state]


def _terms(run: LayerTrace, notation: Notation) -> dict[str, Array]:
    return {notation.write(expression): values for expression, values in run.terms}


def _place(run: LayerTrace) -> dict[str, object]:
    return {"layer": run.layer.index + 1, "direction": "backward" if run.layer.reverse else "forward"}


# JSON


def trace_json(
    blocks: Callable[[], Iterable[Trace]],
    notation: Notation,
    labels: tuple[str, ...],
    notes: tuple[str, ...],
    expectations: tuple[Expectation, ...],
) -> Iterator[str]:
    """One object: what came before the first step, then the steps as they are made."""
    for number, trace in enumerate(blocks()):
        if number == 0:
            head = {
                "schema": 1,
                "command": "trace",
                "convention": notation.convention.name,
                "notes": list(notes),
                **_first_states(trace),
            }
            yield json.dumps(head)[:-1] + ', "steps": ['
        for index, step in enumerate(_json_steps(trace, notation, labels)):
            yield (", " if number or index else "") + step
    tail = expectations_json(expectations)
    yield (
        "]"
        + "".join(f", {json.dumps(name)}: {json.dumps(value, allow_nan=False)}" for name, value in tail.items())
        + "}"
    )


def _first_states(trace: Trace) -> dict[str, object]:
    """h0 and c0 of the top layer, and of those below it."""
    head: dict[str, object] = {"h0": _finite(trace.h0)}
    if (c0 := trace.c0) is not None:
        head["c0"] = _finite(c0)
    if inner := _inner(trace):
        head["layers"] = [
            {**_place(run), **{f"{name}0": _finite(state) for name, state in run.initial.items()}} for run in inner
        ]
    return head


def _json_steps(trace: Trace, notation: Notation, labels: tuple[str, ...]) -> Iterator[str]:
    top = {} if trace.network.bidirectional else _terms(trace.top[0], notation)
    inner = [
        (_place(run), {equation.name: values for equation, values in _states(run)}, _terms(run, notation))
        for run in _inner(trace)
    ]
    c = trace.c
    for index in range(trace.steps):
        t = trace.first + index
        step: dict[str, object] = {"t": t}
        if labels:
            step["word"] = labels[t - 1]
        if trace.tokens is not None:
            step["token"] = int(trace.tokens[index])
        step |= {"x": _finite(trace.x[index]), "h": _finite(trace.h[index])}
        if c is not None:
            step["c"] = _finite(c[index])
        step |= {"y": None if trace.y is None else _finite(trace.y[index]), "terms": _at(top, index)}
        if inner:
            step["layers"] = [{**place, **_at(own, index), "terms": _at(terms, index)} for place, own, terms in inner]
        yield json.dumps(step, allow_nan=False)


def _at(columns: Mapping[str, Array], index: int) -> dict[str, object]:
    return {symbol: _finite(values[index]) for symbol, values in columns.items()}


# CSV


def trace_csv(
    blocks: Callable[[], Iterable[Trace]], notation: Notation, labels: tuple[str, ...]
) -> Iterator[Iterable[object]]:
    """A header, and a row a step."""
    for index, trace in enumerate(blocks()):
        columns = _csv_columns(trace, notation)
        if index == 0:
            names = [f"{name}[{unit + 1}]" for name, values in columns.items() for unit in range(values.shape[-1])]
            words, tokens = ["word"] if labels else [], ["token"] if trace.tokens is not None else []
            yield ("t", *words, *tokens, *names)
        table = np.hstack(list(columns.values()))
        for position, row in enumerate(table.tolist()):
            t = trace.first + position
            word = (labels[t - 1],) if labels else ()
            token = (int(trace.tokens[position]),) if trace.tokens is not None else ()
            yield (t, *word, *token, *row)


def _csv_columns(trace: Trace, notation: Notation) -> dict[str, Array]:
    columns = {"x": trace.x}
    for run in _inner(trace):
        columns |= _terms(run, notation)
        columns |= {notation.vector(equation): values for equation, values in _states(run)}
    if not trace.network.bidirectional:
        columns |= _terms(trace.top[0], notation)
    columns["h"] = trace.h
    if (c := trace.c) is not None:
        columns["c"] = c
    if trace.y is not None:
        columns["y"] = trace.y
    return columns


# Arrays


def trace_arrays(trace: Trace, notation: Notation) -> Mapping[str, NDArray[Any]]:
    """For .npz: everything under its symbol; the states come first, and are what .npy holds."""
    arrays: dict[str, NDArray[Any]] = {"h": trace.h, "h0": trace.h0}
    if (c0 := trace.c0) is not None:
        arrays["c0"] = c0
    if trace.tokens is not None:
        arrays["token"] = trace.tokens
    for run in _inner(trace):
        mark = f"^{run.layer.mark}" if run.layer.mark else ""
        arrays |= {f"{name}0{mark}": state for name, state in run.initial.items()}
    return (
        arrays | _csv_columns(trace, notation) | write_arrays(trace.network, notation.convention, trace.weights.arrays)
    )
