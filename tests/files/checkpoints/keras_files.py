"""Keras files made with h5py alone, laid out as Keras writes them (compared with files of Keras 3.15)."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

h5py = pytest.importorskip("h5py")

Weights = Mapping[str, Sequence[NDArray[Any]]]
VARIABLES = ("kernel", "recurrent_kernel", "bias")


def drawn(*shape: int, seed: int = 0, dtype: str = "float32") -> NDArray[Any]:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


def recurrent(d_in: int, d_h: int, gates: int, *, seed: int = 0, biases: int = 1) -> list[NDArray[Any]]:
    """Kernel, recurrent kernel and bias; two rows of biases for a GRU with the reset after."""
    bias = (gates * d_h,) if biases == 1 else (biases, gates * d_h)
    return [drawn(d_in, gates * d_h, seed=seed), drawn(d_h, gates * d_h, seed=seed + 1), drawn(*bias, seed=seed + 2)]


def layer(class_name: str, name: str, **config: object) -> dict[str, object]:
    """An entry of a configuration."""
    return {"module": "keras.layers", "class_name": class_name, "config": {"name": name, **config}}


def cell_config(**others: object) -> dict[str, object]:
    return {
        **{"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True, "go_backwards": False},
        **{"return_sequences": True, "stateful": False, **others},
    }


def sequential(*layers: object) -> dict[str, object]:
    return {"class_name": "Sequential", "config": {"name": "sequential", "layers": list(layers)}}


def store(target: Any, objects: Weights, names: Mapping[str, str] | None = None) -> None:
    """Weights as Keras 3 stores them: numbered, in a group vars of each object, which may carry the layer's name."""
    with h5py.File(target, "w") as file:
        for path, arrays in objects.items():
            group = file.create_group(f"{path}/vars")
            for number, array in enumerate(arrays):
                group[str(number)] = array
        for path, name in (names or {}).items():
            file.require_group(f"{path}/vars").attrs["name"] = name


def archive(
    path: Path,
    objects: Weights,
    config: object,
    names: Mapping[str, str] | None = None,
    method: int = zipfile.ZIP_STORED,
) -> None:
    """A .keras file."""
    weights = io.BytesIO()
    store(weights, objects, names)
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        file.writestr("config.json", json.dumps(config))
        file.writestr("model.weights.h5", weights.getvalue())


def legacy(path: Path, layers: Mapping[str, Mapping[str, NDArray[Any]]], config: object = None) -> None:
    """An .h5 file of Keras 1 and 2: weights by the names of their variables, in a group a layer."""
    with h5py.File(path, "w") as file:
        group = file if config is None else file.create_group("model_weights")
        if config is not None:
            file.attrs["model_config"] = json.dumps(config).encode()
        group.attrs["layer_names"] = [name.encode() for name in layers]
        group.attrs["keras_version"] = b"2.15.0"
        for name, weights in layers.items():
            inner = group.create_group(name)
            inner.attrs["weight_names"] = [weight.encode() for weight in weights]
            for weight, array in weights.items():
                inner[weight] = array
