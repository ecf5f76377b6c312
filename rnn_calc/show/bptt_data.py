"""Backpropagation for programs: JSON, CSV (a row a step), and the gradients as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import degrees, isfinite

import numpy as np

from rnn_calc.core.backward import Scaled
from rnn_calc.core.gradients import LayerGradients
from rnn_calc.core.stages import Layer
from rnn_calc.core.stored_gradients import LagShares
from rnn_calc.core.weights import Array
from rnn_calc.show.bptt_report import Bptt
from rnn_calc.show.gradient_check import check_json
from rnn_calc.show.output import json_object
from rnn_calc.show.paths import path_json


def bptt_json(shown: Bptt) -> Iterator[str]:
    """One object; steps count from 1 in the order of time, and arrays are stored as the convention stores them."""
    found, loss = shown.gradients, shown.gradients.loss_function
    content: dict[str, object] = {
        "convention": shown.notation.convention.name,
        "notes": list(shown.notes),
        "loss": {
            "kind": loss.kind,
            "reduction": loss.reduction if loss.takes_targets else None,
            "value": found.loss,
            "targets": shown.origin or None,
        },
        "steps": [
            {"t": t + 1, "loss": float(found.losses[t]), "output_gradient": found.outputs_gradient[t].tolist()}
            for t in range(shown.steps)
        ],
        "layers": [_layer_json(own) for own in found.layers],
        "gradients": [_gradient_json(shown, place) for place in range(len(shown.stored))],
        "together": {
            "log10_norm": _number(shown.together[0]),
            "step_shares": _numbers(shown.together[1]),
            "step_log10_norms": _numbers(shown.together[2]),
            **({} if shown.all_lags is None else _lags_json(shown.all_lags, shown.truncations)),
        },
    }
    if shown.clipping:
        clipping = shown.clipping
        content["clip"] = {
            "limit": clipping.limit,
            "log10_norm_before": _number(clipping.log10_before),
            "factor": clipping.factor,
            "log10_factor": _number(clipping.log10_factor),
            "log10_norm_after": _number(clipping.log10_after),
        }
    if shown.check:
        content["check"] = check_json(shown.check, shown.notation, shown.unchecked)
    if shown.path:
        content["path"] = path_json(shown.path)
    return json_object("bptt", content)


def _number(value: float) -> float | None:
    return value if isfinite(value) else None


def _numbers(values: Array) -> list[float | None]:
    return [_number(value) for value in values.tolist()]


def _nested(array: Array) -> object:
    """Nested lists; null where an entry is beyond float64."""
    return _numbers(array) if array.ndim == 1 else [_nested(row) for row in array]


def _place(layer: Layer) -> dict[str, object]:
    return {"layer": layer.index + 1, "direction": "backward" if layer.reverse else "forward"}


def _in_time(own: LayerGradients) -> tuple[dict[str, Scaled], Scaled]:
    """The derivatives by the states, and the part from outside, in the order of time."""
    turn = slice(None, None, -1) if own.run.layer.reverse else slice(None)
    return {name: scaled[turn] for name, scaled in own.states.items()}, own.local[turn]


def _layer_json(own: LayerGradients) -> dict[str, object]:
    states, local = _in_time(own)
    return {
        **_place(own.run.layer),
        "local": _nested(local.plain),
        "states": {name: _nested(scaled.plain) for name, scaled in states.items()},
        "log10_norms": {name: _numbers(scaled.log10_norms) for name, scaled in states.items()},
    }


def _gradient_json(shown: Bptt, place: int) -> dict[str, object]:
    own = shown.stored[place]
    zero = {"zero": True} if own.log10_norm == -np.inf else {}
    lags = shown.stored_lags.get(own.symbol)
    return {
        "symbol": own.symbol,
        "shape": list(own.array.shape),
        "log10_norm": _number(own.log10_norm),
        **zero,
        "values": _nested(own.array),
        "step_shares": _numbers(own.step_shares),
        "step_log10_norms": _numbers(own.step_log10_norms),
        **({} if lags is None else _lags_json(lags, shown.truncations)),
    }


def _lags_json(lags: LagShares, truncations: tuple[int, ...]) -> dict[str, object]:
    content: dict[str, object] = {
        "lags": [
            {
                "lag": lag,
                "log10_norm": _number(float(lags.log10_norms[lag])),
                "share": _number(float(lags.shares[lag])),
                "cumulative_share": _number(float(lags.cumulative[lag])),
            }
            for lag in lags.lags
        ]
    }
    if truncations:
        content["truncated"] = [_truncated_json(lags, k) for k in truncations]
    return content


def _truncated_json(lags: LagShares, k: int) -> dict[str, object]:
    lag, angle = min(k, len(lags.lags) - 1), float(lags.angles[min(k, len(lags.lags) - 1)])
    return {
        "k": k,
        "log10_norm": _number(float(lags.log10_kept[lag])),
        "relative_difference": _number(float(lags.relative_differences[lag])),
        "angle_degrees": _number(degrees(angle)),
    }


def bptt_csv(shown: Bptt) -> Iterator[Iterable[object]]:
    """A header, and a row a step: its loss, every derivative, and its share in every gradient."""
    columns = _columns(shown)
    yield ("t", *(name for name, values in columns.items() for name in _headings(name, values)))
    table = np.hstack([values if values.ndim == 2 else values[:, None] for values in columns.values()])
    for t, row in enumerate(table.tolist(), start=1):
        yield (t, *(value if isfinite(value) else None for value in row))


def _headings(name: str, values: Array) -> list[str]:
    return [name] if values.ndim == 1 else [f"{name}[{unit + 1}]" for unit in range(values.shape[1])]


def _columns(shown: Bptt) -> Mapping[str, Array]:
    found = shown.gradients
    outputs = "h" if found.trace.y is None else "y"
    columns = {"loss": found.losses, f"dL_t/d{outputs}": found.outputs_gradient}
    for own in found.layers:
        states, _ = _in_time(own)
        columns |= {f"dL/d{own.run.layer.symbol(name)}": scaled.plain for name, scaled in states.items()}
    columns |= {f"share {own.symbol}": own.step_shares for own in shown.stored}
    columns |= {f"log10_norm {own.symbol}": own.step_log10_norms for own in shown.stored}
    return columns


def bptt_arrays(shown: Bptt) -> Mapping[str, Array]:
    """The gradient of every stored array, under its symbol."""
    return {own.symbol: own.array for own in shown.stored}
