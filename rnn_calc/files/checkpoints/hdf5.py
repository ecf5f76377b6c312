"""HDF5 files read with care: no link leads out of them, and nothing is allocated that they do not hold."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil, prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rnn_calc.core.errors import DataError, TooLargeError, quoted
from rnn_calc.core.memory import write_bytes
from rnn_calc.core.weights import Array
from rnn_calc.files.checkpoints.hdf5_chunks import LARGEST_CHUNK, MOST_INFLATION, read_packed
from rnn_calc.files.checkpoints.hdf5_heaps import require_sound_heaps
from rnn_calc.files.checkpoints.reading import ITEM_SIZES, find_tensor, label, open_file, require_room, to_float64
from rnn_calc.files.checkpoints.tensors import TensorInfo
from rnn_calc.files.source import describe_source

if TYPE_CHECKING:
    import h5py

SIGNATURE = b"\x89HDF\r\n\x1a\n"
# Keras models have some thousand objects, nested some ten deep.
_MOST_OBJECTS = 200_000
_DEEPEST = 64
_LONGEST_TEXT = 16 * 2**20
# What h5py raises for damaged files, besides the errors of its own readers.
_DAMAGE = (OSError, LookupError, RuntimeError, ValueError, TypeError, ArithmeticError, MemoryError, AttributeError)


class Origin(NamedTuple):
    """Where an HDF5 file is: at `path`, or in the archive there, whose bytes `open_stream` gives; `size` of it."""

    path: str
    size: int
    open_stream: Callable[[], io.RawIOBase | io.BytesIO] | None = None


class Contents(NamedTuple):
    """The datasets by their paths, the texts wanted by the paths of their owners, and the groups with weight names."""

    datasets: dict[str, TensorInfo]
    texts: dict[tuple[str, str], str]
    listing: frozenset[str]


@contextmanager
def opened(origin: Origin) -> Iterator[h5py.File]:
    """The file, open for reading.

    Raises: DataError without h5py, and for whatever h5py cannot read in it.
    """
    try:
        import h5py
    except ImportError:
        raise DataError(
            f"{describe_source(origin.path)} needs h5py, which is not installed: pip install 'rnn-calc[keras]'"
        ) from None
    try:
        source = origin.path if origin.open_stream is None else origin.open_stream()
        # Without a lock: the file is only read, and some file systems have none.
        with h5py.File(source, "r", locking=False) as file:
            yield file
    except _DAMAGE:
        raise DataError(
            f"{describe_source(origin.path)} is no readable HDF5 file: it is cut short or damaged."
        ) from None


def survey(origin: Origin, wanted: tuple[tuple[str, str], ...]) -> Contents:
    """What is in a file: every dataset, and the `wanted` texts as (name of the owner, attribute); "" is the root.

    Raises: DataError for links that lead out of the file and headers that promise what it does not hold.
    """
    contents = Contents({}, {}, frozenset())
    listing: set[str] = set()
    stream = open_file(origin.path) if origin.open_stream is None else origin.open_stream()
    with stream:
        require_sound_heaps(stream, origin.path)
    with opened(origin) as file:
        pending = [("", file)]
        # A group that holds itself would be walked without end.
        seen = {_address(file)}
        count = 0
        while pending:
            path, group = pending.pop()
            _read_texts(path, group, wanted, contents.texts)
            if "weight_names" in group.attrs or "weight_names0" in group.attrs:
                listing.add(path)
            for name, item in _children(path, group, origin):
                count += 1
                if count > _MOST_OBJECTS:
                    raise TooLargeError(
                        f"{describe_source(origin.path)} has more than the limit of {_MOST_OBJECTS:,} objects."
                    )
                if hasattr(item, "shape"):
                    _add(contents.datasets, name, item, origin)
                elif hasattr(item, "keys") and _address(item) not in seen:
                    seen.add(_address(item))
                    pending.append((name, item))
    return contents._replace(listing=frozenset(listing))


def read_dataset(origin: Origin, path: str, name: str, tensors: dict[str, TensorInfo]) -> Array:
    """The values of a dataset, given out under `name`, as float64.

    Raises: DataError when it is no longer what `tensors` says or its values are kept in an unknown way.
    """
    info = find_tensor(tensors, name, origin.path)
    what = label(name, origin.path)
    require_room(info.shape, prod(info.shape) * ITEM_SIZES[info.dtype], what)
    with opened(origin) as file:
        dataset = file[path]
        if _header(dataset) != info:
            raise DataError(f"{what} changed while it was read.")
        _require_stored(dataset, what, origin.size)
        plan = dataset.id.get_create_plist()
        filters = [plan.get_filter(position)[0] for position in range(plan.get_nfilters())]
        values = read_packed(dataset, filters, what) if filters else dataset[()]
        units = np.asarray(values)
    return to_float64(units.view(np.uint16) if info.dtype == "bfloat16" else units, info.dtype)


def _address(item: h5py.Group) -> int:
    import h5py

    return int(h5py.h5o.get_info(item.id).addr)


def _children(path: str, group: h5py.Group, origin: Origin) -> Iterator[tuple[str, h5py.HLObject]]:
    """The members of a group with their paths; links by name are not followed, because Keras makes none."""
    import h5py

    for part in group:
        name = f"{path}/{part}" if path else part
        link = group.get(part, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise DataError(f"{label(name, origin.path)} is a link to another file; those are never followed.")
        if name.count("/") > _DEEPEST:
            raise DataError(f"{describe_source(origin.path)} has groups nested deeper than {_DEEPEST}.")
        if isinstance(link, h5py.HardLink):
            yield name, group[part]


def _read_texts(
    path: str, group: h5py.Group, wanted: tuple[tuple[str, str], ...], texts: dict[tuple[str, str], str]
) -> None:
    import h5py

    for owner, attribute in wanted:
        if path.rpartition("/")[2] != owner or attribute not in group.attrs:
            continue
        header = h5py.h5a.open(group.id, attribute.encode())
        is_text = h5py.check_string_dtype(header.dtype) is not None
        if not is_text or header.shape != () or header.get_storage_size() > _LONGEST_TEXT:
            continue
        value = group.attrs[attribute]
        text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
        if len(text) > _LONGEST_TEXT:
            raise TooLargeError(f"{quoted(attribute)} is longer than the limit of {write_bytes(_LONGEST_TEXT)}.")
        texts[path, attribute] = text


def _add(datasets: dict[str, TensorInfo], name: str, dataset: h5py.Dataset, origin: Origin) -> None:
    if dataset.shape is None:
        return
    info = _header(dataset)
    if info.dtype in ITEM_SIZES:
        _require_stored(dataset, label(name, origin.path), origin.size)
    datasets[name] = info


def _header(dataset: h5py.Dataset) -> TensorInfo:
    """Shape and type; Keras marks bfloat16, which HDF5 lacks, by an attribute on pairs of bytes."""
    dtype = dataset.dtype.newbyteorder("=")
    name = dtype.name if dtype.fields is None and dtype.subdtype is None else "compound"
    if dtype.kind == "V" and dtype.itemsize == 2 and dataset.attrs.get("dtype") == "bfloat16":
        name = "bfloat16"
    return TensorInfo(tuple(int(size) for size in dataset.shape), name)


def _require_stored(dataset: h5py.Dataset, what: str, size: int) -> None:
    """Nothing, when the file holds every value that the header of a dataset promises.

    HDF5 itself would invent the missing ones, from a fill value and in any number.
    """
    from h5py import h5d

    plan = dataset.id.get_create_plist()
    layout = plan.get_layout()
    if layout == h5d.VIRTUAL or plan.get_external_count():
        raise DataError(f"{what} keeps its values in other files; those are never opened.")
    item = dataset.id.get_type().get_size()
    stored = dataset.id.get_storage_size()
    promised = least = prod(dataset.shape) * item
    if layout == h5d.CHUNKED:
        chunk = prod(dataset.chunks) * item
        count = prod(ceil(axis / step) for axis, step in zip(dataset.shape, dataset.chunks, strict=True))
        if chunk > LARGEST_CHUNK:
            raise TooLargeError(
                f"{what} is kept in pieces of {write_bytes(chunk)}; {write_bytes(LARGEST_CHUNK)} is the limit."
            )
        packed = plan.get_nfilters() > 0
        promised = least = count * chunk
        if packed:
            least = ceil(promised / MOST_INFLATION)
        if dataset.id.get_num_chunks() != count:
            stored = 0
    if stored > size or stored < least or (stored > promised and layout != h5d.CHUNKED):
        raise DataError(f"{what} promises {promised:,} bytes of data in its header and holds {stored:,}.")
