"""Cells written with torch.nn.functional.linear, a gate and a step at a time, so that torch sees every product."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Tensors = Mapping[str, Any]
Step = Callable[[Any, Tensors, Any, Tensors], dict[str, Any]]


def _affine(torch: Any, w: Tensors, gate: str, x: Any, h: Any) -> Any:
    linear = torch.nn.functional.linear
    return linear(x, w[f"W_x{gate}"], w[f"b_{gate}"]) + linear(h, w[f"W_h{gate}"])


def _rnn(torch: Any, w: Tensors, x: Any, s: Tensors) -> dict[str, Any]:
    return {"h": torch.tanh(_affine(torch, w, "h", x, s["h"]))}


def _lstm(torch: Any, w: Tensors, x: Any, s: Tensors) -> dict[str, Any]:
    i, f, o = (torch.sigmoid(_affine(torch, w, gate, x, s["h"])) for gate in "ifo")
    c = f * s["c"] + i * torch.tanh(_affine(torch, w, "g", x, s["h"]))
    return {"c": c, "h": o * torch.tanh(c)}


def _gru(torch: Any, w: Tensors, x: Any, s: Tensors) -> dict[str, Any]:
    linear = torch.nn.functional.linear
    r, z = (torch.sigmoid(_affine(torch, w, gate, x, s["h"])) for gate in "rz")
    n = torch.tanh(linear(x, w["W_xn"], w["b_n"]) + r * linear(s["h"], w["W_hn"], w["b_hn"]))
    return {"h": z * s["h"] + (1 - z) * n}


def _gru_before(torch: Any, w: Tensors, x: Any, s: Tensors) -> dict[str, Any]:
    r, z = (torch.sigmoid(_affine(torch, w, gate, x, s["h"])) for gate in "rz")
    n = torch.tanh(_affine(torch, w, "n", x, r * s["h"]))
    return {"h": z * s["h"] + (1 - z) * n}


def _minlstm(torch: Any, w: Tensors, x: Any, s: Tensors) -> dict[str, Any]:
    linear = torch.nn.functional.linear
    i, f = (torch.sigmoid(linear(x, w[f"W_x{gate}"], w[f"b_{gate}"])) for gate in "if")
    both = f + i
    return {"h": (f / both) * s["h"] + (i / both) * linear(x, w["W_xg"], w["b_g"])}


STEPS: dict[str, Step] = {
    "rnn": _rnn,
    "lstm": _lstm,
    "gru": _gru,
    "gru-reset-before": _gru_before,
    "minlstm": _minlstm,
}


def run_layer(
    torch: Any, cell: str, w: Tensors, xs: Sequence[Any], d_h: int, *, states: Sequence[str], cut: int = 0
) -> list[Any]:
    """h_1 … h_T; every `cut` steps (0: never) the state is handed on without its gradient."""
    zeros = torch.zeros(xs[0].shape[0], d_h, dtype=xs[0].dtype)
    state = {name: zeros.clone() for name in states}
    found = []
    for t, x in enumerate(xs):
        if cut and t % cut == 0:
            state = {name: value.detach() for name, value in state.items()}
        state = STEPS[cell](torch, w, x, state)
        found.append(state["h"])
    return found
