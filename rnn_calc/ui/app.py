"""The live calculator: a form on one side, on the other what the command that it writes gives."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from functools import partial
from typing import ClassVar, NamedTuple

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Footer, Input, Static, Tab, Tabs

from rnn_calc.commands.options import NetworkOptions
from rnn_calc.ui.calculator import Calculator, Reply
from rnn_calc.ui.fields import FIELDS, QUIZ, TAB, TITLES
from rnn_calc.ui.form import Entry, Form
from rnn_calc.ui.options import describe
from rnn_calc.ui.page import Page
from rnn_calc.ui.palette import Commands
from rnn_calc.ui.quiz_tab import QUIZ_FIELDS, QuizPanel
from rnn_calc.ui.screens import Help, Save
from rnn_calc.ui.session import Session, culprit

# Seconds after which it is said that something runs.
_SOON = 0.2
# Fewer columns than this, and form and page would both be too narrow: the page alone is shown at first.
_NARROW = 60


class Shown(NamedTuple):
    """What a question was about: the tab, and what the form said."""

    tab: str
    session: Session


class Calc(App[None]):
    """`rnncalc ui`."""

    TITLE = "rnncalc"
    tabs = TITLES
    CSS_PATH = "app.tcss"
    COMMANDS = App.COMMANDS | {Commands}
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"tab('{command}')", "tab", key_display=f"1-{len(TITLES)}", show=number == 1)
            for number, command in enumerate(TITLES, 1)
        ),
        Binding("ctrl+t", "next_tab", "next tab", show=False),
        Binding("e", "edit", "edit", show=True),
        Binding("s,ctrl+s", "save", "save"),
        Binding("c,ctrl+y", "copy_command", "copy command"),
        Binding("u", "unit(1)", "unit"),
        Binding("U", "unit(-1)", "unit before", show=False),
        Binding("f,ctrl+b", "form", "form", show=False),
        Binding("d", "dark", "light/dark", show=False),
        Binding("f1,question_mark", "help", "help", key_display="?"),
        Binding("q,ctrl+q", "quit", "quit"),
    ]

    def __init__(self, session: Session, calculator: Calculator, *, tab: str = "shapes", first: Reply | None = None):
        super().__init__()
        self.session = session
        self.calculator = calculator
        self._first = first
        self._tab = tab
        # The questions that are not answered yet, by number; the newest of them.
        self._asked: dict[int, Shown] = {}
        self._newest = 0
        # What the page shows, the fields that have changed since, and the error that keeps it from following.
        self._right: Shown | None = None
        self._changed: list[str] = []
        self._wrong: tuple[str, str] | None = None
        self._steps: int | None = None
        self._room = 0
        # For quizzes and files, which the form's next question must not put an end to; who waits for which answer.
        self._desk: Calculator | None = None
        self._consulting: dict[int, Callable[[Reply], None]] = {}
        if _is_light():
            self.theme = "textual-light"

    def compose(self) -> ComposeResult:
        """Tabs, form and page, a line for messages, keys, the command."""
        yield Tabs(*(Tab(title, id=command) for command, title in self.tabs.items()), active=self._tab)
        with Horizontal(id="body"):
            yield Form(FIELDS, id="form")
            yield Form(QUIZ_FIELDS, id="quiz-form")
            yield Page(id="page")
            yield QuizPanel(id="quiz-panel")
        yield Static("", id="message", markup=False)
        yield Footer(show_command_palette=False)
        yield Static("", id="command", markup=False)

    def on_mount(self) -> None:
        """Fill the form, and show the first result at once."""
        self._attached(self.calculator, self._replied)
        self.set_class(self.size.width < _NARROW, "-no-form")
        for field in FIELDS:
            self.form.fill(field.name, self.session.text(field.name))
        self._offer()
        if self._first is not None:
            self._asked[self._first.question] = Shown(self._tab, self.session)
            self._newest = self._first.question
            self._replied(self._first)
        self.form.rows["d_h"].entry.focus()

    def on_unmount(self) -> None:
        """The process ends with the screen."""
        for calculator in (self.calculator, self._desk):
            if calculator is not None:
                calculator.end()

    @staticmethod
    def _attached(calculator: Calculator, deliver: Callable[[Reply], None]) -> Calculator:
        loop = asyncio.get_running_loop()
        calculator.attach(deliver, loop.call_soon_threadsafe, loop.call_later)
        return calculator

    @property
    def form(self) -> Form:
        """The fields."""
        return self.query_one("#form", Form)

    @property
    def page(self) -> Page:
        """What the command gives."""
        return self.query_one("#page", Page)

    # What changes

    def on_form_changed(self, event: Form.Changed) -> None:
        """A field holds something else."""
        if self._tab == QUIZ:
            self.quiz.change(event.name, event.text)
        else:
            self._change(event.name, event.text)

    def _change(self, name: str, text: str) -> None:
        if self.session.text(name) == text.strip():
            return
        self.session = self.session.with_text(name, text)
        self._changed = [*(other for other in self._changed if other != name), name]
        self._ask()

    def on_tabs_tab_activated(self, event: Tabs.TabActivated) -> None:
        """Another tab."""
        command = str(event.tab.id)
        if command == self._tab:
            return
        was_quiz, self._tab = self._tab == QUIZ, command
        self.screen.set_class(command == QUIZ, "quiz")
        if command == QUIZ:
            self._open_quiz()
            return
        if was_quiz:
            self.page.focus()
        self._offer()
        self._ask()

    def on_resize(self) -> None:
        """The page is as wide as the window lets it be."""
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        if self._tab == QUIZ:
            self.quiz.fit()
        elif self._right and self.page.room != self._room:
            self._ask()

    def _offer(self) -> None:
        self.form.offer(TAB[self._tab].takes, self._tab)
        self.page.turns = self._tab == "trace"
        self.session = self.session.opened_at(self._tab)
        self.form.fill("step", self.session.text("step"))
        self.refresh_bindings()

    # The quiz

    @property
    def quiz(self) -> QuizPanel:
        """The questions."""
        return self.query_one(QuizPanel)

    def _open_quiz(self) -> None:
        self.refresh_bindings()
        # Once it is seen how wide its page is.
        self.call_after_refresh(self.quiz.start, self.consult)

    def on_quiz_panel_asked(self) -> None:
        """The command follows the question."""
        self.query_one("#command", Static).update(self.quiz.command_line)
        self.query_one("#quiz-form", Form).expect({"topic": "all", "level": "all", "quiz_seed": str(self.quiz.seed)})

    def on_quiz_panel_said(self, event: QuizPanel.Said) -> None:
        """What the quiz has to say."""
        self._say(event.text, error=event.error)

    # Asking and being answered

    def _ask(self) -> None:
        """Ask for the page of what the form says now."""
        problem = self.session.problem()
        if problem:
            self._refuse(*problem)
            return
        words = self.session.words(self._tab)
        self._room = self.page.room
        layout = [self._room, 4, False, not self.no_color]
        self._newest = self.calculator.ask("page", command=self._tab, args=words, layout=layout)
        self._asked[self._newest] = Shown(self._tab, self.session)
        self.set_timer(_SOON, partial(self._say_running, self._newest))

    def _replied(self, reply: Reply) -> None:
        shown = self._asked.get(reply.question)
        if shown is None or shown.tab != self._tab:
            return
        if reply.is_progress:
            if reply.question == self._newest:
                self._say_running(reply.question, reply)
            return
        self._asked = {number: other for number, other in self._asked.items() if number > reply.question}
        if reply.error is None:
            self._show(shown, reply)
        elif reply.question == self._newest:
            self._refuse(culprit(str(reply.error), self._changed, self._wrong), str(reply.error))

    def _show(self, shown: Shown, reply: Reply) -> None:
        effective: dict[str, str] = reply.record["effective"]
        self._right = shown
        self._steps = int(effective["steps"]) if "steps" in effective else None
        self.page.show([[(text, style) for text, style in line] for line in reply.record["lines"]])
        self.query_one("#command", Static).update(shown.session.command_line(shown.tab))
        self.form.expect(effective)
        if reply.question == self._newest:
            self._changed, self._wrong = [], None
            self.form.mark("")
            self._say_hint()

    def _refuse(self, name: str, message: str) -> None:
        """Mark the field that is wrong; the last right result stays."""
        self._wrong = (name, message)
        self.form.mark(name)
        self._say(message, error=True)

    def _say(self, text: str, *, error: bool = False) -> None:
        message = self.query_one("#message", Static)
        message.set_class(error, "error")
        message.update(f"✗ {text}" if error else text)

    def _say_running(self, question: int, reply: Reply | None = None) -> None:
        if question != self._newest or question not in self._asked:
            return
        what, share = "", None
        if reply is not None:
            what, share = reply.record["progress"], reply.record["share"]
        done = f" {share:.0%}" if share is not None else ""
        self._say(f"running … {what}{done}".rstrip())

    def _say_hint(self) -> None:
        """What the field that is chosen is for, in the words of the option's help."""
        if self._wrong is not None or self._newest in self._asked:
            return
        if self._tab == QUIZ:
            return
        if isinstance(self.focused, Entry):
            self._say(describe(self.focused.field.name, self._tab))
        else:
            self._say("← → another step   u U another unit" if self._tab == "trace" else "")

    def on_descendant_focus(self) -> None:
        """Another field is chosen."""
        self._say_hint()

    def consult(self, then: Callable[[Reply], None], op: str, **arguments: object) -> None:
        """Ask for something that the form's questions do not displace, and call `then` with the answer."""
        if self._desk is None:
            self._desk = self._attached(Calculator(), self._consulted)
        self._consulting[self._desk.ask(op, **arguments)] = then

    def _consulted(self, reply: Reply) -> None:
        if not reply.is_progress and reply.question in self._consulting:
            self._consulting.pop(reply.question)(reply)

    # Keys

    def on_entry_left(self) -> None:
        """Esc in a field."""
        (self.quiz.page if self._tab == QUIZ else self.page).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter goes on to the next field."""
        if isinstance(event.input, Entry):
            self.screen.focus_next(Entry)

    def on_page_turned(self, event: Page.Turned) -> None:
        """← and → on the trace."""
        self._turn("step", event.by, self._steps)

    def action_unit(self, by: int) -> None:
        """The next unit, or the one before."""
        self._turn("unit", by, None)

    def _turn(self, name: str, by: int, most: int | None) -> None:
        now = self.session.text(name)
        number = int(now) + by if now.isdecimal() else 1
        if number == 0 and name == "unit":
            self.put(name, "")
        elif number >= 1 and (most is None or number <= most):
            self.put(name, str(number))

    def put(self, name: str, text: str) -> None:
        """A text into a field."""
        self.form.fill(name, text)
        self._change(name, text)

    def open_example(self, name: str) -> None:
        """A worked example, with nothing else said."""
        self._restart(Session(NetworkOptions(example=name)))

    def start_again(self) -> None:
        """Every field empty."""
        self._restart(Session())

    def _restart(self, session: Session) -> None:
        self.session = session
        for field in FIELDS:
            self.form.fill(field.name, session.text(field.name))
        self._offer()
        self._ask()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Units are chosen on the trace alone."""
        return self._tab == "trace" if action == "unit" else super().check_action(action, parameters)

    def action_tab(self, command: str) -> None:
        """Another tab."""
        self.query_one(Tabs).active = command

    def action_edit(self) -> None:
        """Back to the form."""
        self.remove_class("-no-form")
        if self._tab == QUIZ:
            self.query_one("#answer", Input).focus()
        else:
            self.form.rows["d_h"].entry.focus()

    def action_form(self) -> None:
        """Show or hide the form."""
        self.toggle_class("-no-form")
        if self.has_class("-no-form"):
            self.page.focus()
        self.call_after_refresh(self._fit)

    def action_dark(self) -> None:
        """Light or dark."""
        self.theme = "textual-dark" if self.theme == "textual-light" else "textual-light"

    def action_next_tab(self) -> None:
        """The tab at the right."""
        self.query_one(Tabs).action_next_tab()

    def action_copy_command(self) -> None:
        """The command to the clipboard."""
        self.copy_to_clipboard(str(self.query_one("#command", Static).content))
        self._say("The command is in the clipboard.")

    def export_screenshot(self, *, title: str | None = None, simplify: bool = False) -> str:
        """The screen as SVG that loads nothing: Textual's own asks for its fonts from afar."""
        picture = super().export_screenshot(title=title or self.TITLE, simplify=simplify)
        return re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL).replace("Fira Code", "DejaVu Sans Mono")

    def action_help(self) -> None:
        """Every key."""
        self.push_screen(Help())

    def action_save(self) -> None:
        """The tab into a file."""
        if self._right is None or self._right.tab != self._tab:
            self._say("There is no result here to save.")
            return
        shown = self._right

        def save(path: str, force: bool) -> None:
            def done(reply: Reply) -> None:
                if reply.error is not None:
                    asking.fail(str(reply.error), path)
                else:
                    asking.dismiss()
                    self._say(f"Saved: {path}")

            words = shown.session.words(shown.tab)
            self.consult(done, "save", command=shown.tab, args=words, path=path, force=force)

        asking = Save(f"Save {self.tabs[shown.tab]}", f"{shown.tab}.svg", save)
        self.push_screen(asking)


def _is_light() -> bool:
    """Whether the terminal says that its background is light: 7 or 15 of its colours, as rxvt's COLORFGBG has it."""
    return os.environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")
