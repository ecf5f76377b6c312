"""What is typed wrong is answered with the nearest right thing, or with an example that works: in every command."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from inspect import unwrap
from typing import Any, get_type_hints

import pytest
import typer

from rnn_calc.cli import COMMANDS, app
from rnn_calc.commands.completion import Typed, look_up
from rnn_calc.commands.options import Values
from tests.commandline import calc, refused

ROOT: Any = typer.main.get_command(app)
CONTEXT = ROOT.make_context("rnncalc", [], resilient_parsing=True)
# It refuses to go on without a terminal; its form is tested on one.
NO_SCREEN = [name for name in COMMANDS if name != "ui"]
# What must be there for an option to be looked at.
BESIDE = {"--c0": ["--cell", "lstm"]}


def parameters(command: str) -> Iterator[tuple[Any, Values | None]]:
    """Each option and argument of a command, with the place where its names live."""
    built = ROOT.get_command(CONTEXT, command)
    hints = get_type_hints(unwrap(built.callback), include_extras=True)
    for param in built.get_params(CONTEXT):
        metadata = getattr(hints.get(param.name), "__metadata__", ())
        yield param, next((one for one in metadata if isinstance(one, Values)), None)


def typed(param: Any) -> list[str]:
    """The option as it is typed; nothing for an argument."""
    return [max(param.opts, key=len)] if param.param_type_name == "option" else []


def names_of(values: Values) -> list[str]:
    if values.module == "commands.typed_network" and values.name != "examples":
        return []  # of a file or a network, which are tested with one
    return [candidate.value for candidate in look_up(values, Typed({}, ""))]


def with_a_letter_missing(name: str, names: list[str]) -> str | None:
    """The name without a letter, so that it is no other name, nor another one without a letter."""
    for place in range(len(name) - 2, 0, -1):
        word = name[:place] + name[place + 1 :]
        shorter = [other[:n] + other[n + 1 :] for other in names if other != name for n in range(len(other))]
        if word not in names and word not in shorter:
            return word
    return None


@pytest.mark.parametrize("command", NO_SCREEN)
def test_a_name_with_a_letter_missing_is_exit_2_and_names_it(command: str) -> None:
    tried = 0
    for param, values in parameters(command):
        names = names_of(values) if values and not values.files else []
        for name in names:
            # One letter tells nothing, and `all` stands beside what is asked for.
            word = with_a_letter_missing(name, names) if len(name) > 2 and name != "all" else None
            if word is None or not name.isascii() or name.isdecimal():
                continue
            option = typed(param)
            said = refused(command, *option, word, *BESIDE.get("".join(option), ()), status=2)
            assert said.endswith(f" Did you mean {name}?"), (command, option, word, said)
            tried += 1
    assert tried >= 7  # the formats and the colours at least


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_that_takes_a_name_says_where_its_names_live(command: str) -> None:
    for param, values in parameters(command):
        if param.metavar in ("NAME", "NAMES", "KIND", "STATE", "WHEN", "C,C,…", "[NAME]…", "FILE", "[FILE]"):
            assert values is not None, (command, param.opts)
            assert values.files or values.name == "layers" or names_of(values), (command, param.opts)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_the_names_when_they_are_few(command: str) -> None:
    for param, values in parameters(command):
        names = names_of(values) if values and not values.files else []
        if 1 < len(names) <= 5:
            missing = [name for name in names if name not in param.help]
            assert not missing, (command, param.opts, missing)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_with_a_letter_missing_names_it(command: str) -> None:
    options = [max(param.opts, key=len) for param, _ in parameters(command) if param.param_type_name == "option"]
    for option in options:
        word = with_a_letter_missing(option, options) if len(option) > 5 else None
        if word is not None:
            said = refused(command, word, "2", status=2)
            assert said == (
                f"There is no option '{word}'. Did you mean {option}? `rnncalc {command} -h` lists the options."
            )


@pytest.mark.parametrize(
    ("word", "meant"),
    [("--hidden-size", "--d-h"), ("--input_size", "--d-in"), ("--num-layers", "--layers"), ("--layer-s", "--layers")],
)
def test_what_frameworks_call_it_names_what_it_is_called_here(word: str, meant: str) -> None:
    assert f"Did you mean {meant}?" in refused("shapes", word, "3", status=2)


@pytest.mark.parametrize("command", NO_SCREEN)
def test_a_word_for_a_number_is_answered_with_an_example_that_is_a_number(command: str) -> None:
    for param, _ in parameters(command):
        if param.param_type_name != "option" or param.type.name not in ("integer", "float"):
            continue
        (option,) = typed(param)
        said = refused(command, option, "many", status=2)
        kind = "whole number" if param.type.name == "integer" else "number"
        assert said.startswith(f"{option} takes a {kind}, as in {option} ")
        example = said.split("as in ")[1].split("; ")[0]
        # Some need another option beside them; none is refused as no number.
        result = calc(command, *shlex.split(example))
        assert result.status == 0 or " takes a " not in result.err, (example, result.err)


@pytest.mark.parametrize(
    "line",
    [
        "shapes --d-in 2",
        "shapes --dropout 0.5",
        "shapes --biases 2",
        "trace --seed 2",
        "trace --gain 0.5",
        "gradient-decay --tolerance 1e-10",
        "gradient-decay --threshold 0.001",
        "bptt --clip 0.5",
        "cost --batch 2",
    ],
)
def test_the_examples_for_numbers_work(line: str) -> None:
    command, option, value = line.split()
    said = refused(command, option, "few", status=2)
    assert f" as in {option} {value}; 'few' is none." in said
    assert calc(command, option, value).status == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("shapes", "--steps"), "--steps needs a value behind it."),
        (("shapes", "--json=3"), "--json takes no value; leave away what stands behind the sign =."),
        (("shapes", "lstm"), "Nothing takes the word 'lstm': a value stands behind its option, as in --format json."),
        (("--vers",), "There is no option '--vers'. Did you mean --version?"),
        (("--cell", "lstm"), "Options stand behind the name of a command, as in `rnncalc shapes --cell lstm`."),
        (("trace", "-x", "one"), "number 1: 'one' is no number. Give numbers, as in --sequence \"0.5,0.2; 0.1,0.9\"."),
        (("traec",), "Did you mean trace?"),
    ],
)
def test_what_else_is_wrong_is_said_with_what_would_be_right(words: tuple[str, ...], said: str) -> None:
    assert said in refused(*words, status=1 if "-x" in words else 2)
