"""What the form says, as the options of a command: every tab is a command line and what it gives."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from typing import Any

from rnn_calc.commands.options import NetworkOptions, command_line
from rnn_calc.commands.run_options import LossOptions, SequenceOptions, WeightOptions
from rnn_calc.ui.fields import FIELD, TAB

_GROUPS = ("network", "weights", "sequence", "loss")


@dataclass(frozen=True)
class Session:
    """The options of every tab, those of the form as they were typed: a wrong one is for the command to refuse.

    `others` are fields that no group of options holds, by name.
    """

    network: NetworkOptions = field(default_factory=NetworkOptions)
    weights: WeightOptions = field(default_factory=WeightOptions)
    sequence: SequenceOptions = field(default_factory=SequenceOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    others: dict[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """What a field holds; empty where nothing was said."""
        if name == "directions":
            return "2" if self.network.bidirectional else self.others.get(name, "")
        group = self._group(name)
        value = self.others.get(name) if group is None else getattr(getattr(self, group), name)
        return "" if value is None else str(value)

    def with_text(self, name: str, text: str) -> Session:
        """The same with another text in a field."""
        text = text.strip()
        if name == "directions":
            # --bidirectional takes no value.
            network = replace(self.network, bidirectional=text == "2")
            return replace(self, network=network, others=self._others(name, "" if text == "2" else text))
        group = self._group(name)
        if group is None:
            return replace(self, others=self._others(name, text))
        # Whatever it is, the command reads it as it reads its own words.
        value: Any = text or None
        return replace(self, **{group: replace(getattr(self, group), **{name: value})})

    def problem(self) -> tuple[str, str] | None:
        """A field whose text is no option's at all, and what is wrong with it."""
        if self.text("directions") not in ("", "1", "2"):
            return "directions", "directions is 1 or 2: forward alone, or forward and backward (--bidirectional)."
        for name in ("sequence", "targets"):
            if self.text(name) == "-":
                return name, f"- is the keyboard here, which this screen needs: give --{name} a file or numbers."
        return None

    def words(self, command: str) -> list[str]:
        """The arguments of a tab's command."""
        return shlex.split(self.command_line(command))[2:]

    def command_line(self, command: str) -> str:
        """The command that gives what the tab shows, ready to be pasted."""
        takes = TAB[command].takes
        groups: list[object] = [self.network]
        if "sequence" in takes:
            groups += [self.weights, self.sequence]
        if "loss" in takes:
            groups.append(self.loss)
        others: dict[str, object] = {name: self.others[name] for name in takes if self.others.get(name)}
        others.pop("directions", None)
        if "sequence" not in takes and self.sequence.steps is not None:
            others = {"steps": self.sequence.steps, **others}
        return command_line(command, *groups, **others)

    def _others(self, name: str, text: str) -> dict[str, str]:
        assert name in FIELD, name
        return {**self.others, name: text}

    def _group(self, name: str) -> str | None:
        """The group of options that a field is one of."""
        return next((group for group in _GROUPS if name in getattr(self, group).__dataclass_fields__), None)


def culprit(message: str, changed: list[str], before: tuple[str, str] | None) -> str:
    """The field that an error is marked at: the one that it was about before, one that it names, or the last changed.

    `changed` are the fields that changed since the last right result, in that order; `before` is the last error's
    field and message. Empty where nothing was changed.
    """
    if before and before[1] == message and before[0] in changed:
        return before[0]
    for name in reversed(changed):
        if f"--{name.replace('_', '-')}" in message:
            return name
    return changed[-1] if changed else ""
