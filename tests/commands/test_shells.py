"""Completion in bash, zsh and fish themselves, installed as a user would; skipped where a shell is not there."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from select import select

import pytest

from tests.commandline import RNNCALC, calc, process, refused
from tests.commands.test_completion import write_layers

SHELLS = ("bash", "zsh", "fish")
# A line, and the words that it is when a tab has completed it.
COMPLETED = [
    ("rnncalc shapes --cell lstm-", ["rnncalc", "shapes", "--cell", "lstm-peephole"]),
    ("rnncalc shapes --cell=lstm-", ["rnncalc", "shapes", "--cell=lstm-peephole"]),
    ("rnncalc compare --cells rnn,gru-", ["rnncalc", "compare", "--cells", "rnn,gru-reset-before"]),
    ("rnncalc gradient-d", ["rnncalc", "gradient-decay"]),
    ("rnncalc trace --example cat", ["rnncalc", "trace", "--example", "cat-sat-here"]),
    ("rnncalc sweep --over cell=rnn,gru-", ["rnncalc", "sweep", "--over", "cell=rnn,gru-reset-before"]),
    ("rnncalc sweep --over spectral-r", ["rnncalc", "sweep", "--over", "spectral-radius="]),
    ("rnncalc trace --model net.s", ["rnncalc", "trace", "--model", "net.safetensors"]),
    ("rnncalc trace --sequence @net.s", ["rnncalc", "trace", "--sequence", "@net.safetensors"]),
    ("rnncalc trace --output=net.s", ["rnncalc", "trace", "--output=net.safetensors"]),
    (
        "rnncalc trace --model net.safetensors --layer pl",
        [*["rnncalc", "trace", "--model", "net.safetensors", "--layer", "plain"]],
    ),
    (
        "rnncalc trace --model net.safetensors --layer '$",
        [*["rnncalc", "trace", "--model", "net.safetensors", "--layer"], '$(touch made) `x` "q"'],
    ),
    (
        "rnncalc trace --model net.safetensors --layer \\$",
        [*["rnncalc", "trace", "--model", "net.safetensors", "--layer"], '$(touch made) `x` "q"'],
    ),
    ("rnncalc trace --model broken.pt --layer x", [*["rnncalc", "trace", "--model", "broken.pt", "--layer", "x"]]),
]

STARTED = {
    "bash": ["bash", "--noprofile", "-i"],
    "zsh": ["zsh", "-d", "-i"],
    "fish": ["fish", "--interactive"],
}
PREPARED = {
    "bash": "PS1=''; PS2=''; bind 'set enable-bracketed-paste off'; bind 'set bell-style none'",
    "zsh": "PS1=''; unset zle_bracketed_paste; bindkey -e; setopt no_beep",
}


def installed(shell: str, home: Path) -> dict[str, str]:
    """The environment of a user who has installed completion for the shell, in a home that is empty otherwise."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    home.mkdir()
    kept = ("LANG", "LC_ALL", "SYSTEMROOT")
    environment = {name: value for name, value in os.environ.items() if name in kept}
    environment |= {"HOME": str(home), "TERM": "dumb", "PYTHONUTF8": "1", "SHELL": f"/usr/bin/{shell}"}
    environment["PATH"] = os.pathsep.join([str(Path(RNNCALC).parent), os.environ["PATH"]])
    subprocess.run([RNNCALC, "--install-completion"], env=environment, check=True, capture_output=True, timeout=60)
    return environment


def typed(shell: str, lines: list[str], environment: Mapping[str, str], folder: Path) -> list[list[str]]:
    """The words of each line after a tab at its end, in an interactive shell on a terminal of its own."""
    keyboard, terminal = pty.openpty()
    child = subprocess.Popen(
        STARTED[shell],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=dict(environment),
        cwd=folder,
        start_new_session=True,
    )
    os.close(terminal)
    result = folder / "words"

    def wait_for(count: int) -> None:
        end = time.monotonic() + 30
        while not (result.exists() and result.read_text("utf-8").count("\x1e") == count):
            assert time.monotonic() < end, f"{shell} does not answer"
            # What it echoes is of no interest, but a terminal that nobody reads is full some day.
            if select([keyboard], [], [], 0.02)[0]:
                os.read(keyboard, 65536)

    try:
        result.unlink(missing_ok=True)
        os.write(keyboard, f"{PREPARED[shell]}; printf '\\036' > words\n".encode())
        wait_for(1)
        for number, line in enumerate(lines, start=2):
            # To the start of the line, and to its end: the completed words become those of printf.
            os.write(keyboard, line.encode() + b"\t\x01printf '\\037%s' \x05 >> words; printf '\\036' >> words\n")
            wait_for(number)
    finally:
        child.kill()
        child.wait()
        os.close(keyboard)
    _, *answers = result.read_text("utf-8").split("\x1e")[:-1]
    return [answer.split("\x1f")[1:] for answer in answers]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a checkpoint of three layers, two of whose names are dangerous, and one that is none."""
    place = tmp_path / "work"
    place.mkdir()
    write_layers(place / "net.safetensors", ["plain", '$(touch made) `x` "q"', "\x1b[31mred"])
    (place / "broken.pt").write_bytes(b"PK\x03\x04 and no more")
    return place


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_tab_completes_the_line(shell: str, folder: Path, tmp_path: Path) -> None:
    environment = installed(shell, tmp_path / "home")
    found = typed(shell, [line for line, _ in COMPLETED], environment, folder)
    assert found == [words for _, words in COMPLETED]
    assert not (folder / "made").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_quote_in_a_name_does_not_end_the_word_that_is_completed(shell: str, tmp_path: Path) -> None:
    environment = installed(shell, tmp_path / "home")
    name = "it's; touch made; 'x"
    write_layers(tmp_path / "net.safetensors", [name, "plain"])
    before = "rnncalc trace --model net.safetensors --layer "
    lines = [before + begun for begun in ("it", "'it", '"it')]
    found = typed(shell, lines, environment, tmp_path)
    assert [words[-1] for words in found] == [name] * 3
    assert not (tmp_path / "made").exists()


def in_fish(line: str, environment: Mapping[str, str], folder: Path) -> list[str]:
    command = ["fish", "-c", "complete --do-complete $argv[1]", line]
    result = subprocess.run(command, env=dict(environment), cwd=folder, capture_output=True, check=True, timeout=60)
    assert result.stderr == b""
    return result.stdout.decode().splitlines()


def test_fish_lists_what_completes_the_line(folder: Path, tmp_path: Path) -> None:
    environment = installed("fish", tmp_path / "home")
    for line, words in COMPLETED:
        expected = [] if "broken" in line else [words[-1]]
        assert [found.split("\t")[0] for found in in_fish(line, environment, folder)] == expected, line
    assert in_fish("rnncalc shapes --cell lst", environment, folder)[0] == "lstm\tlong short-term memory"
    assert not (folder / "made").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_installing_says_what_was_written_and_what_to_do_next(shell: str, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": "", "ZDOTDIR": "", "SHELL": "/bin/sh"}
    result = process("--install-completion", shell, stdin=b"", **home)
    assert (result.returncode, result.stderr) == (0, b"")
    said = result.stdout.decode()
    script = {
        "bash": tmp_path / ".local/share/rnncalc/completion.bash",
        "zsh": tmp_path / ".local/share/rnncalc/completion.zsh",
        "fish": tmp_path / ".config/fish/completions/rnncalc.fish",
    }[shell]
    assert script.read_text("utf-8") == calc("--show-completion", shell).out
    assert f"'{script}'" in said
    assert f"Every new {shell} completes rnncalc" in said
    if shell != "fish":
        assert f"'{tmp_path / f'.{shell}rc'}'" in said
        assert said.endswith(f"this one after: . {script}\n")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_installing_twice_adds_one_line_and_keeps_what_was_there(shell: str, tmp_path: Path) -> None:
    start = tmp_path / f".{shell}rc"
    start.write_bytes(b"# m\xfcde\nalias a=b")
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": "", "ZDOTDIR": ""}
    for _ in range(2):
        assert process("--install-completion", shell, stdin=b"", **home).returncode == 0
    first, second, added = start.read_bytes().splitlines()
    assert (first, second) == (b"# m\xfcde", b"alias a=b")
    assert added.startswith(b"[ -f ")


def test_a_home_with_a_blank_and_a_quote_in_its_name_is_one_word(tmp_path: Path) -> None:
    home = tmp_path / "a b'c"
    environment = installed("bash", home)
    assert typed("bash", ["rnncalc shapes --cell lstm-"], environment, tmp_path)[0][-1] == "lstm-peephole"


def test_a_home_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / ".local").write_bytes(b"")
    result = process("--install-completion", "bash", HOME=str(tmp_path), XDG_DATA_HOME="")
    assert result.returncode == 1
    assert b"cannot be written" in result.stderr


def test_a_shell_that_there_is_no_script_for_names_those_that_there_are() -> None:
    said = refused("--show-completion", "bsh", status=2)
    assert said == "There is no completion for the shell 'bsh'; it must be bash, zsh or fish. Did you mean bash?"
    result = process("--install-completion", SHELL="/bin/tcsh")
    assert result.returncode == 2
    assert b"$SHELL is 'tcsh'; name one: --install-completion bash, zsh or fish." in result.stderr
