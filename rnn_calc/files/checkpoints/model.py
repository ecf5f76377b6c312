"""A recurrent layer of a checkpoint as a model file: what every command's `--model` takes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.errors import DataError, did_you_mean, listed, printable, quoted
from rnn_calc.files.checkpoints.finding import FoundLayer, find_layers
from rnn_calc.files.checkpoints.opening import CHECKPOINT_SUFFIXES, open_checkpoint
from rnn_calc.files.checkpoints.tensors import Checkpoint, TensorInfo
from rnn_calc.files.model import MODEL_SUFFIXES, LazyArray, ModelFile
from rnn_calc.files.source import describe_source

if TYPE_CHECKING:
    from rnn_calc.core.weights import Array


def read_checkpoint(path: str, layer: str | None = None, *, allow_nonfinite: bool = False) -> ModelFile:
    """The recurrent layer of a checkpoint: the only one, or the one that `layer` names.

    Raises: DataError for a damaged file, one without a recurrent layer, or one with several and no choice of one.
    """
    if Path(path).suffix.lower() == ".npz":
        return _read_npz(path, layer, allow_nonfinite=allow_nonfinite)
    if Path(path).suffix and Path(path).suffix.lower() not in (*CHECKPOINT_SUFFIXES, ".bin") and Path(path).is_file():
        raise DataError(
            f"{describe_source(path)} is no model file by its name: it must end in "
            f"{listed((*MODEL_SUFFIXES, *CHECKPOINT_SUFFIXES))}."
        )
    checkpoint = open_checkpoint(path)
    found, number = choose_layer(find_layers(checkpoint), layer, path)
    return _model(checkpoint, found, number, allow_nonfinite=allow_nonfinite)


def _read_npz(path: str, layer: str | None, *, allow_nonfinite: bool) -> ModelFile:
    """An archive of arrays: under a framework's own names it is a checkpoint, else its convention is to be told."""
    from rnn_calc.files.arrays import read_npz

    arrays = read_npz(path, allow_nonfinite=allow_nonfinite)
    if {"h", "h0"} <= arrays.keys():
        raise DataError(
            f"{describe_source(path)} holds the states of a run beside the weights (rnncalc trace wrote it); "
            "rnncalc export writes the weights alone, with the options that trace was given."
        )
    infos = {name: TensorInfo(array.shape, array.dtype.name) for name, array in arrays.items()}
    checkpoint = Checkpoint(path, "npz", infos, arrays.__getitem__)
    try:
        layers = find_layers(checkpoint)
    except DataError:
        return ModelFile(path, weights=arrays)  # whose names they are is for the convention to say
    found, number = choose_layer(layers, layer, path)
    if not CONVENTIONS[found.convention].is_framework:
        return ModelFile(path, weights=arrays, layer=number)
    return _model(checkpoint, found, number, allow_nonfinite=allow_nonfinite)


def choose_layer(found: tuple[FoundLayer, ...], text: str | None, path: str) -> tuple[FoundLayer, int | None]:
    """The layer that `text` names, by its whole name or by how that ends; NAME:2 also names a layer of its stack.

    Raises: DataError where there are several and none is named, or none of that name.
    """
    if text is None:
        if len(found) > 1:
            raise DataError(
                f"{describe_source(path)} has {len(found)} recurrent layers: {_names(found)}. "
                f"Choose one: --layer {_shell(found[0].name)}."
            )
        return found[0], None
    name, colon, number = text.rpartition(":")
    for wanted, rest in ((text, ""), (name, number) if colon else (text, "")):
        exact = [layer for layer in found if layer.name == wanted]
        ends = [layer for layer in found if layer.name.endswith((f".{wanted}", f"/{wanted}"))]
        for chosen in (exact, ends):
            if len(chosen) == 1 and (not rest or rest.isdecimal()):
                return chosen[0], int(rest[:9]) if rest else None
    if text.isdecimal() and len(found) == 1:
        return found[0], int(text[:9])
    raise DataError(
        f"{describe_source(path)} has no recurrent layer {quoted(text)}; it has {_names(found)}."
        f"{did_you_mean(text, [layer.name for layer in found if layer.name.isprintable()])}"
    )


def _names(found: tuple[FoundLayer, ...]) -> str:
    shown = ", ".join(f"{quoted(layer.name)} ({layer.network.cell.name})" for layer in found[:_MOST_NAMED])
    return shown + (f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else "")


_MOST_NAMED = 12


def _shell(name: str) -> str:
    import shlex

    return shlex.quote(printable(name))


def _model(checkpoint: Checkpoint, found: FoundLayer, number: int | None, *, allow_nonfinite: bool) -> ModelFile:
    network = found.network
    label = describe_source(checkpoint.path) + (f", layer {quoted(found.name)}" if found.name else "")
    weights = {
        symbol: LazyArray(
            checkpoint.tensors[name].shape, partial(_read_finite, checkpoint, name, allow_nonfinite=allow_nonfinite)
        )
        for symbol, name in found.tensors.items()
    }
    return ModelFile(
        checkpoint.path,
        label,
        note=" ".join(found.notes) or None,
        cell=network.cell.name,
        convention=found.convention,
        activation=network.activation if network.cell.has_activation else None,
        layers=network.layers,
        bidirectional=network.bidirectional,
        merge=network.merge,
        proj=network.d_p or None,
        vocab=network.vocab or None,
        tied=network.tied or None,
        readout_bias=None if network.readout_bias else False,
        biases=network.biases if network.biases != CONVENTIONS[found.convention].biases(network.cell) else None,
        weights=weights,
        layer=number,
    )


def _read_finite(checkpoint: Checkpoint, name: str, *, allow_nonfinite: bool) -> Array:
    """The values of a tensor.

    Raises: NonFiniteError with the position of the first that is no number, unless those are allowed.
    """
    from rnn_calc.files.arrays import require_finite

    array = checkpoint.read(name)
    return require_finite(
        array, f"{quoted(name)} in {describe_source(checkpoint.path)}", allow_nonfinite=allow_nonfinite
    )
