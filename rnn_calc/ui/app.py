"""The live calculator: a form on one side, on the other what the command that it writes gives."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer, Static, Tab, Tabs

from rnn_calc.commands.options import NetworkOptions
from rnn_calc.core.errors import printable
from rnn_calc.ui.calculator import Calculator, Reply
from rnn_calc.ui.fields import QUIZ, TAB, TITLES
from rnn_calc.ui.form import Entry
from rnn_calc.ui.live import Live
from rnn_calc.ui.palette import Commands
from rnn_calc.ui.quiz_tab import QuizPanel
from rnn_calc.ui.saying import Said
from rnn_calc.ui.screens import Help, Save
from rnn_calc.ui.session import Session

# Seconds.
_LOOK_EVERY = 2.0
# Fewer columns than this, and form and page would both be too narrow: the page alone is shown, and the form when it
# is asked for.
_NARROW = 60


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
        self.calculator = calculator
        self._is_narrow = False
        self._opens_at = (session, tab, first)
        # For quizzes, which the form's next question must not put an end to; who waits for which answer.
        self._desk: Calculator | None = None
        self._consulting: dict[int, Callable[[Reply], None]] = {}
        # Each file that is being written has a process to itself: nothing else that is asked cuts it short.
        self._saving: set[Calculator] = set()
        if _is_light():
            self.theme = "textual-light"

    def compose(self) -> ComposeResult:
        """Tabs, form and page, a line for messages, keys, the command."""
        session, tab, first = self._opens_at
        yield Tabs(*(Tab(title, id=command) for command, title in self.tabs.items()), active=tab)
        yield Live(session, self.calculator, tab if tab in TAB else next(iter(TAB)), first)
        yield QuizPanel()
        yield Static("", id="message", markup=False)
        yield Footer(show_command_palette=False)
        yield Static("", id="command", markup=False)

    def on_mount(self) -> None:
        """The processes speak to the screen; the form is chosen, or the quiz begins."""
        self._attached(self.calculator, self.live.replied)
        if self.is_web:
            # A server that was killed cannot tell its programs to end.
            parent = os.getppid()
            self.set_interval(_LOOK_EVERY, lambda: self.exit() if os.getppid() != parent else None)
        if self._opens_at[1] == QUIZ:
            self._open_quiz()
        elif self.size.width < _NARROW:
            self.live.page.focus()
        else:
            self.live.focus_form()

    def on_unmount(self) -> None:
        """The process ends with the screen."""
        for calculator in (self.calculator, self._desk, *self._saving):
            if calculator is not None:
                calculator.end()

    def _attached(self, calculator: Calculator, deliver: Callable[[Reply], None]) -> Calculator:
        loop = asyncio.get_running_loop()

        def later(seconds: float, call: Callable[[], None]) -> None:
            # Textual's own timer never comes where it is late already, as one of no time at all is.
            loop.call_later(seconds, self.call_later, call)

        # Through the app's own messages: what is raised there, as a bug in the process is, ends the app and is shown.
        calculator.attach(deliver, self.call_later, later)
        return calculator

    @property
    def live(self) -> Live:
        """The form and its page."""
        return self.query_one(Live)

    @property
    def quiz(self) -> QuizPanel:
        """The questions."""
        return self.query_one(QuizPanel)

    @property
    def is_quiz(self) -> bool:
        """Whether the quiz is in front."""
        return self.screen_stack[0].has_class("quiz")

    @property
    def front(self) -> Live | QuizPanel:
        """Which of them is seen."""
        return self.quiz if self.is_quiz else self.live

    # Tabs

    def on_tabs_tab_activated(self, event: Tabs.TabActivated) -> None:
        """Another tab."""
        command = str(event.tab.id)
        if command == QUIZ:
            self._open_quiz()
        elif self.is_quiz or command != self.live.tab:
            if self.is_quiz:
                self.screen_stack[0].remove_class("quiz")
                self.live.page.focus()
            self.live.turn_to(command)
        self.refresh_bindings()

    def _open_quiz(self) -> None:
        self.screen_stack[0].add_class("quiz")
        # Once it is seen how wide its page is.
        self.call_after_refresh(self.quiz.start, self.consult)

    def on_resize(self, event: events.Resize) -> None:
        """The form gives way where the window becomes narrow, and comes back where it becomes wide."""
        is_narrow = event.size.width < _NARROW
        if is_narrow is not self._is_narrow:
            self._is_narrow = is_narrow
            self._show_form(not is_narrow)

    # What is said

    def on_live_answered(self) -> None:
        """The command follows the page."""
        self._say_command(self.live.command_line)

    def on_said(self, event: Said) -> None:
        """What a tab has to say."""
        self._say(event.text, error=event.error)

    def on_descendant_focus(self) -> None:
        """Another field is chosen."""
        self.live.say_hint()

    def on_quiz_panel_asked(self) -> None:
        """The command follows the question."""
        self._say_command(self.quiz.command_line)

    def _say_command(self, line: str) -> None:
        self.query_one("#command", Static).update(printable(line))

    def _say(self, text: str, *, error: bool = False) -> None:
        message = self.query_one("#message", Static)
        message.set_class(error, "error")
        message.update(printable(f"✗ {text}" if error else text, keep="\n"))

    def consult(self, then: Callable[[Reply], None], op: str, **arguments: object) -> None:
        """Ask for something that the form's questions do not displace, and call `then` with the answer."""
        if self._desk is None:
            self._desk = self._attached(Calculator(), self._consulted)
        self._consulting[self._desk.ask(op, **arguments)] = then

    def _consulted(self, reply: Reply) -> None:
        if not reply.is_news and reply.question in self._consulting:
            self._consulting.pop(reply.question)(reply)

    # Keys

    def action_unit(self, by: int) -> None:
        """The next unit, or the one before."""
        self.live.next_unit(by)

    def put(self, name: str, text: str) -> None:
        """A text into a field of the form."""
        self._leave_quiz()
        self.live.put(name, text)

    def open_example(self, name: str) -> None:
        """A worked example, with nothing else said."""
        self._leave_quiz()
        self.live.restart(Session(NetworkOptions(example=name)))

    def start_again(self) -> None:
        """Every field empty."""
        self._leave_quiz()
        self.live.restart(Session())

    def _leave_quiz(self) -> None:
        if self.is_quiz:
            self.action_tab(self.live.tab)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Units are chosen on the trace alone."""
        if action == "unit":
            return not self.is_quiz and self.live.tab == "trace"
        return super().check_action(action, parameters)

    def action_tab(self, command: str) -> None:
        """Another tab."""
        self.query_one(Tabs).active = command

    def action_edit(self) -> None:
        """Back to the form."""
        self._show_form(True)
        self.front.focus_form()

    def action_form(self) -> None:
        """Show or hide the form."""
        self._show_form(self.has_class("-no-form"))

    def _show_form(self, is_shown: bool) -> None:
        self.set_class(not is_shown, "-no-form")
        if not is_shown and isinstance(self.screen_stack[0].focused, Entry):
            # What is typed must not go where nobody sees it.
            self.front.page.focus()

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
        shown = self.live.right
        if shown is None or self.is_quiz:
            advice = " A quiz is saved by rnncalc quiz --worksheet FILE.md." if self.is_quiz else ""
            self._say(f"There is no result here to save.{advice}", error=True)
            return

        words = shown.session.words(shown.tab)

        def save(path: str, force: bool) -> None:
            def done(reply: Reply) -> None:
                if reply.is_news:
                    return
                calculator.end()
                self._saving.discard(calculator)
                asking.tell(path, reply.error)
                if reply.error is None:
                    self._say(f"Saved: {path}")
                elif asking not in self.screen_stack:
                    self._say(str(reply.error), error=True)

            calculator = self._attached(Calculator(), done)
            self._saving.add(calculator)
            calculator.ask("save", command=shown.tab, args=words, path=path, force=force)

        asking = Save(f"Save {self.tabs[shown.tab]}", f"{shown.tab}.svg", save)
        self.push_screen(asking)


def _is_light() -> bool:
    """Whether the terminal says that its background is light: 7 or 15 of its colours, as rxvt's COLORFGBG has it."""
    return os.environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")
