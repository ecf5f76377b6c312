from __future__ import annotations

import numpy as np
import pytest

from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.counts import count_parameters
from rnn_calc.core.equations import ACTIVATIONS
from rnn_calc.core.errors import DataError, SizeError
from rnn_calc.core.network import Network


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_a_network_without_outputs_has_no_readout(cell: Cell) -> None:
    with_readout, without = Network(2, 3, 4, cell=cell), Network(2, 3, 0, cell=cell)
    assert [e.name for e in with_readout.equations] == [*(e.name for e in without.equations), "y"]
    assert set(with_readout.parameters) - set(without.parameters) == {
        p for p in with_readout.parameters if p.role.startswith("readout")
    }


def test_the_vanilla_network_has_the_parameters_of_the_textbooks_in_their_order() -> None:
    assert [p.name for p in Network(4, 3, 2).parameters] == ["W_xh", "W_hh", "b_h", "W_hy", "b_y"]


@pytest.mark.parametrize(("d_in", "d_h", "d_out"), [(0, 3, 2), (4, 0, 2), (4, 3, -1), (-1, 3, 2)])
def test_a_size_below_its_minimum_is_refused_by_name(d_in: int, d_h: int, d_out: int) -> None:
    with pytest.raises(SizeError, match=r"^d_(in|h|out) must be "):
        Network(d_in, d_h, d_out)


def test_an_unknown_activation_is_answered_with_the_nearest() -> None:
    with pytest.raises(DataError, match=r"no activation 'tan'.*Did you mean tanh\?"):
        Network(4, 3, activation="tan")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_written_into_the_state(activation: str) -> None:
    assert f"function='{activation}'" in repr(Network(4, 3, activation=activation).equations)


@pytest.mark.parametrize("biases", [-1, 3])
def test_a_gate_has_at_most_two_biases(biases: int) -> None:
    with pytest.raises(DataError, match=f"not {biases}"):
        Network(4, 3, biases=biases)


def test_sizes_of_any_integer_type_are_kept_as_plain_ints() -> None:
    network = Network(np.int64(10**9), np.int64(10**10), np.int8(5), biases=np.uint8(2))  # type: ignore[arg-type]
    kept = (network.d_in, network.d_h, network.d_out, network.biases)
    assert kept == (10**9, 10**10, 5, 2)
    assert {type(size) for size in kept} == {int}
    assert network == Network(10**9, 10**10, 5, biases=2)
    # 10^20 is more than int64 holds.
    assert count_parameters(network, "pytorch").recurrent == 10**19 + 10**20 + 2 * 10**10


@pytest.mark.parametrize("biases", [True, 1.0])
def test_a_number_of_biases_is_an_integer(biases: object) -> None:
    with pytest.raises(DataError, match="biases must be a whole number"):
        Network(4, 3, biases=biases)  # type: ignore[arg-type]
