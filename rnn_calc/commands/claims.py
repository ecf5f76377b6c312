"""Who says how big a network is: its weights, its inputs, the command line, the file; and whether they agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rnn_calc.core.cells import Cell
from rnn_calc.core.conventions import Convention, write_shape
from rnn_calc.core.errors import SizeError
from rnn_calc.core.network import Network
from rnn_calc.files.model import ModelFile
from rnn_calc.files.numbers import Numbers

if TYPE_CHECKING:
    from rnn_calc.commands.options import NetworkOptions
    from rnn_calc.files.sequences import Sequence

DEFAULT_SIZES = {"d_in": 4, "d_h": 3, "d_out": 2}

# One claim of a size: the value and who makes it.
Claim = tuple[int, str]


def agreed_sizes(
    options: NetworkOptions, model: ModelFile, cell: Cell, reading: Convention, sequence: Sequence | None
) -> dict[str, int | None]:
    """The sizes that everything agrees on; None where nothing is said.

    Raises: SizeError where two disagree, naming both, and the matrix whose transpose would fit.
    """

    def agree(model: ModelFile) -> dict[str, int | None]:
        return {name: _agree(name, _claims(name, options, model, cell, reading, sequence)) for name in DEFAULT_SIZES}

    try:
        return agree(model)
    except SizeError as error:
        for parameter in Network(1, 1, 1, cell=cell, biases=reading.biases).parameters:
            symbol = reading.symbol(parameter)
            given = model.weights.get(symbol)
            if given is None or len(given.shape) != 2 or given.shape[0] == given.shape[1]:
                continue
            # Only the shape matters here.
            turned = model._replace(weights={**model.weights, symbol: Numbers((given.shape[1], given.shape[0]), ())})
            try:
                agree(turned)
            except SizeError:
                continue
            axes = ", ".join(map(reading.size, reading.stored_axes(parameter)))
            raise SizeError(
                f"{error} {symbol} looks transposed: the convention {reading.name} needs ({axes}). Give its transpose, "
                "or choose the convention that stores it so."
            ) from None
        raise


def _agree(name: str, claims: tuple[list[Claim], list[Claim]]) -> int | None:
    """The size all fixed claims give, else the first stated one; a stated one that contradicts them is an error."""
    fixed, stated = claims
    for value, who in (*fixed[1:], *stated[:1]) if fixed else ():
        if value != fixed[0][0]:
            raise SizeError(f"{name} is {fixed[0][0]} by {fixed[0][1]}, but {value} by {who}.")
    return (fixed or stated)[0][0] if fixed or stated else None


def _claims(
    name: str,
    options: NetworkOptions,
    model: ModelFile,
    cell: Cell,
    reading: Convention,
    sequence: Sequence | None,
) -> tuple[list[Claim], list[Claim]]:
    """Who says what about a size: first what data has, then what is merely stated (the command line first)."""
    fixed = list(_weight_claims(name, model, cell, reading))
    if name == "d_h" and model.h0 is not None:
        fixed.append((len(model.h0.flat), f"h0 in {model.name}"))
    if name == "d_in" and sequence is not None and sequence.width is not None:
        fixed.append((sequence.width, f"the width of {sequence.origin}"))
    stated: list[Claim] = []
    if getattr(options, name) is not None:
        stated.append((getattr(options, name), f"--{name.replace('_', '-')}"))
    if getattr(model, name) is not None:
        stated.append((getattr(model, name), f"{name} in {model.name}"))
    return fixed, stated


def _weight_claims(name: str, model: ModelFile, cell: Cell, reading: Convention) -> Iterator[Claim]:
    """What the shapes of the file's weights say about one size; wrong numbers of axes are left to the weights."""
    prototype = Network(1, 1, 1, cell=cell, biases=reading.biases)
    for parameter in prototype.parameters:
        given = model.weights.get(reading.symbol(parameter))
        axes = reading.stored_axes(parameter)
        # A flat list may stand for a vector that is written as a column.
        if given is not None and len(given.shape) in (len(axes), len(parameter.axes)):
            for axis, size in zip(axes, given.shape, strict=False):
                if axis == name:
                    yield int(size), f"{reading.symbol(parameter)} {write_shape(given.shape)} in {model.name}"
