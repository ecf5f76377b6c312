"""Keras models: .keras archives, .weights.h5 files, and the .h5 files of Keras 1 and 2.

Source: keras.io, guides "Save, serialize, and export models"; layouts compared with files that Keras 3.15 wrote.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.errors import DataError, TooLargeError
from rnn_calc.core.memory import require_memory, write_bytes
from rnn_calc.core.weights import Array
from rnn_calc.files.arrays import LARGEST_UNPACKED
from rnn_calc.files.checkpoints.hdf5 import SIGNATURE, Contents, Origin, read_dataset, survey
from rnn_calc.files.checkpoints.keras_config import NO_CONFIG, Configured, read_config
from rnn_calc.files.checkpoints.keras_names import give_names, matched
from rnn_calc.files.checkpoints.reading import file_size, open_file
from rnn_calc.files.checkpoints.tensors import Checkpoint, TensorInfo
from rnn_calc.files.checkpoints.zip_members import Member, list_members, read_member
from rnn_calc.files.source import decode, describe_source, parse_json

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_WEIGHTS, _CONFIG, _METADATA = "model.weights.h5", "config.json", "metadata.json"
_LARGEST_CONFIG = 16 * 2**20
# Weights of Keras 3 carry the names of their layers on groups called vars.
_WANTED = (("vars", "name"), ("", "model_config"), ("", "keras_version"), ("model_weights", "keras_version"))


def open_keras(path: str) -> Checkpoint:
    """The tensors of a Keras model or weights file, and what its configuration says of the recurrent layers.

    Names are the layers' own, down from the model, then the variable's: lstm/kernel, encoder/gru_1/recurrent_kernel,
    bidirectional/forward_lstm/bias. The cell's name between them is left out where the rest is still unique.
    Optimizer states are not listed.
    Raises: DataError for a file that is neither, is damaged or leads elsewhere, and when h5py is not installed.
    """
    with open_file(path) as file:
        start = file.read(len(SIGNATURE))
        size = file_size(file)
    if start == SIGNATURE:
        return _open_h5(path, size)
    if start.startswith(b"PK\x03\x04"):
        return _open_archive(path)
    raise DataError(
        f"{describe_source(path)} is no Keras file: it begins neither as a zip archive nor as HDF5."
        if start
        else f"{describe_source(path)} is empty; a Keras file was expected."
    )


def _open_h5(path: str, size: int) -> Checkpoint:
    origin = Origin(path, size)
    contents = survey(origin, _WANTED)
    text = contents.texts.get(("", "model_config"))
    configured = NO_CONFIG if text is None else read_config(parse_json(text, f"{path}/model_config"))
    version = contents.texts.get(("", "keras_version")) or contents.texts.get(("model_weights", "keras_version"))
    metadata = {"keras_version": version} if version else {}
    return _checkpoint(origin, contents, configured, metadata)


def _open_archive(path: str) -> Checkpoint:
    members = list_members(path)
    if _WEIGHTS not in members:
        raise DataError(
            f"{describe_source(path)} is no Keras model: an archive with {_WEIGHTS} and {_CONFIG} in it was expected."
        )
    weights = members[_WEIGHTS]
    if weights.deflated:
        origin = Origin(path, weights.size, partial(io.BytesIO, _unpacked(path, weights)))
    else:
        origin = Origin(path, weights.size, lambda: _Window(weights.size, partial(read_member, path, weights)))
    config = _document(path, members, _CONFIG)
    found = _document(path, members, _METADATA)
    version = found.get("keras_version") if isinstance(found, dict) else None
    metadata = {"keras_version": version} if isinstance(version, str) else {}
    configured = NO_CONFIG if config is None else read_config(config)
    return _checkpoint(origin, survey(origin, _WANTED), configured, metadata)


def _unpacked(path: str, member: Member) -> bytes:
    """Weights that the archive compresses: HDF5 jumps about in them, so they are unpacked into memory."""
    if member.size > LARGEST_UNPACKED:
        raise TooLargeError(
            f"{describe_source(path)} unpacks to {write_bytes(member.size)}; {write_bytes(LARGEST_UNPACKED)} is the "
            "limit. Keras itself stores its weights without compression."
        )
    require_memory(2 * member.size, describe_source(path), "Save it without compression.")
    return read_member(path, member).tobytes()


def _document(path: str, members: Mapping[str, Member], name: str) -> object:
    """A JSON member, None when there is none. Code that a Lambda layer keeps in it stays text."""
    if name not in members:
        return None
    if members[name].size > _LARGEST_CONFIG:
        raise TooLargeError(f"{name} in {describe_source(path)} is larger than {write_bytes(_LARGEST_CONFIG)}.")
    inside = f"{path}/{name}"
    return parse_json(decode(read_member(path, members[name]).tobytes(), inside), inside)


def _checkpoint(origin: Origin, contents: Contents, configured: Configured, metadata: Mapping[str, str]) -> Checkpoint:
    places = give_names(contents, configured)
    tensors: dict[str, TensorInfo] = {name: contents.datasets[place] for name, place in places.items()}

    def read(name: str) -> Array:
        return read_dataset(origin, places.get(name, ""), name, tensors)

    return Checkpoint(origin.path, "keras", tensors, read, matched(configured.layers, tensors), metadata)


class _Window(io.RawIOBase):
    """A member of an archive as a file of its own, read where h5py asks for it."""

    def __init__(self, size: int, read_at: Callable[[int, int], NDArray[np.uint8]]) -> None:
        self._size, self._read_at, self._position = size, read_at, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self._size - self._position))
        view[:count] = self._read_at(self._position, count).tobytes()
        self._position += count
        return count
