"""Readable names for the tensors of a Keras file, and the layers of its configuration found among them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rnn_calc.files.checkpoints.hdf5 import Contents
from rnn_calc.files.checkpoints.keras_config import Configured
from rnn_calc.files.checkpoints.tensors import LayerConfig, TensorInfo

_CELL = re.compile(r"(lstm|gru|simple_rnn|conv_lstm)_cell(_\d+)?")
_LAYER = re.compile(r"(lstm|gru|simple_rnn|cu_dnnlstm|cu_dnngru)(_\d+)?|(forward|backward)_layer")
_CELL_VARIABLES = ("kernel", "recurrent_kernel", "bias")
# Numbered variables of other layers, by the stored name of their class, with their numbers of axes.
_VARIABLES = {"dense": (("kernel", 2), ("bias", 1)), "embedding": (("embeddings", 2),)}
# Groups that only hold others. Keras 2.12 and 2.13 called the layers their dependencies.
_HOLDERS = ("layers", "_layer_checkpoint_dependencies", "cells")
_OPTIMIZERS = ("optimizer", "optimizer_weights")


def give_names(contents: Contents, configured: Configured) -> dict[str, str]:
    """The path of every dataset but the optimizer's by the name that it is given out under, in the model's order."""
    short, long = {}, {}
    for path, info in contents.datasets.items():
        # Keras 3 on Windows once wrote paths with backslashes, as the name of a single group.
        parts = path.replace("\\", "/").split("/")
        if parts[0] in _OPTIMIZERS:
            continue
        if len(parts) > 1 and parts[-2] == "vars" and parts[-1].isdecimal():
            short[path], long[path] = _from_objects(parts, info, contents, configured)
        else:
            short[path], long[path] = _from_weight_names(path, contents.listing)
    names = _unique(short, long)
    names = _unique(names, {path: path for path in names})
    tops = dict.fromkeys(name.partition("/")[0] for name in configured.names.values())
    ranks = {top: rank for rank, top in enumerate(tops)}
    ordered = sorted(names, key=lambda path: (ranks.get(names[path].partition("/")[0], len(ranks)), _natural(path)))
    return {names[path]: path for path in ordered}


def _natural(path: str) -> list[tuple[int, str]]:
    """A key that puts lstm_2 before lstm_10."""
    return [(len(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", path)]


def matched(layers: Iterable[LayerConfig], tensors: Iterable[str]) -> tuple[LayerConfig, ...]:
    """The layers that have tensors, with their prefixes as the tensors' names begin.

    tf.keras leaves the names of nested models and wrappers out of its weights' names.
    """
    prefixes = dict.fromkeys(name.rpartition("/")[0] for name in tensors)
    below: dict[tuple[str, str], list[str]] = {}
    for prefix in prefixes:
        below.setdefault(_ends(prefix), []).append(prefix)
    found: dict[str, LayerConfig] = {}
    for layer in layers:
        # The one below the same topmost layer, where the name itself is not there; of two for one the first.
        same = below.get(_ends(layer.prefix), [])
        at = layer.prefix if layer.prefix in prefixes else same[0] if len(same) == 1 else None
        if at:
            found.setdefault(at, layer._replace(prefix=at))
    return tuple(found.values())


def _ends(prefix: str) -> tuple[str, str]:
    return prefix.partition("/")[0], prefix.rpartition("/")[2]


def _unique(names: Mapping[str, str], otherwise: Mapping[str, str]) -> dict[str, str]:
    """The names by path; those that stand twice or more give way to their longer form."""
    counts = Counter(names.values())
    return {path: name if counts[name] == 1 else otherwise[path] for path, name in names.items()}


def _from_weight_names(path: str, listing: frozenset[str]) -> tuple[str, str]:
    """Names without and with the cell, for model_weights/lstm/sequential/lstm/lstm_cell/kernel:0."""
    parts = path.split("/")
    above = ["/".join(parts[:end]) for end in range(1, len(parts))]
    group = next((name for name in above if name in listing and name != "model_weights"), above[0] if above else "")
    weight = path[len(group) :].strip("/").split("/")
    layer = group.removeprefix("model_weights/").split("/") if group else []
    for start in range(len(weight) - len(layer) + 1):
        if layer and weight[start : start + len(layer)] == layer:
            weight = weight[start + len(layer) :]
            break
    weight[-1:] = [re.sub(r":\d+$", "", last) for last in weight[-1:]]
    whole = [*layer, *weight]
    return "/".join(_without_cell(whole)), "/".join(whole)


def _without_cell(parts: list[str]) -> list[str]:
    """The cell is named after its class and says nothing new, but where several are stacked in one layer."""
    if len(parts) > 2 and _CELL.fullmatch(parts[-2]) and not parts[-3].startswith("stacked_rnn_cells"):
        return [*parts[:-2], parts[-1]]
    return parts


def _from_objects(parts: list[str], info: TensorInfo, contents: Contents, configured: Configured) -> tuple[str, str]:
    """Names without and with the cell, for layers/bidirectional/forward_layer/cell/vars/0."""
    owner = parts[:-2]
    named: list[str] = []
    for end in range(1, len(owner) + 1):
        path = "/".join(owner[:end])
        given = contents.texts.get((f"{path}/vars", "name")) or _last(configured.names.get(_today(path), ""))
        if given or owner[end - 1] not in _HOLDERS:
            named.append(given or owner[end - 1])
    variable = _variable(owner, named, int(parts[-1]) if len(parts[-1]) < 4 else -1, info, configured)
    whole = [*named, variable or parts[-1]]
    is_cell = bool(owner) and owner[-1] == "cell" and len(named) > 1
    return "/".join([*named[:-1], whole[-1]] if is_cell else whole), "/".join(whole)


def _today(path: str) -> str:
    """A path as Keras 3 writes it."""
    return path.replace("_layer_checkpoint_dependencies", "layers")


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _variable(
    owner: Sequence[str], named: Sequence[str], number: int, info: TensorInfo, configured: Configured
) -> str | None:
    """The name of a numbered variable; None where its layer is not known, or it does not fit."""
    if not owner:
        return None
    axes = len(info.shape)
    above = owner[-2] if len(owner) > 1 else ""
    path = _today("/".join(owner))
    is_cell = path in configured.cells or _CELL.fullmatch(named[-1]) or _CELL.fullmatch(owner[-1])
    if is_cell or (owner[-1] == "cell" and _LAYER.fullmatch(above)):
        fits = number in range(3) and (axes in (1, 2) if number == 2 else axes >= 2)
        return _CELL_VARIABLES[number] if fits else None
    # The stored name is the class's, but for a wrapper's inner layer and a model's attributes; names follow the class.
    words = (re.sub(r"_\d+$", "", word) for word in (owner[-1], named[-1]))
    known = next((_VARIABLES[word] for word in words if word in _VARIABLES), ())
    return known[number][0] if 0 <= number < len(known) and known[number][1] == axes else None
