"""What was measured of the networks that stand side by side, and which of it shares a chart and a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rnn_calc.core.block_norms import STATE
from rnn_calc.core.decay import Decay, DecayReport
from rnn_calc.core.lyapunov import LyapunovReport
from rnn_calc.core.notation import Notation
from rnn_calc.core.pairs import PairDecay
from rnn_calc.core.stack_linearization import StackDecay
from rnn_calc.core.stages import Layer
from rnn_calc.core.weights import Array
from rnn_calc.show.document import Text
from rnn_calc.show.theory import write_block

if TYPE_CHECKING:
    from rnn_calc.core.remedies import RemedyReport

# What a state's decay is called beside that of the first, for programs.
BESIDE = {"h": "hidden_state", "c": "cell_state", "state": "whole_state"}


@dataclass(frozen=True)
class DecayShown:
    """What a shown decay needs beside its numbers: labels, in whose words, where all came from."""

    heading: Text
    notes: tuple[str, ...]
    notation: Notation


class NetworkDecay(NamedTuple):
    """Everything that was measured of one network: a report for each family, and what was asked for beside it.

    `pairs` are all steps to all earlier ones, a state each. `within` are the layers beside what is measured `across`
    them, from the bottom up.
    """

    label: str
    reports: tuple[DecayReport, ...]
    lyapunov: LyapunovReport | None = None
    pairs: tuple[PairDecay, ...] = ()
    across: StackDecay | None = None
    within: tuple[DecayReport, ...] = ()
    remedies: RemedyReport | None = None

    @property
    def first(self) -> DecayReport:
        """The report of the first family: what stands at the top of the JSON."""
        return self.reports[0]


class Series(NamedTuple):
    """One curve: a decay, what it is called where there are several, its block, and the bound where there is one."""

    label: str
    block: str
    decay: Decay
    report: DecayReport

    @property
    def bound(self) -> Array | None:
        """The bound on each norm, where there is one: only the report itself has it."""
        return bounds_of(self.report) if self.decay is self.report else None


def decays_of(report: DecayReport) -> tuple[Decay, ...]:
    """The decay of every state that was measured, that of the report first and as itself."""
    return (report, *report.decays[1:])


def bounds_of(report: DecayReport) -> Array | None:
    """The logarithm of the bound at every lag; None where there is none."""
    bounds = [report.log10_bound(lag) for lag in report.lags]
    return None if report.bound_per_step is None else np.array(bounds, dtype=np.float64)


def groups_of(networks: tuple[NetworkDecay, ...]) -> list[list[Series]]:
    """What stands side by side: all of one network, or of several networks one state in one family."""
    if len(networks) == 1:
        (network,) = networks
        return [[_named_apart(s, network) for report in network.reports for s in _of_one(network, report)]]
    columns = [[s for report in network.reports for s in _of_one(network, report)] for network in networks]
    return [list(group) for group in zip(*columns, strict=True)]


def _of_one(network: NetworkDecay, report: DecayReport) -> list[Series]:
    """The curves of one network in one family, named as beside those of other networks."""
    return [Series(network.label, block_of(report, decay), decay, report) for decay in decays_of(report)]


def _named_apart(series: Series, network: NetworkDecay) -> Series:
    """A curve named as beside others of its network: by its state and its family, as far as these tell it apart."""
    own = tuple(series.report.layer.state) if series.decay.state == STATE else (series.decay.state,)
    state = own[0] if len(own) == 1 else f"({','.join(own)})"
    names = ["" if len(series.report.decays) == 1 else f"∂{state}/∂{state}"]
    names.append(series.decay.family if len(network.reports) > 1 else "")
    return series._replace(label=" ".join(filter(None, names)) or network.label)


def block_of(report: DecayReport, decay: Decay) -> str:
    """The block whose norms a decay holds: ∂h_T/∂h_{T−lag}, forward ∂h_lag/∂h_0; ∂(h,c)_T/∂(h,c)_{T−lag}."""
    return write_jacobian(report.layer, decay.state, steps_of(report.layer, decay.family))


def steps_of(layer: Layer, family: str) -> tuple[str, str]:
    """The later and the earlier of the steps of a Jacobian, in the order in which the layer reads."""
    if family == "forward":
        return ("{T+1−lag}", "{T+1}") if layer.reverse else ("lag", "0")
    return ("1", "{1+lag}") if layer.reverse else ("T", "{T−lag}")


def write_jacobian(layer: Layer, state: str, steps: tuple[str, str]) -> str:
    """A block of the Jacobian between two steps, by the name of a state, or of all of them in one bracket."""
    if state != STATE or len(layer.state) == 1:
        return write_block(layer, next(iter(layer.state)) if state == STATE else state, steps)
    together = f"({','.join(layer.symbol(name) for name in layer.state)})"
    return f"∂{together}_{steps[0]}/∂{together}_{steps[1]}"


def written_norms(group: Sequence[Series]) -> str:
    """The norms of a group for a title: ‖∂h_T/∂h_{T−lag}‖₂ and ‖∂c_T/∂c_{T−lag}‖₂; of more than two, s is any state."""
    blocks = [f"‖{series.block}‖₂" for series in group]
    if len(set(blocks)) > 2:
        steps = [steps_of(series.report.layer, series.decay.family) for series in group]
        blocks = [f"‖∂s_{last}/∂s_{first}‖₂" for last, first in steps]
    return " and ".join(dict.fromkeys(blocks))


def chosen_lags(longest: int) -> list[int]:
    """Lags for a table: 1, 2, 5, 10, 20, 50 … and the longest."""
    lags = {int(base) * 10**power for base in "125" for power in range(len(str(longest)))}
    return sorted(lag for lag in lags | {longest} if lag <= longest)
