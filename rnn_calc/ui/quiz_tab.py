"""The quiz as a tab: a question on the page, a line for the answer, and how it comes about."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from secrets import randbelow
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, Label

from rnn_calc.quiz.quiz import LEVELS, QUESTIONS, TOPICS, quiz_command
from rnn_calc.show.document import Layout
from rnn_calc.ui.calculator import Reply
from rnn_calc.ui.fields import Field
from rnn_calc.ui.form import Form
from rnn_calc.ui.page import Page
from rnn_calc.ui.saying import Said

_LARGEST_SEED = 10**6
# Asks for an operation of the process that makes and judges questions, and says who is told of the answer.
Consult = Callable[..., None]

QUIZ_FIELDS = (
    Field("topic", "topic", "name", lambda: tuple(TOPICS)),
    Field("level", "level", "name", lambda: tuple(map(str, LEVELS))),
    Field("quiz_seed", "seed", least=0, start="0"),
)


class QuizPanel(Horizontal):
    """Questions one after the other, which the process beside the screen makes and judges."""

    # In the line for the answer digits are digits; on the page they are tabs.
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "To the page", show=False)]

    class Asked(Message):
        """Another question stands on the page."""

    def __init__(self) -> None:
        super().__init__(id="quiz-panel")
        self.seed = randbelow(_LARGEST_SEED)
        self.number = 1
        self.topic = ""
        self.level = ""
        self._consult: Consult | None = None
        self._measure: Layout | None = None
        self._judged = False
        # How often something was asked; while an answer is judged, no other one is.
        self._turn = 0
        self._is_judging = False
        self._right = 0
        self._answered = 0

    def compose(self) -> ComposeResult:
        """The fields, the page, and the line for the answer."""
        yield Form(QUIZ_FIELDS, id="quiz-form", takes=tuple(field.name for field in QUIZ_FIELDS), onward="#answer")
        with Vertical():
            yield Page(id="quiz-page")
            with Horizontal(id="answer-row"):
                yield Label("answer")
                yield Input(id="answer", compact=True)

    @property
    def page(self) -> Page:
        """Where the question stands."""
        return self.query_one(Page)

    @property
    def command_line(self) -> str:
        """The command that asks the same questions."""
        return quiz_command(self.seed, self.topic, self.level, max(QUESTIONS, self.number))

    def start(self, consult: Consult) -> None:
        """The first question, unless there is one already."""
        self.focus_form()
        if self._consult is None:
            self._consult = consult
            self._ask()
        else:
            self._asked()

    def focus_form(self) -> None:
        """To the line for the answer."""
        self.query_one("#answer", Input).focus()

    def action_leave(self) -> None:
        """Esc in the line for the answer."""
        self.page.focus()

    def on_form_changed(self, event: Form.Changed) -> None:
        """Another topic, level or seed: a new quiz."""
        event.stop()
        name, text = event.name, event.text.strip()
        if name == "quiz_seed":
            if not (text.isascii() and text.isdecimal() and len(text) < 19):
                self.post_message(Said("seed: a whole number from 0, which makes the same quiz again.", error=True))
                return
            self.seed = int(text)
        else:
            setattr(self, name, text)
        self.number = 1
        self._ask()

    def _replied(self, turn: int, reply: Reply) -> None:
        """A question was made, or an answer judged; of another quiz meanwhile, or another width, it is not shown."""
        if turn != self._turn:
            return
        self._is_judging = False
        if reply.error is not None:
            self.post_message(Said(str(reply.error), error=True))
            return
        self.page.show(reply.record["lines"])
        if "right" not in reply.record:
            self.page.scroll_home(animate=False)
            self._asked()
            return
        right = reply.record["right"]
        if right is None:
            self.post_message(Said(reply.record["message"], error=True))
            return
        self._judged = True
        self._answered += 1
        self._right += right
        self._say()
        self.page.scroll_end(animate=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter: judge the answer, or go on."""
        event.stop()
        if self._judged:
            self.number += 1
            self._ask()
        elif event.value.strip() and not self._is_judging:
            self._is_judging = True
            self._put("judge", answer=event.value)

    def on_page_resized(self, event: Page.Resized) -> None:
        """The page is of another width."""
        event.stop()
        if not (self._judged or self._is_judging) and self.page.measure != self._measure:
            self._ask()

    def _asked(self) -> None:
        self.query_one(Form).expect({"topic": "all", "level": "all", "quiz_seed": str(self.seed)})
        self.post_message(self.Asked())
        self._say()

    def _ask(self) -> None:
        if self._judged:
            self.query_one("#answer", Input).value = ""
        self._judged = self._is_judging = False
        self._measure = self.page.measure
        self._put("question")

    def _put(self, op: str, **more: object) -> None:
        if self._consult is not None:
            self._turn += 1
            self._consult(partial(self._replied, self._turn), op, **self._which(), **more)

    def _which(self) -> dict[str, object]:
        topics = [self.topic] if self.topic else list(TOPICS)
        return {
            "seed": self.seed,
            "number": self.number,
            "topics": topics,
            "level": self.level,
            "layout": self.page.measure,
        }

    def _say(self) -> None:
        score = f"{self._right} of {self._answered} right. " if self._answered else ""
        todo = "Enter: the next question." if self._judged else "Type an answer, and Enter."
        self.post_message(Said(score + todo))
