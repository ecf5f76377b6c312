"""rnncalc bptt: the tutorial's numbers, torch's gradients, and what is said of wrong input."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.gradients import Gradients
from rnn_calc.core.weights import Array
from tests.commandline import calc, refused
from tests.torch_or_skip import torch


def bptt(*args: str, stdin: bytes = b"") -> dict[str, Any]:
    result = calc("bptt", *args, "--json", stdin=stdin)
    assert result.status == 0, result.err
    found: dict[str, Any] = json.loads(result.out)
    return found


def gradients(found: dict[str, Any]) -> dict[str, Array]:
    return {entry["symbol"]: np.array(entry["values"]) for entry in found["gradients"]}


# The tutorial


@pytest.mark.parametrize(
    ("convention", "weight"),
    [("xh", "W_xh[0,0]"), ("hx", "W_hx[0,0]"), ("wx", "W_x[0,0]"), ("pytorch", "weight_ih_l0[0,0]"),
     ("keras", "kernel[0,0]")],
)  # fmt: skip
def test_tutorial_003_path_by_path_in_everybodys_words(convention: str, weight: str) -> None:
    result = calc("bptt", "--example", "tiny", "--convention", convention, "--path", f"{weight}@1")
    assert result.status == 0, result.err
    # Path 1, the direct path and their sum, as ../shared/worked_examples.md has them recomputed.
    for number in ("0.424307", "1.532045", "1.956352"):
        assert number in result.out
    assert "[1, 1] · [[0.383011, 0.076602], [0.058495, 0.292475]] · [0.961043, 0] = 0.424307" in result.out
    found = bptt("--example", "tiny", "--convention", convention, "--path", f"{weight}@1")["path"]
    assert found["weight"] == weight
    assert [entry["value"] for entry in found["occurrences"]] == pytest.approx([0.424307, 1.532045], abs=5e-7)
    assert found["total"]["value"] == pytest.approx(1.956352, abs=5e-7)
    assert [path["factors"] for path in found["paths"]] == [
        pytest.approx([0.961043, 0.383011, 1], abs=5e-7),
        pytest.approx([0.961043, 0.058495, 1], abs=5e-7),
    ]


def test_tutorial_003_section_4_delta_is_the_local_part_and_what_comes_back() -> None:
    found = bptt("--example", "tiny", "--loss", "sum")
    (layer,) = found["layers"]
    jacobian = np.array([[0.383011, 0.076602], [0.058495, 0.292475]])
    assert layer["local"] == [[1, 1], [1, 1]]
    assert layer["states"]["h"][1] == [1, 1]
    np.testing.assert_allclose(layer["states"]["h"][0], [1, 1] + jacobian.T @ [1, 1], atol=1e-6)


# torch


def model_file(path: Path, module: Any, linear: Any, **entries: object) -> str:
    """A network of torch's as a model file, under torch's names."""
    weights = {name: value.tolist() for name, value in module.state_dict().items()}
    weights |= {f"linear.{name}": value.tolist() for name, value in linear.state_dict().items()}
    path.write_text(json.dumps({"convention": "pytorch", "weights": weights, **entries}))
    return str(path)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", ["mse", "cross-entropy"])
def test_every_gradient_is_torchs(name: str, bidirectional: bool, kind: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    module = getattr(torch.nn, name)(2, 3, num_layers=2, bidirectional=bidirectional, dtype=torch.float64)
    linear = torch.nn.Linear(6 if bidirectional else 3, 3, dtype=torch.float64)
    x = torch.randn(6, 2, dtype=torch.float64)
    if kind == "mse":
        target = torch.randn(6, 3, dtype=torch.float64)
        loss = torch.nn.MSELoss()(linear(module(x)[0]), target)
    else:
        target = torch.tensor([0, 2, -1, 1, 1, 0])
        loss = torch.nn.CrossEntropyLoss(ignore_index=-1)(linear(module(x)[0]), target)
    loss.backward()
    path = model_file(
        tmp_path / "m.json", module, linear, cell=name.lower(), sequence=x.tolist(), targets=target.tolist()
    )
    found = bptt("--model", path)
    assert found["loss"]["kind"] == kind
    assert found["loss"]["value"] == pytest.approx(loss.item(), rel=1e-13)
    shown = gradients(found)
    expected = {**dict(module.named_parameters()), **{f"linear.{n}": p for n, p in linear.named_parameters()}}
    assert shown.keys() == expected.keys()
    for symbol, parameter in expected.items():
        scale = float(parameter.grad.abs().max())
        np.testing.assert_allclose(shown[symbol], parameter.grad.numpy(), rtol=1e-10, atol=1e-13 * scale)


def test_truncated_after_k_is_the_gradient_of_torch_with_the_state_k_steps_back_detached(tmp_path: Path) -> None:
    torch.manual_seed(2)
    cell, linear = torch.nn.RNNCell(2, 3, dtype=torch.float64), torch.nn.Linear(3, 1, dtype=torch.float64)
    x = torch.randn(6, 2, dtype=torch.float64)
    entries = {"cell": "rnn", "sequence": x.tolist(), "convention": "pytorch", "loss": "last"}
    weights = {f"{name}_l0": value.tolist() for name, value in cell.state_dict().items()}
    weights |= {f"linear.{name}": value.tolist() for name, value in linear.state_dict().items()}
    (tmp_path / "m.json").write_text(json.dumps({**entries, "weights": weights}))
    found = bptt("--model", str(tmp_path / "m.json"), "--truncate", "0..5")

    def gradient(k: int) -> list[Array]:
        cell.zero_grad()
        h = torch.zeros(3, dtype=torch.float64)
        for t, x_t in enumerate(x):
            if t == len(x) - 1 - k:
                h = h.detach()
            h = cell(x_t, h)
        linear(h).sum().backward()
        return [cell.weight_hh.grad.numpy().copy(), cell.weight_ih.grad.numpy().copy()]

    full = gradient(5)
    by_symbol = {entry["symbol"]: entry for entry in found["gradients"]}
    for k in range(5):
        for symbol, own, whole in zip(("weight_hh_l0", "weight_ih_l0"), gradient(k), full, strict=True):
            shown = by_symbol[symbol]["truncated"][k]
            assert shown["k"] == k
            difference = np.linalg.norm(own - whole) / np.linalg.norm(whole)
            angle = np.arccos(np.clip((own * whole).sum() / np.linalg.norm(own) / np.linalg.norm(whole), -1, 1))
            np.testing.assert_allclose(10 ** shown["log10_norm"], np.linalg.norm(own), rtol=1e-12)
            np.testing.assert_allclose(shown["relative_difference"], difference, rtol=1e-9, atol=1e-15)
            np.testing.assert_allclose(shown["angle_degrees"], np.degrees(angle), rtol=1e-6, atol=1e-6)
    assert by_symbol["weight_hh_l0"]["truncated"][5]["relative_difference"] == 0


@pytest.mark.parametrize("limit", [0.01, 1.0, 100.0])
def test_clipping_is_torchs(limit: float) -> None:
    found = bptt("--clip", str(limit))
    parameters = []
    for array in gradients(found).values():
        parameters.append(torch.nn.Parameter(torch.zeros(array.shape, dtype=torch.float64)))
        parameters[-1].grad = torch.tensor(array)
    before = torch.nn.utils.clip_grad_norm_(parameters, limit)
    after = torch.sqrt(sum((parameter.grad**2).sum() for parameter in parameters))
    assert 10 ** found["clip"]["log10_norm_before"] == pytest.approx(float(before), rel=1e-12)
    assert 10 ** found["clip"]["log10_norm_after"] == pytest.approx(float(after), rel=1e-12)
    assert found["clip"]["factor"] == pytest.approx(float(after) / float(before), rel=1e-12)


# Shares


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("shape", [(), ("--layers", "2"), ("--layers", "2", "--bidirectional")])
def test_the_shares_of_steps_and_lags_add_up_to_1(cell: str, shape: tuple[str, ...]) -> None:
    found = bptt("--cell", cell, *shape, "--loss", "mse", "--steps", "6")
    for entry in [*found["gradients"], found["together"]]:
        if entry.get("zero"):
            continue
        assert sum(entry["step_shares"]) == pytest.approx(1, abs=1e-12)
        assert sum(lag["share"] for lag in entry["lags"]) == pytest.approx(1, abs=1e-12)
        assert entry["lags"][-1]["cumulative_share"] == pytest.approx(1, abs=1e-12)


def test_the_columns_of_the_tables_add_up_to_their_last_row() -> None:
    page = calc("bptt", "--example", "tiny", "--loss", "sum", columns=300, encoding="utf-8").out
    for title in ("What each time step adds to each entry", "The share of each time step"):
        block = page.split(title)[1].split("\n\n")
        rows = [list(map(float, line.split()[1:])) for line in block[0].splitlines()[3:]]
        total = list(map(float, block[1].split()[1:]))
        np.testing.assert_allclose(np.sum(rows, axis=0), total, atol=2e-4)


def test_steps_that_are_left_out_are_one_row_so_that_the_column_still_adds_up() -> None:
    page = calc("bptt", "--d-h", "2", "--steps", "40", columns=200).out
    block = page.split("The share of each time step")[1].split("\n\n")
    assert "7 to 34" in block[0]
    rows = [list(map(float, re.split(r"\s{2,}", line.strip())[1:])) for line in block[0].splitlines()[3:]]
    np.testing.assert_allclose(np.sum(rows, axis=0), 1, atol=5e-4)


def test_the_page_says_what_the_short_paths_hide() -> None:
    page = " ".join(calc("bptt", "--d-h", "20", "--steps", "60", "--loss", "sum").out.split())
    assert "the short paths in the sum hide that the long ones have vanished" in page


def test_a_loss_without_slope_says_that_nothing_is_learned() -> None:
    states = json.loads(calc("trace", "--example", "tiny", "--json").out)["steps"]
    targets = "; ".join(repr(step["y"][0]) for step in states)
    result = calc("bptt", "--example", "tiny", "--targets", targets, "--loss", "mse")
    assert result.status == 0
    assert "Every gradient is exactly 0" in result.out


def test_a_readout_of_zeros_lets_nothing_through_to_the_states_but_learns_itself(tmp_path: Path) -> None:
    model = tmp_path / "model.toml"
    model.write_text("d_in = 1\nd_h = 2\nd_out = 1\n[weights]\nW_hy = [[0.0, 0.0]]\n", encoding="utf-8")
    result = calc("bptt", "--model", str(model), "--loss", "last", "--steps", "4")
    assert result.status == 0
    assert "‖∂L/∂h_t‖ is exactly 0 at every step" in " ".join(result.out.split())
    # y = W_hy h_4 + b_y: the derivative by b_y is 1.
    assert re.search(r"∂L/∂b_y +\(1,\) +1 ", result.out)


# Targets and losses


@pytest.mark.parametrize("content", ["1,0\n0,1\nnan,nan\n", "[[1, 0], [0, 1], [NaN, NaN]]"])
def test_targets_come_in_the_forms_of_a_sequence(content: str, tmp_path: Path) -> None:
    typed = bptt("--steps", "3", "--targets", "1,0; 0,1; nan,nan")
    assert typed["loss"]["kind"] == "mse"
    assert typed["steps"][2]["loss"] == 0
    suffix = "json" if content.startswith("[") else "csv"
    (tmp_path / f"t.{suffix}").write_text(content)
    assert gradients(bptt("--steps", "3", "--targets", str(tmp_path / f"t.{suffix}"))).keys()
    np.save(tmp_path / "t.npy", np.array([[1.0, 0], [0, 1], [np.nan, np.nan]]))
    for found in (
        bptt("--steps", "3", "--targets", str(tmp_path / f"t.{suffix}")),
        bptt("--steps", "3", "--targets", str(tmp_path / "t.npy")),
        bptt("--steps", "3", "--targets", "-", stdin=b"1,0\n0,1\nnan,nan\n"),
    ):
        assert found["steps"] == typed["steps"]
        assert found["gradients"] == typed["gradients"]


def test_whole_numbers_one_a_step_are_classes_and_two_numbers_alone_the_last_steps_target() -> None:
    assert bptt("--steps", "3", "--targets", "0, 1, -1")["loss"]["kind"] == "cross-entropy"
    alone = bptt("--steps", "3", "--targets", "0.5, 1")
    assert alone["loss"]["kind"] == "mse"
    assert [step["loss"] == 0 for step in alone["steps"]] == [True, True, False]
    assert bptt("--steps", "3", "--d-out", "1", "--targets", "0, 1, 1")["loss"]["kind"] == "mse"
    without = bptt("--steps", "3")["loss"]
    assert (without["kind"], without["reduction"], without["targets"]) == ("last", None, None)


@pytest.mark.parametrize("kind", ["mse", "cross-entropy"])
def test_targets_that_nobody_gave_are_drawn_from_the_seed_and_the_notes_say_so(kind: str) -> None:
    found = bptt("--loss", kind, "--seed", "3")
    assert any(note.startswith("Targets: 10") and note.endswith("seed 3") for note in found["notes"])
    assert found["gradients"] == bptt("--loss", kind, "--seed", "3")["gradients"]


def test_a_model_file_names_targets_loss_and_reduction(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(
        'd_in = 1\nd_h = 2\nd_out = 1\nsequence = [1.0, 2.0]\ntargets = [nan, 0.5]\nloss = "mse"\nreduction = "sum"\n'
    )
    path = str(tmp_path / "m.toml")
    found = bptt("--model", path)
    assert (found["loss"]["kind"], found["loss"]["reduction"]) == ("mse", "sum")
    assert found["steps"][0]["loss"] == 0
    typed = bptt("--model", path, "--loss", "last")
    assert typed["loss"]["targets"] is None
    (tmp_path / "n.toml").write_text("target = [1.0]\n")
    assert "Did you mean targets?" in refused("bptt", "--model", str(tmp_path / "n.toml"))


# --check


@pytest.mark.parametrize("cell", CELLS)
def test_every_cells_gradient_passes_the_check(cell: str) -> None:
    for more in ((), ("--layers", "2"), ("--bidirectional", "--loss", "mse")):
        found = bptt("--cell", cell, "--check", "--steps", "5", *more)
        assert found["check"]["holds"]
        assert found["check"]["worst"]["relative_difference"] < 1e-10


@pytest.mark.parametrize("more", [("--cell", "lstm", "--proj", "2", "--layers", "2"), ("--vocab", "5"),
                                  ("--vocab", "5", "--tied", "--d-in", "3"), ("--activation", "relu")])  # fmt: skip
def test_projection_embedding_and_kinks_pass_the_check(more: tuple[str, ...]) -> None:
    assert bptt("--check", *more)["check"]["holds"]


def test_a_gradient_that_is_off_by_a_millionth_is_exit_1_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Gradients.parameters.func  # type: ignore[attr-defined]  # a cached property

    def wrong(self: Gradients) -> dict[str, Array]:
        found: dict[str, Array] = right(self)
        changed = found["W_hh"].copy()
        changed[1, 2] *= 1 + 1e-6
        return {**found, "W_hh": changed}

    monkeypatch.setattr(Gradients, "parameters", property(wrong))
    result = calc("bptt", "--check")
    assert result.status == 1
    assert "✗ off" in result.out
    assert re.search(r"the worst is W_hh\[1,2\], by 1\.0e-06 of its size\.", result.err)


# Other formats


def test_csv_has_a_row_a_step() -> None:
    header, *rows = calc("bptt", "--format", "csv", "--steps", "7").out.splitlines()
    assert [row.split(",")[0] for row in rows] == [str(t) for t in range(1, 8)]
    assert all(row.count(",") == header.count(",") for row in rows)
    share = header.split(",").index("share W_hh")
    assert sum(float(row.split(",")[share]) for row in rows) == pytest.approx(1)


def test_npz_holds_the_gradients_under_the_conventions_symbols(tmp_path: Path) -> None:
    path = tmp_path / "g.npz"
    assert calc("bptt", "--cell", "gru", "--convention", "keras", "-O", str(path)).status == 0
    found = gradients(bptt("--cell", "gru", "--convention", "keras"))
    with np.load(path, allow_pickle=False) as arrays:
        assert set(arrays) == set(found)
        for symbol in arrays:
            np.testing.assert_array_equal(arrays[symbol], found[symbol])


@pytest.mark.parametrize("format_name", ["markdown", "latex"])
def test_every_part_is_written_in_text_formats_too(format_name: str) -> None:
    every = ("--path", "W_xh[0,0]@1", "--truncate", "0..9", "--clip", "1", "--check")
    result = calc("bptt", "--format", format_name, *every)
    assert result.status == 0, result.err
    assert "Clipping" in result.out


def test_the_page_is_ascii_where_nothing_else_can_be_shown() -> None:
    every = ("--path", "W_xi[0,0]@1", "--truncate", "0..9", "--clip", "1", "--check", "--cell", "lstm")
    result = calc("bptt", *every, encoding="ascii")
    assert result.status == 0
    assert not re.search(r"\\[ux][0-9a-f]", result.out)


def test_a_network_of_many_layers_and_states_is_drawn_all_the_same() -> None:
    assert calc("bptt", "--cell", "lstm", "--layers", "4", "--bidirectional").status == 0


def test_gradients_beyond_float64_keep_their_logarithms() -> None:
    found = bptt("--activation", "identity", "--gain", "40", "--steps", "300", "--d-in", "1", "--inputs", "zeros",
                 "--h0", "1e-300,0,0")  # fmt: skip
    by_symbol = {entry["symbol"]: entry for entry in found["gradients"]}
    assert by_symbol["b_h"]["log10_norm"] > 308
    page = calc("bptt", "--activation", "identity", "--gain", "40", "--steps", "300", "--d-in", "1", "--inputs",
                "zeros", "--h0", "1e-300,0,0")  # fmt: skip
    assert page.status == 0
    assert re.search(r"∂L/∂b_h .*e\+4\d\d", page.out)


def test_shares_of_gradients_whose_squares_leave_float64_add_up_too() -> None:
    file = {"d_in": 1, "d_h": 2, "d_out": 1, "weights": {"W_hy": [[1e-200, 2e-200]]}}
    found = bptt("--model", "-", stdin=json.dumps(file).encode())
    entry = next(entry for entry in found["gradients"] if entry["symbol"] == "W_xh")
    assert entry["log10_norm"] < -199
    assert sum(entry["step_shares"]) == pytest.approx(1)
    assert sum(lag["share"] for lag in entry["lags"]) == pytest.approx(1)


def test_all_lags_of_a_large_run_are_left_out_unless_asked_for() -> None:
    page = calc("bptt", "--d-h", "200", "--steps", "1000")
    assert "The share of each lag is left out" in page.out
    assert "lags" not in bptt("--d-h", "200", "--steps", "1000")["together"]
    found = bptt("--d-h", "200", "--steps", "1000", "--truncate", "3")["together"]
    assert found["truncated"][0]["k"] == 3


# Wrong input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--path", "W_xh"), "--path names a weight and the step where it occurs, as in --path 'W_xh[0,0]@1'"),
        (("--path", "W_xh[0,0]@11"), "--path names step 11; the sequence has steps 1 to 10."),
        (("--path", "W_xh[3,0]@1"), "so its indices go 0 to 2, 0 to 3; the last entry is W_xh[2,3]."),
        (("--path", "W_hx[0,0]@1"), "Did you mean W_xh?"),
        (("--path", "W_xh[0,0]@1", "--to", "y[2]"), "--to names y[2]; it has the numbers 0 to 1."),
        (("--path", "W_xh[0,0]@1", "--to", "y[0]@11"), "--to names step 11; the sequence has steps 1 to 10."),
        (("--path", "W_xh[0,0]@1", "--to", "why"), "--to is an output y[0]@10"),
        (("--to", "y[0]"), "add --path WEIGHT@STEP"),
        (("--truncate", "9..2"), "ends before it begins"),
        (("--truncate", "ten"), "--truncate is a number of steps back"),
        (("--clip", "0"), "--clip must be a positive number; it is 0."),
        (("--loss", "mes"), "Did you mean mse?"),
        (("--loss", "last", "--targets", "1"), "--loss last has no targets"),
        (("--reduction", "sum"), "--reduction is of mse and cross-entropy"),
        (("--targets", "-", "--sequence", "-"), "stdin can be read once"),
    ],
)
def test_a_wrong_command_line_is_exit_2_and_told_what_would_do(arguments: tuple[str, ...], message: str) -> None:
    assert message in refused("bptt", *arguments, status=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--targets", "1,2,3"), "--targets: The targets have 1 number a step; the outputs have 2."),
        (("--targets", "0,1,1"), "--targets: There are targets for 3 steps; the sequence has 10."),
        (("--targets", "a,b"), "--targets, number 1: 'a' is no number."),
        (("--targets", ";".join(["1,2"] * 11)), "has targets for more steps than the sequence, which has 10."),
        (("--targets", "nix.csv"), "There is no file 'nix.csv'."),
        (("--targets", "@"), "--targets @ names no file; write its name after it"),
        # One target for ten steps is not that of step 1.
        (("--targets", "0.5", "--loss", "cross-entropy"), "--targets: The target is 0.5; cross-entropy needs"),
        (("--targets", "inf", "--d-out", "1"), "--targets: The target is infinite;"),
        (("--loss", "cross-entropy", "--d-out", "1"), "Cross-entropy needs an output for each class"),
        (("--loss", "cross-entropy", "--targets", "2"), "The target of step 10 is class 2; 2 outputs have the classes"),
    ],
)
def test_targets_that_do_not_fit_are_exit_1(arguments: tuple[str, ...], message: str) -> None:
    assert message in refused("bptt", *arguments)


def test_what_was_drawn_is_not_named_as_what_is_wrong() -> None:
    assert "drawn" not in refused("bptt", "--loss", "cross-entropy", "--d-out", "1")


def test_one_array_of_several_is_told_to_be_one(tmp_path: Path) -> None:
    done = calc("bptt", "--steps", "3", "--output", str(tmp_path / "g.npy"))
    assert (done.status, done.err) == (0, "rnncalc: an .npy file holds one array: W_xh; .npz holds all 5.\n")
    assert np.load(tmp_path / "g.npy").shape == (3, 4)


@pytest.mark.parametrize("last", ["3", "T", "100000000000"])
def test_a_range_of_truncations_ends_with_the_sequence(last: str) -> None:
    (entry, *_) = bptt("--steps", "4", "--truncate", f"1..{last}")["gradients"]
    assert [own["k"] for own in entry["truncated"]] == [1, 2, 3]


def test_a_share_that_only_rounding_makes_whole_is_not_said_to_be_100_percent() -> None:
    page = calc("bptt", "--sequence", "1, 2, 3", "--targets", "0, 1, 0", "--d-h", "2", "--d-out", "1").out
    assert "All of ∂L/∂W_hh but 1.02e-5 of it comes through the paths of lag 0 alone" in page.replace("\n", " ")
    assert "100 %" not in page


def test_gradients_too_small_for_float64_are_not_checked_and_told_so() -> None:
    file = {"d_in": 1, "d_h": 2, "d_out": 1, "weights": {"W_hy": [[1e-300, 2e-300]]}}
    found = bptt("--model", "-", "--check", stdin=json.dumps(file).encode())["check"]
    assert found["holds"]
    assert found["not_checked"] == ["W_xh", "W_hh", "b_h"]
