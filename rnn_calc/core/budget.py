"""Budget → BudgetReport: the largest d_h whose network fits in so many parameters or bytes. Integers alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from rnn_calc.core.closed_form import ClosedForm, Term, collect
from rnn_calc.core.conventions import Convention
from rnn_calc.core.counts import closed_form
from rnn_calc.core.errors import DataError, TooLargeError, UsageError, did_you_mean, listed, quoted
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.sizes import LARGEST_SIZE, Sizes

# Bytes that one parameter takes.
DTYPES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
DEFAULT_DTYPE = "float32"

_THOUSANDS = {"k": 1, "m": 2, "g": 3, "t": 4}
_PARAMETER_UNITS = {"": 1} | {letter: 1000**power for letter, power in _THOUSANDS.items()}
_BYTE_UNITS = (
    {"byte": 1, "bytes": 1}
    | {f"{letter}b": 1000**power for letter, power in _THOUSANDS.items()}
    | {f"{letter}ib": 1024**power for letter, power in _THOUSANDS.items()}
)
_WRITTEN = re.compile(r"(\d{1,3}(?:,\d{3})+|\d+(?:_\d+)*)(?:\.(\d+))?(?:e([+-]?\d{1,3}))?\s*([a-z]*)", re.ASCII)
_LONGEST_TEXT = 60
# More than any network here has.
_MOST = 10**40

NOT_FREE = (
    "--budget searches d_h, but a tied readout leaves it no choice: the top layer's output must be as wide as the "
    "embedding, d_in. Leave --tied out, add --proj N, or count it with --d-in and --d-h."
)

# A width that is a multiple of this suits the hardware; below it, of the smaller one.
_SUITED = (64, 8)


class Budget(NamedTuple):
    """How much there may be: `amount` in parameters or in bytes, where a parameter takes `item` of them."""

    amount: int
    unit: str
    dtype: str | None
    item: int

    @property
    def parameters(self) -> int:
        """How many whole parameters it allows."""
        return self.amount // self.item


class Fit(NamedTuple):
    """A width and the total with it; `left` of the budget, in its unit, negative where the total is over."""

    d_h: int
    total: int
    left: int


class BudgetReport(NamedTuple):
    """The largest d_h that fits and the next that does not; None where 10^18 fits.

    `notation` is of the network that fits; `suited` is the largest d_h that fits and is a multiple of `multiple`, where
    it is another one. `form` is the total, `in_d_h` the same with every size but d_h put in.
    """

    notation: Notation
    budget: Budget
    fits: Fit
    next: Fit | None
    suited: Fit | None
    multiple: int
    form: ClosedForm
    in_d_h: ClosedForm


def parse_budget(text: str, dtype: str | None = None) -> Budget:
    """The budget that is written: 500k, 2.5M, 1e6, 1_000_000 parameters; 50MB, 48MiB bytes. Exact; fractions go.

    Raises: UsageError for what cannot be read, a dtype there is not, or one that plays no part.
    """
    if dtype is not None and dtype not in DTYPES:
        raise UsageError(
            f"There is no dtype {quoted(dtype)}; it must be {listed(DTYPES)}.{did_you_mean(dtype, DTYPES)}"
        )
    read = _WRITTEN.fullmatch(text.strip().lower()) if len(text) <= _LONGEST_TEXT else None
    unit = read[4] if read else ""
    if unit == "b":
        raise UsageError(f"--budget {quoted(text)} may be a billion or bytes; write 1G for a billion, 1GB for bytes.")
    if read is None or unit not in _PARAMETER_UNITS | _BYTE_UNITS:
        raise UsageError(
            f"--budget must be a number of parameters (500k, 2.5M, 1e6, 1_000_000) or of bytes (50MB, 48MiB); "
            f"it is {quoted(text)}."
        )
    whole, part, exponent, _ = read.groups(default="")
    power = int(exponent or 0) - len(part)
    in_bytes = unit in _BYTE_UNITS
    digits = int(whole.replace(",", "").replace("_", "") + part)
    amount = digits * (_BYTE_UNITS if in_bytes else _PARAMETER_UNITS)[unit]
    amount = amount * 10**power if power >= 0 else amount // 10**-power
    if not 1 <= amount <= _MOST:
        raise UsageError(f"--budget must be from 1 to 10^40; it is {quoted(text)}.")
    if in_bytes:
        return Budget(amount, "bytes", dtype or DEFAULT_DTYPE, DTYPES[dtype or DEFAULT_DTYPE])
    if dtype is not None:
        raise UsageError(f"--dtype plays no part in a budget of parameters; write it in bytes: {text.strip()}B.")
    return Budget(amount, "parameters", None, 1)


def largest_width(count: Callable[[int], int], limit: int, lowest: int = 1) -> int | None:
    """The largest d_h from `lowest` to 10^18 with count(d_h) ≤ limit; None where there is none. `count` only grows."""
    if count(lowest) > limit:
        return None
    fits, beyond = lowest, LARGEST_SIZE + 1
    while beyond - fits > 1:
        middle = (fits + beyond) // 2
        if count(middle) <= limit:
            fits = middle
        else:
            beyond = middle
    return fits


def fit_budget(network: Network, convention: Convention | str, budget: Budget) -> BudgetReport:
    """The largest d_h with which `network` fits; its own d_h plays no part.

    Raises: TooLargeError when not even the smallest fits; DataError where d_h is not one free number.
    """
    if isinstance(network.d_h, tuple):
        widths = ", ".join(map(str, network.d_h))
        raise DataError(f"--budget searches one d_h for all layers; this network has several: {widths}.")
    if network.tied and not network.d_p:
        raise DataError(NOT_FREE)
    lowest = network.d_p + 1
    smallest = Notation(replace(network, d_h=lowest), convention)
    form = closed_form(smallest)
    sizes = smallest.network.sizes

    def fit(d_h: int) -> Fit:
        total = form.value({**sizes, "d_h": d_h})
        return Fit(d_h, total, budget.amount - total * budget.item)

    # Every term's coefficient is positive, and some term has d_h: the count grows with it.
    best = largest_width(lambda d_h: fit(d_h).total, budget.parameters, lowest)
    if best is None:
        raise TooLargeError(_nothing_fits(smallest, budget))
    notation = Notation(replace(network, d_h=best), convention)
    assert notation.total == fit(best).total
    multiple = next((m for m in _SUITED if m <= best), 1)
    suited = best - best % multiple
    return BudgetReport(
        notation,
        budget,
        fit(best),
        fit(best + 1) if best < LARGEST_SIZE else None,
        fit(suited) if lowest <= suited < best else None,
        multiple,
        form,
        _in_d_h(form, sizes),
    )


def _in_d_h(form: ClosedForm, sizes: Sizes) -> ClosedForm:
    """The form with every size but d_h put in, as a polynomial is read: its highest power first."""
    free = [tuple(name for name in term.names if name == "d_h") for term in form.terms]
    numbers = {**sizes, "d_h": 1}
    whole = collect(Term(term.value(numbers), names) for term, names in zip(form.terms, free, strict=True))
    return ClosedForm(tuple(sorted(whole.terms, key=lambda term: -len(term.names))))


def _nothing_fits(smallest: Notation, budget: Budget) -> str:
    d_h, total = smallest.network.d_h, smallest.total
    size = f"{total:,} parameters"
    if budget.unit == "bytes":
        size += f", {total * budget.item:,} bytes in {budget.dtype}"
    over = total * budget.item - budget.amount
    constraint = f", the smallest that a projection to {smallest.network.d_p} allows," if smallest.network.d_p else ""
    return (
        f"Nothing fits: with {smallest.size('d_h')} = {d_h}{constraint} the network has {size}, {over:,} over the "
        f"budget of {budget.amount:,} {budget.unit}."
    )
