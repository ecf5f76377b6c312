"""Gradient decay of every cell that the package ships: blocks of products of the full state Jacobian."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import exp, inf, log, log10
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS
from rnn_calc.core.decay import Decay, DecayReport, gradient_decay
from rnn_calc.core.errors import NonFiniteError
from rnn_calc.core.layer_trace import LayerTrace
from rnn_calc.core.network import Network
from rnn_calc.core.trace import Trace, trace
from rnn_calc.core.weights import Weights
from tests.core.drawing import random_arrays, sequence
from tests.references import Array

seeds = st.integers(0, 10**6)
cells = st.sampled_from(sorted(CELLS))

# What is promised of every log₁₀ norm.
PROMISED = 1e-9
BITS = 400


# ---- the equations in plain numbers, real, complex or of 400 bits ----


class Plain:
    """A step of each cell in any arithmetic: NumPy's, for complex steps, or mpmath's."""

    def __init__(self, weights: Mapping[str, Any], tanh: Callable[[Any], Any], sigmoid: Callable[[Any], Any]) -> None:
        self.w, self.tanh, self.sigmoid = weights, tanh, sigmoid

    def affine(self, gate: str, x: Any, h: Any = None) -> Any:
        total = self.w[f"W_x{gate}"] @ x + self.w[f"b_{gate}"]
        return total if h is None else total + self.w[f"W_h{gate}"] @ h

    def rnn(self, x: Any, h: Any) -> tuple[Any, ...]:
        return (self.tanh(self.affine("h", x, h)),)

    def indrnn(self, x: Any, h: Any) -> tuple[Any, ...]:
        return (self.tanh(self.affine("h", x) + self.w["u_h"] * h),)

    def lstm(self, x: Any, h: Any, c: Any, see: float = 0.0) -> tuple[Any, ...]:
        p = {gate: see * self.w[f"p_{gate}"] if see else 0.0 for gate in "ifo"}
        i, f = (self.sigmoid(self.affine(gate, x, h) + p[gate] * c) for gate in "if")
        c = f * c + i * self.tanh(self.affine("g", x, h))
        return self.shown(self.sigmoid(self.affine("o", x, h) + p["o"] * c) * self.tanh(c)), c

    def shown(self, m: Any) -> Any:
        return self.w["W_hr"] @ m if "W_hr" in self.w else m

    def lstm_peephole(self, x: Any, h: Any, c: Any) -> tuple[Any, ...]:
        return self.lstm(x, h, c, 1.0)

    def gru(self, x: Any, h: Any) -> tuple[Any, ...]:
        r, z = (self.sigmoid(self.affine(gate, x, h)) for gate in "rz")
        n = self.tanh(self.affine("n", x) + r * (self.w["W_hn"] @ h + self.w["b_hn"]))
        return ((1 - z) * n + z * h,)

    def gru_reset_before(self, x: Any, h: Any) -> tuple[Any, ...]:
        r, z = (self.sigmoid(self.affine(gate, x, h)) for gate in "rz")
        return ((1 - z) * self.tanh(self.affine("n", x, r * h)) + z * h,)

    def mgu(self, x: Any, h: Any) -> tuple[Any, ...]:
        f = self.sigmoid(self.affine("f", x, h))
        return (f * self.tanh(self.affine("n", x, f * h)) + (1 - f) * h,)

    def minlstm(self, x: Any, h: Any) -> tuple[Any, ...]:
        i, f = (self.sigmoid(self.affine(gate, x)) for gate in "if")
        return (f / (f + i) * h + i / (f + i) * self.affine("g", x),)

    def mingru(self, x: Any, h: Any) -> tuple[Any, ...]:
        z = self.sigmoid(self.affine("z", x))
        return (z * self.affine("n", x) + (1 - z) * h,)

    def step(self, cell: str) -> Callable[..., tuple[Any, ...]]:
        found: Callable[..., tuple[Any, ...]] = getattr(self, cell.replace("-", "_"))
        return found


def plain_numpy(weights: Mapping[str, Array]) -> Plain:
    return Plain(weights, np.tanh, lambda a: 1 / (1 + np.exp(-a)))


def exact_numbers(array: Array) -> Any:
    """The same numbers in arithmetic of as many bits as mpmath has at the time."""
    return np.vectorize(mpmath.mpf, otypes=[object])(array)


def plain_exact(weights: Mapping[str, Array]) -> Plain:
    tanh = np.vectorize(mpmath.tanh, otypes=[object])
    sigmoid = np.vectorize(lambda a: 1 / (1 + mpmath.exp(-a)), otypes=[object])
    return Plain({name: exact_numbers(array) for name, array in weights.items()}, tanh, sigmoid)


def states_of(run: LayerTrace) -> list[tuple[Array, ...]]:
    """The states before each step that the layer read, and after the last."""
    values, names = run.values, run.layer.state
    before = [tuple(values.previous[name][t] for name in names) for t in range(len(values.now["h"]))]
    return [*before, tuple(values.now[name][-1] for name in names)]


def full_jacobian(step: Callable[..., tuple[Any, ...]], x: Array, state: tuple[Array, ...]) -> Array:
    """∂(h, c)_t/∂(h, c)_{t−1} by complex steps, exact to rounding because nothing is subtracted."""
    flat, ends = np.concatenate(state), np.cumsum([len(part) for part in state])
    columns = []
    for unit in range(len(flat)):
        moved = flat.astype(complex)
        moved[unit] += 1e-100j
        columns.append(np.concatenate(step(x, *np.split(moved, ends[:-1]))).imag / 1e-100)
    return np.array(columns).T


def mp_jacobian(step: Callable[..., tuple[Any, ...]], x: Any, state: tuple[Any, ...]) -> Any:
    """The same by complex steps so small that their square is lost in any arithmetic of a test."""
    flat, ends = np.concatenate(state), np.cumsum([len(part) for part in state])
    tiny = mpmath.mpf(2) ** -100_000
    jacobian = mpmath.matrix(len(flat), len(flat))
    for unit in range(len(flat)):
        moved = flat.copy()
        moved[unit] = mpmath.mpc(flat[unit], tiny)
        after = np.concatenate(step(x, *np.split(moved, ends[:-1])))
        for row, value in enumerate(after):
            jacobian[row, unit] = mpmath.im(value) / tiny
    return jacobian


def mp_norms(
    cell: str, weights: Mapping[str, Array], run: LayerTrace, lags: set[int], bits: int = BITS
) -> dict[str, dict[int, float]]:
    """log₁₀ of each block's norm from full products in arithmetic of many bits, at the run's own states."""
    found: dict[str, dict[int, float]] = {name: {} for name in run.layer.state}
    with mpmath.workprec(bits):
        step = plain_exact(weights).step(cell)
        states, x = states_of(run), run.values.now["x"]
        widths = [len(part) for part in states[0]]
        product = mpmath.eye(sum(widths))
        for lag in range(1, max(lags) + 1):
            t = len(x) - lag
            state = tuple(exact_numbers(part) for part in states[t])
            product = product * mp_jacobian(step, exact_numbers(x[t]), state)
            if lag in lags:
                start = 0
                for name, width in zip(found, widths, strict=True):
                    block = product[start : start + width, start : start + width]
                    with mpmath.workprec(BITS):
                        size = mpmath.svd_r(block, compute_uv=False)[0]
                    found[name][lag] = float(mpmath.log10(size)) if size else -inf
                    start += width
    return found


def decays(report: DecayReport) -> dict[str, Decay]:
    return {"h": report} | ({"c": report.cell_state} if report.cell_state else {})


def some_trace(cell: str, seed: int, n: int, T: int, scale: float = 1.0, **parts: Any) -> Trace:
    network = Network(2, n, cell=CELLS[cell], **parts)
    return trace(network, Weights(random_arrays(network, seed, scale)), sequence(seed, T, 2))


def gated(cell: str, constant: Mapping[str, float], n: int = 2, T: int = 20) -> Trace:
    """A cell whose weights are 0 but for biases: {"b_f": 4} sets every b_f."""
    network = Network(1, n, cell=CELLS[cell])
    arrays = {p.name: np.full(network.shape(p), constant.get(p.name, 0.0)) for p in network.parameters}
    return trace(network, Weights(arrays), np.zeros((T, 1)))


# ---- against complex steps and 400 bits ----


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("n", [1, 4, 36])
def test_whole_jacobians_and_norms_match_complex_steps(cell: str, n: int) -> None:
    done = some_trace(cell, n, n, 7)
    (run,) = done.layers
    report = gradient_decay(done, jacobians=range(1, 7))
    step, states = plain_numpy(done.weights.arrays).step(cell), states_of(run)
    product = np.eye(n * len(states[0]))
    for lag in range(1, 7):
        product = product @ full_jacobian(step, done.x[7 - lag], states[7 - lag])
        for index, decay in enumerate(decays(report).values()):
            part = slice(index * n, (index + 1) * n)
            # Seven products of matrices with entries of about 1.
            np.testing.assert_allclose(decay.jacobians[lag], product[part, part], rtol=1e-12, atol=1e-13)
            norm = float(np.linalg.norm(product[part, part], 2))
            assert decay.log10_norm(lag) == pytest.approx(log10(norm), abs=1e-11)


@pytest.mark.parametrize("cell", CELLS)
def test_norms_match_products_of_400_bits(cell: str) -> None:
    done = some_trace(cell, 5, 3, 60, 1.5)
    exact = mp_norms(cell, done.weights.arrays, done.layers[0], {1, 7, 30, 59})
    for name, decay in decays(gradient_decay(done)).items():
        for lag, right in exact[name].items():
            assert decay.log10_norm(lag) == pytest.approx(right, abs=PROMISED)


@pytest.mark.parametrize("cell", ["lstm", "lstm-peephole", "gru", "mgu", "minlstm", "mingru"])
def test_norms_far_beyond_float64_match_400_bits(cell: str) -> None:
    network = Network(2, 2, cell=CELLS[cell])
    arrays = random_arrays(network, 1, 0.3)
    # Gates that forget: 1e−17 a step and more, so 1e−5000 after 300.
    for name, bias in {"b_f": -40.0, "b_i": -40.0, "b_z": -40.0}.items():
        if name in arrays:
            away = {"mgu": 40.0, "mingru": 40.0}.get(cell, 12.0 if cell == "minlstm" and name == "b_i" else bias)
            arrays[name] += away
    if cell == "gru":
        arrays["W_hn"] *= 1e-17
        arrays["b_r"] -= 20
    if cell == "mgu":
        arrays["W_hn"] *= 1e-15
    done = trace(network, Weights(arrays), sequence(0, 301, 2))
    exact = mp_norms(cell, arrays, done.layers[0], {1, 2, 300})
    for name, decay in decays(gradient_decay(done)).items():
        assert exact[name][300] < -1000
        for lag, right in exact[name].items():
            assert decay.log10_norm(lag) == pytest.approx(right, abs=PROMISED)


def test_a_projected_lstm_has_blocks_of_its_two_widths() -> None:
    done = some_trace("lstm", 3, 5, 12, d_p=2)
    report = gradient_decay(done, jacobians=[4])
    assert report.cell_state is not None
    assert report.jacobians[4].shape == (2, 2)
    assert report.cell_state.jacobians[4].shape == (5, 5)
    exact = mp_norms("lstm", done.weights.arrays, done.layers[0], {1, 4, 11})
    for name, decay in decays(report).items():
        for lag, right in exact[name].items():
            assert decay.log10_norm(lag) == pytest.approx(right, abs=PROMISED)


@pytest.mark.parametrize(("n", "d_p"), [(40, 0), (44, 36), (50, 8)])
@pytest.mark.parametrize("cell", ["lstm", "lstm-peephole"])
@pytest.mark.parametrize("scale", [0.05, 1.0, 3.0])
def test_wide_lstms_match_plain_full_products(cell: str, n: int, d_p: int, scale: float) -> None:
    done = some_trace(cell, n, n, 100, scale, d_p=d_p)
    (run,) = done.layers
    step, states = plain_numpy(done.weights.arrays).step(cell), states_of(run)
    n_h = d_p or n
    parts = {"h": slice(0, n_h), "c": slice(n_h, None)}
    product, log10_size = np.eye(n_h + n), 0.0
    exact: dict[str, list[float]] = {name: [] for name in parts}
    for lag in range(1, 100):
        product = product @ full_jacobian(step, done.x[100 - lag], states[100 - lag])
        size = float(np.abs(product).max())
        product, log10_size = product / size, log10_size + log10(size)
        for name, part in parts.items():
            exact[name].append(log10_size + log10(np.linalg.norm(product[part, part], 2)))
    for name, decay in decays(gradient_decay(done)).items():
        np.testing.assert_allclose(decay.log10_norms, exact[name], atol=PROMISED)


def test_the_product_of_the_jacobians_of_h_alone_is_another_number() -> None:
    network = Network(2, 3, cell=CELLS["lstm"])
    arrays = random_arrays(network, 0, 0.5)
    arrays["b_f"] = np.full(3, 4.0)
    done = trace(network, Weights(arrays), sequence(0, 101, 2))
    report = gradient_decay(done)
    exact = mp_norms("lstm", arrays, done.layers[0], {100})
    assert report.log10_norm(100) == pytest.approx(exact["h"][100], abs=PROMISED)
    # The trap: the same blocks multiplied without what c carries.
    step, states, alone = plain_numpy(arrays).step("lstm"), states_of(done.layers[0]), np.eye(3)
    for t in range(100, 0, -1):
        alone = alone @ full_jacobian(step, done.x[t], states[t])[:3, :3]
    assert report.log10_norm(100) > -5
    assert log10(np.linalg.norm(alone, 2)) < -40


@pytest.mark.torch
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_norms_are_those_of_torchs_own_jacobians(cell: str) -> None:
    torch = pytest.importorskip("torch")
    done = some_trace(cell, 2, 4, 9, biases=2)
    w, gates = done.weights, {"lstm": "ifgo", "gru": "rzn"}[cell]
    reference = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](2, 4, dtype=torch.float64)
    bias = {"weight_ih_l0": "W_x", "weight_hh_l0": "W_h", "bias_ih_l0": "b_", "bias_hh_l0": "b_h"}
    stacked = {name: np.concatenate([w[base + gate] for gate in gates]) for name, base in bias.items()}
    reference.load_state_dict({name: torch.tensor(array) for name, array in stacked.items()})
    x = torch.tensor(done.x)
    report = gradient_decay(done)
    for lag in (1, 4, 8):
        before = [torch.tensor(part)[None] for part in states_of(done.layers[0])[9 - lag]]

        def last(*state: Any, lag: int = lag) -> Any:
            after = reference(x[9 - lag :], state if cell == "lstm" else state[0])[1]
            return after if cell == "lstm" else (after,)

        found = torch.autograd.functional.jacobian(last, tuple(before))
        for index, decay in enumerate(decays(report).values()):
            block = found[index][index].reshape(4, 4).numpy()
            assert decay.log10_norm(lag) == pytest.approx(log10(np.linalg.norm(block, 2)), abs=1e-12)


# ---- properties ----


@pytest.mark.parametrize("T", [3, 200])
def test_an_lstm_that_keeps_everything_has_the_identity_from_c_to_c(T: int) -> None:
    # σ(1000) is 1 and σ(−1000) is 0.
    report = gradient_decay(gated("lstm", {"b_f": 1000.0, "b_i": -1000.0}, T=T), jacobians=[T - 1])
    assert report.cell_state is not None
    np.testing.assert_array_equal(report.cell_state.jacobians[T - 1], np.eye(2))
    assert report.cell_state.log10_norms.tolist() == [0] * (T - 1)
    assert report.cell_state.verdict == "steady"


@pytest.mark.parametrize("cell", ["gru", "gru-reset-before"])
def test_a_gru_that_keeps_everything_has_the_identity(cell: str) -> None:
    network = Network(2, 4, cell=CELLS[cell])
    arrays = random_arrays(network, 0)
    arrays["b_z"] += 1000
    report = gradient_decay(trace(network, Weights(arrays), sequence(0, 30, 2)), jacobians=[29])
    np.testing.assert_array_equal(report.jacobians[29], np.eye(4))
    assert report.log10_norms.tolist() == [0] * 29


@pytest.mark.parametrize(("cell", "name", "sign"), [("mgu", "b_f", -1), ("minlstm", "b_f", 1), ("mingru", "b_z", -1)])
def test_the_other_gated_cells_keep_everything_where_their_gate_says_so(cell: str, name: str, sign: int) -> None:
    report = gradient_decay(gated(cell, {name: sign * 1000.0, "b_i": -500.0}), jacobians=[19])
    np.testing.assert_array_equal(report.jacobians[19], np.eye(2))


@given(cell=cells, seed=seeds, n=st.sampled_from([2, 5, 36]), T=st.integers(2, 40))
@settings(deadline=None, max_examples=40)
def test_permuting_the_units_changes_no_norm(cell: str, seed: int, n: int, T: int) -> None:
    done = some_trace(cell, seed, n, T, 0.9)
    order = np.random.default_rng(seed).permutation(n)
    moved = {}
    for parameter in done.network.parameters:
        array = done.weights[parameter.name]
        index = tuple(order if axis == "d_h" else np.arange(2) for axis in parameter.axes)
        moved[parameter.name] = array[np.ix_(*index)]
    other = gradient_decay(trace(done.network, Weights(moved), done.x))
    for ours, theirs in zip(decays(gradient_decay(done)).values(), decays(other).values(), strict=True):
        np.testing.assert_allclose(theirs.log10_norms, ours.log10_norms, atol=PROMISED)


@given(cell=cells, seed=seeds, n=st.integers(1, 6), T=st.integers(2, 25))
@settings(deadline=None, max_examples=30)
def test_keeping_a_matrix_changes_no_norm_and_has_it(cell: str, seed: int, n: int, T: int) -> None:
    done = some_trace(cell, seed, n, T)
    plain, kept = gradient_decay(done), gradient_decay(done, jacobians=[1, T - 1])
    for ours, theirs in zip(decays(plain).values(), decays(kept).values(), strict=True):
        np.testing.assert_allclose(theirs.log10_norms, ours.log10_norms, atol=PROMISED)
        assert log10(np.linalg.norm(theirs.jacobians[T - 1], 2)) == pytest.approx(ours.log10_norm(T - 1), abs=1e-9)


@given(seed=seeds, n=st.sampled_from([1, 4, 40]), T=st.integers(2, 60), scale=st.floats(0.1, 5))
@settings(deadline=None, max_examples=25)
def test_no_norm_of_an_indrnn_passes_its_bound(seed: int, n: int, T: int, scale: float) -> None:
    report = gradient_decay(some_trace("indrnn", seed, n, T, scale))
    largest = float(np.abs(report.trace.weights["u_h"]).max())
    assert report.bound_per_step == report.spectral_norm == report.spectral_radius == largest
    assert all(report.log10_norm(lag) <= lag * log10(largest) + PROMISED for lag in report.lags)


@pytest.mark.parametrize("cell", [name for name in CELLS if name not in ("rnn", "indrnn")])
def test_a_gated_cell_has_no_bound(cell: str) -> None:
    report = gradient_decay(some_trace(cell, 0, 3, 5))
    assert (report.bound_per_step, report.max_slope, report.log10_bound(1)) == (None, None, None)
    assert (report.spectral_norm, report.spectral_radius) == (None, None)


def test_each_gates_matrix_has_its_radius_and_norm() -> None:
    report = gradient_decay(some_trace("lstm", 0, 3, 5))
    assert [spectrum.parameter.name for spectrum in report.recurrent] == ["W_hi", "W_hf", "W_hg", "W_ho"]
    for spectrum in report.recurrent:
        W = report.trace.weights[spectrum.parameter.name]
        assert spectrum.spectral_radius == pytest.approx(float(np.abs(np.linalg.eigvals(W)).max()), rel=1e-12)
        assert spectrum.spectral_norm == pytest.approx(float(np.linalg.svd(W)[1][0]), rel=1e-12)


def test_a_projected_matrix_has_a_norm_and_no_radius() -> None:
    report = gradient_decay(some_trace("lstm", 0, 5, 5, d_p=2))
    assert {spectrum.spectral_radius for spectrum in report.recurrent} == {None}
    assert all(spectrum.spectral_norm > 0 for spectrum in report.recurrent)


# ---- the direct path ----


@pytest.mark.parametrize(
    ("cell", "share"),
    [
        ("lstm", lambda now: now["f"]),
        ("lstm-peephole", lambda now: now["f"]),
        ("gru", lambda now: now["z"]),
        ("gru-reset-before", lambda now: now["z"]),
        ("mgu", lambda now: 1 - now["f"]),
        ("minlstm", lambda now: now["f'"]),
        ("mingru", lambda now: 1 - now["z"]),
    ],
)
def test_the_direct_path_is_the_product_of_the_gate_over_the_last_steps(
    cell: str, share: Callable[[dict[str, Array]], Array]
) -> None:
    done = some_trace(cell, 1, 4, 10)
    report = gradient_decay(done)
    direct = (report.cell_state or report).direct
    shares = share(done.layers[0].values.now)
    assert direct is not None
    for lag in (1, 4, 9):
        assert direct.log10_norms[lag - 1] == pytest.approx(log10(shares[-lag:].prod(axis=0).max()), abs=1e-12)
    assert direct.mean == pytest.approx(float(shares.mean()), rel=1e-12)
    assert (direct.least, direct.largest) == pytest.approx((shares.min(), shares.max()), rel=1e-12)
    assert direct.alone == (cell in ("minlstm", "mingru"))


@pytest.mark.parametrize("cell", ["rnn", "indrnn"])
def test_a_cell_without_gates_has_no_direct_path(cell: str) -> None:
    assert gradient_decay(some_trace(cell, 1, 4, 5)).direct is None


@pytest.mark.parametrize("drive", [20.0, 40.0, 800.0])
def test_a_gate_that_all_but_closes_keeps_its_digits(drive: float) -> None:
    # mingru: 1 − σ(a) = σ(−a) = exp(−a)/(1 + exp(−a)), which 1 − z loses in float64.
    report = gradient_decay(gated("mingru", {"b_z": drive}))
    exact = (-drive - np.log1p(exp(-drive))) / log(10)
    np.testing.assert_allclose(report.log10_norms, exact * np.arange(1, 20), rtol=1e-13)


@pytest.mark.parametrize("cell", ["lstm", "lstm-peephole", "gru", "gru-reset-before", "mgu"])
@pytest.mark.parametrize("size", [650.0, 3000.0])
def test_gates_far_below_float64_keep_their_size(cell: str, size: float) -> None:
    network = Network(2, 3, cell=CELLS[cell])
    arrays = random_arrays(network, 2)
    rng = np.random.default_rng(0)
    for parameter in network.parameters:
        if parameter.role in ("bias", "recurrent_bias"):
            # Of each gate one unit is shut, one open and one between.
            arrays[parameter.name] += size * rng.permutation([-1.0, 0.01, 0.0])
    done = trace(network, Weights(arrays), sequence(0, 7, 2))
    exact = mp_norms(cell, arrays, done.layers[0], {1, 2, 6}, bits=6_000)
    for name, decay in decays(gradient_decay(done)).items():
        for lag, right in exact[name].items():
            assert decay.log10_norm(lag) == pytest.approx(right, rel=1e-12, abs=PROMISED)


@pytest.mark.parametrize("cell", ["lstm", "lstm-peephole", "gru", "gru-reset-before", "mgu"])
@pytest.mark.parametrize("sign", [1, -1])
def test_gates_beyond_every_exponent_are_shut_or_open(cell: str, sign: int) -> None:
    network = Network(2, 2, cell=CELLS[cell])
    arrays = random_arrays(network, 1)
    name = "b_z" if "b_z" in arrays else "b_f"
    # The unit at 1000 loses its slope, so that every entry gets an exponent of its own.
    finite, *endless = ({**arrays, name: sign * np.array([1000.0, -a])} for a in (5000.0, 1e13, 1e18, 1e30, 1e300))
    x = sequence(0, 6, 2)
    exact = mp_norms(cell, finite, trace(network, Weights(finite), x).layers[0], {1, 2, 5}, bits=16_000)
    for weights in endless:
        for state, decay in decays(gradient_decay(trace(network, Weights(weights), x))).items():
            for lag, right in exact[state].items():
                assert right > -500, "what e^-5000 decides would differ"
                assert decay.log10_norm(lag) == pytest.approx(right, abs=PROMISED)


# ---- layers and directions ----


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("place", range(4))
def test_a_layer_of_a_stack_is_measured_within_itself(cell: str, place: int) -> None:
    done = some_trace(cell, 4, 3, 8, layers=2, bidirectional=True)
    run = done.layers[place]
    mark = f"^{run.layer.mark}"
    own = {n.removesuffix(mark): a for n, a in done.weights.arrays.items() if n.endswith(mark)}
    report = gradient_decay(done, layer=run)
    below = done.x if run.layer.index == 0 else done.outputs[0]
    single = Network(below.shape[1], 3, cell=CELLS[cell])
    alone = gradient_decay(trace(single, Weights(own), below[::-1] if run.layer.reverse else below))
    assert report.layer is run.layer
    for ours, theirs in zip(decays(report).values(), decays(alone).values(), strict=True):
        np.testing.assert_allclose(ours.log10_norms, theirs.log10_norms, atol=PROMISED)


def test_the_top_layer_forward_is_the_default() -> None:
    done = some_trace("lstm", 4, 3, 8, layers=2, bidirectional=True)
    report = gradient_decay(done)
    assert (report.layer.index, report.layer.reverse) == (1, False)


# ---- what is refused ----


@pytest.mark.parametrize("name", ["W_ho", "p_f"])
def test_huge_weights_of_any_gate_are_refused(name: str) -> None:
    network = Network(2, 3, cell=CELLS["lstm-peephole"])
    arrays = random_arrays(network, 0)
    arrays[name].flat[0] = 1e290
    with pytest.raises(NonFiniteError, match=rf"{name} has an entry of size 1e\+290"):
        gradient_decay(trace(network, Weights(arrays), sequence(0, 4, 2)))


@pytest.mark.parametrize("cell", CELLS)
def test_a_pre_activation_that_is_no_number_is_refused(cell: str) -> None:
    network = Network(2, 3, cell=CELLS[cell])
    x = sequence(0, 6, 2)
    x[3, 0] = np.nan
    with pytest.raises(NonFiniteError, match="slope is unknown"):
        gradient_decay(trace(network, Weights(random_arrays(network, 0)), x))
