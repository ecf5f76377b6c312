"""Decays as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, isfinite
from typing import TYPE_CHECKING

import numpy as np

from rnn_calc.core.decay import Decay, DecayReport
from rnn_calc.core.notation import Notation
from rnn_calc.core.weights import Array
from rnn_calc.show.decay_certificate import certificate_json
from rnn_calc.show.decay_lyapunov import lyapunov_json
from rnn_calc.show.decay_pairs import pair_json
from rnn_calc.show.decay_series import BESIDE, DecayShown, NetworkDecay, bounds_of, decays_of
from rnn_calc.show.expected import expectations_json
from rnn_calc.show.output import json_object
from rnn_calc.show.remedies import remedies_json
from rnn_calc.show.theory import theory_of, write_share

if TYPE_CHECKING:
    from rnn_calc.core.expectations import Expectation


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
        **pair_json(network),
        **_across_json(network),
        **lyapunov_json(network),
        **_remedies_json(network, notation),
    }


def _remedies_json(network: NetworkDecay, notation: Notation) -> dict[str, object]:
    """What would help, under "remedies"; empty where it was not measured."""
    if network.remedies is None or not network.remedies.measured:
        return {}
    return {"remedies": remedies_json(network.remedies, _matrix(network.first, notation))}


def _matrix(report: DecayReport, notation: Notation) -> str:
    """What the convention calls the recurrent matrix, where there is one."""
    return notation.symbol(report.recurrent[0].parameter) if report.recurrent else ""


def _across_json(network: NetworkDecay) -> dict[str, object]:
    """Under "across" the decay down the stack, under "within" that of its layers; empty where not asked for."""
    if network.across is None:
        return {}
    at_0 = network.across.log10_norm_at_lag_0
    return {
        "across": {
            "from_layer": network.first.trace.network.layers,
            "to_layer": 1,
            "log10_norm_at_lag_0": finite(at_0),
            **_decay_json(network.across.decay),
        },
        "within": [{"layer": report.layer.index + 1, **_decay_json(report)} for report in network.within],
    }


def _report_json(report: DecayReport, notation: Notation) -> dict[str, object]:
    """A report as one JSON object: its own state at the top, others under their names, as "cell_state"."""
    network, layer = report.trace.network, report.layer
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
        **_states_json(report, {"theory": list(theory_of(report, _matrix(report, notation)))}),
    }


def _states_json(report: DecayReport, more: dict[str, object] | None = None) -> dict[str, object]:
    """The decay of every state in one family."""
    _, *others = decays_of(report)
    return {
        "bound_per_step": report.bound_per_step,
        **_decay_json(report, bounds_of(report)),
        **(more or {}),
        **{BESIDE[other.state]: {"bound_per_step": None, **_decay_json(other)} for other in others},
    }


def _decay_json(decay: Decay, bounds: Array | None = None) -> dict[str, object]:
    """What was measured of one state."""
    content: dict[str, object] = {
        "family": decay.family,
        "state": decay.state,
        "rate_per_step": decay.rate_per_step if isfinite(decay.rate_per_step) else None,
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
    values = decay.log10_singular_values
    content["lags"] = [
        {
            **_lag_json(lag, decay.log10_norm(lag), None if bounds is None else float(bounds[lag - 1])),
            **({} if values is None else _singular_json(values[lag - 1])),
        }
        for lag in decay.lags
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


def _singular_json(values: Array) -> dict[str, object]:
    """The logarithms; null for an exact zero, and for as many as rounding hides, which come before these."""
    hidden = int(np.isnan(values).sum())
    found: dict[str, object] = {"log10_singular_values": finite_numbers(values)}
    return found | ({"hidden_by_rounding": hidden} if hidden else {})


def finite_numbers(values: Array) -> list[float | None]:
    """The numbers of an array, None where there is none."""
    return [finite(value) for value in values.tolist()]
