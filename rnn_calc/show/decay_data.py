"""DecayReports as data: JSON, CSV and arrays."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, isfinite
from typing import TYPE_CHECKING

import numpy as np

from rnn_calc.core.decay import Decay, DecayReport
from rnn_calc.core.notation import Notation
from rnn_calc.core.weights import Array
from rnn_calc.show.decay_certificate import certificate_json
from rnn_calc.show.decay_lyapunov import lyapunov_arrays, lyapunov_json
from rnn_calc.show.decay_series import DecayShown, NetworkDecay, bounds_of, decays_of
from rnn_calc.show.expected import expectations_json
from rnn_calc.show.output import json_object
from rnn_calc.show.theory import theory_of, write_share

if TYPE_CHECKING:
    from rnn_calc.core.expectations import Expectation

# What a state's decay is called beside that of the first.
_BESIDE = {"h": "hidden_state", "c": "cell_state", "state": "whole_state"}


def decay_json(
    networks: tuple[NetworkDecay, ...],
    shown: DecayShown,
    notes: tuple[str, ...],
    expectations: tuple[Expectation, ...],
) -> Iterator[str]:
    """One network at the top, several under "runs"."""
    content: dict[str, object] = {"notes": list(notes), "steps": networks[0].first.trace.steps}
    if len(networks) == 1:
        content |= network_json(networks[0], shown.notation)
    else:
        runs = [{"label": network.label, **network_json(network, shown.notation)} for network in networks]
        content["runs"] = runs
    return json_object("gradient-decay", content | expectations_json(expectations))


def network_json(network: NetworkDecay, notation: Notation) -> dict[str, object]:
    """The first family at the top; the other one, and what was measured besides, under its name."""
    first, *others = network.reports
    return {
        **_report_json(first, notation),
        **{other.family: _states_json(other) for other in others},
        **lyapunov_json(network),
    }


def _report_json(report: DecayReport, notation: Notation) -> dict[str, object]:
    """A report as one JSON object: its own state at the top, others under their names, as "cell_state"."""
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
        **_states_json(report, {"theory": list(theory_of(report, matrix))}),
    }


def _states_json(report: DecayReport, more: dict[str, object] | None = None) -> dict[str, object]:
    """The decay of every state in one family."""
    _, *others = decays_of(report)
    return {
        "bound_per_step": report.bound_per_step,
        **_decay_json(report, bounds_of(report)),
        **(more or {}),
        **{_BESIDE[other.state]: {"bound_per_step": None, **_decay_json(other)} for other in others},
    }


def _decay_json(decay: Decay, bounds: Array | None = None) -> dict[str, object]:
    """What was measured of one state."""
    content: dict[str, object] = {
        "family": decay.family,
        "state": decay.state,
        "rate_per_step": decay.rate_per_step,
        "half_life": decay.half_life,
        "doubling_time": decay.doubling_time,
        "threshold": decay.threshold,
        "first_below": decay.first_below,
        "peak_lag": decay.peak,
        "rounding_estimate": decay.rounding,
        "certificate": certificate_json(decay.certificate),
        "verdict": decay.verdict,
    }
    if decay.direct and decay.family == "back":
        content["direct_path"] = {
            "share": write_share(decay.direct.share),
            "mean": decay.direct.mean,
            "least": decay.direct.least,
            "largest": decay.direct.largest,
            "log10_norms": finite_numbers(decay.direct.log10_norms),
        }
    content["lags"] = [
        _lag_json(lag, decay.log10_norm(lag), None if bounds is None else float(bounds[lag - 1])) for lag in decay.lags
    ]
    if decay.jacobians:
        content["jacobians"] = [
            {"lag": lag, "matrix": [finite_numbers(row) for row in matrix]} for lag, matrix in decay.jacobians.items()
        ]
    return content


def _lag_json(lag: int, norm: float, bound: float | None) -> dict[str, object]:
    entry: dict[str, object] = {"lag": lag, "log10_norm": finite(norm), "log10_bound": finite(bound)}
    return entry | {"zero": True} if norm == -inf else entry


def finite(value: float | None) -> float | None:
    """The number, if it is one."""
    return value if value is not None and isfinite(value) else None


def finite_numbers(values: Array) -> list[float | None]:
    """The numbers of an array, None where there is none."""
    return [finite(value) for value in values.tolist()]


def csv_rows(networks: tuple[NetworkDecay, ...]) -> Iterator[tuple[object, ...]]:
    """Logarithms; the empty cell is an exact zero's, that of a bound which a gated cell has not, or of no such lag."""
    columns = _columns(networks)
    yield ("lag", *(name for name, _ in columns))
    for lag in range(1, max(len(values) for _, values in columns if values is not None) + 1):
        yield (lag, *(_at(values, lag) for _, values in columns))


def _at(values: Array | None, lag: int) -> float | None:
    return None if values is None or lag > len(values) else finite(float(values[lag - 1]))


def _columns(networks: tuple[NetworkDecay, ...]) -> list[tuple[str, Array | None]]:
    """The columns beside the lag: of one network its norm and bound first, of several their norms."""
    alone = len(networks) == 1
    columns: list[tuple[str, Array | None]] = []
    for place in range(len(networks[0].reports)):
        reports = [network.reports[place] for network in networks]
        family = f"_{reports[0].family}" if place else ""
        ends = [family if alone else f"{family} ({network.label})" for network in networks]
        columns += [(f"log10_norm{end}", report.log10_norms) for report, end in zip(reports, ends, strict=True)]
        if alone:
            columns.append((f"log10_bound{family}", bounds_of(reports[0])))
        for report, end in zip(reports, ends, strict=True):
            columns += [(f"log10_norm_{_BESIDE[d.state]}{end}", d.log10_norms) for d in decays_of(report)[1:]]
    return columns


def arrays_of(networks: tuple[NetworkDecay, ...]) -> dict[str, Array]:
    """The logarithms as arrays, with the ends of the norms' intervals; of several networks, a row each."""
    found: dict[str, list[Array]] = {}
    for network in networks:
        for place, report in enumerate(network.reports):
            family = f"_{report.family}" if place else ""
            bound = bounds_of(report)
            own = {f"log10_norm{family}": report.log10_norms}
            own |= {} if bound is None else {f"log10_bound{family}": bound}
            others = [(f"_{_BESIDE[other.state]}", other) for other in decays_of(report)[1:]]
            own |= {f"log10_norm{name}{family}": other.log10_norms for name, other in others}
            for name, decay in [("", report), *others]:
                own |= {f"log10_low{name}{family}": decay.log10_low, f"log10_high{name}{family}": decay.log10_high}
            for name, values in own.items():
                found.setdefault(name, []).append(values)
        for name, values in lyapunov_arrays(network).items():
            found.setdefault(name, []).append(values)
    return {name: rows[0] if len(networks) == 1 else np.array(rows) for name, rows in found.items()}
