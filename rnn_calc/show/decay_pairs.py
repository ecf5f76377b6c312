"""The norms between all pairs of steps: a heat map, and rows for programs."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

import numpy as np

from rnn_calc.core.pairs import PairDecay
from rnn_calc.show.decay_certificate import certificate_json
from rnn_calc.show.decay_series import BESIDE, NetworkDecay
from rnn_calc.show.document import Block, Text
from rnn_calc.show.figures import picture_figure
from rnn_calc.show.format import power_of_ten
from rnn_calc.show.picture import HeatMap

# Colours go both ways from a norm of 1 where the shorter way is at least this share of the longer one.
_BOTH_WAYS = 0.25


def pair_map(network: NetworkDecay, pairs: PairDecay, label: str = "") -> HeatMap:
    """The triangle: a row for each later step t, a column for each earlier one k, 0 being before the first."""
    T = len(pairs.log10_norms) - 1
    layer = network.first.layer
    symbol = layer.symbol(pairs.state)
    order = ", steps counted as the layer reads" if layer.reverse else ""
    norms = pairs.log10_norms[1:, :T]
    finite = norms[np.isfinite(norms)]
    below, above = (-float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    both = min(below, above) > _BOTH_WAYS * max(below, above)
    return HeatMap(
        f"‖∂{symbol}_t/∂{symbol}_k‖₂ between all pairs of steps{order}{label}",
        "k, the earlier step",
        "t, the later step",
        "log₁₀ norm",
        norms,
        tuple(map(str, range(T))),
        tuple(map(str, range(1, T + 1))),
        centre=0.0 if both else None,
    )


def pair_blocks(network: NetworkDecay, label: str) -> list[Block]:
    """A heat map of each state, and what it shows; nothing where it was not asked for."""
    blocks: list[Block] = []
    for pairs in network.pairs:
        blocks += [picture_figure(pair_map(network, pairs, label)), Text(tuple(_said(network, pairs)))]
    return blocks


def _said(network: NetworkDecay, pairs: PairDecay) -> Iterator[str]:
    yield (
        "· The last row is ‖∂s_T/∂s_k‖₂, what --family back measures, and column 0 is --family forward; the diagonal "
        "next to the empty half is lag 1."
    )
    norms, symbol = pairs.log10_norms, network.first.layer.symbol(pairs.state)
    finite = np.where(np.isfinite(norms), norms, -np.inf)
    t, k = np.unravel_index(int(finite.argmax()), norms.shape)
    if isfinite(finite[t, k]):
        yield f"· The largest norm is {power_of_ten(float(norms[t, k]))}, of ∂{symbol}_{t}/∂{symbol}_{k}."


def pair_json(network: NetworkDecay) -> dict[str, object]:
    """Under "pairs" an object for each state; each row has the norms for k = 0 … t − 1."""
    if not network.pairs:
        return {}
    return {
        "pairs": [
            {
                "state": pairs.state,
                "certificate": certificate_json(pairs.certificate),
                "rows": [_row(t, pairs.log10_norms[t, :t].tolist()) for t in range(1, len(pairs.log10_norms))],
            }
            for pairs in network.pairs
        ]
    }


def _row(t: int, norms: list[float]) -> dict[str, object]:
    return {"t": t, "log10_norms": [norm if isfinite(norm) else None for norm in norms]}


def pair_csv(networks: tuple[NetworkDecay, ...]) -> Iterator[tuple[object, ...]]:
    """A row for each pair of steps; the empty cell is an exact zero's."""
    columns = []
    for place, pairs in enumerate(networks[0].pairs):
        name = f"log10_norm_{BESIDE[pairs.state]}" if place else "log10_norm"
        for network in networks:
            end = f" ({network.label})" if len(networks) > 1 else ""
            columns.append((f"{name}{end}", network.pairs[place].log10_norms))
    yield ("t", "k", *(name for name, _ in columns))
    for t in range(1, len(columns[0][1])):
        for k in range(t):
            norms = (float(values[t, k]) for _, values in columns)
            yield (t, k, *(norm if isfinite(norm) else None for norm in norms))
