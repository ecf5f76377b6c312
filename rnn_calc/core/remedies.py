"""DecayReport → RemedyReport: the same network with one thing changed, measured again.

What is measured within one layer is changed within that layer: its inputs and its first state stay, and of its weights
everything but what a remedy is about. A remedy is a network of one layer, so that it can be built and measured by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import log
from typing import NamedTuple

import numpy as np

from rnn_calc.core.block_norms import STATE
from rnn_calc.core.cells import CELLS
from rnn_calc.core.decay import Decay, DecayReport, gradient_decay
from rnn_calc.core.direct import share_that_stays
from rnn_calc.core.engine import Watch
from rnn_calc.core.equations import COMPLEMENT, Apply, Expression, Parameter, Quotient, Vector
from rnn_calc.core.errors import DataError, NonFiniteError
from rnn_calc.core.network import Network
from rnn_calc.core.spectra import RECURRENT, recurrent_parameters, scale_recurrent
from rnn_calc.core.stages import Layer
from rnn_calc.core.trace import trace
from rnn_calc.core.weights import Init, Weights, make_weights

# What is drawn for a remedy is drawn with this seed.
SEED = 0
# A step of a trace and of its products took so many microseconds here, and so much more for each entry of a matrix.
_STEP, _ENTRY = 60.0, 0.06
# What may be added without being asked for, in the same microseconds: well under a tenth of a second.
_UNASKED = 25_000.0


class Gate(NamedTuple):
    """The gate whose bias decides what stays of a state; `sign` is −1 where the gate at 0 keeps it."""

    letter: str
    sign: int


class Remedy(NamedTuple):
    """One change, and the decay of the network that has it.

    `name` is orthogonal, identity, radius, norm (each of the recurrent matrices), bias (of `gate`, raised by `raised`),
    or the name of another cell.
    """

    name: str
    report: DecayReport
    gate: Gate | None = None
    raised: float = 0.0


@dataclass(frozen=True)
class RemedyReport:
    """What was measured `before`, and with each remedy; all over the same lags. Not `measured`, there are none.

    The decays are those of the cell state where it was measured and is not steady: it is what carries a gradient far.
    """

    before: Decay
    remedies: tuple[Remedy, ...]
    measured: bool = True

    def log10_share_within(self, lag: int) -> float:
        """log₁₀ of the share that lags 0 to `lag` have of the sum of the norms over all lags; that of lag 0 is 1."""
        norms = np.concatenate([[0.0], self.before.log10_norms]) * log(10)
        return float(np.logaddexp.reduce(norms[: lag + 1]) - np.logaddexp.reduce(norms)) / log(10)


def kinds_of(report: DecayReport) -> tuple[str, ...]:
    """What may help, in the order in which it is measured; nothing where the decay is steady.

    "-log" is with a bias raised by ln(longest lag), at which a gate keeps 1/e over all of it (Tallec, Ollivier 2018).
    """
    decay = carried(report)
    if decay.verdict == "steady":
        return ()
    parameters = recurrent_parameters(report.layer)
    if report.max_slope is not None:
        vanishing = decay.verdict == "vanishing"
        matrices = ("orthogonal", "identity", "radius") if vanishing else ("norm", "radius", "orthogonal")
        return (*matrices, "lstm", *(("lstm-log",) if vanishing else ()), "gru")
    if decay.verdict == "exploding":
        return ("norm", "radius", "orthogonal") if parameters else ()
    biases = ("bias", "bias-log") if gate_that_keeps(report.layer) else ()
    return (*biases, *(("orthogonal",) if parameters else ()))


def carried(report: DecayReport) -> Decay:
    """The decay of the cell state, where it was measured, unless that is steady; else that of the report."""
    cell_state = report.cell_state
    return report if cell_state is None or cell_state.verdict == "steady" else cell_state


def is_quick(report: DecayReport) -> bool:
    """Whether all remedies together cost so little that nobody needs to ask for them; told by sizes, not by a clock."""
    width = report.layer.sizes["d_h"]
    work = len(kinds_of(report)) * report.trace.steps * (_STEP + _ENTRY * width * width)
    return work <= _UNASKED


def measure_remedies(report: DecayReport, *, watch: Watch = iter) -> RemedyReport:
    """Every remedy that may help, measured over the lags of `report`; one that this network cannot have is left out.

    What is new is drawn with seed 0: orthogonal matrices, and all weights of another cell.
    """
    before = carried(report)
    base = _Base(report, before)
    found = []
    for kind in kinds_of(report):
        try:
            found.append(base.measured(kind, watch))
        except (DataError, NonFiniteError):
            # No factor gives a nilpotent matrix a radius, and a new matrix may take an unbounded state beyond float64.
            continue
    return RemedyReport(before, tuple(found))


class _Base:
    """The layer that a decay was measured in, as a network of its own."""

    def __init__(self, report: DecayReport, before: Decay) -> None:
        network, layer = report.trace.network, report.layer
        self._report, self._before = report, before
        self._run = next(run for run in report.trace.layers if run.layer == layer)
        self._network = Network(
            layer.sizes["d_in"],
            layer.sizes["d_h"],
            cell=layer.cell,
            activation=network.activation,
            biases=network.biases,
            d_p=network.d_p,
        )
        own = (parameter.name for parameter in self._network.parameters)
        marked = (report.trace.weights[parameter.name] for parameter in layer.parameters)
        self._weights = Weights(dict(zip(own, marked, strict=True)))

    def measured(self, kind: str, watch: Watch) -> Remedy:
        """One remedy."""
        what, _, by_length = kind.partition("-")
        raised = log(len(self._before.lags)) if by_length else 1.0
        if what in CELLS:
            return self._other_cell(what, raised, watch)
        if what == "bias":
            return self._other_bias(raised, watch)
        names = [parameter.name for parameter in self._network.parameters if parameter.role in RECURRENT]
        return Remedy(kind, self._decay(self._network, self._rescaled(kind, names), self._before.state, watch))

    def _rescaled(self, kind: str, names: list[str]) -> Weights:
        if kind in ("orthogonal", "identity"):
            kept = {name: array for name, array in self._weights.arrays.items() if name not in names}
            return make_weights(self._network, kept, Init(kind, seed=SEED))
        if kind == "radius":
            return scale_recurrent(self._weights, "spectral radius", 1.0, names)
        return scale_recurrent(self._weights, "spectral norm", 1 / (self._report.max_slope or 1.0), names)

    def _other_bias(self, raised: float, watch: Watch) -> Remedy:
        gate = gate_that_keeps(self._report.layer)
        assert gate is not None, "only a gate that keeps the state is opened"
        network, weights = _raised(self._network, self._weights, gate, gate.sign * raised)
        return Remedy("bias", self._decay(network, weights, self._before.state, watch), gate, gate.sign * raised)

    def _other_cell(self, name: str, raised: float, watch: Watch) -> Remedy:
        network = Network(self._network.d_in, self._network.d_h, cell=CELLS[name])
        weights = make_weights(network, init=Init(seed=SEED))
        state = self._before.state if self._before.state == STATE else "c" if "c" in network.cell.state else "h"
        if "c" not in network.cell.state:
            return Remedy(name, self._decay(network, weights, state, watch))
        gate = Gate("f", 1)
        network, weights = _raised(network, weights, gate, raised)
        return Remedy(name, self._decay(network, weights, state, watch), gate, raised)

    def _decay(self, network: Network, weights: Weights, state: str, watch: Watch) -> DecayReport:
        initial = {name: value for name, value in self._run.initial.items() if name in network.cell.state}
        done = trace(network, weights, self._run.values.now["x"], initial)
        before = self._before
        return gradient_decay(done, threshold=before.threshold, watch=watch, family=before.family, states=(state,))


def _raised(network: Network, weights: Weights, gate: Gate, by: float) -> tuple[Network, Weights]:
    """The network with the bias of a gate raised in every unit; one without biases gets them, 0 but for that."""
    if not network.biases:
        network = replace(network, biases=1)
    arrays = {
        parameter.name: weights.arrays.get(parameter.name, np.zeros(network.shape(parameter)))
        for parameter in network.parameters
    }
    (bias,) = _biases(network.parameters, gate)
    arrays[bias.name] = arrays[bias.name] + by
    return network, replace(weights, arrays=arrays)


def _biases(parameters: Iterable[Parameter], gate: Gate) -> Iterator[Parameter]:
    return (parameter for parameter in parameters if parameter.role == "bias" and parameter.gate == gate.letter)


def gate_that_keeps(layer: Layer) -> Gate | None:
    """The gate that the direct path of the memory goes through, that of c where there is one; None without one."""
    share = share_that_stays(layer, "c" if "c" in layer.state else "h")
    return None if share is None else _gate(layer, share, 1)


def _gate(layer: Layer, share: Expression, sign: int) -> Gate | None:
    match share:
        case Apply(function, argument) if function == COMPLEMENT:
            return _gate(layer, argument, -sign)
        case Quotient(left, _):
            return _gate(layer, left, sign)
        case Vector(name):
            made = next(equation.expression for equation in layer.equations if equation.name == name)
            return _gate(layer, made, sign) if isinstance(made, Quotient) else Gate(name, sign)
        case _:
            return None
