"""What a shape report lists: one tensor, by its symbol, its axes and what it is for; and the modes of a network."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

Mode = Literal["many-to-many", "many-to-one", "one-to-many", "seq2seq"]
MODES: tuple[Mode, ...] = get_args(Mode)


class Tensor(NamedTuple):
    """One tensor: its symbol, its axes by name and in numbers; `count` for parameters only.

    `layer` counts from 1 and `direction` is forward or backward, where a network has several.
    """

    symbol: str
    kind: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    role: str
    count: int | None = None  # type: ignore[assignment]  # the name is published; nobody counts in a row
    layer: int | None = None
    direction: str | None = None
