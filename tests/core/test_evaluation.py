from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.evaluation import bulk_product
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
