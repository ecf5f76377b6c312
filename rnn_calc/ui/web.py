"""`rnncalc ui --web`: the port, the address with its key, and the server's life until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rnn_calc.core.errors import OutputError, UsageError

if TYPE_CHECKING:  # it needs textual-serve
    from rnn_calc.ui.site import Site

ADDRESS = "127.0.0.1"
HIGHEST_PORT = 65535
# Below it an account needs rights of its own.
_FIRST_FREE_TO_ALL = 1024


def own_command(arguments: Iterable[str]) -> list[str]:
    """The command that a tab of the browser runs: `rnncalc ui` with these arguments (--web and --port aside)."""
    # -P: a file of the folder one works in, called token.py, is not imported in the place of Python's own.
    return [sys.executable, "-P", "-m", "rnn_calc", "ui", *arguments]


def serve(command: list[str], *, port: int) -> None:
    """Serve the program that `command` starts, one for each tab of a browser, on 127.0.0.1 alone, until Ctrl-C.

    One line on stdout says where; port 0 is any that is free. Ctrl-C is how a server is stopped, so it ends as usual
    and is no interruption: nothing was left unfinished. SIGTERM and a closed terminal end it as they end any command.

    Raises: UsageError for a number that is no port; OutputError for a port that is taken, and where textual-serve is
    not installed.
    """
    if not 0 <= port <= HIGHEST_PORT:
        raise UsageError(f"--port {port} is no port; expected 1 to {HIGHEST_PORT}, or 0 for any that is free.")
    try:
        import textual_serve  # noqa: F401 - asked for here, before a port is taken; site.py uses it
    except ModuleNotFoundError as error:
        if error.name != "textual_serve":
            raise
        raise OutputError("--web needs textual-serve, which is not installed: pip install 'rnn-calc[web]'") from None
    with _listen(port) as listening:
        from rnn_calc.ui.site import Site

        site = Site(command, secrets.token_hex(16))
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_run(site, listening))


def _listen(port: int) -> socket.socket:
    """A socket that listens on the port.

    Raises: OutputError when it cannot be had, naming one that can.
    """
    listening = socket.socket()
    try:
        if os.name == "posix":
            # A port just left counts as free. (Elsewhere this option would share one that is in use.)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((ADDRESS, port))
        listening.listen()
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise OutputError(f"Port {port} is taken; add --port {_free_port(port + 1)}.") from None
        if error.errno == errno.EACCES:
            free = _free_port(max(port + 1, _FIRST_FREE_TO_ALL))
            raise OutputError(f"Port {port} is not for this account to use; add --port {free}.") from None
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"Port {port} cannot be listened on: {reason}. --port 0 takes any that is free.") from None
    return listening


def _free_port(first: int) -> int:
    """A port that is free, the nearest from `first` on where there is one near; 0, which takes any, where not."""
    for port in range(first, min(first + 100, HIGHEST_PORT + 1)):
        with socket.socket() as trial, contextlib.suppress(OSError):
            trial.bind((ADDRESS, port))
            return port
    return 0


async def _run(site: Site, listening: socket.socket) -> None:
    """Serve until this task is cancelled (Ctrl-C cancels it), then end all programs of all tabs."""
    task = asyncio.current_task()
    assert task is not None
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        task.cancel()

    for number in _endings():
        # An exception raised wherever the loop happens to be, which is what our usual answer does, could skip the end.
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        async with site.open(listening):
            port = listening.getsockname()[1]
            print(f"Open http://{ADDRESS}:{port}/{site.key}/ in a browser. Ctrl-C stops it.", flush=True)
            # What the programs say when they end in an error is no data.
            with contextlib.redirect_stdout(sys.stderr):
                await asyncio.Event().wait()
    except asyncio.CancelledError:
        if received:
            raise SystemExit(128 + received[0]) from None
        raise


def _endings() -> list[int]:
    """The signals that ask to end, but for Ctrl-C, and for those that this process was told to ignore (nohup)."""
    asked = (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP"))
    return [number for number in asked if number is not None and signal.getsignal(number) is not signal.SIG_IGN]
