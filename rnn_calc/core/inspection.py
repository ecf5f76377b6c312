"""What the arrays of a trained network tell without running it: forget-gate biases and sizes of recurrent matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import log
from typing import NamedTuple

import numpy as np

from rnn_calc.core.equations import MAX_SLOPE, Parameter
from rnn_calc.core.network import Layer, Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.spectra import RECURRENT, spectral_norm, spectral_radius
from rnn_calc.core.storage import read_arrays
from rnn_calc.core.weights import Array

# The array of a stored symbol, as its convention keeps it.
Read = Callable[[str], Array]

_FORGET = "f"
_MEASURED = (*RECURRENT, "projection")


class BiasSummary(NamedTuple):
    """The forget-gate bias b over units, both summands together, and the gate when nothing else enters it.

    `gate` is the mean of σ(b). Units: `half_life` is in steps, in which that share, taken every step, comes to a half;
    None where the gate is 1 to the last digit.
    """

    mean: float
    least: float
    largest: float
    gate: float
    half_life: float | None


class ForgetBias(NamedTuple):
    """The bias of one direction of one layer; `summary` is None where an entry is no finite number."""

    layer: Layer
    summary: BiasSummary | None


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


def has_forget_gate(network: Network) -> bool:
    """Whether a gate called f multiplies the cell state: whether it is some LSTM."""
    return "c" in network.cell.state and any(p.gate == _FORGET for p in network.parameters)


def forget_biases(notation: Notation, read: Read) -> tuple[ForgetBias, ...]:
    """The forget-gate bias of each direction of each layer; empty for other cells than LSTMs and without biases.

    Only arrays that hold biases are read.
    """
    network = notation.network
    if not has_forget_gate(network):
        return ()
    roles = ("bias", "recurrent_bias")
    biases = [p for p in network.parameters if p.gate == _FORGET and p.role in roles]
    symbols = dict.fromkeys(notation.home(p).symbol for p in biases)
    arrays = read_arrays(network, notation.convention, {symbol: read(symbol) for symbol in symbols})
    found = []
    for directions in network.stack if biases else ():
        for layer in directions:
            parts = [arrays[p.name] for p in biases if network.owners[p] is layer]
            with np.errstate(over="ignore", invalid="ignore"):
                found.append(ForgetBias(layer, summarize_bias(np.sum(parts, axis=0))))
    return tuple(found)


def summarize_bias(bias: Array) -> BiasSummary | None:
    """The summary of a forget-gate bias; None where an entry is no finite number."""
    if not np.isfinite(bias).all():
        return None
    # σ(b) and 1 − σ(b) = σ(−b), each to every digit; where exp overflows, its reciprocal is 0 as it should be.
    with np.errstate(over="ignore"):
        gate, rest = (float(np.mean(1 / (1 + np.exp(sign * bias)))) for sign in (-1, 1))
    return BiasSummary(float(np.mean(bias)), float(bias.min()), float(bias.max()), gate, _half_life(gate, rest))


def _half_life(gate: float, rest: float) -> float | None:
    """Steps until gate^t is a half; `rest` is 1 − gate."""
    if rest == 0:
        return None
    if gate == 0:
        return 0.0
    return log(0.5) / (float(np.log1p(-rest)) if gate > 0.5 else log(gate))


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
