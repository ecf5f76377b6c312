"""The states of torch.nn.RNN, LSTM and GRU, from torch's own state dicts: stacked, in two directions, packed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS
from rnn_calc.core.network import Network
from rnn_calc.core.storage import read_arrays
from rnn_calc.core.trace import Trace, trace
from rnn_calc.core.weights import Weights
from tests.references import Array

pytestmark = pytest.mark.torch

# The promise of the package; torch's own weights contract, so rounding stays at a few u.
PROMISED = 1e-12


def weights_of(network: Network, **modules: Any) -> Weights:
    """Torch's arrays under torch's names; those of a recurrent layer have no prefix."""
    named = {}
    for prefix, module in modules.items():
        for name, value in module.state_dict().items():
            named[name if prefix == "layer" else f"{prefix}.{name}"] = value.numpy()
    return Weights(read_arrays(network, "pytorch", named))


@dataclass(frozen=True)
class Case:
    """A layer of torch, and what goes in."""

    kind: str
    sizes: tuple[int, int, int]
    layers: int
    bidirectional: bool
    bias: bool
    activation: str
    steps: int
    batch: int
    batch_first: bool
    lengths: tuple[int, ...]
    with_states: bool
    seed: int

    @property
    def network(self) -> Network:
        d_in, d_h, d_p = self.sizes
        return Network(
            d_in,
            d_h,
            cell=CELLS[self.kind],
            activation=self.activation,
            biases=2 if self.bias else 0,
            layers=self.layers,
            bidirectional=self.bidirectional,
            d_p=d_p,
        )


@st.composite
def cases(draw: st.DrawFn, kind: str) -> Case:
    d_h, steps, batch = draw(st.integers(2, 24)), draw(st.integers(1, 25)), draw(st.integers(1, 5))
    packed = draw(st.booleans())
    return Case(
        kind,
        (draw(st.integers(1, 12)), d_h, draw(st.sampled_from([0, draw(st.integers(1, d_h - 1))])) * (kind == "lstm")),
        draw(st.integers(1, 4)),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.sampled_from(["tanh", "relu"])) if kind == "rnn" else "tanh",
        steps,
        batch,
        draw(st.booleans()),
        tuple(draw(st.lists(st.integers(1, steps), min_size=batch, max_size=batch))) if packed else (),
        draw(st.booleans()),
        draw(st.integers(0, 10**6)),
    )


def of_torch(case: Case) -> tuple[Weights, Array, dict[str, Array], Array, dict[str, Array]]:
    """Torch's weights, input and first states, and what it makes of them: output (T, B, ·), last states."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(case.seed)
    d_in, d_h, d_p = case.sizes
    options = {
        "num_layers": case.layers,
        "bidirectional": case.bidirectional,
        "bias": case.bias,
        "batch_first": case.batch_first,
        "dtype": torch.float64,
    }
    if case.kind == "rnn":
        layer = torch.nn.RNN(d_in, d_h, nonlinearity=case.activation, **options)
    elif case.kind == "lstm":
        layer = torch.nn.LSTM(d_in, d_h, proj_size=d_p, **options)
    else:
        layer = torch.nn.GRU(d_in, d_h, **options)
    rows = (case.batch, case.steps) if case.batch_first else (case.steps, case.batch)
    x = torch.randn(*rows, d_in, dtype=torch.float64)
    runs = case.layers * (1 + case.bidirectional)
    first = {"h": torch.randn(runs, case.batch, d_p or d_h, dtype=torch.float64)}
    if case.kind == "lstm":
        first["c"] = torch.randn(runs, case.batch, d_h, dtype=torch.float64)
    fed = x
    if case.lengths:
        pack = torch.nn.utils.rnn.pack_padded_sequence
        fed = pack(x, list(case.lengths), batch_first=case.batch_first, enforce_sorted=False)
    with torch.no_grad():
        hx = (first["h"], first["c"]) if case.kind == "lstm" else first["h"]
        output, last = layer(fed, hx) if case.with_states else layer(fed)
    if case.lengths:
        unpack = torch.nn.utils.rnn.pad_packed_sequence
        output, _ = unpack(output, batch_first=case.batch_first, total_length=case.steps)
    turned = output.transpose(0, 1) if case.batch_first else output
    names = dict(zip("hc", last if case.kind == "lstm" else (last,), strict=False))
    return (
        weights_of(case.network, layer=layer),
        x.numpy(),
        {name: state.numpy() for name, state in first.items()} if case.with_states else {},
        turned.numpy(),
        {name: state.numpy() for name, state in names.items()},
    )


def run(case: Case, weights: Weights, x: Array, first: dict[str, Array]) -> Trace:
    lengths = case.lengths or None
    return trace(case.network, weights, x, first, batch_first=case.batch_first, lengths=lengths)


def assert_as_torch(case: Case) -> None:
    weights, x, first, output, last = of_torch(case)
    done = run(case, weights, x, first)
    np.testing.assert_allclose(done.h, output, rtol=0, atol=PROMISED)
    for name, states in last.items():
        assert len(done.final) == len(states)
        for ours, theirs in zip(done.final, states, strict=True):
            np.testing.assert_allclose(ours[name], theirs, rtol=0, atol=PROMISED)


@given(case=cases("rnn"))
@settings(deadline=None, max_examples=60)
def test_plain_networks_are_those_of_torch(case: Case) -> None:
    assert_as_torch(case)


@given(case=cases("lstm"))
@settings(deadline=None, max_examples=60)
def test_lstms_are_those_of_torch(case: Case) -> None:
    assert_as_torch(case)


@given(case=cases("gru"))
@settings(deadline=None, max_examples=60)
def test_grus_are_those_of_torch(case: Case) -> None:
    assert_as_torch(case)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize(("d_h", "batch"), [(300, 1), (50, 3)])
def test_large_layers_are_those_of_torch(kind: str, d_h: int, batch: int) -> None:
    # Matrices beyond the cache are multiplied in pieces, and long sequences in blocks.
    projection = d_h // 3 if kind == "lstm" else 0
    assert_as_torch(Case(kind, (30, d_h, projection), 1, True, True, "tanh", 1100, batch, False, (), True, 5))


@given(seed=st.integers(0, 10**6), T=st.integers(1, 20), V=st.integers(1, 30), tied=st.booleans())
@settings(deadline=None, max_examples=20)
def test_an_embedding_and_a_readout_are_those_of_torch(seed: int, T: int, V: int, tied: bool) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(seed)
    embedding = torch.nn.Embedding(V, 6, dtype=torch.float64)
    layer = torch.nn.GRU(6, 6, num_layers=2, dtype=torch.float64)
    readout = torch.nn.Linear(6, V if tied else 4, dtype=torch.float64)
    network = Network(6, 6, V if tied else 4, CELLS["gru"], layers=2, biases=2, vocab=V, tied=tied)
    if tied:
        readout.weight = embedding.weight
    tokens = torch.randint(V, (T, 3))
    with torch.no_grad():
        y = readout(layer(embedding(tokens))[0]).numpy()
    weights = weights_of(network, layer=layer, embedding=embedding)
    modules = {name: value.numpy() for name, value in readout.state_dict().items()}
    stored = {"linear.bias": modules["bias"]} | ({} if tied else {"linear.weight": modules["weight"]})
    whole = Weights(weights.arrays | read_arrays(network, "pytorch", stored))
    done = trace(network, whole, tokens.numpy())
    assert done.y is not None
    np.testing.assert_allclose(done.y, y, rtol=0, atol=PROMISED)
    one = trace(network, whole, tokens[:, 1].numpy())
    assert one.y is not None
    np.testing.assert_allclose(one.y, y[:, 1], rtol=0, atol=PROMISED)
