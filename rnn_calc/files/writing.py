"""A network's arrays as a file: .safetensors, .npz, or a model file in TOML that says all of the network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rnn_calc.core.errors import DataError, TooLargeError
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.files.checkpoints.safetensors import write_safetensors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rnn_calc.core.weights import Array

# The format of each suffix.
WRITTEN = {".safetensors": "safetensors", ".npz": "npz", ".toml": "toml"}
DTYPES = ("float64", "float32")

# A model file is read by people, and by a parser that takes a second for so many.
MOST_NUMBERS = 200_000


class Rounding(NamedTuple):
    """How many numbers a narrower type changes, and by how much at most, relative to the number."""

    changed: int
    worst: float


def write_weights(path: Path, format_name: str, notation: Notation, arrays: Mapping[str, Array], dtype: str) -> None:
    """Write the arrays, which are under the notation's symbols, in one of the formats `WRITTEN`.

    Raises: DataError for a number beyond float32; TooLargeError for more numbers than a model file should hold.
    """
    if format_name == "toml":
        with path.open("w", encoding="utf-8", newline="\n") as text:
            text.writelines(f"{line}\n" for line in model_lines(notation, arrays))
        return
    narrowed = {symbol: _narrowed(symbol, array, dtype) for symbol, array in arrays.items()}
    with path.open("wb") as binary:
        if format_name == "npz":
            np.savez(binary, **narrowed)  # type: ignore[arg-type]  # the stubs confuse the names with allow_pickle
        else:
            binary.writelines(write_safetensors(arrays, _metadata(notation), dtype))


def require_fit(format_name: str, notation: Notation) -> None:
    """Nothing, when the format can take so many numbers.

    Raises: TooLargeError otherwise, naming a format that can.
    """
    if format_name == "toml" and notation.total > MOST_NUMBERS:
        raise TooLargeError(
            f"A model file in TOML holds at most {MOST_NUMBERS:,} numbers here; this network has {notation.total:,}. "
            "End --output in .safetensors."
        )


def _narrowed(symbol: str, array: Array, dtype: str) -> NDArray[np.floating]:
    with np.errstate(over="ignore"):
        narrow = array.astype(dtype, copy=False)
    if np.any(np.isinf(narrow) & np.isfinite(array)):
        raise DataError(f"{symbol} holds numbers beyond {dtype} (about 3.4e38); write it as float64.")
    return narrow


def rounding(arrays: Mapping[str, Array], dtype: str) -> Rounding:
    """What the type changes in the arrays."""
    changed, worst = 0, 0.0
    for array in arrays.values():
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            errors = np.abs(array.astype(dtype).astype(np.float64) - array) / np.abs(array)
        errors = errors[np.isfinite(errors) & (errors > 0)]
        changed += errors.size
        worst = max(worst, float(errors.max(initial=0)))
    return Rounding(changed, worst)


def _metadata(notation: Notation) -> dict[str, str]:
    """What the arrays do not tell of the network."""
    network = notation.network
    told = {"convention": notation.convention.name, "cell": network.cell.name}
    if network.cell.has_activation:
        told["activation"] = network.activation
    if network.bidirectional:
        told["merge"] = network.merge
    if network.tied:
        told["tied"] = "true"
    return {"format": "np"} | {f"rnncalc.{name}": value for name, value in told.items()}


def model_lines(notation: Notation, arrays: Mapping[str, Array]) -> Iterator[str]:
    """The lines of a model file that says all of the network; numbers have every digit."""
    for name, value in _entries(notation).items():
        yield f"{name} = {_value(value)}"
    yield ""
    yield "[weights]"
    for symbol, array in arrays.items():
        yield from _array_lines(_key(symbol), array)


def _entries(notation: Notation) -> dict[str, object]:
    network, convention = notation.network, notation.convention
    entries: dict[str, object] = {"cell": network.cell.name, "convention": convention.name}
    if network.cell.has_activation:
        entries["activation"] = network.activation
    entries |= {"d_in": network.d_in, "d_h": network.d_h, "d_out": network.d_out, "layers": network.layers}
    if network.bidirectional:
        entries |= {"bidirectional": True, "merge": network.merge}
    entries |= {name: size for name, size in (("proj", network.d_p), ("vocab", network.vocab)) if size}
    if network.tied:
        entries["tied"] = True
    if not network.readout_bias:
        entries["readout_bias"] = False
    if network.biases != convention.biases(network.cell):
        entries["biases"] = network.biases
    return entries


def _value(value: object) -> str:
    # What JSON writes for these is TOML too.
    return json.dumps(value, ensure_ascii=False)


def _key(symbol: str) -> str:
    return symbol if re.fullmatch(r"[A-Za-z0-9_-]+", symbol) else _value(symbol)


def _array_lines(key: str, array: Array) -> Iterator[str]:
    """An entry: a vector in one line, a matrix with a line for each row."""
    if array.ndim == 1:
        yield f"{key} = {_row(array)}"
        return
    yield f"{key} = ["
    for part in array:
        if part.ndim == 1:
            yield f"  {_row(part)},"
        else:
            yield "  ["
            yield from (f"    {_row(row)}," for row in part)
            yield "  ],"
    yield "]"


def _row(row: Array) -> str:
    return f"[{', '.join(map(repr, row.tolist()))}]"


def bias_change(before: Network, after: Network) -> str:
    """What happens to the biases when a network goes from one bias rule to another; empty where nothing does."""
    if before.biases == after.biases:
        return ""
    if before.biases > after.biases > 0:
        return "Two biases a gate are added into one: the same network, but for the rounding of the sum."
    if after.biases > before.biases > 0:
        return "The second bias a gate is 0: the file has one."
    return ""
