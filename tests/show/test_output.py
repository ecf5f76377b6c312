"""Where the result goes: into a whole file or into none."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnn_calc.cli import run
from tests.commandline import calc, refused


def test_an_existing_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("mine")
    assert "exists; add --force to write over it" in refused("trace", "--output", str(path))
    assert path.read_text() == "mine"


def test_force_replaces_a_file_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("mine")
    path.chmod(0o600)
    assert calc("trace", "--output", str(path), "--force").status == 0
    assert path.read_text().startswith("t,x[1]")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.fixture
def bad_csv(tmp_path: Path) -> Path:
    """5,000 steps are read as they are used; the last line is wrong."""
    path = tmp_path / "bad.csv"
    path.write_text("1,2\n" * 4999 + "1,x\n")
    return path


def test_an_error_in_mid_stream_leaves_nothing(tmp_path: Path, bad_csv: Path) -> None:
    for name in ("t.csv", "t.json"):
        message = refused("trace", "--sequence", str(bad_csv), "--output", str(tmp_path / name))
        assert "line 5000, number 2: 'x' is no number" in message
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]


def test_an_error_in_mid_stream_keeps_the_file_that_force_would_replace(tmp_path: Path, bad_csv: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("mine")
    refused("trace", "--sequence", str(bad_csv), "--output", str(path), "--force")
    assert path.read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_link_stays_a_link_and_its_target_is_written(tmp_path: Path) -> None:
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    target.write_text("mine")
    link.symlink_to(target)
    assert "exists" in refused("shapes", "--output", str(link))
    assert calc("shapes", "--output", str(link), "--force").status == 0
    assert link.is_symlink()
    assert target.read_text().startswith("rnn (tanh)")


def test_a_link_to_nothing_makes_its_target(tmp_path: Path) -> None:
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "target.txt")
    assert calc("shapes", "--output", str(link)).status == 0
    assert link.is_symlink()
    assert (tmp_path / "target.txt").is_file()


def test_a_device_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    """With --force as root, moving a file onto /dev/null would leave a machine without it."""
    device = tmp_path / "null.csv"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        device.open("wb").close()
    except OSError:
        pytest.skip("only root makes devices")
    for flags in ([], ["--force"]):
        assert calc("trace", "--output", str(device), *flags).status == 0
        assert device.is_char_device()


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Root may write everywhere, so it must be nobody for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_may_not_be_written_is_an_error(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    calc("shapes")  # whatever is imported late must be there already
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    tmp_path.chmod(0o555)
    request.getfixturevalue("unprivileged")
    assert "cannot be written: permission denied" in refused("shapes", "--output", str(tmp_path / "t.txt"))


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("", 1, "is a folder; --output needs the name of a file"),
        ("nowhere/t.txt", 1, "There is no folder"),
        ("t.foo", 2, "end it in .txt, .json"),
        ("t", 2, "cannot be told from its name"),
        ("a" * 300 + ".txt", 1, "cannot be written: file name too long"),
        ("t.npz", 2, "rnncalc shapes has no arrays to write; take table, json, csv, markdown, latex, html or svg."),
    ],
)
def test_a_name_that_cannot_be_written_says_why(tmp_path: Path, name: str, status: int, said: str) -> None:
    assert said in refused("shapes", "--output", f"{tmp_path}/{name}", status=status)
    assert list(tmp_path.iterdir()) == []


def test_an_explicit_format_wins_over_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "t.dat"
    assert calc("shapes", "--json", "--output", str(path)).status == 0
    assert json.loads(path.read_text())["command"] == "shapes"


def test_run_gives_the_exit_status_and_never_raises(capsys: pytest.CaptureFixture[str]) -> None:
    assert [run(["shapes"]), run(["shapes", "--d-in", "0"]), run(["trace", "--sequence", "x"])] == [0, 2, 1]
    assert capsys.readouterr().err.count("rnncalc: ") == 2


def test_a_link_laid_where_the_unfinished_file_will_be_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (tmp_path / f".t.json.{os.getpid()}.partial").symlink_to(precious)
    result = calc("shapes", "--output", str(tmp_path / "t.json"))
    assert (result.status, precious.read_text()) == (1, "kept")
    assert "cannot be written" in result.err
