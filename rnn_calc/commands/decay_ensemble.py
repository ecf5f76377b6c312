"""What gradient-decay --ensemble measures: many runs that differ in what is drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from rnn_calc.commands.decay_options import DecayOptions
from rnn_calc.commands.decay_runs import states_of
from rnn_calc.commands.options import NetworkOptions
from rnn_calc.commands.run_options import SequenceOptions, WeightOptions
from rnn_calc.commands.scaling import scaled_weights
from rnn_calc.core.errors import RnnCalcError, UsageError

if TYPE_CHECKING:
    from rnn_calc.commands.running import Run
    from rnn_calc.core.decay import Decay
    from rnn_calc.core.trace import Trace
    from rnn_calc.core.weights import Array, Weights
    from rnn_calc.show.output import View

# What comes after every state.
_OUTPUT = ("readout", "readout_bias")


class Drawing(NamedTuple):
    """What the runs of an ensemble are made from: the options, of which each run has another seed."""

    network: NetworkOptions
    weights: WeightOptions
    sequence: SequenceOptions


class _Member(NamedTuple):
    """A run of an ensemble with its inputs, which other runs may share."""

    run: Run
    inputs: Array

    def traced(self, weights: Weights) -> Trace:
        """The run with these weights."""
        from rnn_calc.core.trace import require_finite, trace

        done = trace(self.run.setup.network, weights, self.inputs, self.run.initial)
        if not self.run.setup.options.allow_nonfinite:
            require_finite(done)
        return done


def measured_ensemble(run: Run, drawing: Drawing, decay: DecayOptions, place: int, seed: int) -> View:
    """The ensemble of each network, ready to be shown."""
    from rnn_calc.core.ensembles import EnsembleDecay
    from rnn_calc.core.memory import FLOAT64, require_memory
    from rnn_calc.show.decay_ensemble import EnsembleShown, NetworkEnsemble, ensemble_view
    from rnn_calc.show.document import AGAIN
    from rnn_calc.show.heading import describe_network
    from rnn_calc.show.progress import tracked

    assert decay.ensemble is not None
    setup, varied = run.setup, decay.varied
    _require_drawn(run, drawing.sequence, varied)
    scaled_run, scaled = scaled_weights(run, decay)
    steps, count = len(run.inputs), decay.ensemble
    curves = len(scaled) * len(decay.families) * 2
    require_memory(FLOAT64 * 4 * steps * count * curves, f"An ensemble of {count:,} runs", "Take fewer runs or steps.")
    seeds = tuple(range(seed, seed + count))
    found: dict[str, list[list[Decay]]] = {label: [] for label in scaled}
    for own_seed in tracked(seeds, "Measuring runs", count, patience=0.5):
        try:
            member = _member(run, drawing, own_seed, varied)
            for label, weights in scaled_weights(member.run, decay)[1].items():
                found[label].append(_decays(member.traced(weights), place, decay))
        except RnnCalcError as error:
            raise type(error)(f"At seed {own_seed}: {error}") from None
    networks = tuple(
        NetworkEnsemble(label, tuple(EnsembleDecay(tuple(part)) for part in zip(*runs, strict=True)))
        for label, runs in found.items()
    )
    drawn = {"all": "weights and input are", "weights": "the weights are", "sequences": "the input is"}[varied]
    note = f"Ensemble: {count} runs, seeds {seeds[0]} to {seeds[-1]}; {drawn} drawn anew in each"
    notes = list(scaled_run.notes)
    notes.insert(next(i for i, line in enumerate(notes) if line.startswith(AGAIN)), note)
    network = setup.network
    layer = network.stack[place // network.directions][place % network.directions]
    heading = describe_network(setup.network, setup.convention, setup.remarks)
    return ensemble_view(EnsembleShown(heading, tuple(notes), layer, steps, seeds, varied, networks))


def _member(run: Run, drawing: Drawing, seed: int, varied: str) -> _Member:
    """The run of a seed; what is not varied is that of `run`, whose inputs may come from a pipe, which is read once."""
    from rnn_calc.commands.loading import load_initial_states, load_sequence, load_weights

    weights, sequence, initial = run.weights, run.sequence, run.initial
    if varied != "sequences":
        weights = load_weights(run.setup, replace(drawing.weights, seed=seed))
    if varied != "weights":
        initial = load_initial_states(drawing.sequence, run.setup, seed)
        if sequence.drawn:
            steps = len(run.inputs)
            model = run.setup.model
            sequence = load_sequence(drawing.sequence, drawing.network, model, default_steps=steps, seed=seed)
    member = replace(run, weights=weights, sequence=sequence, initial=initial)
    return _Member(member, run.inputs if sequence is run.sequence else member.inputs)


def _decays(done: Trace, place: int, decay: DecayOptions) -> list[Decay]:
    """Those of every state and family, without the trace."""
    from rnn_calc.core.decay import gradient_decay

    return [
        own
        for family in decay.families
        for own in gradient_decay(
            done,
            layer=done.layers[place],
            threshold=decay.threshold,
            family=family,
            tolerance=decay.tolerance,
            states=states_of(decay, done.layers[place].layer),
        ).decays
    ]


def _require_drawn(run: Run, sequence: SequenceOptions, varied: str) -> None:
    """Nothing, when the runs differ.

    Raises: UsageError.
    """
    setup = run.setup
    roles = {parameter.name: parameter.role for parameter in setup.network.parameters}
    weights = any(roles[name] not in _OUTPUT for name in run.weights.drawn)
    zeros = (sequence.inputs or setup.model.inputs) == "zeros" and not setup.network.vocab
    states = any(text is not None and text.strip() == "gaussian" for text in (sequence.h0, sequence.c0))
    inputs = states or (run.sequence.drawn and not zeros)
    if varied == "weights" and not weights:
        raise UsageError(
            f"--vary weights draws nothing: every weight is given by {setup.model.name}. Take --vary sequences."
        )
    if varied == "sequences" and not inputs:
        raise UsageError(
            f"--vary sequences draws nothing: the input is given ({run.sequence.origin}). Take --vary weights, or "
            "--inputs gaussian to draw one in its place."
        )
    if not weights and not inputs:
        raise UsageError(
            "--ensemble has nothing to draw: weights and input are given, so every run would be the same. Leave one "
            "of them out, or add --inputs gaussian."
        )
