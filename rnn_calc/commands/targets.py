"""The loss of a run and its targets, from options and a model file."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnn_calc.commands.run_options import LossOptions
from rnn_calc.commands.setup import Setup, choose, chosen
from rnn_calc.core.errors import DataError, UsageError
from rnn_calc.core.losses import Loss
from rnn_calc.core.memory import FLOAT64, require_memory
from rnn_calc.core.vocabulary import LOSSES, REDUCTIONS
from rnn_calc.core.weights import Array
from rnn_calc.files.numbers import Numbers
from rnn_calc.files.sequences import read_sequence


class Targets(NamedTuple):
    """Targets (T, d), or (T, 1) for one number a step, and where they came from."""

    values: Array
    origin: str


class JudgedBy(NamedTuple):
    """A loss, where its targets came from ("" without any), and whether nobody gave them."""

    loss: Loss
    origin: str = ""
    drawn: bool = False


def load_loss(options: LossOptions, setup: Setup, *, steps: int, seed: int) -> JudgedBy:
    """The loss of a run of that many steps: what the command line names, else the file, else what fits the targets.

    Raises: UsageError for options that do not fit together; DataError for targets that do not fit the run.
    """
    model, network = setup.model, setup.network
    width = network.d_out or network.output_width
    named = _named_loss(options, setup)
    reduction = chosen("reduction", options, model, tuple(REDUCTIONS), "mean")
    if options.targets is not None:
        if options.loss in ("last", "sum"):
            raise UsageError(
                f"--loss {options.loss} has no targets; leave --targets out, or take mse or cross-entropy."
            )
        if named in ("last", "sum"):
            named = None
    targets = _targets(options, model.targets, model.name, width, steps, named)
    if targets and named in ("last", "sum"):
        if options.loss is None:
            raise DataError(f"{model.name} has targets, but its loss {named} takes none; mse and cross-entropy do.")
        targets = None
    kind = named or (_fitting(targets.values, width) if targets else "last")
    if options.reduction is not None and kind in ("last", "sum"):
        raise UsageError(f"--reduction is of mse and cross-entropy; the loss {kind} has none.")
    if kind in ("last", "sum"):
        return JudgedBy(Loss(kind))
    drawn = targets is None
    targets = targets or _drawn(kind, steps, width, seed)
    try:
        loss = Loss(kind, targets.values, reduction)
        # The shape is all that is looked at, so that nothing is allocated.
        loss.counted(np.broadcast_to(0.0, (steps, width)))
    except DataError as error:
        raise error if drawn else type(error)(f"{targets.origin}: {error}") from None
    return JudgedBy(loss, targets.origin, drawn)


def _named_loss(options: LossOptions, setup: Setup) -> str | None:
    """The loss that the command line names, else the file."""
    if options.loss is not None:
        return choose(options.loss, LOSSES, "loss")
    model = setup.model
    return None if model.loss is None else choose(model.loss, LOSSES, "loss", model.name)


def _targets(
    options: LossOptions, listed: Numbers | None, source: str, width: int, steps: int, named: str | None
) -> Targets | None:
    """The targets that the command line gives, else the file's."""
    if options.targets is not None:
        given = read_sequence(options.targets, d_in=None, allow_nonfinite=True, flag="--targets")
        rows: list[Array] = []
        for block in given.blocks(1):
            rows.append(block)
            if sum(map(len, rows)) > max(steps, width):
                raise DataError(f"{given.origin} has targets for more steps than the sequence, which has {steps}.")
        values, origin = np.concatenate(rows), given.origin
    elif listed is not None:
        values, origin = np.array(listed.flat).reshape(listed.shape), f"the targets in {source}"
        if values.ndim > 2:
            raise DataError(f"{origin} are nested {values.ndim} deep; they are one list for each step.")
        values = values.reshape(len(values), -1)
    else:
        return None
    # One list of as many numbers as there are outputs is the target of the last step, unless they are classes.
    may_be_classes = named is None and steps == width and _are_classes(values, width)
    if width > 1 and values.shape == (width, 1) and named != "cross-entropy" and not may_be_classes:
        values = values.reshape(1, width)
    return Targets(values, origin)


def _are_classes(values: Array, width: int) -> bool:
    """Whether they are one whole number a step, each the number of an output; −1 or NaN is a step without one."""
    there = values[~np.isnan(values)]
    return values.shape[1] == 1 and bool(np.all((there == np.floor(there)) & (there >= -1) & (there < width)))


def _fitting(values: Array, width: int) -> str:
    """The loss for targets of which nobody said what they are for."""
    return "cross-entropy" if width > 1 and _are_classes(values, width) else "mse"


def _drawn(kind: str, steps: int, width: int, seed: int) -> Targets:
    """Targets from the seed, as inputs are drawn."""
    require_memory(FLOAT64 * steps * width, f"Targets for {steps:,} steps", "Give it fewer steps.")
    # Not the stream of any weight or input: those are others of the same seed.
    rng = np.random.default_rng([seed, 2])
    if kind == "mse":
        values = rng.standard_normal((steps, width))
        return Targets(values, f"{steps} targets N(0, 1), seed {seed}")
    classes = rng.integers(width, size=(steps, 1)).astype(np.float64)
    return Targets(classes, f"{steps} classes of {width}, drawn evenly, seed {seed}")
