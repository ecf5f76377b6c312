"""rnncalc gradient-decay."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from rnn_calc.commands.decay_options import DecayOptions, check_options, flag, said
from rnn_calc.commands.options import NetworkOptions, OutputOptions, takes_groups
from rnn_calc.commands.plot_options import PlotOptions, destination_with_plot
from rnn_calc.commands.run_options import SequenceOptions, WeightOptions
from rnn_calc.core.errors import UsageError, did_you_mean, quoted

if TYPE_CHECKING:
    from rnn_calc.commands.running import Run
    from rnn_calc.commands.setup import Setup
    from rnn_calc.core.network import Layer
    from rnn_calc.core.trace import Trace
    from rnn_calc.core.weights import Weights
    from rnn_calc.show.decay_series import NetworkDecay

_DEFAULT_STEPS = 50
_MOST_SERIES = 8
_MOST_NAMED = 8


@takes_groups
def command(
    network: NetworkOptions,
    weights: WeightOptions,
    sequence: SequenceOptions,
    output: OutputOptions,
    plot: PlotOptions,
    decay: DecayOptions,
) -> None:
    """How the gradient shrinks or grows on its way back.

    The norm of ∂h_T/∂h_{T−lag} for every lag (and of ∂c_T/∂c_{T−lag}, with a cell state), its bound, and what they
    allow to say.

    \b
    rnncalc gradient-decay --d-h 64 --steps 200
    rnncalc gradient-decay --d-h 32 --spectral-radius 0.5,1,1.5 --plot decay.pdf
    rnncalc gradient-decay --example tiny --jacobian 1
    rnncalc gradient-decay --cell lstm --layers 2 --layer 1
    rnncalc gradient-decay --cell lstm --family both --through state
    rnncalc gradient-decay --d-h 16 --gain 2 --steps 500 --lyapunov 5
    """
    from rnn_calc.commands.expected import compare_decay, expected_of, require_met
    from rnn_calc.commands.running import prepare_run
    from rnn_calc.show.decay import decay_view
    from rnn_calc.show.decay_series import DecayShown
    from rnn_calc.show.heading import describe_network
    from rnn_calc.show.output import emit

    destination = destination_with_plot(output, plot)
    check_options(decay)
    if sequence.steps == 1:
        raise UsageError("--steps must be at least 2 for gradient-decay: with one step there is no earlier state.")
    run = prepare_run(network, weights, sequence, command="gradient-decay", default_steps=_DEFAULT_STEPS, **said(decay))
    setup = run.setup
    place = _place(setup, decay.direction)
    _check_request(decay, setup.network.stack[place // setup.network.directions][0], run.sequence.length)
    scaling = _joined(decay.spectral_radius) or _joined(decay.spectral_norm)
    changed = run.changed or bool(scaling) or decay.families[0] != "back" or decay.states[:1] not in ((), ("h",))
    expected = expected_of("gradient-decay", setup, changed=changed, check=output.check)
    run, scaled = _scaled(run, decay)
    traces = {label: run.whole(arrays) for label, arrays in scaled.items()}
    lags = sorted({*(decay.jacobian or ()), *expected.jacobian_lags})
    networks = tuple(_measured(label, done, place, decay, lags) for label, done in traces.items())
    expectations = compare_decay(expected, networks[0].first)
    heading = describe_network(setup.network, setup.convention, setup.remarks)
    emit(decay_view(networks, DecayShown(heading, run.notes, setup.notation), expectations), destination)
    require_met(expectations, check=output.check)


def _measured(label: str, done: Trace, place: int, decay: DecayOptions, lags: list[int]) -> NetworkDecay:
    """Everything that is asked of one network."""
    from rnn_calc.core.decay import gradient_decay
    from rnn_calc.show.decay_series import NetworkDecay
    from rnn_calc.show.progress import watching

    layer = done.layers[place]
    reports = tuple(
        gradient_decay(
            done,
            layer=layer,
            threshold=decay.threshold,
            jacobians=lags,
            watch=watching("Multiplying Jacobians"),
            family=family,
            tolerance=decay.tolerance,
            states=decay.states,
            singular_values=decay.singular_values or 0,
        )
        for family in decay.families
    )
    if decay.lyapunov is None:
        return NetworkDecay(label, reports)
    from rnn_calc.core.lyapunov import lyapunov_exponents

    exponents = lyapunov_exponents(
        done,
        layer=layer,
        count=_count(decay.lyapunov, layer.layer),
        burn_in=decay.burn_in,
        watch=watching("Following tangents"),
    )
    return NetworkDecay(label, reports, exponents)


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


def _check_request(decay: DecayOptions, layer: Layer, steps: int | None) -> None:
    """Nothing, when the layer has what is asked for; the number of steps may not be known yet.

    Raises: UsageError.
    """
    widths = {name: layer.sizes[axis] for name, axis in layer.state.items()}
    for name in decay.states:
        if name not in widths and name != "state":
            raise UsageError(
                f"--through {name} needs a cell with a state {name}; {layer.cell.name} has {' and '.join(widths)}."
            )
    _check_lags(decay.jacobian or (), steps, 0 if decay.families == ("forward",) else 1)
    if decay.singular_values is not None:
        names = decay.states or tuple(widths)
        width = min(sum(widths.values()) if name == "state" else widths[name] for name in names)
        if decay.singular_values > width:
            raise UsageError(
                f"--singular-values {decay.singular_values} is more than there are: the matrix has {width} rows."
            )
    if decay.lyapunov is not None:
        _count(decay.lyapunov, layer)
        if steps is not None and not 0 <= (decay.burn_in or 0) < steps:
            raise UsageError(f"--burn-in must leave something of {steps} steps: 0 to {steps - 1}, not {decay.burn_in}.")


def _check_lags(lags: Iterable[int], steps: int | None, short: int) -> None:
    """The lags of --jacobian, of which the longest is `short` of the number of steps."""
    for lag in lags:
        if lag < 1 or (steps is not None and lag > steps - short):
            known = f"; {steps} steps have lags 1 to {steps - short}" if steps else ", lags count from 1"
            raise UsageError(f"--jacobian {lag} is no lag{known}.")


def _count(text: str, layer: Layer) -> int | None:
    """How many exponents --lyapunov asks for; None for all."""
    width = sum(layer.sizes[axis] for axis in layer.state.values())
    word = text.strip()
    if word == "all":
        return None
    if not (word.isascii() and word.isdecimal() and len(word) < 10 and 1 <= int(word) <= width):
        raise UsageError(
            f"--lyapunov takes how many exponents, 1 to {width} for states of that width, or all; it is {quoted(text)}."
        )
    return int(word)


def _scaled(run: Run, decay: DecayOptions) -> tuple[Run, dict[str, Weights]]:
    """The weights as they are, or once for each spectral radius or norm asked for, by label; the run says which."""
    from rnn_calc.core.spectra import RECURRENT, SCALINGS, scale_recurrent

    scalings = {name: _joined(getattr(decay, name)) for name in ("spectral_radius", "spectral_norm")}
    chosen = [(name, text) for name, text in scalings.items() if text is not None]
    if not chosen:
        return run, {"norm": run.weights}
    if len(chosen) == 2:
        raise UsageError("--spectral-radius and --spectral-norm both scale W_hh; give one of them.")
    name, text = chosen[0]
    names = [parameter.name for parameter in run.setup.network.parameters if parameter.role in RECURRENT]
    if not names:
        cell = run.setup.network.cell.name
        raise UsageError(f"The cell {cell} has no recurrent matrix, so {flag(name)} has nothing to scale.")
    measure = name.replace("_", " ")
    targets = [_target(part, name) for part in text.split(",")]
    if len(targets) > _MOST_SERIES:
        raise UsageError(f"At most {_MOST_SERIES} networks fit side by side; {flag(name)} has {len(targets)}.")
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
    try:
        value = float(text)
    except ValueError:
        raise UsageError(f"{flag(name)} takes numbers, as in {flag(name)} 0.5,1,1.5; {quoted(text)} is none.") from None
    if not 0 < value < float("inf"):
        raise UsageError(f"{flag(name)} must be positive and finite; it is {text.strip()}.")
    return value
