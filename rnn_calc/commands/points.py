"""The runs of a sweep: the options of each, and what one of them measures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from rnn_calc.commands.loading import seed_of
from rnn_calc.commands.options import NetworkOptions
from rnn_calc.commands.run_options import SequenceOptions, WeightOptions
from rnn_calc.commands.running import Run, prepare_run
from rnn_calc.commands.scaling import recurrent_names
from rnn_calc.commands.setup import Setup, load_model, load_setup
from rnn_calc.core.errors import UsageError
from rnn_calc.core.forget_gates import has_forget_gate
from rnn_calc.core.grid import Grid, Point
from rnn_calc.core.memory import require_memory
from rnn_calc.core.phases import OUTGROWN, Measurement, measure, measuring_bytes
from rnn_calc.core.spectra import scale_recurrent
from rnn_calc.core.trace import Trace, require_finite, trace
from rnn_calc.files.model import ModelFile

DEFAULT_STEPS = 100

# Which group of options an axis is in; the others scale the matrices, or set a bias.
_OF_NETWORK = ("d-h", "d-in", "layers", "cell", "activation")
_OF_WEIGHTS = ("gain", "init", "seed")
_OF_SEQUENCE = ("steps",)
_SCALING = {"spectral-radius": "spectral radius", "spectral-norm": "spectral norm"}
_UNBOUNDED = ("relu", "identity")
# These change what the network or its sequence is, which is looked at before anything is measured.
STRUCTURAL = (*_OF_NETWORK, "steps")


@dataclass(frozen=True)
class Fixed:
    """The options of a sweep that are the same at every point."""

    network: NetworkOptions
    weights: WeightOptions
    sequence: SequenceOptions


class Sweep(NamedTuple):
    """What every run of a sweep is made from: fixed options, the grid, and what the model file holds."""

    fixed: Fixed
    grid: Grid
    model: ModelFile

    def options(self, index: int) -> Fixed:
        """The options of a run, counted from 0."""
        point, repeat = self.grid.point(index // self.grid.repeats), index % self.grid.repeats
        fixed = _at(self.fixed, point)
        if self.grid.repeats == 1:
            return fixed
        seed = seed_of(fixed.weights, self.model) + repeat
        return replace(fixed, weights=replace(fixed.weights, seed=seed))

    def describe(self, index: int) -> str:
        """Which run it is, for a sentence."""
        point = self.grid.point(index // self.grid.repeats)
        said = ", ".join(
            f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in point.items()
        )
        repeat = f", repeat {index % self.grid.repeats + 1}" if self.grid.repeats > 1 else ""
        return said + repeat


def make_sweep(fixed: Fixed, grid: Grid) -> Sweep:
    """The sweep over a grid.

    Raises: UsageError for an option that is an axis too, or an input that can be read only once.
    """
    for axis in grid.axes:
        group = _group(fixed, axis.name)
        if group is not None and getattr(group, axis.name.replace("-", "_")) is not None:
            raise UsageError(f"--{axis.name} is swept over; leave it out, or take it from --over.")
    if "-" in (fixed.network.model, fixed.sequence.sequence):
        raise UsageError("A sweep reads its input once for each point, and stdin can be read only once; give a file.")
    return Sweep(fixed, grid, load_model(fixed.network))


def largest_run(sweep: Sweep) -> int:
    """The bytes that the largest run needs, after every different network of the sweep was looked at.

    Raises: UsageError for an axis that a cell has not; what is wrong with the options of a point; TooLargeError where
    one does not fit in memory.
    """
    most = 0
    for index in _different(sweep.grid):
        options = sweep.options(index * sweep.grid.repeats)
        # What draws or reads a sequence tells its width and length, and reads nothing yet.
        inputs, setup = _setup(sweep, options)
        _require_axes(setup, sweep.grid)
        needed = measuring_bytes(setup.network, inputs or 1)
        require_memory(needed, f"The point {sweep.describe(index * sweep.grid.repeats)}", "Take fewer steps or units.")
        most = max(most, needed)
    return most


def measure_run(sweep: Sweep, index: int) -> Measurement:
    """What one run of the sweep measures, as `gradient-decay` with the same options would."""
    run = prepare_point(sweep, index)
    done = trace(run.setup.network, run.weights, run.inputs, run.initial)
    if not run.setup.options.allow_nonfinite:
        if _has_outgrown(done):
            return OUTGROWN
        # An output that is too large has no part in what is measured.
        require_finite(replace(done, y=None))
    return measure(done, done.layers[_place(run.setup)])


def prepare_point(sweep: Sweep, index: int) -> Run:
    """A run of the sweep, ready to be traced; its `again` is the command that measures it alone."""
    point, options = sweep.grid.point(index // sweep.grid.repeats), sweep.options(index)
    said = {name.replace("-", "_"): f"{point[name]:.15g}" for name in _SCALING if name in point}
    run = prepare_run(
        options.network,
        options.weights,
        options.sequence,
        sweep.model,
        command="gradient-decay",
        default_steps=DEFAULT_STEPS,
        scaling=None,
        **said,
    )
    weights = run.weights
    for axis, measured in _SCALING.items():
        if axis in point:
            target = point[axis]
            assert isinstance(target, float)
            weights = scale_recurrent(weights, measured, target, recurrent_names(run.setup.network))
    if "forget-bias" in point:
        value = point["forget-bias"]
        assert isinstance(value, float)
        biases = _forget_biases(run.setup)
        # The first is the whole bias; a framework's second one is 0.
        arrays = {
            name: np.full_like(weights[name], 0.0 if role == "recurrent_bias" else value) for name, role in biases
        }
        weights = replace(weights, arrays={**weights.arrays, **arrays})
    return replace(run, weights=weights)


def _group(fixed: Fixed, axis: str) -> object:
    for names, group in ((_OF_NETWORK, fixed.network), (_OF_WEIGHTS, fixed.weights), (_OF_SEQUENCE, fixed.sequence)):
        if axis in names:
            return group
    return None


def _at(fixed: Fixed, point: Point) -> Fixed:
    """The options with the coordinates of a point put in."""

    def chosen(names: tuple[str, ...]) -> dict[str, object]:
        return {name.replace("-", "_"): point[name] for name in names if name in point}

    network = chosen(_OF_NETWORK)
    if "d_h" in network:
        network["d_h"] = str(network["d_h"])
    return Fixed(
        replace(fixed.network, **network),  # type: ignore[arg-type]  # an axis has the type of its option
        replace(fixed.weights, **chosen(_OF_WEIGHTS)),  # type: ignore[arg-type]
        replace(fixed.sequence, **chosen(_OF_SEQUENCE)),  # type: ignore[arg-type]
    )


def _different(grid: Grid) -> Iterator[int]:
    """The first point of each combination of what makes a network or its sequence another one."""
    seen = set()
    for index in range(grid.points):
        point = grid.point(index)
        key = tuple(point[name] for name in point if name in STRUCTURAL)
        if key not in seen:
            seen.add(key)
            yield index


def _setup(sweep: Sweep, options: Fixed) -> tuple[int | None, Setup]:
    from rnn_calc.commands.loading import load_sequence

    seed = seed_of(options.weights, sweep.model)
    inputs = load_sequence(options.sequence, options.network, sweep.model, default_steps=DEFAULT_STEPS, seed=seed)
    return inputs.length, load_setup(options.network, sequence=inputs, model=sweep.model)


def _require_axes(setup: Setup, grid: Grid) -> None:
    names, cell = [axis.name for axis in grid.axes], setup.network.cell.name
    for name in _SCALING:
        if name in names and not recurrent_names(setup.network):
            raise UsageError(f"The cell {cell} has no recurrent matrix, so --over {name} has nothing to scale.")
    if "forget-bias" in names and not _forget_biases(setup):
        what = "no bias in its forget gate" if has_forget_gate(setup.network) else "no forget gate"
        raise UsageError(f"The cell {cell} has {what} here, so --over forget-bias has nothing to set.")


def _forget_biases(setup: Setup) -> list[tuple[str, str]]:
    """The names and the roles of the biases of every forget gate."""
    if not has_forget_gate(setup.network):
        return []
    parameters = (p for p in setup.network.parameters if p.gate == "f" and p.role in ("bias", "recurrent_bias"))
    return [(parameter.name, parameter.role) for parameter in parameters]


def _place(setup: Setup) -> int:
    """Which direction of which layer: that of --layer, or the top one, forward."""
    layer = setup.network.layers - 1 if setup.layer is None else setup.layer
    return layer * setup.network.directions


def _has_outgrown(done: Trace) -> bool:
    """Whether a state that has no bounds is no number any more because it was too large for float64."""
    if not (done.network.cell.has_activation and done.network.activation in _UNBOUNDED):
        return False
    return not all(np.isfinite(run.values.now[name]).all() for run in done.layers for name in run.layer.state)
