"""The largest products among very many paths of factors, and the number of those paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import pairwise
from math import frexp, ldexp, log10
from typing import NamedTuple

import numpy as np

from rnn_calc.core.weights import Array


class Product(NamedTuple):
    """A number as mantissa · 2^exponent, since a product of many factors may be far below float64."""

    mantissa: float = 0.0
    exponent: int = 0

    @classmethod
    def of(cls, value: float) -> Product:
        """A float as such a number."""
        return cls(*frexp(value))

    def times(self, factor: float) -> Product:
        """This number times another."""
        mantissa, exponent = frexp(self.mantissa * factor)
        return Product(mantissa, self.exponent + exponent if mantissa else 0)

    def plus(self, other: Product) -> Product:
        """This number and another added up."""
        if not (self.mantissa and other.mantissa):
            return self if self.mantissa else other
        top = max(self.exponent, other.exponent)
        parts = [ldexp(part.mantissa, max(part.exponent - top, -2000)) for part in (self, other)]
        return Product.of(sum(parts)).raised(top)

    def raised(self, exponent: int) -> Product:
        """This number times 2^exponent."""
        return Product(self.mantissa, self.exponent + exponent) if self.mantissa else Product()

    @property
    def negative(self) -> Product:
        """This number with the other sign."""
        return Product(-self.mantissa, self.exponent)

    @property
    def log10(self) -> float:
        """The base-10 logarithm of its size; −inf for 0."""
        return log10(abs(self.mantissa)) + self.exponent * log10(2) if self.mantissa else float("-inf")

    @property
    def value(self) -> float:
        """It as a float: 0 or infinity where it is beyond float64."""
        try:
            return ldexp(self.mantissa, self.exponent)
        except OverflowError:
            return float("inf") if self.mantissa > 0 else float("-inf")


def added(products: Iterable[Product]) -> Product:
    """The sum of some numbers."""
    total = Product()
    for product in products:
        total = total.plus(product)
    return total


class _Node(NamedTuple):
    """A unit that a path has come to, and how it came."""

    unit: int
    place: int
    before: _Node | None

    def units(self) -> tuple[int, ...]:
        """All units of the path."""
        found, node = [self.unit], self.before
        while node:
            found.append(node.unit)
            node = node.before
        return tuple(found[::-1])


class Factors:
    """Units step by step: how the weight enters them, the factors between them, and how each ends in the target."""

    def __init__(self, start: Array, jacobians: list[Array], ends: list[Array]) -> None:
        self._start, self._jacobians, self._ends = start, jacobians, ends
        self._log_start = _logarithms(start)
        self._log_jacobians = [_logarithms(jacobian) for jacobian in jacobians]
        self._log_ends = [_logarithms(end) for end in ends]

    def count(self) -> int:
        """How many paths there are whose factors are all other than 0."""
        if not self._ends:
            return 0
        there = (self._ends[-1] != 0).astype(object)
        for jacobian, end in zip(self._jacobians[::-1], self._ends[-2::-1], strict=True):
            there = (jacobian != 0).T.astype(object).dot(there) + (end != 0).astype(object)
        return int((self._start != 0).astype(object).dot(there))

    def largest(self, most: int) -> Iterator[tuple[tuple[int, ...], tuple[float, ...], Product]]:
        """The paths of the largest products, the largest first: the units, the factors, the product.

        The search goes on where the least has been lost beside the largest, so the first that it completes is that.
        """
        if not self._ends:
            return
        best = self._best()
        # Less lost comes first, then what is further on; the ticket makes sure that no two nodes are ever compared.
        queue: list[tuple[float, int, int, bool, _Node]] = []
        ticket = 0

        def offer(lost: float, node: _Node, *, complete: bool) -> None:
            nonlocal ticket
            if lost < np.inf:
                ticket += 1
                heappush(queue, (lost, -node.place - complete, ticket, complete, node))

        entered = self._log_start + best[0]
        for unit in np.nonzero(entered > -np.inf)[0].tolist():
            offer(float(entered.max() - entered[unit]), _Node(unit, 0, None), complete=False)
        while queue and most:
            lost, _, _, complete, node = heappop(queue)
            if complete:
                most -= 1
                yield self._path(node.units())
                continue
            place, unit = node.place, node.unit
            # On the best way nothing is lost, to the last bit: these are the numbers that `best` is the maximum of.
            offer(lost + best[place][unit] - self._log_ends[place][unit], node, complete=True)
            if place < len(self._log_jacobians):
                onward = best[place][unit] - (self._log_jacobians[place][:, unit] + best[place + 1])
                # No more than `most` of one node's followers can be among the largest.
                for follower in np.argsort(onward, kind="stable")[:most].tolist():
                    offer(lost + onward[follower], _Node(follower, place + 1, node), complete=False)

    def _best(self) -> list[Array]:
        """For each step and unit, the logarithm of the largest product from there to the target."""
        found = [self._log_ends[-1]]
        for jacobian, end in zip(self._log_jacobians[::-1], self._log_ends[-2::-1], strict=True):
            found.append(np.maximum((jacobian + found[-1][:, None]).max(axis=0), end))
        return found[::-1]

    def _path(self, nodes: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[float, ...], Product]:
        factors = [float(self._start[nodes[0]])]
        for place, (unit, following) in enumerate(pairwise(nodes)):
            factors.append(float(self._jacobians[place][following, unit]))
        factors.append(float(self._ends[len(nodes) - 1][nodes[-1]]))
        product = Product.of(1.0)
        for factor in factors:
            product = product.times(factor)
        return nodes, tuple(factors), product


def _logarithms(factors: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log2(np.abs(factors)))
