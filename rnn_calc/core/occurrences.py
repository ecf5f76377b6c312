"""What a gradient is made of: what each occurrence of a parameter adds to it, step by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnn_calc.core.backward import Exponents, Scaled
from rnn_calc.core.inputs import Indices
from rnn_calc.core.weights import Array


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

    @property
    def reversed(self) -> Occurrences:
        """The same in the opposite order of steps."""
        return Occurrences(self.left[::-1], None if self.right is None else self.right[::-1], self.exponents[::-1])

    @property
    def near_one(self) -> Occurrences:
        """The same with the largest entry of every row near 1, so that no square leaves float64."""
        left, units = _near_one(self.left)
        right = self.right
        if right is not None:
            right, more = _near_one(right)
            units = units + more
        return Occurrences(left, right, self.exponents + units, self.tokens)

    def top(self) -> int:
        """The largest power of two of a step that adds anything."""
        if not self.exponents.any():
            return 0
        there = self.left.any(axis=1)
        return int(self.exponents[there].max()) if there.any() else 0

    def total(self, exponent: int, shape: tuple[int, ...]) -> Array:
        """The sum over all steps, divided by 2^`exponent`."""
        left = Scaled(self.left, self.exponents).relative_to(exponent)
        if self.tokens is not None:
            total = np.zeros(shape)
            np.add.at(total, self.tokens, left)
            return total
        return np.asarray(left.sum(axis=0) if self.right is None else left.T @ self.right)

    def at(self, place: int, shape: tuple[int, ...]) -> Array:
        """What one step adds, counted from 0, but for its power of two."""
        left = self.left[place]
        if self.tokens is not None:
            added = np.zeros(shape)
            added[self.tokens[place]] = left
            return added
        return left if self.right is None else np.outer(left, self.right[place])

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


def _near_one(rows: Array) -> tuple[Array, Exponents]:
    """Rows divided by a power of two each, and those powers; a row of zeros as it is."""
    units = np.frexp(np.abs(rows).max(axis=1, initial=0.0))[1].astype(np.int64)
    return np.asarray(np.ldexp(rows, -units[:, None])), units


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
