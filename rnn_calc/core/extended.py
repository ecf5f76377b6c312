"""Norms of products of Jacobians with an exponent for every entry: slow, and right where units saturate unevenly.

In diag(s)·B a slope of 1e−350 beside one of 1 cannot be told from 0 by a row's common exponent; yet it decides the norm
once a zero of B has wiped out the large one.
"""

from __future__ import annotations

from collections.abc import Collection
from math import inf, log2

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.engine import Watch
from rnn_calc.core.linearization import Chain
from rnn_calc.core.weights import Array

# The exponent of an entry that is 0: below every other, and far from the end of int64.
_NOTHING = -(2**60)
# Entries of a row are multiplied together with those within this many powers of two.
_BAND = 128
# What is smaller than a sum by this many powers of two does not show in it.
_UNSEEN = 120


class _Entries:
    """An array as mantissas times powers of two, one for each entry."""

    def __init__(self, values: Array, exponents: NDArray[np.int64] | int) -> None:
        self.mantissas, own = np.frexp(values)
        self.exponents = np.where(self.mantissas == 0, _NOTHING, exponents + own.astype(np.int64))

    def plus(self, other: _Entries) -> _Entries:
        top = np.maximum(self.exponents, other.exponents)
        return _Entries(self.shifted(top) + other.shifted(top), top)

    def shifted(self, top: NDArray[np.int64] | int) -> Array:
        """The entries divided by 2^top, where none is larger."""
        return np.ldexp(self.mantissas, np.maximum(self.exponents - top, -1100))

    def times(self, matrix: Array) -> _Entries:
        """The matrix product with a plain matrix whose entries are at most 1."""
        top = self.exponents.max(axis=1, keepdims=True)
        bands = np.where(self.mantissas == 0, -1, (top - self.exponents) // _BAND)
        occupied = top[:, 0] > _NOTHING
        total = _Entries(np.zeros((len(bands), matrix.shape[1])), 0)
        for band in np.unique(bands[bands >= 0]):
            base = top - band * _BAND
            # Sums over this band and all after it are below n·2^base.
            if (total.exponents - base)[occupied].min() > _UNSEEN + log2(len(matrix)):
                break
            rows = np.where(bands == band, self.shifted(np.maximum(base, self.exponents)), 0.0)
            total = total.plus(_Entries(rows @ matrix, base))
        return total

    def log2_norm(self) -> float:
        top = int(self.exponents.max())
        return top + log2(float(np.linalg.norm(self.shifted(top), 2))) if top > _NOTHING else -inf


def norms_by_entry(
    chain: Chain, T: int, jacobians: Collection[int], kept: dict[int, Array], watch: Watch
) -> list[float]:
    """The base-2 logarithm of ‖∂h_T/∂h_{T−lag}‖₂ for lag 1 … T−1; matrices of the lags in `jacobians` go to `kept`."""
    scale = int(np.frexp(np.abs(chain.matrix).max())[1])
    matrix = np.ldexp(chain.matrix, -scale)
    product = _Entries(np.eye(len(matrix)), 0)
    norms = []
    for lag in watch(range(1, T)):
        slopes = _Entries(chain.slopes[T - lag], chain.exponents[T - lag])
        product = _Entries(product.mantissas * slopes.mantissas, product.exponents + slopes.exponents).times(matrix)
        product = _Entries(product.mantissas, product.exponents + scale)
        norms.append(product.log2_norm())
        if lag in jacobians:
            with np.errstate(over="ignore", under="ignore"):
                kept[lag] = np.ldexp(product.mantissas, np.clip(product.exponents, -3000, 3000))
    return norms
