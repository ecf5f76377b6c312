"""The named sizes of a recurrent network, and what is a legal one."""

from __future__ import annotations

from rnn_calc.core.errors import RnnCalcError, SizeError

# Every axis a tensor of this package can have. A shape is written with these names first, with numbers second.
AXES = {
    "d_in": "width of one input vector",
    "d_h": "number of hidden units",
    "d_out": "width of one output vector",
    "T": "steps in the sequence",
    "T_out": "steps the decoder writes",
    "B": "sequences in the batch",
    "1": "one column, or one layer and one direction",
}

Sizes = dict[str, int]

LARGEST_SIZE = 10**18


def check_size(
    name: str, value: object, *, minimum: int = 1, error: type[RnnCalcError] = SizeError, hint: str = ""
) -> int:
    """`value` as a size.

    Raises: `error`, when it is no whole number, is below `minimum` or is beyond `LARGEST_SIZE`.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise error(f"{name} must be a whole number; {value!r} is a {type(value).__name__}.{hint}")
    if value < minimum:
        least = "at least 1" if minimum == 1 else f"{minimum} or more"
        raise error(f"{name} must be {least}; it is {value}.{hint}")
    if value > LARGEST_SIZE:
        # Python refuses to write out an integer of more than 4300 digits; TOML's 0x… can bring one in.
        digits = str(len(str(value))) if value.bit_length() < 10_000 else "thousands of"
        raise error(f"{name} must be at most 10^18; it has {digits} digits.{hint}")
    return value
