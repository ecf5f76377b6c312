"""Forward from the first step: the norms of ∂h_t/∂h_0, against 400 bits and against the family that goes back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.block_norms import STATE, BlockDecay, BlockNorms
from rnn_calc.core.cells import CELLS
from rnn_calc.core.decay import gradient_decay
from rnn_calc.core.errors import DataError
from rnn_calc.core.linearization import Linearization
from rnn_calc.core.network import Network
from rnn_calc.core.trace import Trace, trace
from rnn_calc.core.weights import Weights
from tests.core.drawing import plain_trace, random_arrays, sequence
from tests.references import mp_log10_norms, mp_rnn_pre_activations, mp_tanh_slope

seeds = st.integers(0, 10**6)

# What is promised of every log₁₀ norm.
PROMISED = 1e-9


def begun_later(done: Trace) -> Trace:
    """The same run from its second step on, whose h_0 is h_1 of the whole one."""
    run = done.layers[0]
    return trace(done.network, done.weights, done.x[1:], {name: run.values.now[name][0] for name in run.layer.state})


@given(cell=st.sampled_from(sorted(CELLS)), seed=seeds, n=st.sampled_from([1, 3, 36]), T=st.integers(3, 30))
@settings(deadline=None, max_examples=40)
def test_both_families_end_at_the_same_jacobian(cell: str, seed: int, n: int, T: int) -> None:
    network = Network(2, n, cell=CELLS[cell])
    done = trace(network, Weights(random_arrays(network, seed)), sequence(seed, T, 2))
    states = (*network.cell.state, STATE)
    back = gradient_decay(done, states=states, jacobians=[T - 1])
    forward = gradient_decay(begun_later(done), states=states, family="forward", jacobians=[T - 1])
    for ours, theirs in zip(forward.decays, back.decays, strict=True):
        assert (ours.family, theirs.family, ours.state) == ("forward", "back", theirs.state)
        assert ours.lags == theirs.lags == range(1, T)
        assert ours.log10_norm(T - 1) == pytest.approx(theirs.log10_norm(T - 1), abs=PROMISED)
        matrix = theirs.jacobians[T - 1]
        np.testing.assert_allclose(ours.jacobians[T - 1], matrix, atol=1e-12 * (1e-300 + np.abs(matrix).max()))


@pytest.mark.parametrize(("n", "T"), [(2, 200), (3, 2000)])
@pytest.mark.parametrize("scale", [0.7, 2.0])
def test_norms_forward_match_400_bits(n: int, T: int, scale: float) -> None:
    network = Network(2, n)
    arrays = random_arrays(network, n, scale)
    done = trace(network, Weights(arrays), sequence(n, T, 2))
    slopes = [[mp_tanh_slope(float(a)) for a in z] for z in done.layers[0].values.now["z"]]
    report = gradient_decay(done, family="forward")
    assert report.lags == range(1, T + 1)
    for t in (1, 2, T // 3, T):
        (exact,) = mp_log10_norms(arrays["W_hh"], slopes[:t], {t}).values()
        assert report.log10_norm(t) == pytest.approx(exact, abs=PROMISED)


@pytest.mark.parametrize("bias", [320.0, 400.0, 2000.0])
@pytest.mark.parametrize("state", ["h", STATE])
def test_a_unit_that_saturates_alone_is_no_exact_zero_forward(bias: float, state: str) -> None:
    weights = {"W_xh": np.zeros((2, 1)), "W_hh": np.array([[1.0, 0.0], [0.5, 0.0]]), "b_h": np.array([bias, 0.0])}
    x = np.zeros((5, 1))
    report = gradient_decay(trace(Network(1, 2), Weights(weights), x), family="forward", states=[state])
    slopes = [[mp_tanh_slope(a) for a in z] for z in mp_rnn_pre_activations(weights, x, np.zeros(2))]
    for t in range(1, 6):
        (exact,) = mp_log10_norms(weights["W_hh"], slopes[:t], {t}).values()
        # Rounding of a pre-activation of 2000 moves the logarithm of its slope by 2·2000·u = 4e−13.
        assert report.log10_norm(t) == pytest.approx(exact, rel=1e-12, abs=PROMISED)


def test_gates_that_are_lost_to_float64_have_their_norms_forward_too() -> None:
    network = Network(2, 2, cell=CELLS["gru"])
    arrays = random_arrays(network, 0)
    arrays["b_z"] = np.array([-800.0, 0.3])
    done = trace(network, Weights(arrays), sequence(0, 6, 2))
    forward = gradient_decay(begun_later(done), family="forward")
    assert forward.log10_norm(5) == pytest.approx(gradient_decay(done).log10_norm(5), abs=PROMISED)


def test_all_states_together_have_the_norm_of_the_whole_jacobian() -> None:
    network = Network(2, 3, cell=CELLS["lstm"])
    done = trace(network, Weights(random_arrays(network, 0)), sequence(0, 8, 2))
    report = gradient_decay(done, states=["h", "c", STATE], jacobians=range(1, 8))
    h, c, together = report.decays
    for lag in range(1, 8):
        whole = together.jacobians[lag]
        np.testing.assert_allclose(whole[:3, :3], h.jacobians[lag], rtol=1e-13)
        np.testing.assert_allclose(whole[3:, 3:], c.jacobians[lag], rtol=1e-13)
        assert together.log10_norm(lag) == pytest.approx(np.log10(np.linalg.norm(whole, 2)), abs=1e-13)


def test_only_what_is_asked_for_is_measured() -> None:
    network = Network(2, 3, cell=CELLS["lstm"])
    done = trace(network, Weights(random_arrays(network, 0)), sequence(0, 8, 2))
    whole, alone = gradient_decay(done), gradient_decay(done, states=["c"])
    assert [decay.state for decay in whole.decays] == ["h", "c"]
    assert [decay.state for decay in alone.decays] == ["c"]
    assert (alone.state, alone.cell_state) == ("c", None)
    assert whole.cell_state is not None
    np.testing.assert_allclose(alone.log10_norms, whole.cell_state.log10_norms, rtol=1e-13)


def test_what_is_dropped_too_soon_is_tried_with_more_care_before_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    # 130 units keep their size, 40 shrink to 2^−40 and are dropped; then the 130 shrink by 2^−30 at once.
    taken: list[float] = []
    original = BlockNorms._walk

    def spy(
        norms: BlockNorms, derivative: Linearization, states: list[str], *, compress: bool, caution: float = 1.0
    ) -> dict[str, BlockDecay | None]:
        taken.append(caution if compress else 0.0)
        return original(norms, derivative, states, compress=compress, caution=caution)

    monkeypatch.setattr(BlockNorms, "_walk", spy)
    n, steps = 170, 44
    weights = {"W_xh": np.eye(n), "W_hh": np.diag([1.0] * 130 + [0.5] * 40), "b_h": np.zeros(n)}
    x = np.zeros((steps, n))
    x[2, :130] = 12.0
    report = gradient_decay(trace(Network(n, n), Weights(weights), x))
    assert taken[:2] == [1.0, 1e-4]
    assert report.certificate.met
    in_full = gradient_decay(report.trace, jacobians=[1])
    assert np.ptp(report.log10_norms[-4:]) > 5, "the 130 have shrunk"
    np.testing.assert_allclose(report.log10_norms, in_full.log10_norms, atol=PROMISED)


def test_an_unknown_family_or_state_is_refused() -> None:
    done = plain_trace(np.eye(2), 4)
    with pytest.raises(DataError, match="no family 'sideways'"):
        gradient_decay(done, family="sideways")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no state 'c' in a layer of rnn; take h or state"):
        gradient_decay(done, states=["c"])
