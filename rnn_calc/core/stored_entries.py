"""Which entry of which parameter stands where in an array that a convention stores."""

from __future__ import annotations

from rnn_calc.core.errors import DataError
from rnn_calc.core.notation import Notation, Stored, write_shape

Index = tuple[int, ...]


def parameter_entry(notation: Notation, symbol: str, index: Index) -> tuple[str, Index]:
    """The parameter (its canonical name) and the place in it, in the column reading, of a stored array's entry.

    Indices count from 0. Raises: DataError for an unknown symbol, or an index that the array has not.
    """
    notation.require_known([symbol])
    stored = next(stored for stored in notation.stored if stored.symbol == symbol)
    shape = notation.shape(stored)
    if len(index) == 1 and len(shape) == 2 and shape[1] == 1 and not stored.parameters[0].is_matrix:
        index = (index[0], 0)  # a vector that is written as a column
    if len(index) != len(shape) or not all(0 <= i < size for i, size in zip(index, shape, strict=True)):
        ranges = ", ".join(f"0 to {size - 1}" if size > 1 else "0" for size in shape)
        last = f"{symbol}[{','.join(str(size - 1) for size in shape)}]"
        each = "index" if len(shape) == 1 else "indices"
        raise DataError(
            f"{symbol} has shape {write_shape(shape)}, so its {each} go {ranges}; the last entry is {last}. "
            "Indices count from 0."
        )
    row, *place = index if stored.stacked else (0, *index)
    parameters = stored.rows[row]
    if not parameters[0].is_matrix:
        which, unit = divmod(place[0], notation.network.shape(parameters[0])[0])
        return parameters[which].name, (unit,)
    i, j = place[::-1] if notation.transposes(parameters[0]) else place
    which, unit = divmod(i, notation.network.shape(parameters[0])[0])
    return parameters[which].name, (unit, j)


def stored_entry(notation: Notation, name: str, index: Index) -> tuple[str, Index]:
    """The symbol of the stored array, and the place in it, of a parameter's entry: the inverse of `parameter_entry`."""
    parameter = next(parameter for parameter in notation.network.parameters if parameter.name == name)
    stored = notation.home(parameter)
    row, which = _place(stored, name)
    first = which * notation.network.shape(parameter)[0] + index[0]
    if not parameter.is_matrix:
        place: Index = (first, 0) if len(stored.extents) - stored.stacked == 2 else (first,)
    else:
        place = (index[1], first) if notation.transposes(parameter) else (first, index[1])
    return stored.symbol, (row, *place) if stored.stacked else place


def _place(stored: Stored, name: str) -> tuple[int, int]:
    """The row of the array, and the place in it, where a parameter stands."""
    for row, parameters in enumerate(stored.rows):
        for which, parameter in enumerate(parameters):
            if parameter.name == name:
                return row, which
    raise AssertionError(f"{name} is not stored in {stored.symbol}")
