"""What comes in front: the help, and the question where to save."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Label, Static

from rnn_calc.core.errors import RnnCalcError, printable

# What the command advises, where here a key does.
_FORCE = "add --force to write over it."

_HELP = """\
The form writes the command on the last line; the page shows what that
command gives. A refused field gets a ✗; the last right result stays.

In a field
  ↑ ↓         one up, down; the next name; ρ: hundredths
  Shift+↑ ↓   tens; ρ: tenths. With the mouse: − + ‹ ›, or the wheel
  → Tab       take the name that is proposed; the next field
  Esc         to the page. Grey is what an empty field stands for

On the page
  1 … 7       the tabs; everywhere: Ctrl+T the next one
  ← →         trace: another step      u U  trace: another unit
  e           to the form              f    hide or show the form
  s           save the tab: .json .csv .md .tex .html .svg .txt
  c           copy the command         d    light or dark
  Ctrl+P      every tab, cell, convention and example by its name
  q           quit; everywhere: Ctrl+Q. Ctrl+S saves, Ctrl+Y copies, F1 helps
"""


class Help(ModalScreen[None]):
    """Every key."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter,f1,question_mark", "dismiss", "close")]

    def compose(self) -> ComposeResult:
        """The text, and what closes it."""
        with VerticalScroll(id="help"):
            yield Static(_HELP, markup=False)
        yield Footer(show_command_palette=False)


class Save(ModalScreen[None]):
    """Asks for the name of a file; `save` is told it, and answers through `tell`."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "cancel")]

    def __init__(self, title: str, name: str, save: Callable[[str, bool], None]) -> None:
        super().__init__()
        self._title, self._name, self._save = title, name, save
        # The file that is known to exist: Enter once more writes over it.
        self._exists = ""
        self._is_saving = False

    def compose(self) -> ComposeResult:
        """What is saved, the name, what is wrong with it."""
        with Vertical(id="save"):
            yield Label(self._title, markup=False)
            yield Input(self._name, id="path", select_on_focus=False)
            yield Static("Its ending says the format: .json .csv .md .tex .html .svg .txt", id="problem", markup=False)
        yield Footer(show_command_palette=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter: save."""
        event.stop()
        path = event.value.strip()
        if path and not self._is_saving:
            self._is_saving = True
            self._say(f"saving {path} …")
            self._save(path, path == self._exists)

    def tell(self, path: str, error: RnnCalcError | None) -> None:
        """Close where it was saved; else say why not, and what would do. Closed before, it hears nothing any more."""
        if not self.is_attached:
            return
        self._is_saving = False
        if error is None and self.is_active:
            self.dismiss()
            return
        message = f"Saved: {path}" if error is None else str(error)
        exists = message.endswith(_FORCE)
        self._exists = path if exists else ""
        self._say(f"{message.removesuffix(_FORCE)}Enter once more writes over it." if exists else message)

    def _say(self, text: str) -> None:
        self.query_one("#problem", Static).update(printable(text))
