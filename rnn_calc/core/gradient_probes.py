"""What a gradient check finds: each derivative that it looked at, and what may be said of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# Agreement to this, relative to the derivative itself, is asked for.
TOLERANCE = 1e-7
# The states of a step are some sums and functions; a gate that is nearly shut can lose some digits in them.
_DRIFT = 1e-10


class Probe(NamedTuple):
    """One derivative that was looked at: of one entry of a parameter, or along a drawn direction (`entry` is None).

    `size` is what its rounding is relative to: for an entry the gradient itself, for a direction the root of the
    squares of what is added up. `rounding` is what float64 may be off by in this derivative; it is looked for only
    where gradient and complex step do not agree. `central` is None where rounding hides it, or where a relu switches
    within the step (`kinked`); `central_error` is how far it can be trusted.
    """

    name: str
    entry: tuple[int, ...] | None
    gradient: float
    complex_step: float
    size: float
    rounding: float
    central: float | None
    central_error: float
    kinked: bool = False

    @property
    def error(self) -> float:
        """The relative difference between the gradient and the complex step."""
        return self._relative(self.complex_step)

    @property
    def undecided(self) -> bool:
        """Whether the difference is no more than the rounding of sums so much larger than the derivative."""
        apart = abs(self.gradient - self.complex_step)
        return self.error > TOLERANCE and apart <= self.rounding

    @property
    def holds(self) -> bool:
        """Whether both derivatives agree with the gradient, as far as float64 can tell."""
        return (self.error <= TOLERANCE or self.undecided) and self.central_holds

    @property
    def central_holds(self) -> bool:
        """The same of the central difference alone."""
        return self.central is None or abs(self.gradient - self.central) <= self.central_error

    @property
    def relative_central_error(self) -> float | None:
        """The relative difference between the gradient and the central difference, where there is one."""
        return None if self.central is None else self._relative(self.central)

    def _relative(self, other: float) -> float:
        apart, size = abs(self.gradient - other), max(self.size, abs(other))
        # What is no number agrees with nothing.
        return 0.0 if apart == 0 else apart / size if np.isfinite(apart) else float("inf")


@dataclass(frozen=True)
class GradientCheck:
    """Every derivative that was looked at, of how many entries there are, and the seed of sample and directions.

    `drift` is the largest difference between a traced state and the same step made anew.
    """

    probes: tuple[Probe, ...]
    total: int
    seed: int
    drift: float

    @property
    def holds(self) -> bool:
        """Whether every derivative agrees, and so do the states."""
        return not self.failed and self.states_hold

    @property
    def states_hold(self) -> bool:
        """Whether each step made anew gives the states of the trace."""
        return self.drift <= _DRIFT

    @property
    def failed(self) -> tuple[Probe, ...]:
        """The derivatives that do not agree."""
        return tuple(probe for probe in self.probes if not probe.holds)

    @property
    def entries(self) -> tuple[Probe, ...]:
        """Those of single entries."""
        return tuple(probe for probe in self.probes if probe.entry is not None)

    @property
    def directions(self) -> tuple[Probe, ...]:
        """Those along drawn directions."""
        return tuple(probe for probe in self.probes if probe.entry is None)

    @property
    def worst(self) -> Probe:
        """The derivative that is furthest off, where rounding does not explain it."""
        decided = [probe for probe in self.probes if not probe.undecided] or self.probes
        return max(decided, key=lambda probe: probe.error)

    @property
    def worst_central(self) -> Probe | None:
        """The one whose central difference is furthest off; one that fails before any that holds."""
        there = [probe for probe in self.probes if probe.central is not None]
        key = lambda probe: (not probe.central_holds, probe.relative_central_error)  # noqa: E731
        return max(there, key=key, default=None)

    @property
    def central_count(self) -> int:
        """How many central differences stand out of their rounding."""
        return sum(probe.central is not None for probe in self.probes)

    @property
    def kinked(self) -> int:
        """How many central differences were left out because a relu switches within their step."""
        return sum(probe.kinked for probe in self.probes)

    @property
    def undecided(self) -> int:
        """How many derivatives are below the rounding of what they are added up from."""
        return sum(probe.undecided for probe in self.probes)
