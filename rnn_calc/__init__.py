"""rnn_calc: the calculator for recurrent networks.

    >>> import rnn_calc
    >>> network = rnn_calc.Network(d_in=4, d_h=3, d_out=2)
    >>> rnn_calc.count_parameters(network).total
    32

Six names are where to begin: `Network`, `shapes`, `count_parameters`, `trace`, `gradient_decay` and `bptt`. In a
notebook whatever they return shows itself as tables; a trace, a decay and gradients have a `plot()`.

Every name is imported when it is first used, so that `import rnn_calc` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnn_calc.core.cells import CELLS
    from rnn_calc.core.conventions import CONVENTIONS
    from rnn_calc.core.cost import count_cost
    from rnn_calc.core.counts import count_parameters
    from rnn_calc.core.decay import gradient_decay
    from rnn_calc.core.display import Renderer
    from rnn_calc.core.errors import RnnCalcError
    from rnn_calc.core.gradients import backpropagate
    from rnn_calc.core.gradients import backpropagate as bptt
    from rnn_calc.core.lag_shares import lag_gradients
    from rnn_calc.core.loss_decay import loss_decay
    from rnn_calc.core.losses import Loss
    from rnn_calc.core.lyapunov import lyapunov_exponents
    from rnn_calc.core.network import Network
    from rnn_calc.core.shapes import shapes
    from rnn_calc.core.spectra import scale_recurrent
    from rnn_calc.core.storage import read_arrays, write_arrays
    from rnn_calc.core.trace import trace
    from rnn_calc.core.weights import Init, make_weights

# The module of each name, and what it is called there.
_HOME = {
    "CELLS": "cells",
    "CONVENTIONS": "conventions",
    "Init": "weights",
    "Loss": "losses",
    "Network": "network",
    "RnnCalcError": "errors",
    "backpropagate": "gradients",
    "bptt": "gradients:backpropagate",
    "count_cost": "cost",
    "count_parameters": "counts",
    "gradient_decay": "decay",
    "lag_gradients": "lag_shares",
    "loss_decay": "loss_decay",
    "lyapunov_exponents": "lyapunov",
    "make_weights": "weights",
    "read_arrays": "storage",
    "scale_recurrent": "spectra",
    "shapes": "shapes",
    "trace": "trace",
    "write_arrays": "storage",
}

__all__ = [
    "CELLS",
    "CONVENTIONS",
    "Init",
    "Loss",
    "Network",
    "RnnCalcError",
    "backpropagate",
    "bptt",
    "count_cost",
    "count_parameters",
    "gradient_decay",
    "lag_gradients",
    "loss_decay",
    "lyapunov_exponents",
    "make_weights",
    "read_arrays",
    "scale_recurrent",
    "shapes",
    "trace",
    "write_arrays",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'rnn_calc' has no attribute {name!r}")
    from rnn_calc.core.display import render_with

    # Before anything that could be shown is made.
    render_with(_renderer)
    module, _, other = _HOME[name].partition(":")
    return getattr(import_module(f"rnn_calc.core.{module}"), other or name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _renderer() -> Renderer:
    """What shows reports in a notebook; imported with the first that is shown."""
    from rnn_calc import notebook

    return notebook
