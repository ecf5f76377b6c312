"""What torch's own globals in a pickle stand for: storages, tensors as layouts of a storage, and plain containers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rnn_calc.core.errors import DataError, quoted
from rnn_calc.files.checkpoints.pickled import Foreign, Global
from rnn_calc.files.checkpoints.reading import ITEM_SIZES, LARGEST_SIZE, MOST_AXES

_STORAGES = {
    **{"DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16"},
    **{"LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8"},
    **{"ByteStorage": "uint8", "BoolStorage": "bool"},
    **{"ComplexDoubleStorage": "complex128", "ComplexFloatStorage": "complex64"},
}
_UNTYPED = Global("torch.storage", "UntypedStorage")
_TENSOR_TYPES = {
    *(Global("torch", "Tensor"), Global("torch._tensor", "Tensor")),
    *(Global("torch.nn.parameter", "Parameter"), Global("torch.nn.parameter", "Buffer")),
}


class Storage(NamedTuple):
    """A storage: the name of its member under data/, the type of its entries (None: bytes), and its bytes."""

    key: str
    dtype: str | None
    nbytes: int


class Layout(NamedTuple):
    """A tensor: which entries of a storage it shows. Offset and strides count entries."""

    storage: Storage
    dtype: str
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    negated: bool = False


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_SIZE


def resolve_storage(persistent_id: object, what: str) -> Storage:
    """The storage that a persistent id of torch.save names.

    Raises: DataError for any other id.
    """
    match persistent_id:
        case ("storage", Global() as kind, str(key), _, int(count)) if _is_size(count):
            dtype = _STORAGES.get(kind.name) if kind.module == "torch" else None
            if dtype or kind == _UNTYPED:
                return Storage(key, dtype, count * (ITEM_SIZES[dtype] if dtype else 1))
            raise DataError(f"{what} has a storage of the unknown type {quoted(kind)}.")
    raise DataError(f"{what} has a reference that is no storage.")


def _tensor(arguments: tuple[object, ...], dtype: str | None = None) -> Layout | None:
    """The layout by torch's arguments storage, offset, size, stride; None when they are no such thing."""
    storage, offset, size, stride = arguments[:4]
    dtype = dtype or (storage.dtype if isinstance(storage, Storage) else None)
    if (
        not isinstance(storage, Storage)
        or dtype is None
        or not isinstance(size, tuple)
        or not isinstance(stride, tuple)
    ):
        return None
    if len(size) != len(stride) or len(size) > MOST_AXES or not all(map(_is_size, (*size, *stride))):
        return None
    if not isinstance(offset, int) or not _is_size(offset):
        return None
    return Layout(storage, dtype, offset, size, stride)


def _rebuilt(arguments: tuple[object, ...]) -> Layout | None:
    """_rebuild_tensor(storage, offset, size, stride) and v2, which adds requires_grad, hooks and metadata."""
    layout = _tensor(arguments) if len(arguments) >= 4 else None
    return _with_marks(layout, arguments[6] if len(arguments) > 6 else None)


def _rebuilt_typed(arguments: tuple[object, ...]) -> Layout | None:
    """_rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype, metadata)."""
    if len(arguments) < 7 or not isinstance(arguments[6], Global) or arguments[6].name not in ITEM_SIZES:
        return None
    return _with_marks(_tensor(arguments, arguments[6].name), arguments[7] if len(arguments) > 7 else None)


def _with_marks(layout: Layout | None, marks: object) -> Layout | None:
    """The layout, negated where the marks say that torch put off doing so."""
    if layout is None or not marks:
        return layout
    return layout._replace(negated=marks.get("neg") is True) if isinstance(marks, dict) else None


def _wrapped(arguments: tuple[object, ...]) -> object:
    """_rebuild_parameter(tensor, …): what is wrapped."""
    return arguments[0] if arguments and isinstance(arguments[0], Layout) else None


def _from_type(arguments: tuple[object, ...]) -> object:
    """_rebuild_from_type_v2(function, type, arguments, state), for torch's own types."""
    match arguments:
        case (Global() as function, Global() as kind, tuple() as inner, _) if kind in _TENSOR_TYPES:
            made = construct(function, inner) if function in _REBUILDERS else None
            return made if isinstance(made, Layout) else None
    return None


def _filled(arguments: tuple[object, ...]) -> object:
    """OrderedDict(), OrderedDict(dict), Counter(dict): a dict, which is that one: copies could be of any size."""
    if not arguments:
        return {}
    return arguments[0] if len(arguments) == 1 and isinstance(arguments[0], dict) else None


def _listed(arguments: tuple[object, ...]) -> object:
    """set(list), frozenset(list): the list."""
    return arguments[0] if len(arguments) == 1 and isinstance(arguments[0], list) else None


def _size(arguments: tuple[object, ...]) -> object:
    return arguments[0] if len(arguments) == 1 and isinstance(arguments[0], tuple) else None


_Maker = Callable[[tuple[object, ...]], object]
_REBUILDERS: dict[Global, _Maker] = {
    Global("torch._utils", "_rebuild_tensor"): _rebuilt,
    Global("torch._utils", "_rebuild_tensor_v2"): _rebuilt,
    Global("torch._utils", "_rebuild_tensor_v3"): _rebuilt_typed,
}
_KNOWN: dict[Global, _Maker] = {
    **_REBUILDERS,
    Global("torch._utils", "_rebuild_parameter"): _wrapped,
    Global("torch._utils", "_rebuild_parameter_with_state"): _wrapped,
    Global("torch._tensor", "_rebuild_from_type_v2"): _from_type,
    Global("collections", "OrderedDict"): _filled,
    Global("collections", "Counter"): _filled,
    Global("collections", "defaultdict"): lambda arguments: {} if len(arguments) <= 1 else None,
    Global("torch", "Size"): _size,
    **{Global(module, name): _listed for module in ("builtins", "__builtin__") for name in ("set", "frozenset")},
    Global("torch", "device"): lambda arguments: ("device", arguments),
}


def construct(function: Global, arguments: tuple[object, ...]) -> object:
    """What calling a global gives, for those that make plain containers and tensors; a `Foreign` otherwise."""
    made = _KNOWN[function](arguments) if function in _KNOWN else None
    return Foreign(function, arguments) if made is None else made
