from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.equations import Hadamard, Sum, Vector
from rnn_calc.core.evaluation import Values, bulk_product, evaluate
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
