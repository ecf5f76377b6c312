"""rnncalc params."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rnn_calc.commands.options import NetworkOptions, OutputOptions, takes_groups
from rnn_calc.commands.setup import destination_of, expected_of, load_setup, require_met
from rnn_calc.core.counts import CountReport, count_parameters
from rnn_calc.core.errors import DataError, UsageError
from rnn_calc.core.sizes import check_size

if TYPE_CHECKING:
    from rnn_calc.core.expectations import Expectation


@takes_groups
def command(
    network: NetworkOptions,
    output: OutputOptions,
    *,
    steps: Annotated[
        list[int] | None,
        typer.Option(
            "--steps",
            "-T",
            help="Compare with weights of its own at each of T steps; repeatable.",
            metavar="N",
        ),
    ] = None,
) -> None:
    """Count the parameters: formulas, numbers, totals.

    \b
    rnncalc params --d-in 50 --d-h 128 --d-out 0
    rnncalc params --d-h 1000000000 --convention pytorch
    rnncalc params --steps 20            shared weights against weights of its own at each step
    """
    destination = destination_of(output)
    for value in steps or ():
        check_size("--steps", value, error=UsageError)
    setup = load_setup(network)
    report = count_parameters(setup.network, setup.convention, steps=steps or (1, 10, 100))
    changed = network.convention is not None
    expectations = _compare(report, expected_of("params", setup, changed=changed, check=output.check))

    from rnn_calc.show.counts import counts_view
    from rnn_calc.show.heading import describe_network
    from rnn_calc.show.output import emit

    emit(counts_view(report, expectations, describe_network(setup.network, setup.convention.name)), destination)
    require_met(expectations, check=output.check)


def _compare(report: CountReport, expected: dict[str, object]) -> tuple[Expectation, ...]:
    if not expected:
        return ()
    from rnn_calc.core.expectations import compare

    found = []
    if "total" in expected:
        found.append(compare("total", expected["total"], report.total))
    counts = expected.get("count", {})
    if not isinstance(counts, dict):
        raise DataError("expected.count must be a table of symbols and counts.")
    by_symbol = {row.symbol: row.count for row in report.rows}
    for symbol, printed in counts.items():
        if symbol not in by_symbol:
            raise DataError(f"expected.count names {symbol}, which is no parameter here ({', '.join(by_symbol)}).")
        found.append(compare(symbol, printed, by_symbol[symbol]))
    return tuple(found)
