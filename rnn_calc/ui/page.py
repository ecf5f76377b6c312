"""A page of lines, as a terminal shows them, to scroll in and to copy from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from rnn_calc.show.document import Layout, Line
from rnn_calc.show.terminal import rich_text
from rnn_calc.ui.fields import NARROWEST


class Page(ScrollView, can_focus=True):
    """The lines of a page; ← and → turn to another step where steps are shown, else they scroll."""

    ALLOW_SELECT = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "turn(-1)", "Step back", show=False),
        Binding("right", "turn(1)", "Step on", show=False),
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
        Binding("space", "page_down", "Page down", show=False),
    ]

    class Turned(Message):
        """An arrow key asks for the step before (−1) or the next one (1)."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    class Resized(Message):
        """There is another number of columns."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._texts: list[Text] = []
        self._strips: dict[int, Strip] = {}
        self.turns = False

    def show(self, lines: Sequence[Line]) -> None:
        """Show other lines, from where the page was scrolled to, as far as they go."""
        self._texts = [rich_text(line) for line in lines]
        self._strips.clear()
        width = max((text.cell_len for text in self._texts), default=0)
        self.virtual_size = Size(width, len(self._texts))
        self.refresh()

    @property
    def text(self) -> str:
        """Everything on the page, without colours."""
        return "\n".join(text.plain.rstrip() for text in self._texts)

    @property
    def measure(self) -> Layout:
        """The measure that lines are made to."""
        return Layout(max(NARROWEST, self.scrollable_content_region.width), color=not self.app.no_color)

    def on_resize(self) -> None:
        """Tell of it: lines are written for a width."""
        self.post_message(self.Resized())

    def action_turn(self, by: int) -> None:
        """Another step, or another column."""
        if self.turns:
            self.post_message(self.Turned(by))
        elif by > 0:
            self.scroll_right()
        else:
            self.scroll_left()

    def render_line(self, y: int) -> Strip:
        """One line of the window on the page."""
        left, top = self.scroll_offset
        index, width = top + y, self.size.width
        style = self.rich_style
        if index >= len(self._texts):
            return Strip.blank(width, style)
        return self._strip(index).crop_extend(left, left + width, style).apply_style(style).apply_offsets(left, index)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """What is selected, to be copied."""
        return selection.extract(self.text), "\n"

    def selection_updated(self, selection: Selection | None) -> None:  # noqa: ARG002 - Textual's signature
        """Draw what is selected now."""
        self._strips.clear()
        self.refresh()

    def _strip(self, index: int) -> Strip:
        if index not in self._strips:
            text, selection = self._texts[index], self.text_selection
            span = None if selection is None else selection.get_span(index)
            if span is not None:
                text = text.copy()
                start, end = span
                style = self.screen.get_component_rich_style("screen--selection")
                text.stylize(style, start, len(text) if end < 0 else end)
            self._strips[index] = Strip(_segments(text, self), text.cell_len)
        return self._strips[index]


def _segments(text: Text, page: Page) -> list[Segment]:
    return list(text.render(page.app.console))
