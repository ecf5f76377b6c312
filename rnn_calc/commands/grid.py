"""What a sweep goes over, as it is typed."""

from __future__ import annotations

from fractions import Fraction
from math import isfinite

from rnn_calc.commands.setup import choose
from rnn_calc.core.cells import CELLS
from rnn_calc.core.equations import ACTIVATIONS
from rnn_calc.core.errors import TooLargeError, UsageError, did_you_mean, listed, quoted
from rnn_calc.core.grid import Axis, Coordinate, Grid
from rnn_calc.core.sizes import LARGEST_SIZE
from rnn_calc.core.vocabulary import INITS

# The axes that there are: of names, of whole numbers from a least one, of numbers (above 0 where it says so).
NAMES = ("cell", "activation", "init")
WHOLE = {"d-h": 1, "d-in": 1, "layers": 1, "steps": 2, "seed": 0}
NUMBERS = {"spectral-radius": True, "spectral-norm": True, "gain": False, "forget-bias": False}
AXES = ("spectral-radius", "spectral-norm", "gain", "forget-bias", "d-h", "d-in", "layers", "steps", *NAMES, "seed")

# Both scale the same matrices.
_SCALINGS = ("spectral-radius", "spectral-norm")
MOST_RUNS = 100_000
_DIGITS = 6
_AS_IN = "give values, as in 0.5,1,1.5, or start:stop:count, as in 0.5:1.5:11 or 0.1:10:9:log"


def make_grid(texts: list[str], repeats: int) -> Grid:
    """The grid of the axes in `texts`, each NAME=VALUES.

    Raises: UsageError for an axis that is not there, is there twice or has no such values; TooLargeError for too many
    runs.
    """
    if repeats < 1:
        raise UsageError(f"--repeats must be at least 1; it is {repeats}.")
    axes = [_axis(text) for text in texts]
    names = [axis.name for axis in axes]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--over {name} is given {names.count(name)} times; list all its values in one.")
    if set(_SCALINGS) <= set(names):
        raise UsageError("spectral-radius and spectral-norm both scale W_hh; sweep over one of them.")
    if "seed" in names and repeats > 1:
        raise UsageError("--over seed and --repeats both change the seed; take one of them.")
    grid = Grid(tuple(axes), repeats)
    if grid.runs > MOST_RUNS:
        raise TooLargeError(
            f"{' × '.join(map(str, grid.shape))} points{f', {repeats} times each,' if repeats > 1 else ''} are "
            f"{grid.runs:,} runs; a sweep has at most {MOST_RUNS:,}. Take fewer values."
        )
    return grid


def _axis(text: str) -> Axis:
    name, equals, values = text.partition("=")
    name = name.strip().lower().replace("_", "-")
    if name not in AXES:
        hint = did_you_mean(name, AXES)
        raise UsageError(f"There is no axis {quoted(name)}; --over takes {listed(AXES)}.{hint}")
    if not equals or not values.strip():
        raise UsageError(f"--over {name} has no values; {_AS_IN}: --over {name}={example_values(name)}.")
    found = tuple(_name(name, part) for part in values.split(",")) if name in NAMES else _numbers(name, values)
    if len(set(found)) < len(found):
        twice = next(value for index, value in enumerate(found) if value in found[:index])
        raise UsageError(f"--over {name} has {Axis(name, (twice,)).ticks[0]} twice; each point is measured once.")
    return Axis(name, found)


def example_values(name: str) -> str:
    """Values of an axis, as one may type them."""
    examples = {"cell": "rnn,gru,lstm", "activation": "tanh,relu", "init": "gaussian,orthogonal"}
    return examples.get(name) or ("8:128:5:log" if name in WHOLE else "0.5:1.5:11")


def names_on(axis: str) -> tuple[str, ...]:
    """The names that an axis of names can have."""
    return {"cell": tuple(CELLS), "activation": tuple(ACTIVATIONS), "init": tuple(INITS)}[axis]


def _name(axis: str, text: str) -> str:
    return choose(text.strip(), names_on(axis), axis)


def _numbers(name: str, text: str) -> tuple[Coordinate, ...]:
    if ":" in text:
        values = _range(name, text)
    else:
        parts = text.split(",")
        if len(parts) > MOST_RUNS:
            raise TooLargeError(f"--over {name} has {len(parts):,} values; a sweep has at most {MOST_RUNS:,} runs.")
        values = [_number(name, part) for part in parts]
    if name not in WHOLE:
        if NUMBERS[name] and min(values) <= 0:
            raise UsageError(f"--over {name} must be above 0; it has {min(values):g}.")
        return tuple(values)
    if min(values) < WHOLE[name] or max(values) > LARGEST_SIZE:
        beyond = min(values) if min(values) < WHOLE[name] else max(values)
        raise UsageError(f"--over {name} takes whole numbers from {WHOLE[name]} to 10^18; it has {beyond:g}.")
    if ":" not in text and any(value != int(value) for value in values):
        wrong = next(value for value in values if value != int(value))
        raise UsageError(f"--over {name} takes whole numbers; {wrong:g} is none.")
    # Of a range, the nearest; what comes twice is then left out.
    return tuple(dict.fromkeys(round(value) for value in values))


def _range(name: str, text: str) -> list[float]:
    """start:stop:count, both ends included, in equal steps; in equal ratios with :log."""
    parts = text.split(":")
    kinds = ("log", "lin", "linear")
    if len(parts) not in (3, 4) or (len(parts) == 4 and parts[3].strip() not in kinds):
        raise UsageError(f"--over {name}={quoted(text)[1:-1]} is no range; {_AS_IN}.")
    start, stop = (_number(name, part) for part in parts[:2])
    count = parts[2].strip()
    if not (count.isascii() and count.isdecimal() and len(count) < 10 and int(count) >= 2):
        raise UsageError(
            f"--over {name}: the count of a range must be a whole number from 2 to {MOST_RUNS:,}; it is "
            f"{quoted(count)}."
        )
    last = int(count) - 1
    if last >= MOST_RUNS:
        raise TooLargeError(f"--over {name} has {last + 1:,} values; a sweep has at most {MOST_RUNS:,} runs.")
    if start == stop:
        raise UsageError(f"--over {name}: the range begins and ends at {start:g}; give that value alone.")
    if len(parts) == 4 and parts[3].strip() == "log":
        if min(start, stop) <= 0:
            raise UsageError(f"--over {name}: a range in equal ratios must be above 0; it has {min(start, stop):g}.")
        return [start, *(_typed(start ** (1 - k / last) * stop ** (k / last)) for k in range(1, last)), stop]
    # repr, because a text may have an exponent of millions of digits.
    low, high = Fraction(repr(start)), Fraction(repr(stop))
    inner = [float(low + (high - low) * Fraction(k, last)) for k in range(1, last)]
    return [start, *(inner if name in WHOLE else map(_typed, inner)), stop]


def _typed(value: float) -> float:
    """The value with so few digits that it can be typed again."""
    return float(f"{value:.{_DIGITS}g}")


def _number(name: str, text: str) -> float:
    if name in WHOLE and text.strip().isascii() and text.strip().isdecimal() and len(text) <= 20:
        return int(text)  # a float has not the digits of every seed
    try:
        value = float(text)
    except ValueError:
        raise UsageError(f"--over {name}: {quoted(text.strip())} is no number; {_AS_IN}.") from None
    if not isfinite(value):
        raise UsageError(f"--over {name} takes finite numbers; {text.strip()} is none.")
    return value
