"""Backpropagation as pictures: the derivative by the states, the share of each step and lag, truncation."""

from __future__ import annotations

import numpy as np

from rnn_calc.core.stored_gradients import StoredGradient
from rnn_calc.core.weights import Array
from rnn_calc.show.bptt_report import Bptt
from rnn_calc.show.picture import Chart, Curve, Picture


def bptt_pictures(shown: Bptt) -> list[Picture]:
    """What --plot draws."""
    pictures: list[Picture] = [delta_chart(shown)]
    times = _times(shown)
    curves = [Curve(f"∂L/∂{own.symbol}", times, own.step_log10_norms) for own in _few(shown)]
    curves.append(Curve("all together", times, shown.together[2]))
    pictures.append(Chart("", "step t", "norm of what the step adds", tuple(curves), log10=True))
    if shown.recurrent_lags:
        whose, shares = shown.recurrent_lags
        curve = Curve(whose, np.array(shares.lags), shares.log10_norms)
        label = f"norm of what the lag adds to {whose}"
        pictures.append(Chart("", "lag (steps back from a loss)", label, (curve,), log10=True))
    if len(shown.truncations) > 1:
        pictures.append(truncation_chart(shown))
    return pictures


# More lines than that are hard to tell apart.
_MOST_LINES = 6


def _few(shown: Bptt) -> tuple[StoredGradient, ...]:
    """The arrays that have a line of their own: all where they are few, else the recurrent ones, else none."""
    for chosen in (shown.stored, shown.recurrent):
        if len(chosen) < _MOST_LINES:
            return chosen
    return ()


def _times(shown: Bptt) -> Array:
    return np.arange(1.0, shown.steps + 1)


def delta_chart(shown: Bptt) -> Chart:
    """The norm of the derivative by every state, step by step."""
    curves: list[Curve] = []
    several = sum(len(own.states) for own in shown.shown_layers) > _MOST_LINES
    for own in shown.shown_layers:
        turn = slice(None, None, -1) if own.run.layer.reverse else slice(None)
        for name, scaled in own.states.items():
            # Where they are too many to be told apart, h stands for every state, and the top layers for all.
            if len(curves) < _MOST_LINES and not (several and name != "h"):
                symbol = own.run.layer.symbol(name)
                curves.append(Curve(f"∂L/∂{symbol}_t", _times(shown), scaled.log10_norms[turn], "norm"))
    label = curves[0].label if len(curves) == 1 else "∂L/∂state_t"
    return Chart("", "step t", f"‖{label}‖", tuple(curves), log10=True)


def truncation_chart(shown: Bptt) -> Chart:
    """The relative difference between the truncated gradient and the full one, against k."""
    assert shown.all_lags
    assert shown.recurrent_lags
    whose, recurrent = shown.recurrent_lags
    ks = np.array(shown.truncations)
    pairs = {"all parameters": shown.all_lags}
    if shown.recurrent:
        pairs = {whose: recurrent, **pairs}
    curves = []
    for label, shares in pairs.items():
        lags = np.minimum(ks, len(shares.lags) - 1)
        with np.errstate(divide="ignore"):
            differences = np.log10(shares.relative_differences[lags])
        curves.append(Curve(label, ks.astype(np.float64), differences, "norm"))
    return Chart("", "steps back k", "‖truncated − full‖/‖full‖", tuple(curves), log10=True)
