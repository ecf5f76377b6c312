"""What gradient-decay --from-loss measures: the gradient of a loss at every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnn_calc.commands.decay_options import DecayOptions
from rnn_calc.commands.run_options import LossOptions

if TYPE_CHECKING:
    from rnn_calc.commands.running import Run
    from rnn_calc.core.weights import Weights
    from rnn_calc.show.output import View


def measured_loss(run: Run, scaled: dict[str, Weights], loss: LossOptions, decay: DecayOptions, *, seed: int) -> View:
    """The decay of the loss's gradient in each network, ready to be shown."""
    from rnn_calc.commands.targets import load_loss
    from rnn_calc.core.loss_decay import loss_decay
    from rnn_calc.show.decay_loss import LossDecayShown, loss_decay_view
    from rnn_calc.show.heading import describe_network
    from rnn_calc.show.progress import watching

    setup = run.setup
    judged = load_loss(loss, setup, steps=len(run.inputs), seed=seed)
    watch = watching("Going back from the loss")
    decays = tuple(loss_decay(run.whole(weights), judged.loss, watch) for weights in scaled.values())
    targets = [f"Targets: {judged.origin}"] if judged.origin else []
    places = tuple(
        place
        for place, own in enumerate(decays[0].layers)
        if setup.layer in (None, own.run.layer.index)
        and (decay.direction is None or own.run.layer.reverse == (decay.direction == "backward"))
    )
    return loss_decay_view(
        LossDecayShown(
            describe_network(setup.network, setup.convention, setup.remarks),
            (*run.notes[:2], *targets, *run.notes[2:]),
            tuple(scaled),
            decays,
            places,
            judged.origin,
            decay.threshold,
        )
    )
