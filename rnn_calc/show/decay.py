"""DecayReports → document, JSON, CSV: one network, or several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import log10
from typing import TYPE_CHECKING

import numpy as np

from rnn_calc.core.decay import DecayReport
from rnn_calc.show.charts import chart_figure
from rnn_calc.show.decay_across import across_blocks, across_chart
from rnn_calc.show.decay_certificate import certificate_block
from rnn_calc.show.decay_columns import arrays_of, csv_rows
from rnn_calc.show.decay_data import decay_json
from rnn_calc.show.decay_lyapunov import lyapunov_blocks
from rnn_calc.show.decay_pairs import pair_blocks, pair_map
from rnn_calc.show.decay_series import (
    DecayShown,
    NetworkDecay,
    Series,
    block_of,
    chosen_lags,
    groups_of,
    written_norms,
)
from rnn_calc.show.decay_singular import singular_blocks, singular_charts
from rnn_calc.show.decay_tables import (
    jacobian_tables,
    lag_table,
    matrix_symbol,
    recurrent_table,
    summary_table,
)
from rnn_calc.show.document import Block, Document, Text
from rnn_calc.show.expected import expectation_block
from rnn_calc.show.output import View
from rnn_calc.show.picture import Chart, Curve, Picture
from rnn_calc.show.remedies import remedy_blocks
from rnn_calc.show.theory import theory_of

if TYPE_CHECKING:
    from rnn_calc.core.expectations import Expectation

# bptt shows the same lags.
__all__ = ["chosen_lags", "decay_view"]

Networks = tuple[NetworkDecay, ...]


def decay_view(networks: Networks, shown: DecayShown, expectations: tuple[Expectation, ...] = ()) -> View:
    """The decay of one network, or of several, in every format."""
    notes = (*shown.notes, *_scope(networks[0].first))
    return View(
        "gradient-decay",
        partial(_document, networks, shown, notes, expectations),
        partial(decay_json, networks, shown, notes, expectations),
        partial(csv_rows, networks),
        partial(arrays_of, networks),
        partial(_pictures, networks),
    )


def _document(
    networks: Networks, shown: DecayShown, notes: tuple[str, ...], expectations: tuple[Expectation, ...]
) -> Document:
    blocks: list[Block] = [shown.heading, Text(notes, "muted")]
    groups, several = groups_of(networks), len(networks) > 1
    # One lag is one point, and no curve.
    blocks += [chart_figure(_chart(group)) for group in groups if max(len(one.decay.lags) for one in group) > 1]
    blocks += [lag_table(group, len(networks)) for group in groups]
    for group in groups:
        blocks += singular_blocks(group, several=len(group) > 1)
    blocks += recurrent_table(networks, shown)
    for group in groups:
        title = f"Measured: {group[0].block}" if several and len(groups) > 1 else "Measured"
        blocks.append(summary_table(group, shown, title=title, spectra=group is groups[0]))
    blocks.append(_certificate(networks, groups))
    for network in networks:
        label = _of(network, several=several)
        blocks += pair_blocks(network, label)
        blocks += across_blocks(network, shown, label)
        blocks += lyapunov_blocks(network, label)
        blocks += jacobian_tables(network, label)
    blocks += _theory(networks, shown)
    if expectations:
        blocks.append(expectation_block(expectations))
    return Document(tuple(blocks))


def _certificate(networks: Networks, groups: list[list[Series]]) -> Text:
    decays = [series.decay for group in groups for series in group]
    decays += [decay for own in networks if own.across for decay in (own.across.decay, *own.within)]
    return certificate_block(decays, [pairs.certificate for network in networks for pairs in network.pairs])


def _of(network: NetworkDecay, *, several: bool) -> str:
    """Which of several networks, for the end of a title."""
    return f" ({network.label})" if several else ""


def _theory(networks: Networks, shown: DecayShown) -> list[Block]:
    """What theory says of each network, of the first family, and what would help it."""
    blocks: list[Block] = []
    for network in networks:
        matrix, label = matrix_symbol(network.first, shown), _of(network, several=len(networks) > 1)
        lines = tuple(f"· {sentence}" for sentence in theory_of(network.first, matrix))
        blocks.append(Text(lines, title=f"What theory allows to say{label}"))
        if network.remedies:
            blocks += remedy_blocks(network.remedies, matrix, label)
    return blocks


def _scope(report: DecayReport) -> tuple[str, ...]:
    """Which part of a larger network the norms are of."""
    network, layer = report.trace.network, report.layer
    said = []
    if network.layers > 1:
        said.append(f"Within {layer.part}: its inputs are held fixed; paths through other layers are not part of it.")
    elif network.bidirectional:
        said.append(f"Within one direction: {layer.part}.")
    if layer.reverse:
        said.append(f"Read from the end: a lag leads to a later step, as in {block_of(report, report)}.")
    return tuple(said)


def _pictures(networks: Networks) -> list[Picture]:
    """What --plot draws: as on the page, with the threshold."""
    found: list[Picture] = []
    for group in groups_of(networks):
        chart, threshold = _chart(group), group[0].decay.threshold
        ends = np.array([1, max(len(one.decay.lags) for one in group)])
        level = Curve(f"threshold {threshold:g}", ends, np.full(2, log10(threshold)), "threshold")
        found.append(chart._replace(curves=(*chart.curves, level)))
        found += singular_charts(group, several=len(group) > 1)
    for network in networks:
        label = _of(network, several=len(networks) > 1)
        found += [pair_map(network, pairs, label) for pairs in network.pairs]
        found += [across_chart(network)] if network.across else []
    return found


def _chart(group: Sequence[Series]) -> Chart:
    """The norms against the lag; a network alone, with its verdict and its bound."""
    curves = [Curve(one.label, np.array(one.decay.lags), one.decay.log10_norms, "norm") for one in group]
    if len(group) == 1:
        curves = [curves[0]._replace(label="norm")]
        bound = group[0].bound
        if bound is not None:
            curves.append(Curve("bound", np.array(group[0].decay.lags), bound, "bound"))
    verdict = group[0].decay.verdict.capitalize() if len(group) == 1 else ""
    return Chart(verdict, "lag (steps)", written_norms(group), tuple(curves), log10=True)
