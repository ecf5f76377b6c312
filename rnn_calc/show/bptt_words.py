"""What a backpropagation says, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, isnan, log10

import numpy as np

from rnn_calc.core.stored_gradients import LagShares
from rnn_calc.show.bptt_report import Bptt
from rnn_calc.show.format import plural, power_of_ten, short

_MOST = 0.999
# A lag whose paths add less than that share of the gradient's norm does not show in it.
_HIDDEN = 1e-3


def meaning_of(shown: Bptt) -> Iterator[str]:
    """Sentences on the way back, the lags, and what the shares mean."""
    if shown.together[0] == -inf:
        yield "Every gradient is exactly 0: the loss does not change with any weight, so nothing is learned here."
        return
    yield from _way_back(shown)
    if shown.recurrent_lags and not shown.truncations:
        yield from _lags(*shown.recurrent_lags)
    if shown.truncations:
        yield (
            "Truncated after k steps, backpropagation keeps the paths of lags 0 to k and drops every longer one; "
            f"k = {shown.steps - 1} keeps all."
            if not shown.notation.network.bidirectional
            else "Truncated after k steps, backpropagation keeps the paths of lags 0 to k and drops every longer one."
        )
    shares = shown.together[1]
    if shares.min(initial=0) < 0 or shares.max(initial=0) > 1:
        yield (
            "A share below 0 is a step that pulls against the sum, and shares above 1 make up for it: they add up to 1 "
            "all the same."
        )
    if shown.clip is not None:
        yield "Clipping caps the norm of the sum; it does not bring back what vanished on the way."


def _way_back(shown: Bptt) -> Iterator[str]:
    """How the derivative changes from where the loss enters to the step that is read first."""
    own = shown.shown_layers[0]
    norms = own.states["h"].log10_norms
    there = np.nonzero(norms > -inf)[0]
    if len(norms) < 2:
        yield "One step has no earlier one: there is nothing to go back through."
        return
    symbol = own.run.layer.symbol()
    way = f"‖∂L/∂{symbol}_t‖"
    if not len(there):
        yield f"{way} is exactly 0 at every step: the loss does not change with any of these states."
        return
    last = int(there[-1])
    first_step, last_step = (shown.steps, shown.steps - last) if own.run.layer.reverse else (1, last + 1)
    if norms[0] == -inf:
        dead = int(there[0]) + 1
        yield f"{way} is exactly 0 before step {dead}: no earlier state has any part in the loss."
    elif last:
        change = float(norms[last] - norms[0])
        yield (
            f"{way} is {power_of_ten(float(norms[last]))} at t = {last_step} and {power_of_ten(float(norms[0]))} at "
            f"t = {first_step}: {_factor(-change)} over {plural(last, 'step')}."
        )


def _factor(change: float) -> str:
    """A change of the logarithm in words."""
    if abs(change) < 0.01:
        return "about the same"
    size = power_of_ten(abs(change), 2)
    return f"{size} times as large" if change > 0 else f"{size} times as small"


def _lags(whose: str, shares: LagShares) -> Iterator[str]:
    there = np.nonzero(shares.log10_norms > -inf)[0]
    if isnan(float(shares.shares[0])) or not len(there):
        return
    norm = f"‖{whose}‖" if whose.startswith("∂") else "its norm"
    # With a first state of 0 the longest path of all ends in nothing, which says nothing of the way.
    longest = int(there[-1])
    near = np.nonzero(shares.relative_differences <= 1 - _MOST)[0]
    enough = int(near[0]) if len(near) else longest
    if enough < longest:
        reach = "the paths of lag 0 alone" if enough == 0 else f"paths of lags 0 to {enough}"
        left = float(shares.relative_differences[enough])
        size = power_of_ten(log10(left), 2) if left > 0 else "0"
        percent = short(100 * (1 - left), 2)
        if percent == "100" and left > 0:
            yield (
                f"All of {whose} but {size} of it comes through {reach}; that little is what all longer ones, up to "
                f"lag {longest}, add."
            )
        else:
            yield (
                f"{percent} % of {whose} comes through {reach}; all longer ones, up to lag {longest}, are {size} of it."
            )
    faded = float(shares.log10_norms[longest] - shares.log10_norms.max())
    if faded < log10(_HIDDEN):
        yield (
            f"What comes through lag {longest} is {power_of_ten(faded, 2)} of what comes through lag "
            f"{int(shares.log10_norms.argmax())}: the short paths in the sum hide that the long ones have vanished, "
            f"and {norm} tells nothing of it. So hardly anything is learned from inputs that far back."
        )
    elif longest > 1 and int(shares.log10_norms.argmax()) == longest:
        yield "The longest paths add the most: the gradient grows on its way back."
