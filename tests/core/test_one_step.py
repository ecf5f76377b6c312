from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.network import Network
from rnn_calc.core.one_step import find_step
from rnn_calc.core.trace import Trace, trace, trace_blocks
from tests.core.drawing import random_weights, sequence

NETWORKS = {
    "stack": Network(2, (3, 2), 2, cell=CELLS["lstm"]),
    "two directions": Network(2, 3, 2, cell=CELLS["gru"], layers=2, bidirectional=True),
    "projected": Network(2, 3, cell=CELLS["lstm"], layers=2, d_p=2, bidirectional=True),
    "tokens": Network(2, 2, 5, cell=CELLS["mgu"], vocab=5, tied=True),
}


def inputs(network: Network, steps: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    if network.vocab:
        return np.arange(steps) * 2 % network.vocab  # type: ignore[return-value]  # whole numbers
    return sequence(1, steps, network.d_in)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("t", [1, 3, 7])
def test_a_step_alone_has_the_values_of_the_whole_run(network: Network, t: int) -> None:
    weights, x = random_weights(network, 1), inputs(network, 7)
    whole = trace(network, weights, x)
    found = find_step(trace_blocks(network, weights, np.split(x, [2, 5])), t, 7)
    assert found is not None
    alone = found.trace
    assert (alone.first, alone.steps, found.total) == (t, 1, 7)
    np.testing.assert_array_equal(alone.x[0], whole.x[t - 1])
    np.testing.assert_array_equal(alone.h[0], whole.h[t - 1])
    if whole.y is not None and alone.y is not None:
        np.testing.assert_array_equal(alone.y[0], whole.y[t - 1])
    assert (alone.y is None) == (whole.y is None)
    for run, complete in zip(alone.layers, whole.layers, strict=True):
        for name, state in complete.initial.items():
            np.testing.assert_array_equal(run.initial[name], state)
        for kind in ("now", "previous"):
            for name, values in getattr(complete.in_time, kind).items():
                np.testing.assert_array_equal(getattr(run.in_time, kind)[name], values[t - 1 : t])
        for (term, values), (same, every) in zip(run.terms, complete.terms, strict=True):
            assert term == same
            np.testing.assert_array_equal(values, every[t - 1 : t])


def counted(network: Network, made: list[int]) -> Iterator[Trace]:
    for part in trace_blocks(network, random_weights(network, 1), np.split(sequence(1, 12, 2), 4)):
        made.append(part.first)
        yield part


def test_what_follows_the_step_is_made_only_to_be_counted() -> None:
    network, made = Network(2, 3), list[int]()
    assert find_step(counted(network, made), 5, 12) is not None
    assert made == [1, 4]
    made.clear()
    found = find_step(counted(network, made), 5, None)
    assert found is not None
    assert (found.total, found.trace.first) == (12, 5)
    assert made == [1, 4, 7, 10]


def test_a_step_beyond_the_run_is_none() -> None:
    assert find_step(counted(Network(2, 3), []), 13, None) is None
