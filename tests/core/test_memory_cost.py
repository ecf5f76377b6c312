from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from rnn_calc.core.cells import CELLS
from rnn_calc.core.cost import count_cost
from rnn_calc.core.memory_cost import DTYPES, INFERENCE_ONLY, OPTIMIZERS, count_memory
from rnn_calc.core.network import Network
from rnn_calc.core.run import Run, make_run
from tests.core.test_cost import evaluated, networks, runs
from tests.core.unfused import STEPS, run_layer

# What each cell keeps of a step, in the order of its equations; x_t is kept besides.
KEPT = {
    "rnn": ("h_t",),
    "lstm": ("h_t", "i_t", "f_t", "g_t", "o_t", "c_t", "tanh(c_t)"),
    "lstm-peephole": ("h_t", "i_t", "f_t", "g_t", "o_t", "c_t", "tanh(c_t)"),
    "gru": ("h_t", "r_t", "z_t", "n_t", "W_hn h_{t-1} + b_hn"),
    "gru-reset-before": ("h_t", "r_t", "z_t", "n_t", "r_t ⊙ h_{t-1}"),
    "mgu": ("h_t", "f_t", "n_t", "f_t ⊙ h_{t-1}"),
    "indrnn": ("h_t",),
    "minlstm": ("h_t", "i_t", "f_t", "f_t + i_t", "i'_t", "f'_t", "g_t"),
    "mingru": ("h_t", "z_t", "n_t"),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_keeps_each_vector_that_its_gradient_needs_once(name: str) -> None:
    report = count_memory(Network(4, 3, 2, cell=CELLS[name]))
    (input_row, layer) = report.rows
    assert (input_row.part, input_row.symbols, input_row.per_step) == ("input", ("x_t",), 4)
    assert sorted(layer.symbols) == sorted(KEPT[name])
    assert layer.per_step == 3 * len(KEPT[name])


def test_a_step_of_an_lstm_keeps_its_input_and_seven_vectors() -> None:
    report = count_memory(Network(64, 128, cell=CELLS["lstm"]), run=make_run(100, 32, truncate=35))
    assert report.per_step == 64 + 7 * 128
    assert report.full == 3200 * 960
    assert report.truncated == report.activations == 35 * 32 * 960


def test_an_upper_layer_reads_what_the_layer_below_has_kept_already() -> None:
    one, two = (count_memory(Network(4, 3, 2, layers=n)).per_step for n in (1, 2))
    assert (one, two) == (4 + 3, 4 + 3 + 3)


def test_directions_joined_by_concatenation_are_kept_as_their_halves() -> None:
    joined, summed = (
        count_memory(Network(4, 3, 2, layers=2, bidirectional=True, merge=how)).per_step for how in ("concat", "sum")
    )
    assert joined == 4 + 4 * 3
    assert summed == joined + 2 * 3


def test_a_product_of_directions_keeps_both_factors_and_itself_for_the_readout() -> None:
    assert count_memory(Network(4, 3, 2, bidirectional=True, merge="product")).per_step == 4 + 2 * 3 + 3


def test_the_input_that_an_embedding_gives_is_kept_and_the_token_is_not() -> None:
    report = count_memory(Network(4, 3, 7, vocab=7))
    assert [(row.part, row.per_step) for row in report.rows] == [("embedding", 4), ("recurrent", 3)]


def test_an_identity_has_no_slope_to_keep_anything_for() -> None:
    kept = [count_memory(Network(4, 3, cell=CELLS["lstm"], activation=name)).per_step for name in ("tanh", "identity")]
    assert kept == [4 + 21, 4 + 18]


def test_packed_sequences_keep_their_real_steps() -> None:
    report = count_memory(Network(4, 3, 2), run=make_run(lengths=[7, 3, 1], truncate=2))
    assert (report.full, report.truncated) == (11 * 7, (2 + 2 + 1) * 7)


def test_without_a_truncation_a_quarter_of_the_steps_is_shown() -> None:
    assert [count_memory(Network(4, 3), run=make_run(n)).window for n in (1, 20, 1000)] == [1, 5, 250]


def test_optimizers_keep_none_one_or_two_copies() -> None:
    report = count_memory(Network(4, 3, 2), run=make_run(20))
    assert report.weights == 32
    assert [report.training(name) for name in ("sgd", "momentum", "adam")] == [204, 236, 268]
    assert set(OPTIMIZERS) == {"sgd", "momentum", "adam"}


def test_a_tied_table_is_one_weight() -> None:
    assert count_memory(Network(5, 5, 11, vocab=11, tied=True)).weights == 11 * 5 + 5 * 5 + 5 * 5 + 5 + 11


def test_dtypes_take_their_bytes() -> None:
    assert DTYPES == {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
    assert INFERENCE_ONLY == ("int8",)


@given(network=networks(), run=runs)
@settings(deadline=None, max_examples=100)
def test_rows_add_up_and_formulas_give_the_numbers(network: Network, run: Run) -> None:
    report = count_memory(network, run=run)
    assert sum(row.per_step for row in report.rows) == report.per_step
    for row in report.rows:
        assert evaluated(row.form.write(str), network.sizes) == row.per_step
    assert report.full == report.per_step * run.real_steps >= report.truncated
    symbols = [symbol for row in report.rows for symbol in row.symbols]
    assert len(set(symbols)) == len(symbols)


# Against torch, which counts and keeps tensors of its own


def tensors(torch: Any, network: Network) -> dict[str, Any]:
    return {p.name: torch.randn(network.shape(p), requires_grad=True) for p in network.parameters}


def steps(torch: Any, network: Network, lengths: list[int], cut: int = 0) -> tuple[dict[str, Any], Any]:
    """Inputs of one sequence after the other, the forward pass, and the loss."""
    w = tensors(torch, network)
    loss = torch.zeros(())
    for length in lengths:
        xs = [torch.randn(1, network.d_in) for _ in range(length)]
        if network.vocab:
            xs = [torch.nn.functional.embedding(torch.tensor([1]), w["E"]) for _ in xs]
        for (layer,), d_h in zip(network.stack, network.widths, strict=True):
            names = {name.removesuffix(f"^{layer.mark}"): value for name, value in w.items()}
            own = names if not layer.mark else {k: v for k, v in names.items() if w.get(f"{k}^{layer.mark}") is v}
            xs = run_layer(torch, network.cell.name, own, xs, d_h, states=network.cell.state, cut=cut)
        if network.d_out:
            xs = [torch.nn.functional.linear(h, w["W_hy"], w["b_y"]) for h in xs]
        loss = loss + sum(value.sum() for value in xs)
    return w, loss


@pytest.mark.torch
@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("vocab", [0, 5])
@pytest.mark.parametrize(("layers", "cut"), [(1, 0), (2, 0), (2, 2)])
def test_torch_s_counter_sees_the_same_products(name: str, vocab: int, layers: int, cut: int) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    network = Network(4, 3, 2, cell=CELLS[name], layers=layers, vocab=vocab)
    total = count_cost(network, run=make_run(lengths=[5, 3], truncate=cut or None)).total
    counter = FlopCounterMode(display=False)
    with counter:
        _, loss = steps(torch, network, [5, 3], cut)
        assert counter.get_total_flops() == total.forward.flops
        loss.backward()
    assert counter.get_total_flops() == total.total.flops


def saved_numbers(torch: Any, network: Network, length: int) -> int:
    """Numbers in the tensors that autograd keeps, each once, parameters and whole numbers left out."""
    kept: dict[int, Any] = {}

    def pack(tensor: Any) -> Any:
        if tensor.is_floating_point() and not isinstance(tensor, torch.nn.Parameter):
            kept[tensor.data_ptr()] = tensor  # held, so that its address is not given out again
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        w, _ = steps(torch, network, [length])
    for value in w.values():
        kept.pop(value.data_ptr(), None)
    return sum(tensor.numel() for tensor in kept.values())


@pytest.mark.torch
@pytest.mark.parametrize("name", STEPS)
def test_autograd_keeps_the_same_vectors_and_where_not_it_is_known_why(name: str) -> None:
    torch = pytest.importorskip("torch")
    d_in, d_h, T = 4, 3, 6
    ours = count_memory(Network(d_in, d_h, 2, cell=CELLS[name]), run=make_run(T)).full
    # The readout keeps h_T, so that h_0 is one state more than steps.
    more = d_h
    if name.startswith("gru"):
        # torch keeps 1 − z beside z.
        more += T * d_h
    if name == "minlstm":
        # f'_1 multiplies h_0 alone, of which no gradient is formed; we count every step like the others.
        more -= d_h
    assert saved_numbers(torch, Network(d_in, d_h, 2, cell=CELLS[name]), T) == ours + more
