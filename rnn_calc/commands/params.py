"""rnncalc params."""

from __future__ import annotations

from typing import Annotated

import typer

from rnn_calc.commands.expected import compare_counts, expected_of, require_met
from rnn_calc.commands.options import NetworkOptions, OutputOptions, takes_groups
from rnn_calc.commands.setup import destination_of, load_setup
from rnn_calc.core.counts import count_everywhere, count_notation
from rnn_calc.core.errors import UsageError
from rnn_calc.core.sizes import check_size


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
    all_conventions: Annotated[
        bool, typer.Option("--all-conventions", help="The total under every convention, and what makes it differ.")
    ] = False,
) -> None:
    """Count the parameters: formulas, numbers, totals.

    \b
    rnncalc params --d-in 50 --d-h 128 --d-out 0
    rnncalc params --cell gru --convention keras --all-conventions
    rnncalc params --d-h 1000000000 --convention pytorch
    rnncalc params --steps 20            shared weights against weights of its own at each step
    """
    destination = destination_of(output)
    for value in steps or ():
        check_size("--steps", value, error=UsageError)
    setup = load_setup(network)
    report = count_notation(setup.notation, steps=steps or (1, 10, 100))
    changed = network.convention is not None
    expectations = compare_counts(expected_of("params", setup, changed=changed, check=output.check), report)

    from rnn_calc.show.counts import CountExtras, counts_view
    from rnn_calc.show.heading import describe_network
    from rnn_calc.show.output import emit

    plain = setup.network.cell.name == "rnn" and len(setup.network.stages) <= 2
    extras = CountExtras(
        expectations,
        count_everywhere(setup.network) if all_conventions else (),
        unrolled=plain or bool(steps),
    )
    emit(counts_view(report, extras, describe_network(setup.network, setup.convention)), destination)
    require_met(expectations, check=output.check)
