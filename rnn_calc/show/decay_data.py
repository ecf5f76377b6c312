"""DecayReports as data: JSON, CSV and arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf, isfinite

import numpy as np

from rnn_calc.core.decay import Decay, DecayReport
from rnn_calc.core.notation import Notation
from rnn_calc.core.weights import Array
from rnn_calc.show.theory import theory_of, write_share


def bounds_of(report: DecayReport) -> Array | None:
    """The logarithm of the bound at every lag; None where there is none."""
    bounds = [report.log10_bound(lag) for lag in report.lags]
    return None if report.bound_per_step is None else np.array(bounds, dtype=np.float64)


def report_json(report: DecayReport, notation: Notation) -> dict[str, object]:
    """A report as one JSON object: ∂h/∂h at the top, ∂c/∂c under "cell_state" where there is a cell state."""
    network, layer = report.trace.network, report.layer
    matrix = notation.symbol(report.recurrent[0].parameter) if report.recurrent else ""
    where = {"layer": layer.index + 1, "direction": "backward" if layer.reverse else "forward"}
    return {
        **(where if network.layers > 1 or network.bidirectional else {}),
        "spectral_radius": report.spectral_radius,
        "spectral_norm": report.spectral_norm,
        "recurrent": [
            {
                "symbol": notation.symbol(spectrum.parameter),
                "gate": spectrum.parameter.gate,
                "spectral_radius": spectrum.spectral_radius,
                "spectral_norm": spectrum.spectral_norm,
            }
            for spectrum in report.recurrent
        ],
        "bound_per_step": report.bound_per_step,
        **_decay_json(report, bounds_of(report)),
        "theory": list(theory_of(report, matrix)),
        **({"cell_state": {"bound_per_step": None, **_decay_json(report.cell_state)}} if report.cell_state else {}),
    }


def _decay_json(decay: Decay, bounds: Array | None = None) -> dict[str, object]:
    """What was measured of one state."""
    content: dict[str, object] = {
        "rate_per_step": decay.rate_per_step,
        "half_life": decay.half_life,
        "doubling_time": decay.doubling_time,
        "threshold": decay.threshold,
        "first_below": decay.first_below,
        "peak_lag": decay.peak,
        "rounding_estimate": decay.rounding,
        "verdict": decay.verdict,
    }
    if decay.direct:
        content["direct_path"] = {
            "share": write_share(decay.direct.share),
            "mean": decay.direct.mean,
            "least": decay.direct.least,
            "largest": decay.direct.largest,
            "log10_norms": [_finite(norm) for norm in decay.direct.log10_norms.tolist()],
        }
    content["lags"] = [
        _lag_json(lag, decay.log10_norm(lag), None if bounds is None else float(bounds[lag - 1])) for lag in decay.lags
    ]
    if decay.jacobians:
        content["jacobians"] = [
            {"lag": lag, "matrix": [[v if isfinite(v) else None for v in row] for row in matrix.tolist()]}
            for lag, matrix in decay.jacobians.items()
        ]
    return content


def _lag_json(lag: int, norm: float, bound: float | None) -> dict[str, object]:
    entry: dict[str, object] = {"lag": lag, "log10_norm": _finite(norm), "log10_bound": _finite(bound)}
    return entry | {"zero": True} if norm == -inf else entry


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def csv_rows(reports: Sequence[DecayReport], labels: Sequence[str]) -> Iterator[tuple[object, ...]]:
    """Logarithms; the empty cell is an exact zero's, or that of a bound which a gated cell has not."""
    first = reports[0]
    if len(reports) == 1:
        columns: list[tuple[str, Array | None]] = [("log10_norm", first.log10_norms), ("log10_bound", bounds_of(first))]
    else:
        columns = [(f"log10_norm ({label})", report.log10_norms) for label, report in zip(labels, reports, strict=True)]
    for label, report in zip(labels, reports, strict=True):
        if report.cell_state:
            name = "log10_norm_cell_state" + (f" ({label})" if len(reports) > 1 else "")
            columns.append((name, report.cell_state.log10_norms))
    yield ("lag", *(name for name, _ in columns))
    for lag in first.lags:
        yield (lag, *(None if values is None else _finite(float(values[lag - 1])) for _, values in columns))


def arrays_of(reports: Sequence[DecayReport]) -> dict[str, Array]:
    """The logarithms as arrays; of several networks, a row each."""
    cell_states = [report.cell_state.log10_norms for report in reports if report.cell_state]
    bounds = [bound for report in reports if (bound := bounds_of(report)) is not None]
    found = {"log10_norm": [report.log10_norms for report in reports], "log10_bound": bounds}
    found["log10_norm_cell_state"] = cell_states
    return {name: rows[0] if len(reports) == 1 else np.array(rows) for name, rows in found.items() if rows}
