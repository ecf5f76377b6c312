"""rnncalc params."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from rnn_calc.commands.answer import Answer
from rnn_calc.commands.claims import parse_widths
from rnn_calc.commands.options import NetworkOptions, OutputOptions, Values, size_option, takes_groups, text_option
from rnn_calc.commands.setup import choose, destination_of, load_whole
from rnn_calc.core.errors import DataError, UsageError
from rnn_calc.core.sizes import check_size

if TYPE_CHECKING:
    from rnn_calc.core.expectations import Expectation
    from rnn_calc.core.search import Search
    from rnn_calc.show.output import Destination, View


class Goal(NamedTuple):
    """What is asked for besides a count, or in its place."""

    steps: list[int]
    all_conventions: bool
    budget: str | None
    dtype: str | None
    total: int | None
    limit: int | None


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
    budget: Annotated[
        str | None,
        text_option(
            "--budget", "-b", text="Find the largest d_h that fits: 500k, 2.5M, 1e6; 50MB, 48MiB.", metavar="SIZE"
        ),
    ] = None,
    dtype: Annotated[
        str | None,
        text_option(
            "--dtype",
            text="What a budget in bytes is kept in: float64, float32, float16, bfloat16, int8. [float32]",
            metavar="NAME",
        ),
        Values("core.budget", "DTYPES"),
    ] = None,
    total: Annotated[
        int | None, size_option("--total", text="Find the networks that have exactly N parameters.")
    ] = None,
    limit: Annotated[int | None, size_option("--limit", text="How many of them are shown. [20]")] = None,
) -> Answer:
    """Count the parameters, or find sizes that make a total.

    \b
    rnncalc params --d-in 50 --d-h 128 --d-out 0
    rnncalc params --cell gru --convention keras --all-conventions
    rnncalc params --budget 1M --cell lstm --d-in 64 --d-out 0
    rnncalc params --total 3938304       which networks have so many?
    rnncalc params --steps 20            shared weights against weights of its own at each step
    """
    destination = destination_of(output)
    goal = Goal(steps or [], all_conventions, budget, dtype, total, limit)
    _check_goal(network, output, goal)
    if total is not None:
        return Answer(_search(network, goal), destination)
    if budget is not None:
        return Answer(_fit(network, goal), destination)
    return _count(network, output, goal, destination)


def _check_goal(network: NetworkOptions, output: OutputOptions, goal: Goal) -> None:
    """Nothing, where the options fit together.

    Raises: UsageError naming the two that do not.
    """
    if goal.total is not None and goal.budget is not None:
        raise UsageError("--total and --budget search for two things; give one of them.")
    if goal.dtype is not None:
        from rnn_calc.core.budget import DTYPES

        choose(goal.dtype, DTYPES, "dtype")
    if goal.dtype is not None and goal.budget is None:
        raise UsageError("--dtype is for a budget in bytes; add --budget 50MB.")
    if goal.limit is not None and goal.total is None:
        raise UsageError("--limit is for the networks of a total; add --total N.")
    asked = "--total" if goal.total is not None else "--budget" if goal.budget is not None else ""
    useless: dict[str, object] = {
        "--steps": goal.steps,
        "--all-conventions": goal.all_conventions,
        "--check": output.check,
    }
    if goal.total is not None:
        useless |= {"--model": network.model, "--example": network.example, "--layer": network.layer}
    for option, value in useless.items():
        if asked and value:
            raise UsageError(f"{asked} searches for sizes, so {option} plays no part; leave one of them out.")


def _count(network: NetworkOptions, output: OutputOptions, goal: Goal, destination: Destination) -> Answer:
    from rnn_calc.core.counts import count_everywhere, count_notation

    if goal.all_conventions and network.biases is not None:
        raise UsageError("--all-conventions gives each convention its own number of biases; leave --biases out.")
    for value in goal.steps:
        check_size("--steps", value, error=UsageError)
    setup = load_whole(network)
    report = count_notation(setup.notation, steps=goal.steps or (1, 10, 100))
    expectations: tuple[Expectation, ...] = ()
    failure = None
    if setup.model.expected or output.check:
        from rnn_calc.commands.expected import check_failure, compare_counts, expected_of

        changed = network.convention is not None
        expectations = compare_counts(expected_of("params", setup, changed=changed, check=output.check), report)
        failure = check_failure(expectations, check=output.check)

    from rnn_calc.show.counts import counts_view
    from rnn_calc.show.heading import describe_network

    plain = setup.network.cell.name == "rnn" and len(setup.network.stages) <= 2
    view = counts_view(
        report,
        describe_network(setup.network, setup.convention, setup.remarks),
        expectations,
        count_everywhere(setup.network) if goal.all_conventions else (),
        unrolled=plain or bool(goal.steps),
    )
    return Answer(view, destination, failure, setup)


def _fit(network: NetworkOptions, goal: Goal) -> View:
    from rnn_calc.core.budget import NOT_FREE, fit_budget, parse_budget

    assert goal.budget is not None
    budget = parse_budget(goal.budget, goal.dtype)
    if network.d_h is not None:
        several = " one for all layers," if len(parse_widths(network.d_h)) > 1 else ""
        raise UsageError(f"--budget searches for d_h,{several} so it cannot be given; leave --d-h or --budget out.")
    if network.tied and network.proj is None:
        raise UsageError(NOT_FREE)
    if network.model is None and network.example is None:
        # A projection is narrower than d_h, whatever d_h will be.
        network = replace(network, d_h=str((network.proj or 0) + 1))
    setup = load_whole(network)
    report = fit_budget(setup.network, setup.convention, budget)

    from rnn_calc.show.budget import budget_view
    from rnn_calc.show.heading import describe_network

    heading = describe_network(report.notation.network, setup.convention, setup.remarks)
    return budget_view(report, heading)


def _search(network: NetworkOptions, goal: Goal) -> View:
    from rnn_calc.core.search import find_networks

    search = _search_of(network, goal)
    limit = check_size("--limit", 20 if goal.limit is None else goal.limit, error=UsageError)
    try:
        report = find_networks(search, limit=limit)
    except DataError as error:
        raise UsageError(str(error)) from None

    from rnn_calc.show.search import search_view

    return search_view(report)


def _search_of(network: NetworkOptions, goal: Goal) -> Search:
    """What is searched: everything that no option narrows."""
    from rnn_calc.core.cells import CELLS
    from rnn_calc.core.conventions import CONVENTIONS
    from rnn_calc.core.equations import MERGES
    from rnn_calc.core.search import Search

    minimum = {"d_in": 1, "d_out": 0, "layers": 1, "proj": 1, "vocab": 1, "biases": 0}
    for name, least in minimum.items():
        value = getattr(network, name)
        if value is not None:
            check_size(f"--{name.replace('_', '-')}", value, minimum=least, error=UsageError)
    widths = parse_widths(network.d_h)
    if len(widths) > 1 and network.layers not in (None, len(widths)):
        raise UsageError(f"--d-h names {len(widths)} widths, but --layers is {network.layers}.")
    if network.tied and (network.vocab is None or network.d_out not in (None, network.vocab)):
        raise UsageError("--tied reads out through the embedding: add --vocab N, and leave --d-out out.")
    merge = "concat" if network.merge is None else choose(network.merge, MERGES, "merge")
    both = network.bidirectional or merge != "concat"
    return Search(
        check_size("--total", goal.total, error=UsageError),
        tuple(CELLS) if network.cell is None else (choose(network.cell, CELLS, "cell"),),
        tuple(CONVENTIONS) if network.convention is None else (choose(network.convention, CONVENTIONS, "convention"),),
        d_in=network.d_in,
        d_h=widths if len(widths) > 1 else widths[0] if widths else None,
        layers=Search(0).layers if network.layers is None else (network.layers,),
        directions=(2,) if both else Search(0).directions,
        d_out=network.vocab if network.tied and network.vocab else network.d_out or 0,
        biases=network.biases,
        merge=merge,
        d_p=network.proj or 0,
        vocab=network.vocab or 0,
        tied=network.tied,
        readout_bias=not network.no_readout_bias,
    )
