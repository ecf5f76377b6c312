"""Pictures for the tests: made by hand, small enough to say what a drawing of them must hold."""

from __future__ import annotations

import numpy as np

from rnn_calc.show.picture import Chart, Curve, HeatMap, Picture

LAGS = np.arange(1.0, 41.0)

# Norms far beyond float64, and an exact zero at the end.
NORMS = np.append(-100.0 * LAGS[:-1], -np.inf)
DECAY = Chart(
    "",
    "lag (steps)",
    "‖∂h_T/∂h_{T−lag}‖₂",
    (
        Curve("norm", LAGS, NORMS, "norm"),
        Curve("bound", LAGS, 2 * LAGS, "bound"),
        Curve("threshold 0.001", LAGS[[0, -1]], np.array([-3.0, -3.0]), "threshold"),
    ),
    log10=True,
)
ENSEMBLE = Chart("40 seeds", "step t", "h_t", (Curve("median", LAGS, LAGS / 40, "", (LAGS / 50, LAGS / 30)),))
NOTHING = DECAY._replace(curves=(Curve("norm", LAGS, np.full(40, -np.inf)),))

PHASES = HeatMap(
    "Phases",
    "spectral radius ρ",
    "gain",
    "phase",
    np.array([[0.0, 1.0, 2.0], [0.0, np.nan, 3.0]]),
    ("0.5", "1", "1.5"),
    ("low", "high"),
    names=("vanishing", "steady", "exploding", "even so"),
)
RAMP = HeatMap(
    "Ramp", "earlier step k", "step t", "log₁₀ norm", np.array([[0.0, -1.0, -2.0, np.nan]]), tuple("abcd"), ("1",)
)
WIDE = HeatMap(
    "Wide",
    "step t",
    "unit",
    "h_t",
    np.add.outer(np.zeros(90), np.sin(np.arange(1000) / 50)),
    tuple(map(str, range(1000))),
    tuple(map(str, range(1, 91))),
    centre=0.0,
)
EMPTY = RAMP._replace(values=np.full((1, 4), np.nan))
EVERY: dict[str, Picture] = {
    "decay": DECAY, "ensemble": ENSEMBLE, "nothing": NOTHING, "phases": PHASES, "ramp": RAMP, "wide": WIDE,
    "empty": EMPTY, "one cell": RAMP._replace(values=np.array([[2.0]])),
    "no column": RAMP._replace(values=np.empty((1, 0))),
    "infinite": RAMP._replace(values=np.array([[0.0, 1.0, np.inf, -np.inf]])),
    "one point": Chart("One", "lag", "norm", (Curve("norm", LAGS[:1], LAGS[:1]),)),
    "level": Chart("", "lag", "norm", (Curve("a", LAGS, np.zeros(40)), Curve("b", LAGS, np.zeros(40))), log10=True),
}  # fmt: skip
