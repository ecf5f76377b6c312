"""--plot: a picture beside the result, refused before any work where it cannot be."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from rnn_calc.core.cells import CELLS
from tests.commandline import calc, environment, process, refused

COMMANDS = ("trace", "gradient-decay")
DRAWING = "rnn_calc.show.matplotlib_pictures.write_pictures"
every_command = pytest.mark.parametrize("command", COMMANDS)


def svg(path: Path, *args: str) -> str:
    result = calc(*args, "--plot", str(path))
    assert (result.status, result.err) == (0, f"rnncalc: plotted '{path}'\n")
    return path.read_text("utf-8")


@every_command
@pytest.mark.parametrize("form", ["table", "json", "csv", "latex"])
def test_the_result_is_the_same_with_a_picture(command: str, form: str, tmp_path: Path) -> None:
    path = tmp_path / "drawn.svg"
    result = calc(command, "--format", form, "--plot", str(path))
    assert result.out == calc(command, "--format", form).out
    assert result.err == f"rnncalc: plotted '{path}'\n"
    assert path.read_text("utf-8").startswith("<?xml")


@every_command
def test_a_picture_of_each_suffix(command: str, tmp_path: Path) -> None:
    for name, start in (("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("a.pdf", b"%PDF")):
        assert calc(command, "--plot", str(tmp_path / name)).status == 0
        assert (tmp_path / name).read_bytes().startswith(start)
    assert len(list(tmp_path.iterdir())) == 3


@every_command
def test_a_picture_that_cannot_be_is_refused_before_any_work(command: str, tmp_path: Path) -> None:
    (tmp_path / "mine.png").write_text("mine")
    (tmp_path / "folder.svg").mkdir()
    # A sequence that does not exist is never looked for.
    missing = ("--sequence", "@nowhere.csv")
    with mock.patch("rnn_calc.commands.running.prepare_run", side_effect=AssertionError("it was run")):
        assert "end it in .png, .svg or .pdf" in refused(command, *missing, "--plot", "x.gif", status=2)
        assert "end it in .png, .svg or .pdf" in refused(command, *missing, "--plot", "-", status=2)
        assert "mine.png' exists; add --force" in refused(command, "--plot", str(tmp_path / "mine.png"))
        assert "is a folder; --plot needs" in refused(command, "--plot", str(tmp_path / "folder.svg"))
        assert "There is no folder" in refused(command, "--plot", str(tmp_path / "no" / "x.png"))
        both = str(tmp_path / "both.svg")
        assert "--plot and --output both name" in refused(command, "--plot", both, "--output", both, status=2)
    assert (tmp_path / "mine.png").read_text() == "mine"


def test_force_draws_over_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.png"
    path.write_text("mine")
    assert calc("trace", "--plot", str(path), "--force").status == 0
    assert path.read_bytes().startswith(b"\x89PNG")


@every_command
def test_without_matplotlib_it_says_what_to_install(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("rnn_calc.show.matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    message = refused(command, "--plot", "x.png")
    assert message == "--plot needs matplotlib, which is not installed: pip install 'rnn-calc[plot]'"
    assert calc(command).status == 0


def test_a_matplotlib_that_does_not_start_is_no_traceback(tmp_path: Path) -> None:
    result = process("trace", "--plot", str(tmp_path / "x.png"), MPLBACKEND="nonsense")
    assert result.returncode == 1
    assert result.stderr.startswith(b"rnncalc: --plot needs matplotlib, which does not start: ")
    assert result.stderr.count(b"\n") == 1


def test_a_picture_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    with mock.patch(DRAWING, side_effect=OSError(28, "No space left")):
        assert "cannot be written: no space left" in refused("trace", "--plot", str(path))
    assert not list(tmp_path.iterdir())


def test_a_closed_pipe_has_its_picture(tmp_path: Path) -> None:
    path = tmp_path / "x.svg"
    result = process("trace", "--steps", "20", "--plot", str(path))
    assert (result.returncode, path.exists()) == (0, True)
    assert result.stderr.decode() == f"rnncalc: plotted '{path}'\n"


def test_a_sequence_from_a_pipe_is_traced_and_drawn(tmp_path: Path) -> None:
    path = tmp_path / "x.svg"
    args = ("trace", "--sequence", "-", "--format", "csv")
    drawn = calc(*args, "--plot", str(path), stdin=b"1,2\n3,4\n")
    assert drawn.out == calc(*args, stdin=b"1,2\n3,4\n").out
    assert path.exists()


@pytest.mark.parametrize("cell", CELLS)
def test_a_trace_draws_states_and_gates_but_no_pre_activation(cell: str, tmp_path: Path) -> None:
    text = svg(tmp_path / "x.svg", "trace", "--cell", cell, "-H", "2")
    titles = re.findall(r">(\S+)_t: ", text)
    assert set(CELLS[cell].state) <= set(titles)
    assert not [title for title in titles if title.startswith("a^") or (title == "z" and cell in ("rnn", "indrnn"))]
    # Each has a line for both units.
    assert len(re.findall(r'id="picture-\d+-curve-\d+"', text)) == 2 * len(titles)


def test_a_trace_draws_the_units_and_the_layer_that_are_asked_for(tmp_path: Path) -> None:
    stack = ("trace", "--cell", "gru", "--layers", "2", "--d-h", "9")
    text = svg(tmp_path / "a.svg", *stack, "--layer", "1", "--unit", "3", "--unit", "7")
    assert ">h^(1)_t: " in text
    assert "h^(2)" not in text
    assert set(re.findall(r">(unit \d)<", text)) == {"unit 3", "unit 7"}
    # Nine units are rows, and no lines.
    assert "curve" not in svg(tmp_path / "b.svg", *stack)


def test_words_are_ticks(tmp_path: Path) -> None:
    text = svg(tmp_path / "x.svg", "trace", "--text", "the cat sat", "-H", "8")
    for tick in ("0", "1 the", "2 cat", "3 sat"):
        assert f">{tick}</text>" in text


def test_a_decay_draws_norm_bound_and_threshold(tmp_path: Path) -> None:
    text = svg(tmp_path / "x.svg", "gradient-decay", "--threshold", "0.01")
    assert len(re.findall(r'id="picture-1-curve-\d+"', text)) == 3
    for word in ("norm", "bound", "threshold 0.01", "lag (steps)", "‖∂h_T/∂h_{T−lag}‖₂"):
        assert f">{word}</text>" in text


def test_several_networks_have_a_picture_for_each_state(tmp_path: Path) -> None:
    text = svg(tmp_path / "x.svg", "gradient-decay", "--cell", "lstm", "--spectral-radius", "0.5,1,1.5")
    assert re.findall(r'id="(picture-\d+-curve-\d+)"', text) == [f"picture-{p}-curve-{c}" for p in "12" for c in "1234"]
    assert text.count(">ρ = 1.5</text>") == 2


def test_the_drawn_norms_are_those_of_the_report(tmp_path: Path) -> None:
    with mock.patch(DRAWING) as drawing:
        lags = json.loads(calc("gradient-decay", "--json", "--plot", str(tmp_path / "x.svg")).out)["lags"]
    (chart,) = drawing.call_args.args[0]
    norm, bound, _ = chart.curves
    assert np.array_equal(norm.x, [entry["lag"] for entry in lags])
    assert np.array_equal(norm.y, [entry["log10_norm"] for entry in lags])
    assert np.array_equal(bound.y, [entry["log10_bound"] for entry in lags])


def test_the_drawn_states_are_those_of_the_report(tmp_path: Path) -> None:
    with mock.patch(DRAWING) as drawing:
        report = json.loads(calc("trace", "-H", "8", "--json", "--plot", str(tmp_path / "x.svg")).out)
    (picture,) = drawing.call_args.args[0]
    assert np.array_equal(picture.values.T, [report["h0"], *(step["h"] for step in report["steps"])])
    assert picture.x_ticks == tuple("012345")


def test_drawing_takes_no_global_figure(tmp_path: Path) -> None:
    code = "import sys\nfrom rnn_calc.cli import run\nassert not run(sys.argv[1:])\n"
    code += "assert 'matplotlib' in sys.modules\nassert 'matplotlib.pyplot' not in sys.modules"
    args = ("trace", "--plot", str(tmp_path / "x.png"))
    subprocess.run([sys.executable, "-c", code, *args], env=environment(), stdout=subprocess.DEVNULL, check=True)


@every_command
def test_the_help_names_it(command: str) -> None:
    assert re.search(r"--plot FILE .*\.png, \.svg or \.pdf", calc(command, "--help", columns=100).out)
