"""Sequences of different lengths in one batch: how they are packed, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import groupby, pairwise

from rnn_calc.core.errors import RnnCalcError, SizeError, TooLargeError
from rnn_calc.core.sizes import check_size

# Both are listed one by one: the lengths, and for each step how many sequences still run.
MOST_LENGTHS = 10**6
LONGEST = 10**6

# So many values are written one by one; of more, those that repeat are counted.
_FEW = 12


class Packing:
    """The lengths of the sequences of a batch, and what PyTorch's PackedSequence makes of them.

    Raises: SizeError for a length that is no positive whole number; TooLargeError beyond 10^6 lengths or steps.
    """

    def __init__(self, lengths: Sequence[int], *, error: type[RnnCalcError] = SizeError) -> None:
        if not lengths:
            raise error("There are no lengths; each sequence needs one.")
        if len(lengths) > MOST_LENGTHS:
            raise TooLargeError(f"At most {MOST_LENGTHS:,} lengths are taken; there are {len(lengths):,}.")
        # The names of a million lengths that are right take longer than everything else.
        self.lengths = tuple(
            length
            if type(length) is int and 0 < length <= LONGEST
            else check_size(f"length {number}", length, error=error)
            for number, length in enumerate(lengths, 1)
        )
        if self.steps > LONGEST:
            raise TooLargeError(f"A sequence of a packed batch has at most {LONGEST:,} steps; one has {self.steps:,}.")

    def agree(self, steps: int | None, batch: int | None, *, prefix: str = "", error: type[RnnCalcError]) -> None:
        """Nothing, or an error that names both where a number of steps or of sequences contradicts the lengths."""
        if batch is not None and batch != self.batch:
            raise error(f"{prefix}batch is {batch}, but {prefix}lengths has {self.batch}: leave {prefix}batch out.")
        if steps is not None and steps != self.steps:
            longest = f"the longest of {prefix}lengths is {self.steps}"
            raise error(f"{prefix}steps is {steps}, but {longest}: leave {prefix}steps out.")

    @property
    def batch(self) -> int:
        """How many sequences there are."""
        return len(self.lengths)

    @property
    def steps(self) -> int:
        """How long the longest is: what the others are padded to."""
        return max(self.lengths)

    @property
    def total(self) -> int:
        """How many steps there are without padding."""
        return sum(self.lengths)

    @cached_property
    def sorted_indices(self) -> tuple[int, ...]:
        """The sequences from the longest to the shortest; of equal ones the first comes first."""
        return tuple(sorted(range(self.batch), key=lambda index: -self.lengths[index]))

    @cached_property
    def unsorted_indices(self) -> tuple[int, ...]:
        """Where each sequence lies in the sorted order."""
        return tuple(sorted(range(self.batch), key=lambda index: self.sorted_indices[index]))

    @cached_property
    def batch_sizes(self) -> tuple[int, ...]:
        """How many sequences have a step t, for every t."""
        descending = sorted(self.lengths, reverse=True)
        sizes: list[int] = []
        for running, (length, shorter) in reversed(list(enumerate(pairwise([*descending, 0]), 1))):
            sizes += [running] * (length - shorter)
        return tuple(sizes)


def write_values(values: tuple[int, ...]) -> str:
    """The values of an index tensor, `3, 2, 2, 1`; of many, runs are counted, `3, 2 (400 times)`; else none."""
    if len(values) <= _FEW:
        return ", ".join(map(str, values))
    runs = [(value, len(list(run))) for value, run in groupby(values)]
    if len(runs) > _FEW:
        return ""
    return ", ".join(f"{value} ({count:,} times)" if count > 1 else str(value) for value, count in runs)
