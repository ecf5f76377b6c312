"""The pages and the socket of `rnncalc ui --web`, and who may ask for them.

Whoever reaches the socket drives a program that reads and writes the user's files. So the address holds a key that
nobody else knows: no other account of this machine gets in. A page of another site, should it learn the key, is known
by its Origin, and a foreign name that was made to lead here by its Host. What a page may load is this server's alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shlex
import signal
import socket
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from string import Template

from aiohttp import WSCloseCode, web
from aiohttp.http_exceptions import HttpProcessingError
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager
from textual_serve.server import Server, to_int

_ASSETS = Path(__file__).with_name("assets")
# Names of this machine that no name server is asked for.
_OWN_NAMES = ("127.0.0.1", "localhost")
_FONT_SIZE = 16
# Seconds that a program has to end when its tab has closed, and a browser to confirm that it has.
_PATIENCE = 3.0
_CLOSING = 1.0
# Bytes that are more than settings of the terminal: a screen.
_A_SCREEN = 200
# Columns, or rows: more than any window has. A screen takes memory for each.
_MOST_CELLS = 1000

# textual.js writes its style sheets into the page; scripts, fonts and all else come from files of this server.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self'; "
    "connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# What is no request is answered as such; nobody who looks at the terminal can do anything about it.
_LOG = logging.getLogger(__name__)
_LOG.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Program(AppService):
    """The program of one tab; its end is seen to, however it comes about."""

    def __init__(self, command: list[str], tab: web.WebSocketResponse, downloads: DownloadManager) -> None:
        super().__init__(
            shlex.join(command),
            write_bytes=tab.send_bytes,
            write_str=tab.send_str,
            close=self._close,
            download_manager=downloads,
        )
        self._arguments = command
        self._tab = tab
        self._in_focus = False
        self._has_drawn = False

    async def _close(self) -> None:
        await self._tab.close()

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        """Started without a shell, which might outlive it, and in a group of its own: Ctrl-C is the server's."""
        process = await asyncio.create_subprocess_exec(
            *self._arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=self._build_environment(_within(width), _within(height)),
            process_group=0 if os.name == "posix" else None,
        )
        assert process.stdin is not None
        self._process, self._stdin = process, process.stdin
        return process

    async def run(self) -> None:
        """Show what the program prints; a program that ends in an error closes its tab's connection too."""
        await super().run()
        await self.remote_close()

    async def on_data(self, payload: bytes) -> None:
        """Some of a screen; with the first, the program is told of a focus that came before it."""
        await super().on_data(payload)
        if not self._has_drawn and len(payload) > _A_SCREEN:
            self._has_drawn = True
            if self._in_focus:
                await self.focus()

    async def focus(self) -> None:
        """The tab has the focus. Textual takes itself to be without, as it starts: earlier, that would win."""
        self._in_focus = True
        if self._has_drawn:
            await super().focus()

    async def set_terminal_size(self, width: int, height: int) -> None:
        """The window has another size."""
        await super().set_terminal_size(_within(width), _within(height))

    async def blur(self) -> None:
        """The tab has lost the focus."""
        self._in_focus = False
        await super().blur()

    async def stop(self) -> None:
        """Ask the program to end, and make it end when it does not."""
        process, task = self._process, self._task
        if process is None or task is None:
            return
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self._download_manager.cancel_app_downloads(self.app_service_id)
                    await self.send_meta({"type": "quit"})
                    # Not the task: textual-serve's swallows that it is cancelled, and so the end of our patience.
                    await process.wait()
        finally:
            if process.returncode is None:
                _kill(process)
            await process.wait()
            task.cancel()
            await asyncio.wait([task])


def _within(cells: int) -> int:
    """As many columns or rows as a window may have."""
    return max(1, min(int(cells), _MOST_CELLS))


def _kill(process: Process) -> None:
    """End the program and what it started."""
    with contextlib.suppress(ProcessLookupError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


class Site(Server):
    """The server: textual-serve's socket, script and fonts under a page and conditions of our own."""

    def __init__(self, command: list[str], key: str) -> None:
        super().__init__(shlex.join(command))
        self.key = key
        self._arguments = command
        self._tabs: set[web.WebSocketResponse] = set()
        self._page = Template((_ASSETS / "page.html").read_text(encoding="utf-8"))

    @contextlib.asynccontextmanager
    async def open(self, listening: socket.socket) -> AsyncIterator[None]:
        """The site is open while this is entered; then all tabs are closed and their programs ended."""
        # No line for each request; a handler that is left gets as long as a program has to end.
        patience = 2 * (_PATIENCE + _CLOSING)
        runner = web.AppRunner(self._application(), access_log=None, logger=_LOG, shutdown_timeout=patience)
        await runner.setup()
        try:
            await web.SockSite(runner, listening).start()
            yield
        finally:
            await runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._admit])
        root = f"/{self.key}"
        application.add_routes(
            [
                web.get(root, self._index),
                web.get(f"{root}/", self._index),
                web.get(f"{root}/ws", self.handle_websocket),
                # textual.js asks for a file at this place; the program has given it a key of its own.
                web.get("/download/{key}", self.handle_download),
                web.static(f"{root}/static", self.statics_path),
                web.static(f"{root}/assets", _ASSETS),
            ]
        )
        application.on_response_prepare.append(_restrict)
        application.on_shutdown.append(self._close_tabs)
        return application

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Nobody comes in under a foreign name, from a foreign page, or without the key."""
        name, _, port = request.host.partition(":")
        if name not in _OWN_NAMES or (port and not (port.isascii() and port.isdecimal())):
            raise web.HTTPForbidden(text="This server answers to 127.0.0.1 and localhost only.\n")
        if request.headers.get("Origin", f"http://{request.host}") != f"http://{request.host}":
            raise web.HTTPForbidden(text="Pages of other sites may not ask here.\n")
        first = request.path.removeprefix("/").partition("/")[0]
        if first != "download" and not secrets.compare_digest(first.encode(), self.key.encode()):
            raise web.HTTPForbidden(text="The address lacks its key: open the one that rnncalc ui --web has printed.\n")
        return await handler(request)

    async def _index(self, request: web.Request) -> web.Response:
        page = self._page.substitute(root=f"/{self.key}", host=request.host, font_size=_FONT_SIZE)
        return web.Response(text=page, content_type="text/html", headers={"Cache-Control": "no-store"})

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """A tab: its program is started, shown, driven, and ended with it."""
        tab = web.WebSocketResponse(heartbeat=15, timeout=_CLOSING)
        await tab.prepare(request)
        program = Program(self._arguments, tab, self.download_manager)
        self._tabs.add(tab)
        try:
            await program.start(to_int(request.query.get("width", ""), 80), to_int(request.query.get("height", ""), 24))
            # textual.js sends none that cannot be read; whoever else does has lost the tab.
            with contextlib.suppress(ValueError, TypeError, LookupError, AttributeError, AssertionError):
                await self._process_messages(tab, program)
            await tab.close(code=WSCloseCode.UNSUPPORTED_DATA)
        finally:
            self._tabs.discard(tab)
            await program.stop()
        return tab

    async def _close_tabs(self, _: web.Application) -> None:
        await asyncio.gather(*(tab.close(code=WSCloseCode.GOING_AWAY) for tab in self._tabs))


async def _restrict(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer says: nothing from elsewhere is loaded, and nobody elsewhere learns the address."""
    response.headers["Content-Security-Policy"] = _POLICY.format(host=request.host)
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
