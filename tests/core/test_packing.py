from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_calc.core.errors import SizeError, TooLargeError
from rnn_calc.core.packing import LONGEST, MOST_LENGTHS, Packing, write_values

lengths = st.lists(st.integers(1, 30), min_size=1, max_size=12)


@given(lengths=lengths)
def test_the_batch_sizes_count_the_sequences_that_still_run(lengths: list[int]) -> None:
    packing = Packing(lengths)
    assert packing.batch_sizes == tuple(sum(length > t for length in lengths) for t in range(max(lengths)))
    assert sum(packing.batch_sizes) == packing.total == sum(lengths)


@given(lengths=lengths)
def test_the_two_orders_undo_each_other(lengths: list[int]) -> None:
    packing = Packing(lengths)
    descending = [lengths[index] for index in packing.sorted_indices]
    assert descending == sorted(lengths, reverse=True)
    assert [descending[index] for index in packing.unsorted_indices] == lengths


@pytest.mark.parametrize(
    ("wrong", "said"), [((3, 0), "length 2 must be at least 1"), ((-1,), "length 1"), ((), "no lengths")]
)
def test_a_length_is_positive(wrong: tuple[int, ...], said: str) -> None:
    with pytest.raises(SizeError, match=said):
        Packing(wrong)


def test_the_limits_are_stated() -> None:
    assert Packing([1] * MOST_LENGTHS).batch == MOST_LENGTHS
    with pytest.raises(TooLargeError, match=r"At most 1,000,000 lengths are taken; there are 1,000,001\."):
        Packing([1] * (MOST_LENGTHS + 1))
    with pytest.raises(TooLargeError, match=r"at most 1,000,000 steps; one has 1,000,001\."):
        Packing([LONGEST + 1])


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ((3, 2, 2, 1), "3, 2, 2, 1"),
        ((3,) * 20 + (2,) + (1,) * 1000, "3 (20 times), 2, 1 (1,000 times)"),
        (tuple(range(13)), ""),
    ],
)
def test_values_are_written_whole_or_counted_or_not_at_all(values: tuple[int, ...], written: str) -> None:
    assert write_values(values) == written
