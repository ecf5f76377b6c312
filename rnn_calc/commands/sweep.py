"""rnncalc sweep."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from rnn_calc.commands.options import NetworkOptions, OutputOptions, Values, command_line, takes_groups
from rnn_calc.commands.plot_options import PlotOptions, destination_with_plot
from rnn_calc.commands.run_options import SequenceOptions, WeightOptions
from rnn_calc.core.errors import UsageError

if TYPE_CHECKING:
    from rnn_calc.commands.points import Sweep
    from rnn_calc.core.grid import Axis
    from rnn_calc.core.phases import SweepReport
    from rnn_calc.files.journal import Journal
    from rnn_calc.show.output import Destination
    from rnn_calc.show.sweep import SweepShown

_DEFAULT_AXES = ("spectral-radius=0.5:3:11", "gain=0.1:10:7:log")
_DEFAULT_D_H = "32"
_MOST_LISTED = 6
_HELP_OVER = (
    "What to vary, NAME=VALUES: spectral-radius, spectral-norm, gain, forget-bias, d-h, d-in, layers, steps, cell, "
    "activation, init or seed; VALUES as a,b,c, start:stop:count or start:stop:count:log. Repeatable: the first goes "
    "across, the second up. [spectral-radius=0.5:3:11 and, without a model file, gain=0.1:10:7:log]"
)


@takes_groups
def command(
    network: NetworkOptions,
    weights: WeightOptions,
    sequence: SequenceOptions,
    output: OutputOptions,
    plot: PlotOptions,
    *,
    over: Annotated[
        list[str] | None,
        typer.Option("--over", help=_HELP_OVER, metavar="NAME=VALUES", show_default=False),
        Values("commands.typed_network", "axes"),
    ] = None,
    repeats: Annotated[
        int, typer.Option("--repeats", help="Seeds at each point; the numbers are then medians.", metavar="N")
    ] = 1,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", help="Processes; they change no number. [one a core]", metavar="N", show_default=False),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the unfinished sweep beside --output (FILE.partial).")
    ] = False,
) -> None:
    """Measure a network over a grid, and map its phases.

    At each point: the norm of ∂h_T/∂h_1, its rate a step, the largest Lyapunov exponent, and the phase: vanishing,
    steady, exploding, or chaotic (the state stays bounded, yet the exponent is above 0 by two standard errors).
    Without a model file d_h is 32, unless it is given, and 100 steps are drawn.

    With --output, every point is kept in FILE.partial as soon as it is measured; after an interruption the same
    command with --resume goes on from there.

    \b
    rnncalc sweep
    rnncalc sweep --over spectral-radius=0.5:1.5:11
    rnncalc sweep --over gain=0.5:4:8 --over d-h=4:32:4:log --inputs zeros --h0 gaussian
    rnncalc sweep --cell lstm --over forget-bias=-2:4:7 --over steps=20,50 --repeats 3
    """
    from rnn_calc.show.output import emit
    from rnn_calc.show.sweep import sweep_view

    if output.check:
        raise UsageError("sweep has nothing to check; leave --check out.")
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs must be at least 1; it is {jobs}.")
    if resume and output.output in (None, "-"):
        raise UsageError("--resume goes on with an unfinished --output FILE; name it.")
    destination = destination_with_plot(output, plot)
    over = over or _default_axes(network)
    sweep, jobs = _prepared(network, weights, sequence, over, repeats, jobs)
    again = _again(sweep, over, repeats)
    with _journal(sweep, destination, again, resume=resume) as journal:
        report = _measured(sweep, journal, jobs)
        emit(sweep_view(report, _shown(sweep, again)), destination)
        if journal:
            journal.remove()


def _prepared(
    network: NetworkOptions,
    weights: WeightOptions,
    sequence: SequenceOptions,
    over: list[str],
    repeats: int,
    jobs: int | None,
) -> tuple[Sweep, int]:
    """The sweep, each of its networks looked at, and as many processes as cores and memory allow."""
    from rnn_calc.commands.grid import make_grid
    from rnn_calc.commands.points import Fixed, largest_run, make_sweep
    from rnn_calc.commands.workers import cores
    from rnn_calc.core.memory import usable_memory

    grid = make_grid(over, repeats)
    if not _is_given(network) and network.d_h is None and "d-h" not in (axis.name for axis in grid.axes):
        network = replace(network, d_h=_DEFAULT_D_H)
    sweep = make_sweep(Fixed(network, weights, sequence), grid)
    most = usable_memory() // largest_run(sweep)
    return sweep, max(1, min(jobs or cores(), grid.runs, most))


def _is_given(network: NetworkOptions) -> bool:
    """Whether a file or an example says what the network is."""
    return network.model is not None or network.example is not None


def _default_axes(network: NetworkOptions) -> list[str]:
    """What is varied unless one says it; a network that is given holds weights, which no gain draws."""
    return list(_DEFAULT_AXES[:1] if _is_given(network) else _DEFAULT_AXES)


def _again(sweep: Sweep, over: list[str], repeats: int) -> str:
    fixed = sweep.fixed
    times = repeats if repeats > 1 else None
    return command_line("sweep", fixed.network, fixed.weights, fixed.sequence, over=over, repeats=times)


def _journal(
    sweep: Sweep, destination: Destination, again: str, *, resume: bool
) -> AbstractContextManager[Journal | None]:
    """Where finished runs are kept until all are; nowhere without a file to write."""
    from rnn_calc.commands.resuming import open_journal
    from rnn_calc.show.output import is_device

    if destination.path is None or is_device(destination.path):
        return nullcontext()
    return open_journal(sweep, destination.path, again, resume=resume, force=destination.force)


def _measured(sweep: Sweep, journal: Journal | None, jobs: int) -> SweepReport:
    """Every run that the journal has not yet, measured; and the points that all of them make."""
    from rnn_calc.commands.workers import measured
    from rnn_calc.core.phases import SweepReport, summarize
    from rnn_calc.show.progress import remark, tracked

    grid = sweep.grid
    done = dict(journal.done) if journal else {}
    what = f"Measuring ({len(done):,} of {grid.runs:,} were there)" if done else "Measuring"
    missing = [run for run in range(grid.runs) if run not in done]
    fresh = measured(sweep, missing, min(jobs, len(missing)))
    try:
        for run, measurement in tracked(chain(list(done.items()), fresh), what, grid.runs):
            if run not in done:
                done[run] = measurement
                if journal:
                    journal.add(run, measurement)
    except KeyboardInterrupt:
        if journal:
            kept = f"{len(done):,} of {grid.runs:,} runs are kept in {journal.name}"
            remark(f"{kept}; the same command with --resume goes on.")
        raise
    finally:
        fresh.close()
    ordered = [done[run] for run in range(grid.runs)]
    groups = (ordered[start : start + grid.repeats] for start in range(0, grid.runs, grid.repeats))
    return SweepReport(grid, tuple(map(summarize, groups)))


def _shown(sweep: Sweep, again: str) -> SweepShown:
    """What the report says of the network, of the grid, and of how to get the numbers again."""
    from rnn_calc.commands.points import STRUCTURAL, prepare_point
    from rnn_calc.show.document import AGAIN
    from rnn_calc.show.format import plural
    from rnn_calc.show.heading import describe_network
    from rnn_calc.show.sweep import SweepShown

    run, grid = prepare_point(sweep, 0), sweep.grid
    axes = [f"{axis.name} {_extent(axis)}" for axis in grid.axes]
    seed = sweep.options(0).weights.seed
    seeds = f", with each of the seeds {seed} to {(seed or 0) + grid.repeats - 1}" if grid.repeats > 1 else ""
    notes = [f"Swept: {' × '.join(axes)}: {plural(grid.points, 'point')}{seeds}"]
    *origins, alone = run.notes[:3]
    notes += [f"At the first point: {origins[0]}; {origins[1]}", f"{AGAIN}{again}"]
    if "forget-bias" not in (axis.name for axis in grid.axes):
        notes.append(f"The first point alone: {alone.removeprefix(AGAIN)}")
    setup = run.setup
    heading = describe_network(setup.network, setup.convention, setup.remarks)
    if any(axis.name in STRUCTURAL for axis in grid.axes):
        heading = heading._replace(title=f"First point: {heading.title}")
    return SweepShown(heading, tuple(notes))


def _extent(axis: Axis) -> str:
    ticks = axis.ticks
    return f"{ticks[0]} … {ticks[-1]} ({len(ticks)} values)" if len(ticks) > _MOST_LISTED else ", ".join(ticks)
