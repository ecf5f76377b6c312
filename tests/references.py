"""Oracles: the equations in plain NumPy, derivatives by complex steps, and Jacobian products in 400-bit arithmetic.

Nothing here calls the package; every function takes arrays or numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Numbers = NDArray[Any]  # float64, or complex128 for a complex step
State = dict[str, Numbers]
Step = Callable[[Mapping[str, Array], Numbers, Mapping[str, Numbers]], State]

BITS = 400


def sigmoid(a: Numbers) -> Numbers:
    return np.asarray(1 / (1 + np.exp(-a)))


ACTIVATIONS: dict[str, Callable[[Numbers], Numbers]] = {
    "tanh": lambda a: np.asarray(np.tanh(a)),
    "relu": lambda a: np.where(a > 0, a, 0.0),
    "sigmoid": sigmoid,
    "identity": lambda a: a,
}


def rnn_states(weights: Mapping[str, Array], x: Array, h0: Array, activation: str = "tanh") -> Array:
    """h_1 … h_T of the plain recurrent network, one step after the other."""
    states, h = [], h0
    for x_t in x:
        h = ACTIVATIONS[activation](weights["W_xh"] @ x_t + weights["W_hh"] @ h + weights["b_h"])
        states.append(h)
    return np.array(states)


def _input_part(w: Mapping[str, Array], gate: str, x: Numbers) -> Numbers:
    return np.asarray(w[f"W_x{gate}"] @ x + w.get(f"b_{gate}", 0.0))


def _affine(w: Mapping[str, Array], gate: str, x: Numbers, h: Numbers) -> Numbers:
    return np.asarray(_input_part(w, gate, x) + w[f"W_h{gate}"] @ h + w.get(f"b_h{gate}", 0.0))


def rnn_step(w: Mapping[str, Array], x: Numbers, s: Mapping[str, Numbers]) -> State:
    return {"h": np.tanh(_affine(w, "h", x, s["h"]))}


def lstm_step(w: Mapping[str, Array], x: Numbers, s: Mapping[str, Numbers]) -> State:
    """The LSTM with its forget gate; where there is a W_hr, the hidden state is projected by it."""
    i, f, o = (sigmoid(_affine(w, gate, x, s["h"])) for gate in "ifo")
    c = f * s["c"] + i * np.tanh(_affine(w, "g", x, s["h"]))
    shown = o * np.tanh(c)
    return {"h": w["W_hr"] @ shown if "W_hr" in w else shown, "c": c}


def peephole_step(w: Mapping[str, Array], x: Numbers, s: Mapping[str, Numbers]) -> State:
    """The LSTM whose gates see the cell state through a vector of weights each; the output gate sees the new one."""
    i, f = (sigmoid(_affine(w, gate, x, s["h"]) + w[f"p_{gate}"] * s["c"]) for gate in "if")
    c = f * s["c"] + i * np.tanh(_affine(w, "g", x, s["h"]))
    shown = sigmoid(_affine(w, "o", x, s["h"]) + w["p_o"] * c) * np.tanh(c)
    return {"h": w["W_hr"] @ shown if "W_hr" in w else shown, "c": c}


def gru_after_step(w: Mapping[str, Array], x: Numbers, s: Mapping[str, Numbers]) -> State:
    """The GRU with its reset gate after the matrix product, as cuDNN and PyTorch have it."""
    r, z = (sigmoid(_affine(w, gate, x, s["h"])) for gate in "rz")
    n = np.tanh(_input_part(w, "n", x) + r * (w["W_hn"] @ s["h"] + w.get("b_hn", 0.0)))
    return {"h": (1 - z) * n + z * s["h"]}


def gru_before_step(w: Mapping[str, Array], x: Numbers, s: Mapping[str, Numbers]) -> State:
    """The GRU with its reset gate before the matrix product, as Cho et al. wrote it."""
    r, z = (sigmoid(_affine(w, gate, x, s["h"])) for gate in "rz")
    n = np.tanh(_affine(w, "n", x, r * s["h"]))
    return {"h": (1 - z) * n + z * s["h"]}


def mgu_step(w: Mapping[str, Array], x: Numbers, s: Mapping[str, Numbers]) -> State:
    """One gate that forgets and resets."""
    f = sigmoid(_affine(w, "f", x, s["h"]))
    return {"h": (1 - f) * s["h"] + f * np.tanh(_affine(w, "n", x, f * s["h"]))}


def indrnn_step(w: Mapping[str, Array], x: Numbers, s: Mapping[str, Numbers]) -> State:
    return {"h": np.tanh(_input_part(w, "h", x) + w["u_h"] * s["h"])}


def minlstm_step(w: Mapping[str, Array], x: Numbers, s: Mapping[str, Numbers]) -> State:
    """Gates of the input alone, which share 1 between them."""
    f, i = (sigmoid(_input_part(w, gate, x)) for gate in "fi")
    return {"h": (f * s["h"] + i * _input_part(w, "g", x)) / (f + i)}


def mingru_step(w: Mapping[str, Array], x: Numbers, s: Mapping[str, Numbers]) -> State:
    z = sigmoid(_input_part(w, "z", x))
    return {"h": s["h"] + z * (_input_part(w, "n", x) - s["h"])}


# One step of every cell that the package ships.
STEPS: dict[str, Step] = {
    "rnn": rnn_step,
    "lstm": lstm_step,
    "lstm-peephole": peephole_step,
    "gru": gru_after_step,
    "gru-reset-before": gru_before_step,
    "mgu": mgu_step,
    "indrnn": indrnn_step,
    "minlstm": minlstm_step,
    "mingru": mingru_step,
}


def sru_step(w: Mapping[str, Array], x: Numbers, s: Mapping[str, Numbers]) -> State:
    """A light recurrence: its gates see the input alone, and its output is not fed back."""
    f, r = (sigmoid(_input_part(w, gate, x)) for gate in "fr")
    c = f * s["c"] + (1 - f) * (w["W_xg"] @ x)
    return {"c": c, "h": r * np.tanh(c)}


def shared_gates_step(w: Mapping[str, Array], x: Numbers, s: Mapping[str, Numbers]) -> State:
    """Gates that multiply one another and themselves, that are summands, and that a state is divided by."""
    i, f = (sigmoid(_affine(w, gate, x, s["h"])) for gate in "if")
    c = i * f * s["c"] + i * i + f
    return {"h": np.tanh(_affine(w, "g", x, c)) / (i + 1 + f * f), "c": c}


def two_states_step(w: Mapping[str, Array], x: Numbers, s: Mapping[str, Numbers]) -> State:
    """Two states that see each other and are both functions of one stack; the third is h one step ago."""
    p = np.tanh(_affine(w, "p", x, s["h"]) + w["V"] @ s["q"])
    h = np.tanh(_affine(w, "h", x, s["h"]) - p * s["late"])
    return {"h": h, "q": np.tanh(_affine(w, "q", x, s["h"])), "late": s["h"]}


def linear_step(w: Mapping[str, Array], x: Numbers, s: Mapping[str, Numbers]) -> State:
    """No function on the way, and one product that is used twice."""
    return {"h": _affine(w, "h", x, s["h"]), "c": (w["W_hh"] @ s["h"]) * s["c"] + w["W_hm"] @ s["h"]}


def run(step: Step, weights: Mapping[str, Array], x: Array, initial: Mapping[str, Array]) -> dict[str, Array]:
    """Every state after every step."""
    state: State = dict(initial)
    found: dict[str, list[Numbers]] = {name: [] for name in initial}
    for x_t in x:
        state = step(weights, x_t, state)
        for name, value in state.items():
            found[name].append(value)
    return {name: np.array(values) for name, values in found.items()}


def network_outputs(network: Any, weights: Mapping[str, Numbers], x: Numbers) -> Numbers:
    """What a whole network gives at every step, from states of 0: stacked layers, both directions, the readout."""
    rows = list(x)
    for layer in range(network.layers):
        number = str(layer + 1) if network.layers > 1 else ""
        directions = []
        for mark in ("→", "←") if network.bidirectional else ("",):
            end = f"^({number}{mark})" if number or mark else ""
            own = {name.removesuffix(end): array for name, array in weights.items() if name.endswith(end)}
            width = network.widths[layer]
            state: State = {s: np.zeros(network.d_p if s == "h" and network.d_p else width) for s in network.cell.state}
            found = []
            for row in rows[::-1] if mark == "←" else rows:
                state = STEPS[network.cell.name](own, row, state)
                found.append(state["h"])
            directions.append(found[::-1] if mark == "←" else found)
        rows = [_merged(network.merge, *pair) for pair in zip(*directions, strict=True)]
    outputs = np.array(rows)
    if not network.d_out:
        return outputs
    matrix = weights["E"] if network.tied else weights["W_hy"]
    return np.asarray(outputs @ matrix.T + weights.get("b_y", 0.0))


def _merged(how: str, forward: Numbers, backward: Numbers | None = None) -> Numbers:
    if backward is None:
        return forward
    match how:
        case "concat":
            return np.concatenate((forward, backward))
        case "product":
            return np.asarray(forward * backward)
        case _:
            return np.asarray((forward + backward) / (2 if how == "average" else 1))


def complex_step_jacobian(
    step: Step, weights: Mapping[str, Array], x: Array, state: Mapping[str, Array], of: str, by: str
) -> Array:
    """∂of_t/∂by_{t−1}: exact to rounding, because nothing is subtracted."""
    h = 1e-100
    columns = []
    for unit in range(len(state[by])):
        moved: State = {name: value.astype(complex) for name, value in state.items()}
        moved[by][unit] += 1j * h
        columns.append(step(weights, x, moved)[of].imag / h)
    return np.array(columns).T


def mp_rnn_pre_activations(weights: Mapping[str, Array], x: Array, h0: Array) -> list[list[Any]]:
    """The pre-activations of the plain tanh network, from 400-bit arithmetic throughout."""
    with mpmath.workprec(BITS):
        W_xh, W_hh, b_h = (mpmath.matrix(weights[name].tolist()) for name in ("W_xh", "W_hh", "b_h"))
        h = mpmath.matrix(h0.tolist())
        found = []
        for x_t in x:
            z = W_xh * mpmath.matrix(x_t.tolist()) + W_hh * h + b_h
            found.append(list(z))
            h = z.apply(mpmath.tanh)
        return found


def mp_log10_norms(W_hh: Array, slopes: Sequence[Sequence[Any]], lags: Collection[int]) -> dict[int, float]:
    """log₁₀‖∂h_T/∂h_{T−lag}‖₂ of the plain network with these slopes φ′(z_1) … φ′(z_T)."""
    with mpmath.workprec(BITS):
        W = mpmath.matrix(W_hh.tolist())
        product = mpmath.eye(W.rows)
        found = {}
        for lag, slope in enumerate(reversed(slopes), start=1):
            product = product * mpmath.diag(list(slope)) * W
            if lag in lags:
                found[lag] = float(mpmath.log10(mpmath.svd_r(product, compute_uv=False)[0]))
            if lag >= max(lags):
                break
        return found


def mp_tanh_slope(a: Any) -> Any:
    """tanh′ at 400 bits."""
    with mpmath.workprec(BITS):
        return mpmath.sech(mpmath.mpf(a)) ** 2


def mp_sigmoid_slope(a: Any) -> Any:
    """σ′ at 400 bits."""
    with mpmath.workprec(BITS):
        e = mpmath.exp(-mpmath.mpf(a))
        return e / (1 + e) ** 2


def scaled_norms(jacobians: Sequence[Array]) -> Array:
    """log₁₀ of the 2-norm of J_T, J_T J_{T−1}, …: the plain way, one factor rescaled to norm 1 after the other."""
    product, log10_size, found = np.eye(len(jacobians[0])), 0.0, []
    for jacobian in reversed(jacobians):
        product = product @ jacobian
        size = float(np.linalg.svd(product, compute_uv=False)[0])
        product, log10_size = product / size, log10_size + float(np.log10(size))
        found.append(log10_size)
    return np.array(found)
