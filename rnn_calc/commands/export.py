"""rnncalc export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from rnn_calc.commands.answer import Answer
from rnn_calc.commands.options import CONVENTION, NetworkOptions, OutputOptions, Values, takes_groups, text_option
from rnn_calc.commands.run_options import WeightOptions
from rnn_calc.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from rnn_calc.commands.setup import Setup
    from rnn_calc.core.weights import Array, Weights


@takes_groups
def command(
    network: NetworkOptions,
    weights: WeightOptions,
    output: OutputOptions,
    *,
    reads: Annotated[
        str | None,
        text_option("--from", text="Whose symbols an .npz is under that does not tell. [--convention]", metavar="NAME"),
        CONVENTION,
    ] = None,
    dtype: Annotated[
        str, typer.Option("--dtype", help="float64 or float32.", metavar="NAME"), Values("files.writing", "DTYPES")
    ] = "float64",
) -> Answer:
    """Write weights as another framework stores them.

    --output ends in .safetensors, .npz or .toml (a model file); --format is that of the list of arrays on stdout.

    \b
    rnncalc export --cell gru --d-out 0 --convention keras -O keras.safetensors
    rnncalc export --model keras.safetensors --convention pytorch -O torch.safetensors
    rnncalc export --example tiny --convention row -O tiny.toml
    """
    from rnn_calc.commands.loading import load_weights
    from rnn_calc.commands.setup import choose, destination_of
    from rnn_calc.files.writing import DTYPES, require_fit, write_weights
    from rnn_calc.show.export import ExportShown, export_view
    from rnn_calc.show.output import require_writable, write_file

    if output.check:
        raise UsageError("export checks nothing by itself; `rnncalc trace --model FILE --check` does.")
    destination = destination_of(replace(output, output=None))
    format_name = _format(output, dtype=choose(dtype, dict.fromkeys(DTYPES), "dtype"))
    before, setup = _setups(network, reads)
    if format_name:
        require_fit(format_name, setup.notation)
    try:
        given = load_weights(setup, weights)
    except DataError as error:
        if setup.model.convention or not (network.convention and setup.model.weights):
            raise
        raise DataError(f"{error} If its symbols are another convention's, say whose: --from xh.") from None
    notes = list(_notes(before, setup, given))
    if output.output and format_name:
        from rnn_calc.core.storage import write_arrays

        require_writable(output.output, force=output.force)
        arrays = write_arrays(setup.network, setup.convention, given.arrays)
        notes += _losses(arrays, dtype)
        write_file(output.output, lambda path: write_weights(path, format_name, setup.notation, arrays, dtype))
    shown = ExportShown(setup.notation, _origins(before, setup, given), output.output, dtype, tuple(notes))
    return Answer(export_view(shown), destination)


def _format(output: OutputOptions, *, dtype: str) -> str | None:
    """The format of the weights; None where there is no --output.

    Raises: UsageError for one that there is not, or that cannot hold the type; OutputError for a file that exists.
    """
    from rnn_calc.files.writing import WRITTEN
    from rnn_calc.show.output import format_of, require_writable

    if output.output is None:
        return None
    if output.output == "-":
        raise UsageError("Weights are written to a file and not to stdout: --output NAME.safetensors, .npz or .toml.")
    name = format_of(output.output, WRITTEN)
    if name == "toml" and dtype != "float64":
        raise UsageError(f"A model file in TOML holds decimal numbers; --dtype {dtype} is for .safetensors and .npz.")
    require_writable(output.output, force=output.force)
    return name


def _setups(options: NetworkOptions, reads: str | None) -> tuple[Setup, Setup]:
    """The network as its file writes it, and as it is to be written."""
    from rnn_calc.commands.setup import choose, load_model, load_setup
    from rnn_calc.core.conventions import CONVENTIONS

    model = load_model(options)
    if reads is not None:
        choose(reads, CONVENTIONS, "convention")
        if model.convention not in (None, reads):
            raise UsageError(f"--from {reads}: {model.name} is under the convention {model.convention} by itself.")
        model = model._replace(convention=reads)
    before = load_setup(replace(options, convention=model.convention or options.convention), model=model)
    if before.layer is not None:
        raise UsageError("export writes a whole module; --layer takes its name without a number.")
    target = CONVENTIONS[choose(options.convention, CONVENTIONS, "convention")] if options.convention else None
    if target and target.is_framework and before.network.biases and options.biases is None:
        # A framework has the biases that it has; a file's own number is for its own convention.
        try:
            options = replace(options, biases=target.biases(before.network.cell))
        except DataError as error:
            raise UsageError(str(error)) from None
    return before, load_setup(options, model=model)


# What else a model file may say, which is not of the network.
_NOT_WRITTEN = ("h0", "c0", "sequence", "text", "targets", "loss", "reduction", "embedding", "expected")


def _notes(before: Setup, setup: Setup, weights: Weights) -> Iterator[str]:
    from rnn_calc.commands.loading import describe_weights
    from rnn_calc.commands.setup import is_checkpoint
    from rnn_calc.files.writing import bias_change

    yield describe_weights(weights, setup)
    if setup.model.weights:
        yield from filter(None, [bias_change(before.network, setup.network)])
    if setup.model.note and is_checkpoint(setup.options.model):
        yield f"Note: {' '.join(setup.model.note.split())}"
    yield from _computed_otherwise(setup)
    left = [name for name in _NOT_WRITTEN if getattr(setup.model, name)]
    if left:
        yield f"Not written, because it is not of the network: {', '.join(left)}"


# Modules whose activation cannot be chosen.
_TANH_ALONE = {"pytorch": ("lstm", "gru"), "equinox": ("lstm", "gru")}


def _computed_otherwise(setup: Setup) -> Iterator[str]:
    """What a framework's own layer would compute differently from this network, with the same numbers in it."""
    network, convention = setup.network, setup.convention
    layout = convention.layout(network.cell)
    if layout is None:
        return
    fixed = network.cell.name in _TANH_ALONE.get(convention.name, ())
    if network.cell.has_activation and network.activation != "tanh":
        how = "computes tanh and nothing else" if fixed else "must be told so"
        yield f"The activation is {network.activation}; arrays do not say it, and {layout.called} {how}."
    if network.bidirectional and network.merge != "concat" and convention.name != "keras":
        yield f"The two directions are merged by {network.merge}; {layout.called} concatenates them."
    if len(set(network.widths)) > 1 and convention.name == "pytorch":
        yield f"Its layers differ in width; {layout.called} has one hidden_size for all."


def _origins(before: Setup, setup: Setup, weights: Weights) -> Mapping[str, tuple[str, ...]]:
    """The source's arrays that each written array is made of."""
    known = {parameter.name: before.notation.home(parameter).symbol for parameter in before.network.parameters}
    written = {parameter.name for parameter in setup.network.parameters}
    # A second bias that is written nowhere is added into the first.
    added = {
        (parameter.mark, parameter.gate): known[parameter.name]
        for parameter in before.network.parameters
        if parameter.role == "recurrent_bias" and parameter.name not in written
    }
    drawn = set(weights.drawn)
    found = {}
    for stored in setup.notation.stored:
        names = []
        for parameter in stored.parameters:
            names.append("drawn" if parameter.name in drawn else known.get(parameter.name, "zeros"))
            second = added.get((parameter.mark, parameter.gate))
            if second and parameter.role == "bias" and parameter.name not in drawn:
                names.append(second)
        found[stored.symbol] = tuple(dict.fromkeys(names))
    return found


def _losses(arrays: Mapping[str, Array], dtype: str) -> Iterator[str]:
    from rnn_calc.files.writing import rounding

    changed, worst = rounding(arrays, dtype) if dtype != "float64" else (0, 0.0)
    if changed:
        total = sum(array.size for array in arrays.values())
        yield f"{dtype} rounds {changed:,} of {total:,} numbers, by up to {worst:.1e} of their size."
