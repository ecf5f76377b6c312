"""Lyapunov exponents beside a decay: a table with error bars, the dimension, and what they are not."""

from __future__ import annotations

from math import isfinite, isinf, log

from rnn_calc.core.lyapunov import LyapunovReport
from rnn_calc.core.weights import Array
from rnn_calc.show.decay_series import NetworkDecay, block_of
from rnn_calc.show.document import Block, Column, Magnitude, Table, Text, Value
from rnn_calc.show.format import plural, power_of_ten, short
from rnn_calc.show.selection import Selection, head_and_tail

_MOST_ROWS = 12


def lyapunov_blocks(network: NetworkDecay, label: str) -> list[Block]:
    """The exponents and what they say; nothing where they were not asked for."""
    report = network.lyapunov
    if report is None:
        return []
    states = ", ".join(network.first.layer.symbol(name) for name in network.first.layer.state)
    title = f"Lyapunov exponents of the sequence of {states}{label}"
    return [_table(report, title), _list([*_left_out(report), *_said(network, report)])]


def exponents_alone(report: LyapunovReport) -> list[Block]:
    """The exponents without the decay of the same run."""
    said = [_rates(report), _about_dimension(report), *_about_the_sign(report), *_about_the_unresolved(report)]
    return [_table(report, "Lyapunov exponents"), _list([*_left_out(report), *said])]


def _list(lines: list[str]) -> Text:
    return Text(tuple(f"· {line}" for line in lines))


def _table(report: LyapunovReport, title: str) -> Table:
    columns = (
        Column("i", "index"),
        Column("λ_i, nats a step", "number"),
        Column("± standard error", "number"),
        Column("factor a step, e^λ_i", "number"),
    )
    return Table(title, columns, tuple((i + 1, *_row(report, i)) for i in _chosen(report).shown))


def _chosen(report: LyapunovReport) -> Selection:
    return head_and_tail(len(report.exponents), _MOST_ROWS)


def _row(report: LyapunovReport, i: int) -> tuple[Value, ...]:
    exponent, error = float(report.exponents[i]), float(report.errors[i])
    shown = exponent if report.resolved[i] else f"< {short(exponent)}"
    return shown, error if isfinite(error) else None, Magnitude(exponent / log(10))


def _left_out(report: LyapunovReport) -> list[str]:
    count = _chosen(report).left_out
    return [f"{plural(count, 'exponent')} between the first and the last left out; --json has all."] if count else []


def _said(network: NetworkDecay, report: LyapunovReport) -> list[str]:
    first = network.first
    return [
        _rates(report),
        _about_dimension(report),
        f"A rate is no norm: e^(λ₁·lag) is not ‖{block_of(first, first)}‖₂ at any one lag, which also has a "
        f"transient. Its fitted rate per step is {short(first.rate_per_step)}, and e^λ₁ is "
        f"{power_of_ten(report.largest / log(10))}.",
        *_about_the_sign(report),
        *_about_the_unresolved(report),
    ]


def _rates(report: LyapunovReport) -> str:
    return (
        f"Rates along {plural(report.steps, 'step')} ({_burned(report.burn_in)} left out), at which small differences "
        f"of the state grow or shrink, by QR; {_about_errors(report)}."
    )


def _burned(count: int) -> str:
    return f"the first {count:,} are" if count > 1 else "the first is" if count else "none is"


def _about_errors(report: LyapunovReport) -> str:
    if report.blocks < 2:
        return "one step has no error to tell, which takes two blocks of steps"
    return f"the errors come from {report.blocks} blocks of steps, taken as independent"


def _about_dimension(report: LyapunovReport) -> str:
    dimension = report.kaplan_yorke
    count = len(report.exponents)
    if dimension is None:
        return f"The Kaplan–Yorke dimension is above {count}: the exponents measured do not add up to below 0 yet."
    if dimension == 0:
        return "The Kaplan–Yorke dimension is 0: the largest exponent is negative, so neighbouring states meet."
    whole = ", all there are" if dimension == report.width else ""
    return f"The Kaplan–Yorke dimension, how many exponents add up to 0, is {short(dimension)}{whole}."


def _about_the_sign(report: LyapunovReport) -> list[str]:
    if not abs(report.largest) < 2 * report.largest_error:
        return []
    return ["λ₁ is within two standard errors of 0, so its sign is not certain; more --steps tell more."]


def _about_the_unresolved(report: LyapunovReport) -> list[str]:
    lost = int((~report.resolved).sum())
    if not lost:
        return []
    return [
        f"{plural(lost, 'exponent')} marked < shrank beyond rounding beside others within one step: what stands there "
        "is an upper bound."
    ]


def lyapunov_json(network: NetworkDecay) -> dict[str, object]:
    """The exponents under "lyapunov"; empty where they were not asked for."""
    report = network.lyapunov
    if report is None:
        return {}
    rows = zip(report.exponents.tolist(), report.errors.tolist(), report.resolved.tolist(), strict=True)
    exponents = [
        {
            "exponent": exponent if isfinite(exponent) else None,
            "error": error if isfinite(error) else None,
            "resolved": resolved,
            **({"dies": True} if isinf(exponent) else {}),
        }
        for exponent, error, resolved in rows
    ]
    return {
        "lyapunov": {
            "unit": "nats a step",
            "exponents": exponents,
            "kaplan_yorke": report.kaplan_yorke,
            "width": report.width,
            "burn_in": report.burn_in,
            "steps": report.steps,
            "blocks": report.blocks,
        }
    }


def lyapunov_arrays(network: NetworkDecay) -> dict[str, Array]:
    """The exponents and their errors."""
    report = network.lyapunov
    return {} if report is None else {"lyapunov": report.exponents, "lyapunov_error": report.errors}
