"""Progress on stderr for work over a second, on a terminal only."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")
# Told what is being done, how much of it is done, and of how much.
Listener = Callable[[str, int, int | None], None]

_PATIENCE = 1.0
# Seconds.
_TELL_EVERY = 0.1
_listeners: list[Listener] = []
# Of --color: what Rich is told of colours in bars, None to look for itself.
_colorless: list[bool | None] = [None]


def listen(listener: Listener) -> None:
    """From now on a listener is told of all progress, in place of the terminal."""
    _listeners[:] = [listener]


def color_bars(color: str) -> None:
    """From now on bars are in colours always, never, or (auto) as the terminal and its environment say."""
    _colorless[:] = [{"always": False, "never": True}.get(color)]


def tracked(
    items: Iterable[T],
    what: str,
    total: int | None,
    size: Callable[[T], int] = lambda _: 1,
    *,
    patience: float = _PATIENCE,
) -> Iterator[T]:
    """The items, with a progress bar once `patience` seconds have passed; `size` is how much of `total` an item is.

    Whether they have is looked at between items; without patience the bar is there before the first.
    """
    if _listeners:
        yield from _told(items, what, total, size)
        return
    if not (sys.stderr and sys.stderr.isatty()):
        yield from items
        return
    start, done, bar = monotonic(), 0, None
    try:
        if not patience:
            bar = _start_bar()
            task = bar.add_task(what, total=total)
        for item in items:
            yield item
            done += size(item)
            if bar is None and monotonic() - start > patience:
                bar = _start_bar()
                task = bar.add_task(what, total=total)
            if bar is not None:
                bar.update(task, completed=done)
    finally:
        if bar is not None:
            bar.stop()


def _told(items: Iterable[T], what: str, total: int | None, size: Callable[[T], int]) -> Iterator[T]:
    done, told = 0, monotonic()
    for item in items:
        yield item
        done += size(item)
        if monotonic() - told > _TELL_EVERY:
            told = monotonic()
            for listener in _listeners:
                listener(what, done, total)


def remark(text: str) -> None:
    """A line on stderr beside the result."""
    if sys.stderr is None:  # closed by the shell
        return
    with contextlib.suppress(OSError):
        print(f"rnncalc: {text}", file=sys.stderr)


def watching(what: str) -> Callable[[range], Iterable[int]]:
    """What the core's long loops take to be watched."""
    return lambda steps: tracked(steps, what, len(steps))


def _start_bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True, no_color=_colorless[0]),
        transient=True,
    )
    bar.start()
    return bar
