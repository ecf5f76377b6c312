"""The gradients of all parameters at one lag as one vector: a few NumPy calls for all of them, not some for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rnn_calc.core.backward import Exponents
from rnn_calc.core.elementwise import Place
from rnn_calc.core.equations import Expression, Parameter, Product, Sum
from rnn_calc.core.evaluation import Values, evaluate
from rnn_calc.core.linearization import Linearization
from rnn_calc.core.network import Network
from rnn_calc.core.occurrences import Gradient, Occurrences, added_up
from rnn_calc.core.weights import Array, Weights

# Where the squares of a gradient add up to something in this range, none that matters has left float64, nor have the
# products that the gradient is made of.
_LEAST, _LARGEST = 2.0**-800, 2.0**800
_LOG10_2 = float(np.log10(2))


class Places:
    """Where each parameter (canonical name) stands in a vector of all of them. Shapes: sizes (parameters,)."""

    def __init__(self, network: Network, groups: Sequence[Groups]) -> None:
        self._shapes = {parameter.name: network.shape(parameter) for parameter in network.parameters}
        together = [name for layer in groups for name in layer.names]
        self.names = tuple(dict.fromkeys([*together, *self._shapes]))
        self.numbers = {name: number for number, name in enumerate(self.names)}
        self.sizes = np.array([int(np.prod(self._shapes[name])) for name in self.names])
        ends = np.cumsum(self.sizes)
        self.size = int(ends[-1])
        self._slices = [slice(int(end - size), int(end)) for end, size in zip(ends, self.sizes, strict=True)]

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a parameter."""
        return self._shapes[name]

    def span(self, names: Sequence[str]) -> slice:
        """Where some neighbours stand."""
        start, last = self.numbers[names[0]], self.numbers[names[-1]]
        return slice(self._slices[start].start, self._slices[last].stop)

    def parts(self, vector: Array) -> list[Array]:
        """Views of a vector, parameter by parameter."""
        return [vector[place] for place in self._slices]


def inner(some: Iterable[Array], other: Iterable[Array]) -> Array:
    """The inner products of pairs of vectors."""
    return np.array([one @ another for one, another in zip(some, other, strict=True)])


class LagVector:
    """What all paths of one length add to all gradients: entry by entry `vector` × 2^exponent, one for each parameter.

    Shapes: vector (places.size,), exponents and log10_norms (parameters,).
    """

    def __init__(self, lag: int, places: Places, vector: Array) -> None:
        self.lag, self.places, self.vector = lag, places, vector
        self.vector[:] = 0
        self.exponents = np.zeros(len(places.names), dtype=np.int64)
        self.log10_norms = np.full(len(places.names), -np.inf)

    def __getitem__(self, name: str) -> Gradient:
        own = self.vector[self.places.span((name,))].reshape(self.places.shape(name)).copy()
        return Gradient(own, int(self.exponents[self.places.numbers[name]]))

    def put(self, name: str, parts: Sequence[Occurrences]) -> None:
        """Set the gradient of a parameter to what some occurrences add up to."""
        found, number = added_up(parts, self.places.shape(name)), self.places.numbers[name]
        self.vector[self.places.span((name,))] = found.scaled.reshape(-1)
        self.exponents[number] = found.exponent
        self.log10_norms[number] = found.log10_norm


@dataclass(frozen=True, eq=False)
class _Group:
    """Parameters whose gradients are one product: that of some columns of the nodes with the vector that they multiply.

    Biases multiply nothing, and `right` is None; a parameter without a pre-activation has no `columns`.
    """

    parameters: tuple[Parameter, ...]
    columns: slice | None
    vector: Expression | None
    right: Array | None


class Groups:
    """The parameters of one direction of a layer, those together that one product of matrices gives."""

    def __init__(self, derivative: Linearization, values: Values, weights: Weights) -> None:
        groups = _joined(_single(derivative, values, weights))
        self._groups = groups
        self.names = tuple(dict.fromkeys(parameter.name for group in groups for parameter in group.parameters))
        # A parameter that occurs more than once needs its occurrences to be added up.
        self._alone = len(self.names) == sum(len(group.parameters) for group in groups)

    def add(self, nodes: Array, exponents: Exponents, elementwise: Mapping[Place, Array], found: LagVector) -> None:
        """Put the gradients at a lag into `found`, from the derivatives by the pre-activations of the first steps.

        `elementwise` are those of what no matrix stands before. Shapes: nodes (k, width), exponents (k,).
        """
        unsafe: Sequence[str] = self.names
        if self._alone and (exponents == exponents[0]).all():
            unsafe = self._multiplied(nodes, int(exponents[0]), elementwise, found)
        parts: dict[str, list[Occurrences]] = {name: [] for name in unsafe}
        for group in self._groups if unsafe else ():
            for parameter, left, right in _apart(group, nodes, elementwise, found.places):
                if parameter.name in parts:
                    parts[parameter.name].append(Occurrences(left, right, exponents))
        for name, own in parts.items():
            found.put(name, own)

    def _multiplied(
        self, nodes: Array, exponent: int, elementwise: Mapping[Place, Array], found: LagVector
    ) -> Sequence[str]:
        """The same where one power of two is that of all steps; which parameters may have left float64."""
        places, count = found.places, len(nodes)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            for group in self._groups:
                out = found.vector[places.span([parameter.name for parameter in group.parameters])]
                left = _left(group, nodes, elementwise)
                if group.right is None:
                    left.sum(axis=0, out=out)
                else:
                    np.matmul(left.T, group.right[:count], out=out.reshape(left.shape[1], -1))
            first = places.numbers[self.names[0]]
            numbers = slice(first, first + len(self.names))
            parts = places.parts(found.vector)[numbers]
            squares = inner(parts, parts)
        safe = (squares > _LEAST) & (squares < _LARGEST)
        found.exponents[numbers] = exponent
        found.log10_norms[numbers] = np.log10(np.where(safe, squares, 1.0)) / 2 + exponent * _LOG10_2
        return () if safe.all() else [name for name, kept in zip(self.names, safe, strict=True) if not kept]


def _single(derivative: Linearization, values: Values, weights: Weights) -> Iterator[_Group]:
    operands: dict[Expression, Array] = {}
    for node, columns in derivative.layout.columns.items():
        for term in node.terms if isinstance(node, Sum) else (node,):
            if isinstance(term, Product):
                if term.vector not in operands:
                    operands[term.vector] = evaluate(term.vector, values, weights)
                yield _Group((term.matrix,), columns, term.vector, operands[term.vector])
            elif isinstance(term, Parameter):
                yield _Group((term,), columns, None, None)
    own = dict.fromkeys(place for target in derivative.elementwise.values() for place, _ in target)
    yield from (_Group((parameter,), None, None, None) for parameter in own)


def _joined(groups: Iterator[_Group]) -> list[_Group]:
    """Neighbours that multiply the same vector as one group."""
    found: list[_Group] = []
    last: dict[Expression | None, int] = {}
    for group in groups:
        before = found[last[group.vector]] if group.columns and group.vector in last else None
        if before and before.columns and group.columns and before.columns.stop == group.columns.start:
            columns = slice(before.columns.start, group.columns.stop)
            both = (*before.parameters, *group.parameters)
            found[last[group.vector]] = _Group(both, columns, group.vector, group.right)
            continue
        if group.columns:
            last[group.vector] = len(found)
        found.append(group)
    return found


def _left(group: _Group, nodes: Array, elementwise: Mapping[Place, Array]) -> Array:
    return elementwise[group.parameters[0]] if group.columns is None else nodes[:, group.columns]


def _apart(
    group: _Group, nodes: Array, elementwise: Mapping[Place, Array], places: Places
) -> Iterator[tuple[Parameter, Array, Array | None]]:
    """Each parameter of a group with what its gradient is made of, step by step."""
    left, start = _left(group, nodes, elementwise), 0
    for parameter in group.parameters:
        stop = start + places.shape(parameter.name)[0]
        yield parameter, left[:, start:stop], None if group.right is None else group.right[: len(nodes)]
        start = stop
