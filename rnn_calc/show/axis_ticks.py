"""Where an axis has its ticks and what they say, for logarithms far beyond float64 too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, floor, log10

from rnn_calc.show.format import short

# A position on the axis and its text.
Tick = tuple[float, str]

_MOST = 8
_LONGEST = 12
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power(exponent: int, factor: str = "") -> str:
    """A power of ten: 10⁻³, or 2·10⁻³."""
    raised = f"10{str(exponent).translate(_RAISED)}"
    return f"{factor}·{raised}" if factor else raised


def log_ticks(low: float, high: float) -> list[Tick]:
    """Ticks between two base-10 logarithms: powers of ten; over a short span, what lies between these too."""
    if high - low >= 3:
        step = _step((high - low) / _MOST, least=1)
        return [(place, power(place)) for place in range(ceil(low / step) * step, floor(high) + 1, step)]
    if high - low >= 1:
        decades = range(floor(low), floor(high) + 1)
        ticks = [(k + log10(m), power(k, "" if m == 1 else str(m))) for k in decades for m in (1, 2, 5)]
        return [tick for tick in ticks if low <= tick[0] <= high]
    return list(_even_ticks(low, high))


def _even_ticks(low: float, high: float) -> Iterator[Tick]:
    """Evenly apart before the logarithm is taken, in units of the power of ten below."""
    exponent = floor(low)
    start, end = 10 ** (low - exponent), 10 ** (high - exponent)
    step = _step_size((end - start) / _MOST)
    digits = max(0, -floor(log10(step)))
    for place in range(ceil(start / step), floor(end / step) + 1):
        number = round(place * step, digits)
        value = number * 10.0**exponent if -4 <= exponent < 6 else 0.0
        plain = short(value, max(0, digits - exponent))
        yield log10(number) + exponent, plain if value else power(exponent, short(number, digits))


def _step_size(least: float) -> float:
    """The smallest of … 0.1, 0.2, 0.5, 1, 2, 5 … that is not below `least`."""
    unit = 10.0 ** floor(log10(least))
    return next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= least * (1 - 1e-9))


def _step(least_span: float, least: int) -> int:
    return max(least, round(_step_size(least_span)))


def text_ticks(texts: Sequence[str], most: int) -> list[Tick]:
    """At most about `most` of the texts at their places, from the first on."""
    step = _step(len(texts) / most, least=1) if texts else 1
    return [(place, cut_tick(texts[place])) for place in range(0, len(texts), step)]


def cut_tick(text: str) -> str:
    """The text, short enough to stand at an axis: 12 characters."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
