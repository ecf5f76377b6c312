from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.conventions import Convention
from rnn_calc.core.counts import count_parameters
from rnn_calc.core.equations import ACTIVATIONS
from rnn_calc.core.errors import DataError, SizeError
from rnn_calc.core.network import Network
from tests.core.random_networks import written_networks


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


@pytest.mark.parametrize(
    ("biases", "said"), [(-1, "biases must be 0 or more; it is -1"), (3, "0, 1 or 2 biases, not 3")]
)
def test_a_gate_has_at_most_two_biases(biases: int, said: str) -> None:
    with pytest.raises(DataError, match=said):
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


LSTM = CELLS["lstm"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"d_p": 3, "cell": LSTM}, "A projection must be narrower than d_h = 3; it is 3."),
        ({"d_p": 2}, "The cell rnn has no projection"),
        ({"merge": "sum"}, "Merging by sum needs two directions"),
        ({"merge": "concatenate", "bidirectional": True}, r"no merge 'concatenate'.*Did you mean concat\?"),
        ({"tied": True}, "the network has none"),
        ({"tied": True, "vocab": 9}, "A tied readout has vocab = 9 outputs; d_out is 2."),
        ({"tied": True, "vocab": 2}, "as wide as the embedding, d_in = 4; it is 3 wide"),
        ({"d_h": (3, 4), "layers": 3}, "d_h names 2 widths, but there are 3 layers"),
        ({"d_h": ()}, "d_h names 0 widths"),
        ({"layers": 1001}, "at most 1,000 layers here; 1,001 are too many"),
        ({"layers": 0}, "layers must be at least 1"),
        ({"vocab": -1}, "vocab must be 0 or more"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Network(**{"d_in": 4, "d_h": 3, "d_out": 2, **wrong})


def test_layers_of_one_width_have_one_size_and_of_several_one_each() -> None:
    assert Network(4, (3, 3)) == Network(4, 3, layers=2)
    assert Network(4, (3, 5)).sizes == {"d_in": 4, "d_h^(1)": 3, "d_h^(2)": 5, "d_out": 0, "1": 1}


def test_a_stage_takes_what_the_one_below_gives() -> None:
    network = Network(4, (3, 5), 2, LSTM, bidirectional=True, vocab=9)
    assert [stage.part for stage in network.stages] == [
        "embedding",
        *("layer 1, forward", "layer 1, backward", "layer 1"),
        *("layer 2, forward", "layer 2, backward", "layer 2"),
        "readout",
    ]
    assert [layer.sizes["d_in"] for directions in network.stack for layer in directions] == [4, 4, 6, 6]
    assert network.output_width == 10
    assert network.shape(next(p for p in network.parameters if p.name == "W_hy")) == (2, 10)


@pytest.mark.parametrize(("merge", "width"), [("concat", 6), ("sum", 3), ("average", 3), ("product", 3)])
def test_only_concatenated_directions_make_the_next_layer_wider(merge: str, width: int) -> None:
    network = Network(4, 3, 2, layers=2, bidirectional=True, merge=merge)
    assert network.stack[1][0].sizes["d_in"] == network.output_width == width


def test_a_projection_narrows_the_state_and_every_matrix_that_reads_it() -> None:
    network = Network(4, 3, 2, LSTM, d_p=2, layers=2)
    shapes = {parameter.name: network.shape(parameter) for parameter in network.parameters}
    assert (shapes["W_hi^(1)"], shapes["W_hr^(1)"], shapes["W_xi^(2)"], shapes["W_hy"]) == (
        (3, 2),
        (2, 3),
        (3, 2),
        (2, 2),
    )


def test_a_tied_readout_has_no_matrix_of_its_own() -> None:
    network = Network(3, 3, 9, vocab=9, tied=True)
    assert [p.name for p in network.parameters if p.role in ("embedding", "readout")] == ["E"]
    assert network.owners[network.parameters[0]] is network.embedding
    assert not any(p.role == "readout_bias" for p in Network(3, 3, 2, readout_bias=False).parameters)


@given(written=written_networks())
@settings(deadline=None, max_examples=60)
def test_every_parameter_has_a_name_of_its_own_and_one_owner(written: tuple[Network, Convention]) -> None:
    network, _ = written
    names = [parameter.name for parameter in network.parameters]
    assert len(set(names)) == len(names)
    assert set(network.parameters) == {p for stage in network.stages for p in stage.parameters}
    assert all(parameter in stage.parameters for parameter, stage in network.owners.items())
