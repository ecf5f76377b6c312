"""Lists of numbers from text and from documents: one shape, finite unless allowed. No NumPy."""

from __future__ import annotations

from math import isfinite, prod
from typing import NamedTuple

from rnn_calc.core.errors import DataError, NonFiniteError, quoted

_DEEPEST = 3


class Numbers(NamedTuple):
    """Nested lists of floats with their shape; `flat` holds them in row order."""

    shape: tuple[int, ...]
    flat: tuple[float, ...]

    def rows(self) -> list[tuple[float, ...]]:
        """The innermost lists."""
        width = self.shape[-1]
        return [self.flat[start : start + width] for start in range(0, len(self.flat), width)]


def place(index: tuple[int, ...], rows: str = "row") -> str:
    """A position for a message, counted from 1 as everything shown is: `, row 2, number 1`."""
    names = ("block", rows, "number")[-len(index) :] if index else ()
    return "".join(f", {name} {i + 1}" for name, i in zip(names, index, strict=True))


def count_numbers(count: int) -> str:
    """A count of numbers for a message: `1 number`."""
    return "1 number" if count == 1 else f"{count} numbers"


def check_finite(value: float, where: str, *, allow_nonfinite: bool) -> float:
    """`value`, when it is finite or need not be; NonFiniteError naming `where` otherwise."""
    if not allow_nonfinite and not isfinite(value):
        raise NonFiniteError(f"{where} is {value}; a finite number is needed (--allow-nonfinite lets it through).")
    return value


def parse_number(text: str, where: str, *, allow_nonfinite: bool = False, advice: str = "") -> float:
    """The number in `text`; `advice` ends the message where it is none.

    Raises: DataError naming `where` when it is no number; NonFiniteError for NaN and infinity.
    """
    try:
        value = float(text)
    except ValueError:
        raise DataError(f"{where}: {quoted(text.strip())} is no number.{advice}") from None
    return check_finite(value, where, allow_nonfinite=allow_nonfinite)


def numbers(value: object, name: str, *, rows: str = "row", allow_nonfinite: bool = False) -> Numbers:
    """Nested lists from a document as `Numbers`; a single number counts as a list of one.

    `rows` is what messages call an inner list: a row, a step.

    Raises: DataError with the position for ragged rows (width found, width expected), text and empty lists.
    """
    if not isinstance(value, list):
        value = [value]
    shape: list[int] = []
    probe: object = value
    while isinstance(probe, list):
        if not probe:
            raise DataError(f"{name} holds an empty list; it must hold numbers.")
        if len(shape) == _DEEPEST:
            raise DataError(f"{name} is nested more than {_DEEPEST} lists deep.")
        shape.append(len(probe))
        probe = probe[0]
    flat: list[float] = []

    levels = ("block", rows, "number")[-len(shape) :]

    def collect(item: object, index: tuple[int, ...]) -> None:
        depth = len(index)
        where = name + "".join(f", {level} {i + 1}" for level, i in zip(levels, index, strict=False))
        if depth == len(shape):
            flat.append(_number(item, where, allow_nonfinite=allow_nonfinite))
            return
        inner = levels[depth] + ("s" if shape[depth] != 1 else "")
        if not isinstance(item, list):
            raise DataError(f"{where} is {_kind(item)}; a list of {shape[depth]} {inner} is needed.")
        if len(item) != shape[depth]:
            found = f"{len(item)} {levels[depth]}{'s' if len(item) != 1 else ''}"
            raise DataError(f"{where} has {found}; the ones before it have {shape[depth]}.")
        for i, part in enumerate(item):
            collect(part, (*index, i))

    collect(value, ())
    assert len(flat) == prod(shape)
    return Numbers(tuple(shape), tuple(flat))


def _number(item: object, where: str, *, allow_nonfinite: bool) -> float:
    if isinstance(item, bool) or not isinstance(item, int | float):
        raise DataError(f"{where} is {_kind(item)}; a number is needed.")
    try:
        value = float(item)
    except OverflowError:
        raise NonFiniteError(f"{where} is a whole number too large for float64.") from None
    return check_finite(value, where, allow_nonfinite=allow_nonfinite)


def _kind(item: object) -> str:
    if isinstance(item, str):
        return f"the text {quoted(item)}"
    names = {
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a table",
        bool: "true or false",
        type(None): "nothing",
    }
    return names.get(type(item), f"a {type(item).__name__}")
