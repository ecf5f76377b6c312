"""rnncalc export against frameworks: what it writes loads into torch, and computes what the source computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS
from tests.commandline import calc, refused
from tests.references import Array, sigmoid
from tests.torch_or_skip import safetensors_torch, torch


def exported(*args: str) -> Any:
    result = calc("export", *args, "--json")
    assert result.status == 0, result.err
    return json.loads(result.out)


def states(*args: str) -> Array:
    """The h of every step of `rnncalc trace`."""
    result = calc("trace", *args, "--json")
    assert result.status == 0, result.err
    return np.array([step["h"] for step in json.loads(result.out)["steps"]])


def rows(x: Array) -> str:
    return "; ".join(",".join(map(repr, row.tolist())) for row in x)


X = np.random.default_rng(5).standard_normal((6, 4))
TORCH = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", TORCH)
def test_a_drawn_network_loads_into_torch_and_gives_the_same_states(
    tmp_path: Path, cell: str, layers: int, both: bool
) -> None:
    network = ["--cell", cell, "-H", "3", "-o", "0", "-L", str(layers), *(["--bidirectional"] if both else [])]
    drawn = [*network, "--init", "uniform", "--seed", "4", "-c", "pytorch"]
    path = tmp_path / "m.safetensors"
    exported(*drawn, "-O", str(path))
    module = TORCH[cell](4, 3, layers, bidirectional=both, dtype=torch.float64)
    module.load_state_dict(safetensors_torch().load_file(path), strict=True)
    output, _ = module(torch.from_numpy(X)[:, None])
    assert states(*drawn, "-x", rows(X)) == pytest.approx(output[:, 0].detach().numpy(), rel=1e-12, abs=1e-14)
    assert states("--model", str(path), "-x", rows(X)) == pytest.approx(output[:, 0].detach().numpy(), rel=1e-12)


def test_a_projected_lstm_loads_into_torch(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    exported("--cell", "lstm", "-H", "5", "--proj", "2", "-o", "0", "-c", "pytorch", "-O", str(path))
    module = torch.nn.LSTM(4, 5, proj_size=2, dtype=torch.float64)
    module.load_state_dict(safetensors_torch().load_file(path), strict=True)
    output, _ = module(torch.from_numpy(X)[:, None])
    assert states("--model", str(path), "-x", rows(X)) == pytest.approx(output[:, 0].detach().numpy(), rel=1e-12)


def test_the_readout_is_torch_s_linear(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    exported("-o", "2", "-c", "pytorch", "-O", str(path))
    state = safetensors_torch().load_file(path)
    linear = torch.nn.Linear(3, 2, dtype=torch.float64)
    linear.load_state_dict({name.removeprefix("linear."): value for name, value in state.items() if "linear" in name})


def keras_gru(weights: dict[str, Array], x: Array, *, reset_after: bool) -> Array:
    """Keras' GRU as its documentation has it: gates z, r, h side by side; z keeps the old state."""
    kernel, recurrent, bias = weights["kernel"], weights["recurrent_kernel"], weights["bias"]
    n = len(recurrent)
    h, found = np.zeros(n), []
    for x_t in x:
        if reset_after:
            xz, xr, xh = np.split(x_t @ kernel + bias[0], 3)
            hz, hr, hh = np.split(h @ recurrent + bias[1], 3)
            z, r = sigmoid(xz + hz), sigmoid(xr + hr)
            new = np.tanh(xh + r * hh)
        else:
            xz, xr, xh = np.split(x_t @ kernel + bias, 3)
            z, r = sigmoid(xz + h @ recurrent[:, :n]), sigmoid(xr + h @ recurrent[:, n : 2 * n])
            new = np.tanh(xh + (r * h) @ recurrent[:, 2 * n :])
        h = z * h + (1 - z) * new
        found.append(h)
    return np.array(found)


def keras_file(path: Path, *, reset_after: bool) -> dict[str, Array]:
    """A GRU of three units on four inputs in a file as Keras lays it out; its weights."""
    rng = np.random.default_rng(3)
    shapes = {"kernel": (4, 9), "recurrent_kernel": (3, 9), "bias": (2, 9) if reset_after else (9,)}
    weights = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    with h5py.File(path, "w") as file:
        for name, array in weights.items():
            file[f"model_weights/gru/gru/{name}:0"] = array
    return weights


def test_a_keras_gru_goes_to_torch(tmp_path: Path) -> None:
    weights = keras_file(tmp_path / "k.h5", reset_after=True)
    expected = keras_gru(weights, X, reset_after=True)
    told = exported("--model", str(tmp_path / "k.h5"), "-c", "pytorch", "-O", str(tmp_path / "p.safetensors"))
    assert {row["symbol"]: row["made_of"] for row in told["arrays"]} == {
        "weight_ih_l0": ["kernel"],
        "weight_hh_l0": ["recurrent_kernel"],
        "bias_ih_l0": ["bias"],
        "bias_hh_l0": ["bias"],
    }
    module = torch.nn.GRU(4, 3, dtype=torch.float64)
    module.load_state_dict(safetensors_torch().load_file(tmp_path / "p.safetensors"), strict=True)
    output, _ = module(torch.from_numpy(X)[:, None])
    assert output[:, 0].detach().numpy() == pytest.approx(expected, rel=1e-12, abs=1e-14)
    assert states("--model", str(tmp_path / "k.h5"), "-x", rows(X)) == pytest.approx(expected, rel=1e-12, abs=1e-14)


def test_a_gru_that_torch_has_not_is_refused(tmp_path: Path) -> None:
    weights = keras_file(tmp_path / "k.h5", reset_after=False)
    message = refused(
        "export", "--model", str(tmp_path / "k.h5"), "-c", "pytorch", "-O", str(tmp_path / "p.npz"), status=2
    )
    assert "pytorch has no gru-reset-before" in message
    assert not (tmp_path / "p.npz").exists()
    found = states("--model", str(tmp_path / "k.h5"), "-x", rows(X))
    assert found == pytest.approx(keras_gru(weights, X, reset_after=False), rel=1e-12, abs=1e-14)


def test_without_a_convention_it_is_the_file_s_own(tmp_path: Path) -> None:
    weights = keras_file(tmp_path / "k.h5", reset_after=True)
    exported("--model", str(tmp_path / "k.h5"), "-O", str(tmp_path / "k.npz"))
    with np.load(tmp_path / "k.npz") as found:
        assert {name: array.tolist() for name, array in found.items()} == {
            name: array.tolist() for name, array in weights.items()
        }


# Biases


def test_two_biases_are_added_where_there_is_room_for_one(tmp_path: Path) -> None:
    module = torch.nn.LSTM(4, 3, 2, dtype=torch.float64)
    torch.save(module.state_dict(), tmp_path / "m.pt")
    told = exported("--model", str(tmp_path / "m.pt"), "-c", "keras", "-O", str(tmp_path / "k.safetensors"))
    assert any("added into one" in note for note in told["notes"])
    assert ["bias_ih_l0", "bias_hh_l0"] in [row["made_of"] for row in told["arrays"]]
    bias = safetensors_torch().load_file(tmp_path / "k.safetensors")["lstm.bias"]
    assert torch.equal(bias, module.state_dict()["bias_ih_l0"] + module.state_dict()["bias_hh_l0"])
    output, _ = module(torch.from_numpy(X)[:, None])
    found = states("--model", str(tmp_path / "k.safetensors"), "-x", rows(X))
    assert found == pytest.approx(output[:, 0].detach().numpy(), rel=1e-12)


def test_a_second_bias_is_zero_where_the_file_has_one(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text("[weights]\nW_xh = [[1, 2]]\nW_hh = [[3]]\nb_h = [4]\n")
    args = ("--model", str(path), "-c", "pytorch", "-O", str(tmp_path / "p.safetensors"))
    assert "say whose: --from xh" in refused("export", *args)
    told = exported(*args, "--from", "xh")
    assert any("The second bias a gate is 0" in note for note in told["notes"])
    state = safetensors_torch().load_file(tmp_path / "p.safetensors")
    assert {name: value.tolist() for name, value in state.items()} == {
        "weight_ih_l0": [[1.0, 2.0]],
        "weight_hh_l0": [[3.0]],
        "bias_ih_l0": [4.0],
        "bias_hh_l0": [0.0],
    }


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_no_bias_stays_none(tmp_path: Path, cell: str) -> None:
    torch.save(TORCH[cell](4, 3, bias=False).state_dict(), tmp_path / "m.pt")
    told = exported("--model", str(tmp_path / "m.pt"), "-c", "keras", "-O", str(tmp_path / "k.npz"))
    assert [row["symbol"] for row in told["arrays"]] == ["kernel", "recurrent_kernel"]


def test_a_textbook_s_two_biases_fit_a_framework_s_one(tmp_path: Path) -> None:
    exported("--cell", "lstm", "--biases", "2", "--init", "uniform", "-O", str(tmp_path / "m.toml"))
    told = exported("--model", str(tmp_path / "m.toml"), "-c", "flax", "-O", str(tmp_path / "f.npz"))
    assert any("added into one" in note for note in told["notes"])


@pytest.mark.parametrize("target", CONVENTIONS)
@pytest.mark.parametrize("source", CONVENTIONS)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_every_convention_goes_into_every_other_and_computes_the_same(
    tmp_path: Path, cell: str, source: str, target: str
) -> None:
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    exported("--cell", cell, "-o", "0", "--bidirectional", "--init", "uniform", "-c", source, "-O", str(first))
    exported("--model", str(first), "-c", target, "-O", str(second))
    inputs = rows(X[:3])
    expected = states("--model", str(first), "-x", inputs)
    assert states("--model", str(second), "-x", inputs) == pytest.approx(expected, rel=1e-13, abs=1e-15)


# What is said


def test_what_a_framework_would_compute_otherwise_is_said() -> None:
    lstm = ("--cell", "lstm", "-a", "relu", "-c", "pytorch")
    assert any("nn.LSTM computes tanh and nothing else" in note for note in exported(*lstm)["notes"])
    assert any("nn.RNN must be told so" in note for note in exported("-a", "relu", "-c", "pytorch")["notes"])
    both = ("--bidirectional", "--merge", "sum", "-c", "pytorch")
    assert any("nn.RNN concatenates them" in note for note in exported(*both)["notes"])
    assert any("one hidden_size for all" in note for note in exported("-H", "3,4", "-c", "pytorch")["notes"])
    assert len(exported("--cell", "lstm", "-c", "pytorch")["notes"]) == 1


def test_what_is_not_of_the_network_is_named() -> None:
    notes = exported("--example", "tiny")["notes"]
    assert "Not written, because it is not of the network: h0, sequence, loss, expected" in notes


def test_float32_says_what_it_rounds(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    told = exported("--dtype", "float32", "-O", str(path))
    with np.load(path) as found:
        assert {array.dtype.name for array in found.values()} == {"float32"}
    assert told["dtype"] == "float32"
    assert any("float32 rounds 27 of 32 numbers" in note for note in told["notes"])  # five biases are 0
    again = exported("--model", str(path), "--dtype", "float32", "-O", str(tmp_path / "n.npz"))
    assert not any("rounds" in note for note in again["notes"])


def test_the_list_adds_up_and_has_every_format(tmp_path: Path) -> None:
    told = exported("--cell", "lstm", "--layers", "2", "-c", "pytorch")
    assert told["file"] is None
    assert sum(row["count"] for row in told["arrays"]) == told["total"]
    assert told["bytes"] == 8 * told["total"]
    for form in ("csv", "markdown", "latex", "table"):
        assert "weight" in calc("export", "--cell", "lstm", "-c", "pytorch", "-f", form).out
    text = calc("export", "-O", str(tmp_path / "m.npz")).out
    assert f"Written to {tmp_path / 'm.npz'}" in text.replace("\n", " ") or "Written to" in text


def test_nothing_is_written_without_a_name() -> None:
    assert "Nothing is written yet" in calc("export").out


# Files


def test_a_file_that_exists_is_kept_unless_it_is_forced(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    path.write_bytes(b"mine")
    assert "exists; add --force" in refused("export", "-O", str(path))
    assert path.read_bytes() == b"mine"
    exported("-O", str(path), "--force")
    assert path.read_bytes() != b"mine"


def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "m.npz"
    np.savez(source, W_xh=np.array([[1e300]]), W_hh=np.array([[1.0]]), b_h=np.array([0.0]))
    message = refused("export", "--model", str(source), "--dtype", "float32", "-O", str(tmp_path / "n.safetensors"))
    assert "'W_xh' holds 1e+300, beyond float32" in message or "W_xh holds numbers beyond float32" in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.npz"]


@pytest.mark.parametrize(
    ("args", "said", "status"),
    [
        (("-O", "m.pt"), "end it in .safetensors, .npz or .toml", 2),
        (("-O", "-"), "written to a file and not to stdout", 2),
        (("-O", "m.toml", "--dtype", "float32"), "is for .safetensors and .npz", 2),
        (("-O", "m.npz", "--dtype", "float16"), "it must be float64 or float32", 2),
        (("-O", "nowhere/m.npz"), "There is no folder", 1),
        (("-H", "500", "-O", "m.toml"), "End --output in .safetensors", 1),
        (("--check",), "checks nothing by itself", 2),
        (("--layers", "2", "--layer", "1"), "export writes a whole module", 2),
        (("--from", "nobody"), "There is no convention 'nobody'", 2),
        (("--cell", "mgu", "-c", "keras"), "keras has no mgu", 2),
    ],
)
def test_what_cannot_be_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], said: str, status: int
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused("export", *args, status=status)
    assert not list(tmp_path.iterdir())


def test_an_npz_that_does_not_tell_is_read_as_from_says(tmp_path: Path) -> None:
    W_xh, W_hh = np.arange(6.0).reshape(2, 3), np.arange(9.0).reshape(3, 3)
    np.savez(tmp_path / "m.npz", W_xh=W_xh, W_hh=W_hh, b_h=np.arange(3.0))
    args = ("--model", str(tmp_path / "m.npz"), "-c", "keras", "-O", str(tmp_path / "k.npz"))
    exported(*args, "--from", "row")
    with np.load(tmp_path / "k.npz") as found:
        assert np.array_equal(found["kernel"], W_xh)
        assert np.array_equal(found["recurrent_kernel"], W_hh)
    assert "is under the convention keras by itself" in refused(
        "export", "--model", str(tmp_path / "k.npz"), "--from", "row", status=2
    )


def test_the_states_of_a_trace_are_no_weights(tmp_path: Path) -> None:
    path = str(tmp_path / "run.npz")
    assert calc("trace", "-O", path).status == 0
    assert "rnncalc export writes the weights alone" in refused("trace", "--model", path)
    assert "rnncalc export writes the weights alone" in refused("export", "--model", path)


# Trained files under other commands


@pytest.fixture
def trained(tmp_path: Path) -> tuple[str, torch.nn.ModuleDict]:
    torch.manual_seed(1)
    model = torch.nn.ModuleDict({"rnn": torch.nn.RNN(4, 3), "lstm": torch.nn.LSTM(4, 3, 2)}).double()
    torch.save(model.state_dict(), tmp_path / "m.pt")
    return str(tmp_path / "m.pt"), model


def test_trace_runs_the_layer_that_is_named(trained: tuple[str, torch.nn.ModuleDict]) -> None:
    path, model = trained
    for name in model:
        output, _ = model[name](torch.from_numpy(X)[:, None])
        found = states("--model", path, "--layer", name, "-x", rows(X))
        assert found == pytest.approx(output[:, 0].detach().numpy(), rel=1e-12)
    assert "has 2 recurrent layers" in refused("trace", "--model", path)


def test_gradient_decay_measures_the_layer_that_is_named(trained: tuple[str, torch.nn.ModuleDict]) -> None:
    path, model = trained
    result = calc("gradient-decay", "--model", path, "--layer", "rnn", "-x", rows(X), "--json")
    assert result.status == 0, result.err
    told = json.loads(result.out)
    # ∂h_T/∂h_{T−1} = diag(1 − h_T²) W_hh.
    h = states("--model", path, "--layer", "rnn", "-x", rows(X))
    jacobian = np.diag(1 - h[-1] ** 2) @ model["rnn"].state_dict()["weight_hh_l0"].numpy()
    assert told["lags"][0]["log10_norm"] == pytest.approx(np.log10(np.linalg.norm(jacobian, 2)), rel=1e-10)
    assert calc("gradient-decay", "--model", path, "--layer", "lstm:2").status == 0


def test_a_model_file_that_was_written_is_one_that_every_command_takes(tmp_path: Path) -> None:
    for cell in CELLS:
        path = str(tmp_path / f"{cell}.toml")
        exported("--cell", cell, "--layers", "2", "-O", path)
        for command in ("shapes", "params", "trace", "gradient-decay", "inspect", "export"):
            given = [path] if command == "inspect" else ["--model", path]
            result = calc(command, *given)
            assert result.status == 0, (cell, command, result.err)
