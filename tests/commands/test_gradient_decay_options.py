"""Every option of gradient-decay in every form, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.commandline import calc, refused

RUN = ("--cell", "lstm", "--steps", "12", "--d-h", "4")


def test_pairs_are_rows_of_csv() -> None:
    out = calc("gradient-decay", *RUN, "--pairs", "--format", "csv").out
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0]) == ["t", "k", "log10_norm", "log10_norm_cell_state"]
    assert [(int(row["t"]), int(row["k"])) for row in rows] == [(t, k) for t in range(1, 13) for k in range(t)]


def test_csv_columns_are_added_after_those_that_were_there() -> None:
    out = calc("gradient-decay", *RUN, "--family", "both", "--singular-values", "2", "--format", "csv").out
    header = out.splitlines()[0].split(",")
    assert header[:3] == ["lag", "log10_norm", "log10_bound"]
    assert {"log10_sigma_2_cell_state_forward", "log10_norm_cell_state_forward"} <= set(header)
    # Forward there is one lag more.
    assert out.splitlines()[-1].startswith("12,,,")


def test_exponents_that_csv_has_no_rows_for_are_told() -> None:
    result = calc("gradient-decay", "--lyapunov", "1", "--format", "csv")
    assert (
        result.err == "rnncalc: the rows of CSV are lags, so the Lyapunov exponents are not in it; --json has them.\n"
    )
    assert result.status == 0


def test_what_is_measured_by_lag_has_no_rows_among_pairs() -> None:
    result = calc("gradient-decay", "--pairs", "--family", "both", "--format", "csv")
    assert result.err.startswith("rnncalc: with --pairs the rows of CSV are pairs of steps")
    assert calc("gradient-decay", "--pairs", "--format", "csv").err == ""


def test_an_exponent_whose_sign_is_not_certain_is_told_so() -> None:
    said = "λ₁ is within two standard errors of 0"
    # Critical: a network whose states neither meet nor part for long.
    assert said in calc("gradient-decay", "--gain", "3", "--d-h", "32", "--steps", "1000", "--lyapunov", "2").out
    assert said not in calc("gradient-decay", "--steps", "100", "--lyapunov", "2").out


def test_a_loss_of_what_is_no_number_is_shown_where_that_is_let_through() -> None:
    args = ("gradient-decay", "--from-loss", "--h0", "nan,0,0", "--allow-nonfinite", "--steps", "4")
    assert calc(*args).status == 0
    found = json.loads(calc(*args, "--json").out, parse_constant=refuse)
    assert found["loss"]["value"] is None
    # The last step's is the readout's alone.
    norms = found["layers"][0]["log10_norms"]["h"]
    assert [norm is None for norm in norms] == [True, True, True, False]


EVERY_OPTION = [
    ("--cell", "lstm", "--family", "both", "--through", "state,c", "--steps", "9"),
    ("--layers", "3", "--across", "--steps", "9"),
    ("--cell", "lstm", "--pairs", "--steps", "9"),
    ("--singular-values", "4", "--d-h", "5", "--family", "forward", "--steps", "9"),
    ("--lyapunov", "2", "--burn-in", "5", "--steps", "30", "--spectral-radius", "0.5,2"),
    ("--from-loss", "--loss", "cross-entropy", "--steps", "9", "--cell", "gru", "--bidirectional"),
    ("--from-loss", "--spectral-radius", "0.5,1.5", "--targets", "1,0", "--steps", "9", "--layers", "2"),
    ("--ensemble", "4", "--cell", "lstm", "--family", "both", "--steps", "9", "--vary", "weights"),
    ("--ensemble", "3", "--spectral-norm", "0.5,1.5", "--steps", "9", "--vary", "sequences", "--tolerance", "1e-6"),
    ("--activation", "relu", "--inputs", "zeros", "--steps", "6", "--pairs", "--lyapunov", "all", "--family", "both"),
    ("--activation", "relu", "--inputs", "zeros", "--steps", "8", "--singular-values", "2"),
    ("--cell", "mingru", "--steps", "9", "--lyapunov", "all", "--singular-values", "2", "--pairs"),
    ("--bidirectional", "--direction", "backward", "--family", "both", "--pairs", "--jacobian", "2", "--steps", "6"),
]
every_option = pytest.mark.parametrize("args", EVERY_OPTION, ids=" ".join)


def refuse(constant: str) -> None:
    raise ValueError(constant)


@every_option
def test_json_is_finite_and_the_printed_command_makes_it_again(args: tuple[str, ...]) -> None:
    first = json.loads(calc("gradient-decay", *args, "--json").out, parse_constant=refuse)
    (again,) = [note for note in first["notes"] if note.startswith("Again: ")]
    words = again.removeprefix("Again: rnncalc gradient-decay ").split()
    assert json.loads(calc("gradient-decay", *words, "--json").out) == first


@every_option
def test_every_form_of_every_option_is_well_formed(args: tuple[str, ...], tmp_path: Path) -> None:
    for columns in (80, 200):
        for line in calc("gradient-decay", *args, columns=columns).out.splitlines():
            assert len(line) <= columns or line.startswith("Again: "), line
    for form in ("markdown", "latex"):
        assert calc("gradient-decay", *args, "--format", form).status == 0
    rows = list(csv.reader(io.StringIO(calc("gradient-decay", *args, "--format", "csv").out)))
    assert len({len(row) for row in rows}) == 1
    assert len(rows) > 5
    for suffix in (".npz", ".svg", ".txt"):
        assert calc("gradient-decay", *args, "-O", str(tmp_path / f"x{suffix}")).status == 0
    assert calc("gradient-decay", *args, "--plot", str(tmp_path / "plot.svg")).status == 0


@every_option
def test_every_page_can_be_written_in_ascii(args: tuple[str, ...]) -> None:
    result = calc("gradient-decay", *args, encoding="ascii")
    assert result.status == 0
    assert "\\u" not in result.out


def test_all_states_of_a_cell_with_one_are_that_one() -> None:
    args = ("gradient-decay", "--cell", "gru", "--steps", "9", "--json")
    first = json.loads(calc(*args, "--through", "h,state", "--ensemble", "2").out)
    assert "whole_state" not in first
    assert json.loads(calc(*args, "--through", "state").out)["lags"] == json.loads(calc(*args).out)["lags"]


# ---- what is refused ----

REFUSED = [
    (("--from-loss", "--family", "both"), "--family has nothing to act on. Leave --family or --from-loss out"),
    (("--from-loss", "--jacobian", "1"), "Leave --jacobian or --from-loss out"),
    (("--from-loss", "--ensemble", "3"), "Leave --ensemble or --from-loss out"),
    (("--from-loss", "--tolerance", "1e-6"), "one vector a step"),
    (("--from-loss", "--example", "tiny", "--check"), "Leave --check or --from-loss out"),
    (("--loss", "last"), "add --from-loss"),
    (("--targets", "1,2"), "add --from-loss"),
    (("--ensemble", "3", "--pairs"), "Leave --pairs or --ensemble out"),
    (("--ensemble", "3", "--lyapunov", "1"), "Leave --lyapunov or --ensemble out"),
    (("--ensemble", "1"), "2 to 100,000 runs"),
    (("--ensemble", "3", "--vary", "seq"), "Did you mean sequences?"),
    (("--ensemble", "3", "--inputs", "zeros", "--vary", "sequences"), "--inputs gaussian to draw one"),
    (("--ensemble", "3", "--example", "tiny"), "every run would be the same"),
    (("--ensemble", "3", "--example", "tiny", "--vary", "weights"), "Take --vary sequences"),
    (("--vary", "weights"), "add --ensemble N"),
    (("--burn-in", "3"), "add --lyapunov N"),
    (("--lyapunov", "4"), "1 to 3 for states of that width, or all"),
    (("--lyapunov", "many"), "or all; it is 'many'"),
    (("--lyapunov", "1", "--burn-in", "50"), "0 to 49, not 50"),
    (("--lyapunov", "1", "--burn-in", "-1"), "0 to 49, not -1"),
    (("--singular-values", "4"), "the matrix has 3 rows"),
    (("--singular-values", "0"), "at least 1"),
    (("--tolerance", "1e-13"), "1e-12, what float64 can keep"),
    (("--tolerance", "nan"), "between 1e-12"),
    (("--family", "forwards"), "Did you mean forward?"),
    (("--through", "c"), "rnn has h"),
    (("--through", "y"), "--through is h, c, or state"),
    (("--through", ""), "--through is h, c, or state"),
    (("--across",), "add --layers 2"),
    (("--across", "--layers", "2", "--bidirectional"), "--layer N --direction forward"),
    (("--pairs", "--steps", "501"), "up to 500 steps"),
    (("--pairs", "--through", "state"), "take --through h, c or h,c"),
    (("--jacobian", "50"), "lags 1 to 49"),
    (("--family", "forward", "--jacobian", "51"), "lags 1 to 50"),
]


@pytest.mark.parametrize(
    ("args", "said"), REFUSED, ids=lambda value: value if isinstance(value, str) else " ".join(value)
)
def test_what_makes_no_sense_is_refused_with_what_would(args: tuple[str, ...], said: str) -> None:
    assert said in refused("gradient-decay", *args, status=2)


def test_pairs_of_a_sequence_that_turns_out_too_long_are_refused() -> None:
    numbers = b"0.5\n" * 501
    assert "up to 500 steps" in refused("gradient-decay", "--pairs", "--sequence", "-", status=2, stdin=numbers)
