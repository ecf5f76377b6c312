"""rnncalc bptt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Annotated

import typer

from rnn_calc.commands.answer import Answer
from rnn_calc.commands.options import NetworkOptions, OutputOptions, Values, takes_groups, text_option
from rnn_calc.commands.plot_options import PlotOptions, destination_with_plot
from rnn_calc.commands.run_options import LossOptions, ScalingOptions, SequenceOptions, WeightOptions
from rnn_calc.core.errors import CheckFailedError, DataError, UsageError, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rnn_calc.core.gradient_probes import GradientCheck
    from rnn_calc.core.gradients import Gradients
    from rnn_calc.core.notation import Notation
    from rnn_calc.core.stored_gradients import LagShares
    from rnn_calc.show.bptt_report import PathShown

_DEFAULT_STEPS = 10
# Multiply-adds of all lags that are made without being asked for: some seconds.
_MOST_WORK = 2e10


@dataclass(frozen=True)
class CheckedOutputOptions(OutputOptions):
    """How the result is shown; --check is about the gradient."""

    check: Annotated[
        bool,
        typer.Option("--check", help="Compare with complex steps and central differences; exit with 1 if it is off."),
    ] = False


@takes_groups
def command(
    network: NetworkOptions,
    weights: WeightOptions,
    scaling: ScalingOptions,
    sequence: SequenceOptions,
    loss: LossOptions,
    output: CheckedOutputOptions,
    plot: PlotOptions,
    *,
    truncate: Annotated[
        str | None, text_option("--truncate", text="Go only K steps back: 5, 1..20 or 1,5,10.", metavar="K")
    ] = None,
    clip: Annotated[
        float | None,
        typer.Option(
            "--clip", help="What clipping the norm to this makes of the gradient.", metavar="NORM", show_default=False
        ),
    ] = None,
    path: Annotated[
        str | None,
        text_option(
            "--path",
            text="What one weight at one step contributes, path by path: W_xh[0,0]@1 (indices from 0, steps from 1).",
            metavar="WEIGHT@STEP",
        ),
        Values("commands.typed_network", "places"),
    ] = None,
    to: Annotated[
        str | None,
        text_option("--to", text="Where the paths lead: y[0]@3, h[1] or loss. [y[0] at the last step]", metavar="WHAT"),
        Values("commands.typed_network", "ends"),
    ] = None,
    by_lag: Annotated[
        bool, typer.Option("--by-lag", help="The share of each lag, also where that takes long.")
    ] = False,
) -> Answer:
    """Backpropagation through time, step by step.

    The derivative of a loss by every output, state and parameter; the share of each time step in each gradient, and of
    paths of each length, which tells what truncation keeps.

    \b
    rnncalc bptt --sequence "1, 2, 3" --targets "0, 1, 0" --d-h 2 --d-out 1
    rnncalc bptt --example tiny --path W_xh[0,0]@1
    rnncalc bptt --cell lstm --d-h 32 --steps 100 --loss last --truncate 1..99
    rnncalc bptt --cell gru --layers 2 --loss cross-entropy --check --clip 1
    """
    from rnn_calc.commands.loading import seed_of
    from rnn_calc.commands.running import prepare_run
    from rnn_calc.commands.targets import load_loss
    from rnn_calc.core.gradients import backpropagate
    from rnn_calc.show.bptt import bptt_view
    from rnn_calc.show.bptt_report import Bptt
    from rnn_calc.show.heading import describe_network

    destination = destination_with_plot(output, plot)
    if clip is not None and not (clip > 0 and isfinite(clip)):
        raise UsageError(f"--clip must be a positive number; it is {clip:g}.")
    if [sequence.sequence, loss.targets, network.model].count("-") > 1:
        raise UsageError("stdin can be read once; --sequence, --targets and --model cannot share it.")
    if to is not None and path is None:
        raise UsageError("--to says where the paths of --path lead; add --path WEIGHT@STEP.")
    others: dict[str, object] = {
        "loss": loss.loss,
        "targets": loss.targets,
        "reduction": loss.reduction,
        "truncate": truncate,
    }
    others |= {"clip": clip, "path": path, "to": to, "by_lag": by_lag or None, "check": output.check or None}
    run = prepare_run(
        network, weights, sequence, command="bptt", default_steps=_DEFAULT_STEPS, scaling=scaling, **others
    )
    steps, seed = len(run.inputs), seed_of(weights, run.setup.model)
    truncations = _truncations(truncate, steps) if truncate is not None else ()
    judged = load_loss(loss, run.setup, steps=steps, seed=seed)
    done = run.whole()
    gradients = backpropagate(done, judged.loss)
    find_lags, left_out = _lags(gradients, truncations, asked=by_lag)
    check, unchecked = _checked(gradients) if output.check else (None, ())
    setup = run.setup
    shown = Bptt(
        gradients,
        setup.notation,
        describe_network(setup.network, setup.convention, setup.remarks),
        _with_targets(run.notes, judged.origin),
        judged.origin,
        run.sequence.labels,
        () if setup.layer is None else (setup.layer,),
        find_lags,
        left_out,
        truncations,
        clip,
        check,
        unchecked,
        _path(path, to, gradients, setup.notation) if path is not None else None,
    )
    return Answer(bptt_view(shown), destination, _check_failure(check, setup.notation), setup, steps)


def _with_targets(notes: tuple[str, ...], origin: str) -> tuple[str, ...]:
    """The notes with where the targets came from, before the command that makes it all again."""
    return (*notes[:2], f"Targets: {origin}", *notes[2:]) if origin else notes


def _truncations(text: str, steps: int) -> tuple[int, ...]:
    """The k of --truncate, in order."""
    found: set[int] = set()
    for part in text.split(","):
        first, dots, last = part.partition("..")
        words = [word.strip() for word in ((first, last) if dots else (first,))]
        words = [str(steps - 1) if word.upper() == "T" else word for word in words]
        if not all(word.isascii() and word.isdecimal() and len(word) < 19 for word in words):
            raise UsageError(
                f"--truncate is a number of steps back, a range or a list: 5, 1..{steps - 1} or 1,5,10; it is "
                f"{quoted(text)}."
            )
        numbers = [min(int(word), steps - 1) if dots else int(word) for word in words]
        if numbers[0] > numbers[-1]:
            raise UsageError(
                f"--truncate {quoted(part)} ends before it begins; {steps} steps go back 0 to {steps - 1}."
            )
        found |= set(range(numbers[0], numbers[-1] + 1))
    return tuple(sorted(found))


def _lags(
    gradients: Gradients, truncations: tuple[int, ...], *, asked: bool
) -> tuple[Callable[[], Mapping[str, LagShares]] | None, str]:
    """What finds the gradient by the length of its paths, or why it is left out."""
    from rnn_calc.core.lag_shares import lag_work, longest_path
    from rnn_calc.core.stored_gradients import lag_shares
    from rnn_calc.show.progress import watching

    longest = longest_path(gradients.trace)
    most = min(max(truncations), longest) if truncations and not asked else None
    work = lag_work(gradients.trace) * (1 if most is None else (most + 1) / (longest + 1))
    if work > _MOST_WORK and not asked and not truncations:
        return None, (
            f"The share of each lag is left out: it takes about {work:.0e} multiply-adds. --by-lag has it all the "
            "same; --truncate K goes only K steps back."
        )
    return partial(lag_shares, gradients, most, watching("Going back lag by lag")), ""


# Below this float64 has too few digits left for a comparison.
_LEAST_LOG10 = -285.0


def _checked(gradients: Gradients) -> tuple[GradientCheck, tuple[str, ...]]:
    """The check, and the parameters (canonical names) whose gradients are too small for it.

    Raises: NonFiniteError where a gradient is beyond float64; DataError where all are too small.
    """
    import numpy as np

    from rnn_calc.core.gradient_check import check_gradient
    from rnn_calc.show.progress import watching

    norms = {name: gradient.log10_norm for name, gradient in gradients.gradients.items()}
    small = tuple(name for name, norm in norms.items() if -np.inf < norm < _LEAST_LOG10)
    arrays = {name: array for name, array in gradients.parameters.items() if name not in small}
    if not arrays:
        raise DataError("--check: every gradient is below 1e-285, where float64 has no digits left to compare.")
    scales = {}
    for name in arrays:
        with np.errstate(over="ignore"):
            scales[name] = float(np.sum(10.0 ** gradients.step_log10_norms(name)))
    loss, watch = gradients.loss_function, watching("Checking the gradient")
    return check_gradient(gradients.trace, loss, arrays, scales, watch=watch), small


def _path(path: str, to: str | None, gradients: Gradients, notation: Notation) -> PathShown:
    from rnn_calc.commands.occurrences import parse_occurrence, parse_target
    from rnn_calc.core.paths import follow_paths
    from rnn_calc.show.bptt_report import PathShown

    run = gradients.trace
    weight = parse_occurrence(path, notation, run.steps)
    target, label = parse_target(to, notation, run.steps)
    report = follow_paths(run, gradients.loss_function, weight.name, weight.entry, weight.step, target)
    return PathShown(report, weight.label, label)


def _check_failure(check: GradientCheck | None, notation: Notation) -> CheckFailedError | None:
    """What to fail with where the gradient was checked and is off."""
    if check is None or check.holds:
        return None
    if not check.failed:
        return CheckFailedError(f"The states are off: a step made anew differs by {check.drift:.1e}.")
    from rnn_calc.show.gradient_check import probe_name

    worst = check.worst if check.worst in check.failed else check.failed[0]
    return CheckFailedError(
        f"The gradient is off at {len(check.failed)} of {len(check.probes)} derivatives; the worst is "
        f"{probe_name(worst, notation)}, by {worst.error:.1e} of its size."
    )
