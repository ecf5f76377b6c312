"""What the forget-gate biases of a trained LSTM tell without running it. No NumPy: a look at a file must be quick."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp, fsum, inf, log, log1p
from typing import NamedTuple

from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.stages import Layer

_FORGET = "f"
_ROLES = ("bias", "recurrent_bias")
# Sums of larger ones may leave float64.
_LARGEST = 1e280


class BiasSummary(NamedTuple):
    """The forget-gate bias b over units, all summands together, and the gate when nothing else enters it.

    `gate` is the mean of σ(b). Units: `half_life` is in steps, in which that share, taken every step, comes to a half;
    None where the gate is 1 to the last digit.
    """

    mean: float
    least: float
    largest: float
    gate: float
    half_life: float | None


class ForgetBias(NamedTuple):
    """The bias of one direction of one layer; `summary` is None where an entry is no finite number or beyond 1e280."""

    layer: Layer
    summary: BiasSummary | None


def has_forget_gate(network: Network) -> bool:
    """Whether a gate called f multiplies the cell state: whether it is some LSTM."""
    return "c" in network.cell.state and any(p.gate == _FORGET for p in network.parameters)


def forget_biases(notation: Notation, flat: Callable[[str], Sequence[float]]) -> tuple[ForgetBias, ...]:
    """The forget-gate bias of each direction of each layer; empty for other cells than LSTMs and without biases.

    `flat` gives the numbers of a stored array one after the other; only arrays that hold biases are asked for.
    """
    network = notation.network
    if not has_forget_gate(network):
        return ()
    arrays: dict[str, Sequence[float]] = {}
    found = []
    for directions in network.stack:
        for layer in directions:
            summands = []
            for parameter in layer.parameters:
                if parameter.gate == _FORGET and parameter.role in _ROLES:
                    stored, width = notation.home(parameter), layer.sizes["d_h"]
                    if stored.symbol not in arrays:
                        arrays[stored.symbol] = flat(stored.symbol)
                    # Vectors lie one after the other, whatever axes a convention puts them on.
                    place = stored.parameters.index(parameter) * width
                    summands.append(arrays[stored.symbol][place : place + width])
            if summands:
                found.append(ForgetBias(layer, summarize_bias([fsum(unit) for unit in _units(summands)])))
    return tuple(found)


def _units(summands: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
    """The summands of each unit; where one cannot be summed, which fsum would refuse, infinity."""
    units = zip(*summands, strict=True)
    return [unit if all(map(_is_summable, unit)) else (inf,) for unit in units]


def _is_summable(value: float) -> bool:
    return abs(value) <= _LARGEST  # no NaN is


def summarize_bias(bias: Sequence[float]) -> BiasSummary | None:
    """The summary of a forget-gate bias; None where an entry is no finite number or beyond 1e280."""
    if not all(map(_is_summable, bias)):
        return None
    # σ(b) and 1 − σ(b) = σ(−b), each to every digit.
    gate, rest = (fsum(_sigmoid(sign * value) for value in bias) / len(bias) for sign in (1, -1))
    return BiasSummary(fsum(bias) / len(bias), min(bias), max(bias), gate, _half_life(gate, rest))


def _sigmoid(value: float) -> float:
    if value >= 0:
        return 1 / (1 + exp(-value))
    return exp(value) / (1 + exp(value))


def _half_life(gate: float, rest: float) -> float | None:
    """Steps until gate^t is a half; `rest` is 1 − gate."""
    if rest == 0:
        return None
    if gate == 0:
        return 0.0
    return log(0.5) / (log1p(-rest) if gate > 0.5 else log(gate))
