"""The networks that gradient-decay compares: the same weights, scaled."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rnn_calc.commands.decay_options import DecayOptions, flag
from rnn_calc.core.errors import UsageError, quoted

if TYPE_CHECKING:
    from rnn_calc.commands.running import Run
    from rnn_calc.core.weights import Weights

_MOST_SERIES = 8
_MOST_NAMED = 8


def _joined(values: list[str] | None) -> str | None:
    return ",".join(values) if values else None


def scaled_weights(run: Run, decay: DecayOptions) -> tuple[Run, dict[str, Weights]]:
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
