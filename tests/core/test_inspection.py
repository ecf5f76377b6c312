"""Measured matrices against NumPy over torch's own arrays, and the bound that follows."""

from __future__ import annotations

import numpy as np
import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.inspection import bound_per_step, measure_matrices, measured_parameters
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.storage import write_arrays
from tests.core.drawing import random_arrays
from tests.torch_or_skip import torch

GATES = {"rnn": "h", "lstm": "ifgo", "gru": "rzn"}
TORCH = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


@pytest.mark.parametrize("cell", TORCH)
def test_every_gate_of_torch_s_layers_is_measured(cell: str) -> None:
    module = TORCH[cell](4, 5, 2, bidirectional=True, dtype=torch.float64)
    arrays = {name: value.numpy() for name, value in module.state_dict().items()}
    network = Network(4, 5, cell=CELLS[cell], biases=2, layers=2, bidirectional=True)
    found = list(measure_matrices(Notation(network, "pytorch"), arrays.__getitem__))
    stored = [arrays[f"weight_hh{end}"] for end in ("_l0", "_l0_reverse", "_l1", "_l1_reverse")]
    expected = [block for array in stored for block in np.split(array, len(GATES[cell]))]
    assert [matrix.parameter.gate for matrix in found] == list(GATES[cell]) * 4
    assert [matrix.layer.reverse for matrix in found[:: len(GATES[cell])]] == [False, True, False, True]
    for matrix, block in zip(found, expected, strict=True):
        assert matrix.shape == (5, 5)
        assert matrix.spectral_radius == pytest.approx(np.abs(np.linalg.eigvals(block)).max(), rel=1e-10)
        assert matrix.spectral_norm == pytest.approx(np.linalg.svd(block)[1][0], rel=1e-12)


def test_only_arrays_with_recurrent_matrices_are_read() -> None:
    network = Network(4, 3, 2, cell=CELLS["lstm"], vocab=9)
    arrays = write_arrays(network, "xh", random_arrays(network, 1))
    asked = []

    def read(symbol: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        asked.append(symbol)
        return arrays[symbol]

    assert len(list(measure_matrices(Notation(network), read))) == 4
    assert asked == ["W_hi", "W_hf", "W_hg", "W_ho"]


def test_a_projected_layer_has_norms_and_no_eigenvalues() -> None:
    module = torch.nn.LSTM(4, 5, proj_size=2, dtype=torch.float64)
    arrays = {name: value.numpy() for name, value in module.state_dict().items()}
    network = Network(4, 5, cell=CELLS["lstm"], biases=2, d_p=2)
    *gates, projection = measure_matrices(Notation(network, "pytorch"), arrays.__getitem__)
    assert [matrix.shape for matrix in gates] == [(5, 2)] * 4
    assert [matrix.spectral_radius for matrix in (*gates, projection)] == [None] * 5
    assert projection.shape == (2, 5)
    assert projection.spectral_norm == pytest.approx(np.linalg.svd(arrays["weight_hr_l0"])[1][0], rel=1e-12)


def test_a_diagonal_is_measured_as_the_matrix_that_it_stands_for() -> None:
    network = Network(2, 3, cell=CELLS["indrnn"])
    arrays = random_arrays(network, 2) | {"u_h": np.array([0.5, -0.9, 0.1])}
    (found,) = measure_matrices(Notation(network), write_arrays(network, "xh", arrays).__getitem__)
    assert (found.shape, found.spectral_radius, found.spectral_norm) == ((3,), 0.9, 0.9)


@pytest.mark.parametrize("cell", ["rnn", "indrnn"])
@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_what_is_not_finite_is_named_by_its_place(cell: str, wrong: float) -> None:
    network = Network(2, 3, cell=CELLS[cell])
    arrays = random_arrays(network, 2)
    name = "W_hh" if cell == "rnn" else "u_h"
    arrays[name][(1, 2) if cell == "rnn" else 1] = wrong
    (found,) = measure_matrices(Notation(network), write_arrays(network, "xh", arrays).__getitem__)
    assert (found.spectral_radius, found.spectral_norm) == (None, None)
    assert found.problem.endswith(f"has {wrong:g} in row 2{', column 3' if cell == 'rnn' else ''}")


@pytest.mark.parametrize("cell", CELLS)
def test_cells_without_a_state_s_matrix_have_none_to_measure(cell: str) -> None:
    count = len(measured_parameters(Network(2, 3, cell=CELLS[cell], layers=2)))
    gates = {"lstm": 4, "lstm-peephole": 4, "gru": 3, "gru-reset-before": 3, "mgu": 2, "rnn": 1, "indrnn": 1}
    assert count == 2 * gates.get(cell, 0)


def test_there_is_a_bound_for_one_function_of_one_matrix_alone() -> None:
    for cell in CELLS:
        network = Network(2, 3, 2, cell=CELLS[cell], activation="sigmoid", layers=2)
        arrays = write_arrays(network, "xh", random_arrays(network, 2))
        for matrix in measure_matrices(Notation(network), arrays.__getitem__):
            bound = bound_per_step(network, matrix)
            assert matrix.spectral_norm is not None
            assert bound == (matrix.spectral_norm / 4 if cell in ("rnn", "indrnn") else None)
