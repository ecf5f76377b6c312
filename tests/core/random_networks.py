"""Random networks of every kind that a convention can write, for Hypothesis."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.equations import MERGES
from rnn_calc.core.network import Network


@st.composite
def written_networks(draw: st.DrawFn, largest: int = 9) -> tuple[Network, Convention]:
    """A network and a convention that can write it."""
    convention = CONVENTIONS[draw(st.sampled_from(sorted(CONVENTIONS)))]
    cell = CELLS[draw(st.sampled_from(sorted(convention.cells or CELLS)))]
    size = st.integers(1, largest)
    layers = draw(st.integers(1, 4))
    bidirectional = draw(st.booleans())
    d_h = draw(st.one_of(size, st.tuples(*[size] * layers)))
    network = Network(
        draw(size),
        d_h,
        draw(st.integers(0, largest)),
        cell,
        biases=draw(st.sampled_from((0, convention.biases(cell)) if convention.is_framework else (0, 1, 2))),
        layers=layers,
        bidirectional=bidirectional,
        merge=draw(st.sampled_from(MERGES)) if bidirectional else "concat",
        readout_bias=draw(st.booleans()),
    )
    projects = "c" in cell.state and (not convention.is_framework or convention.name == "pytorch")
    narrowest = min(network.widths)
    if projects and narrowest > 1 and draw(st.booleans()):
        network = replace(network, d_p=draw(st.integers(1, narrowest - 1)))
    if draw(st.booleans()):
        network = replace(network, vocab=draw(size))
        if draw(st.booleans()):
            network = replace(network, d_in=network.output_width, d_out=network.vocab, tied=True)
    return network, convention
