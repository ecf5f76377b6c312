"""DecayReports → document, JSON, CSV: one network, or several side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, inf, isfinite, log10
from typing import TYPE_CHECKING

import numpy as np

from rnn_calc.core.decay import DecayReport
from rnn_calc.show.document import Block, Column, Document, Figure, Layout, Line, Magnitude, Table, Text, Value
from rnn_calc.show.expected import expectation_block, expectations_json
from rnn_calc.show.format import power_of_ten
from rnn_calc.show.output import View, json_object
from rnn_calc.show.theory import theory_of

if TYPE_CHECKING:
    from rnn_calc.core.expectations import Expectation

_PLOT_TITLE = "log₁₀ ‖∂h_T/∂h_{T−lag}‖₂ against the lag"
_PLOT_HEIGHT = 14
# What uniplot needs at the right of the plot for its axis labels.
_PLOT_MARGIN = 14


@dataclass(frozen=True)
class DecayShown:
    """What a shown decay needs beside its numbers: labels, the recurrent matrix's symbol, where all came from."""

    heading: Text
    notes: tuple[str, ...]
    labels: tuple[str, ...]
    matrix: str


def decay_view(reports: Sequence[DecayReport], shown: DecayShown, expectations: tuple[Expectation, ...]) -> View:
    """The decay of one network, or of several, in every format."""
    return View(
        "gradient-decay",
        partial(_document, reports, shown, expectations),
        partial(_json, reports, shown, expectations),
        partial(_csv, reports, shown),
        partial(_arrays, reports),
    )


def _document(reports: Sequence[DecayReport], shown: DecayShown, expectations: tuple[Expectation, ...]) -> Document:
    blocks: list[Block] = [
        shown.heading,
        Text(shown.notes, "muted"),
        # One lag is one point, and no curve.
        *([Figure(_PLOT_TITLE, partial(_draw_plot, reports, shown))] if len(reports[0].lags) > 1 else []),
        _lag_table(reports, shown),
        _summary_table(reports, shown),
    ]
    for report, label in zip(reports, shown.labels, strict=True):
        blocks += _jacobian_tables(report, f" ({label})" if len(reports) > 1 else "")
    for report, label in zip(reports, shown.labels, strict=True):
        title = "What theory allows to say" + (f" ({label})" if len(reports) > 1 else "")
        blocks.append(Text(tuple(f"· {sentence}" for sentence in theory_of(report, shown.matrix)), title=title))
    if expectations:
        blocks.append(expectation_block(expectations))
    return Document(tuple(blocks))


def chosen_lags(longest: int) -> list[int]:
    """Lags for a table: 1, 2, 5, 10, 20, 50 … and the longest."""
    lags = {int(base) * 10**power for base in "125" for power in range(len(str(longest)))}
    return sorted(lag for lag in lags | {longest} if lag <= longest)


def _draw_plot(reports: Sequence[DecayReport], shown: DecayShown, layout: Layout) -> list[Line]:
    import uniplot

    series = [(label, report.log10_norms) for label, report in zip(shown.labels, reports, strict=True)]
    if len(reports) == 1:
        report = reports[0]
        bound = np.array([report.log10_bound(lag) for lag in report.lags])
        series = [("norm", report.log10_norms), ("bound", bound)]
    finite = [(label, np.isfinite(values), values) for label, values in series]
    finite = [(label, kept, values) for label, kept, values in finite if kept.any()]
    if not finite:
        return [[("Every norm is exactly 0: there is nothing to plot on a logarithmic scale.", "")]]
    # Without colours, curves in braille look alike; letters tell them apart.
    letters = layout.ascii or (not layout.color and len(finite) > 1)
    text = uniplot.plot_to_string(
        xs=[np.nonzero(kept)[0] + 1 for _, kept, _ in finite],
        ys=[values[kept] for _, kept, values in finite],
        lines=True,
        legend_labels=[label for label, _, _ in finite],
        character_set="ascii" if letters else "braille",
        color=layout.color,
        width=max(20, layout.width - _PLOT_MARGIN),
        height=_PLOT_HEIGHT,
        line_length_hard_cap=layout.width,
    )
    style = "ansi" if layout.color else ""
    return [[(line.rstrip(), style)] for line in str(text).splitlines()]


def _lag_table(reports: Sequence[DecayReport], shown: DecayShown) -> Table:
    lags = chosen_lags(len(reports[0].lags))
    columns = [Column("lag", "index")]
    if len(reports) == 1:
        columns += [Column(name, "number") for name in ("norm", "log₁₀ norm", "bound", "log₁₀ bound")]
    else:
        columns += [Column(label, "number") for label in shown.labels]
    rows: list[tuple[Value, ...]] = []
    for lag in lags:
        if len(reports) == 1:
            norm, bound = reports[0].log10_norm(lag), reports[0].log10_bound(lag)
            rows.append(
                (lag, Magnitude(norm), _logarithm(norm, reports[0].rounding), Magnitude(bound), _logarithm(bound, 0))
            )
        else:
            rows.append((lag, *(Magnitude(report.log10_norm(lag)) for report in reports)))
    title = "‖∂h_T/∂h_{T−lag}‖₂ at some lags" + ("" if len(reports) == 1 else ", side by side")
    return Table(title, tuple(columns), tuple(rows))


def _logarithm(value: float, rounding: float) -> Value:
    """A logarithm for a table: one that rounding alone keeps from 0 is 0."""
    if not isfinite(value):
        return None
    return 0.0 if abs(value) < rounding else value


def _summary_table(reports: Sequence[DecayReport], shown: DecayShown) -> Table:
    columns = [Column("measured")]
    columns += [Column(label if len(reports) > 1 else "value", "number") for label in shown.labels]
    quantities: list[tuple[str, list[Value]]] = [
        (f"spectral radius of {shown.matrix}", [report.spectral_radius for report in reports]),
        (f"spectral norm of {shown.matrix}, σ_max", [report.spectral_norm for report in reports]),
        ("bound per step, max|φ′|·σ_max", [report.bound_per_step for report in reports]),
        ("fitted rate per step", [report.rate_per_step for report in reports]),
        ("half-life, steps", [report.half_life for report in reports]),
        ("doubling time, steps", [report.doubling_time for report in reports]),
        (f"first lag under {reports[0].threshold:g}", [_first_below(report) for report in reports]),
        ("largest norm", [_peak(report) for report in reports]),
        (f"norm at lag {len(reports[0].lags)}", [Magnitude(r.log10_norm(len(r.lags))) for r in reports]),
        ("estimated rounding, relative", [f"{report.rounding:.0e}" for report in reports]),
        ("verdict", [report.verdict for report in reports]),
    ]
    return Table("Measured", tuple(columns), tuple((name, *values) for name, values in quantities))


def _first_below(report: DecayReport) -> str:
    """The first lag under the threshold; where none was measured, the one the fitted rate leads to."""
    if report.first_below is not None:
        return str(report.first_below)
    longest = len(report.lags)
    if report.half_life is None:
        return "none"
    further = (log10(report.threshold) - report.log10_norm(longest)) / log10(report.rate_per_step)
    return f"> {longest} (≈ {longest + ceil(further):,})" if further < 1e7 else f"> {longest}"


def _peak(report: DecayReport) -> str:
    return f"{power_of_ten(report.log10_norm(report.peak))} (lag {report.peak})"


def _jacobian_tables(report: DecayReport, label: str) -> list[Block]:
    tables: list[Block] = []
    for lag, matrix in report.jacobians.items():
        T = report.trace.steps
        columns = (Column("", "index"), *(Column(f"unit {k + 1}", "number") for k in range(matrix.shape[1])))
        rows = tuple((i + 1, *map(float, row)) for i, row in enumerate(matrix))
        tables.append(Table(f"∂h_{T}/∂h_{T - lag}: row i, column k is ∂h_{T}[i]/∂h_{T - lag}[k]{label}", columns, rows))
    return tables


def _json(reports: Sequence[DecayReport], shown: DecayShown, expectations: tuple[Expectation, ...]) -> Iterator[str]:
    head: dict[str, object] = {"notes": list(shown.notes), "steps": reports[0].trace.steps}
    if len(reports) == 1:
        content = head | _report_json(reports[0], shown)
    else:
        runs = [
            {"label": label, **_report_json(report, shown)} for label, report in zip(shown.labels, reports, strict=True)
        ]
        content = head | {"runs": runs}
    return json_object("gradient-decay", content | expectations_json(expectations))


def _report_json(report: DecayReport, shown: DecayShown) -> dict[str, object]:
    content: dict[str, object] = {
        "spectral_radius": report.spectral_radius,
        "spectral_norm": report.spectral_norm,
        "bound_per_step": report.bound_per_step,
        "rate_per_step": report.rate_per_step,
        "half_life": report.half_life,
        "doubling_time": report.doubling_time,
        "threshold": report.threshold,
        "first_below": report.first_below,
        "peak_lag": report.peak,
        "rounding_estimate": report.rounding,
        "verdict": report.verdict,
        "theory": list(theory_of(report, shown.matrix)),
        "lags": [_lag_json(report, lag) for lag in report.lags],
    }
    if report.jacobians:
        content["jacobians"] = [
            {"lag": lag, "matrix": [[v if isfinite(v) else None for v in row] for row in matrix.tolist()]}
            for lag, matrix in report.jacobians.items()
        ]
    return content


def _lag_json(report: DecayReport, lag: int) -> dict[str, object]:
    norm, bound = report.log10_norm(lag), report.log10_bound(lag)
    entry: dict[str, object] = {"lag": lag, "log10_norm": _finite(norm), "log10_bound": _finite(bound)}
    return entry | {"zero": True} if norm == -inf else entry


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def _csv(reports: Sequence[DecayReport], shown: DecayShown) -> Iterator[tuple[object, ...]]:
    """Logarithms; the empty cell is an exact zero's."""
    if len(reports) == 1:
        yield ("lag", "log10_norm", "log10_bound")
        for lag in reports[0].lags:
            yield (lag, _finite(reports[0].log10_norm(lag)), _finite(reports[0].log10_bound(lag)))
        return
    yield ("lag", *(f"log10_norm ({label})" for label in shown.labels))
    for lag in reports[0].lags:
        yield (lag, *(_finite(report.log10_norm(lag)) for report in reports))


def _arrays(reports: Sequence[DecayReport]) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    norms = [report.log10_norms for report in reports]
    bounds = [np.array([report.log10_bound(lag) for lag in report.lags]) for report in reports]
    if len(reports) == 1:
        return {"log10_norm": norms[0], "log10_bound": bounds[0]}
    return {"log10_norm": np.array(norms), "log10_bound": np.array(bounds)}
