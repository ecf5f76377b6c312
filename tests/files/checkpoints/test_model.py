"""A layer of a checkpoint as a model file: which one is chosen, and what is read of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.errors import DataError, NonFiniteError
from rnn_calc.core.network import Network
from rnn_calc.files.checkpoints.finding import FoundLayer
from rnn_calc.files.checkpoints.model import choose_layer, read_checkpoint
from rnn_calc.files.model import LazyArray
from tests.torch_or_skip import torch


def found(*names: str, layers: int = 1) -> tuple[FoundLayer, ...]:
    network = Network(2, 3, cell=CELLS["gru"], layers=layers)
    return tuple(FoundLayer(name, network, "pytorch", {}) for name in names)


def test_the_only_layer_needs_no_name() -> None:
    assert choose_layer(found("a.b"), None, "m.pt")[0].name == "a.b"


def test_of_several_one_must_be_named_and_the_error_says_how() -> None:
    with pytest.raises(DataError, match=r"has 2 recurrent layers: 'a.x' \(gru\), 'b.x' \(gru\).*--layer a.x"):
        choose_layer(found("a.x", "b.x"), None, "m.pt")


@pytest.mark.parametrize(
    ("text", "name", "number"),
    [
        ("a.x", "a.x", None),
        ("y", "b.y", None),
        ("b.y:2", "b.y", 2),
        ("y:2", "b.y", 2),
        ("c/z", "c/z", None),
        ("z", "c/z", None),
        ("c:3", "c:3", None),
        ("c:3:1", "c:3", 1),
    ],
)
def test_a_layer_goes_by_its_name_or_by_how_that_ends(text: str, name: str, number: int | None) -> None:
    layer, chosen = choose_layer(found("a.x", "b.y", "c/z", "c:3"), text, "m.pt")
    assert (layer.name, chosen) == (name, number)


def test_an_end_that_two_names_share_chooses_neither() -> None:
    with pytest.raises(DataError, match="no recurrent layer 'x'"):
        choose_layer(found("a.x", "b.x"), "x", "m.pt")


def test_a_whole_name_wins_over_the_end_of_another() -> None:
    assert choose_layer(found("a.x", "x"), "x", "m.pt")[0].name == "x"


def test_a_number_names_a_layer_of_the_only_stack() -> None:
    assert choose_layer(found("a"), "2", "m.pt") == (found("a")[0], 2)


def test_a_wrong_name_gets_the_nearest_and_nothing_raw() -> None:
    with pytest.raises(DataError, match=r"Did you mean encoder\.lstm"):
        choose_layer(found("encoder.lstm", "decoder.gru"), "encoder.lsmt", "m.pt")
    hostile = found(*(f"\x1b[2J\u202e{i}" for i in range(20)))
    for text in (None, "\x1b[2J", "\u202e0"):
        with pytest.raises(DataError) as caught:
            choose_layer(hostile, text, "m.pt")
        assert str(caught.value).isprintable()
        assert "and 8 more" in str(caught.value)


def test_values_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    module = torch.nn.ModuleDict({"lstm": torch.nn.LSTM(2, 3, proj_size=1), "head": torch.nn.Linear(1, 9)})
    torch.save(module.state_dict(), path)
    model = read_checkpoint(str(path))
    assert (model.cell, model.convention, model.proj, model.layers, model.d_in) == ("lstm", "pytorch", 1, 1, None)
    for symbol, value in module["lstm"].state_dict().items():
        given = model.weights[symbol]
        assert isinstance(given, LazyArray)
        assert given.shape == tuple(value.shape)
        assert np.array_equal(given.read(), value.double().numpy())


def test_a_nan_is_refused_with_its_place_unless_it_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    state = torch.nn.GRU(2, 3).state_dict()
    state["weight_hh_l0"][1, 2] = float("nan")
    torch.save(state, path)
    given = read_checkpoint(str(path)).weights["weight_hh_l0"]
    assert isinstance(given, LazyArray)
    with pytest.raises(NonFiniteError, match=r"'weight_hh_l0' in .*m.pt', row 2, number 3 is nan"):
        given.read()
    allowed = read_checkpoint(str(path), allow_nonfinite=True).weights["weight_hh_l0"]
    assert isinstance(allowed, LazyArray)
    assert np.isnan(allowed.read()[1, 2])


def test_an_npz_in_a_framework_s_words_is_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    np.savez(path, **{name: value.numpy() for name, value in torch.nn.GRU(2, 3).state_dict().items()})
    assert (read_checkpoint(str(path)).cell, read_checkpoint(str(path)).convention) == ("gru", "pytorch")


def test_an_npz_in_a_textbook_s_words_leaves_the_convention_to_be_told(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    np.savez(path, W_xh=np.ones((3, 2)), W_hh=np.eye(3), b_h=np.zeros(3))
    model = read_checkpoint(str(path))
    assert (model.cell, model.convention) == (None, None)
    assert model.weights.keys() == {"W_xh", "W_hh", "b_h"}


def test_the_states_of_a_run_are_no_weights_and_what_writes_those_is_said(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    np.savez(path, h=np.ones((5, 3)), h0=np.ones(3), W_hh=np.eye(3))
    with pytest.raises(DataError, match=r"holds the states of a run beside the weights.*rnncalc export"):
        read_checkpoint(str(path))


def test_a_suffix_of_something_else_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "m.txt"
    path.write_text("W_xh = 1")
    with pytest.raises(DataError, match=r"must end in .toml, .json, .safetensors"):
        read_checkpoint(str(path))
