"""Axes as they are typed, and the grid that they make."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_calc.commands.grid import AXES, make_grid
from rnn_calc.core.errors import RnnCalcError, TooLargeError, UsageError
from rnn_calc.core.grid import Axis, Coordinate, Grid


def values(text: str) -> tuple[Coordinate, ...]:
    return make_grid([text], 1).axes[0].values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gain=0.5,1,1.5", (0.5, 1.0, 1.5)),
        ("gain=0.5:1.5:11", (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5)),
        ("gain=0.01:100:5:log", (0.01, 0.1, 1.0, 10.0, 100.0)),
        ("gain=2:-1:4", (2.0, 1.0, 0.0, -1.0)),
        ("spectral-radius=0.1:1:3:log", (0.1, 0.316228, 1.0)),
        ("spectral_radius = 1:2:2:lin", (1.0, 2.0)),
        ("d-h=8:128:5:log", (8, 16, 32, 64, 128)),
        ("d-h=1:3:5", (1, 2, 3)),
        ("seed=1000000:1000003:4", (1000000, 1000001, 1000002, 1000003)),
        ("seed=9007199254740993", (9007199254740993,)),
        ("cell= rnn, lstm", ("rnn", "lstm")),
        ("activation=tanh,relu", ("tanh", "relu")),
        ("init=orthogonal", ("orthogonal",)),
    ],
)
def test_an_axis_has_the_values_that_are_typed(text: str, expected: tuple[Coordinate, ...]) -> None:
    found = values(text)
    assert found == expected
    assert list(map(type, found)) == list(map(type, expected))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("radius=1", "There is no axis 'radius'; --over takes spectral-radius"),
        ("spectral-radus=1", "Did you mean spectral-radius?"),
        ("gain", "--over gain has no values"),
        ("gain=", "as in 0.5,1,1.5"),
        ("d-h= ", "--over d-h=8:128:5:log"),
        ("gain=1,,2", "'' is no number"),
        ("gain=1,x", "'x' is no number"),
        ("gain=nan", "finite"),
        ("gain=1e999", "finite"),
        ("gain=1:2", "is no range"),
        ("gain=1:2:3:lag", "is no range"),
        ("gain=1:2:3:log:5", "is no range"),
        ("gain=1:2:1", "the count of a range must be a whole number from 2 to 100,000; it is '1'"),
        ("gain=1:2:2.5", "whole number"),
        ("gain=2:2:3", "begins and ends at 2"),
        ("gain=-1:2:3:log", "equal ratios must be above 0; it has -1"),
        ("gain=1,2,1.0", "has 1 twice"),
        ("spectral-radius=0,1", "must be above 0"),
        ("d-h=0,1", "whole numbers from 1"),
        ("d-h=1.5", "1.5 is none"),
        ("d-h=1e30", "10^18"),
        ("steps=1", "whole numbers from 2"),
        ("seed=-1", "whole numbers from 0"),
        ("cell=rnn,lstn", "Did you mean lstm?"),
        ("init=gausian", "Did you mean gaussian?"),
    ],
)
def test_what_is_no_axis_is_said_with_what_would_be(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_grid([text], 1)
    assert said in str(caught.value)


def test_axes_that_contradict_each_other_are_refused() -> None:
    for texts, repeats, said in (
        (["gain=1", "gain=2"], 1, "--over gain is given 2 times"),
        (["spectral-radius=1", "spectral-norm=2"], 1, "both scale W_hh"),
        (["seed=1,2"], 3, "--over seed and --repeats"),
        (["gain=1"], 0, "--repeats must be at least 1"),
    ):
        with pytest.raises(UsageError, match=said):
            make_grid(texts, repeats)


@pytest.mark.parametrize("texts", [["gain=0:1:100001"], ["gain=0:1:1000", "seed=0:999:1000"], ["gain=0:1:999999999"]])
def test_a_sweep_that_is_too_large_is_refused_before_it_is_made(texts: list[str]) -> None:
    with pytest.raises(TooLargeError, match="at most 100,000"):
        make_grid(texts, 1)


@given(text=st.text(max_size=30), axis=st.sampled_from(AXES))
def test_no_text_brings_down_the_reader_of_axes(text: str, axis: str) -> None:
    for whole in (text, f"{axis}={text}"):
        with contextlib.suppress(RnnCalcError):
            grid = make_grid([whole], 1)
            assert len(list(map(grid.point, range(grid.points)))) == len(set(grid.axes[0].values))


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_points_are_all_combinations_with_the_last_axis_fastest(sizes: list[int]) -> None:
    axes = tuple(Axis(f"axis {n}", tuple(range(size))) for n, size in enumerate(sizes))
    grid = Grid(axes, 2)
    expected = list(itertools.product(*map(range, sizes)))
    assert [tuple(grid.point(index).values()) for index in range(grid.points)] == expected
    assert grid.runs == 2 * len(expected)
