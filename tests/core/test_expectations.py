from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_calc.core.errors import DataError
from rnn_calc.core.expectations import compare, compare_shape, entries


@pytest.mark.parametrize(
    ("printed", "computed", "met"),
    [
        ("0.37", 0.371360, True),  # tutorial 002, h_1[1]
        ("0.65", 0.645129, True),
        ("0.935", 0.935409, True),
        ("-0.090", -0.088801, False),  # the slip of tutorial 001
        ("1.1269", 1.127955, False),  # the slip of tutorial 003
        ("0.370", 0.3706, False),  # a third digit that was printed counts
        (0.37, 0.3706, True),
        ("7.5e3", 7583.70, False),
        ("7.6e3", 7583.70, True),
        ("−0.5", -0.5, True),  # a typographer's minus
        (32, 32, True),
        (32, 33, False),
        ("0", 0.4, True),
    ],
)
def test_a_value_is_met_within_half_a_unit_of_its_last_printed_digit(
    printed: object, computed: float, met: bool
) -> None:
    assert compare("h", printed, computed).met is met


@given(st.floats(-1e6, 1e6), st.integers(0, 12))
def test_a_number_meets_its_own_rounding(value: float, digits: int) -> None:
    assert compare("h", f"{value:.{digits}f}", value).met


@given(st.floats(-1e6, 1e6), st.integers(0, 8), st.sampled_from([-1, 1]))
def test_a_number_misses_what_is_a_whole_unit_away(value: float, digits: int, side: int) -> None:
    assert not compare("h", f"{round(value, digits) + side * 10.0**-digits:.{digits}f}", round(value, digits)).met


def test_the_difference_is_computed_minus_printed() -> None:
    result = compare("y[1]", "1.1269", 1.127955)
    assert result.difference is not None
    # 1.127955 − 1.1269 by hand; float64 holds both to 1e-16.
    assert math.isclose(result.difference, 0.001055, rel_tol=1e-12)
    assert (result.printed, result.computed) == ("1.1269", "1.127955")


def test_integers_beyond_float64_are_compared_digit_by_digit() -> None:
    assert compare("total", 10**36 + 1, 10**36 + 1).met
    assert not compare("total", 10**36 + 1, 10**36 + 2).met
    assert compare("total", 10**36, 10**36).computed == str(10**36)


@pytest.mark.parametrize("computed", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_meets_nothing(computed: float) -> None:
    result = compare("h", "0.5", computed)
    assert not result.met
    assert result.computed == repr(computed)


@pytest.mark.parametrize("printed", ["abc", "", True, "nan", "inf", None, [1]])
def test_what_is_no_number_is_refused_by_name(printed: object) -> None:
    with pytest.raises(DataError, match=r"^expected\.h\[1\] is .* no number"):
        compare("h[1]", printed, 0.5)


@pytest.mark.parametrize(
    ("printed", "computed", "met"),
    [([3, 4], (3, 4), True), ([4, 3], (3, 4), False), ([3], (3, 1), False), ([3], None, False)],
)
def test_a_shape_is_met_when_it_is_the_same(printed: object, computed: tuple[int, ...] | None, met: bool) -> None:
    assert compare_shape("W_xh", printed, computed).met is met


@pytest.mark.parametrize("printed", ["(3, 4)", [3.0, 4], [True], 3])
def test_a_shape_is_a_list_of_whole_numbers(printed: object) -> None:
    with pytest.raises(DataError, match="a shape is a list of whole numbers"):
        compare_shape("W_xh", printed, (3, 4))


def test_every_entry_of_a_nested_list_comes_with_its_position() -> None:
    assert list(entries("h", [["a", "b"], ["c", "d"]], (2, 2))) == [
        ((0, 0), "a"),
        ((0, 1), "b"),
        ((1, 0), "c"),
        ((1, 1), "d"),
    ]
    assert list(entries("total", 5, ())) == [((), 5)]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[1, 2]], r"expected\.h has 1 entry; what was computed has 2 there"),
        ([[1, 2], [3]], r"expected\.h\[1\] has 1 entry"),
        ([[1, 2], 3], r"expected\.h\[1\] has no list"),
    ],
)
def test_a_list_of_another_shape_is_refused_where_it_differs(value: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(entries("h", value, (2, 2)))
