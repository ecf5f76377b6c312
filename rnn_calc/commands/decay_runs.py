"""What gradient-decay measures of one network: its checks against the network, and the measuring itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rnn_calc.commands.decay_options import DIRECTIONS, DecayOptions
from rnn_calc.commands.setup import choose
from rnn_calc.core.errors import UsageError, quoted

if TYPE_CHECKING:
    from rnn_calc.commands.setup import Setup
    from rnn_calc.core.layer_trace import LayerTrace
    from rnn_calc.core.pairs import PairDecay
    from rnn_calc.core.stages import Layer
    from rnn_calc.core.trace import Trace
    from rnn_calc.show.decay_series import NetworkDecay

# As many pairs as a page can show and some seconds can measure.
_MOST_PAIRED = 500
# Layers whose own decay stands beside that across them: all of so many, else the lowest and the top one.
_MOST_LAYERS = 4


def measure(label: str, done: Trace, place: int, decay: DecayOptions, lags: list[int]) -> NetworkDecay:
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
            states=states_of(decay, layer.layer),
            singular_values=decay.singular_values or 0,
        )
        for family in decay.families
    )
    network = NetworkDecay(label, reports)
    if decay.lyapunov is not None:
        from rnn_calc.core.lyapunov import lyapunov_exponents

        network = network._replace(
            lyapunov=lyapunov_exponents(
                done,
                layer=layer,
                count=_count(decay.lyapunov, layer.layer),
                burn_in=decay.burn_in,
                watch=watching("Following tangents"),
            )
        )
    if decay.pairs:
        network = network._replace(pairs=_pairs(done, layer, decay))
    return _with_layers(network, done, decay) if decay.across else network


def states_of(decay: DecayOptions, layer: Layer) -> tuple[str, ...]:
    """The states to measure, none for all of the cell's; all together are the one state of a cell that has one."""
    names = decay.states
    if len(layer.state) == 1:
        names = tuple(dict.fromkeys(next(iter(layer.state)) if name == "state" else name for name in names))
    return names


def _pairs(done: Trace, layer: LayerTrace, decay: DecayOptions) -> tuple[PairDecay, ...]:
    from rnn_calc.core.pairs import pair_decay
    from rnn_calc.show.progress import watching

    _check_paired(done.steps)
    states = states_of(decay, layer.layer) or tuple(sorted(layer.layer.state, key=lambda name: name != "h"))
    watch = watching("Multiplying Jacobians of all pairs")
    return tuple(pair_decay(done, layer=layer, state=state, tolerance=decay.tolerance, watch=watch) for state in states)


def _with_layers(network: NetworkDecay, done: Trace, decay: DecayOptions) -> NetworkDecay:
    """The same with the decay across all layers, and within those that are shown beside it."""
    from rnn_calc.core.decay import gradient_decay
    from rnn_calc.core.stack_linearization import stack_decay
    from rnn_calc.show.progress import watching

    threshold, tolerance = decay.threshold, decay.tolerance
    across = stack_decay(done, threshold=threshold, tolerance=tolerance, watch=watching("Going down the stack"))
    shown = done.layers if len(done.layers) <= _MOST_LAYERS else (done.layers[0], done.layers[-1])
    watch = watching("Multiplying Jacobians of each layer")
    within = tuple(
        gradient_decay(done, layer=run, threshold=threshold, tolerance=tolerance, states=("h",), watch=watch)
        for run in shown
    )
    return network._replace(across=across, within=within)


def place_of(setup: Setup, direction: str | None) -> int:
    """Which direction of which layer, counted as a trace holds them: layer by layer, forward before backward."""
    if direction is not None:
        choose(direction, DIRECTIONS, "direction")
    backward = direction == "backward"
    if backward and not setup.network.bidirectional:
        raise UsageError("--direction backward needs a network of both directions; add --bidirectional.")
    top = setup.network.layers - 1
    return (top if setup.layer is None else setup.layer) * setup.network.directions + backward


def check_network(decay: DecayOptions, setup: Setup, place: int, steps: int | None) -> None:
    """Nothing, when the network and its layer have what is asked for; the number of steps may not be known yet.

    Raises: UsageError.
    """
    network = setup.network
    layer = network.stack[place // network.directions][place % network.directions]
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
    if decay.pairs and steps is not None:
        _check_paired(steps)
    if decay.across:
        _check_stack(setup)
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


def _check_paired(steps: int) -> None:
    if steps > _MOST_PAIRED:
        raise UsageError(
            f"--pairs is for up to {_MOST_PAIRED} steps, and there are {steps:,}: take fewer, or leave --pairs out. "
            "--family both measures the last row and the first column, at any length."
        )


def _check_stack(setup: Setup) -> None:
    network = setup.network
    if network.bidirectional:
        raise UsageError(
            "--across goes down a stack from the last step to earlier ones; with --bidirectional the layer below hands "
            "up what it read from both ends, so every step reaches every other. Take one direction, or measure within "
            "a layer: --layer N --direction forward."
        )
    if network.layers < 2:
        raise UsageError("--across is about a stack, and there is one layer: add --layers 2, or leave --across out.")
