"""The elementwise functions of the equations in NumPy, and their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.equations import COMPLEMENT
from rnn_calc.core.weights import Array

# Slopes below about e^−600 are lifted by a power of two: float64 ends at e^−745, and loses digits from e^−708 on.
_LIFT_FROM = 600.0
# Beyond this a slope counts as 0: its exponent, added up over many steps, must stay within an int64.
FARTHEST = 2.0**40


@dataclass(frozen=True)
class Elementwise:
    """An elementwise function: as NumPy calls `f(*constants, v, out)`, and its derivative, exact where f saturates.

    `slope(z, k)` is the derivative times 2^k; it falls off as exp(−`saturation`·|z|), where that is not 0.
    """

    calls: tuple[tuple[Callable[..., Any], tuple[Array, ...]], ...]
    slope: Callable[[Array, Array], Array]
    saturation: float = 0.0


def _constant(value: float) -> Array:
    return np.array(value)


_ZERO = _constant(0.0)
_ONE = _constant(1.0)


def _relu(z: Array, out: Array | None = None) -> Array:
    # NumPy wants the `out` of maximum, alone among its functions, by keyword.
    return np.maximum(z, _ZERO, out=out)


def _tanh_slope(z: Array, k: Array) -> Array:
    # 1 − tanh² cancels for |z| > 9; this form keeps every digit.
    return 4 * _bell(2 * np.abs(z), k)


def _sigmoid_slope(z: Array, k: Array) -> Array:
    return _bell(np.abs(z), k)


def _bell(a: Array, k: Array) -> Array:
    """exp(−a)/(1 + exp(−a))² · 2^k, for a ≥ 0."""
    e = np.exp(-a)
    lifted = np.exp(k * log(2) - a) if k.any() else e
    return np.asarray(lifted / (1 + e) ** 2)


ELEMENTWISE = {
    "tanh": Elementwise(((np.tanh, ()),), _tanh_slope, saturation=2.0),
    "relu": Elementwise(((_relu, ()),), lambda z, _: (z > 0).astype(np.float64)),
    # 1 / (1 + exp(−z)); exp may overflow to infinity, whose reciprocal is the right 0.
    "sigmoid": Elementwise(
        ((np.negative, ()), (np.exp, ()), (np.add, (_ONE,)), (np.reciprocal, ())),
        _sigmoid_slope,
        saturation=1.0,
    ),
    "identity": Elementwise(((np.positive, ()),), lambda z, _: np.ones_like(z)),
    COMPLEMENT: Elementwise(((np.subtract, (_ONE,)),), lambda z, _: np.full_like(z, -1.0)),
}


def apply_function(function: str, z: Array) -> Array:
    """The elementwise function of an array, as a new array."""
    value = z
    # Infinity on the way, as in 1/(1 + exp(80000)), is part of the right answer.
    with np.errstate(all="ignore"):
        for call, constants in ELEMENTWISE[function].calls:
            value = call(*constants, value)
    return value


def slopes(function: str, z: Array) -> Array:
    """The derivative at every entry."""
    with np.errstate(all="ignore"):
        return ELEMENTWISE[function].slope(z, np.zeros(1))


def lifted_slopes(function: str, z: Array) -> tuple[Array, NDArray[np.int64]]:
    """The derivative of every step as slopes × 2^exponent: where all units saturate, float64 alone would say 0.

    Shapes: z (T, n) gives slopes (T, n) and exponents (T,), which are 0 but for those steps.
    """
    entry = ELEMENTWISE[function]
    with np.errstate(all="ignore"):
        least = entry.saturation * np.abs(z).min(axis=-1, keepdims=True)
        lift = np.where((least > _LIFT_FROM) & (least < FARTHEST), np.floor(least / log(2)), 0.0)
        return entry.slope(z, lift), -lift[:, 0].astype(np.int64)


def entry_slopes(function: str, z: Array) -> tuple[Array, NDArray[np.int64]]:
    """The derivative at every entry as slope × 2^exponent, with an exponent for each."""
    entry = ELEMENTWISE[function]
    with np.errstate(all="ignore"):
        size = entry.saturation * np.abs(z)
        lift = np.where((size > _LIFT_FROM) & (size < FARTHEST), np.floor(size / log(2)), 0.0)
        return entry.slope(z, lift), -lift.astype(np.int64)


def is_uneven(function: str, z: Array, exponents: NDArray[np.int64]) -> bool:
    """Whether a slope is lost, or loses digits, though its step has been divided by 2^exponent."""
    with np.errstate(all="ignore"):
        size = ELEMENTWISE[function].saturation * np.abs(z)
    return bool(((size + exponents[:, None] * log(2) > _LIFT_FROM) & (size < FARTHEST)).any())
