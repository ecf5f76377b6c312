from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core import memory
from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.equations import ACTIVATIONS, Vector
from rnn_calc.core.errors import DataError, NonFiniteError, TooLargeError
from rnn_calc.core.network import Network
from rnn_calc.core.trace import require_finite, trace, trace_blocks, zero_state
from rnn_calc.core.weights import Weights, read_arrays
from tests.core.drawing import random_weights, sequence
from tests.references import rnn_states

every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)
seeds = st.integers(0, 10**6)

Lists = dict[str, list[list[float]] | list[float]]

CAT_SAT_HERE: Lists = {"W_xh": [[0.3, 0.7], [0.4, 0.2]], "W_hh": [[0.1, 0.5], [0.6, 0.3]], "b_h": [0.1, 0.2]}
TWO_STEP: Lists = {"W_xh": [[0.8], [0.4]], "W_hh": [[0.5, 0.2], [0.3, 0.6]], "b_h": [0.1, 0.1]}
TINY: Lists = {
    "W_xh": [[0.2], [0.3]],
    "W_hh": [[0.5, 0.1], [0.1, 0.5]],
    "b_h": [0.0, 0.0],
    "W_hy": [[1.0, 1.0]],
    "b_y": [0.0],
}


def weights_of(lists: Lists) -> Weights:
    return Weights({name: np.array(value) for name, value in lists.items()})


@pytest.mark.parametrize(
    ("lists", "x", "h"),
    [
        (TWO_STEP, [[2], [-1]], [[0.935409, 0.716298], [-0.088801, 0.388813]]),
        (
            CAT_SAT_HERE,
            [[0.5, 0.2], [0.1, 0.9], [0.8, 0.3]],
            [[0.371360, 0.413644], [0.763252, 0.645129], [0.739280, 0.843011]],
        ),
        (TINY, [[1], [2]], [[0.197375, 0.291313], [0.483712, 0.644243]]),
    ],
    ids=["tutorial 001", "tutorial 002", "tutorial 003"],
)
def test_the_worked_examples_have_the_states_worked_out_by_hand(
    lists: Lists, x: list[list[float]], h: list[list[float]]
) -> None:
    network = Network(len(x[0]), 2, 1 if "W_hy" in lists else 0)
    # Half a unit of the sixth digit, to which they are printed.
    np.testing.assert_allclose(trace(network, weights_of(lists), np.array(x)).h, h, atol=5e-7)


def test_the_tiny_example_has_the_outputs_worked_out_by_hand() -> None:
    done = trace(Network(1, 2, 1), weights_of(TINY), np.array([[1.0], [2.0]]))
    assert done.y is not None
    np.testing.assert_allclose(done.y, [[0.488688], [1.127955]], atol=5e-7)


@every_activation
@given(seed=seeds, d_in=st.integers(1, 6), d_h=st.integers(1, 10), d_out=st.integers(0, 3), T=st.integers(1, 30))
@settings(deadline=None, max_examples=20)
def test_states_are_those_of_plain_numpy(activation: str, seed: int, d_in: int, d_h: int, d_out: int, T: int) -> None:
    network = Network(d_in, d_h, d_out, activation=activation)
    weights, x = random_weights(network, seed, 0.5), sequence(seed, T, d_in)
    h0 = sequence(seed + 1, d_h)
    done = trace(network, weights, x, {"h": h0})
    expected = rnn_states(weights.arrays, x, h0, activation)
    # Weights of scale 0.5 do not let rounding grow; relative, for a relu can be large.
    np.testing.assert_allclose(done.h, expected, rtol=1e-12, atol=1e-12)
    if d_out:
        assert done.y is not None
        np.testing.assert_allclose(done.y, expected @ weights["W_hy"].T + weights["b_y"], rtol=1e-12, atol=1e-12)
    else:
        assert done.y is None


@pytest.mark.torch
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@given(
    seed=st.integers(0, 10**6),
    d_in=st.integers(1, 20),
    d_h=st.integers(1, 40),
    T=st.integers(1, 60),
    B=st.integers(1, 5),
    batch_first=st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_states_are_those_of_torch(
    activation: str, seed: int, d_in: int, d_h: int, T: int, B: int, batch_first: bool
) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(seed)
    layer = torch.nn.RNN(d_in, d_h, nonlinearity=activation, batch_first=batch_first, dtype=torch.float64)
    readout = torch.nn.Linear(d_h, 2, dtype=torch.float64)
    x = torch.randn(*((B, T) if batch_first else (T, B)), d_in, dtype=torch.float64)
    h_0 = torch.randn(1, B, d_h, dtype=torch.float64)
    with torch.no_grad():
        output, h_n = layer(x, h_0)
        y = readout(output)

    network = Network(d_in, d_h, 2, activation=activation, biases=2)
    named = {name: value.numpy() for name, value in layer.state_dict().items()}
    named |= {f"linear.{name}": value.numpy() for name, value in readout.state_dict().items()}
    weights = Weights(read_arrays(network, CONVENTIONS["pytorch"], named))
    done = trace(network, weights, x.numpy(), {"h": h_0[0].numpy()}, batch_first=batch_first)
    ours, outputs = (done.h, done.y)
    assert outputs is not None
    if batch_first:
        ours, outputs = ours.transpose(1, 0, 2), outputs.transpose(1, 0, 2)
    # The promise of the package; torch's own weights contract, so rounding stays at a few u.
    np.testing.assert_allclose(ours, output.numpy(), atol=1e-12)
    np.testing.assert_allclose(outputs, y.numpy(), atol=1e-12)
    np.testing.assert_allclose(done.final["h"], h_n[0].numpy(), atol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_large_layer_of_torch_has_the_same_states(activation: str) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layer = torch.nn.RNN(16, 512, nonlinearity=activation, dtype=torch.float64)
    x = torch.randn(300, 16, dtype=torch.float64)
    network = Network(16, 512, activation=activation, biases=2)
    named = {name: value.numpy() for name, value in layer.state_dict().items()}
    done = trace(network, Weights(read_arrays(network, CONVENTIONS["pytorch"], named)), x.numpy())
    with torch.no_grad():
        np.testing.assert_allclose(done.h, layer(x)[0].numpy(), atol=1e-12)


@every_cell
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_sequence_cut_in_two_and_resumed_gives_the_same_bits(cell: Cell, data: st.DataObject) -> None:
    draw = data.draw
    seed, T = draw(seeds), draw(st.integers(2, 700))
    cut = draw(st.integers(1, T - 1))
    batch = draw(st.sampled_from([(), (), (1,), (3,)]))
    network = Network(
        draw(st.integers(1, 7)),
        draw(st.integers(1, 70)),
        draw(st.integers(0, 3)),
        cell=cell,
        activation=draw(st.sampled_from(ACTIVATIONS)),
    )
    weights, x = random_weights(network, seed, 0.7), sequence(seed, T, *batch, network.d_in)
    whole = trace(network, weights, x)
    first = trace(network, weights, x[:cut])
    second = trace(network, weights, x[cut:], first.final)
    for name, values in whole.values.now.items():
        joined = np.concatenate([first.values.now[name], second.values.now[name]])
        np.testing.assert_array_equal(joined, values)


@every_cell
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_a_sequence_in_blocks_gives_the_same_bits(cell: Cell, data: st.DataObject) -> None:
    T = data.draw(st.integers(1, 600))
    cuts = sorted(data.draw(st.sets(st.integers(1, T), max_size=6)) - {T})
    network = Network(3, data.draw(st.integers(1, 40)), 2, cell=cell)
    weights, x = random_weights(network, T), sequence(T, T, 3)
    h0 = {name: sequence(T + 1, network.d_h) for name in cell.state}
    whole = trace(network, weights, x, h0)
    parts = list(trace_blocks(network, weights, np.split(x, cuts), h0))
    assert [part.first for part in parts] == [1, *(cut + 1 for cut in cuts)]
    assert sum(part.steps for part in parts) == T
    for name, values in whole.values.now.items():
        np.testing.assert_array_equal(np.concatenate([part.values.now[name] for part in parts]), values)
    for before, after in pairwise(parts):
        np.testing.assert_array_equal(after.h0, before.h[-1])


@every_cell
@every_activation
@given(seed=seeds, B=st.integers(1, 5), T=st.integers(1, 40), d_h=st.integers(1, 20))
@settings(deadline=None, max_examples=10)
def test_a_row_of_a_batch_is_the_single_run(activation: str, cell: Cell, seed: int, B: int, T: int, d_h: int) -> None:
    network = Network(3, d_h, 2, cell=cell, activation=activation)
    weights, x = random_weights(network, seed, 0.5), sequence(seed, T, B, 3)
    together = trace(network, weights, x)
    turned = trace(network, weights, x.transpose(1, 0, 2), batch_first=True)
    np.testing.assert_array_equal(turned.h, together.h)
    for b in range(B):
        # BLAS may round a row of a matrix product otherwise than a vector's.
        np.testing.assert_allclose(together.h[:, b], trace(network, weights, x[:, b]).h, rtol=1e-12, atol=1e-12)


@every_cell
@given(seed=seeds, d_h=st.integers(1, 8), T=st.integers(1, 20), biases=st.sampled_from([0, 1, 2]), batch=st.booleans())
@settings(deadline=None, max_examples=20)
def test_the_summands_add_up_to_the_pre_activation(
    cell: Cell, seed: int, d_h: int, T: int, biases: int, batch: bool
) -> None:
    network = Network(3, d_h, cell=cell, biases=biases)
    weights = random_weights(network, seed)
    done = trace(network, weights, sequence(seed, T, *((4,) if batch else ()), 3))
    summands = np.zeros_like(done.h)
    gates = 0
    for term, value in done.terms:
        assert value.shape == done.h.shape
        if isinstance(term, Vector):
            # Three summands of size about 1: a few u.
            np.testing.assert_allclose(value, summands, atol=1e-14)
            np.testing.assert_array_equal(value, done.values.now[term.name])
            summands, gates = np.zeros_like(done.h), gates + 1
        else:
            summands = summands + value
    assert gates == sum(equation.kind == "gate" for equation in network.equations)


def test_the_summands_of_the_embedding_example_are_those_worked_out_by_hand() -> None:
    done = trace(Network(2, 2), weights_of(CAT_SAT_HERE), np.array([[0.5, 0.2], [0.1, 0.9]]))
    input_part, recurrent, bias, z = (value for _, value in done.terms)
    # W_xh (.5, .2) = (.15 + .14, .20 + .04); b = (.1, .2).
    np.testing.assert_allclose(input_part[0], [0.29, 0.24], rtol=1e-14)
    np.testing.assert_array_equal(recurrent[0], [0, 0])
    np.testing.assert_array_equal(bias[1], [0.1, 0.2])
    np.testing.assert_allclose(z[0], [0.39, 0.44], rtol=1e-14)


@every_cell
def test_a_sequence_starts_from_zeros_unless_told_otherwise(cell: Cell) -> None:
    network = Network(2, 3, cell=cell)
    done = trace(network, random_weights(network, 0), np.ones((4, 2)))
    assert done.initial.keys() == zero_state(network).keys() == set(cell.state)
    np.testing.assert_array_equal(done.h0, np.zeros(3))
    assert zero_state(network, (5,))["h"].shape == (5, 3)
    assert (done.steps, done.x.shape, done.h.shape) == (4, (4, 2), (4, 3))


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


def test_a_first_state_of_another_shape_or_name_is_refused() -> None:
    network = Network(2, 3)
    weights, x = random_weights(network, 0), np.zeros((4, 2))
    with pytest.raises(DataError, match=r"h0 has shape \(2,\); it needs \(3,\)"):
        trace(network, weights, x, {"h": np.zeros(2)})
    with pytest.raises(DataError, match=r"A rnn has no state q; it has h\."):
        trace(network, weights, x, {"q": np.zeros(3)})


def test_a_trace_too_long_to_hold_is_refused_before_it_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(2, 3)
    weights = random_weights(network, 0)

    def never(*_: object) -> None:
        raise AssertionError("the network was run")

    monkeypatch.setattr("rnn_calc.core.trace.Engine", never)
    monkeypatch.setattr(memory, "physical_memory", lambda: 1000)
    with pytest.raises(TooLargeError, match=r"A trace of 1,000 steps held in memory needs .* streams any length"):
        trace(network, weights, np.zeros((1000, 2)))


def test_the_first_number_that_outgrew_float64_is_named() -> None:
    # h doubles from 1: 2^1023 at step 1023, infinite one later.
    network = Network(1, 2, activation="identity")
    weights = Weights({"W_xh": np.zeros((2, 1)), "W_hh": np.diag([1.0, 2.0]), "b_h": np.zeros(2)})
    done = trace(network, weights, np.zeros((1030, 1)), {"h": np.ones(2)})
    assert done.h[1022, 1] == 2.0**1023
    with pytest.raises(NonFiniteError, match=r"^z_1024\[2\] is inf: .* at step 1024\."):
        require_finite(done)
    require_finite(trace(network, weights, np.zeros((1023, 1)), {"h": np.ones(2)}))


def test_the_number_that_is_named_is_the_one_of_its_own_sequence_of_the_batch() -> None:
    network = Network(1, 1, activation="identity")
    weights = Weights({"W_xh": np.ones((1, 1)), "W_hh": np.ones((1, 1)), "b_h": np.zeros(1)})
    x = np.array([[[1.0], [1.0]], [[1.0], [-np.inf]]])
    with pytest.raises(NonFiniteError, match=r"^z_2\[1\] is -inf"):
        require_finite(trace(network, weights, x))


def test_an_output_that_overflows_before_the_state_does_is_named_first() -> None:
    network = Network(1, 1, 1, activation="identity")
    weights = Weights(
        {
            "W_xh": np.zeros((1, 1)),
            "W_hh": np.array([[1e100]]),
            "b_h": np.zeros(1),
            "W_hy": np.array([[1e200]]),
            "b_y": np.zeros(1),
        }
    )
    # h: 1e100, 1e200, 1e300, inf; y = 1e200·h: 1e300, inf.
    with pytest.raises(NonFiniteError, match=r"^y_2\[1\] is inf"):
        require_finite(trace(network, weights, np.zeros((5, 1)), {"h": np.ones(1)}))
