"""Decays as tables: the norms at some lags, recurrent matrices, what was measured, whole Jacobians."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import ceil, isfinite, log10

from rnn_calc.core.cells import GATE_NAMES
from rnn_calc.core.decay import Decay, DecayReport
from rnn_calc.core.weights import Array
from rnn_calc.show.decay_certificate import certified_to
from rnn_calc.show.decay_series import (
    DecayShown,
    NetworkDecay,
    Series,
    chosen_lags,
    decays_of,
    write_jacobian,
    written_norms,
)
from rnn_calc.show.document import Block, Column, Magnitude, Table, Value
from rnn_calc.show.format import power_of_ten
from rnn_calc.show.theory import write_product

Networks = tuple[NetworkDecay, ...]


def lag_table(group: Sequence[Series], networks: int) -> Table:
    """Norms at some lags: of one network with logarithms, bound and direct path; of several, side by side."""
    columns, cells = [Column("lag", "index")], list[Callable[[int], Value]]()
    beside = networks > 1
    several = len({one.decay.family for one in group}) > 1
    many = beside or several or len(group) > 2
    for one in group:
        norms = one.decay.log10_norms
        if many:
            columns.append(Column(one.label, "number"))
            cells.append(partial(_magnitude, norms))
        else:
            names = ("norm", "log₁₀ norm") if len(group) == 1 else (one.label, f"log₁₀ {one.label}")
            columns += [Column(name, "number") for name in names]
            cells += _norm_cells(norms, one.decay.rounding)
        # Two families of one network have one bound.
        if not beside and one.bound is not None and one.report is group[-1].report:
            columns += [Column(name, "number") for name in ("bound", "log₁₀ bound")[: 1 if many else 2]]
            cells += _norm_cells(one.bound, 0)[: 1 if many else 2]
        direct = one.decay.direct
        if not beside and direct is not None and not direct.alone and one.decay.family == "back":
            columns.append(Column(write_product(direct.share), "number", "math"))
            cells.append(partial(_magnitude, direct.log10_norms))
    lags = sorted({lag for one in group for lag in chosen_lags(len(one.decay.lags))})
    rows = tuple((lag, *(cell(lag) for cell in cells)) for lag in lags)
    title = f"{written_norms(group)} at some lags{', side by side' if beside else ''}"
    return Table(title, tuple(columns), rows)


def _norm_cells(values: Array, rounding: float) -> tuple[Callable[[int], Value], Callable[[int], Value]]:
    return partial(_magnitude, values), partial(_logarithm, values, rounding)


def _magnitude(values: Array, lag: int) -> Value:
    """The number at a lag; nothing beyond the longest that was measured."""
    return Magnitude(float(values[lag - 1])) if lag <= len(values) else None


def _logarithm(values: Array, rounding: float, lag: int) -> Value:
    """A logarithm for a table: one that rounding alone keeps from 0 is 0."""
    value = float(values[lag - 1]) if lag <= len(values) else -float("inf")
    if not isfinite(value):
        return None
    return 0.0 if abs(value) < rounding else value


def recurrent_table(networks: Networks, shown: DecayShown) -> list[Block]:
    """Every recurrent matrix of a gated cell; that of a cell with one is in the summary."""
    reports = [network.first for network in networks]
    first = reports[0]
    if len(first.recurrent) < 2:
        return []
    names = [(shown.notation.symbol(s.parameter), GATE_NAMES[s.parameter.gate]) for s in first.recurrent]
    columns, rows = [Column("matrix", "math"), Column("gate")], list[tuple[Value, ...]]()
    if len(reports) == 1:
        columns += [Column("spectral radius", "number"), Column("spectral norm", "number")]
        rows = [(*name, s.spectral_radius, s.spectral_norm) for name, s in zip(names, first.recurrent, strict=True)]
    else:
        columns += [Column("measure"), *(Column(network.label, "number") for network in networks)]
        for index, name in enumerate(names):
            found = [report.recurrent[index] for report in reports]
            rows.append((*name, "spectral radius", *(spectrum.spectral_radius for spectrum in found)))
            rows.append((*name, "spectral norm", *(spectrum.spectral_norm for spectrum in found)))
    return [Table("Recurrent matrices", tuple(columns), tuple(rows))]


def matrix_symbol(report: DecayReport, shown: DecayShown) -> str:
    """What the convention calls the recurrent matrix, where there is one."""
    return shown.notation.symbol(report.recurrent[0].parameter) if report.recurrent else ""


def summary_table(group: Sequence[Series], shown: DecayShown, *, title: str, spectra: bool) -> Table:
    """What the norms come to: rate, half-life, threshold, peak and verdict of each series."""
    decays = [one.decay for one in group]
    columns = [Column("measured")]
    columns += [Column(one.label if len(group) > 1 else "value", "number") for one in group]
    quantities: list[tuple[str, list[Value]]] = []
    if spectra and len(group[0].report.recurrent) == 1:
        matrix = matrix_symbol(group[0].report, shown)
        quantities = [
            (f"spectral radius of {matrix}", [one.report.spectral_radius for one in group]),
            (f"spectral norm of {matrix}, σ_max", [one.report.spectral_norm for one in group]),
        ]
    bounds = [decay.bound_per_step if isinstance(decay, DecayReport) else None for decay in decays]
    lengths = {len(decay.lags) for decay in decays}
    last = f"norm at lag {lengths.pop()}" if len(lengths) == 1 else "norm at the longest lag"
    quantities += [
        ("bound per step, max|φ′|·σ_max", [*bounds]),
        ("fitted rate per step", [decay.rate_per_step for decay in decays]),
        ("half-life, steps", [decay.half_life for decay in decays]),
        ("doubling time, steps", [decay.doubling_time for decay in decays]),
        (f"first lag under {decays[0].threshold:g}", [_first_below(decay) for decay in decays]),
        ("largest norm", [_peak(decay) for decay in decays]),
        (last, [Magnitude(decay.log10_norm(len(decay.lags))) for decay in decays]),
        ("certified, relative", [certified_to(decay.certificate) for decay in decays]),
        ("estimated rounding, relative", [f"{decay.rounding:.0e}" for decay in decays]),
        ("verdict", [decay.verdict for decay in decays]),
    ]
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


def jacobian_tables(network: NetworkDecay, label: str) -> list[Block]:
    """The whole matrices that were asked for."""
    tables: list[Block] = []
    for report in network.reports:
        for decay in decays_of(report):
            for lag, matrix in decay.jacobians.items():
                last, first = _steps(report, decay, lag)
                block = write_jacobian(report.layer, decay.state, (str(last), str(first)))
                entry = write_jacobian(report.layer, decay.state, (f"{last}[i]", f"{first}[k]"))
                columns = (Column("", "index"), *(Column(f"unit {k + 1}", "number") for k in range(matrix.shape[1])))
                rows = tuple((i + 1, *map(float, row)) for i, row in enumerate(matrix))
                tables.append(Table(f"{block}: row i, column k is {entry}{label}", columns, rows))
    return tables


def _steps(report: DecayReport, decay: Decay, lag: int) -> tuple[int, int]:
    """The later and the earlier step of the Jacobian of a lag, as the layer reads."""
    T, reverse = report.trace.steps, report.layer.reverse
    if decay.family == "forward":
        return (T + 1 - lag, T + 1) if reverse else (lag, 0)
    return (1, 1 + lag) if reverse else (T, T - lag)
