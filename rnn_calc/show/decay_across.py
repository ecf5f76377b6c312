"""The decay down a whole stack, over all paths, beside that within its layers."""

from __future__ import annotations

import numpy as np

from rnn_calc.core.decay import Decay
from rnn_calc.show.charts import chart_figure
from rnn_calc.show.decay_series import DecayShown, NetworkDecay, Series, chosen_lags
from rnn_calc.show.decay_tables import summary_table
from rnn_calc.show.document import Block, Column, Magnitude, Table, Text, Value
from rnn_calc.show.format import power_of_ten
from rnn_calc.show.picture import Chart, Curve

_ACROSS = "across"


def across_block(network: NetworkDecay) -> str:
    """What is measured across: ∂h^(3)_T/∂h^(1)_{T−lag}."""
    top, bottom = (network.first.trace.layers[place].layer.symbol() for place in (-1, 0))
    return f"∂{top}_T/∂{bottom}_{{T−lag}}"


def _series(network: NetworkDecay) -> list[Series]:
    assert network.across
    block = across_block(network)
    across = Series(_ACROSS, block, network.across.decay, network.first)
    return [across, *(Series(f"within {own.layer.part}", block, own, own) for own in network.within)]


def across_chart(network: NetworkDecay) -> Chart:
    """The norms across, and within each layer that is shown."""
    curves = [Curve(one.label, np.array(one.decay.lags), one.decay.log10_norms, "norm") for one in _series(network)]
    return Chart("Across the layers and within them", "lag (steps)", "norm", tuple(curves), log10=True)


def across_blocks(network: NetworkDecay, shown: DecayShown, label: str) -> list[Block]:
    """Chart, tables and what they are of; nothing where it was not asked for."""
    if network.across is None:
        return []
    group = _series(network)
    block, at_0 = across_block(network), network.across.log10_norm_at_lag_0
    columns = (Column("lag", "index"), *(Column(one.label, "number") for one in group))
    rows: list[tuple[Value, ...]] = [(0, Magnitude(at_0), *(Magnitude(0.0) for _ in network.within))]
    rows += [(lag, *(_norm(one.decay, lag) for one in group)) for lag in chosen_lags(len(group[0].decay.lags))]
    title = f"‖{block}‖₂ across all layers, and ‖∂h_T/∂h_{{T−lag}}‖₂ within a layer{label}"
    said = (
        f"· Across: {block} takes in every path, up through the layers at any step between; at lag 0, where the layers "
        f"alone are passed, its norm is {power_of_ten(at_0)}.",
        "· Within a layer its inputs are held fixed: a path that leaves the layer below for the one above is across.",
    )
    figures: list[Block] = [chart_figure(across_chart(network))] if len(group[0].decay.lags) > 1 else []
    return [
        *figures,
        Table(title, columns, tuple(rows)),
        summary_table(group, shown, title=f"Measured across the layers and within them{label}", spectra=False),
        Text(said),
    ]


def _norm(decay: Decay, lag: int) -> Magnitude:
    return Magnitude(decay.log10_norm(lag))
