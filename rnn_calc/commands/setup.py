"""Options and a model file made into the network, the weights and the sequence that a command works on."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from rnn_calc.commands.claims import DEFAULT_SIZES, agreed_sizes
from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.equations import ACTIVATIONS
from rnn_calc.core.errors import DataError, SizeError, UsageError, did_you_mean, listed, quoted
from rnn_calc.core.network import Network
from rnn_calc.core.sizes import check_size
from rnn_calc.files.model import ModelFile
from rnn_calc.files.numbers import count_numbers

if TYPE_CHECKING:
    from rnn_calc.commands.options import NetworkOptions, OutputOptions
    from rnn_calc.commands.run_options import SequenceOptions, WeightOptions
    from rnn_calc.core.weights import Array, Weights
    from rnn_calc.files.sequences import Sequence
    from rnn_calc.show.output import Destination

_MINIMUM = {"d_in": 1, "d_h": 1, "d_out": 0}


class Setup(NamedTuple):
    """The network a command is about, the convention it is shown in, and the file it came from."""

    network: Network
    convention: Convention
    model: ModelFile
    options: NetworkOptions

    @property
    def recurrent_symbol(self) -> str:
        """What the convention calls the matrix that takes one hidden state to the next."""
        return next(self.convention.symbol(p) for p in self.network.parameters if p.role == "recurrent")

    @property
    def unchanged(self) -> bool:
        """Whether the command line leaves the file's own network as it is, so that its expected values apply."""
        options = self.options
        own = (options.d_in, options.d_h, options.d_out, options.cell, options.activation)
        return all(value is None for value in own)


def choose(value: str, choices: Mapping[str, object] | tuple[str, ...], what: str, source: str = "") -> str:
    """`value`, when it is one of the choices.

    Raises: UsageError naming them and the nearest; DataError that also names `source`, the file that says it.
    """
    if value not in choices:
        problem = f"here is no {what} {quoted(value)}; it must be {listed(choices)}.{did_you_mean(value, choices)}"
        raise DataError(f"{source}: t{problem}") if source else UsageError(f"T{problem}")
    return value


def load_model(options: NetworkOptions) -> ModelFile:
    """The model file or the example that the options name; an empty one when they name none."""
    if options.model is not None and options.example is not None:
        raise UsageError("--model and --example both name a network; give one of them.")
    if options.example is not None:
        from rnn_calc.files.examples import read_example

        return read_example(options.example)
    if options.model is not None:
        from rnn_calc.files.model_reader import read_model

        return read_model(options.model, allow_nonfinite=options.allow_nonfinite)
    return ModelFile("")


def load_setup(options: NetworkOptions, *, sequence: Sequence | None = None, model: ModelFile | None = None) -> Setup:
    """The network that options, file and sequence agree on.

    Raises: SizeError where two of them disagree, naming both; UsageError for names that do not exist.
    """
    for name, minimum in _MINIMUM.items():
        value = getattr(options, name)
        if value is not None:
            check_size(f"--{name.replace('_', '-')}", value, minimum=minimum, error=UsageError)
    model = model or load_model(options)
    cell = CELLS[_chosen("cell", options, model, CELLS, "rnn")]
    convention = _convention(options, model)
    reading = _reading_convention(model, convention)
    sizes = agreed_sizes(options, model, cell, reading, sequence)
    if sizes["d_out"] is None and model.weights:
        sizes["d_out"] = 0  # a file with weights and none for a readout has no readout
    network = Network(
        **{name: DEFAULT_SIZES[name] if size is None else size for name, size in sizes.items()},
        cell=cell,
        activation=_chosen("activation", options, model, ACTIVATIONS, "tanh"),
        biases=convention.biases,
    )
    return Setup(network, convention, model, options)


def _convention(options: NetworkOptions, model: ModelFile) -> Convention:
    return CONVENTIONS[_chosen("convention", options, model, CONVENTIONS, "xh")]


def _chosen(
    name: str, options: object, model: ModelFile, choices: Mapping[str, object] | tuple[str, ...], default: str
) -> str:
    """The name that the command line gives, else the file, else the default; the error says which of them is wrong."""
    given = getattr(options, name)
    if given is not None:
        return choose(given, choices, name)
    own = getattr(model, name)
    return choose(own, choices, name, model.name) if own is not None else default


def _reading_convention(model: ModelFile, shown: Convention) -> Convention:
    """The convention that a file's weights are written in: its own, or else the one that was asked for."""
    return CONVENTIONS[choose(model.convention, CONVENTIONS, "convention", model.name)] if model.convention else shown


def seed_of(options: WeightOptions, model: ModelFile) -> int:
    """The seed of everything drawn: the command line's, else the file's, else 0."""
    seed = options.seed if options.seed is not None else model.seed or 0
    return check_size("--seed", seed, minimum=0, error=UsageError)


def load_weights(setup: Setup, options: WeightOptions) -> Weights:
    """Weights for the network: the file's, the rest drawn as options or file say."""
    import numpy as np

    from rnn_calc.core.weights import INITS, Init, fit_biases, make_weights, read_arrays

    model, network = setup.model, setup.network
    scheme = _chosen("init", options, model, INITS, "gaussian")
    gain = next((value for value in (options.gain, model.gain) if value is not None), 1.0)
    if not isfinite(gain):
        raise UsageError(f"--gain must be a finite number; it is {gain}.")
    reading = _reading_convention(model, setup.convention)
    as_read = Network(network.d_in, network.d_h, network.d_out, network.cell, network.activation, biases=reading.biases)
    named: dict[str, Array] = {
        symbol: given if isinstance(given, np.ndarray) else np.array(given.flat, dtype=np.float64).reshape(given.shape)
        for symbol, given in model.weights.items()
    }
    try:
        given = read_arrays(as_read, reading, named)
    except DataError as error:
        raise type(error)(f"{model.name}: {error}") from None
    return make_weights(network, fit_biases(network, given), Init(scheme, gain, seed_of(options, model)))


def load_sequence(
    options: SequenceOptions,
    network_options: NetworkOptions,
    model: ModelFile,
    *,
    default_steps: int,
    seed: int,
) -> Sequence:
    """The inputs: what the command line gives, else what the file gives, else drawn."""
    from rnn_calc.files import sequences

    if options.sequence is not None and options.text is not None:
        raise UsageError("--sequence and --text both give the input; give one of them.")
    given = _given_sequence(options, network_options, model)
    if given is not None:
        if options.steps is not None:
            typed = options.sequence is not None or options.text is not None
            advice = "Leave --steps out" + ("." if typed else ", or add --inputs gaussian to draw one in its place.")
            raise UsageError(f"--steps draws a sequence, but there is one already: {given.origin}. {advice}")
        return given
    kind = _chosen("inputs", options, model, ("gaussian", "zeros"), "gaussian")
    steps = next(value for value in (options.steps, model.steps, default_steps) if value is not None)
    return sequences.drawn_sequence(check_size("--steps", steps, error=UsageError), kind, seed)


def _given_sequence(options: SequenceOptions, network_options: NetworkOptions, model: ModelFile) -> Sequence | None:
    from rnn_calc.files import sequences

    if options.sequence is not None:
        return sequences.read_sequence(
            options.sequence,
            d_in=_known_width(network_options, model),
            allow_nonfinite=network_options.allow_nonfinite,
        )
    if options.text is not None:
        return sequences.text_sequence(options.text, dict(model.embedding))
    if options.inputs is not None:
        return None
    if model.sequence is not None:
        return sequences.listed_sequence(model.sequence, f"the sequence in {model.name}")
    if model.text is not None:
        return sequences.text_sequence(model.text, dict(model.embedding))
    return None


def _known_width(options: NetworkOptions, model: ModelFile) -> int | None:
    """d_in, as far as options and file fix it before the sequence is read."""
    cell = CELLS[_chosen("cell", options, model, CELLS, "rnn")]
    return agreed_sizes(options, model, cell, _reading_convention(model, _convention(options, model)), None)["d_in"]


def load_initial_state(text: str | None, setup: Setup) -> dict[str, Array]:
    """The state before the first step: --h0, else the file's h0, else zeros."""
    import numpy as np

    from rnn_calc.core.trace import zero_state
    from rnn_calc.files.sequences import parse_vector

    state = zero_state(setup.network)
    if text is not None:
        values = parse_vector(text, "--h0", allow_nonfinite=setup.options.allow_nonfinite)
    elif setup.model.h0 is not None:
        values = list(setup.model.h0.flat)
    else:
        return state
    if len(values) != setup.network.d_h:
        raise SizeError(f"--h0 has {count_numbers(len(values))}; d_h = {setup.network.d_h} needs {setup.network.d_h}.")
    state["h"] = np.array(values)
    return state


def destination_of(options: OutputOptions) -> Destination:
    """Where and how the result is written."""
    from rnn_calc.show.output import resolve_destination

    if not 0 <= options.precision <= 17:
        raise UsageError(f"--precision must be 0 to 17, as many digits as float64 has; it is {options.precision}.")
    return resolve_destination(
        options.format,
        as_json=options.json,
        output=options.output,
        force=options.force,
        precision=options.precision,
    )


def describe_weights(weights: Weights, setup: Setup) -> str:
    """Where the weights came from, in one sentence."""
    reading = _reading_convention(setup.model, setup.convention)
    origins: dict[str, list[str]] = {"file": [], "zero": [], "drawn": []}
    for parameter in setup.network.parameters:
        # A file with one bias a gate has none to give to the second.
        added = parameter.role == "recurrent_bias" and reading.biases < 2
        origin = "drawn" if parameter.name in weights.drawn else "zero" if added else "file"
        origins[origin].append(setup.convention.symbol(parameter))
    init = weights.init
    sentences = {
        "file": f"from {setup.model.name}",
        "zero": "0, since the file has one bias",
        "drawn": f"drawn: {init.scheme}, gain {init.gain:g}, seed {init.seed}",
    }
    parts = [f"{', '.join(symbols)} {sentences[origin]}" for origin, symbols in origins.items() if symbols]
    return f"Weights: {'; '.join([*parts, *([weights.scaling] if weights.scaling else [])])}"
