from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.budget import DTYPES, Budget, BudgetReport, fit_budget, largest_width, parse_budget
from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.counts import count_parameters
from rnn_calc.core.errors import DataError, TooLargeError, UsageError
from rnn_calc.core.network import Network


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("1000", 1000, "parameters"),
        ("500k", 500_000, "parameters"),
        ("500K", 500_000, "parameters"),
        ("1M", 10**6, "parameters"),
        ("2.5M", 2_500_000, "parameters"),
        ("1_000_000", 10**6, "parameters"),
        ("1,000,000", 10**6, "parameters"),
        ("1e6", 10**6, "parameters"),
        ("1.5E+3", 1500, "parameters"),
        ("25000e-1k", 2_500_000, "parameters"),
        ("7G", 7 * 10**9, "parameters"),
        ("1T", 10**12, "parameters"),
        ("1e40", 10**40, "parameters"),
        # A float would have 0.30000000000000004 and 9.999…e22 of these.
        ("100000000000000000.3k", 100_000_000_000_000_000_300, "parameters"),
        ("1e23", 10**23, "parameters"),
        ("50MB", 50_000_000, "bytes"),
        ("50 MB", 50_000_000, "bytes"),
        ("48MiB", 48 * 2**20, "bytes"),
        ("1.5 KiB", 1536, "bytes"),
        ("2GB", 2 * 10**9, "bytes"),
        ("1TiB", 2**40, "bytes"),
        ("4096 bytes", 4096, "bytes"),
        ("1 byte", 1, "bytes"),
        # Half a parameter is none.
        ("1000.9", 1000, "parameters"),
    ],
)
def test_a_budget_is_read_exactly(text: str, amount: int, unit: str) -> None:
    budget = parse_budget(text)
    assert (budget.amount, budget.unit) == (amount, unit)
    assert budget.dtype == ("float32" if unit == "bytes" else None)


@pytest.mark.parametrize(
    "text",
    ["", "M", "-1M", "+1", "1B", "7b", "2,5M", "1,00", "1__0", "_1", "1e", "0", "0.9", "1e41", "1e999", "1Mb/s", "1 2",
     "nan", "inf", "0x10", "١٢", "1" * 61, "1Mi", ".5M", "5.M"],
)  # fmt: skip
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--budget"):
        parse_budget(text)


@pytest.mark.parametrize(("dtype", "item"), DTYPES.items())
def test_bytes_make_as_many_parameters_as_the_dtype_has_room_for(dtype: str, item: int) -> None:
    assert parse_budget("1001 bytes", dtype).parameters == 1001 // item


def test_a_dtype_needs_a_budget_in_bytes() -> None:
    with pytest.raises(UsageError, match="plays no part"):
        parse_budget("1M", "float16")
    with pytest.raises(UsageError, match="Did you mean float16"):
        parse_budget("1MB", "flaot16")


@given(limit=st.integers(0, 10**40), lowest=st.integers(1, 100), slope=st.integers(1, 50))
def test_the_largest_width_is_the_last_that_fits(limit: int, lowest: int, slope: int) -> None:
    def count(d_h: int) -> int:
        return d_h * d_h + slope * d_h

    best = largest_width(count, limit, lowest)
    if best is None:
        assert count(lowest) > limit
    else:
        assert lowest <= best <= 10**18
        assert count(best) <= limit
        assert best == 10**18 or count(best + 1) > limit


pairs = st.sampled_from(
    [
        (cell, convention.name)
        for cell in CELLS
        for convention in CONVENTIONS.values()
        if not convention.is_framework or cell in convention.cells
    ]
)


@given(
    pair=pairs,
    amount=st.one_of(st.integers(1, 10_000), st.integers(1, 10**40)),
    d_in=st.integers(1, 10**6),
    d_out=st.integers(0, 10**6),
    layers=st.integers(1, 4),
    bidirectional=st.booleans(),
    vocab=st.integers(0, 10**6),
)
@settings(deadline=None, max_examples=150)
def test_the_width_fits_and_one_more_does_not(pair: tuple[str, str], amount: int, **structure: Any) -> None:
    cell, convention = pair
    structure |= {"cell": CELLS[cell], "biases": CONVENTIONS[convention].biases(CELLS[cell])}

    def total(d_h: int) -> int:
        return count_parameters(Network(**structure, d_h=d_h), convention).total

    network, budget = Network(**structure, d_h=7), Budget(amount, "parameters", None, 1)
    if total(1) > amount:
        with pytest.raises(TooLargeError, match=f"{total(1):,} parameters"):
            fit_budget(network, convention, budget)
        return
    report = fit_budget(network, convention, budget)
    best = report.fits.d_h
    assert report.fits == (best, total(best), amount - total(best))
    assert report.fits.left >= 0
    assert report.in_d_h.value({"d_h": best}) == total(best)
    if best == 10**18:
        assert report.next is None
    else:
        assert report.next == (best + 1, total(best + 1), amount - total(best + 1))
        assert report.next.left < 0


def fitted(text: str, convention: str = "xh", dtype: str | None = None, **structure: Any) -> BudgetReport:
    return fit_budget(Network(d_in=4, d_h=1_000_000, **structure), convention, parse_budget(text, dtype))


@pytest.mark.parametrize("limit", range(27, 400, 7))
def test_small_budgets_give_what_trying_every_width_gives(limit: int) -> None:
    def count(d_h: int) -> int:
        return 3 * d_h * (4 + d_h + 1) + d_h

    widths = [d_h for d_h in range(1, 30) if count(d_h) <= limit]
    assert fitted(str(limit), cell=CELLS["gru"]).fits.d_h == max(widths)


def test_a_million_parameters_hold_an_lstm_of_468_units_on_64_inputs() -> None:
    report = fit_budget(Network(64, 1, cell=CELLS["lstm"]), "xh", parse_budget("1M"))
    assert report.fits == (468, 4 * 468 * (64 + 468 + 1), 2224)
    assert report.next == (469, 4 * 469 * (64 + 469 + 1), -1784)
    assert report.suited is not None
    assert report.suited.d_h == 448


def test_bytes_are_left_over_in_bytes() -> None:
    report = fitted("50MB", dtype="float16")
    assert report.fits.left == 50_000_000 - 2 * report.fits.total
    assert 0 <= report.fits.left < 2 * ((report.next.total if report.next else 0) - report.fits.total)


def test_a_projection_keeps_d_h_above_itself() -> None:
    lstm: dict[str, Any] = {"cell": CELLS["lstm"], "d_p": 10, "biases": 2}
    smallest = count_parameters(Network(4, 11, **lstm), "pytorch").total
    assert fitted(str(smallest), "pytorch", **lstm).fits == (11, smallest, 0)
    with pytest.raises(TooLargeError, match="the smallest that a projection to 10 allows"):
        fitted(str(smallest - 1), "pytorch", **lstm)


def test_a_tied_readout_leaves_d_h_no_choice_unless_it_is_projected() -> None:
    tied: dict[str, Any] = {"vocab": 50, "d_out": 50, "tied": True, "cell": CELLS["lstm"]}
    with pytest.raises(DataError, match="tied"):
        fit_budget(Network(8, 8, **tied), "xh", parse_budget("1M"))
    report = fit_budget(Network(8, 9, d_p=8, **tied), "xh", parse_budget("1M"))
    assert count_parameters(Network(8, report.fits.d_h, d_p=8, **tied)).total == report.fits.total


def test_widths_for_each_layer_are_no_budget_to_search() -> None:
    with pytest.raises(DataError, match="one d_h for all layers"):
        fit_budget(Network(4, (3, 5)), "xh", parse_budget("1M"))


@pytest.mark.torch
def test_torch_counts_what_the_budget_report_says() -> None:
    torch = pytest.importorskip("torch")
    network = Network(20, 1, cell=CELLS["gru"], biases=2, layers=2, bidirectional=True)
    report = fit_budget(network, "pytorch", parse_budget("30k"))
    for fit in (report.fits, report.next):
        assert fit is not None
        module = torch.nn.GRU(20, fit.d_h, 2, bidirectional=True)
        assert fit.total == sum(p.numel() for p in module.parameters())
