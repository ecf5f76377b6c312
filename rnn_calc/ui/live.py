"""A form and the page of what its command gives: asked for at every change, and shown when it is there."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message

from rnn_calc.show.document import Layout
from rnn_calc.ui.calculator import Calculator, Reply
from rnn_calc.ui.fields import FIELDS, TAB, whole
from rnn_calc.ui.form import Entry, Form
from rnn_calc.ui.options import describe
from rnn_calc.ui.page import Page
from rnn_calc.ui.saying import Said
from rnn_calc.ui.session import Session, culprit

# Seconds after which it is said that something runs.
_SOON = 0.2


class Shown(NamedTuple):
    """What a question was about: the tab, and what the form said."""

    tab: str
    session: Session

    @property
    def command_line(self) -> str:
        """The command that gives the same."""
        return self.session.command_line(self.tab)


class Live(Horizontal):
    """Every tab but the quiz; `right` is what the page shows, the last that was no error."""

    class Answered(Message):
        """The page shows something else."""

    def __init__(self, session: Session, calculator: Calculator, tab: str, first: Reply | None) -> None:
        super().__init__(id="live")
        self.session = session
        self.tab = tab
        self.right: Shown | None = None
        self._calculator = calculator
        self._first = first
        # The questions that are not answered yet, by number; the newest of them, and the measure it was asked for.
        self._asked: dict[int, Shown] = {}
        self._newest = 0
        self._measure: Layout | None = None
        # The fields that have changed since the last right answer, and the errors since, each with its field.
        self._changed: list[str] = []
        self._wrong: dict[str, str] = {}
        # What the empty fields stand for.
        self._effective: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """The form and the page."""
        yield Form(FIELDS, id="form", takes=TAB[self.tab].takes)
        yield Page(id="page")

    @property
    def form(self) -> Form:
        """The fields."""
        return self.query_one(Form)

    @property
    def page(self) -> Page:
        """What the command gives."""
        return self.query_one(Page)

    @property
    def is_settled(self) -> bool:
        """Whether the newest question has been answered."""
        return self._newest not in self._asked

    @property
    def command_line(self) -> str:
        """The command that gives what the page shows."""
        return (self.right or Shown(self.tab, self.session)).command_line

    def on_mount(self) -> None:
        """Fill the form, and show the first result at once."""
        self._fill()
        self._newest = self._calculator.newest
        if self._newest:
            self._asked[self._newest] = Shown(self.tab, self.session)
            self.set_timer(_SOON, partial(self._say_running, self._newest))
        if self._first is not None:
            self.replied(self._first)
        self.post_message(self.Answered())

    # What changes

    def on_form_changed(self, event: Form.Changed) -> None:
        """A field holds something else."""
        event.stop()
        self._change(event.name, event.text)

    def on_page_turned(self, event: Page.Turned) -> None:
        """← and → on the trace."""
        event.stop()
        self._count("step", event.by, self._effective.get("steps", ""))

    def turn_to(self, tab: str) -> None:
        """Another tab of the same network."""
        self.tab = tab
        self._fill()
        self._ask()

    def next_unit(self, by: int) -> None:
        """Another unit of the trace; before the first, none."""
        self._count("unit", by, str(max(map(int, self._effective.get("d_h", "1").split(",")))))

    def put(self, name: str, text: str) -> None:
        """A text into a field."""
        self.form.fill(name, text)
        self._change(name, text)

    def restart(self, session: Session) -> None:
        """Another session altogether."""
        self.session = session
        self._changed, self._wrong = [], {}
        self._fill()
        self._ask()

    def on_page_resized(self, event: Page.Resized) -> None:
        """Ask again, where the page has become wider or narrower."""
        event.stop()
        if self.right and self.page.measure != self._measure:
            self._ask()

    def focus_form(self) -> None:
        """To the size that is changed most."""
        self.form.rows["d_h"].entry.focus()

    def _fill(self) -> None:
        self.session = self.session.opened_at(self.tab)
        for field in FIELDS:
            self.form.fill(field.name, self.session.text(field.name))
        self.form.offer(TAB[self.tab].takes, self.tab)
        self.page.turns = self.tab == "trace"

    def _change(self, name: str, text: str) -> None:
        if self.session.text(name) == text.strip():
            return
        self.session = self.session.with_text(name, text)
        self._changed = [*(other for other in self._changed if other != name), name]
        self._ask()

    def _count(self, name: str, by: int, most: str) -> None:
        """Count a field up or down, from 1 as far as there are any; below 1 a unit is none."""
        now = self.session.text(name)
        known = whole(now)
        number = max(0, by) if known is None else known + by
        if number == 0 and name == "unit":
            self.put(name, "")
        elif number >= 1 and not (most and number > int(most)):
            self.put(name, str(number))

    # Asking and being answered

    def _ask(self) -> None:
        """Ask for the page of what the form says now."""
        problem = self.session.problem()
        if problem:
            # What was asked before is shown, but makes nothing right.
            self._newest = 0
            self._refuse(*problem)
            return
        self._newest = self._send(Shown(self.tab, self.session))
        self.set_timer(_SOON, partial(self._say_running, self._newest))

    def _send(self, shown: Shown) -> int:
        """Ask, and remember about what; the question's number."""
        layout = self._measure = self.page.measure
        number = self._calculator.ask("page", command=shown.tab, args=shown.session.words(shown.tab), layout=layout)
        self._asked[number] = shown
        return number

    def replied(self, reply: Reply) -> None:
        """Show what came back, if it is of this tab still; an error only of the newest question."""
        shown = self._asked.get(reply.question)
        if shown is None:
            return
        if reply.is_news:
            if "sketch" in reply.record and shown.tab == self.tab:
                self._show(shown, reply)
            else:
                self._say_running(reply.question, reply)
            return
        self._asked = {number: other for number, other in self._asked.items() if number > reply.question}
        if shown.tab != self.tab:
            return
        if reply.error is None:
            self._show(shown, reply)
        elif reply.question == self._newest:
            self._refuse(culprit(str(reply.error), self._changed, self._wrong), str(reply.error))

    def _show(self, shown: Shown, reply: Reply) -> None:
        self.right = shown
        self._effective = reply.record["effective"]
        self.page.show(reply.record["lines"])
        self.form.expect(self._effective)
        self.post_message(self.Answered())
        if reply.question == self._newest:
            self._changed, self._wrong = [], {}
            self.form.mark("")
            self.say_hint()

    def _refuse(self, name: str, message: str) -> None:
        """Mark the field that is wrong; the last right result stays, on another tab what follows from the same form."""
        self._wrong[message] = name
        self.form.mark(name)
        self.post_message(Said(message, error=True))
        if self.right and self.right.tab != self.tab:
            self.page.show([])
            self._send(Shown(self.tab, self.right.session.opened_at(self.tab)))
            self.right = None
            self.post_message(self.Answered())

    def _say_running(self, question: int, reply: Reply | None = None) -> None:
        if question != self._newest or self.is_settled:
            return
        what, share = ("", None) if reply is None else (reply.record.get("progress", ""), reply.record.get("share"))
        done = f" {share:.0%}" if share is not None else ""
        self.post_message(Said(f"running … {what}{done}".rstrip()))

    def say_hint(self) -> None:
        """What the field that is chosen is for, in the words of the option's help; of the trace, how to step."""
        focused = self.screen.focused
        if self._wrong or not (self.is_settled and self.display):
            return
        if isinstance(focused, Entry):
            self.post_message(Said(describe(focused.field.name, self.tab)))
        else:
            self.post_message(Said("← → another step   u U another unit" if self.tab == "trace" else ""))
