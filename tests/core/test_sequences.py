from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.network import Network
from rnn_calc.core.shapes import shapes
from rnn_calc.core.tensors import Tensor
from tests.core.random_networks import written_networks

Shape = tuple[int, ...]


def table(rows: tuple[Tensor, ...]) -> dict[str, Shape]:
    return {row.symbol: row.shape for row in rows}


def sequence(convention: str, cell: str = "lstm", **parts: int | bool) -> dict[str, Shape]:
    """T = 10 steps of B = 32 sequences of width 8, with 4 units."""
    rule = CONVENTIONS[convention]
    network = Network(8, 4, cell=CELLS[cell], biases=rule.biases(CELLS[cell]), **parts)  # type: ignore[arg-type]
    return table(shapes(network, rule, steps=10, batch=32).sequence)


@given(written=written_networks())
@settings(deadline=None, max_examples=60)
def test_time_first_is_batch_first_with_the_two_exchanged(written: tuple[Network, Convention]) -> None:
    network, convention = written
    first, second = (
        shapes(network, convention, steps=20, batch=32, batch_first=batch_first).sequence
        for batch_first in (True, False)
    )
    for ours, theirs in zip(first, second, strict=True):
        assert ours.symbol == theirs.symbol
        assert sorted(ours.shape) == sorted(theirs.shape)
        if "T" in ours.axes and "B" in ours.axes:
            assert ours.axes.index("B") < ours.axes.index("T")
            assert theirs.axes.index("T") < theirs.axes.index("B")
        elif not convention.joins_directions:
            assert ours == theirs


@pytest.mark.torch
@given(data=st.data())
@settings(deadline=None, max_examples=80)
def test_torch_gives_every_tensor_the_shape_of_the_pytorch_convention(data: st.DataObject) -> None:
    torch = pytest.importorskip("torch")
    name = data.draw(st.sampled_from(("rnn", "lstm", "gru")))
    d_in, d_h = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 6))
    d_p = data.draw(st.integers(0, d_h - 1)) if name == "lstm" else 0
    layers, both, first = data.draw(st.integers(1, 3)), data.draw(st.booleans()), data.draw(st.booleans())
    steps, batch = data.draw(st.integers(1, 6)), data.draw(st.one_of(st.none(), st.integers(1, 4)))
    network = Network(d_in, d_h, cell=CELLS[name], biases=2, layers=layers, bidirectional=both, d_p=d_p)
    report = shapes(network, "pytorch", steps=steps, batch=batch, batch_first=first)
    ours = table(report.sequence)
    module = getattr(torch.nn, name.upper())(
        d_in, d_h, layers, bidirectional=both, batch_first=first, **({"proj_size": d_p} if d_p else {})
    )
    # In float32 torch warns that oneDNN has no projections.
    output, last = module.double()(torch.zeros(ours["input"], dtype=torch.float64))
    states = dict(zip(("h_n", "c_n"), last if name == "lstm" else (last,), strict=False))
    theirs = {name: tuple(tensor.shape) for name, tensor in {"output": output, **states}.items()}
    assert {name: ours[name] for name in theirs} == theirs
    assert ours["h_0"] == ours["h_n"]
    assert ours.get("c_0") == ours.get("c_n")
    stored = {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}
    assert table(report.parameters) == stored


@pytest.mark.torch
@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=6),
    layers=st.integers(1, 2),
    both=st.booleans(),
    first=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_torch_packs_sequences_as_said(lengths: list[int], layers: int, both: bool, first: bool) -> None:
    torch = pytest.importorskip("torch")
    rnn = torch.nn.utils.rnn
    network = Network(3, 4, cell=CELLS["gru"], biases=2, layers=layers, bidirectional=both)
    report = shapes(network, "pytorch", lengths=lengths, batch_first=first)
    ours, packing = table(report.sequence), report.packing
    assert packing is not None
    padded = torch.zeros(ours["input"])
    packed = rnn.pack_padded_sequence(padded, torch.tensor(lengths), batch_first=first, enforce_sorted=False)
    assert tuple(packed.data.shape) == ours["input.data"]
    assert tuple(packed.batch_sizes.tolist()) == packing.batch_sizes
    assert tuple(packed.batch_sizes.shape) == ours["batch_sizes"]
    # Which of two equal sequences comes first is torch's to choose; the lengths in that order are not.
    theirs = [lengths[index] for index in packed.sorted_indices.tolist()]
    assert theirs == [lengths[index] for index in packing.sorted_indices]
    assert tuple(packed.sorted_indices.shape) == ours["sorted_indices"] == ours["unsorted_indices"]
    output, h_n = torch.nn.GRU(3, 4, layers, bidirectional=both, batch_first=first)(packed)
    assert tuple(output.data.shape) == ours["output.data"]
    unpacked, _ = rnn.pad_packed_sequence(output, batch_first=first)
    assert tuple(unpacked.shape) == ours["output"]
    assert tuple(h_n.shape) == ours["h_n"]


@pytest.mark.torch
def test_torch_is_time_first_unless_told_otherwise() -> None:
    torch = pytest.importorskip("torch")
    assert torch.nn.RNN(4, 3).batch_first == CONVENTIONS["pytorch"].batch_first


def test_the_shapes_of_the_keras_documentation_hold() -> None:
    # keras.io, LSTM layer: 32 sequences of 10 steps of width 8 through LSTM(4, return_sequences, return_state).
    found = sequence("keras")
    assert found["inputs"] == (32, 10, 8)
    assert found["outputs"] == (32, 10, 4)
    assert found["state"] == found["carry"] == (32, 4)
    # GRU and SimpleRNN return one state.
    assert sequence("keras", "gru")["state"] == (32, 4)
    assert "carry" not in sequence("keras", "gru")
    both = sequence("keras", bidirectional=True, layers=2)
    assert both["bidirectional.outputs"] == both["bidirectional_1.outputs"] == (32, 10, 8)
    for direction in ("forward", "backward"):
        assert both[f"bidirectional.{direction}_lstm.state"] == both[f"bidirectional.{direction}_lstm.carry"] == (32, 4)


@pytest.mark.parametrize(("merge", "width"), [("concat", 8), ("sum", 4), ("average", 4), ("product", 4)])
def test_only_concatenation_makes_the_output_of_two_directions_wider(merge: str, width: int) -> None:
    network = Network(8, 4, bidirectional=True, merge=merge)
    assert table(shapes(network, "keras", steps=10, batch=32).sequence)["bidirectional.outputs"] == (32, 10, width)


def test_flax_carries_a_pair_of_c_and_h_and_equinox_one_of_h_and_c() -> None:
    rows = {
        name: shapes(Network(8, 4, cell=CELLS["lstm"], d_out=2), name, steps=10, batch=32).sequence
        for name in ("flax", "equinox")
    }
    roles = {name: {row.symbol: row.role for row in found} for name, found in rows.items()}
    assert roles["flax"]["carry[0]"] == "the last cell state (return_carry=True)"
    assert roles["flax"]["carry[1]"] == "the last hidden state (return_carry=True)"
    assert roles["equinox"]["hidden_T[0]"] == "the last hidden state"
    assert roles["equinox"]["hidden_T[1]"] == "the last cell state"
    assert table(rows["flax"])["outputs"] == (32, 10, 4)
    assert "carry" in sequence("flax", "gru")


def test_a_textbook_names_the_ends_of_both_directions() -> None:
    found = sequence("xh", bidirectional=True, layers=2)
    assert found["h^(2)"] == (32, 10, 8)
    for symbol in ("h^(2→)_0", "h^(2→)_T", "c^(2→)_T", "h^(2←)_{T+1}", "h^(2←)_1", "c^(2←)_1"):
        assert found[symbol] == (32, 4)
    assert found["h^(1←)"] == (32, 10, 4)


def test_an_embedding_takes_whole_numbers_without_a_width() -> None:
    network = Network(8, 4, 100, vocab=100)
    found = table(shapes(network, steps=10, batch=32).sequence)
    assert (found["tokens"], found["x"], found["y"]) == ((32, 10), (32, 10, 8), (32, 10, 100))
    time_first = table(shapes(network, steps=10, batch=32, batch_first=False).sequence)
    assert time_first["tokens"] == (10, 32)
    assert table(shapes(network).vectors)["token_t"] == ()


def test_layers_of_different_widths_are_modules_of_their_own_in_pytorch() -> None:
    found = table(shapes(Network(8, (4, 6), biases=2), "pytorch", steps=10, batch=32).sequence)
    assert found["rnns[0].h_n"] == (1, 32, 4)
    assert found["rnns[1].h_n"] == (1, 32, 6)
    assert found["rnns[1].output"] == (10, 32, 6)


def test_torch_joins_directions_and_every_other_merge_is_a_tensor_of_its_own() -> None:
    network = Network(8, 4, biases=2, bidirectional=True, merge="sum")
    found = table(shapes(network, "pytorch", steps=10, batch=32).sequence)
    assert found["output"] == (10, 32, 8)
    assert found["sum(output)"] == (10, 32, 4)
    stack = Network(8, 4, biases=2, bidirectional=True, merge="sum", layers=2)
    found = table(shapes(stack, "pytorch", steps=10, batch=32).sequence)
    assert found["rnns[1].output"] == (10, 32, 8)
    assert found["rnns[1].h_n"] == (2, 32, 4)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_decoder_is_as_wide_as_what_the_readout_reads(bidirectional: bool) -> None:
    network = Network(8, 4, 2, bidirectional=bidirectional)
    report = shapes(network, steps=10, mode="seq2seq", decoder_steps=3)
    width = 8 if bidirectional else 4
    found = table(report.rows)
    assert found["s"] == (3, width)
    assert found["W_hy"] == (2, width)
    assert found["y"] == (3, 2)


# What tells the real steps from padding, as each library's documentation has it.
MASKS = {
    "keras": ("mask", (3, 7)),
    "onnx": ("sequence_lens", (3,)),
    "flax": ("seq_lengths", (3,)),
    "equinox": ("mask", (3, 7)),
    "xh": ("mask", (3, 7)),
}


@pytest.mark.parametrize("name", MASKS)
def test_sequences_of_different_lengths_are_padded_and_masked_outside_pytorch(name: str) -> None:
    network = Network(8, 4, cell=CELLS["lstm"], biases=CONVENTIONS[name].biases(CELLS["lstm"]))
    found = table(shapes(network, name, lengths=(7, 3, 1)).sequence)
    symbol, shape = MASKS[name]
    assert found[symbol] == shape
    assert "batch_sizes" not in found


@pytest.mark.parametrize("operator", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("layout", [0, 1])
def test_onnx_infers_the_shapes_of_the_onnx_convention(operator: str, direction: str, layout: int) -> None:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    network = Network(5, 4, cell=CELLS[operator.lower()], biases=2, bidirectional=direction == "bidirectional")
    report = shapes(network, "onnx", steps=7, batch=3, batch_first=layout == 1)
    ours = table(report.rows)
    inputs = ["X", "W", "R", "B", "", "initial_h", *(["initial_c"] if operator == "LSTM" else [])]
    outputs = ["Y", "Y_h", *(["Y_c"] if operator == "LSTM" else [])]
    node = helper.make_node(operator, inputs, outputs, hidden_size=4, direction=direction, layout=layout)
    graph = helper.make_graph(
        [node],
        "one_layer",
        [helper.make_tensor_value_info(name, kind, ours[name]) for name in inputs if name],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    theirs = {
        value.name: tuple(dimension.dim_value for dimension in value.type.tensor_type.shape.dim)
        for value in inferred.graph.output
    }
    assert {name: ours[name] for name in theirs} == theirs
    assert set(theirs) == set(outputs)
