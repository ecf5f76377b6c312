"""The fields of the form: a label, an input that counts with the arrow keys, and two marks to click on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.highlighter import Highlighter
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Label

from rnn_calc.ui.fields import Field, stepped
from rnn_calc.ui.page import Page

# Of arrows with Shift: whole numbers in tens, a radius in tenths.
_FAR = 10


class _Names(Suggester):
    """Completes a name to the first choice that begins so."""

    def __init__(self, field: Field) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._field = field

    async def get_suggestion(self, value: str) -> str | None:
        return next((name for name in self._field.choices() if name.startswith(value)), None)


class _Harmless(Highlighter):
    """Shows a mark for each character that would steer the terminal, so that the cursor stands where it belongs."""

    def highlight(self, text: Text) -> None:
        if not text.plain.isprintable():
            text.plain = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text.plain)


class Entry(Input):
    """An input whose arrow keys, and the wheel while it is chosen, count up and down or go through the choices."""

    # As compact=True has it, which would find the styles of each entry once more before it is shown.
    DEFAULT_CSS = "Entry { border: none !important; height: 1; padding: 0; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "count(1)", "+", key_display="↑"),
        Binding("down", "count(-1)", "−", key_display="↓"),
        Binding("shift+up", f"count({_FAR})", "+10", key_display="⇧↑"),
        Binding("shift+down", f"count(-{_FAR})", "−10", show=False),
        # At once, and not when the field comes to it: what is typed next is for the next field.
        Binding("escape", "leave", "To the page", priority=True),
        Binding("tab", "app.focus_next", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", show=False, priority=True),
        Binding("enter", "go_on", show=False, priority=True),
        Binding("question_mark", "explain", show=False, priority=True),
    ]

    def __init__(self, field: Field, text: str) -> None:
        suggester = _Names(field) if field.kind == "name" else None
        super().__init__(text, id=f"field-{field.name}", suggester=suggester, select_on_focus=field.kind != "text")
        self.highlighter = _Harmless()
        self.field = field

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """No number and no name has a question mark in it; a text may."""
        return (action != "explain" or self.field.kind != "text") and super().check_action(action, parameters)

    def action_count(self, by: int) -> None:
        """Count up or down."""
        text = stepped(self.field, self.value, self.placeholder, by, self.cursor_position)
        if text != self.value:
            # Behind the number that counted: of several widths the cursor stays at its own.
            commas = self.value[: self.cursor_position].count(",")
            self.value = text
            self.cursor_position = len(",".join(text.split(",")[: commas + 1]))

    def action_leave(self) -> None:
        """Go on to the page."""
        self.screen.focus_next(Page)

    async def action_explain(self) -> None:
        """Every key."""
        await self.run_action("app.help")

    def action_go_on(self) -> None:
        """On from the field, by Enter."""
        self.screen.focus_next(self.query_ancestor(Form).onward)

    def on_blur(self) -> None:
        """A number or a name is read from its beginning."""
        if self.field.kind != "text":
            self.cursor_position = 0

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel counts where the input is chosen; elsewhere it scrolls the form."""
        self._count_by_wheel(event, 1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The same, down."""
        self._count_by_wheel(event, -1)

    def _count_by_wheel(self, event: events.MouseEvent, by: int) -> None:
        if self.has_focus and self.field.kind != "text":
            event.stop()
            event.prevent_default()
            self.action_count(by * (_FAR if event.shift or event.ctrl else 1))


class _Mark(Label):
    """A mark that counts when it is clicked on; with Shift or Ctrl, far."""

    def __init__(self, text: str, entry: Entry, by: int) -> None:
        super().__init__(text, classes="mark")
        self._entry, self._by = entry, by

    def on_click(self, event: events.Click) -> None:
        """Count, and choose the field, so that its keys go on from there."""
        self._entry.focus()
        self._entry.action_count(self._by * (_FAR if event.shift or event.ctrl else 1))


class Row(Horizontal):
    """A field of the form in one line."""

    def __init__(self, field: Field, text: str, *, used: bool) -> None:
        super().__init__(id=f"row-{field.name}", classes="row" if used else "row unused")
        self.field = field
        self.entry = Entry(field, text)

    def compose(self) -> ComposeResult:
        """Label, input, marks."""
        yield Label(self.field.label, classes="label")
        yield self.entry
        if self.field.kind != "text":
            down, up = ("‹", "›") if self.field.kind == "name" else ("−", "+")
            yield _Mark(down, self.entry, -1)
            yield _Mark(up, self.entry, 1)

    def mark(self, *, wrong: bool) -> None:
        """Show whether what the field holds was refused."""
        self.set_class(wrong, "wrong")
        # The sign stands in the margin: some labels are as wide as there is room for.
        self.query_one(".label", Label).update(f"✗{self.field.label}" if wrong else self.field.label)


class Form(VerticalScroll, can_focus=False):
    """All fields, of which those show that the tab's command takes; `onward` selects where Enter goes."""

    class Changed(Message):
        """A field holds another text."""

        def __init__(self, name: str, text: str) -> None:
            super().__init__()
            self.name, self.text = name, text

    def __init__(self, fields: Iterable[Field], *, id: str, takes: tuple[str, ...], onward: str = "Entry") -> None:
        super().__init__(id=id)
        self.onward = onward
        self.rows = {field.name: Row(field, "", used=field.name in takes) for field in fields}
        # What was put in by the program, and is no change of the user's.
        self._own: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """A row a field."""
        yield from self.rows.values()

    def fill(self, name: str, text: str) -> None:
        """Put a text in a field, quietly."""
        entry = self.rows[name].entry
        if entry.value != text:
            self._own[name] = text
            entry.value = text

    def expect(self, shown: dict[str, str]) -> None:
        """Say in the empty fields what holds there."""
        for name, row in self.rows.items():
            row.entry.placeholder = shown.get(name, "")

    def offer(self, takes: tuple[str, ...], only: str) -> None:
        """Mute what the tab has no use for, and hide what belongs to other tabs alone."""
        for name, row in self.rows.items():
            row.set_class(name not in takes, "unused")
            row.display = row.field.only in ("", only)

    def mark(self, wrong: str) -> None:
        """Mark the one field that was refused, or none."""
        for name, row in self.rows.items():
            row.mark(wrong=name == wrong)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell of a change, unless it was the program's."""
        event.stop()
        assert isinstance(event.input, Entry)
        name = event.input.field.name
        if self._own.pop(name, None) != event.value:
            self.post_message(self.Changed(name, event.value))
