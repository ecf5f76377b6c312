"""What a model file says: sizes, weights, sequence and expected values, all of it optional."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rnn_calc.core.weights import Array
    from rnn_calc.files.numbers import Numbers


# What a model file's name ends in; any other file of weights is a checkpoint.
MODEL_SUFFIXES = (".toml", ".json")


class LazyArray(NamedTuple):
    """An array in a checkpoint: its shape is known, its values are read when they are needed."""

    shape: tuple[int, ...]
    read: Callable[[], Array]


class ModelFile(NamedTuple):
    """What a model file says; None or empty where it says nothing. `weights` are under `convention`'s symbols.

    `layer` is the one of a stack that `--layer` names beside a checkpoint's module, counted from 1.
    """

    path: str
    label: str = ""
    title: str | None = None
    source: str | None = None
    note: str | None = None
    cell: str | None = None
    convention: str | None = None
    activation: str | None = None
    d_in: int | None = None
    d_h: int | tuple[int, ...] | None = None
    d_out: int | None = None
    layers: int | None = None
    bidirectional: bool | None = None
    merge: str | None = None
    proj: int | None = None
    vocab: int | None = None
    tied: bool | None = None
    readout_bias: bool | None = None
    biases: int | None = None
    dropout: float | None = None
    steps: int | None = None
    batch: int | None = None
    batch_first: bool | None = None
    mode: str | None = None
    init: str | None = None
    seed: int | None = None
    gain: float | None = None
    inputs: str | None = None
    text: str | None = None
    loss: str | None = None
    reduction: str | None = None
    h0: Numbers | None = None
    c0: Numbers | None = None
    sequence: Numbers | None = None
    targets: Numbers | None = None
    weights: Mapping[str, Numbers | Array | LazyArray] = MappingProxyType({})
    embedding: Mapping[str, Numbers] = MappingProxyType({})
    expected: Mapping[str, object] = MappingProxyType({})
    layer: int | None = None

    @property
    def name(self) -> str:
        """How the file is called in reports and messages."""
        from rnn_calc.files.source import describe_source

        return self.label or describe_source(self.path)


# What an [expected] part may hold, and the command that checks it.
EXPECTED = {
    "shape": "shapes",
    "count": "params",
    "total": "params",
    "x": "trace",
    "z": "trace",
    "h": "trace",
    "c": "trace",
    "y": "trace",
    "norm": "gradient-decay",
    "log10_norm": "gradient-decay",
    "jacobian": "gradient-decay",
}
