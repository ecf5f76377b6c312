"""Head and tail of what is too long to show, and the sentence that says how much was left out."""

from __future__ import annotations

from dataclasses import dataclass

# What leaves nothing out: for a command's reader, and for one who has the report at hand.
ALL_BY_OPTION = "--format csv or json holds all."
ALL_IN_REPORT = "the report's arrays hold all."


@dataclass(frozen=True)
class Selection:
    """Which of `total` things are shown, counted from 0: the first and the last, or all."""

    total: int
    shown: tuple[int, ...]

    @property
    def left_out(self) -> int:
        """How many are not shown."""
        return self.total - len(self.shown)

    def gap_before(self, index: int) -> bool:
        """Whether something was left out right before the thing at `index`."""
        return index > 0 and index in self.shown and index - 1 not in self.shown


def head_and_tail(total: int, most: int) -> Selection:
    """At most `most` of `total` things: all of them, or as many from either end."""
    if total <= most:
        return Selection(total, tuple(range(total)))
    tail = most // 2
    return Selection(total, (*range(most - tail), *range(total - tail, total)))
