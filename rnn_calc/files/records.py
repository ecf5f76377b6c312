"""A measurement as a line of JSON, and back; what is read back is looked at as if anybody had written it."""

from __future__ import annotations

from math import inf, isfinite

from rnn_calc.core.phases import OUTGROWN, PHASES, VERDICTS, Measurement

# JSON has no infinity.
_ZERO = "-inf"
_NUMBERS = ("log10_norm", "rate_per_step", "lyapunov", "lyapunov_error")
# The logarithms of exact zeros.
_LOGARITHMS = ("log10_norm", "lyapunov")


def measurement_record(measurement: Measurement) -> dict[str, float | str | None]:
    """The fields of a measurement by name, as JSON can hold them."""
    return {name: _ZERO if value == -inf else value for name, value in measurement._asdict().items()}


def read_measurement(record: object) -> Measurement | None:
    """The measurement of a record; None where it is no such thing."""
    if not isinstance(record, dict) or set(record) != set(Measurement._fields):
        return None
    verdict, phase = record["verdict"], record["phase"]
    if verdict not in VERDICTS or phase not in PHASES:
        return None
    if phase != verdict and (phase, verdict) != ("chaotic", "exploding"):
        return None
    numbers: dict[str, float | None] = {}
    for name in _NUMBERS:
        value = record[name]
        if value == _ZERO and name in _LOGARITHMS:
            value = -inf
        elif value is not None and (type(value) is not float or not isfinite(value)):
            return None
        numbers[name] = value
    found = Measurement(verdict=verdict, phase=phase, **numbers)
    # A norm and an exponent are missing together or not at all.
    missing = [found.log10_norm is None, found.lyapunov is None]
    return None if any(missing) and found != OUTGROWN else found
