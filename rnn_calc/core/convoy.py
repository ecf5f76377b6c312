"""Several products of the same Jacobians, taken a step further together: their rows are one block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import numpy as np

from rnn_calc.core.linearization import Linearization
from rnn_calc.core.weights import Array

# Back from the last step, ∂s_T/∂s_k for falling k, or forward from the first, ∂s_t/∂s_0 for growing t.
Family = Literal["back", "forward"]
FAMILIES: tuple[Family, ...] = ("back", "forward")


class Member(Protocol):
    """What goes in a convoy: rows for each state, and what becomes of them after a step."""

    @property
    def rows(self) -> int:
        """How many rows there are at present."""

    @property
    def blocks(self) -> Mapping[str, Array]:
        """The rows of each state."""

    def take(self, blocks: Mapping[str, Array], exponent: int, t: int) -> bool:
        """Take over what step `t` made of `blocks`, times 2^exponent; whether they were changed since."""


class Convoy:
    """Products of one run's Jacobians whose rows go through each step as one block."""

    def __init__(self, derivative: Linearization, family: Family = "back") -> None:
        self._step = derivative.pull if family == "back" else derivative.push
        self._exponent = derivative.exponent
        self._members: list[Member] = []
        self._rows: Mapping[str, Array] = {}
        self._changed = True

    def step(self, products: Sequence[Member], t: int) -> None:
        """Multiply each by the Jacobian of step `t`, which counts from 0.

        Raises: NonFiniteError where an entry leaves float64 within this one step.
        """
        if self._changed or list(products) != self._members:
            self._members = list(products)
            self._rows = self._joined()
        if not self._rows:
            return
        with np.errstate(over="ignore", invalid="ignore"):
            self._rows = self._step(t, self._rows)
        if len(products) == 1:
            self._changed = products[0].take(self._rows, self._exponent(t), t)
            return
        self._changed, end = False, 0
        for product in products:
            part = slice(end, end + product.rows)
            end = part.stop
            own = {name: rows[part] for name, rows in self._rows.items()}
            self._changed |= product.take(own, self._exponent(t), t)

    def _joined(self) -> Mapping[str, Array]:
        if len(self._members) == 1:
            return self._members[0].blocks
        widths = {name: rows.shape[1] for product in self._members for name, rows in product.blocks.items()}
        return {
            name: np.vstack([product.blocks.get(name, np.zeros((product.rows, width))) for product in self._members])
            for name, width in widths.items()
        }
