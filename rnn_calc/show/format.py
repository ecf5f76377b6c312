"""Numbers, vectors and characters as text."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, isnan
from typing import TYPE_CHECKING

from rnn_calc.show.document import Kind, Magnitude, Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LARGEST_FIXED = 1e6
_LONGEST_VECTOR = 12

# What an ASCII-only page shows instead of the characters this package writes.
_ASCII = str.maketrans(
    {
        "²": "^2",
        "·": "*",
        "×": "x",
        "−": "-",
        "–": "-",
        "—": "-",
        "…": "...",
        "→": "->",
        "←": "<-",
        "↑": "^",
        "↓": "v",
        "✓": "ok",
        "✗": "NO",
        "≤": "<=",
        "≥": ">=",
        "≈": "~",
        "∞": "inf",
        "∂": "d",
        "‖": "||",
        "√": "sqrt",
        "Σ": "sum",
        "∏": "prod",
        "ᵀ": "^T",
        "±": "+/-",
        "½": "1/2",
        "δ": "delta",
        "γ": "gamma",
        "η": "eta",
        "κ": "kappa",
        "λ": "lambda",
        "σ": "sigma",
        "ρ": "rho",
        "φ": "phi",
        "′": "'",
        "₀": "0",
        "₁": "1",
        "₂": "_2",
        "⊙": "(*)",
        "“": '"',
        "”": '"',
        "’": "'",
        "⋮": ":",
        "⋯": "~",
        "▸": ">",
        "◂": "<",
        "├": "+",
        "┌": "+",
        "┐": "+",
        "└": "+",
        "┘": "+",
        "│": "|",
        "─": "-",
        "▁": "_",
        "▂": ".",
        "▃": ":",
        "▄": "-",
        "▅": "=",
        "▆": "+",
        "▇": "*",
        "█": "#",
        "▓": "%",
        "▒": "+",
        "░": ".",
    }
)


def to_ascii(text: str) -> str:
    """The text in ASCII: known signs spelt out, anything else escaped as Python does it."""
    return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


def number(value: float, precision: int = 4) -> str:
    """A number for a table: fixed point where that shows enough of it, scientific where not; zero is 0."""
    if value == 0:
        return "0"
    if not isfinite(value):
        return "nan" if isnan(value) else ("−∞" if value < 0 else "∞")
    magnitude = abs(value)
    if magnitude >= _LARGEST_FIXED or (precision and magnitude < 10**-precision) or (not precision and magnitude < 1):
        return f"{value:.{precision}e}"
    return f"{value:.{precision}f}"


# A radius, a norm or a bound this close to 1 is 1 for a rule of thumb.
ABOUT_ONE = 1e-9


def apart_from_1(value: float) -> str:
    """A number that is not 1, with as many digits as it takes to see that."""
    return next((text for digits in range(4, 16) if float(text := short(value, digits)) != 1), short(value))


def short(value: float, precision: int = 4) -> str:
    """A number for a sentence or a worked line: no trailing zeros (0.3, 1, 0.3714)."""
    text = number(value, precision)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def vector(values: Sequence[float] | NDArray[np.float64], precision: int = 4) -> str:
    """Numbers in brackets: [0.3714, 0.4136]; of a long vector head and tail, and how many are between them."""
    if len(values) <= _LONGEST_VECTOR:
        return f"[{', '.join(short(float(value), precision) for value in values)}]"
    end = _LONGEST_VECTOR // 3
    head, tail = (", ".join(short(float(value), precision) for value in part) for part in (values[:end], values[-end:]))
    return f"[{head}, ({len(values) - 2 * end:,} more), {tail}]"


def power_of_ten(log10_value: float, precision: int = 3) -> str:
    """A number that may be far beyond float64, from its base-10 logarithm: 0.0416, 5.21e-75, 1.02e+4000, 0."""
    if log10_value == float("-inf"):
        return "0"
    if -4 <= log10_value < 6:
        return f"{10**log10_value:.{precision + 1}g}"
    exponent = int(log10_value // 1)
    mantissa = f"{10 ** (log10_value - exponent):.{precision}f}"
    if mantissa.startswith("10"):
        mantissa, exponent = f"{1:.{precision}f}", exponent + 1
    return f"{mantissa}e{exponent:+d}"


def plural(count: int, noun: str) -> str:
    """A count with its noun: 1 step, 12 steps."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def write_value(value: Value, kind: Kind, precision: int) -> str:
    """A table cell as text: absence is –, counts have thousands separators."""
    match value:
        case None:
            return "–"
        case Magnitude(log10):
            return power_of_ten(log10, max(0, precision - 1))
        case str():
            return value
        case int():
            return str(value) if kind == "index" else f"{value:,}"
        case float():
            return number(value, precision)
        case _:
            return vector(value, precision)
