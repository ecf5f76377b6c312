"""The process beside the screen: it runs command lines and hands back the lines of their pages.

Another process, so that heavy work can never hold up a key, and can be dropped at once: by ending it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from rnn_calc.commands.answer import Answer
from rnn_calc.commands.parsing import answer_of
from rnn_calc.commands.processes import Lines
from rnn_calc.core.errors import RnnCalcError
from rnn_calc.show.document import AGAIN, Block, Document, Layout, Text
from rnn_calc.show.page import page_lines
from rnn_calc.show.progress import listen

# Seconds in which a request comes that was sent when the process was started.
_GRACE = 0.05

# Imported while nothing else is asked for, so that the first heavy tab is as quick as the second.
_SOON = (
    *(f"rnn_calc.commands.{name}" for name in ("params", "cost", "running", "trace", "expected")),
    *("rnn_calc.core.decay", "rnn_calc.core.gradients", "rnn_calc.core.stored_gradients", "uniplot"),
    *(f"rnn_calc.show.{name}" for name in ("shapes", "counts", "cost", "trace", "decay", "bptt")),
)


def serve() -> None:
    """Answer the requests that come in, one a line, until stdin is closed.

    A request is an object with `id`, `op` (a function of `_OPERATIONS`) and its arguments; the answer has its `id`,
    and what the operation gives, or `error` (a message) with the `kind` of error, or `bug` (a traceback). Before it may
    come news, which have the `id` too: `progress`, and a page that is a `sketch`.
    """
    lines, soon = Lines(), iter(_SOON)
    desk = _Desk(lines.write)
    listen(desk.progress)
    # What reads stdin, as --sequence - does, finds nothing: the requests are not for it.
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 - it stays for the process's life
    while True:
        request = json.loads(_read(lines, soon))
        desk.number = request.pop("id")
        record: dict[str, object]
        try:
            record = _OPERATIONS[request.pop("op")](desk, **request)
        except RnnCalcError as error:
            record = {"error": str(error), "kind": type(error).__name__}
        except MemoryError:
            record = {"error": "This needs more memory than there is. Take smaller sizes.", "kind": "TooLargeError"}
        except Exception:
            record = {"bug": traceback.format_exc()}
        desk.tell(record)


def _read(lines: Lines, soon: Iterator[str]) -> bytes:
    """The next request; until it comes, one module after the other is imported that will be needed."""
    line = lines.poll(_GRACE)
    if line is not None:
        return line
    for module in soon:
        # What cannot be imported is told of where it is needed.
        with contextlib.suppress(Exception):
            import_module(module)
        line = lines.poll()
        if line is not None:
            return line
    return lines.read()


class _Desk:
    """What was answered last, so that another width or a file of it costs no second calculation.

    `number` is that of the request which is worked on.
    """

    def __init__(self, write: Callable[[object], None]) -> None:
        self.number = 0
        self._write = write
        self._asked: tuple[str, list[str]] | None = None
        self._answer: Answer | None = None
        self._document: Document | None = None

    def tell(self, record: dict[str, object]) -> None:
        """Say something of the request."""
        self._write({"id": self.number, **record})

    def progress(self, what: str, done: int, total: int | None) -> None:
        """Say how far it is."""
        self.tell({"progress": what, "share": done / total if total else None})

    def answer(
        self, command: str, args: list[str], sketched: Callable[[Answer, Document], None] | None = None
    ) -> tuple[Answer, Document]:
        """What a command line gives; `sketched` is told what there is of it before the rest is."""
        if self._asked != (command, args) or not (self._answer and self._document):
            self._asked = None
            self._answer = answer_of(command, args)
            sketch = self._answer.view.sketch
            if sketch and sketched:
                sketched(self._answer, sketch())
            self._document = self._answer.view.document()
            self._asked = (command, args)
        return self._answer, self._document


def _page(desk: _Desk, command: str, args: list[str], layout: list[Any]) -> dict[str, object]:
    """The page of a command line, and what its options, file and defaults come to."""

    def page(answer: Answer, document: Document) -> dict[str, object]:
        lines = page_lines(_results_first(document), Layout(*layout), fold_commands=True)
        return {"lines": list(lines), "effective": _effective(answer)}

    def sketched(answer: Answer, document: Document) -> None:
        desk.tell({**page(answer, document), "sketch": True})

    return page(*desk.answer(command, args, sketched))


def _results_first(document: Document) -> Document:
    """The same with the notes on where its numbers came from at the end: a screen shows what stands first."""
    return Document(tuple(sorted(document.blocks, key=_is_note)))


def _is_note(block: Block) -> bool:
    return isinstance(block, Text) and any(line.startswith(AGAIN) for line in block.lines)


def _effective(answer: Answer) -> dict[str, str]:
    """What the fields of the form stand for where they are empty."""
    if answer.setup is None:
        return {}
    network, model = answer.setup.network, answer.setup.model
    widths = network.widths if len(set(network.widths)) > 1 else network.widths[:1]
    found: dict[str, object] = {
        "d_in": network.d_in,
        "d_h": ",".join(map(str, widths)),
        "d_out": network.d_out,
        "cell": network.cell.name,
        "convention": answer.setup.convention.name,
        "layers": network.layers,
        "directions": network.directions,
        "activation": network.activation if network.cell.has_activation else "",
        "seed": model.seed or 0,
        "init": model.init or "gaussian",
    }
    if answer.steps is not None:
        found["steps"] = answer.steps
    return {name: str(value) for name, value in found.items()}


def _save(desk: _Desk, command: str, args: list[str], path: str, *, force: bool) -> dict[str, object]:
    """The same result in a file, in the format of its suffix."""
    from rnn_calc.core.errors import UsageError
    from rnn_calc.show.output import SUFFIXES, emit, format_of, resolve_destination

    if path == "-":
        raise UsageError("- is stdout, which this screen is drawn on: give the name of a file.")
    destination = resolve_destination(format_of(path, SUFFIXES), as_json=False, output=path, force=force, precision=4)
    answer, _ = desk.answer(command, args)
    emit(answer.view, destination)
    return {"saved": path}


def _question(
    _: _Desk, seed: int, number: int, topics: list[str], level: str, layout: list[Any], answer: str | None = None
) -> dict[str, object]:
    """A question of a quiz; with an answer, the verdict on it and how the right one comes about."""
    from rnn_calc.core.errors import UsageError, quoted
    from rnn_calc.quiz.listing import answered_blocks, asked_blocks
    from rnn_calc.quiz.quiz import LEVELS, question_at

    if level not in ("", *map(str, LEVELS)):
        raise UsageError(f"There is no level {quoted(level)}; it must be 1, 2 or 3, or empty for all of them.")
    question = question_at(seed, number, topics, int(level) if level else None)
    blocks, found = asked_blocks(question, str(number)), {}
    if answer is not None:
        verdict = question.expected.judge(answer)
        found = {"right": verdict.right, "message": verdict.message}
        if verdict.right is not None:
            blocks = (*blocks, *answered_blocks(question, verdict))
    return {**found, "lines": list(page_lines(Document(blocks), Layout(*layout), fold_commands=True))}


_OPERATIONS: dict[str, Callable[..., dict[str, object]]] = {
    "page": _page,
    "save": _save,
    "question": _question,
    "judge": _question,
}
