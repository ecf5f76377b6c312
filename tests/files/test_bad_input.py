"""Bad input gets one clear error with the right exit status, and nothing on stdout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commandline import calc, refused

USAGE = [
    (("shapes", "--d-in", "0"), "--d-in must be at least 1; it is 0."),
    (("shapes", "--d-h", "-3"), "--d-h must be at least 1; it is -3."),
    (("params", "--d-out", "-1"), "--d-out must be 0 or more; it is -1."),
    (("shapes", "--d-h", "9" * 23), "--d-h must be at most 10^18; it has 23 digits."),
    (("shapes", "--d-h", "1e3"), "'1e3' is no whole number, nor a width for each layer as in --d-h 400,1150,400."),
    (("trace", "--steps", "0"), "--steps must be at least 1; it is 0."),
    (("trace", "--precision", "18"), "--precision must be 0 to 17"),
    (("trace", "--precision", "-1"), "--precision must be 0 to 17"),
    (("trace", "--format", "tabel"), "Did you mean table?"),
    (("trace", "--convention", "pytroch"), "Did you mean pytorch?"),
    (("trace", "--example", "cat-sat"), "Did you mean cat-sat-here?"),
    (("tarce",), "Did you mean trace?"),
    (("trace", "--stpes", "4"), "--steps"),
    (("trace", "--init", "gausian"), "Did you mean gaussian?"),
    (("trace", "--activation", "tanhh"), "Did you mean tanh?"),
    (("shapes", "--mode", "many-to-man"), "Did you mean many-to-many?"),
    (("trace", "--cell", "lstn"), "There is no cell 'lstn'"),
    (("trace", "--inputs", "zero"), "Did you mean zeros?"),
    (("trace", "--sequence", "1,2", "--steps", "4"), "Leave --steps out."),
    (("trace", "--sequence", "1", "--text", "a"), "give one of them"),
    (("trace", "--model", "a", "--example", "b"), "give one of them"),
    (("trace", "--unit", "4"), "There is no unit 4: d_h = 3 has units 1 to 3."),
    (("trace", "--unit", "0"), "There is no unit 0"),
    (("trace", "--gain", "nan"), "--gain must be a finite number; it is nan."),
    (("trace", "--seed", "-1"), "--seed must be 0 or more; it is -1."),
    (("trace", "--check"), "add --example NAME or --model FILE"),
    (("examples", "--check"), "rnncalc trace --example NAME --check"),
    (("gradient-decay", "--threshold", "0"), "--threshold must lie between 0 and 1; it is 0."),
    (("gradient-decay", "--threshold", "nan"), "it is nan"),
    (("gradient-decay", "--spectral-radius", "0"), "--spectral-radius must be positive and finite; it is 0."),
    (("gradient-decay", "--spectral-radius", "abc"), "as in --spectral-radius 0.5,1,1.5; 'abc' is none."),
    (("gradient-decay", "--spectral-radius", "1,,2"), "'' is none"),
    (("gradient-decay", "-r", "1", "--spectral-norm", "1"), "give one of them"),
    (("gradient-decay", "-r", "1,2,3,4,5,6,7,8,9"), "At most 8 networks"),
    (("gradient-decay", "--jacobian", "0"), "--jacobian 0 is no lag; 50 steps have lags 1 to 49."),
    (("gradient-decay", "--jacobian", "50"), "lags 1 to 49"),
    (("gradient-decay", "--steps", "1"), "--steps must be at least 2"),
    (("shapes", "--format", "svg"), "add --output NAME.svg"),
    (("shapes", "--json", "--format", "csv"), "give one of them"),
    (("shapes", "--got", "W_xh"), "as in --got W_xh=3,4"),
    (("shapes", "--got", "W_hx=3,4"), "W_xh"),
    (("shapes", "--decoder-steps", "2"), "--mode seq2seq"),
    (("shapes", "--unroll", "1001"), "at most 1,000 steps"),
]


@pytest.mark.parametrize(("args", "said"), USAGE, ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_a_wrong_command_line_is_exit_2(args: tuple[str, ...], said: str) -> None:
    assert said in refused(*args, status=2)


TYPED = [
    (("--sequence", ""), "--sequence is empty"),
    (("--sequence", "1,2;3"), "step 2 has 1 number; the steps before it have 2."),
    (("--sequence", "1,two"), "number 2: 'two' is no number."),
    (("--sequence", "1,,2"), "number 2: nothing stands there"),
    (("--sequence", "nan,1"), "number 1 is nan; a finite number is needed (--allow-nonfinite lets it through)."),
    (("--sequence", "1,2; 1,inf"), "step 2, number 2 is inf"),
    (("--sequence", "1e400"), "is inf"),
    (("--sequence", "1,2; 3,4", "--d-in", "4"), "d_in is 2 by the width of --sequence, but 4 by --d-in."),
    (("--text", " "), "at least one word"),
    (("--h0", "1,2"), "--h0 has 2 numbers; d_h = 3 needs 3."),
    (("--h0", "a"), "'a' is no number"),
    (("--h0", "nan,0,0"), "number 1 is nan"),
]


@pytest.mark.parametrize(("args", "said"), TYPED, ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_wrong_numbers_are_exit_1_with_their_position(args: tuple[str, ...], said: str) -> None:
    assert said in refused("trace", *args)


FILES = [
    ("s.csv", b"1,2\n3\n", "line 2 has 1 number; the lines before it have 2."),
    ("s.csv", b"1,2\n\n3,x\n", "line 3, number 2: 'x' is no number."),
    ("s.csv", b"a,b\n1,2\n", "line 1 looks like a header"),
    ("s.csv", b"", "is empty"),
    ("s.csv", b"\n \n", "is empty"),
    ("s.csv", b"1,2\n3,nan\n", "line 2, number 2 is nan"),
    ("s.csv", b"1,2\n\xff,2\n", "byte 4 is 0xff"),
    ("s.csv", b"1,2\r\n\xff,2\n", "byte 5 is 0xff"),
    ("s.csv", b"\xef\xbb\xbf1,2\n3,\xc3(\n", "byte 9 is 0xc3"),
    ("s.csv", b"1" * 10_000, "is inf"),
    ("s.json", b"[[1,2],[3]]", "sequence, step 2 has 1 number; the ones before it have 2."),
    ("s.json", b"[]", "is an empty sequence"),
    ("s.json", b"[[1,NaN]]", "sequence, step 1, number 2 is nan"),
    ("s.json", b"[1, 2", "is no JSON: line 1, column"),
    ("s.json", b'["a"]', "sequence, number 1 is the text 'a'"),
    ("s.json", b'{"seq": 1}', "has no entry 'sequence'"),
    ("s.json", b"\xef\xbb\xbf[1,\xff]", "byte 6 is 0xff"),
    ("s.json", b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
    ("s.json", b"[" + b"1" * 10_000 + b"]", "too many digits"),
    ("s.npy", b"", "header cannot be read"),
]


@pytest.mark.parametrize(("name", "content", "said"), FILES)
def test_a_wrong_sequence_file_is_named_with_the_place(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    message = refused("trace", "--sequence", str(path))
    assert said in message
    assert name in message


MODELS = [
    ("m.toml", b"", "is empty"),
    ("m.toml", b"foo = 1", "there is no entry 'foo'"),
    ("m.toml", b"activaton = 'tanh'", "Did you mean activation?"),
    ("m.toml", b"activation = 'tan'", "Did you mean tanh?"),
    ("m.toml", b"convention = 'xhh'", "Did you mean xh?"),
    ("m.toml", b"d_h = 0", "d_h must be at least 1"),
    ("m.toml", b"d_h = 2.5", "d_h must be a whole number"),
    ("m.toml", b"gain = [1, 2]", "gain must be a number"),
    ("m.toml", b"sequence = [1, [2]]", "sequence, number 2 is a list"),
    ("m.toml", b"sequence = [[1], 2]", "sequence, step 2 is a number; a list of 1 number is needed"),
    ("m.toml", b"sequence = [[1, 2], [3]]", "sequence, step 2 has 1 number; the ones before it have 2."),
    ("m.toml", b"[weights]\nW_xh = [[1, 2], [3, nan]]", "weights.W_xh, row 2, number 2 is nan"),
    ("m.toml", b"[weights]\nW_xh = [[1, 2], [3]]", "weights.W_xh, row 2 has 1 number"),
    ("m.toml", b"W_hh = [[1]]", "'W_hh' stands outside of [weights]; put the line [weights] above it."),
    ("m.toml", b"[weights]\nW_xx = [[1]]", "Did you mean W_xh?"),
    ("m.toml", b"[expected]\nhh = 1", "Did you mean h?"),
    ("m.toml", b"[embedding]\na = [1]\nb = [1, 2]", "'a' has 1, 'b' has 2"),
    ("m.toml", b"text = '\xff'", "byte 8 is 0xff"),
    ("m.toml", b"x = " + b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
    ("m.toml", b"d_h = " + b"1" * 10_000, "too many digits"),
    ("m.toml", b"sequence = [1" + b"0" * 400 + b"]", "too large for float64"),
    ("m.toml", b"d_h = ", "is no TOML"),
    ("m.json", b"[1]", "holds no object"),
    ("m.json", b'{"d_h": ' + b"1" * 10_000 + b"}", "too many digits"),
    ("m.txt", b"", "it must end in .toml, .json, .safetensors"),
    ("m.npz", b"", "is no readable .npz archive"),
]


@pytest.mark.parametrize(("name", "content", "said"), MODELS)
def test_a_wrong_model_file_is_exit_1_and_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    message = refused("trace", "--model", str(path))
    assert said in message
    assert name in message


def test_a_size_that_contradicts_the_weights_names_both(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text("[weights]\nW_xh = [[1], [2]]\n")
    assert "d_h is 2 by W_xh (2, 1) in" in (message := refused("trace", "--model", str(path), "--d-h", "5"))
    assert "but 5 by --d-h" in message


@pytest.mark.parametrize("command", ["trace", "shapes", "params", "gradient-decay"])
def test_a_transposed_matrix_is_told_with_both_shapes(tmp_path: Path, command: str) -> None:
    path = tmp_path / "m.toml"
    path.write_text("[weights]\nW_xh = [[1, 2], [3, 4], [5, 6]]\nW_hh = [[1, 2], [3, 4]]\n")
    message = refused(command, "--model", str(path))
    assert "W_xh (3, 2)" in message
    assert "W_hh (2, 2)" in message
    assert "W_xh looks transposed: the convention xh needs (d_h, d_in)." in message
    assert calc(command, "--model", str(path), "--convention", "row").status == 0


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    for name, option in (("big.json", "--sequence"), ("big.toml", "--model"), ("big.json", "--model")):
        path = tmp_path / name
        with path.open("wb") as file:
            file.truncate(64 * 2**20 + 1)
        assert "larger than the limit of 64.0 MiB" in refused("trace", option, str(path))


def test_a_missing_file_has_the_nearest_and_no_line_end_in_it(tmp_path: Path) -> None:
    (tmp_path / "abc\ndef.toml").write_text("d_h = 1")
    message = refused("shapes", "--model", str(tmp_path / "abcdef.toml"))
    assert "There is no file" in message
    assert "Did you mean abc\\ndef.toml?" in message


def test_a_file_name_where_numbers_belong_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "numbers.txt"
    path.write_text("1,2\n")
    message = refused("trace", "--sequence", str(path))
    assert f"--sequence '@{path}' reads it"[:40] in message
    assert calc("trace", "--sequence", f"@{path}").status == 0


@pytest.mark.parametrize("command", ["trace", "gradient-decay"])
def test_a_network_too_large_to_compute_names_its_memory(command: str) -> None:
    message = refused(command, "--d-h", "1000000")
    assert "1,000,007,000,002 parameters needs 14.6 TiB of memory" in message
    assert "rnncalc params" in message


def test_a_trace_too_long_to_hold_names_its_memory_and_the_way_out() -> None:
    message = refused("trace", "--steps", "1000000000000")
    assert "TiB of memory" in message
    assert "--format csv" in message


def test_nonfinite_numbers_pass_where_that_is_allowed() -> None:
    result = calc("trace", "--h0", "nan,0,0", "--allow-nonfinite", "--json")
    assert result.status == 0
    assert '"h0": [null, 0.0, 0.0]' in result.out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "stdin is empty"),
        (b"1,2\n3\n", "stdin, line 2 has 1 number"),
        (b"[[1,2],[3]]", "stdin: sequence, step 2 has 1 number"),
        (b"1,\xff", "stdin is not UTF-8 text: byte 2 is 0xff"),
    ],
)
def test_stdin_is_named_in_messages(content: bytes, said: str) -> None:
    assert said in refused("trace", "--sequence", "-", stdin=content)
