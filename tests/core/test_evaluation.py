from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.equations import MERGES, Apply, Hadamard, Lookup, Merge, Parameter, Product, Quotient, Sum, Vector
from rnn_calc.core.evaluation import Values, bulk_product, evaluate
from rnn_calc.core.network import Network
from rnn_calc.core.weights import Weights
from tests.core.drawing import sequence

seeds = st.integers(0, 10**6)


@given(seed=seeds, rows=st.integers(1, 300), cut=st.integers(0, 300), n=st.integers(1, 40), m=st.integers(1, 40))
@settings(deadline=None, max_examples=60)
def test_a_product_over_all_steps_has_the_same_bits_however_the_steps_are_grouped(
    seed: int, rows: int, cut: int, n: int, m: int
) -> None:
    matrix, x = sequence(seed, m, n), sequence(seed + 1, rows, n)
    whole = bulk_product(matrix, x)
    parts = [bulk_product(matrix, part) for part in (x[:cut], x[cut:])]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    # Inner products of n terms of size about 1: n·u, absolutely.
    np.testing.assert_allclose(whole, np.einsum("ij,tj->ti", matrix, x), atol=1e-13)


def test_a_product_may_be_written_into_some_columns_of_a_wider_array() -> None:
    matrix, x, wide = sequence(1, 3, 5), sequence(2, 300, 2, 5), np.full((300, 2, 9), 7.0)
    bulk_product(matrix, x, wide[..., 4:7])
    np.testing.assert_array_equal(wide[..., 4:7], bulk_product(matrix, x))
    np.testing.assert_array_equal(wide[..., [0, 1, 2, 3, 7, 8]], 7)


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 2, 1)])
@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_a_lookup_gives_the_rows_of_the_table_that_are_named(shape: tuple[int, ...], kind: type) -> None:
    table = sequence(0, 5, 3)
    tokens = np.arange(np.prod(shape)).reshape(shape) * 3 % 5
    lookup = Lookup(Parameter("E", "embedding", ("V", "d_in")), Vector("token", "1"))
    rows = evaluate(lookup, Values({"token": tokens.astype(kind)}, {}), Weights({"E": table}))
    places = tokens if len(shape) == 1 else tokens[..., 0]
    assert rows.shape == (*places.shape, 3)
    for where in np.ndindex(places.shape):
        np.testing.assert_array_equal(rows[where], table[places[where]])
    rows[:] = 0
    assert table.any(), "what was looked up is a copy"


def test_an_embedding_is_one_product_with_a_one_hot_vector() -> None:
    stage = Network(3, 2, vocab=5).embedding
    assert stage is not None
    table, tokens = sequence(0, 5, 3), np.array([[4], [0], [4]])
    rows = evaluate(stage.equations[0].expression, Values({"token": tokens}, {}), Weights({"E": table}))
    np.testing.assert_array_equal(rows, np.eye(5)[tokens[:, 0]] @ table)


@pytest.mark.parametrize("how", MERGES)
def test_both_directions_are_joined_as_keras_does_it(how: str) -> None:
    stage = Network(3, 2, bidirectional=True, merge=how).merges[0]
    merge = stage.equations[0].expression
    assert isinstance(merge, Merge)
    a, b = sequence(0, 4, 2), sequence(1, 4, 2)
    joined = evaluate(merge, Values({merge.forward.symbol: a, merge.backward.symbol: b}, {}), Weights({}))
    expected = {"concat": np.hstack((a, b)), "sum": a + b, "average": (a + b) / 2, "product": a * b}[how]
    np.testing.assert_allclose(joined, expected, rtol=1e-15)


def test_an_average_of_large_states_stays_in_range() -> None:
    a, b = Vector("h", "d_h", symbol="a"), Vector("h", "d_h", symbol="b")
    values = Values({"a": np.array([[1e308]]), "b": np.array([[1.5e308]])}, {})
    np.testing.assert_allclose(evaluate(Merge("average", a, b, "d_h"), values, Weights({})), [[1.25e308]])


def test_quotients_complements_and_readouts_are_what_numpy_makes_of_them() -> None:
    f, i = Vector("f", "d_h"), Vector("i", "d_h")
    gates = {"f": np.array([[0.25, 0.0]]), "i": np.array([[0.5, 0.0]])}
    with np.errstate(all="raise"):
        share = evaluate(Quotient(f, Sum((f, i))), Values(gates, {}), Weights({}))
        rest = evaluate(Apply("complement", f), Values(gates, {}), Weights({}))
    np.testing.assert_allclose(share, [[1 / 3, np.nan]])
    np.testing.assert_array_equal(rest, [[0.75, 1.0]])
    W, h, b = sequence(0, 3, 2), sequence(1, 4, 2), sequence(2, 3)
    y = Sum(
        (Product(Parameter("W_hy", "readout", ("d_out", "d_o")), Vector("h", "d_o")), Parameter("b_y", "", ("d_out",)))
    )
    read = evaluate(y, Values({"h": h}, {}), Weights({"W_hy": W, "b_y": b}))
    np.testing.assert_allclose(read, h @ W.T + b, atol=1e-14)


def test_an_overflow_is_an_infinity_and_no_warning() -> None:
    a, b = Vector("a", "d_h"), Vector("b", "d_h")
    values = Values({"a": np.array([[1e308, 1e308, np.inf]]), "b": np.array([[1e308, 0.0, -np.inf]])}, {})
    with np.errstate(all="raise"):
        total, product = (evaluate(node, values, Weights({})) for node in (Sum((a, b)), Hadamard(a, b)))
        far = bulk_product(np.array([[1e200, 1e200]]), np.array([[1e200, -1e200], [1e200, 1.0]]))
    np.testing.assert_array_equal(total, [[np.inf, 1e308, np.nan]])
    np.testing.assert_array_equal(product, [[np.inf, 0, -np.inf]])
    assert not np.isfinite(far[0, 0])  # NaN, or infinite where the sum is fused
    assert far[1, 0] == np.inf
