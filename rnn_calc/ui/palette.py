"""The command palette: every tab, cell, convention and worked example by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider

from rnn_calc.files.examples import example_names
from rnn_calc.ui.fields import FIELDS

if TYPE_CHECKING:
    from rnn_calc.ui.app import Calc


class Commands(Provider):
    """What may be typed into the palette."""

    async def discover(self) -> Hits:
        """Everything, before anything is typed."""
        for title, run in self._entries():
            yield DiscoveryHit(title, run)

    async def search(self, query: str) -> Hits:
        """What matches."""
        matcher = self.matcher(query)
        for title, run in self._entries():
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, matcher.highlight(title), run)

    def _entries(self) -> Iterator[tuple[str, Callable[[], None]]]:
        app: Calc = self.app  # type: ignore[assignment]  # the one app that has this palette
        for command, title in app.tabs.items():
            yield f"Tab: {title}", partial(app.action_tab, command)
        for example in example_names():
            yield f"Example: {example}", partial(app.open_example, example)
        for field in FIELDS:
            for name in field.choices():
                yield f"{field.label}: {name}", partial(app.put, field.name, name)
        yield "Start again: every field empty", app.start_again
