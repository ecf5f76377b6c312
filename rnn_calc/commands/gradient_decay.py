"""rnncalc gradient-decay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from rnn_calc.commands.options import NetworkOptions, OutputOptions, takes_groups
from rnn_calc.commands.plot_options import PlotOptions, destination_with_plot
from rnn_calc.commands.run_options import SequenceOptions, WeightOptions
from rnn_calc.core.errors import UsageError, did_you_mean, quoted

if TYPE_CHECKING:
    from rnn_calc.commands.running import Run
    from rnn_calc.commands.setup import Setup
    from rnn_calc.core.weights import Weights

_DEFAULT_STEPS = 50
_MOST_SERIES = 8
_MOST_NAMED = 8
_THRESHOLD = 1e-3


@takes_groups
def command(
    network: NetworkOptions,
    weights: WeightOptions,
    sequence: SequenceOptions,
    output: OutputOptions,
    plot: PlotOptions,
    *,
    spectral_radius: Annotated[
        list[str] | None,
        typer.Option(
            "--spectral-radius",
            "-r",
            help="Scale W_hh, of every gate, to it first; several: 0.5,1,1.5.",
            metavar="R,R,…",
        ),
    ] = None,
    spectral_norm: Annotated[
        list[str] | None,
        typer.Option("--spectral-norm", help="The same for the largest singular value.", metavar="S,S,…"),
    ] = None,
    direction: Annotated[
        str | None,
        typer.Option(
            "--direction",
            help="Of a layer that has both: forward or backward. [forward]",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    threshold: Annotated[
        float, typer.Option("--threshold", help="Report the first lag whose norm is below it.", metavar="X")
    ] = _THRESHOLD,
    jacobian: Annotated[
        list[int] | None,
        typer.Option("--jacobian", "-j", help="Print the whole ∂h_T/∂h_{T−LAG}; repeatable.", metavar="LAG"),
    ] = None,
) -> None:
    """How the gradient shrinks or grows on its way back.

    The norm of ∂h_T/∂h_{T−lag} for every lag (and of ∂c_T/∂c_{T−lag}, with a cell state), its bound, and what they
    allow to say.

    \b
    rnncalc gradient-decay --d-h 64 --steps 200
    rnncalc gradient-decay --d-h 32 --spectral-radius 0.5,1,1.5 --plot decay.pdf
    rnncalc gradient-decay --example tiny --jacobian 1
    rnncalc gradient-decay --cell lstm --layers 2 --layer 1
    """
    from rnn_calc.commands.expected import compare_decay, expected_of, require_met
    from rnn_calc.commands.running import prepare_run
    from rnn_calc.core.decay import gradient_decay
    from rnn_calc.show.decay import DecayShown, decay_view
    from rnn_calc.show.heading import describe_network
    from rnn_calc.show.output import emit
    from rnn_calc.show.progress import watching

    destination = destination_with_plot(output, plot)
    if not 0 < threshold < 1:
        raise UsageError(f"--threshold must lie between 0 and 1; it is {threshold:g}.")
    if sequence.steps == 1:
        raise UsageError("--steps must be at least 2 for gradient-decay: with one step there is no earlier state.")
    targets = {"spectral_radius": _joined(spectral_radius), "spectral_norm": _joined(spectral_norm)}
    others = {**targets, "threshold": None if threshold == _THRESHOLD else threshold, "jacobian": jacobian}
    others["direction"] = direction
    run = prepare_run(network, weights, sequence, command="gradient-decay", default_steps=_DEFAULT_STEPS, **others)
    _check_lags(jacobian or (), run.sequence.length)
    place = _place(run.setup, direction)
    changed = run.changed or any(targets.values())
    expected = expected_of("gradient-decay", run.setup, changed=changed, check=output.check)
    run, scaled = _scaled(run, targets)
    traces = [run.whole(arrays) for arrays in scaled.values()]
    lags = sorted({*(jacobian or ()), *expected.jacobian_lags})
    watch = watching("Multiplying Jacobians")
    reports = [
        gradient_decay(done, layer=done.layers[place], threshold=threshold, jacobians=lags, watch=watch)
        for done in traces
    ]
    expectations = compare_decay(expected, reports[0])
    shown = DecayShown(
        describe_network(run.setup.network, run.setup.convention, run.setup.remarks),
        run.notes,
        tuple(scaled),
        run.setup.notation,
    )
    emit(decay_view(reports, shown, expectations), destination)
    require_met(expectations, check=output.check)


def _joined(values: list[str] | None) -> str | None:
    return ",".join(values) if values else None


def _place(setup: Setup, direction: str | None) -> int:
    """Which direction of which layer, counted as a trace holds them: layer by layer, forward before backward."""
    if direction not in (None, "forward", "backward"):
        raise UsageError(
            f"--direction is forward or backward, not {quoted(direction)}."
            f"{did_you_mean(direction, ('forward', 'backward'))}"
        )
    backward = direction == "backward"
    if backward and not setup.network.bidirectional:
        raise UsageError("--direction backward needs a network of both directions; add --bidirectional.")
    top = setup.network.layers - 1
    return (top if setup.layer is None else setup.layer) * setup.network.directions + backward


def _check_lags(lags: Iterable[int], steps: int | None) -> None:
    for lag in lags:
        if lag < 1 or (steps is not None and lag >= steps):
            known = f"; {steps} steps have lags 1 to {steps - 1}" if steps else ", lags count from 1"
            raise UsageError(f"--jacobian {lag} is no lag{known}.")


def _scaled(run: Run, scalings: Mapping[str, str | None]) -> tuple[Run, dict[str, Weights]]:
    """The weights as they are, or once for each spectral radius or norm asked for, by label; the run says which."""
    from rnn_calc.core.spectra import RECURRENT, SCALINGS, scale_recurrent

    chosen = [(name, text) for name, text in scalings.items() if text is not None]
    if not chosen:
        return run, {"norm": run.weights}
    if len(chosen) == 2:
        raise UsageError("--spectral-radius and --spectral-norm both scale W_hh; give one of them.")
    name, text = chosen[0]
    names = [parameter.name for parameter in run.setup.network.parameters if parameter.role in RECURRENT]
    if not names:
        cell = run.setup.network.cell.name
        raise UsageError(
            f"The cell {cell} has no recurrent matrix, so --{name.replace('_', '-')} has nothing to scale."
        )
    measure = name.replace("_", " ")
    targets = [_target(part, name) for part in text.split(",")]
    if len(targets) > _MOST_SERIES:
        raise UsageError(
            f"At most {_MOST_SERIES} networks fit side by side; --{name.replace('_', '-')} has {len(targets)}."
        )
    symbol = SCALINGS[measure][0]
    scaled = {f"{symbol} = {target:g}": scale_recurrent(run.weights, measure, target, names) for target in targets}
    told = _told(run.setup.recurrent_symbols, len(names))
    said = f"{told} scaled to {measure} {', '.join(f'{target:g}' for target in targets)}"
    return replace(run, weights=replace(run.weights, scaling=said)), scaled


def _told(symbols: tuple[str, ...], matrices: int) -> str:
    """The recurrent matrices for a sentence; several of them may be stored in one array."""
    if len(symbols) > _MOST_NAMED:
        return f"each of {matrices} recurrent matrices"
    return f"{'each matrix in ' if matrices > len(symbols) else ''}{', '.join(symbols)}"


def _target(text: str, name: str) -> float:
    flag = f"--{name.replace('_', '-')}"
    try:
        value = float(text)
    except ValueError:
        raise UsageError(f"{flag} takes numbers, as in {flag} 0.5,1,1.5; {quoted(text)} is none.") from None
    if not 0 < value < float("inf"):
        raise UsageError(f"{flag} must be positive and finite; it is {text.strip()}.")
    return value
