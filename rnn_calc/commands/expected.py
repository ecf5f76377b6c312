"""A file's expected values against a report: which apply, how each compares, and what --check makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from rnn_calc.core.errors import CheckFailedError, DataError, UsageError, quoted
from rnn_calc.files.model import EXPECTED

if TYPE_CHECKING:
    from rnn_calc.commands.setup import Setup
    from rnn_calc.core.counts import CountReport
    from rnn_calc.core.decay import DecayReport
    from rnn_calc.core.expectations import Expectation
    from rnn_calc.core.shapes import ShapeReport
    from rnn_calc.core.trace import Trace

_Table = Mapping[str, object]


class Expected(NamedTuple):
    """The expected values of one command, and the file they come from; false when there is nothing to compare."""

    values: _Table
    source: str

    def __bool__(self) -> bool:
        return bool(self.values)

    def table(self, name: str, what: str) -> _Table:
        """A part that must be a table; empty where the file has none."""
        found = self.values.get(name, {})
        if not isinstance(found, dict):
            raise DataError(f"{self.source}: expected.{name} must be a table of {what}; it is {quoted(found)}.")
        return found

    @property
    def jacobian_lags(self) -> list[int]:
        """The lags whose whole Jacobians are expected."""
        return [_lag(key) for key in self.table("jacobian", "lags and matrices")]


def expected_of(command: str, setup: Setup, *, changed: bool, check: bool) -> Expected:
    """The file's expected values that `command` can check; none when the command line changed what they describe.

    Raises: UsageError when --check asks for a comparison and there is nothing to compare.
    """
    changed = changed or not setup.unchanged
    found = {name: value for name, value in setup.model.expected.items() if EXPECTED[name] == command}
    if check:
        if not setup.model.path:
            raise UsageError("--check compares with the expected values of a file; add --example NAME or --model FILE.")
        if not found:
            raise DataError(f"{setup.model.name} expects nothing of {command}, so there is nothing to check.")
        if changed:
            raise UsageError(
                "--check compares the file's own network and input; leave out the options that change them."
            )
    return Expected({} if changed else found, setup.model.name)


def check_failure(expectations: tuple[Expectation, ...], *, check: bool) -> CheckFailedError | None:
    """What to fail with where --check was given and an expected value is off."""
    off = [expectation.name for expectation in expectations if not expectation.met]
    if not (check and off):
        return None
    return CheckFailedError(f"{len(off)} of {len(expectations)} expected values are off: {', '.join(off)}.")


def compare_shapes(expected: Expected, report: ShapeReport) -> tuple[Expectation, ...]:
    """Expected shapes by symbol."""
    if not expected:
        return ()
    from rnn_calc.core.expectations import compare_shape

    table = expected.table("shape", "symbols and shapes")
    found = {symbol: report.tensor(symbol) for symbol in table}
    return tuple(
        compare_shape(symbol, printed, tensor.shape if (tensor := found[symbol]) else None)
        for symbol, printed in table.items()
    )


def compare_counts(expected: Expected, report: CountReport) -> tuple[Expectation, ...]:
    """The expected total, and expected counts by symbol."""
    if not expected:
        return ()
    from rnn_calc.core.expectations import compare

    found = [compare("total", expected.values["total"], report.total)] if "total" in expected.values else []
    by_symbol = {row.symbol: row.count for row in report.rows}
    for symbol, printed in expected.table("count", "symbols and counts").items():
        if symbol not in by_symbol:
            raise DataError(
                f"{expected.source}: expected.count names {quoted(symbol)}, which is no parameter here "
                f"({', '.join(by_symbol)})."
            )
        found.append(compare(symbol, printed, by_symbol[symbol]))
    return tuple(found)


def compare_states(expected: Expected, done: Trace) -> tuple[Expectation, ...]:
    """The expected x, z, h and y of a trace, number by number."""
    from rnn_calc.core.expectations import compare, entries

    found = []
    for name, printed in expected.values.items():
        values = done.value(name)
        if values is None:
            raise DataError(
                f"{expected.source} expects {name}, which this network has not{' (d_out is 0)' if name == 'y' else ''}."
            )
        for (step, unit), text in entries(name, printed, values.shape):
            found.append(compare(f"{name}_{step + 1}[{unit + 1}]", text, float(values[step, unit])))
    return tuple(found)


def compare_decay(expected: Expected, report: DecayReport) -> tuple[Expectation, ...]:
    """Expected norms, their logarithms, and whole Jacobians, by lag."""
    from decimal import Decimal

    from rnn_calc.core.expectations import compare, entries

    found = []
    for name in ("norm", "log10_norm"):
        for key, printed in expected.table(name, "lags and values").items():
            lag = _lag(key)
            if lag not in report.lags:
                raise DataError(
                    f"{expected.source}: expected.{name} names lag {lag}; {report.trace.steps} steps have lags "
                    f"1 to {len(report.lags)}."
                )
            value = report.log10_norm(lag)
            # A norm may be far beyond float64, so it is compared as a decimal.
            computed = value if name == "log10_norm" else Decimal(10) ** Decimal(value)
            found.append(compare(f"{name}({lag})", printed, computed))
    for key, printed in expected.table("jacobian", "lags and matrices").items():
        matrix = report.jacobians[_lag(key)]
        for (row, column), text in entries(f"jacobian.{key}", printed, matrix.shape):
            found.append(compare(f"J({key})[{row + 1},{column + 1}]", text, float(matrix[row, column])))
    return tuple(found)


def _lag(key: str) -> int:
    if not key.isdecimal() or len(key) > 18:
        raise DataError(f"{quoted(key)} is no lag; expected norms and Jacobians stand under whole numbers from 1.")
    return int(key)
