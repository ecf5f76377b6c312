"""A SweepReport → document, maps, JSON, CSV and arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from math import inf, isfinite, log10
from typing import NamedTuple

import numpy as np

from rnn_calc.core.grid import Axis
from rnn_calc.core.phases import PHASES, PointSummary, SweepReport
from rnn_calc.core.weights import Array
from rnn_calc.show.document import Block, Column, Document, Magnitude, Table, Text, Value
from rnn_calc.show.figures import picture_figure
from rnn_calc.show.output import View, json_object
from rnn_calc.show.picture import Chart, Curve, HeatMap, Picture

# With more axes than two there is a map for each combination of the others, as long as there are no more than these.
_MOST_MAPS = 12

_MEANINGS = (
    "· vanishing, steady, exploding: the verdict of gradient-decay. The norm of ∂h_T/∂h_k, fitted over the longer half "
    "of the lags, halves within the run, doubles within it, or neither.",
    "· chaotic: it would be exploding, but the state stays bounded. The largest Lyapunov exponent λ₁ is more than two "
    "standard errors above 0 and enough to double a distance within the run (of at least 14 steps); the derivative "
    "changes from step to step; and each state is bounded by its functions, or its root mean square in the second half "
    "of the run is at most 1.5 times that in the first.",
    "· λ₁ is a rate along the run in nats a step, without its first quarter. Its error comes from ten blocks of steps, "
    "or as many as there are steps, taken as independent.",
    "· Driven by inputs, chaotic means: two states that differ a little part, under the same inputs. A state at rest "
    "(inputs of zeros, h = 0) is not chaotic, though it may be unstable: that is exploding.",
)
_TABLE = "The norm of ∂h_T/∂h_1, its fitted rate a step, the largest exponent λ₁ and its error, at each point"
_REPEATED = "· Of several seeds, numbers are medians, and the phase is that of most."
_OUTGROWN = "· Where a state outgrew float64 nothing else was measured: exploding."


class SweepShown(NamedTuple):
    """What a shown sweep needs beside its numbers."""

    heading: Text
    notes: tuple[str, ...]


def sweep_view(report: SweepReport, shown: SweepShown) -> View:
    """The sweep in every format."""
    return View(
        "sweep",
        partial(_document, report, shown),
        partial(_json, report, shown),
        partial(_csv, report),
        partial(_arrays, report),
        partial(sweep_pictures, report),
    )


def _document(report: SweepReport, shown: SweepShown) -> Document:
    blocks: list[Block] = [shown.heading, Text(shown.notes, "muted"), _table(report)]
    pictures = sweep_pictures(report)
    blocks += [picture_figure(picture) for picture in pictures]
    if not pictures:
        blocks.append(
            Text((f"The further axes have more than {_MOST_MAPS // 2} combinations: too many maps to draw.",))
        )
    lines: tuple[str, ...] = _MEANINGS
    if report.grid.repeats > 1:
        lines = (*lines, _REPEATED)
    if any(point.outgrown for point in report.points):
        lines = (*lines, _OUTGROWN)
    blocks.append(Text(lines, title="What the phases mean"))
    return Document(tuple(blocks))


def _table(report: SweepReport) -> Table:
    several = report.grid.repeats > 1
    columns = [Column(axis.name) for axis in report.grid.axes]
    columns += [Column("norm", "number"), Column("rate", "number"), Column("λ₁", "number", "math")]
    columns += [Column("±", "number"), Column("phase")]
    if several:
        columns.append(Column("of runs", "count"))
    rows = []
    for index, point in enumerate(report.points):
        at: tuple[Value, ...] = tuple(_ticks_at(report, index))
        norm = None if point.log10_norm is None else Magnitude(point.log10_norm)
        row = (*at, norm, point.rate_per_step, point.lyapunov, point.lyapunov_error, point.phase)
        rows.append((*row, f"{point.agreeing}/{point.runs}") if several else row)
    return Table(_TABLE, tuple(columns), tuple(rows))


def _ticks_at(report: SweepReport, index: int) -> Iterator[str]:
    places = np.unravel_index(index, report.grid.shape)
    for axis, place in zip(report.grid.axes, places, strict=True):
        yield axis.ticks[int(place)]


# ---- pictures ----


def sweep_pictures(report: SweepReport) -> tuple[Picture, ...]:
    """The rate and the phase over one axis or two; of further axes a pair of maps for each combination."""
    axes, shape = report.grid.axes, report.grid.shape
    if len(axes) == 1:
        return (*_curves(report, axes[0]), _phase_map(report, axes[0], None, (), ""))
    combinations = list(product(*(range(size) for size in shape[2:])))
    if 2 * len(combinations) > _MOST_MAPS:
        return ()
    found: list[Picture] = []
    for places in combinations:
        said = [f"{axis.name} {axis.ticks[place]}" for axis, place in zip(axes[2:], places, strict=True)]
        where = f" at {', '.join(said)}" if said else ""
        found.append(_rate_map(report, axes[0], axes[1], places, where))
        found.append(_phase_map(report, axes[0], axes[1], places, where))
    return tuple(found)


def _rate_map(report: SweepReport, across: Axis, down: Axis, places: tuple[int, ...], where: str) -> HeatMap:
    values = _slice(_grid(report, _log_rate), places)
    return _map(f"Growth a step{where}", "log₁₀ of the fitted rate a step", values, across, down, centre=0.0)


def _phase_map(report: SweepReport, across: Axis, down: Axis | None, places: tuple[int, ...], where: str) -> HeatMap:
    values = _slice(_grid(report, lambda point: float(PHASES.index(point.phase))), places)
    return _map(f"Phases{where}", "phase", values, across, down, names=PHASES)


def _map(
    title: str,
    label: str,
    values: Array,
    across: Axis,
    down: Axis | None,
    *,
    names: tuple[str, ...] = (),
    centre: float | None = None,
) -> HeatMap:
    """A heat map of values (across, down); the largest number of the axis that goes down is at the top."""
    if down is None:
        return HeatMap(title, across.name, "", label, values[None, :], across.ticks, ("",), names, centre)
    ticks, rows = down.ticks, values.T
    first, last = down.values[0], down.values[-1]
    if not isinstance(first, str) and not isinstance(last, str) and first < last:
        ticks, rows = ticks[::-1], rows[::-1]
    return HeatMap(title, across.name, down.name, label, rows, across.ticks, ticks, names, centre)


def _curves(report: SweepReport, axis: Axis) -> Iterator[Picture]:
    """The norm and the exponent over an axis of numbers; of fewer than two points none."""
    numbers = [value for value in axis.values if not isinstance(value, str)]
    if len(numbers) < 2:
        return
    x = np.array(numbers, dtype=np.float64)
    norms = _grid(report, lambda point: _number(point.log10_norm))
    if np.isfinite(norms).any():
        norm = Curve("‖∂h_T/∂h_1‖", x, norms, "norm")
        yield Chart("The norm from the last step to the first", axis.name, "norm", (norm,), log10=True)
    exponents = _grid(report, lambda point: _number(point.lyapunov))
    if np.isfinite(exponents).any():
        curve = Curve("λ₁", x, exponents, "norm")
        zero = Curve("0", x, np.zeros_like(x), "threshold")
        yield Chart("The largest Lyapunov exponent", axis.name, "nats a step", (curve, zero))


def _grid(report: SweepReport, of: Callable[[PointSummary], float]) -> Array:
    """A number of every point, with an axis of the array for each axis of the sweep."""
    return np.array([of(point) for point in report.points], dtype=np.float64).reshape(report.grid.shape)


def _slice(values: Array, places: tuple[int, ...]) -> Array:
    """The values over the first axes, at places of the others."""
    for place in reversed(places):
        values = values[..., place]
    return values


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _log_rate(point: PointSummary) -> float:
    if point.rate_per_step is None:
        return np.nan
    return log10(point.rate_per_step) if point.rate_per_step > 0 else -inf


# ---- data ----


def _json(report: SweepReport, shown: SweepShown) -> Iterator[str]:
    axes = [{"name": _key(axis.name), "values": list(axis.values)} for axis in report.grid.axes]
    points = [_point_json(report, index) for index in range(len(report.points))]
    content = {"notes": list(shown.notes), "axes": axes, "repeats": report.grid.repeats, "points": points}
    return json_object("sweep", content)


def _point_json(report: SweepReport, index: int) -> dict[str, object]:
    point = report.points[index]
    found: dict[str, object] = {"at": {_key(name): value for name, value in report.grid.point(index).items()}}
    found["log10_norm"] = _finite(point.log10_norm)
    if point.log10_norm == -inf:
        found["zero"] = True
    found |= {"rate_per_step": point.rate_per_step, "verdict": point.verdict, "lyapunov": _finite(point.lyapunov)}
    if point.lyapunov == -inf:
        found["dies"] = True
    counted = {"agreeing": point.agreeing, "runs": point.runs, "outgrown": point.outgrown}
    return {**found, "lyapunov_error": point.lyapunov_error, "phase": point.phase, **counted}


def _csv(report: SweepReport) -> Iterator[tuple[object, ...]]:
    """The empty cell is an exact zero's logarithm, or a number of a run whose state outgrew float64."""
    yield (*(_key(axis.name) for axis in report.grid.axes), *PointSummary._fields)
    for index, point in enumerate(report.points):
        numbers = (_finite(value) if isinstance(value, float) else value for value in point)
        yield (*report.grid.point(index).values(), *numbers)


def _arrays(report: SweepReport) -> dict[str, Array]:
    """Numbers with an axis for each of the sweep's; phases are counted as in `PHASES`; axes of numbers too."""
    found = {
        "log10_norm": _grid(report, lambda point: _number(point.log10_norm)),
        "rate_per_step": _grid(report, lambda point: _number(point.rate_per_step)),
        "lyapunov": _grid(report, lambda point: _number(point.lyapunov)),
        "lyapunov_error": _grid(report, lambda point: _number(point.lyapunov_error)),
        "phase": _grid(report, lambda point: float(PHASES.index(point.phase))),
    }
    for axis in report.grid.axes:
        numbers = [value for value in axis.values if not isinstance(value, str)]
        if numbers:
            found[f"axis_{_key(axis.name)}"] = np.array(numbers, dtype=np.float64)
    return found


def _key(name: str) -> str:
    return name.replace("-", "_")


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
