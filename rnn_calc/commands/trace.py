"""rnncalc trace."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated

import typer

from rnn_calc.commands.answer import Answer
from rnn_calc.commands.options import NetworkOptions, OutputOptions, takes_groups
from rnn_calc.commands.plot_options import PlotOptions, destination_with_plot
from rnn_calc.commands.run_options import ScalingOptions, SequenceOptions, WeightOptions
from rnn_calc.core.errors import UsageError

if TYPE_CHECKING:
    from rnn_calc.core.network import Network

_DEFAULT_STEPS = 5


@takes_groups
def command(
    network: NetworkOptions,
    weights: WeightOptions,
    scaling: ScalingOptions,
    sequence: SequenceOptions,
    output: OutputOptions,
    plot: PlotOptions,
    *,
    explain: Annotated[
        bool, typer.Option("--explain", help="Write the arithmetic out with the numbers put in.")
    ] = False,
    unit: Annotated[
        list[int] | None,
        typer.Option("--unit", "-u", help="Show this hidden unit, counted from 1; repeatable.", metavar="N"),
    ] = None,
) -> Answer:
    """Run a sequence and show every step of it.

    \b
    rnncalc trace --example cat-sat-here --explain
    rnncalc trace --d-h 2 --sequence "0.5,0.2; 0.1,0.9" --init orthogonal --seed 7
    rnncalc trace --cell lstm --layers 2 --bidirectional --layer 1
    rnncalc trace --d-h 8 --steps 1000000 --format csv > states.csv
    rnncalc trace --cell lstm --steps 40 --plot states.pdf
    """
    from rnn_calc.commands.expected import check_failure, compare_states, expected_of
    from rnn_calc.commands.running import prepare_run
    from rnn_calc.show.heading import describe_network
    from rnn_calc.show.trace import TraceShown, trace_view

    destination = destination_with_plot(output, plot)
    run = prepare_run(network, weights, sequence, command="trace", default_steps=_DEFAULT_STEPS, scaling=scaling)
    setup = run.setup
    expected = expected_of("trace", setup, changed=run.changed, check=output.check)
    cell = setup.network.cell
    shown = TraceShown(
        setup.notation,
        describe_network(setup.network, setup.convention, setup.remarks),
        (*run.notes, *([f"{cell.name}: {cell.note}"] if cell.note else [])),
        run.sequence.labels,
        explain,
        _chosen_units(unit or [], setup.network),
        () if setup.layer is None else (setup.layer,),
    )
    whole = cache(run.whole)
    expectations = compare_states(expected, whole()) if expected else ()
    # A picture needs all steps, and inputs may come from a pipe, which is read once.
    blocks = run.blocks if plot.plot is None else lambda: [whole()]
    failure = check_failure(expectations, check=output.check)
    return Answer(trace_view(whole, blocks, shown, expectations), destination, failure)


def _chosen_units(numbers: list[int], network: Network) -> tuple[int, ...]:
    """The units of --unit, counted from 0."""
    widest = max(*network.widths, network.output_width)
    for number in numbers:
        if not 1 <= number <= widest:
            d_h = (
                f"d_h = {network.d_h}" if isinstance(network.d_h, int) and widest == network.d_h else "the widest layer"
            )
            raise UsageError(f"There is no unit {number}: {d_h} has units 1 to {widest}.")
    return tuple(dict.fromkeys(number - 1 for number in numbers))
