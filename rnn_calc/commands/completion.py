"""What the word at the cursor can become: commands, options and their values, for the shells that ask.

A shell asks by running the program with `VARIABLE` in its environment, which names the shell, and with the words of the
line as arguments. The answer is lines: first `values` or `files` (which the shell lists itself), then the values, for
zsh and fish each with a tab and what it is. No shell evaluates any of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from inspect import unwrap
from textwrap import shorten
from typing import Any, NamedTuple, get_type_hints

from rnn_calc.commands.options import Values
from rnn_calc.commands.typed_words import bash_word, split_line
from rnn_calc.core.errors import printable
from rnn_calc.show.format import to_ascii

# As many columns as a shell has room for beside the value.
_LONGEST_HELP = 70


class Candidate(NamedTuple):
    """What the word can become, and what that is."""

    value: str
    told: str = ""


class Typed(NamedTuple):
    """What a list of values may depend on: the options typed before, by parameter, and the word so far."""

    options: Mapping[str, Any]
    word: str


def answer(shell: str, args: Sequence[str], root: Any) -> str:
    """The answer to a shell's question about a line for the group of commands `root`; empty where there is none.

    For bash the arguments are the line up to the cursor, as it is typed, and the characters at which bash breaks words;
    for the others the words after the program's name up to the cursor, without their quotes.
    """
    try:
        return "".join(f"{line}\n" for line in _lines(shell, args, root))
    except Exception:  # whatever is wrong with the line or a file in it, nobody asked for a message
        return ""


def _lines(shell: str, args: Sequence[str], root: Any) -> Iterator[str]:
    if shell == "bash":
        line, breaks = args
        words = split_line(line)
        # Bash shows no more than the words, and what commands do takes time to find.
        found = complete(root, [word.text for word in words[1:]] or [""], told=False)
    elif shell in ("zsh", "fish"):
        found = complete(root, list(args))
    else:
        return
    if found is None:
        yield "files"
        return
    yield "values"
    for value, told in found:
        if not value.isprintable() or not _can_write(value):
            continue  # names in files may hold anything, also what steers a terminal
        if shell == "bash":
            yield bash_word(value, words[-1], breaks)
        else:
            brief = printable(shorten(told, _LONGEST_HELP, placeholder=" …"))
            yield f"{value}\t{brief if _can_write(brief) else to_ascii(brief)}"


def _can_write(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def complete(root: Any, words: list[str], *, told: bool = True) -> list[Candidate] | None:
    """What the last of the words can become; None for the name of a file. `told`: also what each command does."""
    *before, word = words
    command, context = root, root.make_context("rnncalc", [], resilient_parsing=True)
    commands = root.list_commands(context)
    place = next((place for place, name in enumerate(before) if name in commands), None)
    if place is not None:
        command = root.get_command(context, before[place])
        before = before[place + 1 :]
    params = command.get_params(context)
    pending, arguments = _read(before, params)
    if pending is not None:
        before = before[:-1]
    flag, equals, value = word.partition("=")
    if pending is None and equals and flag.startswith("--"):
        pending, word = _options(params).get(flag), value
    else:
        flag = ""
    if pending is None and word.startswith("-"):
        return _started(_flags(params), word)
    if pending is None:
        if place is None:
            names = [name for name in commands if name.startswith(word)]
            return [Candidate(name, root.summary(name) if told else "") for name in names]
        if not arguments:
            return _flags(params) if not word else []
        pending = arguments[0]
    options = command.make_context("rnncalc", before, resilient_parsing=True).params if place is not None else {}
    found = _values(command, pending, Typed(options, word))
    return found and [Candidate(f"{flag}={value}" if flag else value, told) for value, told in found]


def _started(candidates: Iterable[Candidate], word: str) -> list[Candidate]:
    return [candidate for candidate in candidates if candidate.value.startswith(word)]


def _options(params: Iterable[Any]) -> dict[str, Any]:
    return {name: param for param in params if param.param_type_name == "option" for name in param.opts}


def _read(before: Iterable[str], params: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The option whose value comes next (None where none does), and the arguments that are still to come."""
    options = _options(params)
    arguments = [param for param in params if param.param_type_name == "argument"]
    pending, plain = None, False
    for word in before:
        if pending is not None:
            pending = None
        elif word == "--":
            plain = True
        elif word.startswith("-") and not plain:
            param = options.get(word)
            pending = param if param is not None and not param.is_flag else None
        elif arguments and arguments[0].nargs != -1:
            del arguments[0]
    return pending, arguments


def _flags(params: Iterable[Any]) -> list[Candidate]:
    options = [param for param in params if param.param_type_name == "option" and not param.hidden]
    return [
        Candidate(name, param.help or "")
        for param in options
        for name in (*param.opts, *param.secondary_opts)
        if name.startswith("--")
    ]


def _values(command: Any, param: Any, typed: Typed) -> list[Candidate] | None:
    """The values that an option or argument takes, so far as they have names; None for the name of a file."""
    hint = get_type_hints(unwrap(command.callback), include_extras=True).get(param.name)
    source = next((one for one in getattr(hint, "__metadata__", ()) if isinstance(one, Values)), None)
    if source is None:
        return []
    if source.files:
        return None
    before, comma, word = typed.word.rpartition(",") if source.several else ("", "", typed.word)
    candidates = _started(look_up(source, typed._replace(word=word)), word)
    given = before.split(",")
    return [Candidate(f"{before}{comma}{one.value}", one.told) for one in candidates if one.value not in given]


def look_up(source: Values, typed: Typed) -> list[Candidate]:
    """All values of a source, with what is told of each where it lives."""
    found = getattr(import_module(f"rnn_calc.{source.module}"), source.name) if source.module else ()
    if callable(found):
        found = found(typed)
    if isinstance(found, Mapping):
        return [Candidate(str(name), _told(what)) for name, what in found.items()] + list(map(Candidate, source.also))
    return [Candidate(str(name)) for name in (*found, *source.also)]


def _told(what: object) -> str:
    """What the entry of a table says of itself in a few words."""
    if isinstance(what, str):
        return what
    return next((text for name in ("title", "whose") if isinstance(text := getattr(what, name, None), str)), "")
