"""A command line read and answered: Typer's parsing of one command, without writing anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from inspect import cleandoc
from typing import Any

import typer
from typer.core import TyperCommand

from rnn_calc.commands.answer import Answer
from rnn_calc.core.errors import UsageError

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

_AS_IT_IS = "\b"


def command_function(name: str) -> Callable[..., object]:
    """What a command runs, from its module: rnn_calc.commands.NAME, with dashes as underscores."""
    function: Callable[..., object] = import_module(f"rnn_calc.commands.{name.replace('-', '_')}").command
    return function


def format_description(text: str, formatter: Any) -> None:
    """A docstring as help: its sentence, then the examples, then whatever else there is to say.

    Examples are the paragraphs that begin with Click's mark for lines that are kept as they are.
    """
    summary, *others = cleandoc(text).split("\n\n")
    examples = [part for part in others if part.startswith(_AS_IT_IS)]
    with formatter.indentation():
        for part in (summary, *examples, *(part for part in others if part not in examples)):
            formatter.write_paragraph()
            formatter.write_text(part)


class SectionedCommand(TyperCommand):
    """A command whose help begins with examples, and lists options that belong together under a heading of theirs."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Typer's signature
        """What it does, and how it is called, before the details."""
        format_description(self.help or "", formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The arguments, each section, and the rest under Options."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": []}
        others: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None:
                continue
            argument = param.param_type_name == "argument"
            section = "Arguments" if argument else getattr(param, "rich_help_panel", None)
            (sections.setdefault(section, []) if section else others).append(record)
        for title, records in {**sections, "Options": others}.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def build_command(name: str, function: Callable[..., object]) -> Any:
    """The function as a command of Typer's, which returns what the function returns."""
    app = typer.Typer(rich_markup_mode=None, add_completion=False, context_settings=CONTEXT)
    app.command(name=name, cls=SectionedCommand, context_settings=CONTEXT)(function)
    return typer.main.get_command(app)


def answer_of(name: str, args: Sequence[str]) -> Answer:
    """What `rnncalc name args` comes to, before anything is written.

    Raises: RnnCalcError, UsageError for what Typer refuses.
    """
    try:
        answer = _built(name).main(list(args), prog_name=f"rnncalc {name}", standalone_mode=False)
    except typer.TyperException as error:
        from rnn_calc.commands.usage import describe_usage

        raise UsageError(describe_usage(error)) from None
    assert isinstance(answer, Answer), name
    return answer


@cache
def _built(name: str) -> Any:
    return build_command(name, command_function(name))
