"""rnncalc shapes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from rnn_calc.commands.answer import Answer
from rnn_calc.commands.expected import check_failure, compare_shapes, expected_of
from rnn_calc.commands.options import NetworkOptions, OutputOptions, Values, takes_groups
from rnn_calc.commands.setup import choose, destination_of, load_whole
from rnn_calc.core.errors import CheckFailedError, DataError, UsageError, quoted
from rnn_calc.core.notation import write_shape
from rnn_calc.core.packing import Packing
from rnn_calc.core.shapes import ShapeReport, shapes
from rnn_calc.core.sizes import check_size, whole_numbers
from rnn_calc.core.tensors import MODES, Mode

if TYPE_CHECKING:
    from rnn_calc.commands.setup import Setup
    from rnn_calc.core.diagnosis import Diagnosis

_MOST_UNROLLED = 1000
# Steps times layers and directions: each is a cell of the drawing.
_MOST_CELLS = 100_000


@takes_groups
def command(
    network: NetworkOptions,
    output: OutputOptions,
    *,
    steps: Annotated[
        int | None, typer.Option("--steps", "-T", help="Also the tensors of T steps.", metavar="N")
    ] = None,
    batch: Annotated[
        int | None, typer.Option("--batch", "-B", help="Also the tensors of B sequences.", metavar="N")
    ] = None,
    lengths: Annotated[
        str | None,
        typer.Option("--lengths", help="Also the tensors of sequences this long: 7,3,1.", metavar="N,N,…"),
    ] = None,
    batch_first: Annotated[
        bool | None,
        typer.Option("--batch-first/--time-first", help="(B, T, d) or (T, B, d).", show_default="the convention's own"),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            "--mode", help="many-to-many, many-to-one, one-to-many or seq2seq. [many-to-many]", metavar="NAME"
        ),
        Values("core.tensors", "MODES"),
    ] = None,
    decoder_steps: Annotated[
        int | None, typer.Option("--decoder-steps", help="Steps the seq2seq decoder writes. [T]", metavar="N")
    ] = None,
    unroll: Annotated[
        int | None,
        typer.Option("--unroll", "-u", help="Draw the network unrolled over N steps.", metavar="N"),
    ] = None,
    got: Annotated[
        list[str] | None,
        typer.Option("--got", "-g", help="Does this shape fit? SYMBOL=3,4; repeatable.", metavar="SYMBOL=SHAPE"),
        Values("commands.typed_network", "symbols"),
    ] = None,
) -> Answer:
    """Every tensor's shape, and a check that they all fit.

    \b
    rnncalc shapes --d-in 4 --d-h 3 --d-out 2
    rnncalc shapes --steps 20 --batch 32 --convention pytorch
    rnncalc shapes --got W_xh=4,3        what is wrong with my shape?
    rnncalc shapes --unroll 3 --mode many-to-one
    rnncalc shapes --cell lstm --layers 2 --bidirectional --convention pytorch --lengths 7,3,1
    """
    destination = destination_of(output)
    _check_numbers(steps, batch, decoder_steps, unroll)
    setup = load_whole(network)
    cells = (unroll or 0) * setup.network.layers * setup.network.directions
    if cells > _MOST_CELLS:
        raise UsageError(f"--unroll draws at most {_MOST_CELLS:,} cells; steps times layers are {cells:,} here.")
    chosen = _mode(mode, setup)
    if decoder_steps is not None and chosen != "seq2seq":
        raise UsageError("--decoder-steps belongs to --mode seq2seq; add it.")
    if decoder_steps is not None and steps is None and lengths is None and unroll is None:
        raise UsageError("--decoder-steps needs --steps, to list the sequences, or --unroll, to draw them; add one.")
    packing = None if lengths is None else _packing(lengths, steps, batch)
    try:
        report = shapes(
            setup.network,
            setup.convention,
            steps=steps if steps is not None or packing else setup.model.steps,
            batch=batch if batch is not None or packing else setup.model.batch,
            lengths=packing.lengths if packing else None,
            mode=chosen,
            decoder_steps=decoder_steps,
            batch_first=batch_first if batch_first is not None else setup.model.batch_first,
            unroll=unroll or 0,
        )
    except DataError as error:  # the mode cannot be, and who asked for it decides whose fault that is
        raise (error if mode is None else UsageError(str(error))) from None
    diagnoses = _diagnose(report, got or [])
    changed = any(value is not None for value in (steps, batch, lengths, batch_first, mode, network.convention))
    expectations = compare_shapes(expected_of("shapes", setup, changed=changed, check=output.check), report)

    from rnn_calc.show.heading import describe_network
    from rnn_calc.show.shapes import shapes_view

    heading = describe_network(setup.network, setup.convention, setup.remarks)
    view = shapes_view(report, diagnoses, expectations, heading)
    failure = _misfit(diagnoses) or check_failure(expectations, check=output.check)
    return Answer(view, destination, failure, setup)


def _check_numbers(steps: int | None, batch: int | None, decoder_steps: int | None, unroll: int | None) -> None:
    for name, value in {"--steps": steps, "--batch": batch, "--decoder-steps": decoder_steps}.items():
        if value is not None:
            check_size(name, value, error=UsageError)
    if unroll is not None and check_size("--unroll", unroll, error=UsageError) > _MOST_UNROLLED:
        raise UsageError(f"--unroll draws at most {_MOST_UNROLLED:,} steps; it is {unroll:,}.")


def _mode(typed: str | None, setup: Setup) -> Mode:
    """The mode that the command line names, else the file, else an output at every step."""
    own = choose(setup.model.mode or "many-to-many", MODES, "mode", setup.model.name)
    chosen = own if typed is None else choose(typed, MODES, "mode")
    return next(known for known in MODES if known == chosen)


def _packing(text: str, steps: int | None, batch: int | None) -> Packing:
    """`7,3,1` as lengths that agree with --steps and --batch."""
    lengths = whole_numbers(text)
    if lengths is None:
        raise UsageError(
            f"--lengths takes whole numbers with commas between, as in --lengths 7,3,1; it is {quoted(text)}."
        )
    packing = Packing(lengths, error=UsageError)
    packing.agree(steps, batch, prefix="--", error=UsageError)
    return packing


def _diagnose(report: ShapeReport, got: list[str]) -> tuple[Diagnosis, ...]:
    if not got:
        return ()
    from rnn_calc.core.diagnosis import diagnose

    return tuple(diagnose(report, *_parse_shape(text)) for text in got)


def _parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """`W_xh=4,3` as a symbol and a shape; brackets and × are understood."""
    symbol, sign, shape = text.partition("=")
    numbers = [part.strip() for part in re.split("[,x×]", shape.strip().strip("()[]")) if part.strip()]
    if not sign or not numbers or not all(re.fullmatch(r"-?[0-9]{1,30}", number) for number in numbers):
        raise UsageError(f"--got takes SYMBOL=SHAPE, as in --got W_xh=3,4; it is {quoted(text)}.")
    return symbol.strip(), tuple(map(int, numbers))


def _misfit(diagnoses: tuple[Diagnosis, ...]) -> CheckFailedError | None:
    """What to fail with where a shape that was asked about does not fit."""
    wrong = [diagnosis for diagnosis in diagnoses if not diagnosis.fits]
    said = ". ".join(f"{d.symbol} {write_shape(d.got)} does not fit {write_shape(d.needs)}: {d.reason}" for d in wrong)
    return CheckFailedError(f"{said}.") if wrong else None
