from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.errors import DataError
from rnn_calc.core.inputs import backward, check_inputs, initial_states, within
from rnn_calc.core.network import Network
from rnn_calc.core.trace import trace
from tests.core.drawing import random_weights, sequence

LSTM = Network(2, (3, 4), cell=CELLS["lstm"], bidirectional=True)


@pytest.mark.parametrize("shape", [(5,), (5, 3), (2, 5, 3), (1, 1, 5, 2)])
def test_inputs_of_another_width_are_refused_with_both_shapes(shape: tuple[int, ...]) -> None:
    network = Network(2, 3)
    with pytest.raises(DataError, match=r"x has shape .*; d_in = 2 needs \(T, 2\) or a batch of it"):
        trace(network, random_weights(network, 0), np.zeros(shape))


@pytest.mark.parametrize("shape", [(0, 2), (0, 3, 2)])
def test_an_empty_sequence_is_refused(shape: tuple[int, ...]) -> None:
    network = Network(2, 3)
    with pytest.raises(DataError, match="The sequence is empty"):
        trace(network, random_weights(network, 0), np.zeros(shape))


def test_inputs_are_time_first_once_they_are_checked() -> None:
    inputs = check_inputs(Network(2, 3), np.zeros((4, 5, 2)), batch_first=True)
    assert (inputs.steps, inputs.batch) == (5, (4,))
    tokens = check_inputs(Network(2, 3, vocab=7), [[1, 2, 3], [4, 5, 6]], batch_first=True)
    assert tokens.tokens is not None
    assert tokens.tokens.tolist() == [[1, 4], [2, 5], [3, 6]]


# Tokens


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([0, 7, 9], r"^Token 2 is 7; a token is a whole number from 0 to 6, for vocab = 7\.$"),
        ([0, 6, -1], "^Token 3 is -1;"),
        ([0.5], r"^Token 1 is 0\.5;"),
        ([3, np.nan], "^Token 2 is nan;"),
        ([[0, 1], [2, 7]], "^Token 2 of sequence 2 is 7;"),
    ],
)
def test_the_first_token_that_is_none_is_named(tokens: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_inputs(Network(2, 3, vocab=7), tokens)


def test_the_number_of_a_wrong_token_counts_from_the_start_of_the_sequence() -> None:
    with pytest.raises(DataError, match=r"^Token 102 is 7;"):
        check_inputs(Network(2, 3, vocab=7), [0, 7], first=101)


@pytest.mark.parametrize("tokens", [3, np.zeros((2, 2, 2))])
def test_tokens_are_a_sequence_or_a_batch(tokens: object) -> None:
    with pytest.raises(DataError, match=r"vocab = 7 needs \(T,\) or a batch of it"):
        check_inputs(Network(2, 3, vocab=7), tokens)  # type: ignore[arg-type]


@pytest.mark.parametrize("tokens", [["a"], [True], [1j]])
def test_tokens_are_numbers(tokens: list[Any]) -> None:
    with pytest.raises(DataError, match="Tokens are whole numbers"):
        check_inputs(Network(2, 3, vocab=7), tokens)


def test_what_follows_the_end_of_a_sequence_of_tokens_may_be_anything() -> None:
    inputs = check_inputs(Network(2, 3, vocab=7), [[1, 2], [3, -100]], lengths=[2, 1])
    assert inputs.tokens is not None
    assert inputs.tokens.tolist() == [[1, 2], [3, 0]]


# Lengths


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([3, 0], "Length 2 is 0; a sequence of this batch has 1 to 4 steps"),
        ([5, 1], "Length 1 is 5"),
        ([1], r"A batch of 2 needs 2 lengths, whole numbers; they have shape \(1,\)"),
        ([1.5, 2.0], "whole numbers"),
    ],
)
def test_a_length_is_at_least_1_and_at_most_the_steps_there_are(lengths: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_inputs(Network(1, 1), np.zeros((4, 2, 1)), lengths=lengths)


def test_one_sequence_has_no_lengths() -> None:
    with pytest.raises(DataError, match="Lengths are for a batch"):
        check_inputs(Network(1, 1), np.zeros((4, 1)), lengths=[4])


def test_each_sequence_is_turned_around_from_its_own_end() -> None:
    x = np.arange(8.0).reshape(4, 2, 1)
    lengths = np.array([4, 2])
    assert backward(x, lengths)[..., 0].T.tolist() == [[6, 4, 2, 0], [3, 1, 5, 7]]
    np.testing.assert_array_equal(backward(backward(x, lengths), lengths), x)
    np.testing.assert_array_equal(backward(x), x[::-1])
    assert within(lengths, 4).T.tolist() == [[True] * 4, [True, True, False, False]]


# First states


def test_first_states_are_given_as_a_framework_orders_them_or_layer_by_layer() -> None:
    # Layer by layer, forward before backward.
    h = [sequence(k, 5, width) for k, width in enumerate((3, 3, 4, 4))]
    c = [sequence(9 + k, 5, width) for k, width in enumerate((3, 3, 4, 4))]
    by_name = initial_states(LSTM, {"h": h, "c": c}, (5,))
    by_layer = initial_states(LSTM, [{"h": h_k, "c": c_k} for h_k, c_k in zip(h, c, strict=True)], (5,))
    for k in range(4):
        for states in (by_name[k], by_layer[k]):
            np.testing.assert_array_equal(states["h"], h[k])
            np.testing.assert_array_equal(states["c"], c[k])


@pytest.mark.parametrize("batch", [(), (1,), (3,)])
def test_one_layer_takes_its_state_with_and_without_a_leading_axis(batch: tuple[int, ...]) -> None:
    network, h = Network(2, 3), sequence(0, *batch, 3)
    for given in ({"h": h}, {"h": h[None]}, [{"h": h}], {"h": h.tolist()}):
        np.testing.assert_array_equal(initial_states(network, given, batch)[0]["h"], h)


def test_a_state_that_is_not_given_is_zero() -> None:
    states = initial_states(LSTM, [{}, {"c": np.ones(3)}, {}, {}])
    assert [float(own[name].sum()) for own in states for name in ("h", "c")] == [0, 0, 0, 3, 0, 0, 0, 0]


def test_a_first_state_of_another_shape_or_name_is_refused() -> None:
    network = Network(2, 3)
    weights, x = random_weights(network, 0), np.zeros((4, 2))
    with pytest.raises(DataError, match=r"h0 has shape \(2,\); it needs \(3,\)"):
        trace(network, weights, x, {"h": np.zeros(2)})
    with pytest.raises(DataError, match=r"The cell rnn has no state q; it has h\."):
        trace(network, weights, x, {"q": np.zeros(3)})
    with pytest.raises(DataError, match="h0 must be an array of numbers"):
        trace(network, weights, x, {"h": ["a", "b", "c"]})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{}], r"The first states must be 4 arrays, one for each of 2 layers in 2 directions; 1 were given"),
        ({"h": np.zeros((2, 3))}, r"h0 must be 4 arrays, .*; 2 were given"),
        ({"h": np.zeros(3)}, r"h0 must be 4 arrays, .*; 0 were given"),
        ({"c": np.zeros((4, 3))}, r"c0 of layer 2, forward has shape \(3,\); it needs \(4,\)"),
    ],
)
def test_first_states_of_a_stack_are_one_for_each_layer_and_direction(given: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        initial_states(LSTM, given)
