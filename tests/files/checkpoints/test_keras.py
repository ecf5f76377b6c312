"""Keras files come out as readable names with the values that went in, and their layers as the configuration says."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnn_calc.core.errors import DataError
from rnn_calc.files.checkpoints.keras import open_keras
from rnn_calc.files.checkpoints.keras_config import stored_name
from tests.files.checkpoints.keras_files import (
    VARIABLES,
    archive,
    cell_config,
    drawn,
    h5py,
    layer,
    legacy,
    recurrent,
    sequential,
    store,
)

LSTM = recurrent(5, 4, 4)
SECOND = recurrent(4, 3, 4, seed=10)
FORWARD, BACKWARD = recurrent(3, 2, 3, seed=20), recurrent(3, 2, 3, seed=30)
SIMPLE = [drawn(4, 3), drawn(3, 3)]
DENSE = [drawn(3, 2), drawn(2)]
EMBEDDING = drawn(11, 5)

CONFIG = sequential(
    layer("InputLayer", "input_layer"),
    layer("Embedding", "embedding"),
    layer("LSTM", "lstm", units=4, **cell_config()),
    layer("LSTM", "second lstm", units=3, **cell_config(stateful=True)),
    layer(
        "Bidirectional",
        "bi",
        merge_mode="sum",
        layer=layer("GRU", "forward_gru", units=2, reset_after=False, **cell_config()),
        backward_layer=layer("GRU", "backward_gru", units=2, reset_after=False, **cell_config(go_backwards=True)),
    ),
    layer("SimpleRNN", "back", units=3, **cell_config(activation="relu", go_backwards=True, use_bias=False)),
    layer("Dense", "head"),
)
STORED = {
    "layers/embedding": [EMBEDDING],
    "layers/lstm/cell": LSTM,
    "layers/lstm_1/cell": SECOND,
    "layers/bidirectional/forward_layer/cell": FORWARD,
    "layers/bidirectional/backward_layer/cell": BACKWARD,
    "layers/simple_rnn/cell": SIMPLE,
    "layers/dense": DENSE,
    "optimizer": [drawn(5, 16), drawn(4, 16)],
}
NAMES = {
    "layers/embedding": "embedding",
    "layers/lstm": "lstm",
    "layers/lstm/cell": "lstm_cell",
    "layers/lstm_1": "second lstm",
    "layers/lstm_1/cell": "lstm_cell",
    "layers/bidirectional": "bi",
    "layers/bidirectional/forward_layer": "forward_gru",
    "layers/bidirectional/forward_layer/cell": "gru_cell",
    "layers/bidirectional/backward_layer": "backward_gru",
    "layers/bidirectional/backward_layer/cell": "gru_cell",
    "layers/simple_rnn": "back",
    "layers/simple_rnn/cell": "simple_rnn_cell",
    "layers/dense": "head",
}


def named(prefix: str, arrays: list[NDArray[Any]], variables: tuple[str, ...] = VARIABLES) -> dict[str, NDArray[Any]]:
    return {f"{prefix}/{variable}": array for variable, array in zip(variables, arrays, strict=False)}


EXPECTED = {
    "embedding/embeddings": EMBEDDING,
    **named("lstm", LSTM),
    **named("second lstm", SECOND),
    **named("bi/forward_gru", FORWARD),
    **named("bi/backward_gru", BACKWARD),
    **named("back", SIMPLE),
    **named("head", DENSE, ("kernel", "bias")),
}


def require_values(path: Path, expected: dict[str, NDArray[Any]]) -> None:
    found = open_keras(str(path))
    assert found.format == "keras"
    assert set(found.tensors) == set(expected)
    for name, array in expected.items():
        assert found.tensors[name].shape == array.shape
        assert found.tensors[name].dtype == array.dtype.name
        values = found.read(name)
        assert values.dtype == np.float64
        assert np.array_equal(values, array.astype(np.float64))


@pytest.mark.parametrize("names", [NAMES, None], ids=["named groups", "names from the configuration"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_a_keras_archive_gives_its_weights_under_the_layers_names(
    tmp_path: Path, names: dict[str, str] | None, method: int
) -> None:
    archive(tmp_path / "m.keras", STORED, CONFIG, names, method)
    require_values(tmp_path / "m.keras", EXPECTED)
    assert open_keras(str(tmp_path / "m.keras")).metadata == {"keras_version": "3.15.1"}
    assert list(open_keras(str(tmp_path / "m.keras")).tensors)[:2] == ["embedding/embeddings", "lstm/kernel"]


def test_a_keras_archive_says_what_its_layers_are(tmp_path: Path) -> None:
    archive(tmp_path / "m.keras", STORED, CONFIG, NAMES)
    layers = {layer.prefix: layer for layer in open_keras(str(tmp_path / "m.keras")).layers}
    assert list(layers) == ["lstm", "second lstm", "bi/forward_gru", "bi/backward_gru", "back"]
    assert [layers[name].cell for name in layers] == ["lstm", "lstm", "gru", "gru", "simplernn"]
    assert [layers[name].d_h for name in layers] == [4, 3, 2, 2, 3]
    assert [layers[name].reverse for name in layers] == [False, False, False, True, True]
    assert [layers[name].merge for name in layers] == [None, None, "sum", "sum", None]
    assert [layers[name].reset_after for name in layers] == [None, None, False, False, None]
    assert layers["lstm"].recurrent_activation == "sigmoid"
    assert layers["second lstm"].stateful is True
    assert layers["back"].activation == "relu"
    assert layers["back"].use_bias is False
    assert "last step's first" in layers["back"].notes[0]
    assert layers["lstm"].notes == ()


def test_weights_alone_have_names_and_no_layers(tmp_path: Path) -> None:
    store(tmp_path / "m.weights.h5", STORED, NAMES)
    require_values(tmp_path / "m.weights.h5", EXPECTED)
    assert open_keras(str(tmp_path / "m.weights.h5")).layers == ()
    store(tmp_path / "n.weights.h5", {"_layer_checkpoint_dependencies\\lstm\\cell": LSTM})
    require_values(tmp_path / "n.weights.h5", named("lstm", LSTM))


def test_a_model_within_a_model_and_stacked_cells_keep_their_path(tmp_path: Path) -> None:
    gru = recurrent(3, 4, 3, biases=2)
    stack = layer(
        "StackedRNNCells",
        "stacked_rnn_cells",
        cells=[layer("GRUCell", "gru_cell", units=4, reset_after=True), layer("LSTMCell", "lstm_cell", units=4)],
    )
    encoder = {
        **sequential(layer("GRU", "gru_7", units=4, reset_after=True, **cell_config())),
        "class_name": "Functional",
    }
    encoder["config"] = {**encoder["config"], "name": "encoder"}  # type: ignore[dict-item]
    objects = {
        "layers/functional/layers/gru/cell": gru,
        "layers/rnn/cell/cells/gru_cell": gru,
        "layers/rnn/cell/cells/lstm_cell": LSTM,
    }
    archive(tmp_path / "m.keras", objects, sequential(encoder, layer("RNN", "rnn", cell=stack)))
    stacked = "rnn/stacked_rnn_cells"
    require_values(
        tmp_path / "m.keras",
        {**named("encoder/gru_7", gru), **named(f"{stacked}/gru_cell", gru), **named(f"{stacked}/lstm_cell", LSTM)},
    )
    found = {layer.prefix: layer for layer in open_keras(str(tmp_path / "m.keras")).layers}
    assert list(found) == ["encoder/gru_7", f"{stacked}/gru_cell", f"{stacked}/lstm_cell"]
    assert found["encoder/gru_7"].reset_after is True


LEGACY = {
    "lstm": named("lstm/lstm_cell", LSTM, tuple(f"{name}:0" for name in VARIABLES)),
    "lstm_1": named("sequential/lstm_1/lstm_cell_1", SECOND),
    "bi": {
        **named("bi/forward_gru/gru_cell_1", FORWARD, tuple(f"{name}:0" for name in VARIABLES)),
        **named("bi/backward_gru/gru_cell_2", BACKWARD, tuple(f"{name}:0" for name in VARIABLES)),
    },
    "encoder": named("gru_9/gru_cell", FORWARD),
    "rnn": {**named("rnn/gru_cell", FORWARD), **named("rnn/lstm_cell", LSTM)},
    "dropout": {},
}
LEGACY_NAMES = {
    **named("lstm", LSTM),
    **named("lstm_1", SECOND),
    **named("bi/forward_gru", FORWARD),
    **named("bi/backward_gru", BACKWARD),
    **named("encoder/gru_9", FORWARD),
    **named("rnn/gru_cell", FORWARD),
    **named("rnn/lstm_cell", LSTM),
}


def test_an_h5_file_gives_the_same_names(tmp_path: Path) -> None:
    legacy(tmp_path / "m.h5", LEGACY)
    require_values(tmp_path / "m.h5", LEGACY_NAMES)
    config = sequential(
        layer("LSTM", "lstm", units=4, **cell_config(recurrent_activation="hard_sigmoid")),
        layer("CuDNNLSTM", "lstm_1", units=3),
        layer("Bidirectional", "bi", merge_mode=None, layer=layer("GRU", "gru", units=2, **cell_config())),
        layer("Sequential", "encoder", layers=[layer("Sequential", "inner", layers=[layer("GRU", "gru_9", units=2)])]),
        layer("LSTM", "unbuilt", units=4),
        layer("Lambda", "lambda", function=["4wEAAAAAAAAA", None, None]),
    )
    legacy(tmp_path / "n.h5", LEGACY, config)
    with h5py.File(tmp_path / "n.h5", "r+") as file:
        file["optimizer_weights/adam/lstm/kernel/m:0"] = LSTM[0]
    require_values(tmp_path / "n.h5", LEGACY_NAMES)
    found = {layer.prefix: layer for layer in open_keras(str(tmp_path / "n.h5")).layers}
    assert list(found) == ["lstm", "lstm_1", "bi/forward_gru", "bi/backward_gru", "encoder/gru_9"]
    assert "'hard_sigmoid'" in found["lstm"].notes[0]
    assert found["lstm_1"].cell == "cudnnlstm"
    assert "transposed" in found["lstm_1"].notes[0]
    assert (found["bi/backward_gru"].reverse, found["bi/backward_gru"].merge) == (True, "none")
    assert found["bi/forward_gru"].reset_after is False, "files without the setting are older than it"
    assert open_keras(str(tmp_path / "n.h5")).metadata == {"keras_version": "2.15.0"}


def test_a_sequential_model_of_keras_1_is_a_bare_list_and_said_to_be_old(tmp_path: Path) -> None:
    config = {
        "class_name": "Sequential",
        "config": [layer("LSTM", "lstm_1", output_dim=3, inner_activation="hard_sigmoid")],
    }
    legacy(tmp_path / "m.h5", {"lstm_1": {"lstm_1_W_i:0": drawn(2, 3), "lstm_1_U_i:0": drawn(3, 3)}}, config)
    found = open_keras(str(tmp_path / "m.h5"))
    assert list(found.tensors) == ["lstm_1/lstm_1_U_i", "lstm_1/lstm_1_W_i"]
    assert found.layers[0].d_h == 3
    assert "Keras 1" in " ".join(found.layers[0].notes)


def test_narrow_and_foreign_types(tmp_path: Path) -> None:
    values = np.array([[0.0, 1.0], [2.5, -3.0]])
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["l/half"], file["l/big"], file["l/count"] = (
            values.astype("f2"),
            values.astype(">f4"),
            np.arange(3, dtype="u1"),
        )
        brain = (values.astype("f4").view("u4") >> 16).astype("u2").view("V2")
        file["l/brain"] = brain
        file["l/brain"].attrs["dtype"] = "bfloat16"
        file["l/texts"] = ["a", "b"]
        file["l/pairs"] = np.zeros(2, [("a", "f4")])
        file["l/none"] = h5py.Empty("f4")
    found = open_keras(str(tmp_path / "m.h5"))
    assert {name: info.dtype for name, info in found.tensors.items()} == {
        **{"l/half": "float16", "l/big": "float32", "l/count": "uint8", "l/brain": "bfloat16"},
        **{"l/texts": "object", "l/pairs": "compound"},
    }
    for name in ("l/half", "l/big", "l/brain"):
        assert np.array_equal(found.read(name), values)
    for name in ("l/texts", "l/pairs"):
        with pytest.raises(DataError, match="listed and not read"):
            found.read(name)
    with pytest.raises(DataError, match="has no tensor"):
        found.read("l/none")


@pytest.mark.parametrize(
    "options", [{"compression": "gzip"}, {"compression": "gzip", "shuffle": True}, {"chunks": (3, 4)}]
)
def test_datasets_in_pieces_are_read(tmp_path: Path, options: dict[str, Any]) -> None:
    values = drawn(10, 9, dtype="float64")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("a/kernel", data=values, **{"chunks": (4, 5), **options})
    require_values(tmp_path / "m.h5", {"a/kernel": values})


def test_without_h5py_the_command_that_installs_it_is_named(tmp_path: Path) -> None:
    archive(tmp_path / "m.keras", STORED, CONFIG, NAMES)
    program = (
        "import sys; sys.modules['h5py'] = None\n"
        "from rnn_calc.core.errors import DataError\n"
        "from rnn_calc.files.checkpoints.keras import open_keras\n"
        f"try: open_keras({str(tmp_path / 'm.keras')!r})\n"
        "except DataError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'rnn-calc[keras]'" in said.stdout


def test_classes_are_stored_under_these_names() -> None:
    # From files of Keras 3.15.
    words = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "simple_rnn", "ConvLSTM1D": "conv_lstm1d", "RNN": "rnn"}
    words |= {"TimeDistributed": "time_distributed", "InputLayer": "input_layer", "LSTMCell": "lstm_cell"}
    assert {word: stored_name(word) for word in words} == words
