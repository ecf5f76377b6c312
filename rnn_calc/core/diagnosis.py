"""What is wrong with a shape: the shape debugger."""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

from rnn_calc.core.errors import UsageError, listed
from rnn_calc.core.notation import Notation, Stored, write_axes, write_shape
from rnn_calc.core.shapes import ShapeReport
from rnn_calc.core.tensors import Tensor
from rnn_calc.core.unknown_symbols import explain_unknown, notations

_GATES = {3: "a GRU's three gates", 4: "an LSTM's four gates"}


class Diagnosis(NamedTuple):
    """One shape that was asked about: what it is, what it must be, and, if it does not fit, why."""

    symbol: str
    got: tuple[int, ...]
    needs: tuple[int, ...]
    axes: tuple[str, ...]
    fits: bool
    reason: str


def diagnose(report: ShapeReport, symbol: str, got: tuple[int, ...]) -> Diagnosis:
    """Whether a tensor of shape `got` can be `symbol` in this network, and if not, what is wrong with it.

    The part of a stored array that belongs to one gate has a symbol too: weight_ih_l0[i].
    Raises: UsageError for a symbol that there is not, with the nearest one or what has it.
    """
    tensor = report.tensor(symbol) or _slice(report.notation, symbol)
    if tensor is None:
        raise UsageError(explain_unknown(report, symbol))
    fits = got == tensor.shape
    reason = "fits" if fits else _reason(report, tensor, got)
    return Diagnosis(symbol, got, tensor.shape, tensor.axes, fits, reason)


def _slice(notation: Notation, symbol: str) -> Tensor | None:
    """The part of an array that one parameter is."""
    for parameter in notation.network.parameters:
        if notation.symbol(parameter) == symbol:
            stage = notation.network.owners[parameter]
            axes = parameter.axes[::-1] if notation.transposes(parameter) else parameter.axes
            shape = notation.column(tuple(stage.sizes[axis] for axis in axes))
            names = (*(notation.extent(stage.extents[axis]) for axis in axes), "1")
            return Tensor(symbol, "parameter", shape, names[: len(shape)], "")
    return None


def _stored(report: ShapeReport, tensor: Tensor) -> Stored | None:
    return next((stored for stored in report.notation.stored if stored.symbol == tensor.symbol), None)


def _reason(report: ShapeReport, tensor: Tensor, got: tuple[int, ...]) -> str:
    needs, axes = tensor.shape, tensor.axes
    if any(size < 1 for size in got):
        return "no axis can be smaller than 1"
    if sorted(got) == sorted(needs):
        return _reordered(report, tensor, got)
    if tuple(size for size in got if size != 1) == tuple(size for size in needs if size != 1):
        return _with_ones(report, tensor, got)
    if len(got) != len(needs):
        return f"it has {_axes(len(got))}; {tensor.symbol} has {_axes(len(needs))}: {write_axes(axes)}" + _missing(
            report, tensor, got
        )
    wrong = [_wrong_axis(report, tensor, index, got[index]) for index in range(len(got)) if got[index] != needs[index]]
    return "; ".join(wrong)


def _axes(count: int) -> str:
    return "1 axis" if count == 1 else f"{count} axes"


def _stored_so(report: ShapeReport, tensor: Tensor, got: tuple[int, ...]) -> str:
    """Which other conventions keep this very array in the shape that was given, as the end of a sentence."""
    stored = _stored(report, tensor)
    if stored is None:
        return ""
    others = []
    for notation in notations(report.notation):
        home = next((s for s in notation.stored if set(s.parameters) == set(stored.parameters)), None)
        if home and notation.shape(home) == got:
            order = "" if home.parameters == stored.parameters else f" (gates {' '.join(home.gates)})"
            others.append(notation.convention.name + order)
    if not others:
        return ""
    return f"; stored your way in {listed(others).replace(' or ', ' and ')}"


def _reordered(report: ShapeReport, tensor: Tensor, got: tuple[int, ...]) -> str:
    """The same sizes in another order: a transposed matrix, or batch and time exchanged."""
    order = next(
        order for order in permutations(range(len(got))) if tuple(tensor.shape[index] for index in order) == got
    )
    have = tuple(tensor.axes[index] for index in order)
    word = "transposed" if tensor.kind == "parameter" else "its axes are in another order"
    reason = f"{word}: you have {write_axes(have)}, this convention needs {write_axes(tensor.axes)}"
    if tensor.kind == "parameter":
        return reason + _stored_so(report, tensor, got)
    if "T" in tensor.axes and "B" in tensor.axes:
        first = "batch" if tensor.axes.index("T") < tensor.axes.index("B") else "time"
        return f"{reason}; --{first}-first exchanges time and batch" if have[:1] == (first[0].upper(),) else reason
    if report.convention.stacked_state and not report.convention.joins_directions and have[:1] == ("B",):
        return f"{reason}; batch_first leaves the states as they are"
    return reason


def _with_ones(report: ShapeReport, tensor: Tensor, got: tuple[int, ...]) -> str:
    """The same sizes but for axes of length 1: a row or a column where a flat vector is needed, or the reverse."""
    needs = tensor.shape
    what = f"it has {_axes(len(got))}"
    if (len(got), len(needs)) == (2, 1):
        what = f"it is a matrix of one {'row' if got[0] == 1 else 'column'}"
    stored = _stored(report, tensor)
    if report.convention.joins_directions and stored and stored.stacked and needs[1:] == got:
        what = "the axis of the directions is missing"
    text = f"{what}; this convention writes {write_axes(tensor.axes)} = {write_shape(needs)}: reshape it"
    return f"{text}, no number changes"


def _missing(report: ShapeReport, tensor: Tensor, got: tuple[int, ...]) -> str:
    """What an array with one axis less lacks."""
    stored, network, needs = _stored(report, tensor), report.network, tensor.shape
    if stored and stored.stacked and needs[1:] == got:
        if report.convention.joins_directions:
            return "; this is one direction: forward and backward lie on the first axis"
        return "; this is one bias a gate: the input's and the recurrent part's lie on the first axis"
    if "num_directions" in tensor.axes and got == tuple(
        size * network.directions if axis == report.notation.size("d_h") else size
        for size, axis in zip(needs, tensor.axes, strict=True)
        if axis != "num_directions"
    ):
        return "; the directions are joined in yours, and stay apart here"
    return ""


def _wrong_axis(report: ShapeReport, tensor: Tensor, index: int, size: int) -> str:
    needed, name = tensor.shape[index], tensor.axes[index]
    text = f"axis {index + 1} is {size}, it needs {name} = {needed}"
    stored = _stored(report, tensor)
    multiple = _multiple(report, stored, index, size) if stored else ""
    if multiple:
        return f"{text}; {multiple}"
    known = [(report.notation.size(axis), value) for axis, value in report.network.sizes.items() if axis != "1"]
    if tensor in report.sequence:
        every = [pair for row in report.sequence for pair in zip(row.axes, row.shape, strict=True) if pair[0] != "1"]
        known += sorted(every, key=lambda pair: pair[0] not in ("T", "B"))
        if name.endswith("num_layers"):
            known = [("num_layers", report.network.layers), ("the number of directions", report.network.directions)]
    same = [other for other, value in known if value == size and other != name]
    return f"{text}; {size} is {same[0]}" if same and size > 1 else text


def _multiple(report: ShapeReport, stored: Stored, index: int, size: int) -> str:
    """A wrong multiple of a named size: other gates, one gate, one bias, one direction."""
    network, needed = report.network, stored.extents[index]
    times, rest = divmod(size, network.sizes[needed.name])
    if rest or needed.name == "1":
        return ""
    first, name = stored.parameters[0], report.notation.size(needed.name)
    if index == _gate_axis(report.notation, stored):
        return _other_gates(report, stored, size, times, name)
    if first.role in ("input", "readout") and {times, needed.multiple} == {1, 2} and needed.name in ("d_h", "d_p"):
        if times == 2:
            return f"{size} = 2·{name}: both directions joined? the network has one" * (not network.bidirectional)
        return f"{size} is {name}, of one direction; both are joined here"
    return ""


def _gate_axis(notation: Notation, stored: Stored) -> int | None:
    """The axis along which the gates of an array lie, or would lie."""
    first = stored.parameters[0]
    if first.role in ("readout", "readout_bias", "embedding", "projection"):
        return None
    return len(stored.extents) - 1 if notation.transposes(first) else int(stored.stacked)


def _other_gates(report: ShapeReport, stored: Stored, size: int, times: int, name: str) -> str:
    gates, joined = max(len(stored.gates), 1), len(stored.rows[0])
    biases = joined // gates
    base = size // times
    if joined == 1:
        return f"{size} = {times}·{base}: {_GATES[times]} stacked?" if times in _GATES else ""
    if times == 1:
        return f"{size} is {name}: one gate alone; this convention joins {gates}" + (" twice" if biases > 1 else "")
    if biases > 1 and times == gates:
        return f"{size} = {times}·{name}: one bias a gate; this convention joins both"
    if times % biases == 0 and times // biases in _GATES:
        return f"{size} = {times}·{name}: {_GATES[times // biases]}; {report.network.cell.name} has {gates}"
    return ""
