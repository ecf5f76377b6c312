"""Arrays as a convention stores them, taken apart into a network's parameters, and put together again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from rnn_calc.core.conventions import Convention
from rnn_calc.core.equations import Parameter
from rnn_calc.core.errors import DataError
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation, Stored
from rnn_calc.core.weights import Array, require_shape


def read_arrays(network: Network, convention: Convention | str, named: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays named, joined and oriented as `convention` does it, as canonical arrays in the column reading.

    Raises: DataError for an unknown symbol (with the nearest one) or a wrong shape (with both shapes).
    """
    notation = Notation(network, convention)
    notation.require_known(named)
    by_symbol = {stored.symbol: stored for stored in notation.stored}
    arrays = {}
    for symbol, array in named.items():
        for parameter, part in _parts(notation, by_symbol[symbol], array):
            arrays[parameter.name] = part
    return arrays


def _parts(notation: Notation, stored: Stored, array: Array) -> Iterator[tuple[Parameter, Array]]:
    """Each parameter of a stored array in the column reading."""
    needs, convention = notation.shape(stored), notation.convention
    # Where vectors are written as n × 1, a flat list of n numbers says the same.
    if convention.column_matrices and len(needs) == 2 and needs[1] == 1 and array.shape == needs[:1]:
        array = array.reshape(needs)
    names = tuple(map(notation.extent, stored.extents))
    whose, remedy = f"the convention {convention.name}", "choose the convention that stores it so"
    require_shape(stored.symbol, array.shape, names, needs, whose, remedy)
    rows = array if stored.stacked else [array]
    for row, parameters in zip(rows, stored.rows, strict=True):
        turned = row.T if notation.transposes(parameters[0]) else row
        for parameter, part in zip(parameters, np.split(turned, len(parameters)), strict=True):
            shape = notation.network.shape(parameter)
            yield parameter, np.ascontiguousarray(part.reshape(shape), dtype=np.float64)


def write_arrays(network: Network, convention: Convention | str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Canonical arrays as `convention` names, joins and orients them: the inverse of `read_arrays`.

    Raises: DataError for a cell, or a number of biases, that the convention does not have.
    """
    notation = Notation(network, convention)
    return {stored.symbol: _joined(notation, stored, arrays) for stored in notation.stored}


def _joined(notation: Notation, stored: Stored, arrays: Mapping[str, Array]) -> Array:
    rows = []
    for parameters in stored.rows:
        row = np.concatenate([arrays[parameter.name] for parameter in parameters])
        rows.append(row.T if notation.transposes(parameters[0]) else row)
    return (np.stack(rows) if stored.stacked else rows[0]).reshape(notation.shape(stored))


def fit_biases(network: Network, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays read under one bias rule for a network under another: a second bias is added in, or set to zero.

    Names that no bias rule knows stay as they are. Raises: DataError where a network without biases is given one
    that is not zero.
    """
    names = {parameter.name for parameter in network.parameters}
    fitted = dict(arrays)
    everything = replace(network, biases=2)
    first_of = {(p.mark, p.gate): p.name for p in everything.parameters if p.role == "bias"}
    for parameter in everything.parameters:
        name = parameter.name
        if parameter.role == "recurrent_bias":
            first = first_of[parameter.mark, parameter.gate]
            if name in names and name not in fitted and first in fitted:
                fitted[name] = np.zeros(everything.shape(parameter))
            if name not in names and name in fitted and first in names:
                second = fitted.pop(name)
                fitted[first] = fitted[first] + second if first in fitted else second
    for parameter in everything.parameters:
        name = parameter.name
        is_bias = parameter.role in ("bias", "recurrent_bias")
        if is_bias and name in fitted and name not in names and np.any(fitted.pop(name)):
            raise DataError(f"{name} is not zero, but this network has no biases.")
    return fitted
