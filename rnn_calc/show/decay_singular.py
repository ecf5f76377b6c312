"""The largest singular values of a decay's products, lag by lag."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

import numpy as np

from rnn_calc.show.charts import chart_figure
from rnn_calc.show.decay_series import Series, chosen_lags
from rnn_calc.show.document import Block, Column, Magnitude, Table, Text, Value
from rnn_calc.show.picture import Chart, Curve

# More curves than these cannot be told apart.
_MOST_CURVES = 6
_HIDDEN = (
    "–: rounding hides it. Within one step it shrank so far beside others (units that are off or saturated) that "
    "float64 cannot tell it from 0; nor what is smaller, from that lag on."
)


def sigma(number: int) -> str:
    """σ_1, σ_2 …"""
    return f"σ_{number}"


def singular_charts(group: Sequence[Series], *, several: bool) -> list[Chart]:
    """A chart of each series whose singular values were asked for."""
    charts = []
    for one in group:
        values = one.decay.log10_singular_values
        if values is None:
            continue
        lags = np.array(one.decay.lags)
        places = range(min(values.shape[1], _MOST_CURVES))
        curves = [Curve(sigma(place + 1), lags, values[:, place], "norm" if not place else "") for place in places]
        title = f"Singular values ({one.label})" if several else "Singular values"
        charts.append(Chart(title, "lag (steps)", f"σ_i of {one.block}", tuple(curves), log10=True))
    return charts


def singular_blocks(group: Sequence[Series], *, several: bool) -> list[Block]:
    """Chart and table of each series; nothing where they were not asked for."""
    blocks: list[Block] = [
        chart_figure(chart) for chart in singular_charts(group, several=several) if len(group[0].decay.lags) > 1
    ]
    for one in group:
        values = one.decay.log10_singular_values
        if values is None:
            continue
        count = values.shape[1]
        columns = (Column("lag", "index"), *(Column(sigma(place + 1), "number") for place in range(count)))
        rows: tuple[tuple[Value, ...], ...] = tuple(
            (lag, *(None if isnan(value) else Magnitude(value) for value in values[lag - 1].tolist()))
            for lag in chosen_lags(len(values))
        )
        which = "The singular value" if count == 1 else f"The {count} largest singular values"
        title = f"{which} of {one.block} at some lags{f' ({one.label})' if several else ''}"
        blocks.append(Table(title, columns, rows))
        if np.isnan(values).any():
            blocks.append(Text((f"· {_HIDDEN}",)))
    return blocks
