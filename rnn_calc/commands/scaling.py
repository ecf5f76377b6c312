"""Recurrent matrices made as large as asked for: one network, or several of the same weights side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rnn_calc.commands.run_options import flag
from rnn_calc.core.errors import UsageError, quoted

if TYPE_CHECKING:
    from rnn_calc.commands.decay_options import DecayOptions
    from rnn_calc.commands.run_options import ScalingOptions
    from rnn_calc.commands.running import Run
    from rnn_calc.commands.setup import Setup
    from rnn_calc.core.network import Network
    from rnn_calc.core.weights import Weights

_OPTIONS = ("spectral_radius", "spectral_norm")
_MOST_SERIES = 8
_MOST_NAMED = 8


def recurrent_names(network: Network) -> list[str]:
    """The parameters that take one hidden state to the next, by their canonical names."""
    from rnn_calc.core.spectra import RECURRENT

    return [parameter.name for parameter in network.parameters if parameter.role in RECURRENT]


def scaled_weights(run: Run, decay: DecayOptions) -> tuple[Run, dict[str, Weights]]:
    """The weights as they are, or once for each spectral radius or norm asked for, by label; the run says which."""
    from rnn_calc.core.spectra import SCALINGS

    asked = _asked(run.setup, {name: ",".join(getattr(decay, name) or ()) or None for name in _OPTIONS})
    if asked is None:
        return run, {"norm": run.weights}
    name, parts = asked
    targets = [_target(part, name, f"numbers, as in {flag(name)} 0.5,1,1.5") for part in parts]
    if len(targets) > _MOST_SERIES:
        raise UsageError(f"At most {_MOST_SERIES} networks fit side by side; {flag(name)} has {len(targets)}.")
    symbol = SCALINGS[_measure(name)][0]
    scaled = {f"{symbol} = {target:g}": _scaled(run.setup, run.weights, name, target) for target in targets}
    said = _said(run.setup, name, targets)
    return replace(run, weights=replace(run.weights, scaling=said)), scaled


def scale_weights(setup: Setup, weights: Weights, options: ScalingOptions) -> Weights:
    """The weights with the recurrent matrices as large as asked for; as they are where nothing is asked."""
    asked = _asked(setup, {name: getattr(options, name) for name in _OPTIONS})
    if asked is None:
        return weights
    name, parts = asked
    if len(parts) > 1:
        raise UsageError(
            f"{flag(name)} is one number here, as in {flag(name)} 1.1; {quoted(','.join(parts))} are {len(parts)}. "
            "`rnncalc gradient-decay` takes several, side by side."
        )
    target = _target(parts[0], name, f"a number, as in {flag(name)} 1.1")
    return replace(_scaled(setup, weights, name, target), scaling=_said(setup, name, [target]))


def _asked(setup: Setup, texts: dict[str, str | None]) -> tuple[str, list[str]] | None:
    """Which of the two options is given, and its parts; nothing where none is.

    Raises: UsageError where both are, or where the cell has nothing to scale.
    """
    given = [(name, text) for name, text in texts.items() if text is not None]
    if not given:
        return None
    if len(given) == 2:
        raise UsageError("--spectral-radius and --spectral-norm both scale W_hh; give one of them.")
    ((name, text),) = given
    if not recurrent_names(setup.network):
        cell = setup.network.cell.name
        raise UsageError(f"The cell {cell} has no recurrent matrix, so {flag(name)} has nothing to scale.")
    return name, text.split(",")


def _measure(name: str) -> str:
    """What an option scales to, as core.spectra calls it."""
    return name.replace("_", " ")


def _scaled(setup: Setup, weights: Weights, name: str, target: float) -> Weights:
    from rnn_calc.core.spectra import scale_recurrent

    return scale_recurrent(weights, _measure(name), target, recurrent_names(setup.network))


def _said(setup: Setup, name: str, targets: list[float]) -> str:
    """What was scaled to what, for the note on the weights; several matrices may be stored in one array."""
    symbols, matrices = setup.recurrent_symbols, len(recurrent_names(setup.network))
    if len(symbols) > _MOST_NAMED:
        told = f"each of {matrices} recurrent matrices"
    else:
        told = f"{'each matrix in ' if matrices > len(symbols) else ''}{', '.join(symbols)}"
    return f"{told} scaled to {_measure(name)} {', '.join(f'{target:g}' for target in targets)}"


def _target(part: str, name: str, expected: str) -> float:
    try:
        value = float(part)
    except ValueError:
        raise UsageError(f"{flag(name)} takes {expected}; {quoted(part)} is none.") from None
    if not 0 < value < float("inf"):
        raise UsageError(f"{flag(name)} must be positive and finite; it is {part.strip()}.")
    return value
