"""Whole positive solutions of the equation that a total sets up between a network's two sizes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection
from functools import cache
from math import isqrt
from typing import NamedTuple

from rnn_calc.core.divisors import divisors

_divisors = cache(divisors)


class Equation(NamedTuple):
    """a·h² + b·h·x + c·h + d·x = n for whole h and x, with a and c at least 0, and b at least 1."""

    a: int
    b: int
    c: int
    d: int
    n: int

    def solve_for_h(self, x: int) -> tuple[int, ...]:
        """The positive whole h for this x: one or none."""
        return positive_roots(self.a, self.b * x + self.c, self.n - self.d * x)

    def solve_for_x(self, widths: Collection[int]) -> list[tuple[int, int]]:
        """Each x and h that solve it, with h one of the widths."""
        a, b, c, d, n = self
        found = []
        for h in widths:
            x, rest = divmod(n - (a * h + c) * h, b * h + d)
            if not rest and x > 0:
                found.append((x, h))
        return found

    def candidates(self, lowest: int, most: int) -> tuple[Collection[int], bool]:
        """The h from `lowest` that may solve it with some x, and whether these are all.

        Where there are more than `most`, those are kept that make h and x small.
        """
        a, b, c, d, n = self
        if n <= 0:
            return (), True
        # With x = 1 h is largest: a·h² + (b + c)·h + d ≤ n.
        room = max(0, n - d)
        largest = (isqrt((b + c) ** 2 + 4 * a * room) - b - c) // (2 * a) if a else room // (b + c)
        balanced = isqrt(n // (a + b))
        if not d:
            # h is a factor of the left side.
            known = _divisors(n)
            start, end = bisect_left(known, lowest), bisect_right(known, largest)
            if end - start <= most:
                return known[start:end], True
            start = max(start, min(bisect_left(known, balanced) - most // 2, end - most))
            return known[start : start + most], False
        if largest - lowest < most:
            return range(lowest, largest + 1), True
        if a or balanced > most // 2:
            start = max(lowest, min(balanced - most // 2, largest - most + 1))
            return range(start, start + most), False
        # One of both is at most the root of their product.
        followed = (divmod(n - d * x, b * x + c) for x in range(1, balanced + 1))
        beyond = {h for h, rest in followed if not rest and h > balanced}
        return [*range(lowest, balanced + 1), *sorted(beyond)], True


def positive_roots(a: int, b: int, n: int) -> tuple[int, ...]:
    """The positive whole x with a·x² + b·x = n."""
    if n <= 0:
        return ()
    if not a:
        return (n // b,) if b and n % b == 0 else ()
    square = b * b + 4 * a * n
    root = isqrt(square)
    return ((root - b) // (2 * a),) if root * root == square and (root - b) % (2 * a) == 0 else ()
