"""Arrays for a network's parameters: drawn from a seed, taken from a convention's names, scaled, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from rnn_calc.core.conventions import Convention, shape_of, write_axes, write_shape
from rnn_calc.core.equations import Parameter
from rnn_calc.core.errors import DataError, NonFiniteError, did_you_mean, listed, quoted
from rnn_calc.core.memory import FLOAT64, require_memory
from rnn_calc.core.network import Network

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Init:
    """How missing parameters are drawn: the scheme, a factor on every matrix, and the seed."""

    scheme: str = "gaussian"
    gain: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Weights:
    """An array for every parameter of a network, under its canonical name and in the column reading.

    `drawn` names the parameters that came from `init` and not from the user; `scaling` says how the recurrent matrix
    was rescaled, if it was.
    """

    arrays: dict[str, Array]
    drawn: tuple[str, ...] = ()
    init: Init = Init()
    scaling: str = ""

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]


def _gaussian(rng: np.random.Generator, parameter: Parameter, shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape) / np.sqrt(shape[1]) if parameter.is_matrix else np.zeros(shape)


def _xavier(rng: np.random.Generator, parameter: Parameter, shape: tuple[int, ...]) -> Array:
    if not parameter.is_matrix:
        return np.zeros(shape)
    limit = np.sqrt(6 / (shape[0] + shape[1]))
    return rng.uniform(-limit, limit, shape)


def _orthogonal(rng: np.random.Generator, parameter: Parameter, shape: tuple[int, ...]) -> Array:
    if not parameter.is_matrix:
        return np.zeros(shape)
    tall = rng.standard_normal((max(shape), min(shape)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))  # without this, Q is not uniform over the orthogonal matrices (Mezzadri 2007)
    return np.ascontiguousarray(q if q.shape == shape else q.T)


def _identity(rng: np.random.Generator, parameter: Parameter, shape: tuple[int, ...]) -> Array:
    return np.eye(shape[0]) if parameter.role == "recurrent" else _gaussian(rng, parameter, shape)


# What each scheme gives a parameter of a shape; "uniform" needs d_h and is made in `draw`.
_SCHEMES: dict[str, Callable[[np.random.Generator, Parameter, tuple[int, ...]], Array]] = {
    "gaussian": _gaussian,
    "xavier": _xavier,
    "orthogonal": _orthogonal,
    "identity": _identity,
}

INITS = {
    "gaussian": "matrices N(0, gain²/fan_in), biases 0",
    "uniform": "everything U(−1/√d_h, 1/√d_h), as torch.nn.RNN does it; matrices times gain",
    "xavier": "matrices U(−a, a) with a = gain·√(6/(fan_in + fan_out)), biases 0",
    "orthogonal": "matrices with orthonormal rows or columns, times gain, biases 0",
    "identity": "W_hh = gain·I, other matrices as gaussian, biases 0",
}


def draw(network: Network, init: Init) -> dict[str, Array]:
    """An array for every parameter; one seed gives one parameter the same numbers whatever else the network has.

    Raises: DataError for an unknown scheme; NonFiniteError where the gain takes a matrix beyond float64.
    """
    if init.scheme not in INITS:
        raise DataError(
            f"There is no init {quoted(init.scheme)}; it must be {listed(INITS)}.{did_you_mean(init.scheme, INITS)}"
        )
    # The streams are dealt out to all that such a network can have; a second bias comes last.
    everything = replace(network, d_out=network.d_out or 1, biases=2).parameters
    ordered = sorted(everything, key=lambda parameter: parameter.role == "recurrent_bias")
    streams = dict(zip((p.name for p in ordered), np.random.SeedSequence(init.seed).spawn(len(ordered)), strict=True))
    arrays = {}
    for parameter in network.parameters:
        rng = np.random.default_rng(streams[parameter.name])
        shape = shape_of(parameter.axes, network.sizes)
        if init.scheme == "uniform":
            limit = 1 / np.sqrt(network.d_h)
            array = rng.uniform(-limit, limit, shape)
        else:
            array = _SCHEMES[init.scheme](rng, parameter, shape)
        arrays[parameter.name] = _amplified(array, init.gain, parameter.name) if parameter.is_matrix else array
    return arrays


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
    count = sum(prod(shape_of(parameter.axes, network.sizes)) for parameter in network.parameters)
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
        needs = shape_of(axes, network.sizes)
        _require_shape(name, array.shape, axes, needs, "it", "read it with its convention (read_arrays)")
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


def _require_shape(
    symbol: str, shape: tuple[int, ...], names: tuple[str, ...], needs: tuple[int, ...], whose: str, remedy: str
) -> None:
    if shape == needs:
        return
    transposed = len(needs) == 2 and shape == needs[::-1]
    raise DataError(
        f"{symbol} has shape {write_shape(shape)}; {whose} needs {write_axes(names)} = {write_shape(needs)}."
        f"{f' It is transposed: give its transpose, or {remedy}.' if transposed else ''}"
    )


def read_arrays(network: Network, convention: Convention, named: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays named and oriented as `convention` does it, as canonical arrays in the column reading.

    Raises: DataError for an unknown symbol (with the nearest one) or a wrong shape (with both shapes).
    """
    by_symbol = {convention.symbol(parameter): parameter for parameter in network.parameters}
    arrays = {}
    for symbol, array in named.items():
        if symbol not in by_symbol:
            raise DataError(
                f"{quoted(symbol)} is no parameter of this network under the convention {convention.name}, "
                f"which has {', '.join(by_symbol)}.{did_you_mean(symbol, by_symbol)}"
            )
        parameter = by_symbol[symbol]
        arrays[parameter.name] = _oriented(network, convention, parameter, array)
    return arrays


def _oriented(network: Network, convention: Convention, parameter: Parameter, array: Array) -> Array:
    axes = convention.stored_axes(parameter)
    needs = shape_of(axes, network.sizes)
    # Where vectors are written as n × 1, a flat list of n numbers says the same.
    if not (axes[-1] == "1" and array.shape == needs[:1]):
        names = tuple(map(convention.size, axes))
        whose, remedy = f"the convention {convention.name}", "choose the convention that stores it so"
        _require_shape(convention.symbol(parameter), array.shape, names, needs, whose, remedy)
    if not parameter.is_matrix:
        return np.ascontiguousarray(array.reshape(needs[0]), dtype=np.float64)
    return np.ascontiguousarray(array.T if convention.row_vectors else array, dtype=np.float64)


def write_array(convention: Convention, parameter: Parameter, array: Array) -> Array:
    """A canonical array as `convention` stores it: the inverse of `read_arrays` for one parameter."""
    return array.T if convention.row_vectors and parameter.is_matrix else array


def spectral_radius(matrix: Array) -> float:
    """The largest modulus of an eigenvalue of a square matrix.

    Raises: NonFiniteError where an entry is NaN or infinite.
    """
    _require_finite(matrix, "spectral radius")
    with np.errstate(over="ignore"):
        return float(np.abs(np.linalg.eigvals(matrix)).max())


def spectral_norm(matrix: Array) -> float:
    """The largest singular value of a matrix.

    Raises: NonFiniteError where an entry is NaN or infinite.
    """
    _require_finite(matrix, "spectral norm")
    with np.errstate(over="ignore"):
        return float(np.linalg.norm(matrix, 2))


def _require_finite(matrix: Array, measure: str) -> None:
    wrong = np.argwhere(~np.isfinite(matrix))
    if len(wrong):
        row, column = wrong[0]
        raise NonFiniteError(
            f"The recurrent matrix has {matrix[row, column]:g} in row {row + 1}, column {column + 1}; "
            f"a {measure} needs finite numbers."
        )


SCALINGS: dict[str, tuple[str, Callable[[Array], float]]] = {
    "spectral radius": ("ρ", spectral_radius),
    "spectral norm": ("σ_max", spectral_norm),
}

# A measure that moves by more than the second number when the entries move by the first, relatively, is noise. The
# eigenvalues of a nilpotent matrix come out as about u^(1/n)·‖W‖, so a bound on their size would refuse any matrix of
# some size; but 1e−12 instead of u makes them 10^(4/n) times as large. An honest eigenvalue of condition κ moves by
# κ·1e−12, and one that is repeated k times by 1e−12^(1/k), which is 3 % for k = 8. Zeros stay zeros, so a triangular
# matrix keeps its radius however ill-conditioned it is.
_NUDGE = 1e-12
_STEADY = 0.05


def scale_recurrent(weights: Weights, measure: str, target: float) -> Weights:
    """The same weights with W_hh rescaled so that its `measure`, a key of `SCALINGS`, is `target`.

    Raises: DataError for an unknown measure, a target that is not above 0, or where W_hh measures 0 (or nothing but
    rounding), which no factor changes; NonFiniteError where W_hh is not finite, or would not stay within float64.
    """
    if measure not in SCALINGS:
        raise DataError(
            f"There is no measure {quoted(measure)}; it must be {listed(SCALINGS)}.{did_you_mean(measure, SCALINGS)}"
        )
    if not 0 < target < np.inf:
        raise DataError(f"The {measure} must be a number above 0; {target:g} is not.")
    matrix, measured = weights["W_hh"], SCALINGS[measure][1]
    current = measured(matrix)
    if current == 0 or not _is_steady(matrix, measured, current):
        raise DataError(
            f"W_hh has a {measure} of 0, so no factor can make it {target:g}; give other weights or another --init."
        )
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        scaled = matrix * (target / current)
    largest = np.abs(scaled).max()
    if not np.finfo(np.float64).tiny <= largest < np.inf:
        raise NonFiniteError(
            f"W_hh with a {measure} of {target:g} would leave the range of float64 (2.2e-308 to 1.8e308); "
            f"its {measure} is {current:g} now."
        )
    return replace(weights, arrays={**weights.arrays, "W_hh": scaled}, scaling=f"W_hh scaled to {measure} {target:g}")


def _is_steady(matrix: Array, measured: Callable[[Array], float], current: float) -> bool:
    """Whether the measure of a matrix is about the same when its entries change in their twelfth digit."""
    nudge = np.random.default_rng(0).uniform(-_NUDGE, _NUDGE, matrix.shape)
    return abs(measured(matrix - matrix * nudge) - current) <= _STEADY * current


def fit_biases(network: Network, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays read under one bias rule for a network under another: a second bias is added in, or set to zero.

    Names that no bias rule knows stay as they are. Raises: DataError where a network without biases is given one
    that is not zero.
    """
    names = {parameter.name for parameter in network.parameters}
    fitted = dict(arrays)
    for parameter in replace(network, biases=2).parameters:
        name = parameter.name
        if parameter.role == "recurrent_bias":
            first = f"b_{parameter.gate}"
            if name in names and name not in fitted and first in fitted:
                fitted[name] = np.zeros(network.d_h)
            if name not in names and name in fitted:
                second = fitted.pop(name)
                fitted[first] = fitted[first] + second if first in fitted else second
    for name in [p.name for p in replace(network, biases=1).parameters if p.name not in names and p.name in fitted]:
        if np.any(fitted.pop(name)):
            raise DataError(f"{name} is not zero, but this network has no biases.")
    return fitted
