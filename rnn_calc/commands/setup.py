"""Options and a model file made into the network that a command works on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from rnn_calc.commands.claims import DEFAULT_SIZES, Stated, agreed_sizes, require_known_weights, stated_sizes
from rnn_calc.core.cells import CELLS, RNN, Cell
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.equations import ACTIVATIONS, MERGES
from rnn_calc.core.errors import DataError, UsageError, did_you_mean, listed, quoted
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.structure import Structure, solve_sizes, structure_of
from rnn_calc.files.model import MODEL_SUFFIXES, ModelFile

if TYPE_CHECKING:
    from rnn_calc.commands.options import NetworkOptions, OutputOptions
    from rnn_calc.files.sequences import Sequence
    from rnn_calc.show.output import Destination


class Setup(NamedTuple):
    """The network a command is about, the convention it is shown in, and the file it came from."""

    network: Network
    notation: Notation
    model: ModelFile
    options: NetworkOptions
    reading: Convention

    @property
    def convention(self) -> Convention:
        """Whose words the network is shown in."""
        return self.notation.convention

    @property
    def recurrent_symbols(self) -> tuple[str, ...]:
        """What the convention calls the arrays that take one hidden state to the next."""
        roles = ("recurrent", "diagonal")
        homes = (self.notation.home(p) for p in self.network.parameters if p.role in roles)
        return tuple(dict.fromkeys(stored.symbol for stored in homes))

    @property
    def unchanged(self) -> bool:
        """Whether the command line leaves the file's own network as it is, so that its expected values apply."""
        o = self.options
        own = (o.d_in, o.d_h, o.d_out, o.cell, o.activation, o.layers, o.merge, o.proj, o.vocab, o.biases)
        return all(value is None for value in own) and not (o.bidirectional or o.tied or o.no_readout_bias)

    @property
    def layer(self) -> int | None:
        """The layer of the stack that --layer names, counted from 0.

        Raises: UsageError when there is no such layer.
        """
        number, depth = self.model.layer, self.network.layers
        if number is None and self.options.layer is not None and not is_checkpoint(self.options.model):
            text = self.options.layer
            number = int(text[:9]) if text.isascii() and text.isdecimal() else 0
        if number is not None and not 1 <= number <= depth:
            counted = "one layer, 1" if depth == 1 else f"layers 1 to {depth}"
            said = number or quoted(self.options.layer)
            raise UsageError(f"There is no layer {said}: the network has {counted}.")
        return None if number is None else number - 1

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was accepted and changes nothing."""
        dropout = self.options.dropout if self.options.dropout is not None else self.model.dropout
        if dropout is None:
            return ()
        dropped = f"dropout {dropout:g}"
        return (f"{dropped}: changes no shape, no count and no state here; it acts in training alone",)


def choose(value: str, choices: Mapping[str, object] | tuple[str, ...], what: str, source: str = "") -> str:
    """`value`, when it is one of the choices.

    Raises: UsageError naming them and the nearest; DataError that also names `source`, the file that says it.
    """
    if value not in choices:
        problem = f"here is no {what} {quoted(value)}; it must be {listed(choices)}.{did_you_mean(value, choices)}"
        raise DataError(f"{source}: t{problem}") if source else UsageError(f"T{problem}")
    return value


def is_checkpoint(path: str | None) -> bool:
    """Whether `--model` names a file of trained weights, whose layers have names, and no model file."""
    return path is not None and path != "-" and not path.lower().endswith(MODEL_SUFFIXES)


def load_model(options: NetworkOptions) -> ModelFile:
    """The model file or the example that the options name; an empty one when they name none."""
    if options.model is not None and options.example is not None:
        raise UsageError("--model and --example both name a network; give one of them.")
    if options.example is not None:
        from rnn_calc.files.examples import read_example

        return read_example(options.example)
    if options.model is not None:
        from rnn_calc.files.model_reader import read_model

        return read_model(options.model, layer=options.layer, allow_nonfinite=options.allow_nonfinite)
    return ModelFile("")


def load_whole(options: NetworkOptions) -> Setup:
    """The network of a command that is about all of it.

    Raises: UsageError where `--layer` names one layer of the stack, DataError where a file has a weight that the
    network has not: neither would change anything.
    """
    setup = load_setup(options)
    require_known_weights(setup.network, setup.model, setup.reading)
    if setup.layer is not None:
        advice = "name the module without :N" if is_checkpoint(options.model) else "leave --layer out"
        raise UsageError(
            f"--layer {quoted(options.layer)} is one layer of the stack, which trace and gradient-decay take; "
            f"this command is about the whole network: {advice}."
        )
    return setup


def load_setup(options: NetworkOptions, *, sequence: Sequence | None = None, model: ModelFile | None = None) -> Setup:
    """The network that options, file and sequence agree on.

    Raises: SizeError where two of them disagree, naming both; UsageError for names that do not exist.
    """
    model = model or load_model(options)
    convention = _convention(options, model)
    reading = _reading_convention(model, convention)
    stated = stated_sizes(options)
    structure, prototype = _structure(options, model, stated, reading)
    sizes = agreed_sizes(stated, model, prototype, sequence)
    widths = tuple(size for name, size in sizes.items() if name.startswith("d_h"))
    if None in widths and any(widths):
        # What is said of one layer goes for those of which nothing is said.
        known = next(width for width in widths if width)
        widths = tuple(width or known for width in widths)
    d_h = tuple(width or DEFAULT_SIZES["d_h"] for width in widths)
    d_p, vocab, d_out = sizes.get("d_p") or 0, sizes.get("V") or 0, sizes["d_out"]
    if d_out is None:
        # A file with weights and none for a readout has no readout; tokens come in, so tokens come out.
        d_out = vocab if vocab else 0 if model.weights else DEFAULT_SIZES["d_out"]
    both = 2 if structure.bidirectional and structure.merge == "concat" else 1
    d_in = sizes["d_in"] or (both * (d_p or d_h[-1]) if structure.tied else DEFAULT_SIZES["d_in"])
    try:
        network = Network(
            d_in,
            d_h[0] if len(d_h) == 1 else d_h,
            d_out,
            cell=structure.cell,
            activation=chosen("activation", options, model, ACTIVATIONS, "tanh"),
            biases=_shown_biases(options, model, convention, structure.cell),
            bidirectional=bool(structure.bidirectional),
            merge=structure.merge,
            d_p=d_p,
            vocab=vocab,
            tied=structure.tied,
            readout_bias=structure.readout_bias,
        )
    except DataError as error:
        raise (error if model.path else UsageError(str(error))) from None
    if options.activation is not None and not network.cell.has_activation:
        raise UsageError(f"The cell {network.cell.name} has no activation to choose; leave --activation out.")
    if options.no_readout_bias and not network.d_out:
        raise UsageError("--no-readout-bias is about a readout, and there is none; leave it out, or give --d-out N.")
    return Setup(network, _notation(lambda: network, convention, options), model, options, reading)


def _notation(network: Callable[[], Network], convention: Convention, options: NetworkOptions) -> Notation:
    """The network in the convention's words; what cannot be is an error of the command line, if that asks for it."""
    try:
        return Notation(network(), convention)
    except DataError as error:
        asked = options.cell or options.convention or not (options.model or options.example)
        raise (UsageError(str(error)) if asked else error) from None


def known_input(options: NetworkOptions, model: ModelFile) -> tuple[int | None, int]:
    """d_in and the size of the vocabulary (0: none), as far as options and file fix them before a sequence is read."""
    stated = stated_sizes(options)
    reading = _reading_convention(model, _convention(options, model))
    _, prototype = _structure(options, model, stated, reading)
    sizes = agreed_sizes(stated, model, prototype, None)
    return sizes["d_in"], sizes.get("V") or 0


def _structure(
    options: NetworkOptions, model: ModelFile, stated: Stated, reading: Convention
) -> tuple[Structure, Notation]:
    """What the network is made of, by options and file, and by the names of the file's weights where neither says.

    The second is its prototype in the words of the file.
    """
    merge = chosen("merge", options, model, MERGES, "concat")
    bidirectional = True if options.bidirectional else model.bidirectional
    if (options.merge is not None or merge != "concat") and not bidirectional:
        raise UsageError("--merge joins two directions; add --bidirectional.")
    tied = options.tied or bool(model.tied)
    vocab = options.vocab or model.vocab
    if tied and not vocab and "E" not in model.weights:
        raise UsageError("--tied reads out through the embedding; add --vocab N.")
    of_model = model.d_h if isinstance(model.d_h, tuple) else ()
    depth = options.layers or model.layers or max(len(stated.d_h), len(of_model))
    given = Structure(
        RNN,
        0,
        merge,
        layers=None if depth <= 1 and not (options.layers or model.layers) else depth,
        bidirectional=bidirectional,
        projected=True if options.proj or model.proj else None,
        embedded=True if vocab else None,
        tied=tied,
        readout_bias=not options.no_readout_bias and model.readout_bias is not False,
    )
    shapes = {symbol: array.shape for symbol, array in model.weights.items()}
    known = [given._replace(cell=cell, biases=biases) for cell, biases in _cells(options, model, reading)]
    tried = [(structure_of(one, reading, shapes) or one).settled() for one in known]
    for structure in tried if len(tried) > 1 else ():
        with contextlib.suppress(DataError):
            prototype = Notation(structure.prototype(), reading)
            if {stored.symbol for stored in prototype.stored} >= set(shapes) and solve_sizes(prototype, shapes):
                return structure, prototype
    return tried[0], _notation(tried[0].prototype, reading, options)


def _cells(options: NetworkOptions, model: ModelFile, reading: Convention) -> Iterator[tuple[Cell, int]]:
    """The cell that is named, with its biases; where none is, all that the file's weights may be of, rnn first."""
    if options.cell is not None or model.cell is not None:
        cells = [CELLS[chosen("cell", options, model, CELLS, "rnn")]]
    else:
        cells = list(CELLS.values()) if model.weights else [RNN]
    for cell in cells:
        if not reading.cells or cell.name in reading.cells:
            yield cell, model.biases if model.biases is not None else reading.biases(cell)
        elif len(cells) == 1:
            try:
                reading.layout(cell)
            except DataError as error:
                raise (UsageError(str(error)) if options.cell or options.convention else error) from None


def _shown_biases(options: NetworkOptions, model: ModelFile, convention: Convention, cell: Cell) -> int:
    """How many biases a gate has: as stated, else as the convention has them."""
    for value in (options.biases, model.biases):
        if value is not None:
            if value > 2:
                raise UsageError(f"--biases is 0, 1 or 2; it is {value}.")
            own = convention.biases(cell)
            if convention.is_framework and value not in (0, own) and options.biases is not None:
                raise UsageError(
                    f"{convention.name} keeps {own} bias{'es' if own > 1 else ''} a gate of this cell, or none: "
                    f"--biases {own} or --biases 0."
                )
            return value
    return convention.biases(cell)


def _convention(options: NetworkOptions, model: ModelFile) -> Convention:
    return CONVENTIONS[chosen("convention", options, model, CONVENTIONS, "xh")]


def chosen(
    name: str, options: object, model: ModelFile, choices: Mapping[str, object] | tuple[str, ...], default: str
) -> str:
    """The name that the command line gives, else the file, else the default; the error says which of them is wrong."""
    given, own = getattr(options, name), getattr(model, name)
    what = "kind of inputs" if name == "inputs" else name
    if given is not None:
        return choose(given, choices, what)
    return choose(own, choices, what, model.name) if own is not None else default


def _reading_convention(model: ModelFile, shown: Convention) -> Convention:
    """The convention that a file's weights are written in: its own, or else the one that was asked for."""
    return CONVENTIONS[choose(model.convention, CONVENTIONS, "convention", model.name)] if model.convention else shown


def destination_of(options: OutputOptions) -> Destination:
    """Where and how the result is written."""
    from rnn_calc.show.output import COLORS, resolve_destination

    color = "auto"
    if options.color is not None:
        from rnn_calc.show.progress import color_bars

        color = choose(options.color, COLORS, "colour setting")
        color_bars(color)
    if not 0 <= options.precision <= 17:
        raise UsageError(f"--precision must be 0 to 17, as many digits as float64 has; it is {options.precision}.")
    return resolve_destination(
        options.format,
        as_json=options.json,
        output=options.output,
        force=options.force,
        precision=options.precision,
        color=color,
    )
