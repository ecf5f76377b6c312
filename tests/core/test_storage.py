from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.errors import DataError
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.storage import fit_biases, read_arrays, write_arrays
from rnn_calc.core.weights import make_weights
from tests.core.drawing import random_arrays
from tests.references import Array

Arrays = dict[str, Array]

every_convention = pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=CONVENTIONS)
every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)


def pairs() -> Iterator[tuple[Convention, Cell]]:
    """Every convention with every cell that it has."""
    for convention in CONVENTIONS.values():
        for cell in CELLS.values():
            if not convention.cells or cell.name in convention.cells:
                yield convention, cell


every_pair = pytest.mark.parametrize(("convention", "cell"), list(pairs()), ids=lambda value: value.name)


def joined(arrays: Arrays, template: str, gates: str, axis: int = 0) -> Array:
    return np.concatenate([arrays[template.format(gate)] for gate in gates], axis=axis)


def transposed(arrays: Arrays, template: str, gates: str) -> Array:
    return np.concatenate([arrays[template.format(gate)].T for gate in gates], axis=1)


# What each framework stores, from its own documentation, in plain NumPy.


@pytest.mark.parametrize(("name", "gates"), [("rnn", "h"), ("lstm", "ifgo"), ("gru", "rzn")])
def test_pytorch_stacks_gates_by_rows_and_names_layers_and_directions(name: str, gates: str) -> None:
    network = Network(3, 4, 2, cell=CELLS[name], layers=2, bidirectional=True, biases=2)
    canonical = random_arrays(network, 0)
    stored = {"linear.weight": canonical["W_hy"], "linear.bias": canonical["b_y"]}
    for layer in (0, 1):
        for mark, suffix in (("→", ""), ("←", "_reverse")):
            where = f"^({layer + 1}{mark})"
            place = f"l{layer}{suffix}"
            stored[f"weight_ih_{place}"] = joined(canonical, "W_x{}" + where, gates)
            stored[f"weight_hh_{place}"] = joined(canonical, "W_h{}" + where, gates)
            stored[f"bias_ih_{place}"] = joined(canonical, "b_{}" + where, gates)
            stored[f"bias_hh_{place}"] = joined(canonical, "b_h{}" + where, gates)
    assert_stored(network, "pytorch", canonical, stored)


def test_pytorch_keeps_a_projection_beside_its_gates() -> None:
    network = Network(3, 5, cell=CELLS["lstm"], biases=2, d_p=2)
    canonical = random_arrays(network, 1)
    stored = {
        "weight_ih_l0": joined(canonical, "W_x{}", "ifgo"),
        "weight_hh_l0": joined(canonical, "W_h{}", "ifgo"),
        "bias_ih_l0": joined(canonical, "b_{}", "ifgo"),
        "bias_hh_l0": joined(canonical, "b_h{}", "ifgo"),
        "weight_hr_l0": canonical["W_hr"],
    }
    assert stored["weight_hh_l0"].shape == (20, 2)
    assert_stored(network, "pytorch", canonical, stored)


def test_keras_stacks_gates_by_columns() -> None:
    lstm = Network(3, 4, 2, cell=CELLS["lstm"])
    canonical = random_arrays(lstm, 2)
    stored = {
        "kernel": transposed(canonical, "W_x{}", "ifgo"),
        "recurrent_kernel": transposed(canonical, "W_h{}", "ifgo"),
        "bias": joined(canonical, "b_{}", "ifgo"),
        "dense.kernel": canonical["W_hy"].T,
        "dense.bias": canonical["b_y"],
    }
    assert stored["kernel"].shape == (3, 16)
    assert_stored(lstm, "keras", canonical, stored)


def test_keras_keeps_both_biases_of_a_gru_in_two_rows() -> None:
    gru = Network(3, 4, cell=CELLS["gru"], biases=2)
    canonical = random_arrays(gru, 3)
    stored = {
        "kernel": transposed(canonical, "W_x{}", "zrn"),
        "recurrent_kernel": transposed(canonical, "W_h{}", "zrn"),
        "bias": np.stack([joined(canonical, "b_{}", "zrn"), joined(canonical, "b_h{}", "zrn")]),
    }
    assert stored["bias"].shape == (2, 12)
    assert_stored(gru, "keras", canonical, stored)


def test_onnx_has_its_own_order_of_gates_and_both_directions_in_one_array() -> None:
    network = Network(3, 4, cell=CELLS["lstm-peephole"], biases=2, bidirectional=True)
    canonical = random_arrays(network, 4)

    def both(template: str, gates: str) -> Array:
        return np.stack([joined(canonical, f"{template}^({mark})", gates) for mark in "→←"])

    stored = {
        "W": both("W_x{}", "iofg"),
        "R": both("W_h{}", "iofg"),
        "B": np.concatenate([both("b_{}", "iofg"), both("b_h{}", "iofg")], axis=1),
        "P": both("p_{}", "iof"),
    }
    assert {name: array.shape for name, array in stored.items()} == {
        "W": (2, 16, 3),
        "R": (2, 16, 4),
        "B": (2, 32),
        "P": (2, 12),
    }
    assert_stored(network, "onnx", canonical, stored)


def test_flax_keeps_a_gru_gate_by_gate() -> None:
    network = Network(3, 4, cell=CELLS["gru"])
    canonical = random_arrays(network, 5)
    stored = {"hn.bias": canonical["b_hn"]}
    for gate in "rzn":
        stored[f"i{gate}.kernel"] = canonical[f"W_x{gate}"].T
        stored[f"h{gate}.kernel"] = canonical[f"W_h{gate}"].T
        stored[f"i{gate}.bias"] = canonical[f"b_{gate}"]
    assert_stored(network, "flax", canonical, stored)


def test_equinox_keeps_one_bias_and_a_second_for_the_candidate_of_a_gru() -> None:
    network = Network(3, 4, cell=CELLS["gru"])
    canonical = random_arrays(network, 6)
    stored = {
        "weight_ih": joined(canonical, "W_x{}", "rzn"),
        "weight_hh": joined(canonical, "W_h{}", "rzn"),
        "bias": joined(canonical, "b_{}", "rzn"),
        "bias_n": canonical["b_hn"],
    }
    assert_stored(network, "equinox", canonical, stored)


def test_an_embedding_lies_by_rows_in_every_convention_and_a_tied_readout_has_no_table_of_its_own() -> None:
    for convention in CONVENTIONS.values():
        cell = CELLS["gru"]
        network = Network(3, 3, 7, cell=cell, biases=convention.biases(cell), vocab=7, tied=True)
        canonical = random_arrays(network, 7)
        stored = write_arrays(network, convention, canonical)
        tables = [name for name, array in stored.items() if 7 in array.shape and array.ndim == 2]
        vectors = [name for name, array in stored.items() if array.shape in ((7,), (7, 1))]
        # b_y too is written (7, 1) where vectors are columns.
        (table,) = [name for name in tables if name not in vectors]
        np.testing.assert_array_equal(stored[table], canonical["E"])


def assert_stored(network: Network, convention: str, canonical: Arrays, stored: Arrays) -> None:
    """Read, these are the canonical arrays; written, those are these."""
    read = read_arrays(network, convention, stored)
    assert read.keys() == canonical.keys()
    for name, array in read.items():
        np.testing.assert_array_equal(array, canonical[name], err_msg=name)
    written = write_arrays(network, convention, canonical)
    assert written.keys() == stored.keys()
    for name, array in written.items():
        np.testing.assert_array_equal(array, stored[name], err_msg=name)


@every_pair
@given(
    seed=st.integers(0, 10**6),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(0, 5)),
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    biases=st.booleans(),
)
@settings(deadline=None, max_examples=12)
def test_what_is_written_is_read_again(
    convention: Convention,
    cell: Cell,
    seed: int,
    sizes: tuple[int, int, int],
    layers: int,
    bidirectional: bool,
    biases: bool,
) -> None:
    network = Network(
        *sizes,
        cell=cell,
        layers=layers,
        bidirectional=bidirectional,
        biases=convention.biases(cell) if biases else 0,
    )
    canonical = random_arrays(network, seed)
    notation = Notation(network, convention)
    written = write_arrays(network, convention, canonical)
    assert {name: array.shape for name, array in written.items()} == {
        stored.symbol: notation.shape(stored) for stored in notation.stored
    }
    assert sum(array.size for array in written.values()) == sum(array.size for array in canonical.values())
    read = read_arrays(network, convention, written)
    assert read.keys() == canonical.keys()
    for name, array in read.items():
        np.testing.assert_array_equal(array, canonical[name])
        assert array.dtype == np.float64
        assert array.flags.c_contiguous


def test_a_row_convention_turns_its_matrices_and_not_its_biases() -> None:
    read = read_arrays(
        Network(3, 2), CONVENTIONS["keras"], {"kernel": np.array([[1, 2], [3, 4], [5, 6]]), "bias": np.array([7, 8])}
    )
    np.testing.assert_array_equal(read["W_xh"], [[1, 3, 5], [2, 4, 6]])
    np.testing.assert_array_equal(read["b_h"], [7, 8])


def test_a_flat_bias_is_read_where_vectors_are_columns() -> None:
    for bias in (np.array([1.0, 2.0]), np.array([[1.0], [2.0]])):
        np.testing.assert_array_equal(read_arrays(Network(3, 2), CONVENTIONS["wx"], {"b": bias})["b_h"], [1, 2])


@every_pair
def test_a_transposed_matrix_is_refused_with_both_shapes(convention: Convention, cell: Cell) -> None:
    network = Network(5, 3, 2, cell=cell, biases=convention.biases(cell))
    notation = Notation(network, convention)
    tried = 0
    for stored in notation.stored:
        needs = notation.shape(stored)
        # An n × 1 matrix that arrives as 1 × n is a matrix the other way round too.
        if len(needs) == 2 and len(set(needs)) == 2:
            with pytest.raises(DataError) as caught:
                read_arrays(network, convention, {stored.symbol: np.zeros(needs[::-1])})
            message = str(caught.value)
            assert message.startswith(f"{stored.symbol} has shape {needs[::-1]}; ")
            assert f"= {needs}. It is transposed" in message
            tried += 1
    assert tried or convention.joins_directions


@pytest.mark.parametrize("shape", [(3,), (3, 4, 1), (2, 4), ()])
def test_any_other_shape_is_refused_without_calling_it_transposed(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"needs \(d_h, d_in\) = \(3, 4\)\.$"):
        read_arrays(Network(4, 3), CONVENTIONS["xh"], {"W_xh": np.zeros(shape)})


def test_the_shape_of_stacked_gates_is_named_in_the_conventions_sizes() -> None:
    network = Network(4, 3, cell=CELLS["lstm"], biases=2)
    with pytest.raises(DataError, match=r"needs \(4·hidden_size, input_size\) = \(12, 4\)\.$"):
        read_arrays(network, "pytorch", {"weight_ih_l0": np.zeros((9, 4))})


def test_an_unknown_symbol_is_answered_with_the_nearest() -> None:
    with pytest.raises(DataError, match=r"'W_xhh' is no parameter .* xh, which has W_xh, .*\. Did you mean W_xh"):
        read_arrays(Network(4, 3), CONVENTIONS["xh"], {"W_xhh": np.zeros((3, 4))})


# Biases


@every_cell
def test_two_biases_become_one_by_adding_and_one_becomes_two_with_a_zero(cell: Cell) -> None:
    one, two = (Network(2, 3, 2, cell=cell, layers=2, biases=biases) for biases in (1, 2))
    arrays = random_arrays(two, 0)
    own = {p.name for p in one.parameters}
    merged = fit_biases(one, arrays)
    assert merged.keys() == own
    split = fit_biases(two, merged)
    assert split.keys() == arrays.keys()
    for p in two.parameters:
        mark = f"^{p.mark}"
        second = f"b_h{p.gate}{mark}"
        if p.role == "bias" and second in arrays and second not in own:
            np.testing.assert_array_equal(merged[p.name], arrays[p.name] + arrays[second])
            np.testing.assert_array_equal(split[p.name], merged[p.name])
            assert not split[second].any()
        elif p.name in own:
            np.testing.assert_array_equal(merged[p.name], arrays[p.name])
            np.testing.assert_array_equal(split[p.name], arrays[p.name])


def test_the_bias_that_a_gru_resets_is_never_added_to_another() -> None:
    one, two = (Network(2, 3, cell=CELLS["gru"], biases=biases) for biases in (1, 2))
    arrays = random_arrays(two, 0)
    merged = fit_biases(one, arrays)
    np.testing.assert_array_equal(merged["b_hn"], arrays["b_hn"])
    np.testing.assert_array_equal(merged["b_n"], arrays["b_n"])


def test_a_second_bias_without_a_first_stands_for_both() -> None:
    assert fit_biases(Network(2, 1), {"b_hh": np.array([3.0])}) == {"b_h": np.array([3.0])}


def test_a_network_without_biases_takes_a_bias_of_zero_and_no_other() -> None:
    bare, W = Network(2, 3, biases=0), np.ones((3, 3))
    zero = np.zeros(3)
    assert set(fit_biases(bare, {"W_hh": W, "b_h": zero, "b_hh": zero})) == {"W_hh"}
    for name in ("b_h", "b_hh"):
        with pytest.raises(DataError, match=f"^{name} is not zero, but this network has no biases"):
            fit_biases(bare, {name: zero + 1})


def test_a_name_that_no_bias_rule_knows_is_left_for_make_weights_to_refuse() -> None:
    for biases in (0, 1, 2):
        network = Network(2, 3, biases=biases)
        fitted = fit_biases(network, {"W_xx": np.ones((3, 2))})
        assert set(fitted) == {"W_xx"}
        with pytest.raises(DataError, match="'W_xx' is no parameter"):
            make_weights(network, fitted)
