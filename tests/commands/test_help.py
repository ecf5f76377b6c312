"""Every command has help, and every example in it works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from rnn_calc.cli import COMMANDS
from tests.commandline import SCREEN, WRITING, calc, refused


def examples(*command: str) -> list[str]:
    text = calc(*command, "--help", columns=100).out
    lines = re.findall(r"^  rnncalc (.*)$", text.split("Options:")[0], re.MULTILINE)
    # What stands behind two blanks explains the line; what stands behind > is the shell's.
    return [re.split(r"\s{2,}|\s>\s", line)[0] for line in lines]


@pytest.mark.parametrize("command", [(), *((name,) for name in WRITING)], ids=" ".join)
def test_every_example_of_the_help_is_exit_0(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = examples(*command)
    assert lines
    for line in lines:
        # A million steps are tried by hand.
        result = calc(*shlex.split(line.replace("1000000", "1000") if "csv" in line else line))
        # --got asks about a shape that is wrong on purpose.
        assert result.status == (1 if "--got" in line else 0), (line, result.err)
        assert result.out


def test_every_example_of_the_screen_s_help_is_right_but_for_the_terminal_that_it_needs() -> None:
    lines = [shlex.split(line) for line in examples(SCREEN)]
    assert len([words for words in lines if "--web" not in words]) >= 2
    for words in lines:
        shown = [word for word in words if word not in ("--web", "--port", "8080")]
        assert refused(*shown, status=2).startswith("ui draws on a terminal")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_opens_with_at_least_two_examples(command: str) -> None:
    usage, sentence, shown, *_ = calc(command, "--help", columns=100).out.split("\n\n")
    assert usage.startswith(f"Usage: rnncalc {command} ")
    assert sentence.startswith("  ")
    assert len(sentence.splitlines()) <= 2
    lines = shown.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith("  rnncalc ") for line in lines)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_two_letters_too_and_names_every_option(command: str) -> None:
    text = calc(command, "-h", columns=100).out
    assert text == calc(command, "--help", columns=100).out
    assert bool(re.search(r"^  -f, --format", text, re.MULTILINE)) is (command in WRITING)
    for option in re.findall(r"--[a-z-]+", text.split("Options:")[1]):
        assert option in text


def test_no_command_at_all_is_the_help() -> None:
    assert calc().out == calc("--help").out
    assert calc().status == 0


def test_the_version_is_the_package_s() -> None:
    assert re.fullmatch(r"rnncalc \d+\.\d+\.\d+\n", calc("--version").out)


@pytest.mark.parametrize("command", WRITING)
def test_every_command_runs_without_any_argument(command: str) -> None:
    assert calc(command).status == 0


def test_the_screen_without_a_terminal_names_what_works_without_one() -> None:
    said = refused(SCREEN, status=2)
    assert "`rnncalc shapes`" in said
    assert "--web" in said


def test_the_list_of_commands_is_not_cut_short() -> None:
    assert "..." not in calc("--help").out.split("Commands:")[1]
