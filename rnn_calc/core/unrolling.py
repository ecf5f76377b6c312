"""The unrolled network: what enters each step, the states of every layer after it, and what leaves it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rnn_calc.core.network import Layer, Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.tensors import Mode


class Chain(NamedTuple):
    """One direction of a layer through time: `states` stand to the left of the first step and right of each step.

    `layer` counts from 1. A chain of the backward direction is read from right to left.
    """

    layer: int
    reverse: bool
    states: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    def after(self, t: int) -> str:
        """The state that step t makes."""
        return self.states[t - 1 if self.reverse else t]


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


def unroll_network(
    network: Network, chains: tuple[Chain, ...], mode: Mode, steps: int, decoder_steps: int
) -> Iterator[UnrolledStep]:
    """What the first `steps` steps take in and give out under `mode`; a decoder follows in seq2seq."""
    reads_out = network.d_out > 0
    x = "token" if network.vocab else "x"
    h = f"h^({network.layers})" if network.layers > 1 else "h"
    for t in range(1, steps + 1):
        has_x = mode != "one-to-many" or t == 1
        has_y = reads_out and (mode in ("many-to-many", "one-to-many") or (mode == "many-to-one" and t == steps))
        states = tuple(chain.after(t) for chain in chains)
        yield UnrolledStep(t, f"{x}_{t}" if has_x else None, f"{h}_{t}", f"y_{t}" if has_y else None, states)
    if mode == "seq2seq":
        for t in range(1, decoder_steps + 1):
            fed = f"y_{t - 1}" if reads_out and t > 1 else None
            yield UnrolledStep(t, fed, f"s_{t}", f"y_{t}" if reads_out else None, (f"s_{t}",), decoder=True)


def chains_of(notation: Notation, steps: int) -> tuple[Chain, ...]:
    """The states of every layer and direction over the first `steps` steps, from the bottom up."""
    return tuple(_chain(notation, layer, steps) for directions in notation.network.stack for layer in directions)


def _chain(notation: Notation, layer: Layer, steps: int) -> Chain:
    vectors = {e.name: e.vector for e in layer.equations if e.name in layer.state}
    ordered = [vectors[name] for name in layer.state]
    first = 1 if layer.reverse else 0
    states = tuple(", ".join(notation.vector(v, t) for v in ordered) for t in range(first, first + steps + 1))
    return Chain(
        layer.index + 1,
        layer.reverse,
        states,
        tuple(notation.column((layer.sizes[axis],)) for axis in layer.state.values()),
    )
