"""The elementwise functions of the equations in NumPy, and their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnn_calc.core.weights import Array


@dataclass(frozen=True)
class Elementwise:
    """An elementwise function: as in-place NumPy calls `out ← f(in)`, and its derivative, exact where f saturates."""

    calls: tuple[tuple[Callable[..., Any], tuple[Array, ...]], ...]
    slope: Callable[[Array], Array]


def _constant(value: float) -> Array:
    return np.array(value)


_ZERO = _constant(0.0)


def _relu(z: Array, out: Array | None = None) -> Array:
    # NumPy wants the `out` of maximum, alone among its functions, by keyword.
    return np.maximum(z, _ZERO, out=out)


def _tanh_slope(z: Array) -> Array:
    # 1 − tanh² cancels for |z| > 9; this form keeps every digit.
    e = np.exp(-2 * np.abs(z))
    return np.asarray(4 * e / (1 + e) ** 2)


def _sigmoid_slope(z: Array) -> Array:
    e = np.exp(-np.abs(z))
    return np.asarray(e / (1 + e) ** 2)


ELEMENTWISE = {
    "tanh": Elementwise(((np.tanh, ()),), _tanh_slope),
    "relu": Elementwise(((_relu, ()),), lambda z: (z > 0).astype(np.float64)),
    # 1 / (1 + exp(−z)), each call in place; exp may overflow to infinity, whose reciprocal is the right 0.
    "sigmoid": Elementwise(
        ((np.negative, ()), (np.exp, ()), (np.add, (_constant(1.0),)), (np.reciprocal, ())), _sigmoid_slope
    ),
    "identity": Elementwise(((np.positive, ()),), np.ones_like),
}


def apply_function(function: str, z: Array) -> Array:
    """The elementwise function of an array, as a new array."""
    value = z
    for call, extra in ELEMENTWISE[function].calls:
        value = call(value, *extra)
    return value
