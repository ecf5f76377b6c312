"""`rnncalc ui --web` as a process of its own, and the processes that it starts."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from tests.commandline import RNNCALC, environment
from tests.commands.test_processes import hear_ctrl_c
from tests.ui.browser import PATIENCE, wait_until

PROC = Path("/proc")

_UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "cm5uY2FsYyBhc2tzIGhlcg==",
}


class Served:
    """A server that runs while this is entered: `ui` with the arguments, or what `script` serves."""

    def __init__(self, *args: str, script: str = "") -> None:
        self._connections: list[http.client.HTTPConnection] = []
        self._answers: list[http.client.HTTPResponse] = []
        line = [sys.executable, "-c", script] if script else [RNNCALC, "ui", "--web", *args]
        self.process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            preexec_fn=hear_ctrl_c,  # noqa: PLW1509 - the tests have no threads
        )
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        self.said = self.process.stdout.readline().decode() if ready else ""
        found = re.search(r"http://\S+/", self.said)
        assert found, (self.said, self.stop(signal.SIGKILL))
        self.url = found[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        left = self.programs()
        self.process.kill()
        self.process.communicate()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self, number: int = signal.SIGINT) -> tuple[int, bytes, bytes]:
        """The exit status after that signal, and all that was said after the first line, on stdout and on stderr."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err

    def programs(self) -> set[int]:
        """The processes that the server has started, and those that they have."""
        parents = {}
        for stat in PROC.glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                state, parent = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:2]
                if state != "Z":
                    parents[int(stat.parent.name)] = int(parent)
        found = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found - {self.process.pid}

    def wait_for_programs(self, *, some: bool) -> set[int]:
        """The programs, once there are some, or none."""
        wait_until(lambda: bool(self.programs()) is some, self.programs)
        return self.programs()

    def get(self, path: str = "", *, socket: bool = False, **headers: str) -> http.client.HTTPResponse:
        """The answer to a request for a path under the address with the key, or for one that starts with a slash."""
        address = urlsplit(self.url)
        assert address.hostname is not None
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=PATIENCE)
        target = path if path.startswith("/") else address.path + path
        connection.request("GET", target, headers={**(_UPGRADE if socket else {}), **headers})
        self._connections.append(connection)
        self._answers.append(connection.getresponse())
        return self._answers[-1]

    def hang_up(self) -> None:
        """Close every connection."""
        for answer in self._answers:
            answer.close()
        for connection in self._connections:
            connection.close()


def alive(pids: set[int]) -> set[int]:
    """Those of the processes that run."""
    running = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
            if stat.rpartition(")")[2].split()[0] != "Z":
                running.add(pid)
    return running
