"""Every error a user can meet.

RnnCalcError                exit 1
├── UsageError              exit 2: the command line is wrong
├── DataError               exit 1: a file, a sequence or a weight is wrong
│   ├── SizeError           a size is not a size, or two of them disagree
│   └── NonFiniteError      NaN or infinity where a number is needed
├── TooLargeError           exit 1: it would not fit in memory, or passes a stated limit
├── OutputError             exit 1: the result cannot be written where it should go
├── CheckFailedError        exit 1: a check that was asked for found a difference
└── OutputClosedError       exit 0: the reader of our output has seen enough
"""

from __future__ import annotations

from collections.abc import Iterable

LONGEST_QUOTE = 60


class RnnCalcError(Exception):
    """An error whose message is meant for the user; `exit_status` is what the command ends with."""

    exit_status = 1


class UsageError(RnnCalcError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_status = 2


class DataError(RnnCalcError):
    """What came in (a file, a sequence, a weight) is not what it must be."""


class SizeError(DataError):
    """A size is no positive whole number, or two sources of it disagree."""


class NonFiniteError(DataError):
    """A NaN or an infinity stands where a number is needed."""


class TooLargeError(RnnCalcError):
    """The answer would need more memory than there is, or the input passes a stated limit."""


class OutputError(RnnCalcError):
    """The output cannot be written."""


class CheckFailedError(RnnCalcError):
    """A check the user asked for did not hold."""


class OutputClosedError(RnnCalcError):
    """The other end of the pipe was closed (`| head`): nothing is wrong, stop quietly."""

    exit_status = 0


def printable(text: str, *, keep: str = "") -> str:
    r"""`text` with everything that could steer a terminal escaped: ESC, bidi marks, line ends (`\x1b`, `\u202e`).

    Characters in `keep` pass. Printable Unicode passes, whatever its script.
    """
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode("ascii") for char in text
    )


def quoted(text: object) -> str:
    """`text` for a message: in quotes, harmless on a terminal, cut to a readable length with its length said."""
    plain = str(text)
    if len(plain) <= LONGEST_QUOTE:
        return f"'{printable(plain)}'"
    return f"'{printable(plain[:LONGEST_QUOTE])}' and {len(plain) - LONGEST_QUOTE} more characters"


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """A sentence naming the choice nearest to `word`, or an empty string; meant to end a message.

    Nearest is what has fewest letters beyond a beginning of two or more, else what is spelt most alike.
    """
    import difflib

    folded = word.casefold()[:200]
    by_folded = {choice.casefold(): choice for choice in choices}
    begun = [name for name in by_folded if len(folded) > 1 and name.startswith(folded)]
    close = sorted(begun, key=len) or difflib.get_close_matches(folded, by_folded, n=1, cutoff=0.5)
    return f" Did you mean {by_folded[close[0]]}?" if close else ""


def listed(words: Iterable[str]) -> str:
    """The words joined as a sentence does it: `a, b or c`."""
    *head, last = list(words)
    return f"{', '.join(head)} or {last}" if head else last
