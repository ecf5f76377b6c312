"""rnncalc cells."""

from __future__ import annotations

from typing import Annotated

import typer

from rnn_calc.commands.answer import Answer
from rnn_calc.commands.options import CELL, CONVENTION, OutputOptions, convention_option, takes_groups
from rnn_calc.commands.setup import choose, destination_of
from rnn_calc.core.errors import DataError, UsageError


@takes_groups
def command(
    output: OutputOptions,
    *,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]…", help="Only these cells, as in lstm gru.", show_default=False),
        CELL,
    ] = None,
    convention: Annotated[str | None, convention_option(), CONVENTION] = None,
) -> Answer:
    """List the cells: equations, states, parameters, source.

    \b
    rnncalc cells
    rnncalc cells lstm gru
    rnncalc cells gru --convention keras
    """
    from rnn_calc.core.catalog import describe_cells
    from rnn_calc.core.conventions import CONVENTIONS
    from rnn_calc.show.cells import cells_view

    if output.check:
        raise UsageError("cells has nothing to check; leave --check out.")
    destination = destination_of(output)
    chosen = choose(convention or "xh", CONVENTIONS, "convention")
    try:
        entries = describe_cells(tuple(names or ()), chosen)
    except DataError as error:
        raise UsageError(str(error)) from None
    return Answer(cells_view(entries, chosen), destination)
