"""The grid of a sweep: axes, and every combination of their values."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

Coordinate = float | int | str
Point = dict[str, Coordinate]


class Axis(NamedTuple):
    """What is swept over, and the values it takes."""

    name: str
    values: tuple[Coordinate, ...]

    @property
    def ticks(self) -> tuple[str, ...]:
        """The values as they are typed."""
        return tuple(value if isinstance(value, str) else f"{value:.15g}" for value in self.values)


class Grid(NamedTuple):
    """Every combination of the axes' values, the last axis fastest, and how often each is run with another seed."""

    axes: tuple[Axis, ...]
    repeats: int

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each axis has."""
        return tuple(len(axis.values) for axis in self.axes)

    @property
    def points(self) -> int:
        """How many combinations there are."""
        return prod(self.shape)

    @property
    def runs(self) -> int:
        """How many runs: `repeats` of each point, one after the other."""
        return self.points * self.repeats

    def point(self, index: int) -> Point:
        """The coordinates of a point, counted from 0."""
        found: Point = {}
        for axis in reversed(self.axes):
            index, place = divmod(index, len(axis.values))
            found[axis.name] = axis.values[place]
        return {axis.name: found[axis.name] for axis in self.axes}
