"""--remedies: what would help a network whose gradient vanishes or explodes, where it is asked for or quick."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnn_calc.show.progress import remark

if TYPE_CHECKING:
    from rnn_calc.show.decay_series import NetworkDecay

# The formats that have room for more than norms.
_TELLING = ("table", "json", "markdown", "latex", "svg")


def with_remedies(networks: tuple[NetworkDecay, ...], asked: bool | None, shown_as: str) -> tuple[NetworkDecay, ...]:
    """The networks with their remedies: all when asked for, else those of a network that is alone and small."""
    if shown_as not in _TELLING and asked:
        remark(f"{shown_as} holds norms by lag, so the remedies are not in it; --json has them.")
    if asked is False or shown_as not in _TELLING or (asked is None and len(networks) > 1):
        return networks
    return tuple(_with_remedies(network, asked=bool(asked)) for network in networks)


def _with_remedies(network: NetworkDecay, *, asked: bool) -> NetworkDecay:
    report = network.first
    verdicts = {decay.verdict for decay in (report, report.cell_state) if decay}
    if verdicts == {"steady"} and not asked:
        return network
    from rnn_calc.core.remedies import RemedyReport, carried, is_quick, measure_remedies
    from rnn_calc.show.progress import watching

    if not asked and not is_quick(report):
        return network._replace(remedies=RemedyReport(carried(report), (), measured=False))
    return network._replace(remedies=measure_remedies(report, watch=watching("Measuring remedies")))
