from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_calc.core.errors import SizeError, UsageError
from rnn_calc.core.sizes import LARGEST_SIZE, check_size, whole_numbers


@given(st.integers(1, 10**18))
def test_a_size_from_1_to_10_to_the_18_passes_unchanged(value: int) -> None:
    assert check_size("d_h", value) == value


@given(st.integers(max_value=0))
def test_a_size_below_1_is_refused_with_its_value(value: int) -> None:
    with pytest.raises(SizeError, match=rf"^d_h must be at least 1; it is {value}\.$"):
        check_size("d_h", value)


def test_zero_passes_where_zero_is_the_minimum() -> None:
    assert check_size("d_out", 0, minimum=0) == 0
    with pytest.raises(SizeError, match="d_out must be 0 or more; it is -1"):
        check_size("d_out", -1, minimum=0)


@pytest.mark.parametrize("value", [True, 3.0, "3", None])
def test_what_is_no_whole_number_is_refused_with_its_type(value: object) -> None:
    with pytest.raises(SizeError, match=f"is a {type(value).__name__}"):
        check_size("d_in", value)


def test_a_size_that_is_too_large_is_told_by_its_digits_not_printed() -> None:
    with pytest.raises(SizeError, match=r"at most 10\^18; it has 1001 digits"):
        check_size("d_h", 10**1000)
    with pytest.raises(SizeError, match=r"it has thousands of digits"):
        check_size("d_h", 10**4300)
    assert LARGEST_SIZE == 10**18


def test_the_caller_chooses_the_error_and_the_hint() -> None:
    with pytest.raises(UsageError, match=r"Try --d-h 3\."):
        check_size("--d-h", 0, error=UsageError, hint=" Try --d-h 3.")


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint16, np.intp, np.array])
def test_every_integer_type_becomes_a_plain_int(kind: Callable[[int], object]) -> None:
    size = check_size("d_h", kind(7))
    assert (size, type(size)) == (7, int)


@pytest.mark.parametrize("value", [np.True_, np.float64(3), np.array([3]), np.array(3.0)])
def test_what_is_no_integer_of_numpy_is_refused(value: object) -> None:
    with pytest.raises(SizeError, match="d_in must be a whole number"):
        check_size("d_in", value)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("7,3,1", (7, 3, 1)),
        (" 4 , -2", (4, -2)),
        ("12", (12,)),
        ("1e3", None),
        ("1_000", None),
        ("٣", None),
        ("1,", None),
    ],
)
def test_whole_numbers_are_plain_digits_with_commas_between(text: str, numbers: tuple[int, ...] | None) -> None:
    assert whole_numbers(text) == numbers
