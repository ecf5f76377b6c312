"""A run: how many steps a batch of sequences really takes, whole or cut into pieces by truncated BPTT."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from rnn_calc.core.errors import RnnCalcError, SizeError
from rnn_calc.core.packing import Packing
from rnn_calc.core.sizes import check_size


class Run(NamedTuple):
    """How many steps are run: sequences by their length, and the piece (0: none) that truncated BPTT cuts them into.

    `lengths` holds (length, how many sequences have it). Padded steps are not run.
    """

    lengths: tuple[tuple[int, int], ...]
    truncate: int = 0

    @property
    def batch(self) -> int:
        """B: the number of sequences."""
        return sum(many for _, many in self.lengths)

    @property
    def steps(self) -> int:
        """T: the length of the longest."""
        return max(length for length, _ in self.lengths)

    @property
    def real_steps(self) -> int:
        """N: the steps of all sequences together."""
        return sum(length * many for length, many in self.lengths)

    @property
    def pieces(self) -> int:
        """S: stretches of steps through which a gradient runs back unbroken; the sequences, if nothing is truncated."""
        return self.batch if not self.truncate else sum(-(-n // self.truncate) * many for n, many in self.lengths)

    def kept_steps(self, window: int) -> int:
        """Steps whose values are kept at a time, when gradients run back through at most `window` steps."""
        return sum(min(length, window) * many for length, many in self.lengths)


def make_run(
    steps: int | None = None,
    batch: int | None = None,
    lengths: Sequence[int] = (),
    truncate: int | None = None,
    *,
    prefix: str = "",
    error: type[RnnCalcError] = SizeError,
) -> Run:
    """A run over `batch` sequences of `steps` steps (20 and 1 if not given), or over sequences of these lengths.

    Raises: `error`, its names behind `prefix`, for a number that is no size, or lengths that disagree with `steps` or
    `batch`; TooLargeError for more lengths than are taken.
    """
    given = {"steps": steps, "batch": batch, "truncate": truncate}
    for name, value in given.items():
        if value is not None:
            check_size(f"{prefix}{name}", value, error=error)
    if not lengths:
        return Run(((steps or 20, batch or 1),), truncate or 0)
    packing = Packing(lengths, error=error)
    packing.agree(steps, batch, prefix=prefix, error=error)
    return Run(tuple(Counter(packing.lengths).items()), truncate or 0)
