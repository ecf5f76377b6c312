"""What shells are told when they ask: the values, and nothing else, whatever the line and its files hold."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from unittest import mock

import pytest

from rnn_calc.cli import COMMANDS
from tests.commandline import calc, process

# What bash breaks words at unless it is told otherwise.
BREAKS = " \t\n\"'@><=;|&(:"


def asked(shell: str, *words: str) -> list[str]:
    """The lines that a shell gets for its question."""
    environment = {**os.environ, "_RNNCALC_COMPLETE": shell}
    with mock.patch("tests.commandline.environment", return_value=environment):
        result = calc(*words)
    assert (result.status, result.err) == (0, ""), result
    return result.out.splitlines()


def values(*words: str) -> list[str]:
    """The values that fish is told, without what is told of each."""
    kind, *lines = asked("fish", *words)
    assert kind == "values"
    return [line.split("\t")[0] for line in lines]


def in_bash(line: str) -> list[str]:
    return asked("bash", line, BREAKS)


def write_layers(path: Path, names: Iterable[str], layers: int = 1) -> Path:
    """A .safetensors of GRUs of PyTorch's, each under a name: 2 inputs, 3 units, zeros."""
    header: dict[str, object] = {}
    end = 0
    for name in names:
        for layer in range(layers):
            shapes = {"weight_ih": (9, 3 if layer else 2), "weight_hh": (9, 3), "bias_ih": (9,), "bias_hh": (9,)}
            for symbol, shape in shapes.items():
                size = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
                entry = {"dtype": "F32", "shape": list(shape), "data_offsets": [end, end + size]}
                header[f"{name}.{symbol}_l{layer}"] = entry
                end += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(end))
    return path


EXPECTED = [
    (("shapes", "--cell", "ls"), ["lstm", "lstm-peephole"]),
    (("shapes", "--cell=gru-"), ["--cell=gru-reset-before"]),
    (("shapes", "-c", "p"), ["pytorch"]),
    (("shapes", "--activation", ""), ["tanh", "relu", "sigmoid", "identity"]),
    (("shapes", "--bidirectional", "--merge", ""), ["concat", "sum", "average", "product"]),
    (("shapes", "--mode", "many"), ["many-to-many", "many-to-one"]),
    (("shapes", "--format", "m"), ["markdown"]),
    (("shapes", "--color", ""), ["auto", "always", "never"]),
    (("shapes", "--example", "ti"), ["tiny"]),
    (("examples", "cat"), ["cat-sat-here"]),
    (("cells", "lstm", "mg"), ["mgu"]),
    (("cells", "--convention", "f"), ["flax"]),
    (("compare", "--cells", "rnn,ls"), ["rnn,lstm", "rnn,lstm-peephole"]),
    (("compare", "--cells", "lstm,ls"), ["lstm,lstm-peephole"]),
    (("compare", "--conventions", "a"), ["all"]),
    (("cost", "--count", "products,b"), ["products,biases"]),
    (("cost", "--optimizer", ""), ["sgd", "momentum", "adam"]),
    (("cost", "--dtype", "float1"), ["float16"]),
    (("params", "--dtype", "in"), ["int8"]),
    (("export", "--dtype", ""), ["float64", "float32"]),
    (("export", "--from", "k"), ["keras"]),
    (("trace", "--init", ""), ["gaussian", "uniform", "xavier", "orthogonal", "identity"]),
    (("trace", "--inputs", ""), ["gaussian", "zeros"]),
    (("trace", "--h0", "g"), ["gaussian"]),
    (("bptt", "--loss", ""), ["last", "sum", "mse", "cross-entropy"]),
    (("bptt", "--reduction", ""), ["mean", "sum"]),
    (("bptt", "--to", ""), ["loss", "y[0]", "h[0]"]),
    (("bptt", "--d-out", "0", "--path", "W"), ["W_xh[0,0]@1", "W_hh[0,0]@1"]),
    (("shapes", "--cell", "gru", "--convention", "pytorch", "--got", "w"), ["weight_ih_l0=", "weight_hh_l0="]),
    (("gradient-decay", "--family", ""), ["back", "forward", "both"]),
    (("gradient-decay", "--through", "h,"), ["h,c", "h,state"]),
    (("gradient-decay", "--direction", "b"), ["backward"]),
    (("gradient-decay", "--vary", ""), ["weights", "sequences", "all"]),
    (("gradient-decay", "--lyapunov", ""), ["all"]),
    (("sweep", "--over", "spectral-"), ["spectral-radius=", "spectral-norm="]),
    (("sweep", "--over", "cell=rnn,ls"), ["cell=rnn,lstm", "cell=rnn,lstm-peephole"]),
    (("sweep", "--over", "init=x"), ["init=xavier"]),
    (("quiz", "--topic", "shape,tr"), ["shape,transposed", "shape,truncation"]),
    (("quiz", "--level", ""), ["1", "2", "3"]),
    (("shapes", "--layers", "3", "--layer", ""), ["1", "2", "3"]),
    (("shapes", "--bat"), ["--batch", "--batch-first"]),
    (("shapes", "--d-h", "-"), []),
    (("comp",), ["compare"]),
    (("--show-completion", ""), ["bash", "zsh", "fish"]),
    (("--vers",), ["--version"]),
]


@pytest.mark.parametrize(("words", "expected"), EXPECTED, ids=" ".join)
def test_a_word_is_completed_with_what_can_stand_there(words: tuple[str, ...], expected: list[str]) -> None:
    assert values(*words) == expected


def test_nothing_typed_yet_is_every_command() -> None:
    assert values("") == list(COMMANDS)


def test_fish_and_zsh_are_told_what_each_value_is() -> None:
    for shell in ("fish", "zsh"):
        assert asked(shell, "shapes", "--cell", "lst")[1] == "lstm\tlong short-term memory"
        assert asked(shell, "exam")[1] == "examples\tList the worked examples, or print the file of one."
        assert asked(shell, "shapes", "--layers", "2", "--cell", "gru", "--layer", "1") == ["values", "1\tgru, d_h = 3"]


@pytest.mark.parametrize(
    "words",
    [("trace", "--model", ""), ("inspect", ""), ("shapes", "-O", "a"), ("bptt", "--targets", ""), ("trace", "-x", "@")],
)
def test_files_are_listed_by_the_shell(words: tuple[str, ...]) -> None:
    assert asked("zsh", *words) == ["files"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rnncalc shapes --cell ls", ["lstm", "lstm-peephole"]),
        # Bash begins anew behind = and :, and must be given what comes after.
        ("rnncalc shapes --cell=gru-", ["gru-reset-before"]),
        ("rnncalc sweep --over cell=rnn,gru-", ["rnn,gru-reset-before"]),
        ("rnncalc sweep --over spectral-r", ["spectral-radius="]),
        ("rnncalc bptt --d-out 0 --path W_x", [r"W_xh\[0,0\]@1"]),
        ("rnncalc bptt --d-out 0 --path W_xh[0,0]@", ["@1"]),
        ("rnncalc bptt --d-out 0 --path 'W_x", ["W_xh[0,0]@1"]),
        ("SEED=1 rnncalc trace --text 'a b' --cell mg", ["mgu"]),
        (r"rnncalc trace --text a\ b --cell mg", ["mgu"]),
        ('rnncalc trace --text "it\'s \\"a\\"" --cell mg', ["mgu"]),
        ("rnncalc trace --cell mgu ", []),
    ],
)
def test_bash_is_told_what_stands_in_for_the_part_that_it_completes(line: str, expected: list[str]) -> None:
    kind, *lines = in_bash(line)
    assert kind == "values"
    assert lines == expected if expected else lines[0].startswith("--")


def test_the_layers_of_a_checkpoint_are_those_of_its_header(tmp_path: Path) -> None:
    path = str(write_layers(tmp_path / "two.safetensors", ["encoder.rnn", "decoder"], layers=2))
    numbered = ["encoder.rnn", "encoder.rnn:1", "encoder.rnn:2", "decoder", "decoder:1", "decoder:2"]
    assert sorted(values("trace", "--model", path, "--layer", "")) == sorted(numbered)
    assert values("inspect", path, "--layer", "dec") == ["decoder", "decoder:1", "decoder:2"]
    assert in_bash(f"rnncalc trace --layer encoder --model {path} --layer decoder:") == ["values", "1", "2"]
    assert "decoder\tgru, d_in = 2, d_h = 3" in asked("fish", "trace", "-m", path, "--layer", "decoder")


def test_the_layers_of_a_model_file_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "deep.toml"
    path.write_text("layers = 4\nd_h = 2\n", encoding="utf-8")
    assert values("trace", "--model", str(path), "--layer", "") == ["1", "2", "3", "4"]


def test_a_name_that_could_steer_a_terminal_is_left_out(tmp_path: Path) -> None:
    names = ["\x1b[31mred", "line\nend", "tab\there", "bell\x07", "\u202egnp", "plain"]
    path = str(write_layers(tmp_path / "hostile.safetensors", names))
    for shell in ("fish", "zsh"):
        assert [line.split("\t")[0] for line in asked(shell, "trace", "--model", path, "--layer", "")[1:]] == ["plain"]
    assert in_bash(f"rnncalc trace --model {path} --layer ") == ["values", "plain"]


def test_a_name_that_bash_would_evaluate_is_quoted(tmp_path: Path) -> None:
    path = str(write_layers(tmp_path / "names.safetensors", ["$(touch x) `y` \"z\" 'q' \\"]))
    assert in_bash(f"rnncalc trace --model {path} --layer ")[1:] == [r"\$\(touch\ x\)\ \`y\`\ \"z\"\ \'q\'\ \\"]
    assert in_bash(f'rnncalc trace --model {path} --layer "$')[1:] == [r"\$(touch x) \`y\` \"z\" 'q' \\"]
    assert in_bash(f"rnncalc trace --model {path} --layer '$")[1:] == ["$(touch x) `y` \"z\" '\\''q'\\'' \\"]


@pytest.mark.parametrize("content", [b"", b"\x93", struct.pack("<Q", 2**62), b"\x08" + bytes(7) + b'{"a":3}x'])
@pytest.mark.parametrize("suffix", ["safetensors", "pt", "toml", "json", "h5", "npz", "onnx", "keras"])
def test_a_broken_file_has_no_values_and_no_message(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"broken.{suffix}"
    path.write_bytes(content)
    assert asked("zsh", "trace", "--model", str(path), "--layer", "") == []


def test_layers_without_number_are_refused_before_anything_is_made_of_them() -> None:
    for words in (("trace", "--layers", "9" * 15, "--layer", ""), ("shapes", "--layers", "9" * 9, "--got", "")):
        assert asked("fish", *words) == []


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    assert asked("fish", "trace", "--model", str(tmp_path / "pipe.toml"), "--layer", "") == []


@pytest.mark.parametrize(
    "words",
    [
        ("nosuch", ""),
        ("trace", "--nosuch", "--layer", ""),
        ("trace", "--model", "/nosuch/file.pt", "--layer", ""),
        ("trace", "--model", "-", "--layer", ""),
        ("shapes", "--cell", "nosuch", "--got", "W"),
        ("shapes", "--d-h", "word", "--got", "W"),
        ("shapes", "--d-h", "9" * 5000, "--got", "W"),
        ("trace", "--", "--layer", ""),
        ("trace", "--cell", "\x1b"),
        ("",) * 50,
        (),
    ],
    ids=lambda words: " ".join(words)[:40],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh", ""])
def test_no_line_is_answered_with_a_message(shell: str, words: tuple[str, ...]) -> None:
    given = (" ".join(("rnncalc", *words)), BREAKS) if shell == "bash" and words else words
    for line in asked(shell, *given):
        assert line.isprintable() or "\t" in line


def test_a_process_that_is_asked_needs_no_numpy_for_names(tmp_path: Path) -> None:
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text("raise ImportError('NumPy was imported')\n", encoding="utf-8")
    for line in ("trace --init ", "bptt --loss ", "shapes --got W", "sweep --over init=", "quiz --topic "):
        words = line.split(" ")
        result = process(*words, _RNNCALC_COMPLETE="fish", PYTHONPATH=str(tmp_path))
        assert result.stdout.decode().splitlines()[1:], line
        assert result.stderr == b""


def test_where_characters_are_ascii_nothing_else_is_written() -> None:
    result = process("trace", "--init", "", _RNNCALC_COMPLETE="zsh", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert result.returncode == 0
    assert result.stdout.isascii()
    assert b"gaussian\t" in result.stdout
