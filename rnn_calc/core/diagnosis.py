"""What is wrong with a shape: the shape debugger."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

from rnn_calc.core.conventions import CONVENTIONS, Convention, write_axes, write_shape
from rnn_calc.core.errors import UsageError, did_you_mean, quoted
from rnn_calc.core.shapes import ShapeReport, Tensor

_STACKED_GATES = {3: "a GRU's three gates", 4: "an LSTM's four gates"}


@dataclass(frozen=True)
class Diagnosis:
    """One shape that was asked about: what it is, what it must be, and, if it does not fit, why."""

    symbol: str
    got: tuple[int, ...]
    needs: tuple[int, ...]
    axes: tuple[str, ...]
    fits: bool
    reason: str


def diagnose(report: ShapeReport, symbol: str, got: tuple[int, ...]) -> Diagnosis:
    """Whether a tensor of shape `got` can be `symbol` in this network, and if not, what is wrong with it.

    Raises: UsageError for a symbol that there is not, with the nearest one or the convention that has it.
    """
    tensor = report.tensor(symbol)
    if tensor is None:
        raise UsageError(_unknown(report, symbol))
    fits = got == tensor.shape
    reason = "fits" if fits else _reason(report, tensor, got)
    return Diagnosis(symbol, got, tensor.shape, tensor.axes, fits, reason)


def _unknown(report: ShapeReport, symbol: str) -> str:
    symbols = [row.symbol for row in report.rows]
    for other in CONVENTIONS.values():
        for parameter in report.network.parameters:
            if parameter.role in other.symbols and other.symbol(parameter) == symbol:
                here = report.convention.symbol(parameter)
                return (
                    f"{quoted(symbol)} is what the convention {other.name} calls {here}; "
                    f"ask for {here}, or add --convention {other.name}."
                )
    hint = "" if report.sequence else " Tensors of whole sequences need --steps or --batch."
    hint += did_you_mean(symbol, symbols)
    return f"There is no tensor {quoted(symbol)} here; there are {', '.join(symbols)}.{hint}"


def _reason(report: ShapeReport, tensor: Tensor, got: tuple[int, ...]) -> str:
    convention, needs, axes = report.convention, tensor.shape, tensor.axes
    if any(size < 1 for size in got):
        return "no axis can be smaller than 1"
    if sorted(got) == sorted(needs):
        return _reordered(convention, tensor, got)
    if tuple(size for size in got if size != 1) == tuple(size for size in needs if size != 1):
        return _with_ones(got, needs, axes)
    if len(got) != len(needs):
        return f"it has {_axes(len(got))}; {tensor.symbol} has {_axes(len(needs))}: {write_axes(axes)}"
    wrong = [_wrong_axis(report, tensor, index, got[index]) for index in range(len(got)) if got[index] != needs[index]]
    return "; ".join(wrong)


def _axes(count: int) -> str:
    return "1 axis" if count == 1 else f"{count} axes"


def _reordered(convention: Convention, tensor: Tensor, got: tuple[int, ...]) -> str:
    """The same sizes in another order: a transposed matrix, or batch and time exchanged."""
    order = next(
        order for order in permutations(range(len(got))) if tuple(tensor.shape[index] for index in order) == got
    )
    have = tuple(tensor.axes[index] for index in order)
    word = "transposed" if tensor.kind == "parameter" else "its axes are in another order"
    reason = f"{word}: you have {write_axes(have)}, this convention needs {write_axes(tensor.axes)}"
    if tensor.kind != "parameter" or "1" in tensor.axes:
        return reason  # only matrices are stored the other way round elsewhere
    others = [other.name for other in CONVENTIONS.values() if other.row_vectors != convention.row_vectors]
    return f"{reason}; stored your way in {' and '.join(others) if len(others) < 3 else ', '.join(others)}"


def _with_ones(got: tuple[int, ...], needs: tuple[int, ...], axes: tuple[str, ...]) -> str:
    """The same sizes but for axes of length 1: a row or a column where a flat vector is needed, or the reverse."""
    what = f"it has {_axes(len(got))}"
    if (len(got), len(needs)) == (2, 1):
        what = f"it is a matrix of one {'row' if got[0] == 1 else 'column'}"
    return f"{what}; this convention writes {write_axes(axes)} = {write_shape(needs)}: reshape it, no number changes"


def _wrong_axis(report: ShapeReport, tensor: Tensor, index: int, size: int) -> str:
    needed, name = tensor.shape[index], tensor.axes[index]
    text = f"axis {index + 1} is {size}, it needs {name} = {needed}"
    multiple, rest = divmod(size, needed)
    if rest == 0 and multiple in _STACKED_GATES and tensor.kind == "parameter":
        return f"{text}; {size} = {multiple}·{needed}: {_STACKED_GATES[multiple]} stacked?"
    same = [
        report.convention.size(axis)
        for axis, value in report.network.sizes.items()
        if value == size and axis != "1" and report.convention.size(axis) != name
    ]
    return f"{text}; {size} is {same[0]}" if same else text
