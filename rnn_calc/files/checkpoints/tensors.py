"""What every checkpoint is, whatever its format: named tensors whose headers are known and whose values can be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rnn_calc.core.weights import Array


class TensorInfo(NamedTuple):
    """What a header says of a tensor: its shape and its type as NumPy names it (float32, bfloat16, int8 …)."""

    shape: tuple[int, ...]
    dtype: str


class LayerConfig(NamedTuple):
    """What a file says of a recurrent layer beside its tensors, as Keras configurations and ONNX nodes do.

    `prefix` is what its tensors' names begin with. `cell` is the framework's own word in lower case (lstm, gru,
    simplernn, rnn). `reset_after`: a GRU with the reset after the product. `tensors` maps roles that the format knows
    by other means than the name (ONNX: W, R, B, P) to tensor names. `notes` are sentences about what cannot be told
    from weights and changes the computation, such as activations other than the default.

    `recurrent_activation` is the gates'. `reverse`: it reads the sequence from its end. `bidirectional`: each of its
    tensors holds both directions (ONNX); `merge` says how Keras joins the layer with its twin of the other direction:
    concat, sum, mul, ave or none, and None when it has no twin. None elsewhere: the file does not say.
    """

    prefix: str
    cell: str
    activation: str | None = None
    reset_after: bool | None = None
    reverse: bool = False
    tensors: Mapping[str, str] = MappingProxyType({})
    notes: tuple[str, ...] = ()
    recurrent_activation: str | None = None
    bidirectional: bool = False
    merge: str | None = None
    use_bias: bool | None = None
    return_sequences: bool | None = None
    stateful: bool | None = None
    d_h: int | None = None


class Checkpoint(NamedTuple):
    """An open checkpoint: `read(name)` gives a tensor as float64, after its size has been checked against the file.

    `format` is safetensors, npz, npy folder, torch, keras or onnx. `flat(name)` gives the numbers of a small tensor one
    after the other, where the format can do so without NumPy; None for one that it cannot.
    """

    path: str
    format: str
    tensors: Mapping[str, TensorInfo]
    read: Callable[[str], Array]
    layers: tuple[LayerConfig, ...] = ()
    metadata: Mapping[str, str] = MappingProxyType({})
    flat: Callable[[str], Sequence[float] | None] = lambda _: None
