"""The form as data: which fields there are, what each changes, and which tab's command takes it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Literal, NamedTuple

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.equations import ACTIVATIONS

# Longer numbers are typed, and not counted up.
_MOST_DIGITS = 18

# whole: a whole number. widths: one, or one for each layer with commas between. decimal: a number with hundredths.
# name: one of some choices. text: anything.
Kind = Literal["whole", "widths", "decimal", "name", "text"]


def _inits() -> tuple[str, ...]:
    from rnn_calc.core.vocabulary import INITS

    return tuple(INITS)


def _losses() -> tuple[str, ...]:
    from rnn_calc.core.vocabulary import LOSSES

    return tuple(LOSSES)


class Field(NamedTuple):
    """A field of the form: the option it writes (`name` in Python's spelling), and what its arrow keys do.

    `only` names the one tab that it is on. `start` is where the arrows begin when nothing is known.
    """

    name: str
    label: str
    kind: Kind = "whole"
    choices: Callable[[], tuple[str, ...]] = tuple
    least: int = 1
    start: str = "1"
    only: str = ""


FIELDS = (
    Field("d_in", "d_in"),
    Field("d_h", "d_h", "widths"),
    Field("d_out", "d_out", least=0),
    Field("steps", "T steps", start="10"),
    Field("batch", "B batch"),
    Field("cell", "cell", "name", lambda: tuple(CELLS)),
    Field("convention", "convention", "name", lambda: tuple(CONVENTIONS)),
    Field("layers", "layers"),
    Field("directions", "directions", "name", lambda: ("1", "2")),
    Field("activation", "activation", "name", lambda: tuple(ACTIVATIONS)),
    Field("init", "init", "name", _inits),
    Field("spectral_radius", "ρ radius", "decimal", start="1.00"),
    Field("seed", "seed", least=0, start="0"),
    Field("sequence", "sequence", "text"),
    Field("text", "text", "text"),
    Field("step", "step t", only="trace"),
    Field("unit", "unit", only="trace"),
    Field("loss", "loss", "name", _losses, only="bptt"),
    Field("targets", "targets", "text", only="bptt"),
)
FIELD = {field.name: field for field in FIELDS}

_NETWORK = ("d_in", "d_h", "d_out", "cell", "convention", "layers", "directions", "activation")
_RUN = (*_NETWORK, "steps", "init", "spectral_radius", "seed", "sequence", "text")


class Tab(NamedTuple):
    """A tab: its command, its title, and the fields that the command takes."""

    command: str
    title: str
    takes: tuple[str, ...]


TABS = (
    Tab("shapes", "Shapes", (*_NETWORK, "steps", "batch")),
    Tab("params", "Parameters", (*_NETWORK, "steps")),
    Tab("trace", "Trace", (*_RUN, "step", "unit")),
    Tab("gradient-decay", "Gradient decay", _RUN),
    Tab("bptt", "BPTT", (*_RUN, "loss", "targets")),
    Tab("cost", "Cost", (*_NETWORK, "steps", "batch")),
)
TAB = {tab.command: tab for tab in TABS}
# A tab that is no form's.
QUIZ = "quiz"
TITLES = {**{tab.command: tab.title for tab in TABS}, QUIZ: "Quiz"}


# Columns of a page: on fewer nothing can be read.
NARROWEST = 20


def stepped(field: Field, text: str, shown: str, by: int, place: int = 0) -> str:
    """What an arrow key makes of a field that holds `text`, or nothing and then shows `shown`.

    `by` counts up: 1 or −1, 10 or −10 with Shift; hundredths of a decimal. `place` is the cursor: of several widths
    it says which. A text that is no number is left for the number that is shown.
    """
    if field.kind == "text":
        return text
    if field.kind == "name":
        return _next(field.choices(), text or shown, by)
    if field.kind == "decimal":
        value = _decimal(text) or _decimal(shown) or Decimal(field.start)
        return str(max(Decimal("0.01"), value + Decimal(by) / 100).quantize(Decimal("0.01")))
    parts = (text or shown).split(",") if field.kind == "widths" else [text or shown]
    index = text[:place].count(",") if len(parts) > 1 else 0
    number = next(known for text in (parts[index], shown, field.start) if (known := whole(text)) is not None)
    parts[index] = str(max(field.least, number + by))
    return ",".join(part.strip() for part in parts)


def whole(text: str) -> int | None:
    """The whole number that is typed, as far as one counts; others, and what is none, are nothing."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _MOST_DIGITS else None


def _next(choices: tuple[str, ...], name: str, by: int) -> str:
    if name not in choices:
        near = [choice for choice in choices if choice.startswith(name)]
        return near[0] if near else choices[0]
    return choices[(choices.index(name) + (1 if by > 0 else -1)) % len(choices)]


def _decimal(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    # Zero is no radius, and what has so many digits is typed and not counted up.
    return value if value.is_finite() and 0 < value < 10**6 else None
