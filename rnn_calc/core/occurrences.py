"""What a gradient is made of: what each occurrence of a parameter adds to it, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnn_calc.core.backward import NOTHING, Exponents, Scaled
from rnn_calc.core.inputs import Indices
from rnn_calc.core.weights import Array

# The products that make up a larger sum than this kept their digits, or are nothing beside it.
_LEAST = 2.0**-900


@dataclass(frozen=True, eq=False)
class Occurrences:
    """What the steps add to a gradient: step t adds left_t ⊗ right_t × 2^exponents[t], without `right` left_t itself.

    Rows are in the order of time. With `tokens`, of an embedding, step t adds left_t to the row of that number.
    Shapes: left (T, m), right (T, n), exponents and tokens (T,).
    """

    left: Array
    right: Array | None
    exponents: Exponents
    tokens: Indices | None = None

    def __getitem__(self, steps: slice) -> Occurrences:
        right = None if self.right is None else self.right[steps]
        tokens = None if self.tokens is None else self.tokens[steps]
        return Occurrences(self.left[steps], right, self.exponents[steps], tokens)

    @property
    def near_one(self) -> Occurrences:
        """The same with the largest entry of every row near 1, so that no product leaves float64."""
        left = Scaled(self.left, self.exponents).near_one
        if self.right is None:
            return Occurrences(left.rows, None, left.exponents, self.tokens)
        right = Scaled(self.right, np.zeros_like(self.exponents)).near_one
        exponents = np.maximum(left.exponents + right.exponents, NOTHING)
        return Occurrences(left.rows, right.rows, exponents, self.tokens)

    def top(self) -> int:
        """The largest power of two of a step that adds anything; `NOTHING` where none does."""
        there = self.left.any(axis=1) if np.ptp(self.exponents) else slice(None)
        return int(self.exponents[there].max(initial=NOTHING))

    def total(self, exponent: int, shape: tuple[int, ...]) -> Array:
        """The sum over all steps, divided by 2^`exponent`."""
        left = Scaled(self.left, self.exponents).relative_to(exponent)
        if self.tokens is not None:
            total = np.zeros(shape)
            np.add.at(total, self.tokens, left)
            return total
        return np.asarray(left.sum(axis=0) if self.right is None else left.T @ self.right)

    def along(self, gradient: Array) -> Array:
        """⟨added_t, gradient⟩ of every step t, but for its power of two."""
        if self.tokens is not None:
            return np.asarray((gradient[self.tokens] * self.left).sum(axis=1))
        seen = self.left * gradient if self.right is None else (self.left @ gradient) * self.right
        return np.asarray(seen.sum(axis=1))

    def inner(self, other: Occurrences) -> Array:
        """⟨added_t, other's added_t⟩ of every step t, but for their powers of two."""
        if other.tokens is not None and self.tokens is None:
            return other.inner(self)
        if self.tokens is None or other.tokens is not None:
            same = np.asarray((self.left * other.left).sum(axis=1))
            if self.tokens is not None:
                return np.asarray(same * (self.tokens == other.tokens))
            if self.right is None or other.right is None:
                return same
            return np.asarray(same * (self.right * other.right).sum(axis=1))
        assert other.right is not None
        rows = other.left[np.arange(len(other.left)), self.tokens]
        return np.asarray(rows * (self.left * other.right).sum(axis=1))


@dataclass(frozen=True, eq=False)
class Gradient:
    """The gradient of one parameter: `scaled` × 2^`exponent`, where the exponent is 0 unless float64 is left."""

    scaled: Array
    exponent: int

    @property
    def array(self) -> Array:
        """As float64; entries beyond its range are infinite, entries below it 0."""
        if not self.exponent:
            return self.scaled
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(np.ldexp(self.scaled, int(np.clip(self.exponent, -5000, 5000))))

    @property
    def log10_norm(self) -> float:
        """log₁₀ of the Frobenius norm; −∞ for an exact zero."""
        flat = self.scaled.reshape(1, -1)
        return float(Scaled(flat, np.array([self.exponent])).log10_norms[0])


def added_up(parts: Sequence[Occurrences], shape: tuple[int, ...]) -> Gradient:
    """The sum of all that some occurrences add to a parameter of this shape."""
    found = _sum(parts, shape)
    if not parts or _LEAST < np.abs(found.scaled).max(initial=0.0) < np.inf:
        return found
    # Products of what float64 holds may have left it.
    return _sum([part.near_one for part in parts], shape)


def _sum(parts: Sequence[Occurrences], shape: tuple[int, ...]) -> Gradient:
    exponent = max((part.top() for part in parts), default=NOTHING)
    exponent = exponent if exponent > NOTHING else 0
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return Gradient(sum((part.total(exponent, shape) for part in parts), start=np.zeros(shape)), exponent)
