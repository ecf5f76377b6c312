"""Recurrent layers are found by names and shapes: those of frameworks, and nothing in what only looks like them."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.errors import DataError, TooLargeError
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.files.checkpoints.finding import FoundLayer, find_layers
from rnn_calc.files.checkpoints.tensors import Checkpoint, LayerConfig, TensorInfo
from tests.torch_or_skip import torch

Shape = tuple[int, ...]


def checkpoint(
    shapes: Mapping[str, Shape], *layers: LayerConfig, metadata: Mapping[str, str] | None = None
) -> Checkpoint:
    """A checkpoint of which only headers are known: finding reads no values."""

    def read(name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        raise AssertionError(f"{name} was read")

    tensors = {name: TensorInfo(shape, "float32") for name, shape in shapes.items()}
    return Checkpoint("m.x", "safetensors", tensors, read, layers, metadata or {})


def of_module(module: Any) -> tuple[FoundLayer, ...]:
    return find_layers(checkpoint({name: tuple(value.shape) for name, value in module.state_dict().items()}))


TORCH = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_torch_makes_is_found_as_it_was_made(data: st.DataObject) -> None:
    cell = data.draw(st.sampled_from(sorted(TORCH)))
    size = st.integers(1, 6)
    d_in, d_h, layers = data.draw(size), data.draw(st.integers(2, 6)), data.draw(st.integers(1, 3))
    both, bias = data.draw(st.booleans()), data.draw(st.booleans())
    proj = data.draw(st.integers(0, d_h - 1)) if cell == "lstm" else 0
    kind = {"proj_size": proj} if cell == "lstm" else {}
    module = TORCH[cell](d_in, d_h, layers, bias=bias, bidirectional=both, **kind)
    wrapped = torch.nn.ModuleDict({"front": torch.nn.Linear(3, d_in), "core": module, "head": torch.nn.Linear(d_h, 2)})
    (found,) = of_module(wrapped)
    assert found.name == "core"
    assert found.convention == "pytorch"
    network = Network(d_in, d_h, 0, CELLS[cell], biases=2 if bias else 0, layers=layers, bidirectional=both, d_p=proj)
    assert found.network == network
    assert sorted(found.tensors.values()) == sorted(f"core.{name}" for name in module.state_dict())
    assert Notation(network, "pytorch").total == sum(value.numel() for value in module.state_dict().values())


@pytest.mark.parametrize("cell", TORCH)
def test_a_bare_state_dict_is_one_layer_without_a_name(cell: str) -> None:
    (found,) = of_module(TORCH[cell](4, 3))
    assert (found.name, found.network.cell.name, found.network.d_in, found.network.d_h) == ("", cell, 4, 3)


@pytest.mark.parametrize(("kind", "cell"), [("RNNCell", "rnn"), ("LSTMCell", "lstm"), ("GRUCell", "gru")])
def test_a_torch_cell_is_a_layer_too(kind: str, cell: str) -> None:
    (found,) = of_module(torch.nn.ModuleDict({"step": getattr(torch.nn, kind)(4, 3), "out": torch.nn.Linear(3, 1)}))
    assert (found.name, found.network.cell.name, found.network.layers) == ("step", cell, 1)
    assert found.tensors["weight_hh_l0"] == "step.weight_hh"


def test_layers_come_in_the_order_of_the_file() -> None:
    names = ("z", "a", "m")
    found = of_module(torch.nn.ModuleDict({name: torch.nn.GRU(2, 3) for name in names}))
    assert tuple(layer.name for layer in found) == names


def test_of_a_plain_torch_network_it_is_said_that_its_activation_is_not_known() -> None:
    assert any("tanh from relu" in note for note in of_module(torch.nn.ModuleDict({"a": torch.nn.RNN(2, 3)}))[0].notes)
    assert any("tanh from relu" in note for note in of_module(torch.nn.RNN(2, 3))[0].notes)
    assert of_module(torch.nn.ModuleDict({"a": torch.nn.GRU(2, 3)}))[0].notes == ()


# Keras' variables: an LSTM, GRUs with the reset on either side, a plain layer.
KERAS: dict[str, dict[str, Shape]] = {
    "lstm": {"kernel": (4, 12), "recurrent_kernel": (3, 12), "bias": (12,)},
    "gru": {"kernel": (4, 9), "recurrent_kernel": (3, 9), "bias": (2, 9)},
    "gru-reset-before": {"kernel": (4, 9), "recurrent_kernel": (3, 9), "bias": (9,)},
    "rnn": {"kernel": (4, 3), "recurrent_kernel": (3, 3), "bias": (3,)},
}


@pytest.mark.parametrize("suffix", ["", ":0"])
@pytest.mark.parametrize("cell", KERAS)
def test_keras_layers_are_told_by_the_shapes_of_their_kernels(cell: str, suffix: str) -> None:
    shapes = {f"model/x/{name}{suffix}": shape for name, shape in KERAS[cell].items()}
    (found,) = find_layers(checkpoint({**shapes, "model/dense/kernel": (3, 2), "model/dense/bias": (2,)}))
    assert (found.name, found.network.cell.name) == ("model/x", cell)
    assert (found.network.d_in, found.network.d_h) == (4, 3)


def test_a_keras_bidirectional_pair_is_one_layer() -> None:
    both = {
        f"bidirectional/{side}_lstm/{name}": shape
        for side in ("forward", "backward")
        for name, shape in KERAS["lstm"].items()
    }
    (found,) = find_layers(checkpoint(both, LayerConfig("bidirectional/forward_lstm", "lstm", merge="sum")))
    assert found.name == "bidirectional/lstm"
    assert found.network.bidirectional
    assert found.network.merge == "sum"


def of_keras(cell: str, config: LayerConfig, *, bias: bool = True) -> FoundLayer:
    shapes = {f"{config.prefix}/{name}": shape for name, shape in KERAS[cell].items() if bias or name != "bias"}
    (found,) = find_layers(checkpoint(shapes, config))
    return found


def test_a_keras_activation_goes_by_its_name_here() -> None:
    assert of_keras("rnn", LayerConfig("a", "simplernn", "relu")).network.activation == "relu"
    assert of_keras("rnn", LayerConfig("a", "simplernn", "linear")).network.activation == "identity"
    assert of_keras("rnn", LayerConfig("a", "simplernn")).network.activation == "tanh"


def test_an_activation_that_is_not_known_is_said_and_the_layer_is_shown() -> None:
    found = of_keras("lstm", LayerConfig("a", "lstm", "mish\x1b"))
    assert found.network.activation == "tanh"
    assert any("mish" in note and "tanh is computed" in note for note in found.notes)
    assert all(note.isprintable() for note in found.notes)


def test_a_gru_without_biases_is_what_its_configuration_says() -> None:
    assert of_keras("gru", LayerConfig("a", "gru", reset_after=True), bias=False).network.cell.name == "gru"
    before = of_keras("gru", LayerConfig("a", "gru", reset_after=False), bias=False)
    assert before.network.cell.name == "gru-reset-before"


def test_the_configuration_of_lstm_is_not_that_of_lstm_1() -> None:
    shapes = {f"{layer}/{name}": shape for layer in ("lstm", "lstm_1") for name, shape in KERAS["lstm"].items()}
    configs = (LayerConfig("lstm", "lstm", "relu", reverse=True), LayerConfig("lstm_1", "lstm", "tanh"))
    first, second = find_layers(checkpoint(shapes, *configs))
    assert (first.network.activation, second.network.activation) == ("relu", "tanh")
    assert any("from its end" in note for note in first.notes)
    assert not second.notes


# Flax and Equinox keep their own names.
OTHERS: dict[str, dict[str, dict[str, Shape]]] = {
    "flax": {
        "rnn": {"i.kernel": (4, 3), "i.bias": (3,), "h.kernel": (3, 3)},
        "lstm": {
            **{f"i{gate}.kernel": (4, 3) for gate in "ifgo"},
            **{f"h{gate}.kernel": (3, 3) for gate in "ifgo"},
            **{f"h{gate}.bias": (3,) for gate in "ifgo"},
        },
        "gru": {
            **{f"i{gate}.kernel": (4, 3) for gate in "rzn"},
            **{f"h{gate}.kernel": (3, 3) for gate in "rzn"},
            **{f"i{gate}.bias": (3,) for gate in "rzn"},
            "hn.bias": (3,),
        },
    },
    "equinox": {
        "lstm": {"weight_ih": (12, 4), "weight_hh": (12, 3), "bias": (12,)},
        "gru": {"weight_ih": (9, 4), "weight_hh": (9, 3), "bias": (9,), "bias_n": (3,)},
    },
}


@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize(("convention", "cell"), [(c, cell) for c, cells in OTHERS.items() for cell in cells])
def test_flax_and_equinox_cells_are_found(convention: str, cell: str, separator: str) -> None:
    shapes = OTHERS[convention][cell]
    named = {f"params{separator}Cell_0{separator}{name.replace('.', separator)}": s for name, s in shapes.items()}
    (found,) = find_layers(checkpoint({**named, f"params{separator}Dense_0{separator}kernel": (3, 2)}))
    assert (found.convention, found.network.cell.name) == (convention, cell)
    assert found.name == f"params{separator}Cell_0"
    assert len(found.tensors) == len(shapes)


def test_an_onnx_node_names_its_own_tensors() -> None:
    roles = {"W": "a", "R": "b", "B": "c"}
    config = LayerConfig("node", "gru", "tanh", reset_after=False, tensors=roles, bidirectional=True)
    (found,) = find_layers(checkpoint({"a": (2, 9, 4), "b": (2, 9, 3), "c": (2, 18), "other": (5, 5)}, config))
    assert (found.name, found.network.cell.name, found.network.directions) == ("node", "gru-reset-before", 2)
    assert found.tensors == roles


# What is no recurrent layer


NOTHING: dict[str, dict[str, Shape]] = {
    "one array is missing": {"a.weight_ih_l0": (12, 4), "a.bias_ih_l0": (12,), "a.bias_hh_l0": (12,)},
    "no cell has five gates": {"a.weight_ih_l0": (15, 4), "a.weight_hh_l0": (15, 3)},
    "sizes contradict": {"a.weight_ih_l0": (12, 4), "a.weight_hh_l0": (12, 3), "a.bias_ih_l0": (9,)},
    "half of the biases": {"a.weight_ih_l0": (12, 4), "a.weight_hh_l0": (12, 3), "a.bias_ih_l0": (12,)},
    "a gap in the stack": {f"a.weight_{w}_l{k}": (3, 3) for w in ("ih", "hh") for k in (0, 2)},
    "an empty array": {"a.weight_ih_l0": (0, 4), "a.weight_hh_l0": (0, 0)},
    "too many axes": {"a.weight_ih_l0": (12, 4, 1), "a.weight_hh_l0": (12, 3, 1)},
    "no axis": {"a.weight_ih_l0": (), "a.weight_hh_l0": ()},
    "a dense layer": {"dense/kernel": (4, 3), "dense/bias": (3,)},
}


@pytest.mark.parametrize("case", NOTHING)
def test_what_makes_no_cell_is_not_found_and_said(case: str) -> None:
    with pytest.raises(DataError, match="has no recurrent layer; it has ") as caught:
        find_layers(checkpoint(NOTHING[case]))
    for name in NOTHING[case]:
        assert name in str(caught.value)


def test_what_there_is_instead_is_harmless_and_not_endless() -> None:
    names = {f"\x1b[31m{'long' * 100}{i}.weight_hh": (3, 4) for i in range(500)}
    with pytest.raises(DataError) as caught:
        find_layers(checkpoint(names))
    message = str(caught.value)
    assert message.isprintable()
    assert "and 494 more" in message
    assert len(message) < 2000


def test_a_number_in_a_name_is_no_reason_to_build_as_many_layers() -> None:
    high = {f"a.{w}_l999": (3, 3) for w in ("weight_ih", "weight_hh")}
    bare = {f"{w}_l{k}": (3, 3) for w in ("weight_ih", "weight_hh") for k in (0, 900)}
    textbook = {"W_xh^(1000)": (3, 3), "W_hh^(1000)": (3, 3)}
    start = monotonic()
    for shapes in (high, bare, textbook):
        with pytest.raises(DataError):
            find_layers(checkpoint(shapes))
    # Building a stack of a thousand layers takes seconds.
    assert monotonic() - start < 1


def test_thousands_of_layers_are_refused() -> None:
    shapes = {f"m{i}.{w}_l0": (3, 3) for i in range(1001) for w in ("weight_ih", "weight_hh")}
    with pytest.raises(TooLargeError, match="1,001 recurrent layers; 1,000 is the limit"):
        find_layers(checkpoint(shapes))


def test_thousands_of_other_modules_are_not() -> None:
    shapes: dict[str, Shape] = {f"block{i}/{name}": (3,) for i in range(5000) for name in ("kernel", "bias")}
    shapes |= {f"z/lstm/{name}": shape for name, shape in KERAS["lstm"].items()}
    assert [layer.name for layer in find_layers(checkpoint(shapes))] == ["z/lstm"]


@pytest.mark.parametrize("unit", ["a.", "forward_", "a/forward_", "kernel/", "."])
def test_a_long_name_takes_no_endless_matching(unit: str) -> None:
    start = monotonic()
    with pytest.raises(DataError):
        find_layers(checkpoint({unit * 100_000 + end: (3, 3) for end in ("", "weight_hh_l0x", "/q")}))
    assert monotonic() - start < 5


# A whole network


def whole(network: Network, convention: str, /, **metadata: str) -> FoundLayer:
    notation = Notation(network, convention)
    shapes = {stored.symbol: notation.shape(stored) for stored in notation.stored}
    told = {f"rnncalc.{name}": value for name, value in metadata.items()}
    (found,) = find_layers(checkpoint(shapes, metadata=told))
    return found


def test_a_file_in_a_textbook_s_words_is_one_network_with_its_readout() -> None:
    found = whole(Network(4, 3, 2, cell=CELLS["minlstm"]), "hx")
    assert (found.convention, found.network) == ("hx", Network(4, 3, 2, cell=CELLS["minlstm"]))


def test_names_that_two_conventions_share_are_told_apart_by_shapes_or_the_doubt_is_said() -> None:
    assert whole(Network(4, 3, 2), "row").convention == "row"
    assert not any("as well" in note for note in whole(Network(4, 3, 2), "row").notes)
    square = whole(Network(3, 3, 3), "row")
    assert square.convention == "xh"
    assert any("row (rnn) as well; xh (rnn) is taken" in note for note in square.notes)


def test_cells_that_share_names_and_shapes_are_both_named() -> None:
    network = Network(4, 3, cell=CELLS["gru-reset-before"], biases=2)
    found = whole(network, "onnx", convention="onnx")
    assert found.network.cell.name == "gru"
    assert any("onnx (gru-reset-before) as well; onnx (gru) is taken" in note for note in found.notes)
    assert whole(network, "onnx", convention="onnx", cell="gru-reset-before").network == network


def test_metadata_decide_what_shapes_leave_open() -> None:
    found = whole(Network(3, 3, 3, activation="relu"), "row", convention="row", activation="relu", cell="rnn")
    assert (found.convention, found.network.activation, found.notes) == ("row", "relu", ())


def test_a_network_larger_than_others_are_guessed_is_found_by_its_metadata() -> None:
    network = Network(2, 3, cell=CELLS["lstm"], layers=12, bidirectional=True)
    assert len(Notation(network, "xh").stored) > 200
    assert whole(network, "xh", convention="xh").network == network


@pytest.mark.parametrize(
    ("name", "value"),
    [("convention", "nobody's"), ("cell", "gru"), ("activation", "sine"), ("merge", "\x1b"), ("tied", "true")],
)
def test_metadata_that_lie_are_no_crash(name: str, value: str) -> None:
    network = Network(4, 3, 2)
    if name in ("cell", "activation"):
        # What contradicts the arrays, or is nothing known, makes no network.
        with pytest.raises(DataError, match="has no recurrent layer"):
            whole(network, "xh", **{name: value})
    else:
        assert whole(network, "xh", **{name: value}).network == network


def test_every_convention_s_own_names_are_known_to_be_its_own() -> None:
    for convention in CONVENTIONS.values():
        for cell in convention.cells or CELLS:
            network = Network(2, 3, 5, cell=CELLS[cell], biases=convention.biases(CELLS[cell]), layers=2)
            found = whole(network, convention.name, convention=convention.name, cell=cell)
            assert (found.convention, found.network) == (convention.name, network)
