"""The decay of many runs → document, JSON, CSV, arrays and charts: medians and quartiles at every lag."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import log10
from typing import NamedTuple

import numpy as np

from rnn_calc.core.decay import Decay, Verdict
from rnn_calc.core.ensembles import EnsembleDecay
from rnn_calc.core.stages import Layer
from rnn_calc.core.weights import Array
from rnn_calc.show.charts import chart_figure
from rnn_calc.show.decay_certificate import certificate_block, certificate_json
from rnn_calc.show.decay_data import finite
from rnn_calc.show.decay_series import BESIDE, chosen_lags, steps_of, write_jacobian
from rnn_calc.show.document import Block, Column, Document, Magnitude, Table, Text, Value
from rnn_calc.show.format import short
from rnn_calc.show.output import View, json_object
from rnn_calc.show.picture import Chart, Curve, Picture

_VERDICTS: tuple[Verdict, ...] = ("vanishing", "steady", "exploding")
_QUARTILES = ("lower_quartile", "median", "upper_quartile")


class NetworkEnsemble(NamedTuple):
    """An ensemble of one network; `parts` has one for each state and family, in the order in which they were asked."""

    label: str
    parts: tuple[EnsembleDecay, ...]


class EnsembleShown(NamedTuple):
    """What a shown ensemble needs beside its numbers: `seeds` are those of its runs, `varied` what each drew."""

    heading: Text
    notes: tuple[str, ...]
    layer: Layer
    steps: int
    seeds: tuple[int, ...]
    varied: str
    networks: tuple[NetworkEnsemble, ...]


def ensemble_view(shown: EnsembleShown) -> View:
    """The ensemble in every format."""
    return View(
        "gradient-decay",
        partial(_document, shown),
        partial(_json, shown),
        partial(_csv, shown),
        partial(_arrays, shown),
        partial(_pictures, shown),
    )


def _groups(shown: EnsembleShown) -> list[list[tuple[str, EnsembleDecay]]]:
    """For each state and family, the ensembles of every network with their labels."""
    return [
        [(network.label, network.parts[place]) for network in shown.networks]
        for place in range(len(shown.networks[0].parts))
    ]


def _block(shown: EnsembleShown, part: EnsembleDecay) -> str:
    return write_jacobian(shown.layer, part.state, steps_of(shown.layer, part.family))


def _document(shown: EnsembleShown) -> Document:
    blocks: list[Block] = [shown.heading, Text(shown.notes, "muted")]
    groups = _groups(shown)
    # Bands of several networks would cover each other.
    bands = len(shown.networks) == 1
    blocks += [chart_figure(_chart(shown, group, bands=bands)) for group in groups if len(group[0][1].lags) > 1]
    blocks += [_lag_table(shown, group) for group in groups]
    blocks += [_summary(shown, group) for group in groups]
    blocks.append(certificate_block([decay for group in groups for _, part in group for decay in part.decays]))
    lines = (
        "· The median and the quartiles are those of the norms at each lag by itself: the run in the middle at one "
        "lag need not be the one in the middle at the next.",
        f"· {_how_to_see_one(shown)}",
    )
    blocks.append(Text(lines, title="How to read it"))
    return Document(tuple(blocks))


def _how_to_see_one(shown: EnsembleShown) -> str:
    seed = shown.seeds[-1]
    if shown.varied == "all":
        return f"Each run is the one that its --seed gives without --ensemble: the last that of --seed {seed}."
    own, kept = ("weights", "the input is that") if shown.varied == "weights" else ("an input", "the weights are those")
    return f"Each run has {own} of its own, drawn from its seed; {kept} of --seed {shown.seeds[0]} in all of them."


def _chart(shown: EnsembleShown, group: list[tuple[str, EnsembleDecay]], *, bands: bool) -> Chart:
    curves = []
    for label, part in group:
        lower, median, upper = part.quartiles
        name = "median" if len(group) == 1 else label
        curves.append(Curve(name, np.array(part.lags), median, "norm", (lower, upper) if bands else None))
    what = f"‖{_block(shown, group[0][1])}‖₂"
    several = f"median of {len(shown.seeds)}: " if len(group) > 1 else ""
    return Chart("", "lag (steps)", f"{several}{what}", tuple(curves), log10=True)


def _lag_table(shown: EnsembleShown, group: list[tuple[str, EnsembleDecay]]) -> Table:
    columns, arrays = [Column("lag", "index")], list[Array]()
    for label, part in group:
        start = f"{label}, " if len(group) > 1 else ""
        columns += [Column(f"{start}{name.replace('_', ' ')}", "number") for name in _QUARTILES]
        arrays += part.quartiles
        if len(group) == 1:
            columns += [Column("least", "number"), Column("largest", "number")]
            arrays += [part.log10_norms.min(axis=0), part.log10_norms.max(axis=0)]
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (lag, *(Magnitude(float(values[lag - 1])) for values in arrays)) for lag in chosen_lags(len(arrays[0]))
    )
    title = f"‖{_block(shown, group[0][1])}‖₂ at some lags, over {len(shown.seeds)} runs"
    return Table(title, tuple(columns), rows)


def _summary(shown: EnsembleShown, group: list[tuple[str, EnsembleDecay]]) -> Table:
    parts = [part for _, part in group]
    count, longest = len(shown.seeds), len(parts[0].lags)
    columns = [Column("measured"), *(Column(label if len(group) > 1 else "value", "number") for label, _ in group)]
    rows: list[tuple[Value, ...]] = [
        (verdict, *(f"{part.count(verdict)} of {count}" for part in parts)) for verdict in _VERDICTS
    ]
    rows += [
        ("fitted rate per step, median", *(part.rates[1] for part in parts)),
        ("fitted rate per step, quartiles", *(f"{short(part.rates[0])} to {short(part.rates[2])}" for part in parts)),
        (
            f"half of the runs were under {parts[0].decays[0].threshold:g} by lag",
            *(str(part.median_first_below or "none") for part in parts),
        ),
        (f"norm at lag {longest}, median", *(Magnitude(float(part.quartiles[1][-1])) for part in parts)),
    ]
    return Table(f"Of {count} runs: {_block(shown, parts[0])}", tuple(columns), tuple(rows))


def _pictures(shown: EnsembleShown) -> list[Picture]:
    found: list[Picture] = []
    for group in _groups(shown):
        part = group[0][1]
        chart = _chart(shown, group, bands=True)
        threshold = part.decays[0].threshold
        ends = np.array([part.lags[0], part.lags[-1]])
        level = Curve(f"threshold {threshold:g}", ends, np.full(2, log10(threshold)), "threshold")
        found.append(chart._replace(curves=(*chart.curves, level)))
    return found


# ---- data ----


def _names(network: NetworkEnsemble) -> list[tuple[str, EnsembleDecay]]:
    """What each part is called after the first: its state if it is another one, its family if it is."""
    first = network.parts[0]
    return [
        (
            ("" if part.state == first.state else f"_{BESIDE[part.state]}")
            + ("" if part.family == first.family else f"_{part.family}"),
            part,
        )
        for part in network.parts
    ]


def _json(shown: EnsembleShown) -> Iterator[str]:
    head: dict[str, object] = {
        "notes": list(shown.notes),
        "steps": shown.steps,
        "ensemble": {"runs": len(shown.seeds), "vary": shown.varied, "seeds": list(shown.seeds)},
    }
    networks = [_network_json(shown, network) for network in shown.networks]
    if len(networks) == 1:
        return json_object("gradient-decay", head | networks[0])
    labelled = [{"label": own.label, **json} for own, json in zip(shown.networks, networks, strict=True)]
    return json_object("gradient-decay", head | {"runs": labelled})


def _network_json(shown: EnsembleShown, network: NetworkEnsemble) -> dict[str, object]:
    """The first part at the top, other states under their names, the other family under its own."""
    first = network.parts[0]
    families: dict[str, dict[str, object]] = {}
    for part in network.parts:
        family, content = families.setdefault(part.family, {}), _part_json(shown, part)
        family |= content if part.state == first.state else {BESIDE[part.state]: content}
    return families.pop(first.family) | families


def _part_json(shown: EnsembleShown, part: EnsembleDecay) -> dict[str, object]:
    lower, middle, upper = part.rates
    return {
        "family": part.family,
        "state": part.state,
        "verdicts": {verdict: part.count(verdict) for verdict in _VERDICTS},
        "rate_per_step": {"lower_quartile": lower, "median": middle, "upper_quartile": upper},
        "median_first_below": part.median_first_below,
        "lags": [
            {"lag": lag}
            | {
                f"log10_{name}": finite(float(values[lag - 1]))
                for name, values in zip(_QUARTILES, part.quartiles, strict=True)
            }
            for lag in part.lags
        ],
        "members": [_member_json(seed, decay) for seed, decay in zip(shown.seeds, part.decays, strict=True)],
    }


def _member_json(seed: int, decay: Decay) -> dict[str, object]:
    return {
        "seed": seed,
        "verdict": decay.verdict,
        "rate_per_step": decay.rate_per_step,
        "first_below": decay.first_below,
        "peak_lag": decay.peak,
        "log10_norm": finite(decay.log10_norm(len(decay.lags))),
        "certificate": certificate_json(decay.certificate),
    }


def _columns(shown: EnsembleShown) -> dict[str, Array]:
    found = {}
    for network in shown.networks:
        end = f" ({network.label})" if len(shown.networks) > 1 else ""
        for name, part in _names(network):
            for quartile, values in zip(_QUARTILES, part.quartiles, strict=True):
                found[f"log10_{quartile}{name}{end}"] = values
    return found


def _csv(shown: EnsembleShown) -> Iterator[tuple[object, ...]]:
    """Logarithms; the empty cell is an exact zero's, or of a lag that there is not."""
    columns = _columns(shown)
    yield ("lag", *columns)
    for lag in range(1, max(map(len, columns.values())) + 1):
        yield (lag, *(finite(float(own[lag - 1])) if lag <= len(own) else None for own in columns.values()))


def _arrays(shown: EnsembleShown) -> dict[str, Array]:
    """The norms of every run, a row each, and the quartiles."""
    found: dict[str, Array] = {}
    for network in shown.networks:
        end = f" ({network.label})" if len(shown.networks) > 1 else ""
        found |= {f"log10_norm{name}{end}": part.log10_norms for name, part in _names(network)}
    return found | _columns(shown)
