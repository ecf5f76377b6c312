from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.counts import count_parameters
from rnn_calc.core.errors import DataError, RnnCalcError
from rnn_calc.core.network import Network
from rnn_calc.core.search import Found, Search, SearchReport, find_networks, is_round


def everything(search: Search) -> SearchReport:
    """All that is found, none held back."""
    return find_networks(search, limit=10**6)


def recounted(search: Search, found: Found, convention: str) -> int:
    """The total of a network that was found, by the count of its own arrays."""
    network = Network(
        found.d_in,
        found.d_h,
        search.d_out,
        cell=CELLS[found.cell],
        biases=found.biases,
        layers=found.layers,
        bidirectional=found.directions == 2,
        merge=search.merge if found.directions == 2 else "concat",
        d_p=search.d_p,
        vocab=search.vocab,
        tied=search.tied,
        readout_bias=search.readout_bias,
    )
    return count_parameters(network, convention).total


def brute(search: Search, most: int) -> set[tuple[str, str, int, int, int, int]]:
    """Every network of at most `most` units and inputs, by counting them one after the other."""
    found = set()
    for name, convention, layers, directions, d_in in product(
        search.cells, search.conventions, search.layers, search.directions, range(1, most + 1)
    ):
        for d_h in range(search.d_p + 1, most + 1):
            try:
                biases = CONVENTIONS[convention].biases(CELLS[name])
                each = Found(name, (convention,), biases, layers, directions, d_in, d_h)
                total = recounted(search, each, convention)
            except RnnCalcError:
                continue
            if total == search.total:
                found.add((name, convention, layers, directions, d_in, d_h))
            if total >= search.total:
                break  # more units have more parameters
    return found


def spread(report: SearchReport) -> set[tuple[str, str, int, int, int, int]]:
    """What was found, convention by convention."""
    return {
        (found.cell, convention, found.layers, found.directions, found.d_in, found.d_h)
        for found in report.smallest
        for convention in found.conventions
        if isinstance(found.d_h, int)
    }


@pytest.mark.parametrize(
    ("known", "most"),
    [
        ({"total": 60, "layers": (1, 2), "conventions": ("xh", "pytorch", "onnx")}, 30),
        ({"total": 96, "cells": ("lstm", "mingru"), "layers": (1, 2), "conventions": ("row", "keras")}, 48),
        ({"total": 66, "cells": ("gru", "rnn"), "d_out": 2, "conventions": ("xh", "flax"), "layers": (1,)}, 40),
        ({"total": 150, "cells": ("rnn", "indrnn", "minlstm"), "vocab": 5, "conventions": ("xh",), "layers": (1,)}, 40),
        ({"total": 170, "cells": ("lstm",), "d_p": 2, "conventions": ("xh", "pytorch"), "layers": (1, 2)}, 20),
        ({"total": 97, "cells": ("rnn",), "vocab": 7, "d_out": 7, "tied": True, "conventions": ("xh", "keras")}, 30),
        ({"total": 55, "cells": ("rnn",), "merge": "sum", "directions": (2,), "conventions": ("xh",), "d_out": 1}, 30),
        ({"total": 60, "cells": ("mgu", "gru"), "conventions": ("wx",), "d_out": 3, "readout_bias": False}, 30),
    ],
)
def test_the_search_finds_what_counting_every_network_finds(known: dict[str, Any], most: int) -> None:
    search = Search(**known)
    report = everything(search)
    assert report.complete
    assert report.total_count == len(report.smallest)
    expected = brute(search, most)
    assert expected
    assert {each for each in spread(report) if max(each[4:]) <= most} == expected
    for found in report.smallest:
        for convention in found.conventions:
            assert recounted(search, found, convention) == search.total


@given(
    cell=st.sampled_from(list(CELLS)),
    d_in=st.integers(1, 5000),
    d_h=st.integers(1, 5000),
    layers=st.integers(1, 4),
    directions=st.integers(1, 2),
    d_out=st.sampled_from([0, 10]),
)
@settings(deadline=None, max_examples=40)
def test_a_network_is_found_by_its_total(
    cell: str, d_in: int, d_h: int, layers: int, directions: int, d_out: int
) -> None:
    network = Network(d_in, d_h, d_out, cell=CELLS[cell], layers=layers, bidirectional=directions == 2)
    report = everything(Search(count_parameters(network).total, d_out=d_out))
    assert report.complete
    assert (cell, "xh", layers, directions, d_in, d_h) in spread(report)


@given(
    d_in=st.integers(1, 10**4),
    d_h=st.integers(3, 10**4),
    vocab=st.integers(0, 10**4),
    d_p=st.integers(0, 2),
    given_size=st.sampled_from(["d_in", "d_h"]),
)
@settings(deadline=None, max_examples=60)
def test_with_one_size_given_the_other_follows(d_in: int, d_h: int, vocab: int, d_p: int, given_size: str) -> None:
    network = Network(d_in, d_h, cell=CELLS["lstm"], biases=2, vocab=vocab, d_p=d_p)
    known: dict[str, Any] = {given_size: {"d_in": d_in, "d_h": d_h}[given_size]}
    search = Search(count_parameters(network, "pytorch").total, ("lstm",), ("pytorch",), vocab=vocab, d_p=d_p, **known)
    report = everything(search)
    assert report.complete
    assert ("lstm", "pytorch", 1, 1, d_in, d_h) in spread(report)
    assert all(recounted(search, found, "pytorch") == search.total for found in report.smallest)


def test_widths_for_each_layer_leave_d_in_to_be_found() -> None:
    total = count_parameters(Network(400, (400, 1150, 400), cell=CELLS["lstm"], biases=2), "pytorch").total
    (found,) = everything(Search(total, ("lstm",), ("pytorch",), d_h=(400, 1150, 400), directions=(1,))).smallest
    assert (found.d_in, found.d_h, found.layers) == (400, (400, 1150, 400), 3)
    equal = count_parameters(Network(9, 5, layers=2)).total
    (found,) = everything(Search(equal, ("rnn",), ("xh",), d_h=(5, 5), directions=(1,))).smallest
    assert (found.d_in, found.d_h) == (9, (5, 5))


def test_tied_readouts_are_found_with_whatever_else_is_known() -> None:
    network = Network(12, 12, 50, cell=CELLS["gru"], vocab=50, tied=True)
    total = count_parameters(network).total
    for known in ({}, {"d_in": 12}, {"d_h": 12}, {"d_in": 12, "d_h": 12}):
        search = Search(total, ("gru",), ("xh",), vocab=50, d_out=50, tied=True, layers=(1,), directions=(1,), **known)  # type: ignore[arg-type]
        (found,) = everything(search).smallest
        assert found.d_in == 12


def test_the_issue_s_total_is_an_lstm_of_768_units_on_512_inputs() -> None:
    report = find_networks(Search(3_938_304))
    first, second, *_ = report.likely
    assert (first.cell, first.d_in, first.d_h, first.layers, first.directions) == ("lstm", 512, 768, 1, 1)
    assert first.conventions == ("pytorch", "onnx")
    assert (second.cell, second.d_in, second.d_h) == ("gru", 256, 1024)
    assert report.complete


@pytest.mark.parametrize(
    ("total", "cell", "d_in", "d_h"),
    [(98_816, "lstm", 64, 128), (247_296, "gru", 64, 256), (49_280, "rnn", 256, 128)],
)
def test_keras_published_counts_lead_back_to_their_layers(total: int, cell: str, d_in: int, d_h: int) -> None:
    report = find_networks(Search(total, (cell,), ("keras",)))
    found = {(each.d_in, each.d_h, each.layers, each.directions) for each in report.likely}
    assert (d_in, d_h, 1, 1) in found


def test_smallest_sizes_come_first_and_plain_networks_before_stacks() -> None:
    report = find_networks(Search(3_938_304), limit=200)
    sums = [found.d_in + found.d_h for found in report.smallest if isinstance(found.d_h, int)]
    assert sums == sorted(sums)
    depths = [found.layers * found.directions for found in report.likely]
    assert depths == sorted(depths)
    assert all(is_round(found.d_in) for found in report.likely)
    assert len(find_networks(Search(3_938_304), limit=3).smallest) == 3


def test_a_search_that_gives_up_says_so() -> None:
    report = find_networks(Search(963_761_198_400), most_tried=500)
    assert not report.complete
    for found in report.smallest:
        assert recounted(report.search, found, found.conventions[0]) == 963_761_198_400
    assert find_networks(Search(963_761_198_400)).complete


def test_a_cell_that_a_convention_has_not_is_refused() -> None:
    with pytest.raises(DataError, match="pytorch has no mgu"):
        find_networks(Search(100, ("mgu",), ("pytorch",)))
    with pytest.raises(DataError, match="has no projection"):
        find_networks(Search(100, ("gru",), d_p=3))
    with pytest.raises(DataError, match="at most 1,000 layers"):
        find_networks(Search(100, layers=(1001,)))


@pytest.mark.parametrize("size", [1, 2, 8, 64, 96, 384, 768, 1536, 4096, 10, 40, 100, 650, 1500, 10**6])
def test_sizes_that_people_choose_are_round(size: int) -> None:
    assert is_round(size)


@pytest.mark.parametrize("size", [3, 5, 33, 75, 641, 940 + 1, 1155, 656_384, 20_512, 10**6 + 32])
def test_other_sizes_are_not(size: int) -> None:
    assert not is_round(size)
