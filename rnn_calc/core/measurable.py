"""Whether gradient decay can be measured: of this trace, with these weights and settings."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from rnn_calc.core.block_norms import STATE
from rnn_calc.core.convoy import FAMILIES
from rnn_calc.core.engine import Engine
from rnn_calc.core.equations import Product, Quotient, parameters, walk
from rnn_calc.core.errors import DataError, NonFiniteError, listed, quoted
from rnn_calc.core.evaluation import Values
from rnn_calc.core.stages import Layer
from rnn_calc.core.trace import Trace

# What float64 can keep for any size of network, and what still counts as a certificate.
_LEAST_TOLERANCE, _LARGEST_TOLERANCE = 1e-12, 1e-3
# Rows of a product are kept below 2^64, so a step with entries up to this size stays far within float64.
_LARGEST_WEIGHT = 1e280
# The roles of what a state is multiplied by.
_MULTIPLIES_A_STATE = ("recurrent", "diagonal", "peephole", "projection")


def check_request(trace: Trace, threshold: float, tolerance: float, family: str, jacobians: Collection[int]) -> None:
    """Nothing, when a decay can be measured with these settings.

    Raises: DataError for a batch, too few steps, or a setting or a lag that there is not.
    """
    T = trace.steps
    if trace.x.ndim != 2:
        raise DataError("Gradient decay is measured on one sequence, not on a batch.")
    if T < 2:
        raise DataError("Gradient decay needs at least two steps: with one there is no earlier state to compare with.")
    if not 0 < threshold < 1:
        raise DataError(f"The threshold must lie between 0 and 1; it is {threshold:g}.")
    if not _LEAST_TOLERANCE <= tolerance <= _LARGEST_TOLERANCE:
        raise DataError(
            f"The tolerance must lie between {_LEAST_TOLERANCE:g} and {_LARGEST_TOLERANCE:g}; it is {tolerance:g}."
        )
    if family not in FAMILIES:
        raise DataError(f"There is no family {quoted(family)} of Jacobians; there are {listed(FAMILIES)}.")
    longest = T - 1 if family == "back" else T
    for lag in jacobians:
        if not 1 <= lag <= longest:
            raise DataError(f"There is no lag {lag}: {T} steps have lags 1 to {longest}.")


def check_states(layer: Layer, states: Sequence[str], singular_values: int) -> None:
    """Nothing, when the layer has the states, and there may be so many singular values.

    Raises: DataError.
    """
    known = (*layer.state, STATE)
    for state in states:
        if state not in known:
            raise DataError(f"There is no state {quoted(state)} in a layer of {layer.cell.name}; take {listed(known)}.")
    if singular_values < 0:
        raise DataError(f"The number of singular values is at least 0; it is {singular_values}.")


def check_weights(engine: Engine) -> None:
    """Nothing, when no single step can leave float64.

    Raises: NonFiniteError.
    """
    for parameter in parameters(engine.recurrence):
        largest = float(np.abs(engine.weights[parameter.name]).max())
        if parameter.role in _MULTIPLIES_A_STATE and largest > _LARGEST_WEIGHT:
            raise NonFiniteError(
                f"{parameter.name} has an entry of size {largest:.3g}; products are computed with entries up to "
                f"{_LARGEST_WEIGHT:g}, beyond which one step alone may leave float64. Scale the matrix down."
            )


def check_values(layer: Layer, values: Values) -> None:
    """Nothing, when every pre-activation is a number.

    Raises: NonFiniteError.
    """
    for equation in layer.equations:
        if np.isnan(values.now[equation.name]).any():
            before = any(isinstance(node, Product) for node in walk(equation.expression))
            what = "A pre-activation" if before else f"The {equation.kind} {equation.name}"
            share = isinstance(equation.expression, Quotient)
            remedy = "scale weights, biases or inputs down" if share else "take a bounded activation (tanh)"
            raise NonFiniteError(f"{what} is NaN, so its slope is unknown; {remedy}.")
