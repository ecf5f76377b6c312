"""Gradients against torch's autograd: of torch's modules, and of every cell's plain equations on torch's tensors."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS
from rnn_calc.core.equations import MERGES
from rnn_calc.core.gradients import backpropagate
from rnn_calc.core.losses import Loss
from rnn_calc.core.network import Network
from rnn_calc.core.storage import write_arrays
from rnn_calc.core.trace import trace
from rnn_calc.core.weights import Weights
from tests import references
from tests.core.drawing import random_weights, sequence
from tests.core.test_torch import weights_of
from tests.references import Array
from tests.torch_or_skip import torch

pytestmark = pytest.mark.torch

seeds = st.integers(0, 10**6)
# What the package promises, relative to the largest entry; both sides add up some hundred products.
PROMISED = 1e-10


def assert_close(ours: Array, theirs: Array) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=PROMISED, atol=PROMISED * float(np.abs(theirs).max()))


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_gradients_of_torchs_modules_are_those_of_autograd(kind: str, data: st.DataObject) -> None:
    draw = data.draw
    d_in, d_h, layers, T = (draw(st.integers(1, top)) for top in (6, 12, 3, 30))
    bidirectional, bias = draw(st.booleans()), draw(st.booleans())
    d_p = draw(st.integers(1, d_h - 1)) if kind == "lstm" and d_h > 1 and draw(st.booleans()) else 0
    options: dict[str, Any] = {"num_layers": layers, "bidirectional": bidirectional, "bias": bias}
    options |= {"dtype": torch.float64} | ({"proj_size": d_p} if d_p else {})
    torch.manual_seed(draw(seeds))
    module = getattr(torch.nn, kind.upper())(d_in, d_h, **options)
    linear = torch.nn.Linear((d_p or d_h) * (1 + bidirectional), 3, dtype=torch.float64)
    network = Network(d_in, d_h, 3, CELLS[kind], biases=2 * bias, layers=layers, bidirectional=bidirectional, d_p=d_p)
    x = torch.randn(T, d_in, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(3, (T,))
    y = linear(module(x)[0])
    torch.nn.functional.cross_entropy(y, targets).backward()
    weights = weights_of(network, layer=module, linear=linear)
    found = backpropagate(trace(network, weights, x.detach().numpy()), Loss("cross-entropy", targets.numpy()))
    ours = write_arrays(network, "pytorch", found.parameters)
    for prefix, part in (("", module), ("linear.", linear)):
        for name, value in part.named_parameters():
            assert_close(ours[prefix + name], value.grad.numpy())
    assert_close(found.x, x.grad.numpy())


def torch_numbers() -> Any:
    """What the plain equations call of NumPy, on tensors."""
    return SimpleNamespace(
        tanh=torch.tanh,
        exp=torch.exp,
        asarray=lambda value: value,
        array=torch.stack,
        concatenate=torch.cat,
        zeros=lambda width: torch.zeros(width, dtype=torch.float64),
    )


@pytest.mark.parametrize("cell", CELLS)
@given(data=st.data())
@settings(deadline=None, max_examples=15)
def test_gradients_of_every_cell_are_those_of_autograd(cell: str, data: st.DataObject) -> None:
    draw = data.draw
    bidirectional = draw(st.booleans())
    network = Network(
        draw(st.integers(1, 4)),
        tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))),
        2,
        cell=CELLS[cell],
        bidirectional=bidirectional,
        merge=draw(st.sampled_from(MERGES)) if bidirectional else "concat",
    )
    seed, T = draw(seeds), draw(st.integers(1, 12))
    weights, x, targets = random_weights(network, seed), sequence(seed, T, network.d_in), sequence(seed + 1, T, 2)
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in weights.arrays.items()}
    inputs = torch.tensor(x, requires_grad=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(references, "np", torch_numbers())
        y = references.network_outputs(network, tensors, inputs)
    torch.nn.functional.mse_loss(y, torch.tensor(targets)).backward()
    found = backpropagate(trace(network, Weights(weights.arrays), x), Loss("mse", targets))
    for name, gradient in found.parameters.items():
        theirs = tensors[name].grad
        assert_close(gradient, np.zeros_like(gradient) if theirs is None else theirs.numpy())
    assert_close(found.x, inputs.grad.numpy())
