"""Norms of products of Jacobians with an exponent for every entry: slow, and right where units saturate unevenly.

In diag(s)·B a slope of 1e−350 beside one of 1 cannot be told from 0 by a row's common exponent; yet it decides the norm
once a zero of B has wiped out the large one. `Chain`s are the Jacobians of a plain cell; those of any other go through
the same `Linearization` as always, whose rules are carried out in this arithmetic instead of NumPy's.
"""

from __future__ import annotations

from collections.abc import Collection
from math import inf, log, log2

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.engine import Engine, Watch
from rnn_calc.core.equations import Apply, walk
from rnn_calc.core.evaluation import Values, evaluate
from rnn_calc.core.functions import ELEMENTWISE, FARTHEST, is_uneven
from rnn_calc.core.linearization import Chain, Linearization
from rnn_calc.core.weights import Array

# The exponent of an entry that is 0: below every other, and far from the end of int64.
_NOTHING = -(2**60)
# Entries of a row are multiplied together with those within this many powers of two.
_BAND = 128
# What is smaller than a sum by this many powers of two does not show in it.
_UNSEEN = 120


class Entries:
    """An array as mantissas times powers of two, one for each entry."""

    def __init__(self, values: Array, exponents: NDArray[np.int64] | int) -> None:
        self.mantissas, own = np.frexp(values)
        self.exponents = np.where(self.mantissas == 0, _NOTHING, exponents + own.astype(np.int64))

    @classmethod
    def of_logs(cls, logs: Array) -> Entries:
        """Positive numbers, or 0, from their natural logarithms; 0 where a slope that small would count as 0 too."""
        logs = np.where(logs > -FARTHEST, logs, -inf)
        with np.errstate(invalid="ignore"):
            exponents = np.where(np.isfinite(logs), np.floor(logs / log(2)), 0.0)
            return cls(np.exp(logs - exponents * log(2)), exponents.astype(np.int64))

    @property
    def ndim(self) -> int:
        """How many axes the array has."""
        return self.mantissas.ndim

    def __getitem__(self, index: int) -> Entries:
        return self._like(self.mantissas[index], self.exponents[index])

    def __neg__(self) -> Entries:
        return self._like(-self.mantissas, self.exponents)

    def __add__(self, other: Entries) -> Entries:
        top = np.maximum(self.exponents, other.exponents)
        return Entries(self.shifted(top) + other.shifted(top), top)

    def __mul__(self, other: Entries) -> Entries:
        return Entries(self.mantissas * other.mantissas, self.exponents + other.exponents)

    def __truediv__(self, other: Entries) -> Entries:
        with np.errstate(divide="ignore", invalid="ignore"):
            return Entries(self.mantissas / other.mantissas, self.exponents - other.exponents)

    def __matmul__(self, matrix: Array) -> Entries:
        """The matrix product with a plain matrix."""
        scale = int(np.frexp(np.abs(matrix).max())[1])
        product = self.times(np.ldexp(matrix, -scale))
        return Entries(product.mantissas, product.exponents + scale)

    @classmethod
    def _like(cls, mantissas: Array, exponents: NDArray[np.int64]) -> Entries:
        """Entries whose mantissas are in order already."""
        made = cls.__new__(cls)
        made.mantissas, made.exponents = mantissas, exponents
        return made

    def shifted(self, top: NDArray[np.int64] | int) -> Array:
        """The entries divided by 2^top, where none is larger."""
        return np.ldexp(self.mantissas, np.maximum(self.exponents - top, -1100))

    def times(self, matrix: Array) -> Entries:
        """The matrix product with a plain matrix whose entries are at most 1."""
        top = self.exponents.max(axis=1, keepdims=True)
        bands = np.where(self.mantissas == 0, -1, (top - self.exponents) // _BAND)
        occupied = top[:, 0] > _NOTHING
        total = Entries(np.zeros((len(bands), matrix.shape[1])), 0)
        for band in np.unique(bands[bands >= 0]):
            base = top - band * _BAND
            # Sums over this band and all after it are below n·2^base.
            if (total.exponents - base)[occupied].min() > _UNSEEN + log2(len(matrix)):
                break
            rows = np.where(bands == band, self.shifted(np.maximum(base, self.exponents)), 0.0)
            total = total + Entries(rows @ matrix, base)
        return total

    def plain(self) -> Array:
        """As an array; entries beyond float64 are infinite, entries below it 0."""
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(np.ldexp(self.mantissas, np.clip(self.exponents, -3000, 3000)))

    def log2_norm(self) -> float:
        """The base-2 logarithm of the 2-norm; minus infinity where all is 0."""
        top = int(self.exponents.max())
        return top + log2(float(np.linalg.norm(self.shifted(top), 2))) if top > _NOTHING else -inf


def norms_by_entry(
    chain: Chain, T: int, jacobians: Collection[int], kept: dict[int, Array], watch: Watch
) -> list[float]:
    """The base-2 logarithm of ‖∂h_T/∂h_{T−lag}‖₂ for lag 1 … T−1; matrices of the lags in `jacobians` go to `kept`."""
    scale = int(np.frexp(np.abs(chain.matrix).max())[1])
    matrix = np.ldexp(chain.matrix, -scale)
    product = Entries(np.eye(len(matrix)), 0)
    norms = []
    for lag in watch(range(1, T)):
        slopes = Entries(chain.slopes[T - lag], chain.exponents[T - lag])
        product = (product * slopes).times(matrix)
        product = Entries(product.mantissas, product.exponents + scale)
        norms.append(product.log2_norm())
        if lag in jacobians:
            kept[lag] = product.plain()
    return norms


def needs_entries(derivative: Linearization, engine: Engine, values: Values) -> bool:
    """Whether float64 with an exponent a row loses slopes or gates of the run that may decide a norm."""
    # What one function of a linear map saturates evenly has been lifted already.
    lifted = bool(derivative.exponents.any())
    return derivative.uneven_chain() is not None or (not lifted and has_lost_gates(engine, values))


def has_lost_gates(engine: Engine, values: Values) -> bool:
    """Whether a slope of the recurrence, or a gate in it, is too small for float64 to hold with all its digits."""
    nodes = (node for equation in engine.layer.equations for node in walk(equation.expression))
    for node in nodes:
        if isinstance(node, Apply) and ELEMENTWISE[node.function].saturation:
            argument = evaluate(node.argument, values, engine.weights)
            if is_uneven(node.function, argument, np.zeros(len(argument), dtype=np.int64)):
                return True
    return False
