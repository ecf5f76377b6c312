"""Written networks are read back bit for bit, in every cell, convention, structure and format."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from rnn_calc.commands.loading import load_weights
from rnn_calc.commands.options import NetworkOptions
from rnn_calc.commands.run_options import WeightOptions
from rnn_calc.commands.setup import Setup, load_setup
from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.errors import DataError, TooLargeError
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.storage import write_arrays
from rnn_calc.files.writing import MOST_NUMBERS, WRITTEN, bias_change, model_lines, require_fit, rounding, write_weights
from tests.core.drawing import random_arrays
from tests.core.random_networks import written_networks
from tests.references import Array

PAIRS = [(cell, c.name) for c in CONVENTIONS.values() for cell in (c.cells or CELLS)]
STRUCTURES: dict[str, dict[str, object]] = {
    "plain": {"d_out": 0},
    "readout": {"d_out": 2},
    "stack": {"d_h": (3, 4, 3), "d_out": 2},
    "both": {"layers": 2, "bidirectional": True},
    "sum": {"layers": 2, "bidirectional": True, "merge": "sum", "d_out": 2, "readout_bias": False},
    "tied": {"vocab": 5, "d_in": 3, "d_out": 5, "tied": True},
    "embedded": {"vocab": 5, "d_out": 5, "readout_bias": False},
    "tied without bias": {"vocab": 5, "d_in": 3, "d_out": 5, "tied": True, "readout_bias": False},
}


def written(path: Path, network: Network, convention: str, dtype: str = "float64") -> dict[str, Array]:
    """Write random weights of a network; the canonical arrays."""
    arrays = random_arrays(network, 7)
    notation = Notation(network, convention)
    write_weights(path, WRITTEN[path.suffix], notation, write_arrays(network, convention, arrays), dtype)
    return arrays


def read(path: Path, **options: object) -> tuple[Setup, dict[str, Array]]:
    setup = load_setup(NetworkOptions(model=str(path), **options))  # type: ignore[arg-type]
    return setup, load_weights(setup, WeightOptions()).arrays


def network_of(cell: str, convention: str, structure: str) -> Network:
    sizes: dict[str, object] = {"d_in": 2, "d_h": 3, **STRUCTURES[structure]}
    known = CELLS[cell]
    return Network(cell=known, biases=CONVENTIONS[convention].biases(known), **sizes)  # type: ignore[arg-type]


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize(("cell", "convention"), PAIRS)
@pytest.mark.parametrize("suffix", [".safetensors", ".toml"])
def test_a_written_network_is_read_back_bit_for_bit(
    tmp_path: Path, cell: str, convention: str, structure: str, suffix: str
) -> None:
    network, path = network_of(cell, convention, structure), tmp_path / f"m{suffix}"
    arrays = written(path, network, convention)
    setup, found = read(path)
    assert setup.network == network
    assert setup.convention.name == convention
    assert found.keys() == arrays.keys()
    assert all(np.array_equal(found[name], array) for name, array in arrays.items())


@pytest.mark.parametrize("structure", ["readout", "both"])
@pytest.mark.parametrize(("cell", "convention"), PAIRS)
def test_an_npz_is_read_back_when_its_convention_is_told(
    tmp_path: Path, cell: str, convention: str, structure: str
) -> None:
    network, path = network_of(cell, convention, structure), tmp_path / "m.npz"
    arrays = written(path, network, convention)
    setup, found = read(path, convention=convention, cell=cell)
    assert setup.network == network
    assert all(np.array_equal(found[name], array) for name, array in arrays.items())


@settings(max_examples=60, deadline=None)
@given(written_networks(largest=5))
def test_any_network_survives_a_model_file(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[Network, Convention]
) -> None:
    network, convention = case
    path = tmp_path_factory.mktemp("m") / "m.toml"
    arrays = written(path, network, convention.name)
    setup, found = read(path)
    assert setup.network == network
    assert all(np.array_equal(found[name], array) for name, array in arrays.items())


def test_every_key_of_a_model_file_is_what_toml_reads() -> None:
    for cell, convention in PAIRS:
        network = network_of(cell, convention, "both")
        arrays = write_arrays(network, convention, random_arrays(network, 1))
        document = tomllib.loads("\n".join(model_lines(Notation(network, convention), arrays)))
        assert document["weights"].keys() == arrays.keys()
        assert all(np.array_equal(np.array(document["weights"][symbol]), array) for symbol, array in arrays.items())


@pytest.mark.parametrize("value", [5e-324, 1.7976931348623157e308, -0.0, 1e16, 1e-7, 0.1, 1 / 3])
def test_a_model_file_keeps_every_digit(tmp_path: Path, value: float) -> None:
    network, path = Network(1, 1), tmp_path / "m.toml"
    arrays = {"W_xh": np.array([[value]]), "W_hh": np.array([[1.0]]), "b_h": np.array([0.0])}
    write_weights(path, "toml", Notation(network), arrays, "float64")
    assert read(path)[1]["W_xh"].tobytes() == np.array([[value]]).tobytes()


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_float32_is_the_nearest_float32(tmp_path: Path, suffix: str) -> None:
    network, path = Network(2, 3, 1), tmp_path / f"m{suffix}"
    arrays = written(path, network, "xh", "float32")
    found = read(path)[1]
    assert all(np.array_equal(found[name], array.astype(np.float32)) for name, array in arrays.items())


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_number_beyond_float32_is_refused_and_nothing_else_is_infinite(tmp_path: Path, suffix: str) -> None:
    network = Network(1, 1)
    arrays = {"W_xh": np.array([[1e39]]), "W_hh": np.array([[1.0]]), "b_h": np.array([np.inf])}
    with pytest.raises(DataError, match=r"W_xh.* beyond float32"):
        write_weights(tmp_path / f"m{suffix}", WRITTEN[suffix], Notation(network), arrays, "float32")
    arrays["W_xh"][0, 0] = 1e38
    write_weights(tmp_path / f"m{suffix}", WRITTEN[suffix], Notation(network), arrays, "float32")


def test_rounding_counts_what_changes() -> None:
    arrays = {"a": np.array([0.5, 0.1, 0.0]), "b": np.array([[1.0, 1 / 3]])}
    changed, worst = rounding(arrays, "float32")
    assert changed == 2
    # Exactly: float32 has 24 bits.
    assert worst == max(abs(float(np.float32(x)) - x) / x for x in (0.1, 1 / 3))
    assert rounding(arrays, "float64") == (0, 0.0)
    assert rounding({"a": np.array([1e-300])}, "float32") == (1, 1.0)


def test_a_model_file_has_a_limit_that_names_another_format() -> None:
    large = Notation(Network(1, 500))
    assert large.total > MOST_NUMBERS
    with pytest.raises(TooLargeError, match=r"at most 200,000 numbers here; this network has 251,000.*\.safetensors"):
        require_fit("toml", large)
    require_fit("safetensors", large)
    require_fit("toml", Notation(Network(1, 400)))


def test_what_happens_to_biases_is_said() -> None:
    one = Network(2, 3, cell=CELLS["lstm"])
    two = replace(one, biases=2)
    assert "added into one" in bias_change(two, one)
    assert "The second bias a gate is 0" in bias_change(one, two)
    assert bias_change(one, one) == ""


def test_a_safetensors_says_whose_it_is(tmp_path: Path) -> None:
    from safetensors import safe_open

    path = tmp_path / "m.safetensors"
    written(path, network_of("rnn", "keras", "sum"), "keras")
    with safe_open(str(path), "np") as file:
        assert file.metadata() == {
            "format": "np",
            "rnncalc.convention": "keras",
            "rnncalc.cell": "rnn",
            "rnncalc.activation": "tanh",
            "rnncalc.merge": "sum",
        }
