"""Losses of a run's outputs: the loss of each step, and its derivative."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnn_calc.core.errors import DataError, NonFiniteError, did_you_mean, listed, quoted
from rnn_calc.core.inputs import Indices
from rnn_calc.core.notation import write_shape
from rnn_calc.core.vocabulary import LOSSES, REDUCTIONS
from rnn_calc.core.weights import Array

# Real, or complex where a derivative is taken by complex steps.
Outputs = NDArray[Any]

# The class of a step that has no target.
NO_CLASS = -1


@dataclass(frozen=True, eq=False)
class Loss:
    """L = Σ_t L_t of outputs (T, d); `targets` are numbers (T, d) for mse and class numbers (T,) for cross-entropy.

    A target that is NaN, or the class −1, has no loss. One target for a longer sequence is the last step's. With the
    reduction `mean`, mse is divided by how many numbers have a target, and cross-entropy by how many steps have one.
    Raises: DataError for an unknown loss or reduction, and for targets that are missing, superfluous or of a wrong
    kind.
    """

    kind: str
    targets: Any = None
    reduction: str = "mean"

    def __post_init__(self) -> None:
        for value, choices, what in ((self.kind, LOSSES, "loss"), (self.reduction, REDUCTIONS, "reduction")):
            if value not in choices:
                raise DataError(
                    f"There is no {what} {quoted(value)}; it must be {listed(choices)}.{did_you_mean(value, choices)}"
                )
        if self.targets is None:
            if self.takes_targets:
                raise DataError(f"The loss {self.kind} compares the outputs with targets; none were given.")
        elif not self.takes_targets:
            raise DataError(f"The loss {self.kind} has no targets; mse and cross-entropy have.")
        else:
            given = _target_numbers(self.targets)
            object.__setattr__(self, "targets", _classes(given) if self.kind == "cross-entropy" else given)

    @property
    def takes_targets(self) -> bool:
        """Whether outputs are compared with targets."""
        return self.kind in ("mse", "cross-entropy")

    def has_loss(self, steps: int) -> NDArray[np.bool_]:
        """Which steps have a loss. Shapes: (T,)."""
        if not self.takes_targets:
            return np.arange(steps) >= (steps - 1 if self.kind == "last" else 0)
        there = self.targets >= 0 if self.kind == "cross-entropy" else ~np.isnan(self.targets).all(axis=1)
        return np.asarray(_at_the_end(there, steps, False))

    def steps(self, outputs: Outputs) -> Outputs:
        """L_t of every step, real or complex as the outputs are. Shapes: outputs (T, d); the result is (T,).

        Raises: DataError for targets that do not fit the outputs.
        """
        with np.errstate(all="ignore"):
            match self.kind:
                case "mse":
                    difference, count = self._differences(outputs)
                    return np.asarray((difference * difference).sum(axis=1) / count)
                case "cross-entropy":
                    classes, count = self._aligned_classes(outputs)
                    losses = _cross_entropy(outputs, np.maximum(classes, 0))
                    return np.where(classes >= 0, losses, 0) / count
                case _:
                    return np.where(self.has_loss(len(outputs)), outputs.sum(axis=1), 0)

    def gradient(self, outputs: Array, steps: slice = slice(None)) -> Array:
        """∂L/∂outputs of some steps, or of all; its row t is ∂L_t/∂y_t. Shapes: outputs (T, d); a row a step.

        Raises: DataError for targets that do not fit the outputs.
        """
        with np.errstate(all="ignore"):
            match self.kind:
                case "mse":
                    difference, count = self._differences(outputs, steps)
                    return np.asarray(2 * difference / count)
                case "cross-entropy":
                    classes, count = self._aligned_classes(outputs)
                    classes = classes[steps]
                    gradient = _softmax_less_one(outputs[steps], np.maximum(classes, 0))
                    return np.asarray(np.where(classes[:, None] >= 0, gradient, 0) / count)
                case _:
                    return np.ones_like(outputs[steps]) * self.has_loss(len(outputs))[steps, None]

    def counted(self, outputs: Outputs) -> int:
        """How many targets are counted: numbers for mse, steps for cross-entropy; else the steps with a loss.

        Raises: DataError for targets that do not fit the outputs.
        """
        if self.kind == "mse":
            return int((~np.isnan(self._aligned_numbers(outputs))).sum())
        if self.kind == "cross-entropy":
            return int((self._aligned_classes(outputs)[0] >= 0).sum())
        return int(self.has_loss(len(outputs)).sum())

    def _differences(self, outputs: Outputs, steps: slice = slice(None)) -> tuple[Outputs, int]:
        """Output − target of some steps, 0 where there is no target, and what all squares are divided by."""
        targets = self._aligned_numbers(outputs)
        count = int((~np.isnan(targets)).sum()) if self.reduction == "mean" else 1
        some = targets[steps]
        return np.where(np.isnan(some), 0, outputs[steps] - some), count

    def _aligned_numbers(self, outputs: Outputs) -> Array:
        steps, width = outputs.shape
        given = self.targets
        if given.shape[1] != width:
            whole = width > 1 and given.shape[1] == 1 and bool(np.all(np.isnan(given) | (given == np.floor(given))))
            advice = " Whole numbers that name a class are targets of the loss cross-entropy." if whole else ""
            raise DataError(
                f"The targets have {_counted(given.shape[1], 'number')} a step; the outputs have {width}.{advice}"
            )
        _require_steps(len(given), steps)
        return np.asarray(_at_the_end(given, steps, np.nan))

    def _aligned_classes(self, outputs: Outputs) -> tuple[Indices, int]:
        """The class of every step, −1 where there is none, and what the losses are divided by."""
        steps, width = outputs.shape
        _require_steps(len(self.targets), steps)
        if width == 1:
            raise DataError(
                "Cross-entropy needs an output for each class, at least 2; the outputs have 1 number a step. "
                "Give d_out = 2 or more, or compare numbers: loss mse."
            )
        beyond = np.nonzero(self.targets >= width)[0]
        if len(beyond):
            raise DataError(
                f"The target of step {beyond[0] + 1 + steps - len(self.targets)} is class {self.targets[beyond[0]]}; "
                f"{width} outputs have the classes 0 to {width - 1}."
            )
        classes = _at_the_end(self.targets, steps, NO_CLASS)
        return classes, int((classes >= 0).sum()) if self.reduction == "mean" else 1


def _target_numbers(targets: ArrayLike) -> Array:
    """Targets as numbers (T, d), at least one of them there."""
    try:
        array = np.asarray(targets)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise DataError("Targets must be numbers, as many at every step: (T, d), or (T,) for one a step.")
    array = array.astype(np.float64)
    if array.ndim < 2:
        array = array.reshape(-1, 1)
    if array.ndim > 2 or not array.size:
        raise DataError(f"Targets have the shape (T, d), or (T,) for one a step; not {write_shape(array.shape)}.")
    if np.isinf(array).any():
        which = _which(int(np.nonzero(np.isinf(array))[0][0]), len(array))
        raise NonFiniteError(f"{which} is infinite; a number is needed, or NaN for no target.")
    if np.isnan(array).all():
        raise DataError("Every target is NaN, which says that the step has none; at least one step needs a target.")
    return array


def _classes(numbers: Array) -> Indices:
    """Class numbers (T,) from numbers; NaN is the class −1: none."""
    if numbers.shape[1] != 1:
        raise DataError(
            f"Cross-entropy needs one class number a step, shape (T,); these targets have {numbers.shape[1]} numbers "
            "a step. Targets that are vectors are compared by the loss mse."
        )
    flat = np.where(np.isnan(numbers[:, 0]), NO_CLASS, numbers[:, 0])
    wrong = np.nonzero((flat != np.floor(flat)) | (flat < NO_CLASS) | (flat >= 2.0**53))[0]
    if len(wrong):
        raise DataError(
            f"{_which(int(wrong[0]), len(flat))} is {flat[wrong[0]]:g}; cross-entropy needs the number of a class: 0, "
            "1, 2 …, or −1 for a step without one."
        )
    if np.all(flat < 0):
        raise DataError("Every target is −1, which says that the step has none; at least one step needs a class.")
    return flat.astype(np.int64)


def _which(row: int, rows: int) -> str:
    """A target in words; one alone may belong to the last step of many."""
    return f"The target of step {row + 1}" if rows > 1 else "The target"


def _require_steps(given: int, steps: int) -> None:
    if given not in (1, steps):
        raise DataError(
            f"There are targets for {_counted(given, 'step')}; the sequence has {steps}. Give one for every step (NaN: "
            "none), or one alone for the last."
        )


def _at_the_end(given: NDArray[Any], steps: int, nothing: float) -> NDArray[Any]:
    """One row a step: a single row is the last step's, and the others hold `nothing`."""
    if len(given) == steps:
        return given
    filled = np.full((steps, *given.shape[1:]), nothing, dtype=given.dtype)
    filled[-1:] = given[:1]
    return filled


def _others(outputs: Outputs, excluded: Indices) -> Outputs:
    """exp(output − the excluded one) of every other output, and 0 in its own place."""
    rows = np.arange(len(outputs))
    powers = np.exp(outputs - outputs[rows, excluded][:, None])
    powers[rows, excluded] = 0
    return np.asarray(powers)


def _cross_entropy(outputs: Outputs, classes: Indices) -> Outputs:
    """−log softmax(row)[class], to full relative precision also where the class is nearly certain."""
    rows, largest = np.arange(len(outputs)), outputs.real.argmax(axis=1)
    ahead = outputs[rows, largest] - outputs[rows, classes]
    return np.asarray(ahead + np.log1p(_others(outputs, largest).sum(axis=1)))


def _softmax_less_one(outputs: Array, classes: Indices) -> Array:
    """softmax(row) − the unit vector of the class; that entry is −Σ of the others, since p − 1 would lose digits."""
    rows, largest = np.arange(len(outputs)), outputs.argmax(axis=1)
    powers = _others(outputs, largest)
    shares = powers / (1 + powers.sum(axis=1))[:, None]
    shares[rows, largest] = 1 / (1 + powers.sum(axis=1))
    shares[rows, classes] = 0
    shares[rows, classes] = -shares.sum(axis=1)
    return np.asarray(shares)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
