"""A model file (TOML, JSON or .npz) → ModelFile, every entry checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.errors import DataError, RnnCalcError, did_you_mean, printable, quoted
from rnn_calc.core.sizes import check_size
from rnn_calc.files.model import EXPECTED, MODEL_SUFFIXES, ModelFile
from rnn_calc.files.numbers import Numbers, numbers
from rnn_calc.files.source import decode, describe_source, parse_json, read_bytes

T = TypeVar("T")

_TEXTS = (
    *("title", "source", "note", "cell", "convention", "activation", "merge", "mode", "init", "inputs", "text"),
    *("loss", "reduction"),
)
_SIZES = {
    **{"d_in": 1, "d_h": 1, "d_out": 0, "layers": 1, "proj": 1, "vocab": 1, "biases": 0},
    **{"steps": 1, "batch": 1, "seed": 0},
}
_FLAGS = ("batch_first", "bidirectional", "tied", "readout_bias")
_LISTS = ("h0", "c0", "sequence", "targets")
# What is nested as steps are; a target that is nan says that its step has none.
_STEPS = ("sequence", "targets")
_NAMES = tuple(name for name in ModelFile._fields if name not in ("path", "label", "layer"))


def read_model(path: str, *, layer: str | None = None, allow_nonfinite: bool = False) -> ModelFile:
    """The model file or checkpoint at `path`, by its suffix; from stdin (`-`) TOML, or JSON if it begins with a brace.

    `layer` names the recurrent layer of a checkpoint that has several.
    Raises: DataError for anything in it that a model file does not have, naming the entry and the nearest right one.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in MODEL_SUFFIXES and path != "-":
        from rnn_calc.files.checkpoints.model import read_checkpoint

        return read_checkpoint(path, layer, allow_nonfinite=allow_nonfinite)
    text = decode(read_bytes(path), path)
    if not text.strip():
        raise DataError(f"{describe_source(path)} is empty; `rnncalc examples cat-sat-here` prints a model file.")
    is_json = text.lstrip().startswith("{") if path == "-" else suffix == ".json"
    document = _parse_json(text, path) if is_json else _parse_toml(text, path)
    try:
        return _model(path, document, allow_nonfinite=allow_nonfinite)
    except RnnCalcError as error:
        raise type(error)(f"{describe_source(path)}: {error}") from None


def _parse_toml(text: str, path: str) -> Mapping[str, object]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{describe_source(path)} is no TOML: {quoted(error).strip(chr(39))}.") from None
    except RecursionError:
        raise DataError(f"{describe_source(path)} is nested too deep to be read.") from None
    except ValueError:
        raise DataError(f"{describe_source(path)} holds a number with too many digits.") from None


def _parse_json(text: str, path: str) -> Mapping[str, object]:
    document = parse_json(text, path)
    if not isinstance(document, dict):
        raise DataError(f"{describe_source(path)} holds no object; a model file is an object of named entries.")
    return document


def _model(path: str, document: Mapping[str, object], *, allow_nonfinite: bool) -> ModelFile:
    _check_no_loose_weight(document)
    _check_names(document, _NAMES, "entry")
    found: dict[str, object] = {}
    for name, value in document.items():
        found[name] = _entry(name, value, allow_nonfinite=allow_nonfinite)
    if "text" in found and "sequence" in found:
        raise DataError("it has both a sequence and a text; one of them is the input.")
    embedding = found.get("embedding")
    if isinstance(embedding, dict) and len({vector.shape for vector in embedding.values()}) > 1:
        raise DataError("[embedding] has vectors of different lengths: " + _lengths(embedding))
    return ModelFile(path, **found)  # type: ignore[arg-type]  # each entry was checked against its field above


def _check_no_loose_weight(document: Mapping[str, object]) -> None:
    """A weight above its table is the likeliest slip of all, so it has an answer of its own."""
    symbols = {name.format(gate="h", g="", _g="") for c in CONVENTIONS.values() for name in c.symbols.values()}
    symbols |= {joined.symbol for c in CONVENTIONS.values() for cell in c.cells.values() for joined in cell.arrays}
    for name in document:
        if name in symbols or name.endswith(("_l0", "_l0_reverse")):
            raise DataError(f"{quoted(name)} stands outside of [weights]; put the line [weights] above it.")


def _entry(name: str, value: object, *, allow_nonfinite: bool) -> object:
    """The value of one entry, checked and converted."""
    if name in _TEXTS:
        return _of_type(name, value, str, "text")
    if name == "d_h" and isinstance(value, list):
        return tuple(check_size("d_h", width) for width in value)
    if name in _SIZES:
        return check_size(name, value, minimum=_SIZES[name])
    if name in _LISTS:
        found = numbers(value, name, rows="step", allow_nonfinite=allow_nonfinite or name == "targets")
        if name not in _STEPS and len(found.shape) > 2:
            raise DataError(f"{name} is nested {len(found.shape)} lists deep; it is one list for each layer, or one.")
        return found
    if name in _FLAGS:
        return _of_type(name, value, bool, "true or false")
    if name in ("gain", "dropout"):
        number = numbers(_of_type(name, value, (int, float), "a number"), name).flat[0]
        if name == "dropout" and not 0 <= number < 1:
            raise DataError(f"dropout is a share of units, at least 0 and below 1; it is {number:g}.")
        return number
    table = _of_type(name, value, dict, "a table")
    if name == "expected":
        _check_names(table, EXPECTED, "expected value")
        return table
    entries = {
        symbol: numbers(entry, f"{name}.{symbol}", allow_nonfinite=allow_nonfinite) for symbol, entry in table.items()
    }
    if name == "embedding":
        for word, vector in entries.items():
            _require_flat(f"embedding.{printable(word)}", vector)
    return entries


def _require_flat(name: str, values: Numbers) -> Numbers:
    if len(values.shape) != 1:
        raise DataError(f"{name} is nested {len(values.shape)} lists deep; it must be one list of numbers.")
    return values


def _of_type(name: str, value: object, kind: type[T] | tuple[type[T], ...], called: str) -> T:
    if not isinstance(value, kind):
        raise DataError(f"{name} must be {called}; it is {quoted(value)}.")
    return value


def _check_names(table: Mapping[str, object], known: Iterable[str], what: str) -> None:
    for name in table:
        if name not in known:
            raise DataError(
                f"there is no {what} {quoted(name)}; there are {', '.join(known)}.{did_you_mean(name, known)}"
            )


def _lengths(embedding: Mapping[str, Numbers]) -> str:
    first, *others = embedding.items()
    odd = next((word, vector) for word, vector in others if vector.shape != first[1].shape)
    return f"{quoted(first[0])} has {first[1].shape[0]}, {quoted(odd[0])} has {odd[1].shape[0]}."
