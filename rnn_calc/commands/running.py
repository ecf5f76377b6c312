"""What trace and gradient-decay share: network, weights, inputs and initial state, ready to run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from rnn_calc.commands.claims import DEFAULT_SIZES
from rnn_calc.commands.loading import (
    State,
    describe_weights,
    load_initial_states,
    load_sequence,
    load_weights,
    seed_of,
)
from rnn_calc.commands.options import NetworkOptions, command_line
from rnn_calc.commands.run_options import ScalingOptions, SequenceOptions, WeightOptions
from rnn_calc.commands.scaling import scale_weights
from rnn_calc.commands.setup import Setup, load_model, load_setup
from rnn_calc.core.errors import DataError
from rnn_calc.core.trace import Trace, require_finite, require_trace_memory, trace, trace_blocks
from rnn_calc.core.weights import Array, Weights
from rnn_calc.files.model import ModelFile
from rnn_calc.files.sequences import Sequence
from rnn_calc.show.document import AGAIN
from rnn_calc.show.progress import tracked, watching


@dataclass(frozen=True)
class Run:
    """A network with weights, inputs and a first state; `again` is the command that makes the same run."""

    setup: Setup
    weights: Weights
    sequence: Sequence
    initial: tuple[State, ...]
    changed: bool
    again: str

    @property
    def notes(self) -> tuple[str, ...]:
        """Where the numbers came from, and how to get them again."""
        notes = (
            describe_weights(self.weights, self.setup),
            f"Input: {self.sequence.origin}",
            f"{AGAIN}{self.again}",
        )
        if self.setup.model.note:
            return (*notes, f"Note: {' '.join(self.setup.model.note.split())}")
        return notes

    def blocks(self) -> Iterator[Trace]:
        """The run, block by block; checked for overflow unless that is allowed."""
        parts = trace_blocks(self.setup.network, self.weights, self._read(), self.initial)
        for part in tracked(parts, "Tracing", self.sequence.length, size=lambda part: part.steps):
            if not self.setup.options.allow_nonfinite:
                require_finite(part)
            yield part

    @cached_property
    def inputs(self) -> Array:
        """All inputs at once (T, d_in), read once: a pipe cannot be read again.

        Raises: TooLargeError when a trace of them does not fit in memory.
        """
        if self.sequence.length is not None:
            require_trace_memory(self.setup.network, self.sequence.length)
        return np.concatenate(list(self._read()))

    def _read(self) -> Iterator[Array]:
        """The inputs in blocks (T_i, d_in); numbers of tokens (T_i,) where there is an embedding."""
        if not self.setup.network.vocab:
            yield from self.sequence.blocks(self.setup.network.d_in)
            return
        for block in self.sequence.blocks(1):
            if block.shape[1] != 1:
                raise DataError(
                    f"With --vocab the input is one token number a step; {self.sequence.origin} has "
                    f"{block.shape[1]} numbers a step."
                )
            yield block[:, 0]

    def whole(self, weights: Weights | None = None) -> Trace:
        """The run as one trace, with other weights if they are given."""
        done = trace(self.setup.network, weights or self.weights, self.inputs, self.initial, watch=watching("Tracing"))
        if not self.setup.options.allow_nonfinite:
            require_finite(done)
        return done


def prepare_run(
    network: NetworkOptions,
    weights: WeightOptions,
    sequence: SequenceOptions,
    model: ModelFile | None = None,
    /,
    *,
    command: str,
    default_steps: int,
    scaling: ScalingOptions | None = None,
    **others: object,
) -> Run:
    """Everything a run needs, from the options and the file they name; `others` are the command's further options.

    `model` is what that file holds, where it has been read already; `scaling` is that of a command with one network.
    """
    scaling = scaling or ScalingOptions()
    model = model or load_model(network)
    seed = seed_of(weights, model)
    inputs = load_sequence(sequence, network, model, default_steps=default_steps, seed=seed)
    setup = load_setup(network, sequence=inputs, model=model)
    arrays = scale_weights(setup, load_weights(setup, weights), scaling)
    drawn_weights = any(value is not None for value in (weights.init, weights.gain, weights.seed))
    changed = sequence != SequenceOptions() or bool(arrays.scaling) or (drawn_weights and bool(arrays.drawn))
    return Run(
        setup,
        arrays,
        inputs,
        load_initial_states(sequence, setup, seed),
        changed,
        command_line(command, *_resolved(network, weights, sequence, setup, arrays, inputs), scaling, **others),
    )


def _resolved(
    network: NetworkOptions,
    weights: WeightOptions,
    sequence: SequenceOptions,
    setup: Setup,
    arrays: Weights,
    inputs: Sequence,
) -> tuple[object, ...]:
    """The options with every default that this run relied on said aloud."""
    if not setup.model.path:
        widths = setup.network.widths
        d_h = ",".join(map(str, widths if len(set(widths)) > 1 else widths[:1]))
        d_in, d_out = setup.network.d_in, setup.network.d_out
        network = replace(
            network,
            d_in=None if d_in == DEFAULT_SIZES["d_in"] else d_in,
            d_h=None if d_h == str(DEFAULT_SIZES["d_h"]) else d_h,
            d_out=None if d_out == DEFAULT_SIZES["d_out"] else d_out,
        )
    if arrays.drawn:
        init = arrays.init
        gain = None if init.gain == 1 else init.gain
        weights = replace(weights, init=init.scheme, gain=gain, seed=init.seed)
    if sequence.sequence is None and sequence.text is None and inputs.drawn:
        # What the file says need not be said again; saying it would make its expected values no longer apply.
        if setup.model.steps is None:
            sequence = replace(sequence, steps=inputs.length)
        if (sequence.inputs or setup.model.inputs) != "zeros" and setup.model.seed is None:
            weights = replace(weights, seed=weights.seed or 0)
    return network, weights, sequence
