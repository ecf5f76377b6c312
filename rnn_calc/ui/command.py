"""rnncalc ui."""

from __future__ import annotations

import os
import shlex
import sys
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated

import typer

from rnn_calc.commands.options import NetworkOptions, Values, command_line, takes_groups, text_option
from rnn_calc.commands.run_options import LossOptions, ScalingOptions, SequenceOptions, WeightOptions
from rnn_calc.commands.setup import choose
from rnn_calc.core.errors import UsageError
from rnn_calc.show.document import Layout
from rnn_calc.ui.fields import NARROWEST, QUIZ, TABS, TITLES
from rnn_calc.ui.session import PlaceOptions, Session

if TYPE_CHECKING:
    from rnn_calc.ui.app import Calc

# Seconds that the screen waits for its first page.
_PATIENCE = 1.0
# What the program that serves a browser sets for its children, which have no terminal.
_IN_A_BROWSER = "TEXTUAL_DRIVER"
_FORM_WIDTH = 30


@takes_groups
def command(
    network: NetworkOptions,
    weights: WeightOptions,
    scaling: ScalingOptions,
    sequence: SequenceOptions,
    loss: LossOptions,
    places: PlaceOptions,
    *,
    tab: Annotated[
        str | None,
        text_option("--tab", text=f"{', '.join(TITLES)}. [shapes]", metavar="NAME"),
        Values("ui.fields", "TITLES"),
    ] = None,
    web: Annotated[bool, typer.Option("--web", help="In a browser, on 127.0.0.1 alone; Ctrl-C stops it.")] = False,
    port: Annotated[int, typer.Option("--port", help="Of --web; 0 is any that is free.", metavar="N")] = 8000,
) -> None:
    """A screen that calculates while you type.

    Each tab is what a command shows, and its last line is that command.

    \b
    rnncalc ui
    rnncalc ui --cell lstm --d-h 64 --tab gradient-decay
    rnncalc ui --example cat-sat-here --tab trace
    rnncalc ui --web --port 8080
    """
    name = choose(tab, TITLES, "tab") if tab is not None else TABS[0].command
    session = Session(network, weights, scaling, sequence, loss, places)
    problem = session.problem()
    if problem:
        raise UsageError(problem[1])
    if web:
        from rnn_calc.ui.web import own_command, serve

        line = command_line("ui", network, weights, scaling, sequence, loss, places, tab=tab)
        serve(own_command(shlex.split(line)[2:]), port=port)
        return
    _require_terminal()
    app = opened(session, name, get_terminal_size().columns)
    try:
        app.run()
    finally:
        app.calculator.end()
    if app.return_code:  # a bug, whose traceback has been shown
        raise typer.Exit(app.return_code)


def _require_terminal() -> None:
    """Nothing, where there is a screen to draw on.

    Raises: UsageError.
    """
    streams = (sys.stdin, sys.stdout, sys.stderr)  # Textual draws on stderr
    if not all(stream and stream.isatty() for stream in streams) and _IN_A_BROWSER not in os.environ:
        raise UsageError(
            "ui draws on a terminal, so stdin, stdout and stderr must be one. Into a pipe or a file, take the command "
            "of a tab, as in `rnncalc shapes`; for a browser, `rnncalc ui --web`."
        )


def opened(session: Session, tab: str, columns: int) -> Calc:
    """The screen with its first page, ready to run; `columns` is how wide the terminal is.

    Raises: RnnCalcError, what the tab's command says of these options.
    """
    from rnn_calc.ui.calculator import Calculator

    calculator, first = Calculator(), None
    try:
        session = session.opened_at(tab)
        if tab != QUIZ:
            layout = Layout(max(NARROWEST, columns - _FORM_WIDTH), color="NO_COLOR" not in os.environ)
            calculator.ask("page", command=tab, args=session.words(tab), layout=layout)
        # While the process starts and calculates, Textual is imported.
        from rnn_calc.ui.app import Calc

        if tab != QUIZ:
            # What is wrong is found at once; what takes long is awaited on the screen.
            first = calculator.wait(_PATIENCE)
            if first is not None and first.error is not None:
                raise first.error
        return Calc(session, calculator, tab=tab, first=first)
    except BaseException:
        calculator.end()
        raise
