"""DecayReports → document, JSON, CSV: one network, or several side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, isfinite, log10
from typing import TYPE_CHECKING

import numpy as np

from rnn_calc.core.cells import GATE_NAMES
from rnn_calc.core.decay import Decay, DecayReport
from rnn_calc.core.notation import Notation
from rnn_calc.core.weights import Array
from rnn_calc.show.charts import chart_figure
from rnn_calc.show.decay_data import arrays_of, bounds_of, csv_rows, report_json
from rnn_calc.show.document import Block, Column, Document, Magnitude, Table, Text, Value
from rnn_calc.show.expected import expectation_block, expectations_json
from rnn_calc.show.format import power_of_ten
from rnn_calc.show.output import View, json_object
from rnn_calc.show.picture import Chart, Curve
from rnn_calc.show.theory import theory_of, write_block, write_product

if TYPE_CHECKING:
    from rnn_calc.core.expectations import Expectation


@dataclass(frozen=True)
class DecayShown:
    """What a shown decay needs beside its numbers: labels, in whose words, where all came from."""

    heading: Text
    notes: tuple[str, ...]
    labels: tuple[str, ...]
    notation: Notation


@dataclass(frozen=True)
class _Series:
    """One curve: a decay, what it is called where there are several, and the bound where there is one."""

    label: str
    block: str
    decay: Decay
    bound: Array | None


def decay_view(reports: Sequence[DecayReport], shown: DecayShown, expectations: tuple[Expectation, ...]) -> View:
    """The decay of one network, or of several, in every format."""
    return View(
        "gradient-decay",
        partial(_document, reports, shown, expectations),
        partial(_json, reports, shown, expectations),
        partial(csv_rows, reports, shown.labels),
        partial(arrays_of, reports),
        partial(_charts, reports, shown),
    )


def _document(reports: Sequence[DecayReport], shown: DecayShown, expectations: tuple[Expectation, ...]) -> Document:
    blocks: list[Block] = [shown.heading, Text((*shown.notes, *_scope(reports[0])), "muted")]
    states = _states(reports, shown)
    # One lag is one point, and no curve.
    if len(reports[0].lags) > 1:
        blocks += [chart_figure(_chart(series)) for series in states if series]
    blocks += [_lag_table(series, len(reports)) for series in states if series]
    blocks += _recurrent_table(reports, shown)
    for series in states:
        if series:
            blocks.append(_summary_table(series, reports, shown, spectra=series is states[0]))
    for report, label in zip(reports, shown.labels, strict=True):
        for decay in filter(None, (report, report.cell_state)):
            blocks += _jacobian_tables(report, decay, f" ({label})" if len(reports) > 1 else "")
    for report, label in zip(reports, shown.labels, strict=True):
        title = "What theory allows to say" + (f" ({label})" if len(reports) > 1 else "")
        lines = tuple(f"· {sentence}" for sentence in theory_of(report, _matrix(report, shown)))
        blocks.append(Text(lines, title=title))
    if expectations:
        blocks.append(expectation_block(expectations))
    return Document(tuple(blocks))


def _states(reports: Sequence[DecayReport], shown: DecayShown) -> list[list[_Series]]:
    """What stands side by side: a state of every network, or both of one network."""
    states = [_series(reports, shown, state) for state in ("h", "c")]
    return [[*states[0], *states[1]]] if len(reports) == 1 else [series for series in states if series]


def _series(reports: Sequence[DecayReport], shown: DecayShown, state: str) -> list[_Series]:
    """The curves of one state, a network each; none where there is no such state."""
    found = []
    for report, label in zip(reports, shown.labels, strict=True):
        decay = report if state == "h" else report.cell_state
        if decay is None:
            return []
        block = write_block(report.layer, state)
        alone = len(reports) > 1 or report.cell_state is None
        name = label if alone else f"∂{state}/∂{state}"
        found.append(_Series(name, block, decay, bounds_of(report) if state == "h" else None))
    return found


def _scope(report: DecayReport) -> tuple[str, ...]:
    """Which part of a larger network the norms are of."""
    network, layer = report.trace.network, report.layer
    said = []
    if network.layers > 1:
        said.append(f"Within {layer.part}: its inputs are held fixed; paths through other layers are not part of it.")
    elif network.bidirectional:
        said.append(f"Within one direction: {layer.part}.")
    if layer.reverse:
        said.append(f"Read from the end: a lag leads to a later step, as in {write_block(layer, 'h')}.")
    return tuple(said)


def _matrix(report: DecayReport, shown: DecayShown) -> str:
    """What the convention calls the recurrent matrix, where there is one."""
    return shown.notation.symbol(report.recurrent[0].parameter) if report.recurrent else ""


def chosen_lags(longest: int) -> list[int]:
    """Lags for a table: 1, 2, 5, 10, 20, 50 … and the longest."""
    lags = {int(base) * 10**power for base in "125" for power in range(len(str(longest)))}
    return sorted(lag for lag in lags | {longest} if lag <= longest)


def _charts(reports: Sequence[DecayReport], shown: DecayShown) -> list[Chart]:
    """What --plot draws: as on the page, with the threshold."""
    found = []
    for series in _states(reports, shown):
        chart, lags = _chart(series), series[0].decay.lags
        ends, threshold = np.array([lags[0], lags[-1]]), series[0].decay.threshold
        level = Curve(f"threshold {threshold:g}", ends, np.full(2, log10(threshold)), "threshold")
        found.append(chart._replace(curves=(*chart.curves, level)))
    return found


def _chart(series: list[_Series]) -> Chart:
    """The norms against the lag; a network alone, with its bound."""
    blocks = dict.fromkeys(f"‖{one.block}‖₂" for one in series)
    lags = np.array(series[0].decay.lags)
    curves = [Curve(one.label, lags, one.decay.log10_norms, "norm") for one in series]
    if len(series) == 1:
        curves = [curves[0]._replace(label="norm")]
        if series[0].bound is not None:
            curves.append(Curve("bound", lags, series[0].bound, "bound"))
    return Chart("", "lag (steps)", " and ".join(blocks), tuple(curves), log10=True)


def _lag_table(series: list[_Series], networks: int) -> Table:
    """Norms at some lags: of one network with logarithms, bound and direct path; of several, side by side."""
    columns, cells = [Column("lag", "index")], list[Callable[[int], Value]]()
    for one in series:
        if networks > 1:
            columns.append(Column(one.label, "number"))
            cells.append(partial(_magnitude, one.decay.log10_norms))
            continue
        names = ("norm", "log₁₀ norm") if len(series) == 1 else (one.label, f"log₁₀ {one.label}")
        columns += [Column(name, "number") for name in names]
        cells += _norm_cells(one.decay.log10_norms, one.decay.rounding)
        if one.bound is not None:
            columns += [Column(name, "number") for name in ("bound", "log₁₀ bound")]
            cells += _norm_cells(one.bound, 0)
        direct = one.decay.direct
        if direct is not None and not direct.alone:
            columns.append(Column(write_product(direct.share), "number", "math"))
            cells.append(partial(_magnitude, direct.log10_norms))
    rows = tuple((lag, *(cell(lag) for cell in cells)) for lag in chosen_lags(len(series[0].decay.lags)))
    block = series[0].block if networks > 1 or len(series) == 1 else f"{series[0].block}‖₂ and ‖{series[1].block}"
    return Table(f"‖{block}‖₂ at some lags{', side by side' if networks > 1 else ''}", tuple(columns), rows)


def _norm_cells(values: Array, rounding: float) -> tuple[Callable[[int], Value], Callable[[int], Value]]:
    return partial(_magnitude, values), lambda lag: _logarithm(float(values[lag - 1]), rounding)


def _magnitude(values: Array, lag: int) -> Magnitude:
    return Magnitude(float(values[lag - 1]))


def _logarithm(value: float, rounding: float) -> Value:
    """A logarithm for a table: one that rounding alone keeps from 0 is 0."""
    if not isfinite(value):
        return None
    return 0.0 if abs(value) < rounding else value


def _recurrent_table(reports: Sequence[DecayReport], shown: DecayShown) -> list[Block]:
    """Every recurrent matrix of a gated cell; that of a cell with one is in the summary."""
    first = reports[0]
    if len(first.recurrent) < 2:
        return []
    names = [(shown.notation.symbol(s.parameter), GATE_NAMES[s.parameter.gate]) for s in first.recurrent]
    columns, rows = [Column("matrix", "math"), Column("gate")], list[tuple[Value, ...]]()
    if len(reports) == 1:
        columns += [Column("spectral radius", "number"), Column("spectral norm", "number")]
        rows = [(*name, s.spectral_radius, s.spectral_norm) for name, s in zip(names, first.recurrent, strict=True)]
    else:
        columns += [Column("measure"), *(Column(label, "number") for label in shown.labels)]
        for index, name in enumerate(names):
            found = [report.recurrent[index] for report in reports]
            rows.append((*name, "spectral radius", *(spectrum.spectral_radius for spectrum in found)))
            rows.append((*name, "spectral norm", *(spectrum.spectral_norm for spectrum in found)))
    return [Table("Recurrent matrices", tuple(columns), tuple(rows))]


def _summary_table(series: list[_Series], reports: Sequence[DecayReport], shown: DecayShown, *, spectra: bool) -> Table:
    decays = [one.decay for one in series]
    columns = [Column("measured")]
    columns += [Column(one.label if len(series) > 1 else "value", "number") for one in series]
    quantities: list[tuple[str, list[Value]]] = []
    if spectra and len(reports[0].recurrent) == 1:
        matrix = _matrix(reports[0], shown)
        quantities = [
            (f"spectral radius of {matrix}", [report.spectral_radius for report in reports]),
            (f"spectral norm of {matrix}, σ_max", [report.spectral_norm for report in reports]),
        ]
    bounds = [decay.bound_per_step if isinstance(decay, DecayReport) else None for decay in decays]
    longest = len(decays[0].lags)
    quantities += [
        ("bound per step, max|φ′|·σ_max", [*bounds]),
        ("fitted rate per step", [decay.rate_per_step for decay in decays]),
        ("half-life, steps", [decay.half_life for decay in decays]),
        ("doubling time, steps", [decay.doubling_time for decay in decays]),
        (f"first lag under {decays[0].threshold:g}", [_first_below(decay) for decay in decays]),
        ("largest norm", [_peak(decay) for decay in decays]),
        (f"norm at lag {longest}", [Magnitude(decay.log10_norm(longest)) for decay in decays]),
        ("estimated rounding, relative", [f"{decay.rounding:.0e}" for decay in decays]),
        ("verdict", [decay.verdict for decay in decays]),
    ]
    title = "Measured" if len(reports) == 1 or reports[0].cell_state is None else f"Measured: {series[0].block}"
    return Table(title, tuple(columns), tuple((name, *values) for name, values in quantities))


def _first_below(decay: Decay) -> str:
    """The first lag under the threshold; where none was measured, the one the fitted rate leads to."""
    if decay.first_below is not None:
        return str(decay.first_below)
    longest = len(decay.lags)
    if decay.half_life is None:
        return "none"
    further = (log10(decay.threshold) - decay.log10_norm(longest)) / log10(decay.rate_per_step)
    return f"> {longest} (≈ {longest + ceil(further):,})" if further < 1e7 else f"> {longest}"


def _peak(decay: Decay) -> str:
    return f"{power_of_ten(decay.log10_norm(decay.peak))} (lag {decay.peak})"


def _jacobian_tables(report: DecayReport, decay: Decay, label: str) -> list[Block]:
    tables: list[Block] = []
    for lag, matrix in decay.jacobians.items():
        T = report.trace.steps
        last, first = (1, 1 + lag) if report.layer.reverse else (T, T - lag)
        block = write_block(report.layer, decay.state, (str(last), str(first)))
        entry = write_block(report.layer, decay.state, (f"{last}[i]", f"{first}[k]"))
        columns = (Column("", "index"), *(Column(f"unit {k + 1}", "number") for k in range(matrix.shape[1])))
        rows = tuple((i + 1, *map(float, row)) for i, row in enumerate(matrix))
        tables.append(Table(f"{block}: row i, column k is {entry}{label}", columns, rows))
    return tables


def _json(reports: Sequence[DecayReport], shown: DecayShown, expectations: tuple[Expectation, ...]) -> Iterator[str]:
    notes = [*shown.notes, *_scope(reports[0])]
    head: dict[str, object] = {"notes": notes, "steps": reports[0].trace.steps}
    if len(reports) == 1:
        content = head | report_json(reports[0], shown.notation)
    else:
        runs = [
            {"label": label, **report_json(report, shown.notation)}
            for label, report in zip(shown.labels, reports, strict=True)
        ]
        content = head | {"runs": runs}
    return json_object("gradient-decay", content | expectations_json(expectations))
