"""The tensors in what a pickle describes, by their place: keys and positions joined with dots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rnn_calc.core.errors import DataError, TooLargeError, quoted
from rnn_calc.files.checkpoints.pickled import Foreign, Global
from rnn_calc.files.checkpoints.torch_objects import Layout

MOST_TENSORS = 100_000
_LONGEST_NAME = 1000
_DEEPEST = 64
# What a checkpoint that is nothing but one tensor calls it.
_ALONE = "tensor"


@dataclass(frozen=True)
class Found:
    """The tensors by name, the names of foreign objects, and the places of those that have tensors inside."""

    tensors: dict[str, Layout] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    left_out: dict[str, str] = field(default_factory=dict)


def flatten(root: object, what: str) -> Found:
    """Every tensor in nested dicts, lists and tuples, and what foreign objects there are.

    Raises: DataError for two tensors of one name or endless nesting; TooLargeError beyond `MOST_TENSORS`.
    """
    found = Found()
    _Walk(found, what).visit(root, (), 0)
    return found


class _Walk:
    """A way through the containers that enters none of them twice in vain: shared ones could double at every level.

    Of those that have tensors, only the parts that led to one are entered again.
    """

    def __init__(self, found: Found, what: str) -> None:
        self.found, self.what = found, what
        self.barren: set[int] = set()
        self.fruitful: dict[int, list[tuple[str, object]]] = {}
        self.entered: set[int] = set()
        self.seen: set[int] = set()

    def visit(self, value: object, place: tuple[str, ...], depth: int) -> bool:
        """Whether there are tensors in `value`, after they were added to what was found."""
        if isinstance(value, Layout):
            self.add(value, place)
            return True
        if id(value) in self.barren or id(value) in self.entered:
            return False
        if isinstance(value, Foreign | Global):
            self.note(value, place)
            self.barren.add(id(value))
            return False
        if not isinstance(value, dict | list | tuple):
            return False
        if depth > _DEEPEST:
            raise DataError(f"{self.what} is nested deeper than {_DEEPEST} levels.")
        self.entered.add(id(value))
        parts = self.fruitful.get(id(value)) or _entries(value)
        kept = [(key, inner) for key, inner in parts if self.visit(inner, (*place, key), depth + 1)]
        self.entered.discard(id(value))
        if kept:
            self.fruitful[id(value)] = kept
        else:
            self.barren.add(id(value))
        return bool(kept)

    def add(self, layout: Layout, place: tuple[str, ...]) -> None:
        name = ".".join(place) or _ALONE
        if len(name) > _LONGEST_NAME:
            raise DataError(f"{self.what} has a tensor with a name of {len(name):,} characters: {quoted(name)}.")
        if name in self.found.tensors:
            raise DataError(f"{self.what} has two tensors called {quoted(name)}.")
        if len(self.found.tensors) >= MOST_TENSORS:
            raise TooLargeError(f"{self.what} has more than {MOST_TENSORS:,} tensors.")
        self.found.tensors[name] = layout

    def note(self, value: Foreign | Global, place: tuple[str, ...]) -> None:
        if isinstance(value, Global):
            if value.module != "torch":  # torch.float32 and the like are data
                self.found.foreign.add(str(value))
            return
        if self.look_inside(value):
            if len(self.found.left_out) >= MOST_TENSORS:
                raise TooLargeError(f"{self.what} has more than {MOST_TENSORS:,} foreign objects with tensors inside.")
            name = ".".join(part[:_LONGEST_NAME] for part in place)
            self.found.left_out[name[:_LONGEST_NAME] or _ALONE] = value.name

    def look_inside(self, value: Foreign) -> bool:
        """Whether a foreign object has tensors inside, after the names of all such objects in it were noted.

        What was seen inside another one is not looked at again: many that share much would take forever.
        """
        has_tensor = False
        parts: list[object] = [value]
        while parts:
            part = parts.pop()
            has_tensor |= isinstance(part, Layout)
            if isinstance(part, Layout | Global) or id(part) in self.seen:
                continue
            self.seen.add(id(part))
            if isinstance(part, Foreign):
                self.found.foreign.add(part.name)
                parts += part.parts
            elif isinstance(part, dict):
                parts += part.values()
            elif isinstance(part, list | tuple):
                parts += part
        return has_tensor


def _entries(value: dict[object, object] | list[object] | tuple[object, ...]) -> Iterator[tuple[str, object]]:
    """The parts of a container with what they are called; a key that is no plain one goes by its position."""
    if isinstance(value, dict):
        for position, (key, inner) in enumerate(value.items()):
            yield str(key) if isinstance(key, str | int | float) else f"({position})", inner
    else:
        yield from ((str(position), inner) for position, inner in enumerate(value))
