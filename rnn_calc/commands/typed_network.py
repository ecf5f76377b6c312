"""What shells complete that depends on the line: the layers of its file, the symbols of its network, a sweep's axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from rnn_calc.commands.options import NetworkOptions

if TYPE_CHECKING:
    from rnn_calc.commands.completion import Typed
    from rnn_calc.commands.setup import Setup

# Nobody waits for a larger model file to be read, nor goes through more layers.
_LARGEST_MODEL = 2**20
_MOST = 200


def examples(_: Typed) -> Sequence[str]:
    """The names of the worked examples."""
    from rnn_calc.files.examples import example_names

    return example_names()


def layers(typed: Typed) -> Mapping[str, str]:
    """The layers of the file that is named, or of the network that is typed, with what each is.

    Those of a checkpoint have names, and numbers within a stack; those of any other network have numbers.
    """
    from rnn_calc.commands.setup import is_checkpoint

    path = _path(typed)
    if path is not None and is_checkpoint(path):
        return _layers_of_checkpoint(path)
    network = _setup(typed).network
    depth = min(network.layers, _MOST)
    return {str(number): f"{network.cell.name}, d_h = {network.widths[number - 1]}" for number in range(1, depth + 1)}


def _layers_of_checkpoint(path: str) -> Mapping[str, str]:
    from rnn_calc.files.checkpoints.finding import find_layers
    from rnn_calc.files.checkpoints.opening import open_checkpoint

    found: dict[str, str] = {}
    for layer in find_layers(open_checkpoint(path))[:_MOST]:
        network = layer.network
        if layer.name:
            found[layer.name] = f"{network.cell.name}, d_in = {network.d_in}, d_h = {network.d_h}"
        for number in range(1, network.layers + 1) if network.layers > 1 else ():
            found[f"{layer.name}:{number}" if layer.name else str(number)] = f"layer {number} of {network.layers}"
    return found


def symbols(typed: Typed) -> Mapping[str, str]:
    """SYMBOL= of every tensor of the network that is typed, with its role."""
    from rnn_calc.core.shapes import shapes

    setup = _setup(typed)
    steps, batch = typed.options.get("steps"), typed.options.get("batch")
    rows = shapes(setup.network, setup.convention, steps=steps, batch=batch).rows[:_MOST]
    return {f"{row.symbol}=": row.role for row in rows}


def places(typed: Typed) -> Mapping[str, str]:
    """The first number of every weight, at the first step, as --path takes it."""
    notation = _setup(typed).notation
    stored = [(one.symbol, notation.shape(one)) for one in notation.stored[:_MOST]]
    return {f"{symbol}[{','.join('0' for _ in shape)}]@1": "" for symbol, shape in stored}


def ends(typed: Typed) -> Sequence[str]:
    """What paths may lead to."""
    return ("loss", "y[0]", "h[0]") if _setup(typed).network.d_out else ("loss", "h[0]")


def axes(typed: Typed) -> Mapping[str, str]:
    """NAME= of every axis of a sweep; behind it, the names it takes, or values as an example."""
    from rnn_calc.commands.grid import AXES, NAMES, example_values, names_on

    name, equals, values = typed.word.partition("=")
    if not equals:
        return {f"{axis}=": f"as in {axis}={example_values(axis)}" for axis in AXES}
    if name not in NAMES:
        return {f"{name}={example_values(name)}": "an example"} if name in AXES else {}
    before, comma, _ = values.rpartition(",")
    given = before.split(",")
    return {f"{name}={before}{comma}{value}": "" for value in names_on(name) if value not in given}


def _path(typed: Typed) -> str | None:
    """The file that is named; `~` is the shell's, which has not seen to it yet.

    Raises: FileNotFoundError for one that is not there, or that would have to be waited for.
    """
    given = typed.options.get("model") or typed.options.get("file")
    if not given:
        return None
    path = Path(str(given)).expanduser()
    if not path.is_dir() and not path.is_file():
        raise FileNotFoundError
    return str(path)


def _setup(typed: Typed) -> Setup:
    """The network that the options typed so far come to.

    Raises: whatever is wrong with them.
    """
    from rnn_calc.commands.setup import is_checkpoint, load_setup

    names = {field.name for field in fields(NetworkOptions)} - {"model", "layer"}
    given = {name: value for name, value in typed.options.items() if name in names and value is not None}
    path = _path(typed)
    if path is not None and not is_checkpoint(path) and Path(path).stat().st_size > _LARGEST_MODEL:
        raise FileNotFoundError
    layer = typed.options.get("layer") if path is not None and is_checkpoint(path) else None
    return load_setup(NetworkOptions(**given, model=path, layer=layer))
