from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, log2
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnn_calc.core.engine import Engine
from rnn_calc.core.linearization import Linearization
from rnn_calc.core.network import Network
from rnn_calc.core.products import JacobianProduct
from rnn_calc.core.weights import Weights
from tests.core.cells import CASES, Case
from tests.core.drawing import random_arrays, sequence
from tests.references import Array, complex_step_jacobian, run, scaled_norms

seeds = st.integers(0, 10**6)

# What is promised: 1e−9 in log₁₀, so three times that in log₂.
PROMISED = 3e-9


class Factors:
    """Jacobians that are given, in place of a network's."""

    def __init__(self, jacobians: Sequence[Array]) -> None:
        self._jacobians = jacobians

    def pull(self, t: int, cotangents: Mapping[str, Array]) -> dict[str, Array]:
        return {"h": cotangents["h"] @ self._jacobians[t]}

    def exponent(self, t: int) -> int:
        return 0


def given_factors(jacobians: Sequence[Array]) -> Linearization:
    return cast(Linearization, Factors(jacobians))


def multiplied(jacobians: Sequence[Array], *, compress: bool) -> tuple[JacobianProduct, list[float], list[bool]]:
    """The product J_T ⋯ J_1, and the norm and the trust after each factor."""
    product, norms, trust = JacobianProduct(len(jacobians[0]), compress=compress), [], []
    for t in reversed(range(len(jacobians))):
        product.pull(given_factors(jacobians), t)
        norms.append(product.log2_norm())
        trust.append(product.trusted(norms[-1]))
    return product, norms, trust


def orthogonal(rng: np.random.Generator, n: int) -> Array:
    return np.asarray(np.linalg.qr(rng.standard_normal((n, n)))[0])


@pytest.mark.parametrize("n", [1, 3, 32, 33, 70])
def test_orthogonal_factors_keep_the_norm_at_one(n: int) -> None:
    rng = np.random.default_rng(n)
    _, norms, trust = multiplied([orthogonal(rng, n) for _ in range(100)], compress=True)
    # 100 products round by 100·√n·u = 1e−13 at most.
    np.testing.assert_allclose(norms, 0, atol=1e-12)
    assert all(trust)


@pytest.mark.parametrize("factor", [1e-250, 1e-100, 0.3, 1.0, 1e100, 1e250])
@pytest.mark.parametrize("n", [1, 2, 40])
def test_a_norm_neither_overflows_nor_underflows(n: int, factor: float) -> None:
    _, norms, _ = multiplied([factor * np.eye(n)] * 4000, compress=True)
    # Each factor is the nearest float64 to its decimal, so the logarithm is that of a float64, to some u.
    np.testing.assert_allclose(norms, np.arange(1, 4001) * log2(factor), rtol=1e-14, atol=1e-14)


def test_a_nilpotent_factor_gives_its_norm_once_and_then_exact_zeros() -> None:
    _, norms, _ = multiplied([np.array([[0.0, 100.0], [0.0, 0.0]])] * 5, compress=True)
    assert norms[0] == pytest.approx(log2(100), rel=1e-15)
    assert norms[1:] == [-inf] * 4


@pytest.mark.parametrize("n", [2, 32, 33, 64])
@pytest.mark.parametrize("lag", [1, 31, 32, 33, 64, 100])
def test_an_exact_zero_is_zero_at_whatever_lag_it_comes(n: int, lag: int) -> None:
    rng = np.random.default_rng(lag)
    zeros = [np.zeros((n, n))]
    _, norms, _ = multiplied([np.eye(n)] * 3 + zeros + [orthogonal(rng, n) for _ in range(lag - 1)], compress=True)
    assert norms[lag - 1 :] == [-inf] * 4
    assert all(np.isfinite(norms[: lag - 1]))


def test_a_row_that_shrank_beyond_float64_comes_back_when_the_other_is_wiped_out() -> None:
    jacobians = [np.diag([0.0, 1.0])] + [np.diag([10.0, 0.1])] * 400
    _, norms, trust = multiplied(jacobians, compress=True)
    np.testing.assert_allclose(norms[:-1], np.arange(1, 401) * log2(10), rtol=1e-14)
    # 0.1 is not a tenth in float64; its logarithm is that of the float64.
    assert norms[-1] == pytest.approx(400 * log2(0.1), rel=1e-14)
    assert all(trust)


def test_the_product_itself_keeps_what_is_within_float64() -> None:
    product, _, _ = multiplied([np.diag([10.0, 0.1])] * 300, compress=False)
    # 300 roundings of u.
    np.testing.assert_allclose(np.diag(product.matrix()), [1e300, 1e-300], rtol=1e-13)
    beyond, _, _ = multiplied([np.diag([10.0, 0.1])] * 400, compress=False)
    np.testing.assert_array_equal(beyond.matrix(), [[inf, 0], [0, 0]])


def blocks_of(
    growth: tuple[float, ...], width: int, steps: int, shuffled: bool
) -> tuple[list[Array], NDArray[np.int64]]:
    """Factors that grow by growth[i] within group i and mix nothing between groups; and the groups' numbers."""
    rng = np.random.default_rng(steps)
    groups = np.repeat(np.arange(len(growth), dtype=np.int64), width)
    order = rng.permutation(len(groups)) if shuffled else np.arange(len(groups))
    jacobians = []
    for _ in range(steps):
        jacobian = np.zeros((len(groups), len(groups)))
        for i, factor in enumerate(growth):
            jacobian[i * width : (i + 1) * width, i * width : (i + 1) * width] = factor * orthogonal(rng, width)
        jacobians.append(jacobian[np.ix_(order, order)])
    return jacobians, groups[order]


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize(
    ("growth", "steps"),
    [
        ((4, 0.25), 60),
        ((4, 0.25), 100),
        ((10, 0.1), 40),
        ((10, 0.1), 400),
        ((10, 1, 0.1), 250),
        ((10, 1, 0.1), 400),
        ((2, 1, 0.5), 200),
        ((1.2, 1, 0.8), 400),
        ((1.5, 1.4, 0.7), 150),
    ],
)
def test_a_dropped_direction_that_is_all_that_is_left_is_never_passed_over(
    growth: tuple[float, ...], steps: int, shuffled: bool
) -> None:
    jacobians, groups = blocks_of(growth, 24, steps, shuffled)
    for survivor in range(len(growth)):
        wiped = [np.diag((groups == survivor).astype(float)), *jacobians]
        exact = [log2(growth[0]) * lag for lag in range(1, steps + 1)] + [log2(growth[survivor]) * steps]
        _, norms, trust = multiplied(wiped, compress=True)
        for norm, trusted, right in zip(norms, trust, exact, strict=True):
            assert not trusted or norm == pytest.approx(right, rel=1e-9, abs=PROMISED)
        _, in_full, _ = multiplied(wiped, compress=False)
        np.testing.assert_allclose(in_full, exact, rtol=1e-9, atol=PROMISED)
        assert survivor != 0 or norms[-1] == pytest.approx(exact[-1], rel=1e-9, abs=PROMISED)


@pytest.mark.parametrize("n", [33, 50])
@pytest.mark.parametrize("size", [0.3, 1.0, 3.0])
def test_random_factors_need_no_second_pass(n: int, size: float) -> None:
    rng = np.random.default_rng(n)
    jacobians = [size * rng.standard_normal((n, n)) / np.sqrt(n) for _ in range(400)]
    product, norms, trust = multiplied(jacobians, compress=True)
    assert all(trust)
    np.testing.assert_allclose(norms, scaled_norms(jacobians) / np.log10(2), atol=PROMISED)
    with pytest.raises(AssertionError, match="lost its left factor"):
        product.matrix()


@given(seed=seeds, n=st.integers(1, 45), T=st.integers(1, 80), size=st.floats(0.01, 10), sparse=st.floats(0, 0.9))
@settings(deadline=None, max_examples=40)
def test_dropping_changes_no_norm_that_is_trusted(seed: int, n: int, T: int, size: float, sparse: float) -> None:
    rng = np.random.default_rng(seed)
    jacobians = [
        size * rng.standard_normal((n, n)) * (rng.uniform(size=(n, n)) >= sparse) / np.sqrt(n) for _ in range(T)
    ]
    _, compressed, trust = multiplied(jacobians, compress=True)
    _, in_full, always = multiplied(jacobians, compress=False)
    assert all(always)
    for ours, theirs, trusted in zip(compressed, in_full, trust, strict=True):
        assert not trusted or ours == pytest.approx(theirs, abs=PROMISED)


@pytest.mark.parametrize(
    ("case", "through"),
    [pytest.param(case, name, id=f"{case.cell.name} {name}") for case in CASES for name in case.cell.state],
)
def test_the_product_goes_through_every_state_of_a_cell(case: Case, through: str) -> None:
    network, names, T = Network(2, 3, cell=case.cell), case.cell.state, 8
    arrays = case.with_constants(random_arrays(network, 4))
    x, initial = sequence(4, T, 2), {name: np.full(3, 0.3) for name in names}
    states = run(case.step, arrays, x, initial)
    engine = Engine(network, Weights(arrays))
    derivative, product = Linearization(engine, engine.run(x, initial)), JacobianProduct(3, through, compress=False)
    exact = np.eye(3 * len(names))
    block = slice(3 * names.index(through), 3 * names.index(through) + 3)
    for t in range(T - 1, 0, -1):
        before = {name: states[name][t - 1] for name in names}
        exact = exact @ np.block(
            [[complex_step_jacobian(case.step, arrays, x[t], before, of, by) for by in names] for of in names]
        )
        product.pull(derivative, t)
        right = float(np.linalg.svd(exact[block, block], compute_uv=False)[0])
        # Eight products of 6 × 6 matrices: 1e−12 relative is far above their rounding.
        assert product.log2_norm() == pytest.approx(log2(right) if right else -inf, abs=1e-12)


def test_a_state_that_nothing_remembers_has_the_norm_zero() -> None:
    (case,) = (case for case in CASES if case.cell.name == "sru")
    network = Network(2, 40, cell=case.cell)
    engine = Engine(network, Weights(case.with_constants(random_arrays(network, 0))))
    derivative = Linearization(engine, engine.run(sequence(0, 4, 2), {"c": np.zeros(40), "h": np.zeros(40)}))
    product = JacobianProduct(40)
    product.pull(derivative, 3)
    assert product.log2_norm() == -inf
