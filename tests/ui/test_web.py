"""The server of `rnncalc ui --web`: who may ask, what it says, how it and its programs end."""

from __future__ import annotations

import re
import signal
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.commandline import refused
from tests.ui.browser import wait_until
from tests.ui.serving import PROC, Served, alive

pytest.importorskip("textual_serve")
needs_proc = pytest.mark.skipif(not (PROC / "self/stat").exists(), reason="there is no /proc to look into")

# A program that speaks as Textual does when it starts, and then hears nothing.
_DEAF = "import time; print('__GANGLION__', flush=True); time.sleep(600)"
_SERVE = "import sys; from rnn_calc.ui.web import serve; serve([sys.executable, '-c', {program!r}], port=0)"


def serving(program: str = _DEAF) -> Served:
    return Served(script=_SERVE.format(program=program))


def test_one_line_says_where_it_is_and_how_it_stops() -> None:
    with Served("--port", "0") as served:
        assert re.fullmatch(
            r"Open http://127\.0\.0\.1:[1-9]\d*/[0-9a-f]{32}/ in a browser\. Ctrl-C stops it\.\n", served.said
        )
        assert served.stop() == (0, b"", b"")


def test_who_has_the_address_gets_the_page_and_the_socket() -> None:
    with serving() as served:
        port = urlsplit(served.url).port
        page = served.get()
        assert page.status == 200
        assert f"ws://127.0.0.1:{port}{urlsplit(served.url).path}ws" in page.read().decode()
        assert served.get(Host=f"localhost:{port}").status == 200
        # A port that ssh forwards has another number at the other end.
        assert b"ws://127.0.0.1:9000/" in served.get(Host="127.0.0.1:9000").read()
        assert served.get("ws", socket=True, Origin=f"http://127.0.0.1:{port}").status == 101


def test_without_the_key_there_is_nothing() -> None:
    with serving() as served:
        for path in ("/", "//", "/ws", "/static/js/textual.js", "/%C3%A9/", f"/{'0' * 32}/", f"/{'0' * 32}/ws"):
            assert served.get(path, socket=True).status == 403
        assert not served.programs()


@pytest.mark.parametrize(
    "header",
    [
        "Host: rebound.example",
        "Host: 127.0.0.1.rebound.example:80",
        "Host: 127.0.0.1:80;script-src *",
        "Host:",
        "Origin: http://rebound.example",
        "Origin: http://127.0.0.1:1",
        "Origin: null",
    ],
)
def test_pages_of_other_sites_get_nothing(header: str) -> None:
    name, _, value = header.partition(":")
    with serving() as served:
        for path in ("", "ws", "static/js/textual.js", "/download/0"):
            assert served.get(path, socket=path == "ws", **{name: value.strip()}).status == 403
        assert not served.programs()


def test_the_page_may_load_from_its_own_server_alone() -> None:
    with serving() as served:
        port = urlsplit(served.url).port
        for path in ("", "static/js/textual.js", "assets/start.js", "nothing", "/"):
            answer = served.get(path)
            policy = answer.headers["Content-Security-Policy"]
            allowed = {word for directive in policy.split(";") for word in directive.split()[1:]}
            assert policy.startswith("default-src 'none'; script-src 'self';")
            assert allowed == {"'none'", "'self'", "'unsafe-inline'", f"ws://127.0.0.1:{port}"}
            assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert re.findall(r"https?://[^\"' ]*", served.get().read().decode()) == []


def test_folders_are_not_listed_and_not_left() -> None:
    with serving() as served:
        for folder in ("static/", "assets/", "static/js/", "static/../../server.py", "assets/../app.py"):
            assert served.get(folder).status in (403, 404)


@needs_proc
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_program_that_hears_nothing_is_ended_with_the_server(number: int, status: int) -> None:
    with serving() as served:
        tab = served.get("ws", socket=True)
        programs = served.wait_for_programs(some=True)
        assert tab.status == 101
        assert served.stop(number) == (status, b"", b"")
        assert alive(programs) == set()


@needs_proc
def test_a_program_that_hears_nothing_is_ended_with_its_tab() -> None:
    with serving() as served:
        served.get("ws", socket=True)
        served.wait_for_programs(some=True)
        served.hang_up()
        served.wait_for_programs(some=False)


@needs_proc
def test_what_a_broken_program_says_is_an_error_and_its_tab_is_closed() -> None:
    with serving("raise SystemExit('broken')") as served:
        tab = served.get("ws", socket=True)
        # What comes is the end of the connection, and nothing before it: 0x88 is a closing frame.
        assert tab.fp.read(1) == b"\x88"
        status, out, err = served.stop()
        assert (status, out) == (0, b"")
        assert b"broken" in err


@pytest.mark.parametrize(
    "line", ["OPTIONS *", "GET http://127.0.0.1", "CONNECT rebound.example:80", "GET /\xff", "GET ?"]
)
def test_a_request_that_is_none_is_refused_without_a_word(line: str) -> None:
    with serving() as served:
        port = urlsplit(served.url).port
        with socket.create_connection(("127.0.0.1", port or 0), timeout=30) as connection:
            connection.sendall(f"{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode("latin-1"))
            assert connection.recv(12)[-3:] in (b"400", b"403")
        assert served.stop() == (0, b"", b"")


@needs_proc
def test_a_message_that_is_none_closes_its_tab_and_nothing_else() -> None:
    with serving() as served:
        # All at once: a program that is ended has some seconds to do so.
        for message in ("no json", "{}", "[]", '["stdin", 5]', '["resize", {}]', '["stdin", "\\ud800"]'):
            served.get("ws", socket=True)
            served.wait_for_programs(some=True)
            tab = served._connections[-1].sock
            assert tab is not None
            tab.sendall(bytes((0x81, 0x80 | len(message))) + bytes(4) + message.encode())
        served.wait_for_programs(some=False)
        assert served.get().status == 200
        assert served.stop() == (0, b"", b"")


# A window is told to a program as it is, but none is as large as that: its screen would fill all memory.
_SIZES = "import os, pathlib; pathlib.Path({file!r}).write_text(os.environ['COLUMNS'] + ' ' + os.environ['ROWS'])"


@needs_proc
def test_a_window_is_at_most_as_large_as_windows_are(tmp_path: Path) -> None:
    file = tmp_path / "sizes"
    with serving(_SIZES.format(file=str(file))) as served:
        served.get(f"ws?width={10**9}&height=-5", socket=True)
        wait_until(lambda: file.exists() and file.read_text("utf-8") != "", file.exists)
        served.wait_for_programs(some=False)
        assert file.read_text("utf-8") == "1000 1"


def test_a_taken_port_is_named_with_a_free_one() -> None:
    with socket.socket() as taking:
        taking.bind(("127.0.0.1", 0))
        taking.listen()
        taken = taking.getsockname()[1]
        said = re.fullmatch(r"Port (\d+) is taken; add --port (\d+)\.", refused("ui", "--web", "--port", str(taken)))
    assert said
    assert int(said[1]) == taken < int(said[2])


@pytest.mark.parametrize("port", ["-1", "65536", str(10**30)])
def test_a_number_that_is_no_port_is_a_wrong_command_line(port: str) -> None:
    said = refused("ui", "--web", "--port", port, status=2)
    assert said == f"--port {port} is no port; expected 1 to 65535, or 0 for any that is free."


def test_without_textual_serve_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "textual_serve", None)
    said = refused("ui", "--web", "--port", "0")
    assert said == "--web needs textual-serve, which is not installed: pip install 'rnn-calc[web]'"
