"""Chromium without a window, driven over a pair of pipes in its own DevTools protocol: nothing else is needed."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Of everything that is waited for; a machine with other work on all its cores is slow.
PATIENCE = 60.0

_QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--metrics-recording-only",
    "--window-size=1100,700",
    "--remote-debugging-pipe",
    # No name is asked for anywhere, whatever a page may want.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

# The DevTools protocol reads commands from the one and writes answers to the other.
_COMMANDS, _ANSWERS = 3, 4


def wait_until(condition: Callable[[], bool], what: Callable[[], object]) -> None:
    """Poll until the condition holds; `what` tells in the failure how things stand instead."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s; now: {what()}"
        time.sleep(0.05)


class Browser:
    """A browser with a profile that was empty; events that it tells are kept in `events`."""

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None
        pipes = [*os.pipe(), *os.pipe()]
        # Out of the way of the two numbers that they get in the browser.
        theirs, self._commands, self._answers, answering = (fcntl.fcntl(p, fcntl.F_DUPFD_CLOEXEC, 20) for p in pipes)
        for pipe in pipes:
            os.close(pipe)

        def connect() -> None:
            os.dup2(theirs, _COMMANDS)
            os.dup2(answering, _ANSWERS)

        self._process = subprocess.Popen(
            [CHROMIUM, *_QUIET, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(profile)},
            pass_fds=(_COMMANDS, _ANSWERS),
            preexec_fn=connect,  # noqa: PLW1509 - the tests have no threads
            start_new_session=True,
        )
        os.close(theirs)
        os.close(answering)
        self._received = b""
        self._last = 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, AssertionError):
            self.ask("Browser.close")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, 9)
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def ask(self, method: str, session: str | None = None, **params: object) -> dict[str, Any]:
        """What the browser answers."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        for told in self._told():
            if told.get("id") == self._last:
                assert "error" not in told, (method, told["error"])
                answer: dict[str, Any] = told["result"]
                return answer
            self.events.append(told)
        raise AssertionError(f"the browser ended instead of answering {method}")

    def _told(self) -> Iterator[dict[str, Any]]:
        deadline = time.monotonic() + PATIENCE
        while True:
            line, end, rest = self._received.partition(b"\0")
            if end:
                self._received = rest
                yield json.loads(line)
                continue
            ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"the browser said nothing for {PATIENCE:.0f} s"
            some = os.read(self._answers, 1 << 20)
            if not some:
                return
            self._received += some


# textual.js keeps its terminal to itself; where it sets the field of that name, the test takes note of it.
_FIND_TERMINAL = """
Object.defineProperty(Object.prototype, "terminal", {configurable: true, set(value) {
    Object.defineProperty(this, "terminal", {value, writable: true});
    window.shownTerminal = value;
}});
"""

# The cells as the terminal holds them, a line a row.
_READ = """
(() => {
    const buffer = window.shownTerminal?.buffer.active;
    if (!buffer) return "";
    return Array.from({length: window.shownTerminal.rows}, (_, y) =>
        buffer.getLine(buffer.viewportY + y)?.translateToString() ?? "").join("\\n");
})()
"""

# Where on the page the middle of a cell is.
_PLACE = """
(() => {
    const box = document.querySelector(".xterm-screen").getBoundingClientRect();
    const {cols, rows} = window.shownTerminal;
    return [box.x + (COLUMN + 0.5) * box.width / cols, box.y + (ROW + 0.5) * box.height / rows];
})()
"""

_KEYS = {"Tab": 9, "Enter": 13, "Home": 36, "End": 35, "Backspace": 8, "Delete": 46}


class Page:
    """A tab of the browser that shows a terminal."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.ask("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self._ask(f"{domain}.enable")
        self._ask("Page.addScriptToEvaluateOnNewDocument", source=_FIND_TERMINAL)
        self._ask("Page.navigate", url=url)

    def _ask(self, method: str, **params: object) -> dict[str, Any]:
        return self._browser.ask(method, self._session, **params)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page."""
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def text(self) -> str:
        """What the terminal shows, a line a row."""
        return str(self.evaluate(_READ))

    def wait_for(self, condition: Callable[[str], bool]) -> str:
        """The terminal's text, once the condition holds for it."""
        wait_until(lambda: condition(self.text()), self.text)
        return self.text()

    def click(self, column: int, row: int) -> None:
        """Click on a cell of the terminal."""
        x, y = self.evaluate(_PLACE.replace("COLUMN", str(column)).replace("ROW", str(row)))
        for kind in ("mousePressed", "mouseReleased"):
            self._ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, text: str) -> None:
        """Press the key of each letter or digit."""
        for char in text:
            code = ord(char.upper())
            self._ask("Input.dispatchKeyEvent", type="keyDown", key=char, text=char, windowsVirtualKeyCode=code)
            self._ask("Input.dispatchKeyEvent", type="keyUp", key=char, windowsVirtualKeyCode=code)

    def press(self, key: str) -> None:
        """Press a key that has a name."""
        for kind in ("rawKeyDown", "keyUp"):
            self._ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=_KEYS[key])

    def screenshot(self, file: Path) -> None:
        """Write what the page looks like as PNG."""
        file.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"]))

    def requested(self) -> list[str]:
        """The address of every request that the page made, and of every socket that it opened."""
        return [
            event["params"].get("request", event["params"])["url"]
            for event in self._events()
            if event["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated")
        ]

    def complaints(self) -> list[str]:
        """What the browser reported: a request that was forbidden or failed, an exception in a script."""
        return [
            json.dumps(event["params"])
            for event in self._events()
            if event["method"] in ("Runtime.exceptionThrown", "Network.loadingFailed")
            or (event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error")
        ]

    def _events(self) -> list[dict[str, Any]]:
        return [event for event in self._browser.events if event.get("sessionId") == self._session]

    def close(self) -> None:
        """Close the tab."""
        self._browser.ask("Target.closeTarget", targetId=self._target)
