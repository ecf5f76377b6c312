"""What the form says, as the options of a command: every tab is a command line and what it gives."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any

from rnn_calc.commands.options import NetworkOptions, command_line, size_option
from rnn_calc.commands.run_options import LossOptions, ScalingOptions, SequenceOptions, WeightOptions
from rnn_calc.ui.fields import TAB

_GROUPS = ("network", "weights", "scaling", "sequence", "loss", "places")


@dataclass(frozen=True)
class PlaceOptions:
    """How many sequences, and what of the trace is looked at."""

    batch: Annotated[int | None, size_option("--batch", "-B", text="Sequences run together.")] = None
    step: Annotated[int | None, size_option("--step", text="The step that the trace opens at.")] = None
    unit: Annotated[int | None, size_option("--unit", "-u", text="The unit that lights up there.")] = None


@dataclass(frozen=True)
class Session:
    """The options of every tab, those of the form as they were typed: a wrong one is for the command to refuse.

    `directions` is what stands in that field, where it is none of the two numbers that the option knows.
    """

    network: NetworkOptions = field(default_factory=NetworkOptions)
    weights: WeightOptions = field(default_factory=WeightOptions)
    scaling: ScalingOptions = field(default_factory=ScalingOptions)
    sequence: SequenceOptions = field(default_factory=SequenceOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    places: PlaceOptions = field(default_factory=PlaceOptions)
    directions: str = ""

    def text(self, name: str) -> str:
        """What a field holds; empty where nothing was said."""
        if name == "directions":
            return "2" if self.network.bidirectional else self.directions
        value = getattr(getattr(self, self._group(name)), name)
        return "" if value is None else str(value)

    def with_text(self, name: str, text: str) -> Session:
        """The same with another text in a field."""
        text = text.strip()
        if name == "directions":
            # --bidirectional takes no value.
            network = replace(self.network, bidirectional=text == "2")
            return replace(self, network=network, directions=text)
        group = self._group(name)
        # Whatever it is, the command reads it as it reads its own words.
        value: Any = text or None
        return replace(self, **{group: replace(getattr(self, group), **{name: value})})

    def opened_at(self, tab: str) -> Session:
        """The same as a tab is opened with: the trace at a step."""
        return self.with_text("step", "1") if tab == "trace" and not self.text("step") else self

    def problem(self) -> tuple[str, str] | None:
        """A field whose text is no option's at all, and what is wrong with it."""
        if self.text("directions") not in ("", "1", "2"):
            return "directions", "directions is 1 or 2: forward alone, or forward and backward (--bidirectional)."
        for name in ("model", "sequence", "targets"):
            if self.text(name) == "-":
                return name, f"- is stdin, which is the keyboard of this screen: give --{name} a file."
        return None

    def words(self, command: str) -> list[str]:
        """The arguments of a tab's command."""
        return shlex.split(self.command_line(command))[2:]

    def command_line(self, command: str) -> str:
        """The command that gives what the tab shows, ready to be pasted."""
        takes = TAB[command].takes
        places = PlaceOptions(
            **{one.name: getattr(self.places, one.name) for one in fields(PlaceOptions) if one.name in takes}
        )
        if "sequence" not in takes:
            return command_line(command, self.network, SequenceOptions(steps=self.sequence.steps), places)
        loss = self.loss if "loss" in takes else LossOptions()
        return command_line(command, self.network, self.weights, self.scaling, self.sequence, loss, places)

    def _group(self, name: str) -> str:
        """The group of options that a field is one of."""
        return next(group for group in _GROUPS if name in getattr(self, group).__dataclass_fields__)


def culprit(message: str, changed: list[str], known: dict[str, str]) -> str:
    """The field that an error is marked at: the one that it was about before, one that it names, or the last changed.

    `changed` are the fields that changed since the last right result, in that order; `known` are the fields of the
    errors since then, by their messages. Empty where nothing was changed.
    """
    if known.get(message) in changed:
        return known[message]
    for name in reversed(changed):
        if f"--{name.replace('_', '-')}" in message:
            return name
    return changed[-1] if changed else ""
