"""Weights, inputs and first states, from options and a model file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from rnn_calc.commands.setup import Setup, chosen, known_input
from rnn_calc.core.errors import DataError, SizeError, UsageError, did_you_mean, quoted
from rnn_calc.core.sizes import check_size
from rnn_calc.core.storage import fit_biases, read_arrays
from rnn_calc.core.vocabulary import INITS, INPUTS
from rnn_calc.core.weights import Array, Init, Weights, make_weights
from rnn_calc.files import sequences
from rnn_calc.files.model import LazyArray, ModelFile
from rnn_calc.files.numbers import Numbers, count_numbers

if TYPE_CHECKING:
    from rnn_calc.commands.options import NetworkOptions
    from rnn_calc.commands.run_options import SequenceOptions, WeightOptions
    from rnn_calc.files.sequences import Sequence


def seed_of(options: WeightOptions, model: ModelFile) -> int:
    """The seed of everything drawn: the command line's, else the file's, else 0."""
    seed = options.seed if options.seed is not None else model.seed or 0
    return check_size("--seed", seed, minimum=0, error=UsageError)


def load_weights(setup: Setup, options: WeightOptions) -> Weights:
    """Weights for the network: the file's, the rest drawn as options or file say."""
    model, network = setup.model, setup.network
    scheme = chosen("init", options, model, INITS, "gaussian")
    gain = next((value for value in (options.gain, model.gain) if value is not None), 1.0)
    if not isfinite(gain):
        raise UsageError(f"--gain must be a finite number; it is {gain}.")
    biases = model.biases if model.biases is not None else setup.reading.biases(network.cell)
    as_read = replace(network, biases=biases)
    named = {symbol: _array(given) for symbol, given in model.weights.items()}
    try:
        given = read_arrays(as_read, setup.reading, named)
    except DataError as error:
        raise type(error)(f"{model.name}: {error}") from None
    weights = make_weights(network, fit_biases(network, given), Init(scheme, gain, seed_of(options, model)))
    for flag, value in (("--init", options.init), ("--gain", options.gain)):
        if value is not None and not weights.drawn:
            raise UsageError(f"{model.name} holds every weight, so {flag} draws none; leave {flag} out.")
    return weights


def _array(given: Numbers | Array | LazyArray) -> Array:
    if isinstance(given, LazyArray):
        return given.read()
    return np.array(given.flat, dtype=np.float64).reshape(given.shape) if isinstance(given, Numbers) else given


def load_sequence(
    options: SequenceOptions,
    network_options: NetworkOptions,
    model: ModelFile,
    *,
    default_steps: int,
    seed: int,
) -> Sequence:
    """The inputs: what the command line gives, else what the file gives, else drawn."""
    if options.sequence is not None and options.text is not None:
        raise UsageError("--sequence and --text both give the input; give one of them.")
    given = _given_sequence(options, network_options, model)
    if given is not None:
        if options.steps is not None:
            typed = options.sequence is not None or options.text is not None
            advice = "Leave --steps out" + ("." if typed else ", or add --inputs gaussian to draw one in its place.")
            raise UsageError(f"--steps draws a sequence, but there is one already: {given.origin}. {advice}")
        return given
    steps = next(value for value in (options.steps, model.steps, default_steps) if value is not None)
    check_size("--steps", steps, error=UsageError)
    _, vocab = known_input(network_options, model)
    if vocab:
        return sequences.drawn_tokens(steps, vocab, seed)
    return sequences.drawn_sequence(steps, chosen("inputs", options, model, INPUTS, "gaussian"), seed)


def _given_sequence(options: SequenceOptions, network_options: NetworkOptions, model: ModelFile) -> Sequence | None:
    if options.sequence is not None:
        width, vocab = known_input(network_options, model)
        return sequences.read_sequence(
            options.sequence,
            d_in=1 if vocab else width,
            allow_nonfinite=network_options.allow_nonfinite,
        )
    if options.inputs is not None and options.text is None:
        return None
    if options.text is None and model.sequence is not None:
        return sequences.listed_sequence(model.sequence, f"the sequence in {model.name}")
    text = options.text if options.text is not None else model.text
    if text is None:
        return None
    _, vocab = known_input(network_options, model)
    return sequences.token_sequence(text, vocab) if vocab else sequences.text_sequence(text, dict(model.embedding))


State = dict[str, Array]


# What --h0 and --c0 take for numbers that nobody gives.
_DRAWN = "gaussian"


def _check_word(flag: str, text: str) -> None:
    """Nothing, unless the numbers of a first state are nearly the word that draws them."""
    if hint := did_you_mean(text.strip(), (_DRAWN,)):
        raise UsageError(f'{flag} takes numbers, as in {flag} "0.1, 0.2", or {_DRAWN}; it is {quoted(text)}.{hint}')


def load_initial_states(options: SequenceOptions, setup: Setup, seed: int) -> tuple[State, ...]:
    """The states before the first step of each layer and direction, from the bottom up, forward before backward.

    Each is --h0 (--c0), else the file's h0 (c0), else zeros. The seed is that of one that is drawn.
    """
    network = setup.network
    layers = [layer for directions in network.stack for layer in directions]
    states = [{name: np.zeros(layer.sizes[axis]) for name, axis in layer.state.items()} for layer in layers]
    for name, text, given in (("h", options.h0, setup.model.h0), ("c", options.c0, setup.model.c0)):
        flag = f"--{name}0"
        if (text is not None or given is not None) and name not in network.cell.state:
            raise UsageError(f"{flag} is the state {name} of a cell that has one; {network.cell.name} has none.")
        if text is not None and text.strip() == _DRAWN:
            _draw_states(states, name, seed)
            continue
        if text is not None:
            _check_word(flag, text)
            allow = setup.options.allow_nonfinite
            rows = [sequences.parse_vector(part, flag, allow_nonfinite=allow) for part in text.split(";")]
        elif given is not None:
            rows = [list(row) for row in given.rows()] if len(given.shape) == 2 else [list(given.flat)]
        else:
            continue
        if len(rows) != len(layers):
            given_rows = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
            raise SizeError(
                f"{flag} has {given_rows}; there are {len(layers)} layers and directions, each needs one: "
                f'{flag} "0.1,0.2; 0.3,0.4".'
            )
        for layer, state, row in zip(layers, states, rows, strict=True):
            axis = layer.state[name]
            if len(row) != layer.sizes[axis]:
                needs = layer.sizes[axis]
                raise SizeError(f"{flag} has {count_numbers(len(row))}; {axis} = {needs} needs {needs}.")
            state[name] = np.array(row, dtype=np.float64)
    return tuple(states)


def _draw_states(states: list[State], name: str, seed: int) -> None:
    """Standard normal numbers for one of the states of every layer and direction."""
    for place, state in enumerate(states):
        # Not the stream of any input or weight.
        state[name] = np.random.default_rng([seed, 2, place, name == "c"]).standard_normal(state[name].shape)


# More arrays than this are counted and not listed.
_MOST_LISTED = 8


def describe_weights(weights: Weights, setup: Setup) -> str:
    """Where the weights came from, in one sentence."""
    origins: dict[str, dict[str, None]] = {"file": {}, "zero": {}, "drawn": {}}
    one_bias = setup.reading.biases(setup.network.cell) < 2
    for parameter in setup.network.parameters:
        # A file with one bias a gate has none to give to the second.
        added = parameter.role == "recurrent_bias" and one_bias
        origin = "drawn" if parameter.name in weights.drawn else "zero" if added else "file"
        origins[origin][setup.notation.symbol(parameter)] = None
    init = weights.init
    sentences = {
        "file": f"from {setup.model.name}",
        "zero": "0, since the file has one bias",
        "drawn": f"drawn: {init.scheme}, gain {init.gain:g}, seed {init.seed}",
    }
    parts = [f"{_listed(symbols)} {sentences[origin]}" for origin, symbols in origins.items() if symbols]
    return f"Weights: {'; '.join([*parts, *([weights.scaling] if weights.scaling else [])])}"


def _listed(symbols: Iterable[str]) -> str:
    """The arrays by name; slices of one array by the array's name alone."""
    names = list(dict.fromkeys(symbol.partition("[")[0] for symbol in symbols))
    return ", ".join(names) if len(names) <= _MOST_LISTED else f"{len(names)} arrays"
