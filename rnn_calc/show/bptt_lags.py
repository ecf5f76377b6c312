"""The gradient by the length of its paths, truncated and clipped: blocks of a backpropagation's page."""

from __future__ import annotations

from math import degrees, isnan

from rnn_calc.core.stored_gradients import LagShares
from rnn_calc.show.bptt_report import Bptt
from rnn_calc.show.decay import chosen_lags
from rnn_calc.show.document import Block, Column, Magnitude, Table, Text, Value
from rnn_calc.show.format import power_of_ten, short

# What float64 leaves of a difference between two gradients that are nearly the same.
_ROUNDING = 1e-14


def lag_blocks(shown: Bptt) -> list[Block]:
    """How much of the gradient comes through paths of each length; only where all lags are there."""
    if shown.lags_left_out:
        return [Text((shown.lags_left_out,), "warning")]
    if shown.recurrent_lags is None or shown.truncations:
        return []
    whose, shares = shown.recurrent_lags
    columns = (
        Column("lag", "index"),
        Column("norm", "number"),
        Column("share", "number"),
        Column("share of 0 … lag", "number"),
        Column("‖rest‖ / ‖G‖", "number"),
    )
    last = len(shares.lags) - 1
    lags = [0, *chosen_lags(last)] if last else [0]
    # A lag alone between two others takes no more room than its gap.
    lags = sorted({*lags, *(lag + 1 for lag in lags if lag + 2 in lags)})
    rows: list[tuple[Value, ...]] = []
    for before, lag in zip([-1, *lags], lags, strict=False):
        if lag > before + 1:
            hidden = slice(before + 1, lag)
            rows.append((_span(hidden), None, _number(float(shares.shares[hidden].sum())), None, None))
        rows.append(_lag_row(shares, lag))
    title = f"The share of each lag in {whose}: paths that go so many steps back from a loss"
    return [Table(title, columns, tuple(rows), ("Σ", None, _number(float(shares.shares.sum())), "", ""))]


def _span(hidden: slice) -> str:
    return str(hidden.start) if hidden.stop == hidden.start + 1 else f"{hidden.start} to {hidden.stop - 1}"


def _lag_row(shares: LagShares, lag: int) -> tuple[Value, ...]:
    return (
        lag,
        Magnitude(float(shares.log10_norms[lag])),
        _number(float(shares.shares[lag])),
        _number(float(shares.cumulative[lag])),
        _difference(float(shares.relative_differences[lag])),
    )


def _number(value: float) -> Value:
    return None if isnan(value) else value


def _difference(value: float) -> Value:
    """A relative difference; one that rounding could have made is told as such."""
    if isnan(value):
        return None
    return value if value == 0 or value > _ROUNDING else f"< {_ROUNDING:.0e}"


def truncation_blocks(shown: Bptt) -> list[Block]:
    """The truncated gradient beside the full one: by parameter for one k, as a curve for several."""
    if not shown.truncations or shown.all_lags is None:
        return []
    if len(shown.truncations) == 1:
        return [_truncated(shown, shown.truncations[0], shown.all_lags)]
    from rnn_calc.show.bptt_pictures import truncation_chart
    from rnn_calc.show.charts import chart_figure

    assert shown.recurrent_lags
    _, recurrent = shown.recurrent_lags
    pairs = [("all", shown.all_lags)]
    if shown.recurrent:
        only = shown.recurrent[0].symbol if len(shown.recurrent) == 1 else "recurrent"
        pairs = [(only, recurrent), *pairs]
    columns = [Column("k", "index")]
    for label, _ in pairs:
        columns += [Column(f"{label}: difference", "number"), Column("degrees", "number")]
    known = shown.truncations
    chosen = known if len(known) <= 2 * _FEW else [k for k in known if k in {*chosen_lags(max(known)), known[0]}]
    rows = []
    for k in chosen:
        row: list[Value] = [k]
        for _, shares in pairs:
            lag = min(k, len(shares.lags) - 1)
            row += [_difference(float(shares.relative_differences[lag])), _angle(shares, lag)]
        rows.append(tuple(row))
    title = "Truncated after k steps back: ‖truncated − full‖/‖full‖, and the angle between them"
    return [chart_figure(truncation_chart(shown)), Table(title, tuple(columns), tuple(rows))]


_FEW = 8


def _angle(shares: LagShares, lag: int) -> Value:
    """The angle in degrees; one that rounding could have made is told as such."""
    angle = float(shares.angles[lag])
    if isnan(angle):
        return None
    return degrees(angle) if angle == 0 or angle > _ROUNDING else f"< {degrees(_ROUNDING):.0e}"


def _truncated(shown: Bptt, k: int, together: LagShares) -> Table:
    columns = (
        Column("gradient", "math"),
        Column("truncated norm", "number"),
        Column("full norm", "number"),
        Column("difference", "number"),
        Column("degrees", "number"),
    )

    def row(label: str, shares: LagShares, full: float) -> tuple[Value, ...]:
        lag = min(k, len(shares.lags) - 1)
        kept = Magnitude(float(shares.log10_kept[lag]))
        return label, kept, Magnitude(full), _difference(float(shares.relative_differences[lag])), _angle(shares, lag)

    rows = tuple(row(f"∂L/∂{own.symbol}", shown.stored_lags[own.symbol], own.log10_norm) for own in shown.stored)
    total = row("all together", together, shown.together[0])
    title = f"Truncated after {k} {'step' if k == 1 else 'steps'} back (lags 0 to {k}), beside the full gradient"
    return Table(title, columns, rows, total)


def clip_blocks(shown: Bptt) -> list[Block]:
    """What clipping makes of the gradient's norm."""
    clipping = shown.clipping
    if clipping is None:
        return []
    before, after = power_of_ten(clipping.log10_before, 5), power_of_ten(clipping.log10_after, 5)
    if clipping.log10_factor == 0:
        told = f"The norm over all parameters, {before}, does not pass {short(clipping.limit)}: nothing changes."
        return [Text((told,), title="Clipping, as torch.nn.utils.clip_grad_norm_ does it")]
    factor = power_of_ten(clipping.log10_factor, 5)
    lines = (
        f"norm over all parameters before   {before}",
        f"factor {short(clipping.limit)}/(norm + 1e-6)          {factor}",
        f"norm after                        {after}",
        "Every gradient is multiplied by the one factor: its direction, and each share above, stays.",
    )
    return [Text(lines, title="Clipping, as torch.nn.utils.clip_grad_norm_ does it")]
