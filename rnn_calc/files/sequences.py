"""A sequence of input vectors: typed in, drawn, from text, or streamed from a file in blocks."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rnn_calc.core.errors import DataError, did_you_mean, quoted
from rnn_calc.files.numbers import Numbers, count_numbers, numbers, parse_number
from rnn_calc.files.source import decode, describe_source, open_error, parse_json, read_bytes, stdin_bytes

if TYPE_CHECKING:
    from rnn_calc.core.weights import Array

# Steps handed on at a time; a multiple of the engine's own block.
BLOCK = 4096
_LONGEST_LINE = 16 * 2**20

Row = list[float]


@dataclass(frozen=True)
class Sequence:
    """Input vectors, not yet read: `width` of each (None: whatever the network takes), `length` if it is known.

    `blocks(width)` gives arrays (≤ BLOCK, width); `labels` are the tokens of a text; `drawn`: nobody gave the numbers.
    """

    origin: str
    width: int | None
    length: int | None
    blocks: Callable[[int], Iterator[Array]]
    labels: tuple[str, ...] = ()
    drawn: bool = False


def drawn_sequence(steps: int, kind: str, seed: int) -> Sequence:
    """`steps` inputs of standard normal numbers, or of zeros."""

    def blocks(width: int) -> Iterator[Array]:
        import numpy as np

        # Not the stream of any weight: those are children of the same seed.
        rng = np.random.default_rng([seed, 1])
        length = _block_length(width)
        for start in range(0, steps, length):
            shape = (min(length, steps - start), width)
            yield rng.standard_normal(shape) if kind == "gaussian" else np.zeros(shape)

    source = f"{steps} inputs N(0, 1), seed {seed}" if kind == "gaussian" else f"{steps} inputs of zeros"
    return Sequence(source, None, steps, blocks, drawn=True)


def drawn_tokens(steps: int, vocab: int, seed: int) -> Sequence:
    """`steps` numbers of tokens, each of the vocabulary as likely as any other."""

    def blocks(_: int) -> Iterator[Array]:
        import numpy as np

        rng = np.random.default_rng([seed, 1])
        for start in range(0, steps, BLOCK):
            yield rng.integers(vocab, size=(min(BLOCK, steps - start), 1)).astype(np.float64)

    return Sequence(f"{steps} tokens of {vocab}, drawn evenly, seed {seed}", 1, steps, blocks, drawn=True)


def listed_sequence(values: Numbers, origin: str) -> Sequence:
    """A sequence from a document: numbers are steps of width 1, lists are steps."""
    shape = values.shape if len(values.shape) == 2 else (*values.shape, 1)
    if len(shape) != 2:
        raise DataError(f"{origin} is nested {len(shape)} deep; a sequence is a list of steps.")
    length, width = shape

    def blocks(_: int) -> Iterator[Array]:
        import numpy as np

        array = np.array(values.flat, dtype=np.float64).reshape(shape)
        return (array[start : start + BLOCK] for start in range(0, length, BLOCK))

    return Sequence(origin, width, length, blocks)


def text_sequence(text: str, embedding: dict[str, Numbers]) -> Sequence:
    """The words of a text, each as its embedding vector, or as a one-hot code where there is no embedding."""
    tokens = text.split()
    if not tokens:
        raise DataError("The text is empty; it must have at least one word.")
    if embedding:
        width = next(iter(embedding.values())).shape[-1]
        for token in tokens:
            if token not in embedding:
                raise DataError(
                    f"{quoted(token)} has no vector in [embedding], which knows {len(embedding)} words."
                    f"{did_you_mean(token, embedding)}"
                )
        vectors = {token: list(embedding[token].flat) for token in set(tokens)}
        origin = f"{len(tokens)} words through the embedding"
    else:
        vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
        width = len(vocabulary)
        vectors = {token: [float(index == at) for index in range(width)] for token, at in vocabulary.items()}
        origin = f"{len(tokens)} words, one-hot over {width} in order of appearance"

    def blocks(_: int) -> Iterator[Array]:
        return _in_blocks(map(vectors.__getitem__, tokens))

    return Sequence(origin, width, len(tokens), blocks, tuple(tokens))


def token_sequence(text: str, vocab: int) -> Sequence:
    """The words of a text as numbers of tokens, in the order in which they first appear.

    Raises: DataError when there are none, or more than the vocabulary has.
    """
    words = text.split()
    if not words:
        raise DataError("The text is empty; it must have at least one word.")
    numbers = {word: number for number, word in enumerate(dict.fromkeys(words))}
    if len(numbers) > vocab:
        raise DataError(f"The text has {len(numbers)} different words; a vocabulary of {vocab} has no room for them.")

    def blocks(_: int) -> Iterator[Array]:
        import numpy as np

        array = np.array([[numbers[word]] for word in words], dtype=np.float64)
        return (array[start : start + BLOCK] for start in range(0, len(words), BLOCK))

    origin = f"{len(words)} words, numbered in order of appearance"
    return Sequence(origin, 1, len(words), blocks, tuple(words))


def read_sequence(
    argument: str, *, d_in: int | None, allow_nonfinite: bool = False, flag: str = "--sequence"
) -> Sequence:
    """What `flag` names: numbers, `@file`, a path ending in .csv, .json or .npy, or `-` for stdin."""
    if argument == "-":
        return _read_stream("-", flag, allow_nonfinite=allow_nonfinite)
    path = argument.removeprefix("@")
    if not path and argument:
        raise DataError(f"{flag} @ names no file; write its name after it, as in {flag} @numbers.csv.")
    suffix = Path(path).suffix.lower() if "\0" not in path else ""
    if not argument.startswith("@") and suffix not in (".csv", ".json", ".npy"):
        return _inline_sequence(argument, flag, d_in=d_in, allow_nonfinite=allow_nonfinite)
    if suffix == ".npy":
        return _npy_sequence(path, allow_nonfinite=allow_nonfinite)
    if suffix == ".json":
        return _json_sequence(decode(read_bytes(path), path), path, flag, allow_nonfinite=allow_nonfinite)
    return _read_stream(path, flag, allow_nonfinite=allow_nonfinite)


def parse_vector(text: str, name: str, *, allow_nonfinite: bool = False) -> Row:
    """Numbers separated by commas or blanks, as `--h0` takes them."""
    return _parse_row(text, name, f' Give numbers, as in {name} "0.1, 0.2".', allow_nonfinite=allow_nonfinite)


def _parse_row(text: str, where: str, advice: str = "", *, allow_nonfinite: bool) -> Row:
    # Blanks separate as commas do; an empty place between two commas is a missing number, not a blank.
    fields = text.split(",") if "," in text else text.split()
    row: Row = []
    for column, field in enumerate(fields, start=1):
        if "," in text and not field.strip():
            raise DataError(f"{where}, number {column}: nothing stands there; a number is needed.")
        row.append(parse_number(field, f"{where}, number {column}", allow_nonfinite=allow_nonfinite, advice=advice))
    return row


def _inline_sequence(text: str, flag: str, *, d_in: int | None, allow_nonfinite: bool) -> Sequence:
    steps = [part for part in text.replace("\n", ";").split(";") if part.strip()]
    if _is_file(text):
        raise DataError(f"{quoted(text)} is a file and no numbers; {flag} {quoted('@' + text)} reads it.")
    if not steps:
        raise DataError(f'{flag} is empty; give numbers, as in {flag} "0.5,0.2; 0.1,0.9".')
    advice = f' Give numbers, as in {flag} "0.5,0.2; 0.1,0.9".'
    if len(steps) == 1 and (d_in is None or d_in == 1):
        row = _parse_row(steps[0], flag, advice, allow_nonfinite=allow_nonfinite)
        return listed_sequence(Numbers((len(row), 1), tuple(row)), flag)
    rows: list[Row] = []
    for number, step in enumerate(steps, start=1):
        row = _parse_row(step, f"{flag}, step {number}", advice, allow_nonfinite=allow_nonfinite)
        _check_width(row, rows, f"{flag}, step {number}", "the steps")
        rows.append(row)
    flat = tuple(value for row in rows for value in row)
    return listed_sequence(Numbers((len(rows), len(rows[0])), flat), flag)


def _check_width(row: Row, before: list[Row], where: str, others: str) -> None:
    if before and len(row) != len(before[0]):
        raise DataError(f"{where} has {count_numbers(len(row))}; {others} before it have {len(before[0])}.")


def _json_sequence(text: str, path: str, flag: str, *, allow_nonfinite: bool) -> Sequence:
    name, entry = describe_source(path), flag.removeprefix("--")
    document = parse_json(text, path)
    if isinstance(document, dict):
        if entry not in document:
            raise DataError(f"{name} has no entry '{entry}'; give a list of steps, or an object with one.")
        document = document[entry]
    if not isinstance(document, list):
        raise DataError(f"{name} holds no list; a sequence is a list of steps.")
    if not document:
        raise DataError(f"{name} is an empty sequence; it must have at least one step.")
    return listed_sequence(numbers(document, f"{name}: {entry}", rows="step", allow_nonfinite=allow_nonfinite), name)


def _npy_sequence(path: str, *, allow_nonfinite: bool) -> Sequence:
    from rnn_calc.files.arrays import map_npy

    array = map_npy(path, allow_nonfinite=allow_nonfinite)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise DataError(f"{describe_source(path)} has shape {array.shape}; a sequence has shape (T, d_in).")

    def blocks(_: int) -> Iterator[Array]:
        import numpy as np

        length = _block_length(array.shape[1])
        for start in range(0, len(array), length):
            yield np.asarray(array[start : start + length], dtype=np.float64)

    return Sequence(describe_source(path), array.shape[1], array.shape[0], blocks)


def _read_stream(path: str, flag: str, *, allow_nonfinite: bool) -> Sequence:
    """CSV, one step a line, read as it is used; stdin may also hold JSON or the form that is typed."""
    name = describe_source(path)
    try:
        # surrogateescape lets a line arrive whole, and newline="" with its own end: an error can then name the byte.
        stream = (
            io.TextIOWrapper(stdin_bytes(), "utf-8", "surrogateescape", newline="")
            if path == "-"
            else Path(path).open(encoding="utf-8", errors="surrogateescape", newline="")  # noqa: SIM115 - read in use
        )
    except OSError as error:
        raise open_error(path, error) from None
    lines = _lines(stream, name)
    first = next(lines, None)
    if first is None:
        raise DataError(f"{name} is empty; it must hold the numbers of at least one step.")
    if path == "-" and first[1].lstrip().startswith(("[", "{")):
        rest = "".join(line for _, line in lines)
        return _json_sequence(first[1] + rest, path, flag, allow_nonfinite=allow_nonfinite)
    if path == "-" and ";" in first[1]:
        text = first[1] + "".join(line for _, line in lines)
        return _inline_sequence(text, flag, d_in=None, allow_nonfinite=allow_nonfinite)
    rows = _csv_rows(chain([first], lines), name, allow_nonfinite=allow_nonfinite)
    head = next(rows)
    return Sequence(name, len(head), None, lambda _: _in_blocks(chain([head], rows)))


def _lines(stream: TextIO, name: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers; a byte order mark is skipped."""
    offset = number = 0
    with stream:
        while line := stream.readline(_LONGEST_LINE):
            number += 1
            if len(line) == _LONGEST_LINE:
                raise DataError(f"{name}, line {number} is longer than {_LONGEST_LINE:,} characters.")
            for index, char in enumerate(line) if not line.isascii() else ():
                if "\udc80" <= char <= "\udcff":
                    byte = offset + len(line[:index].encode("utf-8", "surrogateescape"))
                    raise DataError(f"{name} is not UTF-8 text: byte {byte} is 0x{ord(char) - 0xDC00:02x}.")
            offset += len(line.encode("utf-8"))
            line = line.removeprefix("\ufeff") if number == 1 else line
            if line.strip():
                yield number, line


def _csv_rows(lines: Iterable[tuple[int, str]], name: str, *, allow_nonfinite: bool) -> Iterator[Row]:
    width = 0
    for number, line in lines:
        where = f"{name}, line {number}"
        if not width and "," in line and not any(map(_is_number, line.replace(";", ",").split(","))):
            raise DataError(f"{where} looks like a header; only numbers are read: remove that line.")
        row = _parse_row(line.replace(";", ","), where, allow_nonfinite=allow_nonfinite)
        if width and len(row) != width:
            raise DataError(f"{where} has {count_numbers(len(row))}; the lines before it have {width}.")
        width = len(row)
        yield row


def _is_file(text: str) -> bool:
    """Whether text where numbers should be is the name of a file."""
    try:
        return bool(text.strip("0123456789.,;-+eE \t\n")) and Path(text).is_file()
    except (OSError, ValueError):
        return False


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _in_blocks(rows: Iterable[Row]) -> Iterator[Array]:
    import numpy as np

    iterator = iter(rows)
    length = 1
    while block := list(islice(iterator, length)):
        yield np.array(block, dtype=np.float64)
        length = _block_length(len(block[0]))


def _block_length(width: int) -> int:
    """How many steps of that width are handed on at a time: at most BLOCK, and about 32 MiB."""
    return max(1, min(BLOCK, 2**22 // width))
