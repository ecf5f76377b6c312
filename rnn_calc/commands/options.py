"""The options that commands share, each described once, in groups that a command names as parameters."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Annotated, Any, NamedTuple, TypeVar, get_type_hints

import typer

T = TypeVar("T")


class Values(NamedTuple):
    """Where the values of an option live, for shells that complete them; nothing is imported before one asks.

    `name` is of a module below rnn_calc: names, or a mapping from them, or a function that gives either for what is
    typed (`completion.Typed`). `several` of them have commas between; `also` are words beside them; or it is a file.
    """

    module: str = ""
    name: str = ""
    several: bool = False
    also: tuple[str, ...] = ()
    files: bool = False


FILES = Values(files=True)
CONVENTION = Values("core.conventions", "CONVENTIONS")
CELL = Values("core.cells", "CELLS")
EXAMPLE = Values("commands.typed_network", "examples")
LAYER = Values("commands.typed_network", "layers")


def size_option(*names: str, text: str, section: str | None = None) -> Any:
    """An option that takes a whole number; its default is told in `text`, its heading in the help is `section`."""
    return typer.Option(*names, help=text, metavar="N", show_default=False, rich_help_panel=section)


def text_option(*names: str, text: str, metavar: str = "TEXT", section: str | None = None) -> Any:
    """An option that takes a text; its default is told in `text`, its heading in the help is `section`."""
    return typer.Option(*names, help=text, metavar=metavar, show_default=False, rich_help_panel=section)


def convention_option() -> Any:
    """Whose words are used."""
    text = "Whose symbols: xh, hx, wx, row, pytorch, keras, onnx, flax or equinox. [xh]"
    return text_option("--convention", "-c", text=text, metavar="NAME")


@dataclass(frozen=True)
class NetworkOptions:
    """Which network: its sizes, its cell, its layers, whose convention, and the file it comes from."""

    d_in: Annotated[
        int | None, size_option("--d-in", "-i", text="Width of an input vector. [4, or what weights and inputs say]")
    ] = None
    d_h: Annotated[
        str | None,
        text_option(
            "--d-h", "-H", text="Number of hidden units; 400,1150,400: of each layer. [3, or weights]", metavar="N[,N…]"
        ),
    ] = None
    d_out: Annotated[
        int | None, size_option("--d-out", "-o", text="Width of an output; 0: no readout. [2; with weights: theirs]")
    ] = None
    cell: Annotated[
        str | None,
        text_option("--cell", text="rnn, lstm, gru …: `rnncalc cells` lists them. [rnn]", metavar="NAME"),
        CELL,
    ] = None
    activation: Annotated[
        str | None,
        text_option("--activation", "-a", text="tanh, relu, sigmoid or identity. [tanh]", metavar="NAME"),
        Values("core.equations", "ACTIVATIONS"),
    ] = None
    layers: Annotated[int | None, size_option("--layers", "-L", text="Recurrent layers, one upon the other. [1]")] = (
        None
    )
    bidirectional: Annotated[
        bool, typer.Option("--bidirectional", help="A second direction in each layer, from the end to the start.")
    ] = False
    merge: Annotated[
        str | None,
        text_option(
            "--merge", text="How two directions are joined: concat, sum, average, product. [concat]", metavar="NAME"
        ),
        Values("core.equations", "MERGES"),
    ] = None
    proj: Annotated[
        int | None, size_option("--proj", text="Project an LSTM's hidden state to this width, as proj_size does.")
    ] = None
    vocab: Annotated[
        int | None, size_option("--vocab", text="Inputs are numbers of N tokens, through an embedding (N, d_in).")
    ] = None
    tied: Annotated[bool, typer.Option("--tied", help="Read out through the embedding's own table.")] = False
    no_readout_bias: Annotated[bool, typer.Option("--no-readout-bias", help="The readout has no b_y.")] = False
    biases: Annotated[
        int | None, size_option("--biases", text="Biases a gate: 0, 1 or 2. [what the convention has]")
    ] = None
    dropout: Annotated[
        float | None,
        typer.Option("--dropout", help="Accepted; it changes no shape and no count.", metavar="P", show_default=False),
    ] = None
    convention: Annotated[str | None, convention_option(), CONVENTION] = None
    model: Annotated[
        str | None,
        text_option("--model", "-m", text="A model file or a checkpoint; - for stdin.", metavar="FILE"),
        FILES,
    ] = None
    layer: Annotated[
        str | None,
        text_option(
            "--layer", text="Which: of a stack its number, of a checkpoint its name (or NAME:2).", metavar="NAME"
        ),
        LAYER,
    ] = None
    example: Annotated[
        str | None,
        text_option("--example", "-e", text="A worked example; `rnncalc examples` lists them.", metavar="NAME"),
        EXAMPLE,
    ] = None
    allow_nonfinite: Annotated[bool, typer.Option("--allow-nonfinite", help="Let NaN and infinity through.")] = False


@dataclass(frozen=True)
class OutputOptions:
    """How the result is shown and where it goes."""

    format: Annotated[
        str | None,
        text_option("--format", "-f", text="table, json, csv, markdown or latex. [table]", metavar="NAME"),
        Values("show.output", "FORMATS"),
    ] = None
    json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False
    output: Annotated[
        str | None,
        text_option("--output", "-O", text="Write to a file; its suffix gives the format.", metavar="FILE"),
        FILES,
    ] = None
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False
    color: Annotated[
        str | None,
        text_option(
            "--color",
            text="Colours in tables and .txt: auto (on a terminal), always or never, also in .svg. [auto]",
            metavar="WHEN",
        ),
        Values("show.output", "COLORS"),
    ] = None
    precision: Annotated[int, typer.Option("--precision", "-p", help="Digits in tables, 0 to 17.", metavar="N")] = 4
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 unless every expected value is met.")] = False


def takes_groups(command: Callable[..., T]) -> Callable[..., T]:
    """The command with every parameter that is an option group spread out into the group's own options.

    Typer reads a command's signature; this gives it one, and hands the command its groups filled in.
    """
    hints = get_type_hints(command, include_extras=True)
    spread: dict[str, inspect.Parameter] = {}
    groups: dict[str, tuple[type, list[str]]] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        if is_dataclass(hints[name]):
            members = _parameters(hints[name])
            groups[name] = (hints[name], [member.name for member in members])
            spread |= {member.name: member for member in members}
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            spread[name] = parameter.replace(annotation=hints[name], kind=kind)

    def spread_command(**values: Any) -> T:
        filled = {
            name: group(**{member: values.pop(member) for member in members})
            for name, (group, members) in groups.items()
        }
        return command(**filled, **values)

    spread_command.__name__ = command.__name__
    spread_command.__doc__ = command.__doc__
    spread_command.__annotations__ = {name: parameter.annotation for name, parameter in spread.items()}
    spread_command.__signature__ = inspect.Signature(list(spread.values()))  # type: ignore[attr-defined]
    return spread_command


def _parameters(group: type) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(group)
    ]


def command_line(command: str, *groups: object, **others: object) -> str:
    """The command that these options came from, ready to be pasted; options at their defaults are left out."""
    words = ["rnncalc", command]
    for group in groups:
        hints = get_type_hints(type(group), include_extras=True)
        for field in fields(group):  # type: ignore[arg-type]  # every group is a dataclass
            value = getattr(group, field.name)
            if value == field.default or field.default is MISSING:
                continue
            option = hints[field.name].__metadata__[0]
            # Typer keeps the first name of an annotated option where a default would be.
            flag = max((option.default, *(option.param_decls or ())), key=len)
            words += [flag] if value is True else [flag, shlex.quote(str(value))]
    for name, value in others.items():
        for given in value if isinstance(value, list) else [value]:
            if given is not None:
                flag = f"--{name.replace('_', '-')}"
                words += [flag] if given is True else [flag, shlex.quote(str(given))]
    return " ".join(words)
