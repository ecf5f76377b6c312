"""What a run starts from, checked: the inputs or tokens, the lengths of packed sequences, and the first states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnn_calc.core.errors import DataError
from rnn_calc.core.network import Network
from rnn_calc.core.stages import Layer
from rnn_calc.core.weights import Array

Indices = NDArray[np.int64]

# The states of each layer and direction, in the order of a framework's h_n: layer by layer, forward before backward.
States = tuple[dict[str, Array], ...]

# What a caller may give instead: one array a state, (layers · directions, B, width) for a stack, or a dict for each.
GivenStates: TypeAlias = "Mapping[str, ArrayLike] | Sequence[Mapping[str, ArrayLike]]"


class Inputs(NamedTuple):
    """A sequence or a batch of them, time first: vectors, or with an embedding the numbers of its rows.

    Shapes: `x` (T, d_in) or (T, B, d_in), None where `tokens`, (T,) or (T, B), are given; `lengths` (B,) or None.
    """

    x: Array | None
    tokens: Indices | None
    lengths: Indices | None = None

    @property
    def steps(self) -> int:
        """T."""
        return self.batch_shape[0]

    @property
    def batch(self) -> tuple[int, ...]:
        """() for one sequence, (B,) for a batch."""
        return self.batch_shape[1:]

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """(T,) or (T, B)."""
        if self.tokens is not None:
            return self.tokens.shape
        assert self.x is not None
        return self.x.shape[:-1]


def check_inputs(
    network: Network, x: ArrayLike, *, batch_first: bool = False, lengths: ArrayLike | None = None, first: int = 1
) -> Inputs:
    """The inputs of a run, time first; tokens where the network has an embedding. `first` is the number of their first.

    Shapes: x (T, d_in), (T, B, d_in), or (B, T, d_in) with `batch_first`; tokens the same without their last axis.
    Raises: DataError for a wrong shape, a number that is no token, or a length that is none.
    """
    array = np.asarray(x)
    dimensions = array.ndim + (1 if network.vocab else 0)
    if network.vocab:
        if dimensions not in (2, 3):
            raise DataError(f"The tokens have shape {array.shape}; a network with vocab = {network.vocab} needs (T,) "
                            f"or a batch of it, (T, B).")  # fmt: skip
    elif dimensions not in (2, 3) or array.shape[-1] != network.d_in:
        raise DataError(f"x has shape {array.shape}; d_in = {network.d_in} needs (T, {network.d_in}) or a batch of it.")
    if batch_first and dimensions == 3:
        array = array.swapaxes(0, 1)
    if not array.size:
        raise DataError("The sequence is empty; it must have at least one step.")
    ends = None if lengths is None else _lengths(lengths, array.shape[: dimensions - 1])
    if network.vocab:
        return Inputs(None, _tokens(array, network.vocab, ends, first), ends)
    return Inputs(array.astype(np.float64, copy=False), None, ends)


def _lengths(given: ArrayLike, shape: tuple[int, ...]) -> Indices:
    array = np.asarray(given)
    if len(shape) != 2:
        raise DataError("Lengths are for a batch (T, B, ·); one sequence is as long as it is.")
    T, B = shape
    if array.shape != (B,) or array.dtype.kind not in "iu":
        raise DataError(f"A batch of {B} needs {B} lengths, whole numbers; they have shape {array.shape}.")
    for number, length in enumerate(array.tolist(), start=1):
        if not 1 <= length <= T:
            raise DataError(f"Length {number} is {length}; a sequence of this batch has 1 to {T} steps.")
    return array.astype(np.int64)


def _tokens(array: NDArray[Any], vocab: int, lengths: Indices | None, first: int) -> Indices:
    """The numbers of the embedding's rows; what follows a sequence's end may be anything, and is 0."""
    if array.dtype.kind not in "iuf":
        raise DataError("Tokens are whole numbers, the rows of the embedding.")
    numbers = array if lengths is None else np.where(within(lengths, len(array)), array, 0)
    with np.errstate(invalid="ignore"):
        wrong = ~((numbers >= 0) & (numbers < vocab) & (np.floor(numbers) == numbers))
    if wrong.any():
        where = tuple(int(index[0]) for index in np.nonzero(wrong))
        whose = f" of sequence {where[1] + 1}" if len(where) > 1 else ""
        raise DataError(
            f"Token {first + where[0]}{whose} is {float(numbers[where]):.17g}; "
            f"a token is a whole number from 0 to {vocab - 1:,}, for vocab = {vocab:,}."
        )
    return numbers.astype(np.int64)


def within(lengths: Indices, steps: int) -> NDArray[np.bool_]:
    """Which steps of which sequence are before its end. Shapes: (T, B)."""
    return np.arange(steps)[:, None] < lengths


def backward(array: Array, lengths: Indices | None = None) -> Array:
    """The steps in the opposite order, each sequence from its own end; what follows an end stays in its place.

    Without lengths it is a view. Twice, it is the array again.
    """
    if lengths is None:
        return array[::-1]
    steps = np.arange(len(array))[:, None]
    order = np.where(steps < lengths, lengths - 1 - steps, steps)
    return np.take_along_axis(array, order[..., None], axis=0)


def zero_states(network: Network, batch: tuple[int, ...] = ()) -> States:
    """The states that every sequence starts from unless told otherwise."""
    return tuple(
        {name: np.zeros((*batch, layer.sizes[axis])) for name, axis in layer.state.items()}
        for layer in all_layers(network)
    )


def all_layers(network: Network) -> tuple[Layer, ...]:
    """Every direction of every layer, in the order of a framework's h_n."""
    return tuple(layer for directions in network.stack for layer in directions)


def initial_states(network: Network, given: GivenStates | None, batch: tuple[int, ...] = ()) -> States:
    """The states that every layer and direction starts from; zeros where `given` says nothing.

    Shapes: each array (width,) or (B, width); a mapping for several layers or directions holds them on a leading axis,
    or as a list where their widths differ, as a framework's h_0 and c_0 do.
    Raises: DataError for a name or a shape that does not fit.
    """
    states = zero_states(network, batch)
    layers = all_layers(network)
    for place, own in enumerate(_by_layer(network, given, states)):
        for name, value in own.items():
            if name not in states[place]:
                raise DataError(f"The cell {network.cell.name} has no state {name}; it has {', '.join(states[place])}.")
            array, needs = _numbers(name, value), states[place][name].shape
            if array.shape != needs:
                whose = f" of {layers[place].part}" if len(layers) > 1 else ""
                raise DataError(f"{name}0{whose} has shape {array.shape}; it needs {needs}.")
            states[place][name] = array
    return states


def _numbers(name: str, value: ArrayLike) -> Array:
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name}0 must be an array of numbers.") from None


def _by_layer(network: Network, given: GivenStates | None, states: States) -> list[Mapping[str, ArrayLike]]:
    """What is given, for each layer and direction by itself."""
    if given is None:
        return []
    if not isinstance(given, Mapping):
        _require_count(network, "The first states", len(given), len(states))
        return list(given)
    found: list[dict[str, ArrayLike]] = [{} for _ in states]
    for name, value in given.items():
        parts = _parts(value)
        # With one layer, its state as it is; a framework's leading axis of 1 is understood too.
        if len(states) == 1 and not (name in states[0] and list(map(np.ndim, parts)) == [states[0][name].ndim]):
            parts = [value]
        _require_count(network, f"{name}0", len(parts), len(states))
        for own, part in zip(found, parts, strict=True):
            own[name] = part
    return list(found)


def _parts(value: ArrayLike) -> list[ArrayLike]:
    """What stands on the leading axis; nothing where that is the only one."""
    entries = value if isinstance(value, list | tuple) else np.asarray(value)
    if isinstance(entries, np.ndarray) and not entries.ndim:
        return []
    return [entry for entry in entries if np.ndim(entry)]


def _require_count(network: Network, what: str, count: int, needed: int) -> None:
    if count != needed:
        directions = " in 2 directions" if network.bidirectional else ""
        layers = f"{network.layers} {'layer' if network.layers == 1 else 'layers'}{directions}"
        raise DataError(f"{what} must be {needed} arrays, one for each of {layers}; {count} were given.")
