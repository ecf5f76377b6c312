"""The named sizes of a recurrent network, and what is a legal one."""

from __future__ import annotations

from operator import index
from typing import SupportsIndex

from rnn_calc.core.errors import RnnCalcError, SizeError

Sizes = dict[str, int]

LARGEST_SIZE = 10**18


def check_size(
    name: str, value: object, *, minimum: int = 1, error: type[RnnCalcError] = SizeError, hint: str = ""
) -> int:
    """`value` as a size: a plain int, whatever integer type it came in.

    Raises: `error`, when it is no whole number, is below `minimum` or is beyond `LARGEST_SIZE`.
    """
    try:
        size = index(value) if isinstance(value, SupportsIndex) and not isinstance(value, bool) else None
    except TypeError:  # NumPy's booleans and arrays have an __index__ that refuses
        size = None
    if size is None:
        raise error(f"{name} must be a whole number; {value!r} is a {type(value).__name__}.{hint}")
    if size < minimum:
        least = "at least 1" if minimum == 1 else f"{minimum} or more"
        raise error(f"{name} must be {least}; it is {size}.{hint}")
    if size > LARGEST_SIZE:
        # Python refuses to write out an integer of more than 4300 digits; TOML's 0x… can bring one in.
        digits = str(len(str(size))) if size.bit_length() < 10_000 else "thousands of"
        raise error(f"{name} must be at most 10^18; it has {digits} digits.{hint}")
    return size


def whole_numbers(text: str) -> tuple[int, ...] | None:
    """The whole numbers in a text with commas between: 7,3,1; None where something else is in it."""
    import re

    words = [word.strip() for word in text.split(",")]
    # int() would also take 1_000 and the digits of other scripts.
    return tuple(map(int, words)) if all(re.fullmatch(r"[-+]?[0-9]{1,30}", word) for word in words) else None
