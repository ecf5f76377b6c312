"""rnncalc examples."""

from __future__ import annotations

from typing import Annotated

import typer

from rnn_calc.commands.answer import Answer
from rnn_calc.commands.options import EXAMPLE, OutputOptions, takes_groups
from rnn_calc.commands.setup import destination_of
from rnn_calc.core.errors import UsageError


@takes_groups
def command(
    output: OutputOptions,
    *,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="Print this example's file, to start one of your own from.", show_default=False
        ),
        EXAMPLE,
    ] = None,
) -> Answer:
    """List the worked examples, or print the file of one.

    \b
    rnncalc examples
    rnncalc examples cat-sat-here > mine.toml
    rnncalc trace --example cat-sat-here --check
    """
    from rnn_calc.files.examples import example_names, example_path, read_example
    from rnn_calc.files.model import EXPECTED
    from rnn_calc.show.examples import ExampleShown, example_view, examples_view

    if output.check:
        raise UsageError("examples checks nothing by itself; `rnncalc trace --example NAME --check` does.")
    destination = destination_of(output)
    if name is not None:
        return Answer(example_view(name, example_path(name).read_text("utf-8")), destination)
    shown = []
    for example in example_names():
        model = read_example(example)
        commands = tuple(dict.fromkeys(EXPECTED[value] for value in model.expected))
        shown.append(ExampleShown(example, model.title or "", model.source or "", commands))
    return Answer(examples_view(shown), destination)
