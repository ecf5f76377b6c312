"""rnncalc compare."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Annotated, Any

import typer

from rnn_calc.commands.answer import Answer
from rnn_calc.commands.options import CELL, CONVENTION, NetworkOptions, OutputOptions, takes_groups, text_option
from rnn_calc.commands.setup import choose, destination_of, load_model, load_whole
from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.errors import UsageError, listed, quoted

_MOST = 12
_DEFAULT_CELLS = "rnn,gru,lstm"
_AS_IN = 'it takes the options of a network, as in --with "--cell gru --d-h 148".'


@takes_groups
def command(
    network: NetworkOptions,
    output: OutputOptions,
    *,
    cells: Annotated[
        str | None,
        text_option("--cells", text="These cells: rnn,gru,lstm, or all.", metavar="C,C,…"),
        CELL._replace(several=True, also=("all",)),
    ] = (None),
    conventions: Annotated[
        str | None,
        text_option("--conventions", text="These conventions: pytorch,keras, or all.", metavar="C,C,…"),
        CONVENTION._replace(several=True, also=("all",)),
    ] = None,
    other: Annotated[
        list[str] | None,
        typer.Option("--with", help="Another network, as options in quotes; repeatable.", metavar="OPTIONS"),
    ] = None,
) -> Answer:
    """Put cells, conventions or networks side by side.

    Shapes, counts, cost, and the terms that make the difference to the first.

    \b
    rnncalc compare --cells rnn,gru,lstm --d-in 64 --d-h 256
    rnncalc compare --conventions pytorch,keras --cell gru --d-in 64 --d-h 256 --d-out 0
    rnncalc compare --cell lstm --d-h 128 --with "--cell gru --d-h 148"
    """
    from rnn_calc.core.comparison import compare_networks
    from rnn_calc.show.compare import comparison_view

    if output.check:
        raise UsageError("compare has nothing to check; leave --check out.")
    if sum(map(bool, (cells, conventions, other))) > 1:
        raise UsageError("--cells, --conventions and --with each say what is compared; give one of them.")
    destination = destination_of(output)
    if conventions:
        chosen = _names(conventions, tuple(CONVENTIONS), "convention", network)
        setups = {name: load_whole(replace(network, convention=name)) for name in chosen}
    elif other:
        found = [load_whole(options) for options in (network, *map(_parsed, other))]
        setups = {f"{chr(ord('A') + n)}: {setup.network.cell.name}": setup for n, setup in enumerate(found)}
    else:
        _require_free_cell(network, cells)
        chosen = _names(cells or _DEFAULT_CELLS, tuple(CELLS), "cell", network)
        setups = {name: load_whole(replace(network, cell=name)) for name in chosen}
    if len(setups) == 1:
        raise UsageError(f"{listed(setups)} alone has nothing beside it; name at least two.")
    if len(setups) > _MOST:
        raise UsageError(f"At most {_MOST} networks fit side by side; there are {len(setups)}.")
    entries = compare_networks((label, setup.network, setup.convention) for label, setup in setups.items())
    remarks = dict.fromkeys(remark for setup in setups.values() for remark in setup.remarks)
    return Answer(comparison_view(entries, tuple(remarks)), destination)


def _names(text: str, known: tuple[str, ...], what: str, options: NetworkOptions) -> tuple[str, ...]:
    """The names in `text`; `all` stands for those that can be: a framework has not every cell."""
    if text.strip() != "all":
        return tuple(choose(name.strip(), known, what) for name in text.split(","))
    convention = CONVENTIONS.get(options.convention or "xh", CONVENTIONS["xh"])
    if what == "cell":
        return tuple(name for name in known if not convention.cells or name in convention.cells)
    cell = options.cell or "rnn"
    return tuple(name for name in known if not CONVENTIONS[name].cells or cell in CONVENTIONS[name].cells)


def _require_free_cell(network: NetworkOptions, cells: str | None) -> None:
    """Nothing, where the cell may be any.

    Raises: UsageError when the command line says which one it is, or the weights of a file do.
    """
    if network.cell is not None:
        choose(network.cell, CELLS, "cell")
        beside = "gru" if network.cell == "lstm" else "lstm"
        advice = f"--cells {network.cell},{beside}" if cells is None else "leave --cell out"
        raise UsageError(
            f"--cell {network.cell} is one cell; {'give ' * (cells is None)}{advice}, "
            f'or compare it with --conventions all or --with "--cell {beside}".'
        )
    model = load_model(network)
    if model.weights:
        raise UsageError(
            f"{model.name} holds the weights of one cell, which are of no other; compare it "
            'with --conventions all, or with another network: --with "--cell gru --d-h 148".'
        )


def _parsed(text: str) -> NetworkOptions:
    """The network that a text of options describes."""
    found: list[NetworkOptions] = []

    def keep(network: NetworkOptions) -> None:
        found.append(network)

    app: Any = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    app.command()(takes_groups(keep))
    try:
        typer.main.get_command(app)(shlex.split(text), prog_name="--with", standalone_mode=False)
    except ValueError as error:
        raise UsageError(f"--with {quoted(text)}: {error}.") from None
    except typer.TyperException as error:
        from rnn_calc.commands.usage import describe_usage

        said = describe_usage(error).partition(" `--with -h`")[0].rstrip(".")
        raise UsageError(f"--with {quoted(text)}: {said}; {_AS_IN}") from None
    if not found:  # --help
        raise UsageError(f"--with: {_AS_IN}")
    return found[0]
