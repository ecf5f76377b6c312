"""How large the recurrent matrices of a trained network are, and what bounds a gradient without an input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from rnn_calc.core.equations import MAX_SLOPE, Parameter
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.spectra import RECURRENT, spectral_norm, spectral_radius
from rnn_calc.core.stages import Layer
from rnn_calc.core.storage import read_arrays
from rnn_calc.core.weights import Array

# The array of a stored symbol, as its convention keeps it.
Read = Callable[[str], Array]

_MEASURED = (*RECURRENT, "projection")


class MeasuredMatrix(NamedTuple):
    """How large a matrix is that the state goes through; None where an entry is not finite, `problem` says which.

    One that is not square, of a projected state, has no eigenvalues and so no radius. A vector stands for the diagonal
    matrix of it. Shapes: `shape` is that of the column reading.
    """

    parameter: Parameter
    layer: Layer
    symbol: str
    shape: tuple[int, ...]
    spectral_radius: float | None
    spectral_norm: float | None
    problem: str = ""


def measured_parameters(network: Network) -> tuple[Parameter, ...]:
    """The recurrent matrices of every gate, diagonals that stand for such, and projections of the state."""
    return tuple(parameter for parameter in network.parameters if parameter.role in _MEASURED)


def measure_matrices(notation: Notation, read: Read) -> Iterator[MeasuredMatrix]:
    """Each of `measured_parameters` measured, one stored array after the other, so that only one is held at a time."""
    network = notation.network
    for stored in notation.stored:
        wanted = [parameter for parameter in stored.parameters if parameter.role in _MEASURED]
        if not wanted:
            continue
        arrays = read_arrays(network, notation.convention, {stored.symbol: read(stored.symbol)})
        for parameter in wanted:
            layer = network.owners[parameter]
            assert isinstance(layer, Layer)
            yield _measured(parameter, layer, notation.symbol(parameter), arrays[parameter.name])


def _measured(parameter: Parameter, layer: Layer, symbol: str, array: Array) -> MeasuredMatrix:
    found = MeasuredMatrix(parameter, layer, symbol, array.shape, None, None)
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        place = ", ".join(f"{axis} {i + 1}" for axis, i in zip(("row", "column"), wrong[0], strict=False))
        return found._replace(problem=f"{symbol} has {array[tuple(wrong[0])]:g} in {place}")
    if array.ndim == 1:
        largest = float(np.abs(array).max())
        return found._replace(spectral_radius=largest, spectral_norm=largest)
    square = array.shape[0] == array.shape[1]
    radius = spectral_radius(array) if square else None
    return found._replace(spectral_radius=radius, spectral_norm=spectral_norm(array))


def bound_per_step(network: Network, matrix: MeasuredMatrix) -> float | None:
    """γ·σ_max where a step is one function of one linear map, so that no step grows a gradient by more; else None."""
    gates = {parameter.gate for parameter in network.parameters if network.owners[parameter] is matrix.layer}
    if gates != {"h"} or matrix.spectral_norm is None:
        return None
    return MAX_SLOPE[network.activation] * matrix.spectral_norm
