"""rnn_calc: the calculator for recurrent networks.

    >>> import rnn_calc
    >>> network = rnn_calc.Network(d_in=4, d_h=3, d_out=2)
    >>> rnn_calc.count_parameters(network).total
    32

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
    from rnn_calc.core.errors import RnnCalcError
    from rnn_calc.core.gradients import backpropagate
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

_HOME = {
    "CELLS": "cells",
    "CONVENTIONS": "conventions",
    "Init": "weights",
    "Loss": "losses",
    "Network": "network",
    "RnnCalcError": "errors",
    "backpropagate": "gradients",
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
    if name in _HOME:
        return getattr(import_module(f"rnn_calc.core.{_HOME[name]}"), name)
    raise AttributeError(f"module 'rnn_calc' has no attribute {name!r}")
