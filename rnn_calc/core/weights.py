"""Arrays for a network's parameters: drawn from a seed, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.display import Displayed
from rnn_calc.core.equations import Parameter
from rnn_calc.core.errors import DataError, NonFiniteError, did_you_mean, listed, quoted
from rnn_calc.core.memory import FLOAT64, require_memory
from rnn_calc.core.network import Network
from rnn_calc.core.notation import write_axes, write_shape
from rnn_calc.core.stages import Layer
from rnn_calc.core.vocabulary import INITS

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Init:
    """How missing parameters are drawn: the scheme, a factor on every matrix, and the seed."""

    scheme: str = "gaussian"
    gain: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Weights(Displayed):
    """An array for every parameter of a network, under its canonical name and in the column reading.

    `drawn` names the parameters that came from `init` and not from the user; `scaling` says how the recurrent matrix
    was rescaled, if it was.
    """

    arrays: dict[str, Array]
    drawn: tuple[str, ...] = ()
    init: Init = Init()
    scaling: str = ""

    def __repr__(self) -> str:
        shapes = (f"{name} {write_shape(array.shape)}" for name, array in self.arrays.items())
        return f"<Weights: {', '.join(shapes)}>"

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]


def _gaussian(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.asarray(rng.standard_normal(shape) / np.sqrt(shape[1]))


def _xavier(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    limit = np.sqrt(6 / (shape[0] + shape[1]))
    return rng.uniform(-limit, limit, shape)


def _orthogonal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    tall = rng.standard_normal((max(shape), min(shape)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))  # without this, Q is not uniform over the orthogonal matrices (Mezzadri 2007)
    return np.ascontiguousarray(q if q.shape == shape else q.T)


# What each scheme gives a matrix; "uniform" needs d_h, and "identity" the role: both are made in `_drawn`.
_SCHEMES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Array]] = {
    "gaussian": _gaussian,
    "xavier": _xavier,
    "orthogonal": _orthogonal,
    "identity": _gaussian,
}

# The vectors that a state is multiplied by: each is the diagonal of a matrix.
_DIAGONALS = ("peephole", "diagonal")
_RECURRENT = ("recurrent", "diagonal")


def draw(network: Network, init: Init) -> dict[str, Array]:
    """An array for every parameter; one seed gives one parameter the same numbers whatever else the network has.

    Raises: DataError for an unknown scheme; NonFiniteError where the gain takes a matrix beyond float64.
    """
    if init.scheme not in INITS:
        raise DataError(
            f"There is no init {quoted(init.scheme)}; it must be {listed(INITS)}.{did_you_mean(init.scheme, INITS)}"
        )
    streams = _streams(network)
    arrays = {}
    for parameter, stage in network.owners.items():
        rng = np.random.default_rng(np.random.SeedSequence(init.seed, spawn_key=streams[parameter.name]))
        array = _drawn(
            rng, parameter, network.shape(parameter), init.scheme, stage.sizes.get("d_h", network.widths[-1])
        )
        scaled = parameter.is_matrix or parameter.role in _DIAGONALS
        arrays[parameter.name] = _amplified(array, init.gain, parameter.name) if scaled else array
    return arrays


def _drawn(rng: np.random.Generator, parameter: Parameter, shape: tuple[int, ...], scheme: str, d_h: int) -> Array:
    if scheme == "uniform":
        limit = 1 / np.sqrt(d_h)
        return rng.uniform(-limit, limit, shape)
    if scheme == "identity" and parameter.role in _RECURRENT:
        return np.eye(shape[0], shape[-1]) if parameter.is_matrix else np.ones(shape)
    if parameter.role == "embedding" and scheme == "gaussian":
        return rng.standard_normal(shape)  # one row is looked up, so one entry feeds each unit
    if parameter.is_matrix:
        return _SCHEMES[scheme](rng, shape)
    if parameter.role in _DIAGONALS:
        return np.concatenate([_SCHEMES[scheme](rng, (1, 1))[0] for _ in range(shape[0])])
    return np.zeros(shape)


# Beyond the streams of any cell's own parameters.
_EMBEDDING_STREAM = 2**16


def _streams(network: Network) -> dict[str, tuple[int, ...]]:
    """The key of each parameter's random stream: its place among all that such a cell can have, then its layer's."""
    # A second bias comes last, and what few networks have comes after everything.
    cell = network.cell
    everything = Network(2, 2, 1, cell=cell, biases=2, d_p=1 if network.d_p else 0).parameters
    ordered = sorted(everything, key=lambda p: (p.role == "recurrent_bias") + 2 * (p.role == "projection"))
    place = {parameter.name: index for index, parameter in enumerate(ordered)} | {"E": _EMBEDDING_STREAM}
    keys = {}
    for parameter, stage in network.owners.items():
        base = parameter.name.removesuffix(f"^{parameter.mark}") if parameter.mark else parameter.name
        above = (stage.index, stage.reverse) if isinstance(stage, Layer) and (stage.index or stage.reverse) else ()
        keys[parameter.name] = (place[base], *map(int, above))
    return keys


def _amplified(array: Array, gain: float, name: str) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        product = array * gain
    if not np.isfinite(product).all():
        raise NonFiniteError(f"A gain of {gain:g} takes {name} beyond float64 (about 1.8e308); give a smaller one.")
    return product


def make_weights(network: Network, given: Mapping[str, Array] | None = None, init: Init | None = None) -> Weights:
    """Weights for `network`: the arrays in `given` (canonical names, column reading), the rest drawn by `init`.

    Raises: TooLargeError before anything is allocated; DataError for an unknown scheme, an unknown name (with the
    nearest one), a wrong shape (with both shapes) or what are no real numbers.
    """
    given = _checked(network, given or {})
    init = init or Init()
    count = sum(prod(network.shape(parameter)) for parameter in network.parameters)
    require_memory(
        2 * FLOAT64 * count, f"A network of {count:,} parameters", "`rnncalc params` counts it all the same."
    )
    missing = tuple(p.name for p in network.parameters if p.name not in given)
    drawn = draw(network, init) if missing else {}
    return Weights({**drawn, **given}, missing, init)


def _checked(network: Network, given: Mapping[str, Array]) -> dict[str, Array]:
    """Canonical arrays in the column reading as float64, after a look at each name, shape and type."""
    by_name = {parameter.name: parameter for parameter in network.parameters}
    arrays = {}
    for name, value in given.items():
        if name not in by_name:
            raise DataError(
                f"{quoted(name)} is no parameter of this network, which has {', '.join(by_name)}."
                f"{did_you_mean(str(name), by_name)}"
            )
        axes, array = by_name[name].axes, _real(name, value)
        needs = network.shape(by_name[name])
        require_shape(name, array.shape, axes, needs, "it", "read it with its convention (read_arrays)")
        arrays[name] = array
    return arrays


def _real(name: str, value: object) -> Array:
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name} must be an array of real numbers.")
    return array.astype(np.float64, copy=False)


def require_shape(
    symbol: str, shape: tuple[int, ...], names: tuple[str, ...], needs: tuple[int, ...], whose: str, remedy: str
) -> None:
    """Nothing, when the shape is the one that is needed; else a DataError with both, and whether it is transposed."""
    if shape == needs:
        return
    transposed = len(needs) == 2 and shape == needs[::-1]
    raise DataError(
        f"{symbol} has shape {write_shape(shape)}; {whose} needs {write_axes(names)} = {write_shape(needs)}."
        f"{f' It is transposed: give its transpose, or {remedy}.' if transposed else ''}"
    )
