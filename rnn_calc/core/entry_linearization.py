"""The derivative of a run in numbers with an exponent for each, applied from either side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np

from rnn_calc.core.direct import is_share, log_value
from rnn_calc.core.elementwise import Factors, Paths, Place, plain, products_of
from rnn_calc.core.engine import Engine
from rnn_calc.core.equations import Apply, Expression, Vector
from rnn_calc.core.evaluation import Values, evaluate
from rnn_calc.core.extended import Entries
from rnn_calc.core.functions import entry_slopes
from rnn_calc.core.weights import Array


class _EntryFactors(Factors):
    """The same factors in numbers with an exponent for each, so that gates far below float64 keep their size."""

    def __init__(self, engine: Engine, values: Values) -> None:
        # The rules for paths are those of float64; only the arithmetic in which they are carried out is another.
        self._engine, self._values = engine, values
        self._entries: dict[Expression, Entries] = {}

    def slope(self, node: Apply) -> Array:
        if node not in self._entries:
            argument = evaluate(node.argument, self._values, self._engine.weights)
            self._entries[node] = Entries(*entry_slopes(node.function, argument))
        return cast(Array, self._entries[node])

    def value(self, node: Expression) -> Array:
        if is_share(node, self._engine):
            return cast(Array, Entries.of_logs(log_value(node, self._engine, self._values)))
        return cast(Array, Entries(evaluate(node, self._values, self._engine.weights), 0))

    @property
    def one(self) -> Array:
        return cast(Array, Entries(np.ones(1), 0))


class EntryLinearization:
    """The derivative of a run in numbers with an exponent for each."""

    def __init__(self, engine: Engine, values: Values) -> None:
        self._engine = engine
        paths = Paths(engine, _EntryFactors(engine, values))
        self._sources = cast("dict[Place, dict[Place, Entries]]", paths.sources)

    def width(self, state: str) -> int:
        """How wide a state is."""
        return self._engine.layer.sizes[self._engine.layer.state[state]]

    def pull(self, t: int, cotangents: Mapping[str, Entries]) -> dict[str, Entries]:
        """Rows `M` for each state of step `t`, times ∂state_t/∂state_{t−1}."""
        axes = self._engine.layer.state
        pending: dict[Place, Entries] = {Vector(name, axes[name]): rows for name, rows in cotangents.items()}
        for target in reversed(self._sources):
            rows = pending.pop(target, None)
            if rows is None:
                continue
            for place, path in self._sources[target].items():
                through = rows * (path if path.ndim == 1 else path[t])
                for product in products_of(place):
                    if self._engine.depends_on_state(product):
                        _add(pending, plain(product.vector), through @ self._engine.weights[product.matrix.name])
                if not products_of(place):
                    _add(pending, place, through)
        return {place.name: rows for place, rows in pending.items() if isinstance(place, Vector)}

    def push(self, t: int, tangents: Mapping[str, Entries]) -> dict[str, Entries]:
        """Rows of tangents of each state before step `t`, times (∂state_t/∂state_{t−1})ᵀ."""
        axes = self._engine.layer.state
        known: dict[Place, Entries] = {Vector(name, axes[name], True): rows for name, rows in tangents.items()}
        for target, sources in self._sources.items():
            for place, path in sources.items():
                through = path if path.ndim == 1 else path[t]
                for rows in self._reaching(place, known):
                    term = rows * through
                    known[target] = known[target] + term if target in known else term
        return {name: known[place] for name, axis in axes.items() if (place := Vector(name, axis)) in known}

    def _reaching(self, place: Place, known: Mapping[Place, Entries]) -> list[Entries]:
        """What known tangents make of a place: as they are, or through the matrices of its products."""
        if not products_of(place):
            return [known[place]] if place in known else []
        weights = self._engine.weights
        products = [(plain(product.vector), weights[product.matrix.name]) for product in products_of(place)]
        return [known[vector] @ matrix.T for vector, matrix in products if vector in known]


def _add(pending: dict[Place, Entries], place: Place, rows: Entries) -> None:
    pending[place] = pending[place] + rows if place in pending else rows
