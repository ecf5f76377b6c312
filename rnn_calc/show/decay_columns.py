"""Decays as columns over the lags: CSV, and the arrays of .npz."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnn_calc.core.weights import Array
from rnn_calc.show.decay_data import finite
from rnn_calc.show.decay_lyapunov import lyapunov_arrays
from rnn_calc.show.decay_pairs import pair_csv
from rnn_calc.show.decay_series import BESIDE, NetworkDecay, bounds_of, decays_of


def _columns(network: NetworkDecay) -> dict[str, Array | None]:
    """What was measured at each lag, by name; None where there is no bound."""
    found: dict[str, Array | None] = {}
    for place, report in enumerate(network.reports):
        family = f"_{report.family}" if place else ""
        found |= {f"log10_norm{family}": report.log10_norms, f"log10_bound{family}": bounds_of(report)}
        for decay in decays_of(report):
            name = f"{'' if decay.state == report.state else f'_{BESIDE[decay.state]}'}{family}"
            found[f"log10_norm{name}"] = decay.log10_norms
            if decay.log10_singular_values is not None:
                for number, values in enumerate(decay.log10_singular_values.T, start=1):
                    found[f"log10_sigma_{number}{name}"] = values
    if network.across:
        found["log10_norm_across"] = network.across.decay.log10_norms
        found |= {f"log10_norm_within_layer_{own.layer.index + 1}": own.log10_norms for own in network.within}
    return found


def csv_rows(networks: tuple[NetworkDecay, ...]) -> Iterator[tuple[object, ...]]:
    """Logarithms, a row a lag; where all pairs were measured, a row a pair.

    The empty cell is an exact zero's, that of a singular value which rounding hides, of a bound which a gated cell has
    not, or of a lag that there is not.
    """
    if networks[0].pairs:
        yield from pair_csv(networks)
        return
    columns = [_columns(network) for network in networks]
    alone = len(networks) == 1
    named: list[tuple[str, Array | None]] = []
    for name in columns[0]:
        if alone:
            named.append((name, columns[0][name]))
        elif not name.startswith("log10_bound"):
            named += [(f"{name} ({network.label})", own[name]) for network, own in zip(networks, columns, strict=True)]
    yield ("lag", *(name for name, _ in named))
    for lag in range(1, max(len(values) for _, values in named if values is not None) + 1):
        yield (lag, *(_at(values, lag) for _, values in named))


def _at(values: Array | None, lag: int) -> float | None:
    return None if values is None or lag > len(values) else finite(float(values[lag - 1]))


def arrays_of(networks: tuple[NetworkDecay, ...]) -> dict[str, Array]:
    """The same as arrays, with the ends of the norms' intervals and triangles; of several networks, a row each."""
    found: dict[str, list[Array]] = {}
    for network in networks:
        columns = {name: values for name, values in _columns(network).items() if values is not None}
        for name, values in (columns | _intervals(network) | _pairs(network) | lyapunov_arrays(network)).items():
            found.setdefault(name, []).append(values)
    return {name: rows[0] if len(networks) == 1 else np.array(rows) for name, rows in found.items()}


def _intervals(network: NetworkDecay) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for place, report in enumerate(network.reports):
        for decay in decays_of(report):
            state = "" if decay.state == report.state else f"_{BESIDE[decay.state]}"
            name = f"{state}_{report.family}" if place else state
            found |= {f"log10_low{name}": decay.log10_low, f"log10_high{name}": decay.log10_high}
    return found


def _pairs(network: NetworkDecay) -> dict[str, Array]:
    names = [f"_{BESIDE[pairs.state]}" if place else "" for place, pairs in enumerate(network.pairs)]
    return {f"log10_pairs{name}": pairs.log10_norms for name, pairs in zip(names, network.pairs, strict=True)}
