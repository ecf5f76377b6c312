"""--check ends with 1 where a printed value is off, and names it: two tutorials have slips in their printed digits."""

from __future__ import annotations

import pytest

from rnn_calc.files.examples import example_names, read_example
from rnn_calc.files.model import EXPECTED
from tests.commandline import calc, refused

OFF = {
    ("tiny", "trace"): ("h_2[1]", "h_2[2]", "y_2[1]"),
    ("tiny", "gradient-decay"): ("J(1)[1,1]", "J(1)[1,2]", "J(1)[2,1]", "J(1)[2,2]"),
    ("two-step", "trace"): ("h_2[1]",),
    ("exploding-norm", "gradient-decay"): ("norm(49)",),
}
CHECKS = [
    (name, command)
    for name in example_names()
    for command in dict.fromkeys(EXPECTED[value] for value in read_example(name).expected)
]


@pytest.mark.parametrize(("name", "command"), CHECKS)
def test_a_check_finds_exactly_the_slips_that_are_known(name: str, command: str) -> None:
    result = calc(command, "--example", name, "--check")
    off = OFF.get((name, command), ())
    assert result.status == (1 if off else 0)
    assert result.err.startswith(f"rnncalc: {len(off)} of " if off else "")
    if off:
        assert result.err.endswith(f" expected values are off: {', '.join(off)}.\n")
        assert result.out.count("✗ off") == len(off)
    assert "Expected values: " in result.out
    # Without --check the same page is no failure.
    assert calc(command, "--example", name).status == 0


def test_every_known_slip_is_checked() -> None:
    assert OFF.keys() <= set(CHECKS)


def test_a_check_of_what_the_file_does_not_expect_is_an_error() -> None:
    assert "expects nothing of trace" in refused("trace", "--example", "practice-shapes", "--check")


def test_a_check_of_a_changed_network_is_refused() -> None:
    assert "leave out the options" in refused("trace", "--example", "tiny", "--h0", "1,1", "--check", status=2)


def test_a_shape_that_does_not_fit_is_exit_1_and_why() -> None:
    result = calc("shapes", "--got", "W_xh=4,3", "--format", "csv")
    assert result.status == 1
    assert result.err.startswith("rnncalc: W_xh (4, 3) does not fit (3, 4): transposed: you have (d_in, d_h)")
    assert calc("shapes", "--got", "W_xh=3,4").status == 0
