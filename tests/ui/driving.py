"""The screen driven by keys and mouse as a person would, and what is seen on it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shlex
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from textual import events
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.widgets import Static

from rnn_calc.ui.app import Calc
from rnn_calc.ui.command import opened
from rnn_calc.ui.form import Entry
from rnn_calc.ui.session import Session
from tests.commandline import calc
from tests.ui.children import PATIENCE, children


def played(scene: Coroutine[Any, Any, None]) -> None:
    """Run a scene to its end, after which no process may be left."""
    before = children()
    asyncio.run(scene)
    assert children() == before


class Screen:
    """An app under test."""

    def __init__(self, app: Calc, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    # Seen

    @property
    def page(self) -> str:
        """The lines of the page."""
        return self.app.live.page.text

    @property
    def command(self) -> str:
        """The last line."""
        return str(self.app.query_one("#command", Static).content)

    @property
    def message(self) -> str:
        """The line above the keys."""
        return str(self.app.query_one("#message", Static).content)

    @property
    def is_error(self) -> bool:
        """Whether that line is an error."""
        return self.app.query_one("#message", Static).has_class("error")

    @property
    def wrong(self) -> list[str]:
        """The fields that are marked, by their marks."""
        return [name for name, row in self.app.live.form.rows.items() if str(_label(row).content).startswith("✗")]

    def entry(self, name: str) -> Entry:
        """A field of the form."""
        return self.app.live.form.rows[name].entry

    # Done

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Nothing, once the condition holds."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not after {PATIENCE:.0f} s; {self.message!r}"
            await self._turn()

    async def settle(self) -> None:
        """Wait until every question has been answered and shown."""
        calm = 0
        deadline = time.monotonic() + PATIENCE
        await self.pilot._wait_for_screen()
        while calm < 5:
            await self._turn()
            calm = 0 if self._is_at_work else calm + 1
            assert time.monotonic() < deadline, f"still at work after {PATIENCE:.0f} s; {self.message!r}"

    @property
    def _is_at_work(self) -> bool:
        live, desk = self.app.live, self.app._desk
        if live.display and live.right and live.page.measure != live._measure:
            return True
        return not live.is_settled or bool(self.app.calculator.busy_for or (desk and desk.busy_for))

    async def _turn(self) -> None:
        """Let every widget work off what it has been sent, and the process answer."""
        for _ in range(40):
            await asyncio.sleep(0)
        await asyncio.sleep(0.002)

    def strike(self, *keys: str) -> None:
        """Keys without any pause; the pilot's own wait until the machine is idle, which a busy one never is."""
        driver = self.app._driver
        assert driver is not None
        for key in keys:
            name = _character_to_key(key) if len(key) == 1 else key
            event = events.Key(name, key if len(key) == 1 else None)
            event.set_sender(self.app)
            driver.send_message(event)

    async def press(self, *keys: str) -> None:
        """Keys, and what follows from them."""
        for key in keys:
            self.strike(key)
            if len(key) > 1:  # an action, which Textual runs later than it takes a letter
                for _ in range(4):
                    await self._turn()
        await self.settle()

    async def focus(self, name: str) -> None:
        """Choose a field; what stands in it is selected."""
        self.entry(name).focus()
        await self.until(lambda: self.entry(name).has_focus, f"the cursor in {name}")

    async def put(self, name: str, text: str) -> None:
        """Type a text into a field, in place of what stands there."""
        await self.focus(name)
        self.entry(name).action_select_all()
        await self.press(*(text or ("delete",)))

    async def click(self, target: Any, *, shift: bool = False) -> None:
        """The mouse."""
        assert await self.pilot.click(target, shift=shift)
        await self.settle()

    async def wheel(self, name: str, by: int, *, shift: bool = False) -> None:
        """The wheel over a field: up for 1."""
        kind = events.MouseScrollUp if by > 0 else events.MouseScrollDown
        entry = self.entry(name)
        x, y = entry.region.offset
        self.app.screen._forward_event(kind(None, x, y, 0, 0, 0, shift, False, False, x, y))
        await self.settle()

    async def tab(self, command: str) -> None:
        """Another tab."""
        self.app.action_tab(command)
        await self.settle()


def _label(row: Any) -> Static:
    found: Static = row.query_one(".label", Static)
    return found


@contextlib.asynccontextmanager
async def opening(
    session: Session | None = None, *, tab: str = "shapes", size: tuple[int, int] = (80, 24)
) -> AsyncIterator[Screen]:
    """The screen of `rnncalc ui`, settled."""
    app = opened(session or Session(), tab, size[0])
    async with app.run_test(size=size) as pilot:
        screen = Screen(app, pilot)
        await screen.settle()
        yield screen


def words_of(text: str) -> list[str]:
    """A text without the blanks and folds that differ between a screen and a stream."""
    return text.split()


def printed(screen: Screen) -> str:
    """What the command on the last line prints, in the width of the page."""
    args = shlex.split(screen.command)[1:]
    result = calc(
        *args, "--color", "never" if screen.app.no_color else "always", columns=screen.app.live.page.measure.width
    )
    assert result.status == 0, result.err
    blocks = re.sub(r"\x1b\[[\d;]*m", "", result.out).split("\n\n")
    # On a screen the results stand first.
    return "\n\n".join(sorted(blocks, key=lambda block: "\nAgain: " in f"\n{block}"))


def shows_what_its_command_prints(screen: Screen) -> bool:
    """Whether it does, but for blanks and folds."""
    assert words_of(screen.page) == words_of(printed(screen))
    return True
