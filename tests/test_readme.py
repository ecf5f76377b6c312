"""What the README shows is what the program prints; UPDATE_GOLDEN=1 writes it anew."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rnn_calc.cli import COMMANDS

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
CONSOLE = re.compile(r"^```console\n(\$ [^\n]+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PYTHON = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")},
    "COLUMNS": "80",
    "PYTHONUTF8": "1",
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}


def shell(command: str) -> str:
    result = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    return result.stdout


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True
    ).stdout


def test_every_console_block_shows_real_output() -> None:
    text = README.read_text("utf-8")
    shown = CONSOLE.findall(text)
    assert len(shown) >= 5
    if os.environ.get("UPDATE_GOLDEN"):
        text = CONSOLE.sub(lambda m: f"```console\n{m[1]}\n{shell(m[1].removeprefix('$ '))}```", text)
        text = PYTHON.sub(lambda m: f"```python\n{m[1]}```\n\n```text\n{python(m[1])}```", text)
        README.write_text(text, "utf-8")
    for prompt, output in CONSOLE.findall(text):
        assert output == shell(prompt.removeprefix("$ ")), prompt
        assert output.strip(), prompt


def test_the_python_block_prints_what_it_says() -> None:
    ((code, output),) = PYTHON.findall(README.read_text("utf-8"))
    assert output == python(code)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_line_in_the_readme(command: str) -> None:
    assert f"rnncalc {command}" in README.read_text("utf-8")


def test_the_toml_block_is_a_model_file_whose_values_are_met(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```$", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert tomllib.loads(block)
    model = tmp_path / "model.toml"
    model.write_text(block, "utf-8")
    command = f"rnncalc trace --model {shlex.quote(str(model))} --check"
    assert "4 of 4 met" in shell(command)
    assert subprocess.run(["bash", "-c", command], env=ENVIRONMENT, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("picture", ["gradient-decay", "shapes"])
def test_a_picture_is_what_the_command_beside_it_draws(picture: str, tmp_path: Path) -> None:
    (command,) = re.findall(rf"`(rnncalc .*) -O docs/{picture}.svg`", README.read_text("utf-8"))
    drawn, kept = tmp_path / "drawn.svg", ROOT / "docs" / f"{picture}.svg"
    shell(f"{command} -O {shlex.quote(str(drawn))}")
    if os.environ.get("UPDATE_GOLDEN"):
        kept.write_bytes(drawn.read_bytes())
    # Last digits of the curve's shape may differ between BLAS builds; the words may not.
    words = re.compile(r">([^<]*[A-Za-z]{3,}[^<]*)</text>")
    assert words.findall(drawn.read_text("utf-8")) == words.findall(kept.read_text("utf-8"))


def test_every_picture_in_docs_is_shown() -> None:
    shown = re.findall(r"\]\(docs/([a-z-]+)\.svg\)", README.read_text("utf-8"))
    assert sorted(shown) == sorted(path.stem for path in (ROOT / "docs").glob("*.svg"))


def test_the_set_up_commands_are_the_two_that_ci_and_people_run() -> None:
    (block,) = re.findall(r"^```sh\n(.*?)^```$", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    first, second = block.splitlines()
    assert first.endswith("rnncalc shapes")
    assert second.endswith("-m pytest")
