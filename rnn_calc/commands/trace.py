"""rnncalc trace."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated

import typer

from rnn_calc.commands.answer import Answer
from rnn_calc.commands.options import NetworkOptions, OutputOptions, size_option, takes_groups
from rnn_calc.commands.plot_options import PlotOptions, destination_with_plot
from rnn_calc.commands.run_options import ScalingOptions, SequenceOptions, WeightOptions
from rnn_calc.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rnn_calc.commands.setup import Setup
    from rnn_calc.core.one_step import OneStep
    from rnn_calc.core.trace import Trace

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
    step: Annotated[
        int | None,
        size_option("--step", text="Show this step alone, with the network unrolled around it; counted from 1."),
    ] = None,
    unit: Annotated[
        list[int] | None,
        typer.Option(
            "--unit",
            "-u",
            help="Show this hidden unit, counted from 1; with --step, light its weights up; repeatable.",
            metavar="N",
        ),
    ] = None,
) -> Answer:
    """Run a sequence and show every step of it.

    \b
    rnncalc trace --example cat-sat-here --explain
    rnncalc trace --d-h 2 --sequence "0.5,0.2; 0.1,0.9" --init orthogonal --seed 7
    rnncalc trace --spectral-radius 1.1 --step 2 --unit 1
    rnncalc trace --cell lstm --layers 2 --bidirectional --layer 1
    rnncalc trace --d-h 8 --steps 1000000 --format csv > states.csv
    rnncalc trace --cell lstm --steps 40 --plot states.pdf
    """
    from rnn_calc.commands.expected import check_failure, compare_states, expected_of
    from rnn_calc.commands.running import prepare_run
    from rnn_calc.show.heading import describe_network
    from rnn_calc.show.step_page import step_view
    from rnn_calc.show.trace import TraceShown, trace_view

    destination = destination_with_plot(output, plot)
    # The command that makes the same page says which step; the numbers of a whole run are the same for every unit.
    others: dict[str, object] = {} if step is None else {"step": step, "unit": unit or None}
    run = prepare_run(
        network, weights, sequence, command="trace", default_steps=_DEFAULT_STEPS, scaling=scaling, **others
    )
    setup = run.setup
    expected = expected_of("trace", setup, changed=run.changed, check=output.check)
    cell = setup.network.cell
    shown = TraceShown(
        setup.notation,
        describe_network(setup.network, setup.convention, setup.remarks),
        (*run.notes, *([f"{cell.name}: {cell.note}"] if cell.note else [])),
        run.sequence.labels,
        explain,
        _chosen_units(unit or [], setup, of_layer=step is not None),
        () if setup.layer is None else (setup.layer,),
    )
    whole = cache(run.whole)
    # A picture needs all steps, and inputs may come from a pipe, which is read once.
    blocks = run.blocks if plot.plot is None else lambda: [whole()]
    # One step is compared with what a file expects of all where that is asked for.
    expectations = compare_states(expected, whole()) if expected and (step is None or output.check) else ()
    failure = check_failure(expectations, check=output.check)
    if step is None:
        return Answer(trace_view(whole, blocks, shown, expectations), destination, failure, setup, run.sequence.length)
    steps = run.sequence.length
    if step < 1 or (steps is not None and step > steps):
        raise _no_step(step, steps)
    found = cache(lambda: _found(blocks(), step, steps))
    return Answer(step_view(found, whole, shown, expectations), destination, failure, setup, steps)


def _found(parts: Iterable[Trace], step: int, steps: int | None) -> OneStep:
    """The step of a run, whose length may be known only now.

    Raises: UsageError where there is no such step.
    """
    from rnn_calc.core.one_step import find_step

    count = 0

    def counted() -> Iterator[Trace]:
        nonlocal count
        for part in parts:
            count += part.steps
            yield part

    found = find_step(counted(), step, steps)
    if found is None:
        raise _no_step(step, count)
    return found


def _no_step(step: int, steps: int | None) -> UsageError:
    counted = (
        "steps count from 1"
        if steps is None
        else "the run has one, 1"
        if steps == 1
        else f"the run has steps 1 to {steps:,}"
    )
    return UsageError(f"There is no step {step}: {counted}.")


def _chosen_units(numbers: list[int], setup: Setup, *, of_layer: bool) -> tuple[int, ...]:
    """The units of --unit, counted from 0: of the layer that is shown, or of any vector."""
    network = setup.network
    layer = network.layers - 1 if setup.layer is None else setup.layer
    widest = network.widths[layer] if of_layer else max(*network.widths, network.output_width)
    for number in numbers:
        if not 1 <= number <= widest:
            alone = isinstance(network.d_h, int) and widest == network.d_h
            whose = f"d_h = {network.d_h}" if alone else f"layer {layer + 1}" if of_layer else "the widest layer"
            raise UsageError(f"There is no unit {number}: {whose} has units 1 to {widest}.")
    return tuple(dict.fromkeys(number - 1 for number in numbers))
