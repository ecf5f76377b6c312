"""What a shown backpropagation consists of, and the words that its page and its JSON share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rnn_calc.core.gradients import Gradients, LayerGradients
from rnn_calc.core.notation import Notation
from rnn_calc.core.stored_gradients import Clipping, LagShares, StoredGradient, all_together, stored_gradients
from rnn_calc.core.weights import Array
from rnn_calc.show.document import Text

if TYPE_CHECKING:
    from rnn_calc.core.gradient_probes import GradientCheck
    from rnn_calc.core.paths import PathReport


# So many arrays are named one by one.
_MOST_NAMED = 4


@dataclass(frozen=True)
class PathShown:
    """A path report, and what its weight and its target are called in the convention."""

    report: PathReport
    weight: str
    target: str


@dataclass(frozen=True)
class Bptt:
    """A backpropagation to be shown: its numbers, what was asked of them, and in whose words.

    `find_lags` gives the share of each lag by canonical names; None where they are left out, and `lags_left_out` says
    why. `truncations` are the k of --truncate;
    `unchecked` are the parameters whose gradients are too small to be checked.
    """

    gradients: Gradients
    notation: Notation
    heading: Text
    notes: tuple[str, ...]
    origin: str = ""
    labels: tuple[str, ...] = ()
    layers: tuple[int, ...] = ()
    find_lags: Callable[[], Mapping[str, LagShares]] | None = None
    lags_left_out: str = ""
    truncations: tuple[int, ...] = ()
    clip: float | None = None
    check: GradientCheck | None = None
    unchecked: tuple[str, ...] = ()
    path: PathShown | None = None
    has_options: bool = True

    @property
    def steps(self) -> int:
        """T."""
        return self.gradients.trace.steps

    @cached_property
    def lags(self) -> Mapping[str, LagShares] | None:
        """The share of each lag by canonical names, found when they are first asked for."""
        return None if self.find_lags is None else self.find_lags()

    @cached_property
    def stored(self) -> tuple[StoredGradient, ...]:
        """The gradient of each array as the convention stores it."""
        return stored_gradients(self.gradients, self.notation)

    @cached_property
    def together(self) -> tuple[float, Array, Array]:
        """log₁₀ of the norm over all parameters; the share of each step, and the log₁₀ of its norm."""
        return all_together(self.gradients)

    @cached_property
    def stored_lags(self) -> dict[str, LagShares]:
        """The lags of each stored array; empty where they were left out."""
        lags = self.lags
        if lags is None:
            return {}
        return {own.symbol: LagShares.joined([lags[p.name] for p in own.stored.parameters]) for own in self.stored}

    @cached_property
    def all_lags(self) -> LagShares | None:
        """The lags of all parameters taken together."""
        return None if self.lags is None else LagShares.joined(list(self.lags.values()))

    @property
    def recurrent(self) -> tuple[StoredGradient, ...]:
        """The arrays that take one hidden state to the next."""
        return tuple(own for own in self.stored if {"recurrent", "diagonal"} & set(own.stored.roles))

    @property
    def recurrent_lags(self) -> tuple[str, LagShares] | None:
        """The lags of the recurrent matrices, or of all parameters where there are none, and of which gradient."""
        if self.lags is None:
            return None
        assert self.all_lags
        if not self.recurrent:
            return "the gradient", self.all_lags
        symbols = [own.symbol for own in self.recurrent]
        whose = f"∂L/∂{symbols[0]}" if len(symbols) == 1 else f"∂L/∂({', '.join(symbols)})"
        if len(symbols) > _MOST_NAMED:
            whose = f"the gradient of the {len(symbols)} recurrent arrays"
        return whose, LagShares.joined([self.stored_lags[symbol] for symbol in symbols])

    @property
    def clipping(self) -> Clipping | None:
        """What --clip makes of the gradient."""
        return None if self.clip is None else Clipping(self.clip, self.together[0])

    @property
    def shown_layers(self) -> tuple[LayerGradients, ...]:
        """The layers whose steps are shown, the top one first, as the derivative comes to them."""
        chosen = self.layers or range(self.notation.network.layers)
        return tuple(own for own in self.gradients.layers[::-1] if own.run.layer.index in chosen)


def loss_formula(shown: Bptt) -> tuple[str, ...]:
    """What the loss is made of, a line each."""
    loss, y = shown.gradients.loss_function, "h" if shown.gradients.trace.y is None else "y"
    many = loss.counted(shown.gradients.outputs_gradient) if loss.takes_targets else 0
    mean = loss.reduction == "mean"
    match loss.kind:
        case "last":
            return (f"L = Σ_j {y}_{shown.steps}[j], the outputs of the last step added up",)
        case "sum":
            return (f"L = Σ_t Σ_j {y}_t[j], the outputs of every step added up",)
        case "mse":
            counted = f" / {many:,}, as many as there are target numbers" if mean else ""
            return (f"L = Σ_t L_t,  L_t = Σ_j ({y}_t[j] − target_t[j])²{counted}",)
        case _:
            counted = f" / {many:,}, as many as there are steps with a target" if mean else ""
            return (f"L = Σ_t L_t,  L_t = −log softmax({y}_t)[class_t]{counted}",)
