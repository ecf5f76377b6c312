"""A checkpoint of any format, opened by its suffix or, where that says nothing, by its first bytes."""

from __future__ import annotations

from pathlib import Path

from rnn_calc.core.errors import DataError, listed
from rnn_calc.files.checkpoints.reading import open_file
from rnn_calc.files.checkpoints.tensors import Checkpoint
from rnn_calc.files.source import describe_source, open_error

# The format of each suffix; a folder is one of .npy files.
_FORMATS = {
    **{".safetensors": "safetensors", ".npz": "npz", ".pt": "torch", ".pth": "torch"},
    **{".keras": "keras", ".h5": "keras", ".hdf5": "keras", ".onnx": "onnx"},
}
CHECKPOINT_SUFFIXES = tuple(_FORMATS)

_HEAD = 32


def open_checkpoint(path: str) -> Checkpoint:
    """The checkpoint at `path`: names, shapes and types of its tensors, values on demand.

    Raises: DataError when there is none, it is damaged or of no known format (with what was found); TooLargeError
    beyond a limit of its format.
    """
    if path == "-":
        raise DataError("A checkpoint is read from a file, because its values are looked up there; stdin cannot be.")
    if _is_folder(path):
        from rnn_calc.files.checkpoints.numpy_files import open_npy_folder

        return open_npy_folder(path)
    try:
        return _open_as(_FORMATS.get(Path(path).suffix.lower()) or _recognized(path), path)
    except OSError as error:  # a disk that fails while it is read
        raise open_error(path, error) from None


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except ValueError:  # a NUL in the name, before Python 3.13
        return False


def _open_as(container: str, path: str) -> Checkpoint:
    if container == "safetensors":
        from rnn_calc.files.checkpoints.safetensors import open_safetensors

        return open_safetensors(path)
    if container == "npz":
        from rnn_calc.files.checkpoints.numpy_files import open_npz

        return open_npz(path)
    if container == "keras":
        from rnn_calc.files.checkpoints.keras import open_keras

        return open_keras(path)
    if container == "onnx":
        from rnn_calc.files.checkpoints.onnx import open_onnx

        return open_onnx(path)
    from rnn_calc.files.checkpoints.torch_zip import open_torch

    return open_torch(path)


def _recognized(path: str) -> str:
    """The format that the first bytes of a file tell of, or else what they are.

    Raises: DataError for a file that cannot be opened or is none of the formats.
    """
    with open_file(path) as file:
        head = file.read(_HEAD)
    if head.startswith(b"PK\x03\x04"):
        return _recognized_archive(path)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "keras"
    if head.startswith(b"\x80"):
        return "torch"  # an old file or a bare pickle: the reader says which
    if head[8:9] == b"{":
        return "safetensors"
    if head.startswith(b"\x93NUMPY"):
        raise DataError(f"{describe_source(path)} is one array; a folder of .npy files or an .npz is a checkpoint.")
    raise _unknown(path, f"it begins with the bytes {head[:8].hex(' ')}" if head else "it is empty")


def _recognized_archive(path: str) -> str:
    from rnn_calc.files.checkpoints.zip_members import list_members

    names = list(list_members(path))
    if any(name.endswith("/data.pkl") for name in names):
        return "torch"
    if "model.weights.h5" in names:
        return "keras"
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    raise _unknown(path, f"it is a zip archive of {len(names):,} members, none of them tensors")


def _unknown(path: str, found: str) -> DataError:
    return DataError(
        f"{describe_source(path)} is no checkpoint of a known format: {found}. "
        f"A file ends in {listed(CHECKPOINT_SUFFIXES)}, or is a folder of .npy files."
    )
