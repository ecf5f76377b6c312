"""A line as it is typed into bash, read up to the cursor, and words as they must be typed."""

from __future__ import annotations

import re
from typing import NamedTuple

# What bash leaves alone outside of quotes.
_SAFE = re.compile(r"[\w@%+=:,./~-]")


class TypedWord(NamedTuple):
    """A word without its quotes; `quote` is one that is still open; `starts` are where bash may begin anew within it.

    `starts` are of the text, each with the character before it: the quote that opens there, or one that is typed.
    """

    text: str
    quote: str = ""
    starts: tuple[tuple[int, str], ...] = ()


def split_line(line: str) -> list[TypedWord]:
    """The words of a command as bash would read them, the last one, which may be empty, up to the cursor.

    Assignments before the command are left out.
    """
    words: list[TypedWord] = []
    text, quote, starts, begun = "", "", [], False
    characters = iter(line)
    for char in characters:
        if quote == "'" or (quote and char not in '"\\'):
            if char == quote:
                quote = ""
            else:
                text += char
        elif char == "\\":
            after = next(characters, "")
            text += after if not quote or after in '"\\$`' else char + after
            begun = True
        elif char in "\"'":
            quote = "" if quote else char
            begun = True
            if quote:
                starts.append((len(text), char))
        elif char.isspace():
            if begun:
                words.append(TypedWord(text))
            text, starts, begun = "", [], False
        else:
            text += char
            starts.append((len(text), char))
            begun = True
    words.append(TypedWord(text, quote, tuple(starts)))
    while len(words) > 1 and re.match(r"[A-Za-z_]\w*=", words[0].text):
        del words[0]
    return words


def bash_word(value: str, typed: TypedWord, breaks: str) -> str:
    """The part of `value` that stands in for the part of the word that bash completes, quoted as the word is.

    Bash begins anew behind a quote that is open, or behind the last character that breaks words; but at an @, which
    hosts begin with.
    """
    if typed.quote:
        start = max((at for at, char in typed.starts if char == typed.quote), default=0)
        rest = value[start:]
        # Between single quotes nothing stands for one: it ends them, is written outside, and begins them again.
        return rest.replace("'", r"'\''") if typed.quote == "'" else re.sub(r'(["\\$`])', r"\\\1", rest)
    starts = (at - (char == "@") for at, char in typed.starts if char in breaks and char not in "\"'")
    start = max(starts, default=0)
    return "".join(char if _SAFE.match(char) else f"\\{char}" for char in value[start:])
