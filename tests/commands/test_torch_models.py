"""torch's own state dicts, saved by torch and given to --model: every state is torch's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_calc.commands.loading import load_weights
from rnn_calc.commands.options import NetworkOptions
from rnn_calc.commands.run_options import WeightOptions
from rnn_calc.commands.setup import load_setup
from rnn_calc.core.trace import trace
from tests.commandline import calc
from tests.references import Array

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

CELLS = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}


def module(cell: str, rng: np.random.Generator) -> Any:
    """A recurrent module of random size and structure, in double precision."""
    hidden = int(rng.integers(2, 9))
    projection = int(rng.integers(1, hidden)) if cell == "lstm" and rng.random() < 0.4 else 0
    torch.manual_seed(int(rng.integers(2**31)))
    return getattr(torch.nn, CELLS[cell])(
        int(rng.integers(1, 7)),
        hidden,
        num_layers=int(rng.integers(1, 4)),
        bidirectional=bool(rng.random() < 0.5),
        bias=bool(rng.random() < 0.8),
        dtype=torch.float64,
        **({"proj_size": projection} if projection else {}),
    )


def saved(rnn: Any, folder: Path) -> str:
    path = folder / "model.pt"
    torch.save({"epoch": 3, "model": {f"encoder.{name}": value for name, value in rnn.state_dict().items()}}, path)
    return str(path)


def states(found: Any, cell: str) -> tuple[Array, Array | None]:
    """h_n and c_n as arrays, c_n where there is one."""
    h, c = found if cell == "lstm" else (found, None)
    return h.numpy(), None if c is None else c.numpy()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("cell", CELLS)
def test_packed_batches_through_a_saved_model_are_those_of_torch(cell: str, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, 7])
    rnn = module(cell, rng)
    lengths = rng.integers(1, 9, size=4)
    x = rng.standard_normal((8, 4, rnn.input_size))
    setup = load_setup(NetworkOptions(model=saved(rnn, tmp_path)))
    assert (setup.network.cell.name, setup.convention.name) == (cell, "pytorch")
    ours = trace(setup.network, load_weights(setup, WeightOptions()), x, lengths=lengths)
    with torch.no_grad():
        packed = torch.nn.utils.rnn.pack_padded_sequence(torch.tensor(x), torch.tensor(lengths), enforce_sorted=False)
        output, last = rnn(packed)
        padded, _ = torch.nn.utils.rnn.pad_packed_sequence(output, total_length=8)
    # Contracting layers of a few units over 8 steps: rounding stays at a few units in the last place.
    np.testing.assert_allclose(ours.h, padded.numpy(), rtol=0, atol=1e-12)
    h_n, c_n = states(last, cell)
    for place, final in enumerate(ours.final):
        np.testing.assert_allclose(final["h"], h_n[place], rtol=0, atol=1e-12)
        if c_n is not None:
            np.testing.assert_allclose(final["c"], c_n[place], rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cell", CELLS)
def test_the_command_runs_a_saved_model_as_torch_does(cell: str, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, 8])
    rnn = module(cell, rng)
    x = rng.standard_normal((6, rnn.input_size))
    sequence = tmp_path / "x.npy"
    np.save(sequence, x)
    args = ("trace", "--model", saved(rnn, tmp_path), "--layer", "encoder", "--sequence", str(sequence), "--json")
    result = calc(*args)
    assert result.status == 0, result.err
    document = json.loads(result.out)
    with torch.no_grad():
        output, _ = rnn(torch.tensor(x))
    np.testing.assert_allclose([step["h"] for step in document["steps"]], output.numpy(), rtol=0, atol=1e-12)
    assert ("c" in document["steps"][0]) == (cell == "lstm")


def test_a_saved_model_answers_every_command(tmp_path: Path) -> None:
    path = saved(torch.nn.LSTM(3, 5, num_layers=2, bidirectional=True), tmp_path)
    total = sum(parameter.numel() for parameter in torch.nn.LSTM(3, 5, num_layers=2, bidirectional=True).parameters())
    assert json.loads(calc("params", "--model", path, "--json").out)["total"] == total
    for command in ("shapes", "cost", "trace", "gradient-decay", "export"):
        result = calc(command, "--model", path)
        assert result.status == 0, result.err
