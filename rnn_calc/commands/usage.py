"""What Typer refuses, said in our words: what is wrong, what was expected, and what would have worked."""

from __future__ import annotations

import re
from typing import Any

import typer

from rnn_calc.core.errors import did_you_mean, quoted

# What others call it, for whom its name here is not near enough.
_ELSEWHERE = {
    "batch-size": "batch",
    "dim": "d-h",
    "epochs": "steps",
    "features": "d-h",
    "hidden": "d-h",
    "hidden-dim": "d-h",
    "hidden-size": "d-h",
    "input-dim": "d-in",
    "input-size": "d-in",
    "n-layers": "layers",
    "nonlinearity": "activation",
    "num-embeddings": "vocab",
    "num-layers": "layers",
    "output-dim": "d-out",
    "output-size": "d-out",
    "proj-size": "proj",
    "seq-len": "steps",
    "sequence-length": "steps",
    "timesteps": "steps",
    "units": "d-h",
    "vocab-size": "vocab",
}
_NO_NUMBER = re.compile(r"'(?P<given>.*)' is not a valid (?P<kind>int|integer|float)\.", re.DOTALL)


def describe_usage(error: typer.TyperException) -> str:
    """Typer's own complaint as one of ours: what is wrong, the nearest right thing, where to look."""
    context = getattr(error, "ctx", None)
    message = _said(error, context) or f"{error.format_message().rstrip('.')}."
    return f"{message} `{context.command_path} -h` lists the options." if context else message


def _said(error: typer.TyperException, context: Any) -> str | None:
    """Our words for what Typer says most often; None for everything else."""
    name = getattr(error, "option_name", None)
    if name is not None and error.message.startswith("No such option"):
        return _no_such_option(name, context)
    if name is not None and "requires" in error.message:
        return f"{name} needs a value behind it."
    if name is not None and "does not take a value" in error.message:
        return f"{name} takes no value; leave away what stands behind the sign =."
    if extra := re.fullmatch(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)\.?", error.message, re.DOTALL):
        return f"Nothing takes the word {quoted(extra[1])}: a value stands behind its option, as in --format json."
    param = getattr(error, "param", None)
    wrong = _NO_NUMBER.fullmatch(error.message)
    if param is None or wrong is None:
        return None
    flag, kind = max(param.opts, key=len), "number" if wrong["kind"] == "float" else "whole number"
    return f"{flag} takes a {kind}, as in {flag} {_example(param)}; {quoted(wrong['given'])} is none."


def _no_such_option(name: str, context: Any) -> str:
    params = context.command.get_params(context) if context else ()
    options = [option for param in params for option in (*param.opts, *param.secondary_opts)]
    known = [option.removeprefix("--") for option in options if option.startswith("--")]
    word = name.lstrip("-").replace("_", "-").lower()
    meant = _ELSEWHERE.get(word, word)
    if getattr(context, "parent", None) is None and not any(option.startswith(word) for option in known):
        hint = " Options stand behind the name of a command, as in `rnncalc shapes --cell lstm`."
    else:
        hint = did_you_mean(meant if meant in known else word, known).replace("mean ", "mean --")
    return f"There is no option {quoted(name)}.{hint}"


def _example(param: Any) -> str:
    """A value that the option takes: its default, where that is a number, else one that nearly all take."""
    if isinstance(param.default, int | float) and not isinstance(param.default, bool):
        return f"{param.default:g}"
    return "0.5" if param.type.name == "float" else "2"
