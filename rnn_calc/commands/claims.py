"""Who says how big a network is: its weights, its inputs, the command line, the file; and whether they agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from rnn_calc.core.errors import DataError, SizeError, UsageError, quoted
from rnn_calc.core.notation import Notation, write_axes, write_shape
from rnn_calc.core.sizes import check_size, whole_numbers
from rnn_calc.files.model import ModelFile
from rnn_calc.files.numbers import Numbers

if TYPE_CHECKING:
    from rnn_calc.commands.options import NetworkOptions
    from rnn_calc.core.conventions import Convention
    from rnn_calc.core.network import Network
    from rnn_calc.files.sequences import Sequence

DEFAULT_SIZES = {"d_in": 4, "d_h": 3, "d_out": 2}

# One claim of a size: the value and who makes it.
Claim = tuple[int, str]


class Stated(NamedTuple):
    """The sizes that the command line states, checked; `d_h` has one entry, or one a layer."""

    d_in: int | None = None
    d_h: tuple[int, ...] = ()
    d_out: int | None = None
    proj: int | None = None
    vocab: int | None = None


# What the sizes are called in a network, and what states them.
_STATED_AS = {"d_in": "d_in", "d_out": "d_out", "d_p": "proj", "V": "vocab"}


_MINIMUM = {"d_in": 1, "d_out": 0, "layers": 1, "proj": 1, "vocab": 1, "biases": 0}


def stated_sizes(options: NetworkOptions) -> Stated:
    """The sizes on the command line, each a legal one."""
    for name, minimum in _MINIMUM.items():
        value = getattr(options, name)
        if value is not None:
            check_size(f"--{name}".replace("_", "-"), value, minimum=minimum, error=UsageError)
    if options.dropout is not None and not 0 <= options.dropout < 1:
        raise UsageError(f"--dropout is a share of units, at least 0 and below 1; it is {options.dropout:g}.")
    widths = parse_widths(options.d_h)
    if len(widths) > 1 and options.layers not in (None, len(widths)):
        raise UsageError(
            f"--d-h names {len(widths)} widths, but --layers is {options.layers}; give a width for each layer, or one."
        )
    return Stated(options.d_in, widths, options.d_out, options.proj, options.vocab)


def parse_widths(text: str | None) -> tuple[int, ...]:
    """`--d-h` as the widths of the layers: 400,1150,400; empty where it is not given."""
    if text is None:
        return ()
    widths = whole_numbers(text)
    if widths is None:
        raise UsageError(
            f"--d-h: {quoted(text)} is no whole number, nor a width for each layer as in --d-h 400,1150,400."
        )
    return tuple(check_size("--d-h", width, error=UsageError) for width in widths)


def agreed_sizes(
    stated: Stated, model: ModelFile, notation: Notation, sequence: Sequence | None
) -> dict[str, int | None]:
    """The sizes that everything agrees on, by the names a prototype gives them; None where nothing is said.

    `notation` is the prototype of the network in the words that the file is written in.

    Raises: SizeError where two disagree, naming both, and the matrix whose transpose would fit.
    """

    def agree(model: ModelFile) -> dict[str, int | None]:
        return {
            name: _agree(name, _claims(name, stated, model, notation, sequence))
            for name in notation.network.sizes
            if name != "1"
        }

    try:
        return agree(model)
    except SizeError as error:
        for stored in notation.stored:
            given = model.weights.get(stored.symbol)
            if given is None or len(given.shape) != 2 or given.shape[0] == given.shape[1]:
                continue
            # Only the shape matters here.
            turned = Numbers((given.shape[1], given.shape[0]), ())
            try:
                agree(model._replace(weights={**model.weights, stored.symbol: turned}))
            except SizeError:
                continue
            axes = write_axes(tuple(map(notation.extent, stored.extents)))
            raise SizeError(
                f"{error} {stored.symbol} looks transposed: the convention {notation.convention.name} needs {axes}. "
                "Give its transpose, or choose the convention that stores it so."
            ) from None
        raise


def _agree(name: str, claims: tuple[list[Claim], list[Claim]]) -> int | None:
    """The size all fixed claims give, else the first stated one; a stated one that contradicts them is an error."""
    fixed, stated = claims
    for value, who in (*fixed[1:], *stated[:1]) if fixed else ():
        if value != fixed[0][0]:
            base, _, layer = name.partition("^")
            called = f"{base} of layer {layer.strip('()')}" if layer else name
            raise SizeError(f"{called} is {fixed[0][0]} by {fixed[0][1]}, but {value} by {who}.")
    return (fixed or stated)[0][0] if fixed or stated else None


def _claims(
    name: str, stated: Stated, model: ModelFile, notation: Notation, sequence: Sequence | None
) -> tuple[list[Claim], list[Claim]]:
    """Who says what about a size: first what data has, then what is merely stated (the command line first)."""
    network = notation.network
    fixed = list(_weight_claims(name, model, notation))
    for state, given in (("h", model.h0), ("c", model.c0)):
        if given is not None and network.layers == 1 and name == ("d_p" if network.d_p and state == "h" else "d_h"):
            fixed.append((given.shape[-1], f"{state}0 in {model.name}"))
    if name == "d_in" and sequence is not None and sequence.width is not None and not network.vocab:
        fixed.append((sequence.width, f"the width of {sequence.origin}"))
    if name.startswith("d_h"):
        return fixed, _width_claims(name, stated, model)
    said = _STATED_AS[name]
    claims = [(getattr(stated, said), f"--{said.replace('_', '-')}"), (getattr(model, said), f"{said} in {model.name}")]
    return fixed, [(value, who) for value, who in claims if value is not None]


def _width_claims(name: str, stated: Stated, model: ModelFile) -> list[Claim]:
    """What is stated of the width of the layer that `name` is the width of: d_h, or d_h^(2)."""
    layer = int(name.partition("^")[2].strip("()") or 1) - 1
    of_model = model.d_h if isinstance(model.d_h, tuple) else () if model.d_h is None else (model.d_h,)
    sources = ((stated.d_h, "--d-h"), (of_model, f"d_h in {model.name}"))
    return [(widths[layer % len(widths)], who) for widths, who in sources if widths]


def _weight_claims(name: str, model: ModelFile, notation: Notation) -> Iterator[Claim]:
    """What the shapes of the file's weights say about one size; wrong numbers of axes are left to the weights."""
    for stored in notation.stored:
        given = model.weights.get(stored.symbol)
        if given is None:
            continue
        # A flat list may stand for a vector that is written as a column.
        flat = notation.convention.column_matrices and len(given.shape) == 1
        if len(given.shape) != len(stored.extents) and not flat:
            continue
        for extent, size in zip(stored.extents, given.shape, strict=False):
            if extent.name == name and size % extent.multiple:
                raise SizeError(
                    f"{stored.symbol} {write_shape(given.shape)} in {model.name} has an axis of {size}, which is no "
                    f"multiple of {extent.multiple}: {notation.convention.name} needs "
                    f"{write_axes(tuple(map(notation.extent, stored.extents)))} for {notation.network.cell.name}."
                )
            if extent.name == name:
                yield int(size) // extent.multiple, f"{stored.symbol} {write_shape(given.shape)} in {model.name}"


def require_known_weights(network: Network, model: ModelFile, reading: Convention) -> None:
    """Nothing, where the file names no weights but the network's.

    Raises: DataError for a name that is none of them, which would silently be left out.
    """
    if model.weights:
        biases = model.biases if model.biases is not None else reading.biases(network.cell)
        try:
            Notation(replace(network, biases=biases), reading).require_known(model.weights)
        except DataError as error:
            raise type(error)(f"{model.name}: {error}") from None
