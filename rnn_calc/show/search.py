"""SearchReport → document, JSON, CSV."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.errors import listed
from rnn_calc.core.search import Found, Search, SearchReport
from rnn_calc.show.document import COUNT_FIRST, Block, Column, Document, Table, Text
from rnn_calc.show.format import plural
from rnn_calc.show.output import View, json_object

_TEXTBOOKS = tuple(name for name, convention in CONVENTIONS.items() if not convention.is_framework)
_DIRECTIONS = {1: "one", 2: "both"}


def search_view(report: SearchReport) -> View:
    """The networks of a total in every format."""
    return View("params", partial(_document, report), partial(_json, report), partial(_csv, report))


def _document(report: SearchReport) -> Document:
    search = report.search
    whole = f"{report.total_count:,} networks have" if report.total_count != 1 else "1 network has"
    blocks: list[Block] = [Text(tuple(_searched(search)), "muted", f"{whole} exactly {search.total:,} parameters")]
    if report.likely:
        blocks.append(_table("Round sizes, fewest layers and directions first", report.likely, report.likely_count))
    if report.total_count > min(report.likely_count, len(report.likely)):
        blocks.append(_table("Smallest sizes first", report.smallest, report.total_count))
    blocks.append(Text(tuple(_ending(report)), "muted"))
    return Document(tuple(blocks))


def _searched(search: Search) -> Iterator[str]:
    """What was searched, in words."""
    cells = "every cell" if len(search.cells) == len(CELLS) else listed(search.cells)
    conventions = "every convention" if len(search.conventions) == len(CONVENTIONS) else listed(search.conventions)
    biases = "its own number of biases" if search.biases is None else f"{plural(search.biases, 'bias')[:-1]}es a gate"
    yield f"searched: {cells}, under {conventions} with {biases if search.biases != 1 else '1 bias a gate'};"
    several = len(search.layers) > 1 and not isinstance(search.d_h, tuple)
    depth = f"{search.layers[0]} to {search.layers[-1]} layers" if several else _layers(search)
    both = "one direction and both" if len(search.directions) > 1 else f"{_DIRECTIONS[search.directions[0]]} direction"
    yield f"{depth}, {both}{'s' if search.directions == (2,) else ''}; {', '.join(_sizes(search))}"


def _layers(search: Search) -> str:
    return plural(len(search.d_h) if isinstance(search.d_h, tuple) else search.layers[0], "layer")


def _sizes(search: Search) -> Iterator[str]:
    """Each size: given, or any."""
    yield "any d_in" if search.d_in is None else f"d_in = {search.d_in}"
    widths = ", ".join(map(str, search.d_h)) if isinstance(search.d_h, tuple) else search.d_h
    yield "any d_h" if widths is None else f"d_h = {widths}"
    if search.d_p:
        yield f"projected to {search.d_p}"
    yield f"an embedding of {search.vocab}" if search.vocab else "no embedding"
    if search.tied:
        yield "tied to the readout"
    else:
        yield f"d_out = {search.d_out}" if search.d_out else "no readout"


def _table(title: str, found: tuple[Found, ...], count: int) -> Table:
    columns = (
        Column("cell"),
        Column("conventions"),
        Column("layers", "index"),
        Column("directions"),
        Column("d_in", "count", "math"),
        Column("d_h", "count", "math"),
    )
    rows = tuple(
        (each.cell, _conventions(each), each.layers, _DIRECTIONS[each.directions], each.d_in, _width(each))
        for each in found
    )
    shown = f"{len(found)} of {count:,}" if len(found) < count else f"all {count:,}" if count > 1 else "1"
    return Table(f"{title}: {shown}", columns, rows)


def _conventions(found: Found) -> str:
    """The conventions, those of textbooks in one word."""
    if set(_TEXTBOOKS) <= set(found.conventions):
        return ", ".join(["textbooks", *(name for name in found.conventions if name not in _TEXTBOOKS)])
    return ", ".join(found.conventions)


def _width(found: Found) -> int | str:
    return ", ".join(map(str, found.d_h)) if isinstance(found.d_h, tuple) else found.d_h


def _ending(report: SearchReport) -> Iterator[str]:
    """Whether that is all, and how to go on."""
    search = report.search
    if not report.complete:
        yield "The search gave up before it had tried every width: there may be more, of less balanced sizes."
        yield "With --cell, --convention, --layers, --d-in or --d-h it has less to search and goes further."
    elif report.total_count:
        yield "There is no other within what was searched."
    if not report.total_count:
        yield "A readout is searched with -o N, an embedding with --vocab N, a projection with --proj N."
    for found in (report.likely or report.smallest)[:1]:
        yield f"{COUNT_FIRST}{_counting(search, found)}"


def _counting(search: Search, found: Found) -> str:
    """The command that counts a network that was found."""
    width = ",".join(map(str, found.d_h)) if isinstance(found.d_h, tuple) else found.d_h
    convention = next((name for name in found.conventions if name not in _TEXTBOOKS), found.conventions[0])
    words = [f"rnncalc params --cell {found.cell} --convention {convention} -i {found.d_in} -H {width}"]
    options = {
        "--layers": 0 if found.layers == 1 or isinstance(found.d_h, tuple) else found.layers,
        "--bidirectional": found.directions == 2,
        "--merge": search.merge if found.directions == 2 and search.merge != "concat" else "",
        "--proj": search.d_p,
        "--vocab": search.vocab,
        "--tied": search.tied,
        "--no-readout-bias": not search.readout_bias,
    }
    words += [name if value is True else f"{name} {value}" for name, value in options.items() if value]
    if search.biases is not None:
        words.append(f"--biases {search.biases}")
    return " ".join(words if search.tied else [*words, f"-o {search.d_out}"])


def _json(report: SearchReport) -> Iterator[str]:
    search = report.search
    searched = {
        "cells": search.cells,
        "conventions": search.conventions,
        "layers": (len(search.d_h),) if isinstance(search.d_h, tuple) else search.layers,
        "directions": search.directions,
        "d_in": search.d_in,
        "d_h": search.d_h,
        "d_p": search.d_p,
        "vocab": search.vocab,
        "tied": search.tied,
        "d_out": search.d_out,
        "readout_bias": search.readout_bias,
        "merge": search.merge,
        "biases": search.biases,
    }
    content = {
        "total": search.total,
        "searched": searched,
        "complete": report.complete,
        "count": report.total_count,
        "found": [found._asdict() for found in report.smallest],
        "likely_count": report.likely_count,
        "likely": [found._asdict() for found in report.likely],
    }
    return json_object("params", content)


def _csv(report: SearchReport) -> Iterator[tuple[object, ...]]:
    yield ("cell", "conventions", "biases", "layers", "directions", "d_in", "d_h")
    for found in report.smallest:
        conventions = " ".join(found.conventions)
        width = " ".join(map(str, found.d_h)) if isinstance(found.d_h, tuple) else found.d_h
        yield (found.cell, conventions, found.biases, found.layers, found.directions, found.d_in, width)
