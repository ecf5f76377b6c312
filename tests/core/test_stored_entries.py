from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.errors import DataError
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.storage import write_arrays
from rnn_calc.core.stored_entries import parameter_entry, stored_entry
from tests.core.random_networks import written_networks


@given(written_networks(largest=4), st.randoms())
@settings(deadline=None, max_examples=60)
def test_an_entry_is_found_where_the_written_arrays_have_it(drawn: tuple[Network, Convention], random: Random) -> None:
    network, convention = drawn
    notation = Notation(network, convention)
    # Every entry of every parameter is a number of its own.
    arrays, count = {}, 0
    for parameter in network.parameters:
        shape = network.shape(parameter)
        arrays[parameter.name] = np.arange(count, count + np.prod(shape), dtype=np.float64).reshape(shape)
        count += int(np.prod(shape))
    written = write_arrays(network, convention, arrays)
    for symbol, array in written.items():
        index = tuple(random.randrange(size) for size in array.shape)
        name, place = parameter_entry(notation, symbol, index)
        assert arrays[name][place] == array[index]
        assert stored_entry(notation, name, place) == (symbol, index)


@pytest.mark.parametrize("index", [(3, 0), (0, 1), (0,), (0, 0, 0), (-1, 0)])
def test_an_index_that_is_none_is_told_the_range(index: tuple[int, ...]) -> None:
    with pytest.raises(DataError) as caught:
        parameter_entry(Notation(Network(1, 3, 2)), "W_xh", index)
    assert str(caught.value) == (
        "W_xh has shape (3, 1), so its indices go 0 to 2, 0; the last entry is W_xh[2,0]. Indices count from 0."
    )


def test_a_symbol_of_another_convention_is_told_the_nearest() -> None:
    with pytest.raises(DataError, match="Did you mean W_hx"):
        parameter_entry(Notation(Network(1, 3, 2), CONVENTIONS["hx"]), "W_xh", (0, 0))


def test_a_vector_written_as_a_column_takes_one_index_or_two() -> None:
    notation = Notation(Network(1, 3), CONVENTIONS["wx"])
    assert parameter_entry(notation, "b", (2,)) == parameter_entry(notation, "b", (2, 0)) == ("b_h", (2,))
