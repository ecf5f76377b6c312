"""What a field is for, in the words of its option's own help."""

from __future__ import annotations

import inspect
from functools import cache

from rnn_calc.commands.parsing import command_function

# The option that a field is, where it is called otherwise.
_OPTION = {"directions": "bidirectional"}


@cache
def describe(name: str, command: str) -> str:
    """The option and its help: `--d-h: Number of hidden units …`; of a command that has no such option, that."""
    parameters = inspect.signature(command_function(command)).parameters
    parameter = parameters.get(_OPTION.get(name, name))
    if parameter is None:
        return f"{name}: {command} has no use for it."
    option = parameter.annotation.__metadata__[0]
    # Typer keeps the first name of an annotated option where a default would be.
    names = (option.default, *(option.param_decls or ()))
    flag = max((text for text in names if isinstance(text, str)), key=len, default=name)
    return f"{flag}: {option.help}"
