"""What somebody typed, made into shapes and numbers; whatever it is, reading it neither fails nor takes long."""

from __future__ import annotations

import re
from fractions import Fraction

# Nothing that answers a question is longer than this.
LONGEST_ANSWER = 200

# A longer number is no answer, and takes long to work with.
_MOST_DIGITS = 40

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d", "-"),
        **dict.fromkeys("\u00a0\u2007\u2009\u202f\u200a\u2002\u2003\t", " "),
        **dict.fromkeys("×✕⋅·∗*", "x"),
        **dict.fromkeys("’‘ʼ′", "'"),
        **dict.fromkeys("⁄∕÷", "/"),
    }
)


def plain(text: str) -> str | None:
    """The answer with the usual signs for minus, blank and times, on one line; None where it cannot be one."""
    if len(text) > 10 * LONGEST_ANSWER:
        return None
    text = " ".join(text.translate(_SIGNS).split())
    if not text or len(text) > LONGEST_ANSWER or not text.isprintable():
        return None
    return text


_WORDS = re.compile(r"(torch\.|tf\.|np\.|numpy\.)?(size|tensorshape|shape)\b\s*[:=]?\s*", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*(?:[,;x/]|\bby\b)\s*|\s+", re.IGNORECASE)


def read_shape(text: str) -> tuple[int, ...] | None:
    """A shape in any usual spelling: (3, 4), 3x4, [3,4], 3 4, "3 by 4", torch.Size([3, 4]), (3,); None for no shape."""
    inner = _WORDS.sub("", text).strip()
    while len(inner) > 1 and inner[0] + inner[-1] in ("()", "[]", "{}", "<>"):
        inner = inner[1:-1].strip()
    sizes = _BETWEEN.split(re.sub(r"\s*,$", "", inner))
    if not all(re.fullmatch(r"0|[1-9][0-9]{0,11}", size) for size in sizes):
        return None
    return tuple(map(int, sizes))


_GROUPED = r"[0-9]{1,3}(?P<between>[, _'])[0-9]{3}(?:(?P=between)[0-9]{3})*"
_POWER = r"(?:\s?e\s?([+-]?[0-9]{1,4})|\s?x\s?10\s?\^\s?[({]?([+-]?[0-9]{1,4})[)}]?)"
_NUMBER = re.compile(rf"([+-]?)\s?({_GROUPED}|[0-9]*)(?:\.([0-9]*))?{_POWER}?", re.IGNORECASE)
_COMMA = re.compile(rf"([+-]?\s?[0-9]*),([0-9]+)({_POWER}?)", re.IGNORECASE)


def could_be_either(text: str) -> bool:
    """Whether the comma could stand for a decimal point as well as between thousands: 1,234."""
    return re.fullmatch(r"[+-]?\s?[1-9][0-9]{0,2},[0-9]{3}", after_equals(text)) is not None


def after_equals(text: str) -> str:
    """What stands behind the last sign of equality: h = 0.42, ≈ 0.42."""
    return re.split(r"[=≈~]", text)[-1].strip()


def read_number(text: str, *, decimal_comma: bool = True) -> Fraction | None:
    """A number exactly as it was typed: 0.42, .42, −1e-3, 1/3, 1,234.5, and 0,42 with `decimal_comma`; else None."""
    text = after_equals(text)
    above, slash, below = text.partition("/")
    if slash:
        parts = [_decimal(part.strip(), decimal_comma=decimal_comma) for part in (above, below)]
        return parts[0] / parts[1] if parts[0] is not None and parts[1] else None
    return _decimal(text, decimal_comma=decimal_comma)


def _decimal(text: str, *, decimal_comma: bool) -> Fraction | None:
    comma = _COMMA.fullmatch(text)
    if comma and decimal_comma and not could_be_either(text):
        text = f"{comma[1]}.{comma[2]}{comma[3]}"
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    sign, whole, _, part, *powers = match.groups()
    digits = re.sub(r"\D", "", whole)
    part = part or ""
    if not (digits or part) or len(digits + part) > _MOST_DIGITS:
        return None
    power = next((int(power) for power in powers if power), 0)
    value = Fraction(int(digits + part), 10 ** len(part)) * Fraction(10) ** power
    return -value if sign == "-" else value
