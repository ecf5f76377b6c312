"""What a second review found wrong stays mended."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import rnn_calc
from rnn_calc.show.format import to_ascii
from tests.commandline import calc, refused


@pytest.fixture
def stack(tmp_path: Path) -> str:
    """A checkpoint of two layers of LSTM in a module `encoder`."""
    arrays = {}
    for layer in range(2):
        arrays[f"encoder.weight_ih_l{layer}"] = np.full((12, 3), 0.1)
        arrays[f"encoder.weight_hh_l{layer}"] = np.full((12, 3), 0.2)
    path = tmp_path / "stack.npz"
    np.savez(path, allow_pickle=False, **arrays)
    return str(path)


@pytest.mark.parametrize("command", ["shapes", "params", "cost"])
def test_a_layer_is_refused_where_the_whole_network_is_meant(command: str, stack: str) -> None:
    said = refused(command, "--layers", "3", "--layer", "2", status=2)
    assert "which trace and gradient-decay take" in said
    assert said.endswith("leave --layer out.")
    assert "without :N" in refused(command, "--model", stack, "--layer", "encoder:2", status=2)
    assert "has layers 1 to 2" in refused(command, "--model", stack, "--layer", "encoder:3", status=2)
    assert calc(command, "--model", stack, "--layer", "encoder").status == 0


def test_a_layer_is_refused_in_comparisons_and_searches() -> None:
    assert "leave --layer out" in refused("compare", "--layers", "2", "--layer", "2", status=2)
    assert "leave --layer out" in refused("compare", "--with", "--layers 2 --layer 2", status=2)
    assert "--layer plays no part" in refused("params", "--total", "32", "--layer", "2", status=2)


def test_merge_needs_two_directions_even_where_it_is_the_default() -> None:
    assert "add --bidirectional" in refused("shapes", "--merge", "concat", status=2)


def test_a_readout_that_is_not_there_has_no_bias_to_leave_out() -> None:
    assert "there is none" in refused("params", "--no-readout-bias", "-o", "0", status=2)


@pytest.mark.parametrize("option", [("--init", "xavier"), ("--gain", "2")])
def test_drawing_is_refused_where_the_file_has_every_weight(option: tuple[str, str], stack: str) -> None:
    said = refused("trace", "--model", stack, "--layer", "encoder", *option, status=2)
    assert f"layer 'encoder' holds every weight, so {option[0]} draws none" in said
    assert calc("trace", "--model", stack, "--layer", "encoder", "--seed", "3").status == 0


def test_one_cell_alone_is_no_comparison() -> None:
    assert "name at least two" in refused("compare", "--cells", "lstm", status=2)
    assert "name at least two" in refused("compare", "--cells", "lstm,lstm", status=2)
    assert "name at least two" in refused("compare", "--conventions", "keras", status=2)


@pytest.mark.parametrize(("cell", "advice"), [("lstm", "--cells lstm,gru"), ("gru", "--cells gru,lstm")])
def test_a_comparison_of_one_cell_is_told_another(cell: str, advice: str) -> None:
    assert advice in refused("compare", "--cell", cell, status=2)
    assert calc("compare", *advice.split()).status == 0


def test_trained_weights_are_of_one_cell(stack: str) -> None:
    said = refused("compare", "--model", stack, "--layer", "encoder", status=2)
    assert "holds the weights of one cell" in said
    assert "--conventions all" in said


def test_networks_side_by_side_are_called_by_the_cell_that_their_file_has(stack: str) -> None:
    shown = calc("compare", "--model", stack, "--layer", "encoder", "--with", "--cell gru").out
    assert "A: lstm" in shown
    assert "B: gru" in shown


def test_what_is_no_option_of_another_network_teaches_the_form() -> None:
    assert 'as in --with "--cell gru' in refused("compare", "--with", "gru", status=2)


def test_a_polynomial_begins_with_its_highest_power() -> None:
    # d_h² + 4·d_h + d_h, 1000·4 numbers of the embedding, 1000·d_h + 1000 of the readout.
    assert "total = d_h² + 1005·d_h + 5000" in calc("params", "--budget", "100k", "--vocab", "1000").out


def test_dropout_is_said_to_change_nothing_once_in_a_comparison() -> None:
    shown = " ".join(calc("compare", "--layers", "2", "--dropout", "0.5").out.split())
    assert shown.count("dropout 0.5: changes no shape, no count and no state here") == 1


def test_a_table_of_steps_says_what_its_last_column_is() -> None:
    shown = calc("trace", "--cell", "lstm", "--proj", "2", "--steps", "1").out
    assert "New cell state, and what the cell shows, before it is projected" in shown


@pytest.mark.parametrize("convention", ["keras", "onnx"])
def test_what_a_framework_lacks_is_told_with_a_convention_that_has_it(convention: str) -> None:
    said = refused("shapes", "--cell", "lstm", "--proj", "2", "-c", convention, status=2)
    assert "no name for W_hr, the projection of the cell lstm. A textbook's convention, as xh" in said
    assert calc("shapes", "--cell", "lstm", "--proj", "2", "-c", "xh").status == 0


def test_what_goes_on_from_a_search_is_not_called_the_same_again() -> None:
    shown = calc("params", "--total", "98816", "--cell", "lstm").out
    assert "Again:" not in shown
    assert "\nCount the first: rnncalc params --cell lstm" in shown


def strings_of_the_program() -> Iterator[str]:
    for path in Path(rnn_calc.__file__).parent.rglob("*.py"):
        # One measures every sign there is, one writes on pictures in files, one knows the signs that people type; and
        # there is no screen without UTF-8.
        if path.name in ("folding.py", "axis_ticks.py", "reading.py") or path.parent.name == "ui":
            continue
        tree = ast.parse(path.read_text("utf-8"))
        # The docstrings of commands are their help; no others are written.
        unwritten = set() if path.parent.name == "commands" else set(map(id, docstrings(tree)))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in unwritten:
                yield node.value


def docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value


def test_every_sign_that_the_program_writes_has_an_ascii_spelling() -> None:
    signs = {sign for text in strings_of_the_program() for sign in text if not sign.isascii() and sign.isprintable()}
    assert {"∏", "ᵀ", "∂"} <= signs
    assert [sign for sign in sorted(signs) if to_ascii(sign).startswith("\\")] == []


@pytest.mark.parametrize("command", ["shapes", "params", "cost", "trace"])
def test_a_weight_that_no_network_has_is_never_left_out(command: str, tmp_path: Path) -> None:
    path = tmp_path / "typo.toml"
    path.write_text("d_in = 2\nd_h = 2\n[weights]\nW_hx = [[1.0, 2.0], [3.0, 4.0]]\n", "utf-8")
    said = refused(command, "--model", str(path), status=1)
    assert "'W_hx' is no parameter of this network under the convention xh" in said
    assert "Did you mean W_xh?" in said


def test_who_asks_for_the_last_state_is_told_how_to_see_it() -> None:
    wrong = ("--cell", "lstm", "-c", "pytorch", "--got", "h_n=2,5,3")
    said = refused("shapes", *wrong, status=2)
    assert said == "'h_n' is of whole sequences, which need --steps or --batch, as in --steps 20 --batch 32."
    advised = said.partition(" as in ")[2].rstrip(".").split()
    assert "h_n (2, 5, 3) does not fit (1, 32, 3)" in calc("shapes", *wrong, *advised).err


def test_a_symbol_of_another_cell_is_explained_beside_a_tied_projection() -> None:
    tied = ("--cell", "lstm", "--proj", "2", "--vocab", "10", "--tied", "-i", "2", "-H", "3")
    assert calc("shapes", *tied).status == 0
    assert "it belongs to gru" in refused("shapes", *tied, "--got", "b_hn=3", status=2)


def test_a_framework_s_number_of_biases_is_its_own_or_none() -> None:
    assert "--biases 2 or --biases 0" in refused("params", "--cell", "lstm", "-c", "pytorch", "--biases", "1", status=2)
    assert calc("params", "--cell", "lstm", "-c", "pytorch", "--biases", "0").status == 0


def test_dropout_in_a_model_file_is_accepted_and_said(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text("dropout = 0.5\n")
    assert "dropout 0.5: changes no shape" in calc("params", "--model", str(path)).out
    path.write_text("dropout = 1.5\n")
    assert "at least 0 and below 1" in refused("params", "--model", str(path))
