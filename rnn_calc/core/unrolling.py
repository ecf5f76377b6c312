"""The unrolled network: what enters each step, the states of every layer after it, and what leaves it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.stages import Layer
from rnn_calc.core.tensors import Mode


class Chain(NamedTuple):
    """One direction of a layer through time: `states` stand to the left of the first step and right of each step.

    `layer` and the step `first` count from 1. A chain of the backward direction is read from right to left.
    """

    layer: int
    reverse: bool
    states: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    first: int = 1

    def after(self, t: int) -> str:
        """The state that step t makes."""
        return self.states[t - self.first + (not self.reverse)]


class UnrolledStep(NamedTuple):
    """One step of the unrolled network: what enters it (an input or the previous output), its state, what leaves it.

    `states` are those of every layer and direction, from the bottom up; a decoder has one.
    """

    t: int
    x: str | None
    state: str
    y: str | None
    states: tuple[str, ...]
    decoder: bool = False


class Unrolled(NamedTuple):
    """A network over some of its steps: the states of every layer and direction, and what each step takes and gives."""

    notation: Notation
    chains: tuple[Chain, ...]
    steps: tuple[UnrolledStep, ...]


def unroll_window(notation: Notation, first: int, steps: int, total: int) -> Unrolled:
    """`steps` of `total` steps from the step `first` on (counted from 1), each with its input and its output."""
    chains = chains_of(notation, steps, first)
    taken = unroll_network(notation.network, chains, "many-to-many", total, 0, range(first, first + steps))
    return Unrolled(notation, chains, tuple(taken))


def unroll_network(
    network: Network,
    chains: tuple[Chain, ...],
    mode: Mode,
    steps: int,
    decoder_steps: int,
    drawn: range | None = None,
) -> Iterator[UnrolledStep]:
    """What the first `steps` steps take in and give out under `mode`, or some of them; a decoder follows in seq2seq."""
    reads_out = network.d_out > 0
    x = "token" if network.vocab else "x"
    h = f"h^({network.layers})" if network.layers > 1 else "h"
    for t in drawn or range(1, steps + 1):
        has_x = mode != "one-to-many" or t == 1
        has_y = reads_out and (mode in ("many-to-many", "one-to-many") or (mode == "many-to-one" and t == steps))
        states = tuple(chain.after(t) for chain in chains)
        yield UnrolledStep(t, f"{x}_{t}" if has_x else None, f"{h}_{t}", f"y_{t}" if has_y else None, states)
    if mode == "seq2seq":
        for t in range(1, decoder_steps + 1):
            fed = f"y_{t - 1}" if reads_out and t > 1 else None
            yield UnrolledStep(t, fed, f"s_{t}", f"y_{t}" if reads_out else None, (f"s_{t}",), decoder=True)


def chains_of(notation: Notation, steps: int, first: int = 1) -> tuple[Chain, ...]:
    """The states of every layer and direction over `steps` steps from `first` on, from the bottom up."""
    return tuple(_chain(notation, layer, steps, first) for directions in notation.network.stack for layer in directions)


def _chain(notation: Notation, layer: Layer, steps: int, first: int) -> Chain:
    vectors = {e.name: e.vector for e in layer.equations if e.name in layer.state}
    ordered = [vectors[name] for name in layer.state]
    before = first if layer.reverse else first - 1
    states = tuple(", ".join(notation.vector(v, t) for v in ordered) for t in range(before, before + steps + 1))
    return Chain(
        layer.index + 1,
        layer.reverse,
        states,
        tuple(notation.column((layer.sizes[axis],)) for axis in layer.state.values()),
        first,
    )
