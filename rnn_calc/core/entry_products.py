"""A product of Jacobians with an exponent for every entry, back from the last step or forward from the first."""

from __future__ import annotations

from collections.abc import Collection
from math import inf

import numpy as np

from rnn_calc.core.convoy import Family
from rnn_calc.core.engine import Engine
from rnn_calc.core.entry_linearization import EntryLinearization
from rnn_calc.core.evaluation import Values
from rnn_calc.core.extended import Entries
from rnn_calc.core.weights import Array


class EntryProduct:
    """The block of some `states` of a product of Jacobians, entry by entry."""

    def __init__(self, engine: Engine, values: Values, states: Collection[str], family: Family) -> None:
        derivative = EntryLinearization(engine, values)
        self._move = derivative.pull if family == "back" else derivative.push
        self._widths = {state: derivative.width(state) for state in states}
        ends = np.cumsum(list(self._widths.values()))
        parts = np.split(np.eye(int(ends[-1])), ends[:-1], axis=1)
        self._blocks = {state: Entries(part, 0) for state, part in zip(self._widths, parts, strict=True)}
        self._rows = int(ends[-1])

    def step(self, t: int) -> None:
        """Multiply by the Jacobian of step `t`, which counts from 0."""
        self._blocks = self._move(t, self._blocks) if self._blocks else {}

    def _parts(self) -> list[Entries]:
        return [self._blocks[state] for state in self._widths if state in self._blocks]

    def log2_norm(self) -> float:
        """The base-2 logarithm of the 2-norm; minus infinity where all is 0."""
        parts = self._parts()
        if not parts:
            return -inf
        top = max(int(part.exponents.max()) for part in parts)
        return Entries(np.hstack([part.shifted(top) for part in parts]), top).log2_norm()

    def matrix(self) -> Array:
        """The block as an array; entries beyond float64 are infinite, entries below it 0."""
        blocks = self._blocks
        return np.hstack(
            [
                blocks[state].plain() if state in blocks else np.zeros((self._rows, width))
                for state, width in self._widths.items()
            ]
        )
