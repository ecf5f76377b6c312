"""rnncalc params."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rnn_calc.commands.expected import compare_counts, expected_of, require_met
from rnn_calc.commands.options import NetworkOptions, OutputOptions, takes_groups
from rnn_calc.commands.setup import destination_of, load_setup
from rnn_calc.core.counts import count_parameters
from rnn_calc.core.errors import UsageError
from rnn_calc.core.sizes import check_size

if TYPE_CHECKING:
    pass


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
    expectations = compare_counts(expected_of("params", setup, changed=changed, check=output.check), report)

    from rnn_calc.show.counts import counts_view
    from rnn_calc.show.heading import describe_network
    from rnn_calc.show.output import emit

    emit(counts_view(report, expectations, describe_network(setup.network, setup.convention)), destination)
    require_met(expectations, check=output.check)
