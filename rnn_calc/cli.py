"""The command line: which commands there are, and the one place where errors become messages and exit statuses."""

from __future__ import annotations

import contextlib
import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from rnn_calc.core.errors import (
    OutputClosedError,
    OutputError,
    RnnCalcError,
    UsageError,
    did_you_mean,
    listed,
    printable,
    quoted,
)

# In the order in which help lists them; each is rnn_calc.commands.NAME, with dashes as underscores.
COMMANDS = (
    "shapes",
    "params",
    "cost",
    "cells",
    "compare",
    "trace",
    "bptt",
    "gradient-decay",
    "sweep",
    "inspect",
    "export",
    "examples",
)

INTERRUPTED = 130
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _function(name: str) -> Any:
    """What a command runs, from its module."""
    return import_module(f"rnn_calc.commands.{name.replace('-', '_')}").command


class SectionedCommand(TyperCommand):
    """A command whose help lists options that belong together under a heading of theirs, before all others."""

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


class LazyGroup(TyperGroup):
    """A group that imports a command's module when that command is called or listed, and no sooner."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        """Every command, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - Typer's signature
        """The command of that name, built from its module."""
        if cmd_name not in COMMANDS:
            return None
        app = typer.Typer(rich_markup_mode=None, add_completion=False, context_settings=_CONTEXT)
        app.command(name=cmd_name, cls=SectionedCommand, context_settings=_CONTEXT)(_function(cmd_name))
        return typer.main.get_command(app)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Typer's signature
        """Every command with the first sentence of its help; their options, slow to make, are not made for that."""
        room = formatter.width - max(map(len, COMMANDS)) - 6
        with formatter.section("Commands"):
            briefs = (TyperCommand(name, help=_function(name).__doc__).get_short_help_str(room) for name in COMMANDS)
            formatter.write_dl(list(zip(COMMANDS, briefs, strict=True)))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As usual, but an unknown command is answered with the nearest one."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            raise UsageError(
                f"There is no command {quoted(args[0])}; there are {', '.join(COMMANDS)}."
                f"{did_you_mean(args[0], COMMANDS)}"
            )
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=LazyGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=_CONTEXT,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"rnncalc {version('rnn-calc')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    version: bool = typer.Option(  # noqa: ARG001 - handled by its callback
        False, "--version", help="Show the version.", callback=_show_version, is_eager=True
    ),
) -> None:
    """The calculator for recurrent networks: shapes, counts, traces, and how gradients decay.

    \b
    rnncalc shapes --cell lstm --layers 2 --bidirectional --convention pytorch
    rnncalc params --budget 1M --cell gru
    rnncalc trace --example cat-sat-here --explain
    rnncalc compare --cells rnn,gru,lstm
    rnncalc gradient-decay --d-h 32 --spectral-radius 0.5,1,1.5
    """
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def run(args: list[str] | None = None) -> int:
    """Run the command line; its exit status."""
    try:
        status = _call(args)
    except RnnCalcError as error:
        if str(error):
            _complain(str(error))
        return error.exit_status
    except typer.TyperException as error:
        _complain(_describe_usage(error))
        return 2
    except MemoryError:
        # Sizes are looked at before, but a process may be allowed less than the machine has.
        _complain("This needs more memory than there is. Take smaller sizes, or raise the limit of this process.")
        return 1
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    return status if isinstance(status, int) else 0


def _call(args: list[str] | None) -> object:
    """Call Typer; what it says about a stdout that takes nothing becomes an error of ours."""
    try:
        return app(args, prog_name="rnncalc", standalone_mode=False)
    except SystemExit as leaving:
        if isinstance(leaving.__context__, BrokenPipeError):
            raise OutputClosedError from None
        return leaving.code
    except OSError as error:
        # Commands answer for their own files; what is left is help and version, which Typer prints.
        if error.filename is not None:
            raise
        raise OutputError(f"stdout cannot be written: {(error.strerror or str(error)).lower()}.") from None


# Typer names Python's types; a student need not know them.
_TYPES = {"is not a valid int.": "is no whole number.", "is not a valid float.": "is no number."}


def _describe_usage(error: typer.TyperException) -> str:
    """Typer's own complaint as one of ours: what is wrong, the nearest right thing, where to look."""
    possibilities = getattr(error, "possibilities", None)
    message = (error.message if possibilities else error.format_message()).rstrip(".") + "."
    for typed, said in _TYPES.items():
        message = message.replace(typed, said)
    if possibilities:
        message += f" Did you mean {listed(sorted(possibilities))}?"
    context = getattr(error, "ctx", None)
    return f"{message} `{context.command_path} -h` lists the options." if context else message


def _complain(message: str) -> None:
    if sys.stderr is None:  # closed by the shell; print would take stdout instead
        return
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    text = printable(message)
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        from rnn_calc.show.format import to_ascii

        text = to_ascii(text)
    with contextlib.suppress(OSError):
        print(f"rnncalc: {text}", file=sys.stderr)
