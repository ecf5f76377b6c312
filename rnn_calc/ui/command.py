"""rnncalc ui."""

from __future__ import annotations

import os
import shlex
import sys
from shutil import get_terminal_size
from typing import Annotated

import typer

from rnn_calc.commands.options import NetworkOptions, command_line, size_option, takes_groups, text_option
from rnn_calc.commands.run_options import LossOptions, SequenceOptions, WeightOptions
from rnn_calc.commands.setup import choose
from rnn_calc.core.errors import UsageError
from rnn_calc.ui.fields import TABS
from rnn_calc.ui.session import Session

_TAB_NAMES = (*(tab.command for tab in TABS), "quiz")
# What the program that serves a browser sets for its children, which have no terminal.
_IN_A_BROWSER = "TEXTUAL_DRIVER"
_FORM_WIDTH = 29


@takes_groups
def command(
    network: NetworkOptions,
    weights: WeightOptions,
    sequence: SequenceOptions,
    loss: LossOptions,
    *,
    batch: Annotated[int | None, size_option("--batch", "-B", text="Sequences run together.")] = None,
    spectral_radius: Annotated[
        float | None,
        typer.Option("--spectral-radius", help="Scale the recurrent matrix to this.", metavar="X", show_default=False),
    ] = None,
    tab: Annotated[str | None, text_option("--tab", text=f"{', '.join(_TAB_NAMES)}. [shapes]", metavar="NAME")] = None,
    web: Annotated[bool, typer.Option("--web", help="In a browser, on 127.0.0.1 alone; Ctrl-C stops it.")] = False,
    port: Annotated[int, typer.Option("--port", help="Of --web; 0 is any that is free.", metavar="N")] = 8000,
) -> None:
    """The calculator live: numbers at the left, and what follows from them at the right, while you type.

    Each tab is what a command shows, and its last line is that command.

    \b
    rnncalc ui
    rnncalc ui --cell lstm --d-h 64 --tab gradient-decay
    rnncalc ui --example cat-sat-here --tab trace
    rnncalc ui --web --port 8080
    """
    name = choose(tab, dict.fromkeys(_TAB_NAMES), "tab") if tab is not None else TABS[0].command
    session = Session(
        network,
        weights,
        sequence,
        loss,
        {
            name: str(value)
            for name, value in (("batch", batch), ("spectral_radius", spectral_radius))
            if value is not None
        },
    )
    problem = session.problem()
    if problem:
        raise UsageError(problem[1])
    if web:
        from rnn_calc.ui.web import own_command, serve

        line = command_line(
            "ui", network, weights, sequence, loss, batch=batch, spectral_radius=spectral_radius, tab=tab
        )
        serve(own_command(shlex.split(line)[2:]), port=port)
        return
    _require_terminal()
    _open(session, name)


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


def _open(session: Session, tab: str) -> None:
    """The screen, once the first page is there: what is wrong with the options is said as any command says it."""
    from rnn_calc.ui.calculator import Calculator

    calculator = Calculator()
    try:
        first = None
        if tab != "quiz":
            if tab == "trace":
                session = session.with_text("step", session.text("step") or "1")
            layout = [max(20, get_terminal_size().columns - _FORM_WIDTH), 4, False, "NO_COLOR" not in os.environ]
            calculator.ask("page", command=tab, args=session.words(tab), layout=layout)
        # While the process starts and calculates, Textual is imported.
        from rnn_calc.ui.app import Calc

        if tab != "quiz":
            first = calculator.wait()
            if first.error is not None:
                raise first.error
        Calc(session, calculator, tab=tab, first=first).run()
    finally:
        calculator.end()
