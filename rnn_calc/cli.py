"""The command line: which commands there are, and the one place where errors become messages and exit statuses."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from rnn_calc.commands.answer import Answer, deliver
from rnn_calc.commands.options import Values
from rnn_calc.commands.parsing import CONTEXT, build_command, command_function
from rnn_calc.core.errors import (
    OutputClosedError,
    OutputError,
    RnnCalcError,
    UsageError,
    did_you_mean,
    printable,
    quoted,
)

# In the order in which help lists them; each is in rnn_calc.commands, but for the screen, which is built on those.
COMMANDS = (
    "ui",
    "shapes",
    "params",
    "cost",
    "cells",
    "compare",
    "trace",
    "bptt",
    "gradient-decay",
    "sweep",
    "quiz",
    "inspect",
    "export",
    "examples",
)

INTERRUPTED = 130

# A shell that asks for completions names itself here.
_ASKED_BY = "_RNNCALC_COMPLETE"
_OF_SHELL = ("--install-completion", "--show-completion")
_SHELLS = Values("commands.shells", "SHELLS")


def _function(name: str) -> Callable[..., object]:
    """What a command runs."""
    if name != "ui":
        return command_function(name)
    from rnn_calc.ui.command import command

    return command


class LazyGroup(TyperGroup):
    """A group that imports a command's module when that command is called or listed, and no sooner."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        """Every command, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - Typer's signature
        """The command of that name, built from its module."""
        if cmd_name not in COMMANDS:
            return None
        return build_command(cmd_name, _function(cmd_name))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As usual, but an option about a shell that names none is about the one that is used."""
        if args and args[-1] in _OF_SHELL and not ctx.resilient_parsing:
            from rnn_calc.commands.shells import current_shell

            args = [*args, current_shell(args[-1])]
        rest: list[str] = super().parse_args(ctx, args)
        return rest

    def summary(self, name: str) -> str:
        """What a command does, in one sentence; its options, slow to make, are not made for that."""
        return (_function(name).__doc__ or "").partition("\n")[0]

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Typer's signature
        """Every command with the first sentence of its help."""
        room = formatter.width - max(map(len, COMMANDS)) - 6
        with formatter.section("Commands"):
            briefs = (TyperCommand(name, help=self.summary(name)).get_short_help_str(room) for name in COMMANDS)
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
    add_completion=False,
    context_settings=CONTEXT,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"rnncalc {version('rnn-calc')}")
        raise typer.Exit


def _install_completion(shell: str | None) -> None:
    if shell is not None:
        from rnn_calc.commands.shells import install

        typer.echo(install(shell))
        raise typer.Exit


def _show_completion(shell: str | None) -> None:
    if shell is not None:
        from rnn_calc.commands.shells import script_of

        typer.echo(script_of(shell), nl=False)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    version: bool = typer.Option(  # noqa: ARG001 - handled by its callback
        False, "--version", help="Show the version.", callback=_show_version, is_eager=True
    ),
    install_completion: Annotated[  # noqa: ARG001 - handled by its callback
        str | None,
        typer.Option(
            "--install-completion",
            help="Let bash, zsh or fish complete commands, options and their values. [the shell that $SHELL names]",
            metavar="[SHELL]",
            callback=_install_completion,
            is_eager=True,
        ),
        _SHELLS,
    ] = None,
    show_completion: Annotated[  # noqa: ARG001 - handled by its callback
        str | None,
        typer.Option(
            "--show-completion",
            help="Print the script that does it.",
            metavar="[SHELL]",
            callback=_show_completion,
            is_eager=True,
        ),
        _SHELLS,
    ] = None,
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
    if _ASKED_BY in os.environ:
        from rnn_calc.commands.completion import answer

        words = sys.argv[1:] if args is None else args
        print(answer(os.environ[_ASKED_BY], words, typer.main.get_command(app)), end="")
        return 0
    try:
        result = _call(args)
        if isinstance(result, Answer):
            deliver(result)
    except RnnCalcError as error:
        if str(error):
            _complain(str(error))
        return error.exit_status
    except typer.TyperException as error:
        from rnn_calc.commands.usage import describe_usage

        _complain(describe_usage(error))
        return 2
    except MemoryError:
        # Sizes are looked at before, but a process may be allowed less than the machine has.
        _complain("This needs more memory than there is. Take smaller sizes, or raise the limit of this process.")
        return 1
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    return result if isinstance(result, int) else 0


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
