"""rnncalc sweep: each point is what gradient-decay says of it, however many processes and interruptions it took."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest

from rnn_calc.commands.workers import cores
from tests.commandline import RNNCALC, calc, environment, refused

# Small enough to be quick, long enough to be chaotic somewhere.
SMALL = ("--d-h", "24", "--steps", "60", "--over", "spectral-radius=0.5,3", "--over", "gain=0.1,1")


def swept(*args: str) -> dict[str, Any]:
    result = calc("sweep", *args, "--json")
    assert result.status == 0, result.err
    document: dict[str, Any] = json.loads(result.out)
    return document


def decayed(*args: str) -> dict[str, Any]:
    result = calc("gradient-decay", *args, "--json")
    assert result.status == 0, result.err
    document: dict[str, Any] = json.loads(result.out)
    return document


def test_every_point_is_what_gradient_decay_says_of_it_alone() -> None:
    document = swept(*SMALL)
    assert (document["schema"], document["command"]) == (1, "sweep")
    assert [axis["name"] for axis in document["axes"]] == ["spectral_radius", "gain"]
    for point in document["points"]:
        at = point["at"]
        radius, gain = str(at["spectral_radius"]), str(at["gain"])
        alone = decayed("--d-h", "24", "--steps", "60", "--spectral-radius", radius, "--gain", gain)
        # BLAS may use more threads there; chaos makes 1e−16 of the state e^(0.5·60) times as large.
        tolerance = 1e-2 if point["phase"] == "chaotic" else 1e-9
        assert point["log10_norm"] == pytest.approx(alone["lags"][-1]["log10_norm"], rel=tolerance)
        assert point["rate_per_step"] == pytest.approx(alone["rate_per_step"], rel=tolerance)
        assert point["verdict"] == alone["verdict"]
    phases = {(p["at"]["spectral_radius"], p["at"]["gain"]): p["phase"] for p in document["points"]}
    assert phases[(0.5, 1.0)] == "vanishing"
    assert phases[(3.0, 0.1)] == "chaotic"


@pytest.mark.parametrize(
    ("args", "phases"),
    [
        (("-a", "identity", "--over", "spectral-radius=0.5,1.5", "--inputs", "zeros"), ["vanishing", "exploding"]),
        (("-a", "identity", "--init", "orthogonal", "--over", "steps=50,100"), ["steady", "steady"]),
        # From rest nothing moves; from a state that is drawn, a large tanh network on its own is chaotic.
        (("--inputs", "zeros", "--gain", "3", "--over", "d-h=128"), ["exploding"]),
        (("--inputs", "zeros", "--gain", "3", "--h0", "gaussian", "--over", "d-h=128"), ["chaotic"]),
        # A forget gate that is open keeps the cell state; one that is shut does not.
        (("--cell", "lstm", "--over", "forget-bias=-4,4", "--gain", "0.1", "--steps", "40"), ["vanishing", "steady"]),
        (("-a", "identity", "--over", "spectral-radius=2", "--steps", "3000"), ["exploding"]),
    ],
    ids=" ".join,
)
def test_known_networks_are_in_their_phase(args: tuple[str, ...], phases: list[str]) -> None:
    assert [point["phase"] for point in swept(*args)["points"]] == phases


def test_a_state_that_outgrew_float64_has_no_numbers() -> None:
    (point,) = swept("-a", "relu", "--over", "gain=30", "--steps", "400")["points"]
    assert (point["phase"], point["outgrown"], point["log10_norm"], point["lyapunov"]) == ("exploding", 1, None, None)
    shown = calc("sweep", "-a", "relu", "--over", "gain=30", "--steps", "400").out
    assert "Where a state outgrew float64" in shown


def test_an_exact_zero_is_said_to_be_one() -> None:
    example = ("--model", "-")
    assert "stdin can be read only once" in refused(
        "sweep", *example, "--over", "steps=5", status=2, stdin=b"d_h = 2\n"
    )
    (point,) = swept("-a", "relu", "--init", "identity", "--gain", "-1", "--over", "d-h=2", "--steps", "20")["points"]
    assert point["log10_norm"] is None
    assert point["zero"]
    assert point["phase"] == "vanishing"


def test_jobs_and_repeats_change_no_number_but_the_median() -> None:
    one, two = (calc("sweep", *SMALL, "--repeats", "3", "--jobs", jobs, "-f", "csv") for jobs in ("1", "2"))
    assert (one.status, one.err) == (0, "")
    assert one.out == two.out
    rows = list(csv.DictReader(io.StringIO(one.out)))
    seeds = swept(*SMALL[:4], "--over", "spectral-radius=0.5", "--over", "gain=0.1", "--over", "seed=0,1,2")["points"]
    assert float(rows[0]["lyapunov"]) == sorted(seed["lyapunov"] for seed in seeds)[1]
    assert (rows[0]["agreeing"], rows[0]["runs"]) == ("3", "3")


def test_names_are_axes_and_arrays_have_the_shape_of_the_grid(tmp_path: Path) -> None:
    path = tmp_path / "cells.npz"
    args = ("--over", "cell=rnn,lstm,gru", "--over", "steps=10,20", "--d-h", "4", "--output", str(path))
    assert calc("sweep", *args).status == 0
    with np.load(path) as arrays:
        assert arrays["log10_norm"].shape == arrays["phase"].shape == (3, 2)
        assert arrays["axis_steps"].tolist() == [10, 20]
        assert "axis_cell" not in arrays


def test_the_printed_commands_give_the_same_numbers_again() -> None:
    first = swept(*SMALL, "--seed", "4")
    again, alone = (next(n for n in first["notes"] if n.startswith(what)) for what in ("Again: ", "The first point"))
    _, command, *words = shlex.split(again.removeprefix("Again: "))
    assert command == "sweep"
    assert swept(*words) == first
    _, command, *words = shlex.split(alone.partition(": ")[2])
    assert command == "gradient-decay"
    assert decayed(*words)["lags"][-1]["log10_norm"] == pytest.approx(first["points"][0]["log10_norm"], rel=1e-9)


def test_one_axis_is_curves_and_three_are_a_map_for_each_value_of_the_third() -> None:
    one = calc("sweep", "--d-h", "4", "--steps", "20", "--over", "gain=0.5,1,2").out
    assert "The largest Lyapunov exponent" in one
    assert "Phases\n" in one
    three = calc(
        *("sweep", "--d-h", "4", "--steps", "20"),
        *("--over", "gain=0.5,1", "--over", "d-h=2,3", "--over", "cell=rnn,gru"),
    )
    assert three.status == 2
    assert "--d-h is swept over" in three.err
    args = ("--over", "gain=0.5,1", "--over", "d-h=2,3", "--over", "cell=rnn,gru")
    three = calc("sweep", "--steps", "20", *args)
    assert "Phases at cell rnn" in three.out
    assert "Phases at cell gru" in three.out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--over", "spectral-radius=1", "--cell", "mingru"), "The cell mingru has no recurrent matrix"),
        (("--over", "spectral-radius=1", "--over", "cell=rnn,minlstm"), "The cell minlstm has no recurrent matrix"),
        (("--over", "forget-bias=1"), "The cell rnn has no forget gate"),
        (("--over", "forget-bias=1", "--cell", "lstm", "--biases", "0"), "no bias in its forget gate"),
        (("--over", "gain=1", "--gain", "2"), "--gain is swept over"),
        (("--over", "gaim=1"), "Did you mean gain?"),
        (("--over", "activation=tanh,relu", "--cell", "mingru"), "has no activation to choose"),
        (("--over", "steps=5,6", "--sequence", "1,2,3"), "--steps draws a sequence, but there is one already"),
        (("--sequence", "-"), "stdin can be read only once"),
        (("--resume",), "--resume goes on with an unfinished --output FILE"),
        (("--jobs", "0"), "--jobs must be at least 1"),
        (("--repeats", "0"), "--repeats must be at least 1"),
        (("--check",), "sweep has nothing to check"),
    ],
)
def test_what_cannot_be_swept_is_said_before_anything_is_measured(args: tuple[str, ...], said: str) -> None:
    assert said in refused("sweep", *args, status=2)


def test_a_network_that_holds_its_weights_is_swept_without_a_gain_by_default() -> None:
    page = calc("sweep", "--example", "tiny")
    assert page.status == 0, page.err
    assert "Again: rnncalc sweep --example tiny --over spectral-radius=0.5:3:11\n" in page.out


def test_what_would_not_fit_in_memory_is_said_before_anything_is_measured() -> None:
    message = refused("sweep", "--over", "d-h=4,10000000")
    assert message.startswith("The point d-h 10000000 needs ")
    assert "100,000" in refused("sweep", "--over", "seed=0:199999:200000")


def test_an_error_of_a_run_names_its_point() -> None:
    message = refused("sweep", "--over", "gain=0,1", "--over", "spectral-radius=1")
    assert message.startswith("At gain 0, spectral-radius 1: W_hh has a spectral radius of 0")


def started(*args: str) -> subprocess.Popen[bytes]:
    # What runs in a background may ignore the interrupt.
    heed = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", heed, RNNCALC, "sweep", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )


def wait_for_lines(path: Path, count: int) -> None:
    limit = time.monotonic() + 60
    while not (path.exists() and path.read_bytes().count(b"\n") >= count):
        assert time.monotonic() < limit
        time.sleep(0.01)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_sweep_goes_on_to_the_same_bytes(tmp_path: Path, ending: signal.Signals) -> None:
    args = ("--d-h", "48", "--steps", "150", "--over", "spectral-radius=0.5:3:8", "--over", "gain=0.1,1", "--jobs", "1")
    whole = calc("sweep", *args, "-f", "json").out
    path, partial = tmp_path / "out.json", tmp_path / "out.json.partial"
    process = started(*args, "--output", str(path))
    wait_for_lines(partial, 4)
    process.send_signal(ending)
    _, said = process.communicate(timeout=30)
    assert not path.exists()
    kept = partial.read_bytes().count(b"\n") - 1
    assert 3 <= kept < 16
    if ending == signal.SIGINT:
        assert process.returncode == 130
        assert f"{kept} of 16 runs are kept in '{partial}'; the same command with --resume goes on." in said.decode()
    assert "runs of an unfinished sweep" in refused("sweep", *args, "--output", str(path))
    # Another seed is another sweep.
    assert "is of another sweep" in refused("sweep", *args, "--seed", "1", "--output", str(path), "--resume")
    # Another number of processes is not.
    result = calc("sweep", *args[:-2], "--jobs", "2", "--output", str(path), "--resume")
    assert (result.status, result.err) == (0, "")
    assert path.read_text() == whole
    assert not partial.exists()
    assert "exists" in refused("sweep", *args, "--output", str(path), "--resume")


def test_another_sweep_s_journal_stands_in_the_way_until_force(tmp_path: Path) -> None:
    path, partial = tmp_path / "out.csv", tmp_path / "out.csv.partial"
    args = ("--d-h", "3", "--steps", "10", "--over", "gain=0.5,1,2", "--output", str(path))
    process = started("--d-h", "48", "--steps", "400", "--over", "gain=0.5,1,2", "--jobs", "1", "--output", str(path))
    wait_for_lines(partial, 2)
    process.kill()
    process.communicate()
    assert "is of another sweep" in refused("sweep", *args, "--resume")
    assert calc("sweep", *args, "--force").status == 0
    assert not partial.exists()


def test_runs_that_are_there_are_not_measured_again(tmp_path: Path) -> None:
    path, partial = tmp_path / "out.csv", tmp_path / "out.csv.partial"
    args = ("--d-h", "48", "--steps", "200", "--over", "gain=0.5:2:12", "--jobs", "1", "--output", str(path))
    process = started(*args)
    wait_for_lines(partial, 4)
    process.kill()
    process.communicate()
    # Another number for the first run, with its right checksum, comes out as it stands.
    head, line, *rest = partial.read_bytes().split(b"\n")
    record = json.loads(line[9:]) | {"lyapunov": -123.5}
    text = json.dumps(record).encode()
    partial.write_bytes(b"\n".join((head, b"%08x %s" % (crc32(text), text), *rest)))
    assert calc("sweep", *args, "--resume").status == 0
    with path.open() as file:
        assert [float(row["lyapunov"]) for row in csv.DictReader(file)].count(-123.5) == 1


def test_a_model_that_has_changed_is_another_sweep(tmp_path: Path) -> None:
    model, path = tmp_path / "m.toml", tmp_path / "out.csv"
    model.write_text("d_h = 40\n")
    args = ("--model", str(model), "--steps", "300", "--over", "seed=0:19:20", "--jobs", "1", "--output", str(path))
    process = started(*args)
    wait_for_lines(tmp_path / "out.csv.partial", 2)
    process.kill()
    process.communicate()
    model.write_text("d_h = 41\n")
    assert "a file it reads was another one" in refused("sweep", *args, "--resume")


def child_of(process: subprocess.Popen[bytes]) -> int:
    """The process that measures, as soon as there is one."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not listed.exists():
        process.kill()
        process.communicate()
        pytest.skip("this system does not list a process's children")
    limit = time.monotonic() + 30
    while not (children := listed.read_text().split()):
        assert time.monotonic() < limit
        time.sleep(0.05)
    return int(children[0])


def test_a_process_that_is_ended_from_outside_is_said_with_its_point(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    process = started("--d-h", "64", "--steps", "200000", "--over", "gain=1,2", "--jobs", "1", "--output", str(path))
    os.kill(child_of(process), signal.SIGKILL)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert said.decode().startswith("rnncalc: At gain 1: the process that measured it was ended from outside")


def test_a_process_ends_with_its_parent_whatever_is_under_way(tmp_path: Path) -> None:
    process = started(
        "--d-h", "64", "--steps", "200000", "--over", "gain=1", "--jobs", "1", "-O", str(tmp_path / "o.csv")
    )
    child = child_of(process)
    time.sleep(0.3)
    process.kill()
    process.communicate()
    limit = time.monotonic() + 20
    while Path(f"/proc/{child}/stat").exists() and Path(f"/proc/{child}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_as_many_processes_as_there_are_cores() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)


def test_a_folder_with_modules_of_its_own_does_not_get_into_the_way(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('wrong numpy')\n")
    done = subprocess.run(
        [RNNCALC, "sweep", "--d-h", "3", "--steps", "10", "--over", "gain=1", "-f", "csv"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
