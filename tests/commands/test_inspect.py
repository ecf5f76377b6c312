"""rnncalc inspect over files that frameworks made: what is found, what it costs, what is said and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.commandline import RNNCALC, calc, environment, process, refused
from tests.torch_or_skip import safetensors_torch, torch


def inspected(*args: str) -> Any:
    result = calc("inspect", *args, "--json")
    assert result.status == 0, result.err
    return json.loads(result.out)


def build() -> Any:
    """Two recurrent layers among others."""
    return torch.nn.ModuleDict(
        {
            "embedding": torch.nn.Embedding(50, 6),
            "encoder": torch.nn.LSTM(6, 5, 2, bidirectional=True),
            "decoder": torch.nn.GRU(10, 4),
            "head": torch.nn.Linear(4, 50),
        }
    )


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    return build()


@pytest.fixture
def saved(model: Any, tmp_path: Path) -> str:
    torch.save(model.state_dict(), tmp_path / "m.pt")
    return str(tmp_path / "m.pt")


def test_every_recurrent_layer_is_named_with_its_sizes(model: Any, saved: str) -> None:
    told = inspected(saved)
    total = sum(value.numel() for value in model.state_dict().values())
    recurrent = sum(v.numel() for part in (model.encoder, model.decoder) for v in part.state_dict().values())
    assert (told["schema"], told["command"], told["file"], told["format"]) == (1, "inspect", saved, "torch")
    assert (told["tensors"], told["parameters"], told["bytes"]) == (len(model.state_dict()), total, 4 * total)
    assert told["recurrent"] == recurrent
    encoder, decoder = told["layers"]
    facts = ("name", "cell", "convention", "d_in", "d_h", "layers", "directions", "d_p", "biases", "dtype")
    assert [encoder[fact] for fact in facts] == ["encoder", "lstm", "pytorch", 6, 5, 2, 2, 0, 2, "float32"]
    assert [decoder[fact] for fact in facts] == ["decoder", "gru", "pytorch", 10, 4, 1, 1, 0, 2, "float32"]
    assert encoder["parameters"] == sum(value.numel() for value in model.encoder.state_dict().values())
    assert encoder["tensors"]["weight_hh_l1_reverse"] == "encoder.weight_hh_l1_reverse"
    assert encoder["shapes"]["weight_ih_l1"] == [20, 10]
    assert encoder["matrices"] is None
    assert decoder["forget_bias"] is None


def test_the_forget_bias_is_the_sum_of_both(model: Any, saved: str) -> None:
    told = inspected(saved)["layers"][0]["forget_bias"]
    state = {name: value.double().numpy() for name, value in model.encoder.state_dict().items()}
    ends = ("_l0", "_l0_reverse", "_l1", "_l1_reverse")
    b = np.array([(state[f"bias_ih{end}"] + state[f"bias_hh{end}"])[5:10] for end in ends])
    assert told["mean"] == pytest.approx(b.mean(), rel=1e-12)
    assert (told["min"], told["max"]) == pytest.approx((b.min(), b.max()), rel=1e-12)
    assert told["gate_at_rest"] == pytest.approx((1 / (1 + np.exp(-b))).mean(), rel=1e-12)
    assert [part["mean"] for part in told["layers"]] == pytest.approx(b.mean(axis=1), rel=1e-12)
    assert [(part["layer"], part["direction"]) for part in told["layers"]] == [
        (1, "forward"),
        (1, "backward"),
        (2, "forward"),
        (2, "backward"),
    ]


def test_spectra_are_those_of_each_gate(model: Any, saved: str) -> None:
    encoder, decoder = inspected(saved, "--spectra")["layers"]
    assert len(encoder["matrices"]) == 16
    gates = ["reset gate", "update gate", "candidate"]
    for matrix, gate, block in zip(
        decoder["matrices"], gates, model.decoder.state_dict()["weight_hh_l0"].double().chunk(3), strict=True
    ):
        assert (matrix["gate"], matrix["layer"], matrix["direction"]) == (gate, 1, "forward")
        assert matrix["shape"] == [4, 4]
        assert matrix["spectral_norm"] == pytest.approx(float(torch.linalg.matrix_norm(block, 2)), rel=1e-12)
        assert matrix["spectral_radius"] == pytest.approx(float(torch.linalg.eigvals(block).abs().max()), rel=1e-10)
    assert matrix["symbol"] == "weight_hh_l0[n]"
    assert any("allow no conclusion" in line for line in encoder["theory"])


def test_one_layer_is_shown_alone_and_a_number_narrows_its_stack(saved: str) -> None:
    assert [layer["name"] for layer in inspected(saved, "--layer", "decoder")["layers"]] == ["decoder"]
    (encoder,) = inspected(saved, "--layer", "encoder:2", "--spectra")["layers"]
    assert {matrix["layer"] for matrix in encoder["matrices"]} == {2}
    assert {part["layer"] for part in encoder["forget_bias"]["layers"]} == {2}
    assert "Did you mean decoder" in refused("inspect", saved, "--layer", "decodr")
    assert "no layer 3; the stack has 2" in refused("inspect", saved, "--layer", "encoder:3", status=2)


def write_npz(state: dict[str, Any], folder: Path) -> Path:
    np.savez(folder / "m.npz", **{name: value.numpy() for name, value in state.items()})
    return folder / "m.npz"


def write_folder(state: dict[str, Any], folder: Path) -> Path:
    (folder / "m").mkdir()
    for name, value in state.items():
        np.save(folder / "m" / f"{name}.npy", value.numpy())
    return folder / "m"


def write_safetensors(state: dict[str, Any], folder: Path) -> Path:
    safetensors_torch().save_file(state, folder / "m.safetensors")
    return folder / "m.safetensors"


@pytest.mark.parametrize("write", [write_npz, write_folder, write_safetensors])
def test_every_container_tells_the_same(
    model: Any, saved: str, tmp_path: Path, write: Callable[[dict[str, Any], Path], Path]
) -> None:
    ours = inspected(str(write(model.state_dict(), tmp_path)), "--spectra")
    theirs = inspected(saved, "--spectra")
    assert {layer["name"]: layer["forget_bias"] for layer in ours["layers"]} == {
        layer["name"]: layer["forget_bias"] for layer in theirs["layers"]
    }
    for layer in theirs["layers"]:
        (same,) = (other for other in ours["layers"] if other["name"] == layer["name"])
        assert {m["symbol"]: m["spectral_norm"] for m in same["matrices"]} == {
            m["symbol"]: m["spectral_norm"] for m in layer["matrices"]
        }


@pytest.mark.parametrize(("dtype", "digits"), [("float16", 1e-2), ("bfloat16", 1e-1), ("float64", 1e-6)])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_narrow_types_are_read_too(
    model: Any, saved: str, tmp_path: Path, dtype: str, digits: float, suffix: str
) -> None:
    path = str(tmp_path / f"n{suffix}")
    state = {name: value.to(getattr(torch, dtype)) for name, value in model.state_dict().items()}
    torch.save(state, path) if suffix == ".pt" else safetensors_torch().save_file(state, path)
    told, wide = (next(la for la in inspected(p)["layers"] if la["name"] == "encoder") for p in (path, saved))
    assert told["dtype"] == dtype
    b = sum(state[f"encoder.bias_{kind}_l0"].double()[5:10] for kind in ("ih", "hh"))
    assert told["forget_bias"]["layers"][0]["mean"] == pytest.approx(float(b.mean()), rel=1e-12)
    assert told["forget_bias"]["mean"] == pytest.approx(wide["forget_bias"]["mean"], rel=digits, abs=1e-3)


def test_a_keras_file_made_with_h5py(tmp_path: Path) -> None:
    path, rng = tmp_path / "m.h5", np.random.default_rng(1)
    kernels = {"kernel:0": (4, 20), "recurrent_kernel:0": (5, 20), "bias:0": (20,)}
    with h5py.File(path, "w") as file:
        for name, shape in kernels.items():
            file[f"model_weights/lstm/lstm/{name}"] = rng.standard_normal(shape).astype("f4")
        bias = file["model_weights/lstm/lstm/bias:0"][5:10]  # i f c o
    (layer,) = inspected(str(path))["layers"]
    assert (layer["cell"], layer["convention"], layer["d_in"], layer["d_h"]) == ("lstm", "keras", 4, 5)
    assert layer["forget_bias"]["mean"] == pytest.approx(bias.astype("f8").mean(), rel=1e-12)


def test_an_onnx_file_made_with_onnx(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    arrays = {"W": (2, 20, 4), "R": (2, 20, 5), "B": (2, 40)}
    values = {name: rng.standard_normal(shape).astype("f4") for name, shape in arrays.items()}
    node = onnx.helper.make_node(
        "LSTM", ["X", "w", "r", "b"], ["Y"], name="encoder", hidden_size=5, direction="bidirectional"
    )
    inputs = [onnx.helper.make_tensor_value_info("X", onnx.TensorProto.FLOAT, [None, None, 4])]
    outputs = [onnx.helper.make_tensor_value_info("Y", onnx.TensorProto.FLOAT, None)]
    tensors = [numpy_helper.from_array(value, name.lower()) for name, value in values.items()]
    graph = onnx.helper.make_graph([node], "g", inputs, outputs, tensors)
    onnx.save(onnx.helper.make_model(graph), tmp_path / "m.onnx")
    (layer,) = inspected(str(tmp_path / "m.onnx"))["layers"]
    assert (layer["name"], layer["cell"], layer["directions"]) == ("encoder", "lstm", 2)
    assert layer["tensors"] == {"W": "w", "R": "r", "B": "b"}
    b = values["B"].astype("f8")
    both = b[:, 10:15] + b[:, 30:35]  # i o f c, the input's and then the recurrent ones
    assert [part["mean"] for part in layer["forget_bias"]["layers"]] == pytest.approx(both.mean(axis=1), rel=1e-12)


def test_a_model_file_is_a_network_with_weights(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text("[weights]\nW_xh = [[1]]\nW_hh = [[0.5]]\n")
    told = inspected(str(path), "--spectra")
    assert told["format"] == "model file"
    assert told["remarks"] == ["Not in the file, and drawn: b_h"]
    (layer,) = told["layers"]
    assert layer["matrices"][0]["spectral_radius"] == 0.5
    assert any("0.5 < 1 is sufficient for vanishing" in line for line in layer["theory"])


@pytest.mark.parametrize(
    ("radius", "said"),
    [
        (0.5, "< 1 is sufficient for vanishing"),
        (1.0, "no gradient can grow; theory does not say whether it shrinks"),
        (1.5, "> 1 is necessary for exploding, not sufficient: theory leaves it open"),
        (0.9999999, "0.9999999 < 1 is sufficient"),
    ],
)
def test_theory_says_what_the_norm_allows(tmp_path: Path, radius: float, said: str) -> None:
    path = tmp_path / "m.npz"
    np.savez(path, W_xh=np.ones((2, 1)), W_hh=radius * np.eye(2), b_h=np.zeros(2))
    (layer,) = inspected(str(path), "--spectra")["layers"]
    assert any(said in line for line in layer["theory"])


def test_the_command_that_is_advised_runs(saved: str) -> None:
    (decoder,) = inspected(saved, "--layer", "decoder", "--spectra")["layers"]
    advised = decoder["theory"][-1].partition("rnncalc ")[2].split()
    assert advised[0] == "gradient-decay"
    assert calc(*advised, "--steps", "5").status == 0


def test_csv_has_a_row_a_layer_or_a_row_a_matrix(saved: str) -> None:
    lines = calc("inspect", saved, "-f", "csv").out.splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("decoder,gru,pytorch,10,4,1,1,0,2,float32,")
    lines = calc("inspect", saved, "-f", "csv", "--spectra").out.splitlines()
    assert len(lines) == 1 + 16 + 3
    assert lines[-1].startswith("decoder,weight_hh_l0[n],candidate,1,forward,4x4,0.")


def test_the_table_s_counts_add_up_where_layers_are_folded(tmp_path: Path) -> None:
    module = torch.nn.LSTM(3, 4, 5, bidirectional=True)
    torch.save(module.state_dict(), tmp_path / "m.pt")
    text = calc("inspect", str(tmp_path / "m.pt")).out.partition("Tensors")[2].partition("Forget")[0]
    assert "weight_ih_l1 to weight_ih_l4_reverse" in text
    counts = [int(row.split()[-1].replace(",", "")) for row in text.splitlines()[3:] if row.strip()]
    assert sum(counts[:-1]) == counts[-1] == sum(value.numel() for value in module.state_dict().values())


# What is wrong


def test_what_is_no_finite_number_is_said_and_the_rest_is_shown(tmp_path: Path) -> None:
    state = torch.nn.LSTM(3, 4).state_dict()
    state["weight_hh_l0"][0, 1] = float("nan")
    state["bias_hh_l0"][4] = float("inf")
    torch.save(state, tmp_path / "m.pt")
    (layer,) = inspected(str(tmp_path / "m.pt"), "--spectra")["layers"]
    assert layer["forget_bias"] is None
    assert [matrix["spectral_norm"] is None for matrix in layer["matrices"]] == [True, False, False, False]
    assert any("weight_hh_l0[i] has nan in row 1, column 2" in line for line in layer["theory"])
    assert any("not finite" in line for line in layer["theory"])
    assert calc("inspect", str(tmp_path / "m.pt"), "--spectra").status == 0


def test_types_without_values_are_listed(tmp_path: Path) -> None:
    state = {name: value.to(torch.float8_e4m3fn) for name, value in torch.nn.LSTM(3, 4).state_dict().items()}
    safetensors_torch().save_file(state, tmp_path / "m.safetensors")
    (layer,) = inspected(str(tmp_path / "m.safetensors"), "--spectra")["layers"]
    assert (layer["dtype"], layer["forget_bias"], layer["matrices"]) == ("float8_e4m3fn", None, None)
    assert any("listed and not read" in note for note in layer["notes"])


class Owned:
    """A class that only its owner has."""

    def __init__(self, value: object) -> None:
        self.value = value


def test_foreign_objects_are_left_out_and_said(tmp_path: Path) -> None:
    state = {"model": torch.nn.GRU(3, 4).state_dict(), "args": Owned(1)}
    torch.save(state, tmp_path / "m.pt")
    told = inspected(str(tmp_path / "m.pt"))
    assert told["layers"][0]["name"] == "model"
    assert "Owned" in told["remarks"][0]


def test_names_that_steer_a_terminal_are_escaped_everywhere(tmp_path: Path) -> None:
    name = "\x1b[2J\u202eevil|`*"
    state = {f"{name}.{key}": value for key, value in torch.nn.LSTM(3, 4).state_dict().items()}
    path = str(tmp_path / "m.pt")
    torch.save(state, path)
    assert inspected(path)["layers"][0]["name"] == name
    for form in ("table", "csv", "markdown", "latex", "json"):
        for result in (calc("inspect", path, "-f", form), calc("inspect", path, "-f", form, "--spectra")):
            assert result.status == 0
            assert not {"\x1b", "\u202e"} & set(result.out + result.err)


def test_without_a_recurrent_layer_it_is_said_what_there_is(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(3, 4).state_dict(), tmp_path / "m.pt")
    assert "has no recurrent layer; it has 'weight' (4, 3), 'bias' (4,)" in refused("inspect", str(tmp_path / "m.pt"))


def test_a_file_that_is_not_there_gets_the_nearest_name(saved: str) -> None:
    assert "Did you mean m.pt" in refused("inspect", saved.replace("m.pt", "n.pt"))


def test_nothing_can_be_checked() -> None:
    assert "checks nothing" in refused("inspect", "--check", status=2)


def test_a_terminal_without_unicode_gets_ascii(saved: str) -> None:
    done = process("inspect", saved, "--spectra", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


# What it costs


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 100 MB in two formats."""
    folder = tmp_path_factory.mktemp("large")
    state = {"lstm." + name: value for name, value in torch.nn.LSTM(1024, 2048).state_dict().items()}
    torch.save(state, folder / "m.pt")
    safetensors_torch().save_file(state, folder / "m.safetensors")
    return folder


@pytest.mark.parametrize("name", ["m.pt", "m.safetensors"])
def test_headers_alone_are_read_without_numpy(large: Path, name: str) -> None:
    code = (
        "import sys\nfrom rnn_calc.cli import run\n"
        f"print(run(['inspect', {str(large / name)!r}]), {{'numpy', 'torch'}} & set(sys.modules), file=sys.stderr)"
    )
    assert of_python(code).stderr == "0 set()\n"


@pytest.mark.parametrize("name", ["m.pt", "m.safetensors"])
def test_a_large_file_takes_little_memory(large: Path, name: str) -> None:
    # A process begins with the peak of the one that started it, and pytest's own is high: hence one between them.
    code = (
        "import resource, subprocess\n"
        f"subprocess.run([{RNNCALC!r}, 'inspect', {str(large / name)!r}], check=True, stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    kilobytes = int(of_python(code).stdout)
    assert kilobytes < 60_000


def of_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment(), timeout=60
    )
