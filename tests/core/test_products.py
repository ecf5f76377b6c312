from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, isnan, log2, nan
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnn_calc.core.engine import Engine
from rnn_calc.core.errors import NonFiniteError
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
        self.jacobians = jacobians

    def pull(self, t: int, cotangents: Mapping[str, Array]) -> dict[str, Array]:
        return {"h": cotangents["h"] @ self.jacobians[t]}

    def exponent(self, t: int) -> int:
        return 0


def given_factors(jacobians: Sequence[Array]) -> Linearization:
    return cast(Linearization, Factors(jacobians))


def multiplied(jacobians: Sequence[Array], *, compress: bool) -> tuple[JacobianProduct, list[float], list[bool]]:
    """The product J_T ⋯ J_1, and the norm and the trust after each factor."""
    product, norms, trust = JacobianProduct(len(jacobians[0]), compress=compress), [], []
    for t in reversed(range(len(jacobians))):
        product.pull(given_factors(jacobians), t)
        norms.append(told(product))
        trust.append(not isnan(norms[-1]))
    return product, norms, trust


def told(product: JacobianProduct) -> float:
    """The norm; no number where what was dropped might show."""
    bound = product.bound()
    return nan if bound is None else bound.log2_norm


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
    engine = Engine(network.stack[0][0], Weights(arrays))
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
        assert told(product) == pytest.approx(log2(right) if right else -inf, abs=1e-12)


def test_a_state_that_nothing_remembers_has_the_norm_zero() -> None:
    (case,) = (case for case in CASES if case.cell.name == "sru")
    network = Network(2, 40, cell=case.cell)
    engine = Engine(network.stack[0][0], Weights(case.with_constants(random_arrays(network, 0))))
    derivative = Linearization(engine, engine.run(sequence(0, 4, 2), {"c": np.zeros(40), "h": np.zeros(40)}))
    product = JacobianProduct(40)
    product.pull(derivative, 3)
    assert told(product) == -inf


# ---- a block of several states ----


class BlockFactors(Factors):
    """Jacobians of a state (h, c) that are given, of widths of their own."""

    def __init__(self, jacobians: Sequence[Array], widths: Mapping[str, int]) -> None:
        super().__init__(jacobians)
        ends = np.cumsum(list(widths.values()))
        self.parts = {name: slice(end - width, end) for (name, width), end in zip(widths.items(), ends, strict=True)}

    def pull(self, t: int, cotangents: Mapping[str, Array]) -> dict[str, Array]:
        rows = sum(block @ self.jacobians[t][self.parts[name]] for name, block in cotangents.items())
        return {name: np.asarray(rows)[:, part] for name, part in self.parts.items()}


def block_norms(
    jacobians: Sequence[Array], widths: Mapping[str, int], through: str, *, compress: bool
) -> tuple[list[float], list[bool]]:
    """The norm of the block of `through` after each factor, and whether it is trusted."""
    factors = BlockFactors(jacobians, widths)
    product, norms, trust = JacobianProduct(widths[through], through, compress=compress), [], []
    for t in reversed(range(len(jacobians))):
        product.pull(cast(Linearization, factors), t)
        norms.append(told(product))
        trust.append(not isnan(norms[-1]))
    return norms, trust


def plain_block_norms(jacobians: Sequence[Array], part: slice) -> list[float]:
    """The same from plain full products, one exponent for the whole."""
    product, exponent, found = np.eye(len(jacobians[0])), 0, []
    for jacobian in reversed(jacobians):
        product = product @ jacobian
        magnitude = int(np.frexp(np.abs(product).max())[1])
        product, exponent = np.ldexp(product, -magnitude), exponent + magnitude
        found.append(exponent + log2(np.linalg.norm(product[part, part], 2)))
    return found


WIDTHS = ({"h": 40, "c": 40}, {"h": 34, "c": 60}, {"h": 3, "c": 5})


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("through", ["h", "c"])
@pytest.mark.parametrize("coupling", [1.0, 1e-12, 1e-40])
def test_the_norm_of_a_block_is_right_however_small_beside_the_other(
    widths: dict[str, int], through: str, coupling: float
) -> None:
    rng = np.random.default_rng(3)
    n, n_h = sum(widths.values()), widths["h"]
    jacobians = [0.9 * rng.standard_normal((n, n)) / np.sqrt(n) for _ in range(150)]
    for jacobian in jacobians:
        jacobian[:, :n_h] *= coupling  # the h of the step before hardly counts
    part = slice(0, n_h) if through == "h" else slice(n_h, None)
    exact = plain_block_norms(jacobians, part)
    norms, trust = block_norms(jacobians, widths, through, compress=True)
    # The blocks are weighed apart, so that no second pass is needed.
    assert all(trust)
    np.testing.assert_allclose(norms, exact, atol=PROMISED)
    np.testing.assert_allclose(block_norms(jacobians, widths, through, compress=False)[0], exact, atol=PROMISED)


def returning(high: float, low: float, steps: int) -> list[Array]:
    """60 units c, 40 grow by `high` and 20 by `low`; 40 units h see all of them; at first, h is made of the 20 alone.

    The factor at t = 0 is the last that is multiplied: by then the 20 may have been dropped.
    """
    rng = np.random.default_rng(steps)
    n_h, n_c = 40, 60
    sees = rng.standard_normal((n_h, n_c))
    growth = np.diag([high] * 40 + [low] * 20)
    step = np.block([[np.zeros((n_h, n_h)), sees @ growth], [np.zeros((n_c, n_h)), growth]])
    last = np.zeros((n_h + n_c, n_h + n_c))
    last[n_h + 40 :, :20] = np.eye(20)
    return [last, *[step] * steps]


@pytest.mark.parametrize(
    ("high", "low", "steps"), [(1.1, 0.9, 40), (2, 1, 100), (4, 0.25, 60), (4, 0.25, 200), (10, 0.1, 140)]
)
def test_a_direction_that_shows_in_the_other_state_alone_is_not_lost_to_this_one(
    high: float, low: float, steps: int
) -> None:
    jacobians = returning(high, low, steps)
    widths = {"h": 40, "c": 60}
    # h of the last step sees c through `sees`; the product of the steps is sees·diag(high, low)^steps.
    sees = jacobians[1][:40, 40:] / np.diag(jacobians[1])[40:]
    exact = log2(np.linalg.norm(sees[:, 40:], 2)) + steps * log2(low)
    for compress in (True, False):
        norms, trust = block_norms(jacobians, widths, "h", compress=compress)
        assert norms[:-1] == [-inf] * steps  # no path from h to h until then
        assert not trust[-1] or norms[-1] == pytest.approx(exact, abs=PROMISED)
    assert trust[-1], "nothing was dropped"


def test_a_block_of_zeros_is_no_end_while_the_other_remembers() -> None:
    # h_T sees c alone, and c sees h only in the step before.
    read = np.array([[0.0, 2.0], [0.0, 1.0]])
    write = np.array([[0.0, 0.0], [3.0, 0.0]])
    factors = cast(Linearization, BlockFactors([write, read], {"h": 1, "c": 1}))
    product = JacobianProduct(1)
    product.pull(factors, 1)
    assert told(product) == -inf
    assert not product.is_zero
    product.pull(factors, 0)
    assert told(product) == log2(6)
    product.pull(factors, 0)
    assert product.is_zero


def test_a_block_far_below_its_rows_other_part_keeps_its_size_beside_a_smaller_row() -> None:
    # Row 1 is 1 in c and 2^−700 in h; row 2 as a whole is 2^−1300, in h too: the norm of h is row 1's.
    first = np.diag([0.0, 0.0, 1.0, 0.0])
    first[:2, 2:] = np.diag([1.0, 2.0**-650])
    second = np.zeros((4, 4))
    second[2:, :2] = np.diag([2.0**-700, 2.0**-650])
    second[2, 2] = 1.0
    norms, _ = block_norms([second, first], {"h": 2, "c": 2}, "h", compress=False)
    assert norms == [-inf, -700]


@given(seed=seeds, n_h=st.integers(1, 45), n_c=st.integers(1, 45), T=st.integers(1, 80), sparse=st.floats(0, 0.9))
@settings(deadline=None, max_examples=25)
def test_dropping_changes_no_trusted_norm_of_a_block(seed: int, n_h: int, n_c: int, T: int, sparse: float) -> None:
    rng = np.random.default_rng(seed)
    n, widths = n_h + n_c, {"h": n_h, "c": n_c}
    size = 10 ** rng.uniform(-2, 1)
    # Columns of sizes far apart: what a gate lets through.
    scale = 10 ** rng.uniform(-rng.uniform(0, 20), 0, n)
    jacobians = [
        size * scale * rng.standard_normal((n, n)) * (rng.uniform(size=(n, n)) >= sparse) / np.sqrt(n) for _ in range(T)
    ]
    for through in widths:
        compressed, trust = block_norms(jacobians, widths, through, compress=True)
        in_full, _ = block_norms(jacobians, widths, through, compress=False)
        for ours, theirs, trusted in zip(compressed, in_full, trust, strict=True):
            assert not trusted or ours == pytest.approx(theirs, abs=PROMISED)


def test_a_step_beyond_float64_is_refused() -> None:
    with pytest.raises(NonFiniteError, match="derivative of step 1 leaves float64"):
        multiplied([np.full((4, 4), 1e308), np.eye(4) + 0.5], compress=True)
