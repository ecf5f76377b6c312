"""Where a step's pre-activations stand in a row, which matrices make them, and the coefficients that lead to them."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np

from rnn_calc.core.elementwise import Paths, Place, plain, products_of
from rnn_calc.core.engine import Engine
from rnn_calc.core.equations import Expression, axis_of
from rnn_calc.core.weights import Array

# One step, or neighbouring steps with a row for each; they count from 0.
Steps: TypeAlias = "int | slice"


class Stack(NamedTuple):
    """Matrices that multiply one vector, by name, one above the other; the columns of their pre-activations."""

    operand: Place
    matrices: tuple[str, ...]
    starts: frozenset[int]
    columns: slice


class Part(NamedTuple):
    """Neighbouring pre-activations that a target is made of, and the coefficients to each, (T, count·n).

    `first` says that no target that is pulled back earlier comes to the same columns.
    """

    coefficients: Array
    starts: frozenset[int]
    columns: slice
    first: bool

    def at(self, steps: Steps) -> Array:
        """The coefficients of one step (count, n), or of several (k, count, n)."""
        found = self.coefficients[steps]
        return found.reshape(*found.shape[:-1], len(self.starts), -1)


class Block(NamedTuple):
    """Neighbouring pre-activations that multiply one vector: Σ_g (M ⊙ k_g)·W_g is M·(Σ_g diag(k_g)·W_g).

    Shapes: matrices (count, n, m).
    """

    operand: Place
    part: Part
    matrices: Array

    def times(self, rows: Array, t: int, memory: Array) -> Array:
        """Rows of cotangents of the target, taken back to the vector; `memory` (r, layout.width) is written over."""
        if len(self.matrices) == 1:
            return np.asarray(
                np.multiply(rows, self.part.at(t)[0], out=memory[:, self.part.columns]) @ self.matrices[0]
            )
        return rows @ self._matrix(t)

    def times_transposed(self, rows: Array, t: int) -> Array:
        """Rows of tangents of the vector, taken on to the target."""
        if len(self.matrices) == 1:
            return np.asarray((rows @ self.matrices[0].T) * self.part.at(t)[0])
        return rows @ self._matrix(t).T

    def _matrix(self, t: int) -> Array:
        return np.asarray((self.part.at(t)[:, :, None] * self.matrices).sum(axis=0))


class Layout:
    """Which pre-activations stand side by side in a row, and in which stacks their matrices are."""

    def __init__(self, engine: Engine, paths: Paths) -> None:
        self._users = self._products(paths)
        self.inputs = [vector for vector in self._users if not engine.depends_on_state(vector)]
        widths = {node: engine.layer.sizes[axis_of(node)] for node in self._order()}
        ends = np.cumsum(list(widths.values()), dtype=int).tolist()
        self.columns = {node: slice(end - width, end) for (node, width), end in zip(widths.items(), ends, strict=True)}
        self.width = ends[-1] if ends else 0
        self.stacks = {vector: tuple(self._stacks(vector)) for vector in self._users}

    @staticmethod
    def _products(paths: Paths) -> dict[Place, list[Expression]]:
        """The pre-activations that have a product with each vector."""
        found: dict[Place, list[Expression]] = {}
        for node in dict.fromkeys(place for sources in paths.sources.values() for place in sources):
            for product in products_of(node):
                if paths.counts(product):
                    found.setdefault(plain(product.vector), []).append(node)
        return found

    def _order(self) -> list[Expression]:
        """The pre-activations, so that those which share a vector are neighbours, as far as that can be."""
        vectors = sorted(self._users, key=lambda vector: vector not in self.inputs)
        nodes = dict.fromkeys(node for vector in vectors for node in self._users[vector])
        # Those of inputs alone come first, then those of inputs and states, then those of states alone.
        return sorted(nodes, key=lambda n: tuple((n in self._users[v]) != (v in self.inputs) for v in vectors))

    def _stacks(self, vector: Place) -> list[Stack]:
        found: list[Stack] = []
        for node in sorted(self._users[vector], key=lambda node: self.columns[node].start):
            columns = self.columns[node]
            for product in products_of(node):
                if plain(product.vector) != vector:
                    continue
                last = found[-1] if found else None
                if last and last.columns.stop == columns.start:
                    names, starts = (*last.matrices, product.matrix.name), last.starts | {columns.start}
                    found[-1] = Stack(vector, names, starts, slice(last.columns.start, columns.stop))
                else:
                    found.append(Stack(vector, (product.matrix.name,), frozenset({columns.start}), columns))
        return found
