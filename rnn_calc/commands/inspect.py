"""rnncalc inspect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from rnn_calc.commands.answer import Answer
from rnn_calc.commands.options import FILES, LAYER, NetworkOptions, OutputOptions, takes_groups, text_option
from rnn_calc.commands.setup import destination_of, is_checkpoint, load_setup
from rnn_calc.core.errors import UsageError

if TYPE_CHECKING:
    from rnn_calc.core.notation import Notation
    from rnn_calc.core.weights import Array
    from rnn_calc.files.checkpoints.finding import FoundLayer
    from rnn_calc.files.checkpoints.tensors import Checkpoint
    from rnn_calc.show.inspect_data import FileShown, Held, LayerShown

# From so many units on, the eigenvalues of a matrix take about a second.
_WIDE = 600
# What runs without a file.
_EXAMPLE = "tiny"


@takes_groups
def command(
    output: OutputOptions,
    *,
    file: Annotated[
        str | None,
        typer.Argument(
            help="A .safetensors, .pt, .npz, .keras, .h5 or .onnx, a folder of .npy, or a model file. [an example]",
            metavar="[FILE]",
            show_default=False,
        ),
        FILES,
    ] = None,
    layer: Annotated[
        str | None,
        text_option("--layer", text="Only this recurrent layer (or NAME:2 of a stack).", metavar="NAME"),
        LAYER,
    ] = None,
    spectra: Annotated[
        bool,
        typer.Option(
            "--spectra", help="Also spectral radius and norm of every recurrent matrix; minutes for thousands of units."
        ),
    ] = False,
) -> Answer:
    """Find the recurrent layers of a checkpoint.

    Cell, sizes, names and shapes are read from headers alone, without a framework and without unpickling anything.

    \b
    rnncalc export --cell lstm --layers 2 --convention pytorch -O lstm.safetensors
    rnncalc inspect lstm.safetensors
    rnncalc inspect lstm.safetensors --spectra
    """
    if output.check:
        raise UsageError("inspect checks nothing by itself; `rnncalc trace --model FILE --check` does.")
    destination = destination_of(output)
    if file is None or not is_checkpoint(file):
        shown, layers = _of_model(file, layer, spectra=spectra)
    else:
        shown, layers = _of_checkpoint(file, layer, spectra=spectra)

    from rnn_calc.show.inspect import inspection_view

    return Answer(inspection_view(shown, layers), destination)


def _of_checkpoint(path: str, wanted: str | None, *, spectra: bool) -> tuple[FileShown, tuple[LayerShown, ...]]:
    from math import prod

    from rnn_calc.core.notation import Notation
    from rnn_calc.files.checkpoints.finding import find_layers
    from rnn_calc.files.checkpoints.opening import open_checkpoint
    from rnn_calc.files.checkpoints.reading import ITEM_SIZES
    from rnn_calc.show.inspect_data import FileShown

    checkpoint = open_checkpoint(path)
    found, number = find_layers(checkpoint), None
    recurrent = {name for one in found for name in _recurrent(Notation(one.network, one.convention), one.tensors)}
    if wanted is not None:
        from rnn_calc.files.checkpoints.model import choose_layer

        chosen, number = choose_layer(found, wanted, path)
        if number is not None and not 1 <= number <= chosen.network.layers:
            raise UsageError(f"--layer: there is no layer {number}; the stack has {chosen.network.layers}.")
        found = (chosen,)
    infos = checkpoint.tensors
    known = all(info.dtype in ITEM_SIZES for info in infos.values())
    shown = FileShown(
        path,
        checkpoint.format,
        len(infos),
        sum(prod(info.shape) for info in infos.values()),
        sum(prod(info.shape) * ITEM_SIZES[info.dtype] for info in infos.values()) if known else None,
        sum(prod(infos[name].shape) for name in recurrent),
        tuple(f"{said}: {checkpoint.metadata[key]}" for key, said in _LEFT_OUT.items() if key in checkpoint.metadata),
    )
    return shown, tuple(_shown(checkpoint, one, number, spectra=spectra) for one in found)


def _recurrent(notation: Notation, names: Mapping[str, str]) -> Iterator[str]:
    """The names of the arrays of a network that are of its recurrent layers."""
    return (names[one.symbol] for one in notation.stored if one.part not in _AROUND and one.symbol in names)


_AROUND = ("embedding", "readout")

# What the reader of PyTorch's files says that it did not make.
_LEFT_OUT = {
    "foreign objects": "Objects that are not made, because only their owner's code could",
    "tensors left out": "Tensors inside of such objects, which are left out",
}


def _shown(checkpoint: Checkpoint, found: FoundLayer, number: int | None, *, spectra: bool) -> LayerShown:
    from rnn_calc.core.notation import Notation
    from rnn_calc.show.inspect_data import Held, shell_word

    held = {symbol: Held(name, *checkpoint.tensors[name]) for symbol, name in found.tensors.items()}
    place = f" --layer {shell_word(found.name)}" if found.name else ""
    decay = f"rnncalc gradient-decay --model {shell_word(checkpoint.path)}{place}"
    notes = list(found.notes)
    listed = sorted({one.dtype for one in held.values() if one.dtype.startswith(_LISTED)})
    if listed:
        notes.append(f"Values of type {', '.join(listed)} are listed and not read.")
    return _measured(
        found.name,
        Notation(found.network, found.convention),
        held,
        None if listed else _Values(checkpoint, found.tensors),
        (tuple(notes), decay, number),
        spectra=spectra,
    )


class _Values(NamedTuple):
    """The values behind the symbols of a network."""

    checkpoint: Checkpoint
    names: Mapping[str, str]

    def read(self, symbol: str) -> Array:
        """An array as it is stored."""
        return self.checkpoint.read(self.names[symbol])

    def flat(self, symbol: str) -> Sequence[float]:
        """Its numbers one after the other, without NumPy if the file can give them so."""
        given = self.checkpoint.flat(self.names[symbol])
        return self.read(symbol).ravel().tolist() if given is None else given


# Types without float64 values.
_LISTED = ("float8", "complex")


def _of_model(path: str | None, wanted: str | None, *, spectra: bool) -> tuple[FileShown, tuple[LayerShown, ...]]:
    """A model file, or an example, as a checkpoint of one network; what it does not give is drawn."""
    from rnn_calc.commands.loading import load_weights
    from rnn_calc.commands.run_options import WeightOptions
    from rnn_calc.core.storage import write_arrays
    from rnn_calc.files.checkpoints.tensors import Checkpoint, TensorInfo
    from rnn_calc.show.inspect_data import FileShown, Held, shell_word

    options = NetworkOptions(model=path, layer=wanted, example=None if path else _EXAMPLE)
    setup = load_setup(options)
    weights = load_weights(setup, WeightOptions())
    arrays = write_arrays(setup.network, setup.convention, weights.arrays)
    held = {symbol: Held(symbol, array.shape, "float64") for symbol, array in arrays.items()}
    recurrent = _recurrent(setup.notation, {symbol: symbol for symbol in held})
    drawn = dict.fromkeys(setup.notation.symbol(p) for p in setup.network.parameters if p.name in weights.drawn)
    shown = FileShown(
        path or setup.model.name,
        "model file",
        len(held),
        setup.notation.total,
        8 * setup.notation.total,
        sum(arrays[symbol].size for symbol in recurrent),
        (f"Not in the file, and drawn: {', '.join(drawn)}",) if drawn else (),
    )
    infos = {symbol: TensorInfo(array.shape, "float64") for symbol, array in arrays.items()}
    values = _Values(Checkpoint("", "model file", infos, arrays.__getitem__), {symbol: symbol for symbol in held})
    given = f"--model {shell_word(path)}" if path else f"--example {_EXAMPLE}"
    number = None if setup.layer is None else setup.layer + 1
    # An example's note is about its expected values.
    notes = (" ".join(setup.model.note.split()),) if path and setup.model.note else ()
    about = (notes, f"rnncalc gradient-decay {given}", number)
    return shown, (_measured("", setup.notation, held, values, about, spectra=spectra),)


def _measured(
    name: str,
    notation: Notation,
    held: dict[str, Held],
    values: _Values | None,
    about: tuple[tuple[str, ...], str, int | None],
    *,
    spectra: bool,
) -> LayerShown:
    """The layer with what its values tell; `about` is its notes, a command, and the number of the layer of a stack."""
    from rnn_calc.core.forget_gates import forget_biases
    from rnn_calc.show.inspect_data import LayerShown

    notes, decay, number = about
    forget = forget_biases(notation, values.flat) if values else ()
    matrices = None
    if spectra and values:
        from rnn_calc.core.inspection import measure_matrices, measured_parameters
        from rnn_calc.show.progress import tracked

        found = measure_matrices(notation, values.read)
        total = len(measured_parameters(notation.network))
        # One matrix alone may take longer than anybody waits without a sign.
        patience = 0.0 if max(notation.network.widths) >= _WIDE else 1.0
        matrices = tuple(tracked(found, "Measuring matrices", total, patience=patience))
    if number is not None:
        forget = tuple(bias for bias in forget if bias.layer.index == number - 1)
        matrices = matrices and tuple(matrix for matrix in matrices if matrix.layer.index == number - 1)
    return LayerShown(name, notation, held, forget, matrices, notes, decay)
