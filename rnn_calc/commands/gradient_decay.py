"""rnncalc gradient-decay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnn_calc.commands.answer import Answer
from rnn_calc.commands.decay_options import DecayOptions, check_options, said
from rnn_calc.commands.options import NetworkOptions, OutputOptions, takes_groups
from rnn_calc.commands.plot_options import PlotOptions, destination_with_plot
from rnn_calc.commands.run_options import LossOptions, SequenceOptions, WeightOptions
from rnn_calc.core.errors import UsageError

if TYPE_CHECKING:
    from rnn_calc.commands.running import Run
    from rnn_calc.show.output import Destination

_DEFAULT_STEPS = 50


@takes_groups
def command(
    network: NetworkOptions,
    weights: WeightOptions,
    sequence: SequenceOptions,
    output: OutputOptions,
    plot: PlotOptions,
    decay: DecayOptions,
    loss: LossOptions,
) -> Answer:
    """How the gradient shrinks or grows on its way back.

    The norm of ∂h_T/∂h_{T−lag} for every lag (and of ∂c_T/∂c_{T−lag}, with a cell state), its bound, what is
    guaranteed of it, and what theory allows to say.

    \b
    rnncalc gradient-decay --d-h 64 --steps 200
    rnncalc gradient-decay --d-h 32 --spectral-radius 0.5,1,1.5 --plot decay.pdf
    rnncalc gradient-decay --example tiny --jacobian 1
    rnncalc gradient-decay --cell lstm --family both --through state
    rnncalc gradient-decay --cell gru --layers 2 --across
    rnncalc gradient-decay --d-h 16 --steps 60 --pairs --singular-values 3
    rnncalc gradient-decay --d-h 16 --gain 2 --steps 500 --lyapunov 5
    rnncalc gradient-decay --cell lstm --ensemble 20 --vary weights
    rnncalc gradient-decay --d-h 512 --steps 1000 --from-loss --loss mse
    """
    from rnn_calc.commands.decay_ensemble import Drawing, measured_ensemble
    from rnn_calc.commands.decay_loss import measured_loss
    from rnn_calc.commands.decay_runs import check_network, place_of
    from rnn_calc.commands.loading import seed_of
    from rnn_calc.commands.running import prepare_run
    from rnn_calc.commands.scaling import scaled_weights

    destination = destination_with_plot(output, plot)
    check_options(decay, loss, check=output.check)
    if sequence.steps == 1:
        raise UsageError("--steps must be at least 2 for gradient-decay: with one step there is no earlier state.")
    others = said(decay) | said(loss)
    # Its scalings are several, and are in `others` for the printed command.
    run = prepare_run(
        network, weights, sequence, command="gradient-decay", default_steps=_DEFAULT_STEPS, scaling=None, **others
    )
    place, seed = place_of(run.setup, decay.direction), seed_of(weights, run.setup.model)
    check_network(decay, run.setup, place, run.sequence.length)
    if decay.from_loss:
        run, scaled = scaled_weights(run, decay)
        return Answer(measured_loss(run, scaled, loss, decay, seed=seed), destination)
    if decay.ensemble is not None:
        drawing = Drawing(network, weights, sequence)
        return Answer(measured_ensemble(run, drawing, decay, place, seed), destination)
    return _measure(run, decay, place, output, destination)


def _measure(run: Run, decay: DecayOptions, place: int, output: OutputOptions, destination: Destination) -> Answer:
    """Measure the norms of Jacobians and show them, beside what a file expects of them."""
    from rnn_calc.commands.decay_remedies import with_remedies
    from rnn_calc.commands.decay_runs import measure
    from rnn_calc.commands.expected import check_failure, compare_decay, expected_of
    from rnn_calc.commands.scaling import scaled_weights
    from rnn_calc.show.decay import decay_view
    from rnn_calc.show.decay_series import DecayShown
    from rnn_calc.show.heading import describe_network

    setup = run.setup
    changed = run.changed or decay.changes_what_a_file_expects
    expected = expected_of("gradient-decay", setup, changed=changed, check=output.check)
    run, scaled = scaled_weights(run, decay)
    lags = sorted({*(decay.jacobian or ()), *expected.jacobian_lags})
    networks = tuple(measure(label, run.whole(arrays), place, decay, lags) for label, arrays in scaled.items())
    networks = with_remedies(networks, decay.remedies, destination.format)
    expectations = compare_decay(expected, networks[0].first)
    heading = describe_network(setup.network, setup.convention, setup.remarks)
    if destination.format == "csv":
        _say_what_csv_leaves_out(decay)
    view = decay_view(networks, DecayShown(heading, run.notes, setup.notation), expectations)
    return Answer(view, destination, check_failure(expectations, check=output.check), setup, len(run.inputs))


def _say_what_csv_leaves_out(decay: DecayOptions) -> None:
    from rnn_calc.show.progress import remark

    if decay.lyapunov is not None:
        remark("the rows of CSV are lags, so the Lyapunov exponents are not in it; --json has them.")
    if decay.pairs and (decay.across or decay.singular_values or len(decay.families) > 1):
        remark(
            "with --pairs the rows of CSV are pairs of steps, so what was measured by lag is not in it; --json has it."
        )
