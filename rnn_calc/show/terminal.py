"""A document on a terminal, plain or in colours, and as SVG.

Rich knows every kind of terminal and draws pictures, but takes half as long to import as a short command takes at all:
it is asked where plain text and the eight colours that every terminal has will not do.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from rnn_calc.show.document import Document, Layout, Line
from rnn_calc.show.page import page_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.text import Text

# As Rich writes a style.
STYLES = {
    "": "",
    "title": "bold",
    "math": "cyan",
    "shape": "green",
    "number": "",
    "count": "",
    "text": "",
    "vector": "",
    "index": "",
    "muted": "dim",
    "good": "bold green",
    "bad": "bold red",
    "warning": "yellow",
    # Stands out on dark and on light; where it is not seen, a mark says the same.
    "lit": "bold reverse",
}

# What tells a terminal so: select graphic rendition, ECMA-48.
_CODES = {"bold": "1", "dim": "2", "reverse": "7", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}

# From blue for −1 over light grey to red for +1: told apart by every kind of colour vision, on black and on white.
_COLD, _HOT, _NEUTRAL = (33, 102, 200), (200, 40, 43), (225, 225, 225)
# From dark blue for 0 over grey to yellow for 1, as cividis: evenly lighter, whatever colours one sees.
_LEVELS = ((0, 34, 78), (66, 78, 108), (124, 123, 120), (183, 171, 107), (254, 232, 56))
# Okabe and Ito's colours without black, the light and the dark by turns.
_KINDS = ((86, 180, 233), (213, 94, 0), (240, 228, 66), (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167))
# A colour whose red, green and blue together are less takes white letters.
_DARK = 330
# Styles whose colours not every terminal has.
_COLORED = ("heat", "level", "kind")

_SVG_FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px;
  line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def style_of(names: str) -> str:
    """The Rich style of style names.

    `heat:v` is the colour of a value between −1 and 1, `level:v` of one between 0 and 1, `kind:k` that of category k.
    """
    scale, _, given = names.partition(":")
    if not given:
        return " ".join(STYLES[name] for name in names.split())
    if scale == "kind":
        red, green, blue = _KINDS[int(given) % len(_KINDS)]
        ink = 255 if red + green + blue < _DARK else 0
        return f"rgb({ink},{ink},{ink}) on rgb({red},{green},{blue})"
    value = float(given)
    if scale == "heat":
        low, high, share = _NEUTRAL, _HOT if value > 0 else _COLD, min(1.0, abs(value))
    else:
        place = max(0.0, min(1.0, value)) * (len(_LEVELS) - 1)
        below = min(int(place), len(_LEVELS) - 2)
        low, high, share = _LEVELS[below], _LEVELS[below + 1], place - below
    red, green, blue = (round(start + (end - start) * share) for start, end in zip(low, high, strict=True))
    return f"on rgb({red},{green},{blue})"


def render_terminal(
    document: Document, stream: IO[str], *, precision: int, width: int | None = None, color: str = "auto"
) -> None:
    """The document on `stream`, in the terminal's width and with as many colours and characters as it has.

    With `color` always it has colours wherever it goes and whatever the environment says, with never it has none.
    """
    has_color = _has_color(stream) if color == "auto" else color == "always"
    written = None
    if has_color is not None:
        encoding = getattr(stream, "encoding", None) or "utf-8"
        layout = Layout(width or _page_width(), precision, not _can_encode(encoding), has_color)
        written = _written(page_lines(document, layout), has_color)
    if written is None:
        console = _console(stream, width, forced=color == "always")
        with console.capture() as capture:
            _print(document, console, precision)
        written = capture.get().splitlines()
    # Columns are padded; nobody wants to copy that.
    stream.write("".join(f"{line.rstrip()}\n" for line in written))


def _console(stream: IO[str], width: int | None, *, forced: bool) -> Console:
    """Rich's view of the stream; `forced` to have colours: as many as the environment tells of, or else 256."""
    from rich.console import Console

    if not forced:
        return Console(file=stream, highlight=False, markup=False, emoji=False, width=width)
    known = Console(file=stream, force_terminal=True).color_system
    return Console(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        width=width or _page_width(),
        force_terminal=True,
        no_color=False,
        color_system=known or "256",  # type: ignore[arg-type]  # it is typed as any text
    )


def _written(lines: Iterable[Line], has_color: bool) -> list[str] | None:
    """The lines with their colours; None where one has a colour that not every terminal has."""
    found = []
    for line in lines:
        if not has_color:
            found.append("".join(text for text, _ in line))
        elif any(style == "ansi" or style.partition(":")[0] in _COLORED for _, style in line):
            return None
        else:
            found.append("".join(_styled(text, style) for text, style in line))
    return found


def _styled(text: str, style: str) -> str:
    codes = ";".join(dict.fromkeys(_CODES[word] for word in style_of(style).split()))
    return f"\x1b[{codes}m{text}\x1b[0m" if codes and text else text


def render_svg(document: Document, *, precision: int, title: str, width: int, has_color: bool = True) -> str:
    """The document as an SVG picture of a terminal; it loads nothing, fonts included."""
    from rich.console import Console

    console = Console(
        file=io.StringIO(),
        record=True,
        width=width,
        force_terminal=True,
        color_system="truecolor",
        # What is recorded keeps its colours all the same; the layout is told so that charts use characters.
        no_color=not has_color,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )
    _print(document, console, precision)
    return console.export_svg(title=title, code_format=_SVG_FORMAT, unique_id="rnncalc")


def _has_color(stream: IO[str]) -> bool | None:
    """Whether the stream shows colours; None where Rich must say: they are forced or forbidden, or it is Windows."""
    if "FORCE_COLOR" in os.environ or "TTY_COMPATIBLE" in os.environ:
        return None
    if not stream.isatty():
        return False
    known = os.name == "posix" and os.environ.get("TERM", "").lower() not in ("", "dumb", "unknown")
    return True if known and "NO_COLOR" not in os.environ else None


def _page_width() -> int:
    """What COLUMNS says, or else the width of the terminal that any standard stream belongs to, as Rich finds it."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal():
        return int(columns) or 80
    for stream in (sys.__stdin__, sys.__stdout__, sys.__stderr__):
        with suppress(AttributeError, ValueError, OSError):
            # 0 from a terminal that does not know.
            return os.get_terminal_size(stream.fileno()).columns or 80  # type: ignore[union-attr]  # None: it is closed
    return 80


def _print(document: Document, console: Console, precision: int) -> None:
    has_color = console.color_system is not None and not console.no_color
    layout = Layout(console.width, precision, not _can_encode(console.encoding), has_color)
    for line in page_lines(document, layout, fold_commands=console.record):
        text = rich_text(line if has_color or not console.record else [(part, "") for part, _ in line])
        console.print(text, no_wrap=True, overflow="ignore", crop=False)


def _can_encode(encoding: str) -> bool:
    try:
        "─²→✓█".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def rich_text(line: Line) -> Text:
    """The line as Rich and Textual take it."""
    from rich.text import Text

    text = Text()
    for part, style in line:
        if style == "ansi":
            text.append_text(Text.from_ansi(part))
        else:
            text.append(part, style_of(style))
    return text
