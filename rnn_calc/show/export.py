"""What `rnncalc export` writes, array by array → document, JSON, CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

from rnn_calc.core.memory import write_bytes
from rnn_calc.core.notation import Notation, write_shape
from rnn_calc.show.document import Column, Document, Table, Text, Value
from rnn_calc.show.format import plural
from rnn_calc.show.heading import describe_network
from rnn_calc.show.output import View, json_object

_SIZES = {"float64": 8, "float32": 4}


class ExportShown(NamedTuple):
    """A network as it is written: `origins` says for each symbol which arrays it was made of."""

    notation: Notation
    origins: Mapping[str, tuple[str, ...]]
    path: str | None
    dtype: str
    notes: tuple[str, ...]


def export_view(shown: ExportShown) -> View:
    """The list of arrays in every format."""
    return View("export", partial(_document, shown), partial(_json, shown), partial(_csv, shown))


def _document(shown: ExportShown) -> Document:
    notation = shown.notation
    columns = (
        Column("array", "math"),
        Column("shape", "shape"),
        Column("gates", "math"),
        Column("made of", "math"),
        Column("count", "count"),
    )
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (
            stored.symbol,
            write_shape(notation.shape(stored)),
            " ".join(stored.gates),
            ", ".join(shown.origins[stored.symbol]),
            notation.count(stored),
        )
        for stored in notation.stored
    )
    shown_columns = [i for i in range(len(columns)) if not _says_nothing(i, rows)]
    table = Table(
        "Arrays",
        tuple(columns[i] for i in shown_columns),
        tuple(tuple(row[i] for i in shown_columns) for row in rows),
        tuple(("total", "", "", "", notation.total)[i] for i in shown_columns),
    )
    size = write_bytes(notation.total * _SIZES[shown.dtype])
    written = f"{plural(len(rows), 'array')}, {size} as {shown.dtype}"
    done = f"Written to {shown.path}: {written}" if shown.path else f"Nothing is written yet ({written}): {_ADVICE}"
    heading = describe_network(notation.network, notation.convention)
    return Document((heading, table, Text((*shown.notes, done), "muted")))


def _says_nothing(column: int, rows: tuple[tuple[Value, ...], ...]) -> bool:
    """Whether a column is empty, or says of every array that it is drawn, or made of itself."""
    if column not in (_GATES, _MADE_OF):
        return False
    cells = {row[column] for row in rows}
    return cells <= {""} or cells == {"drawn"} or all(row[column] == row[0] for row in rows)


# Columns that not every network fills.
_GATES, _MADE_OF = 2, 3

_ADVICE = "add -O NAME.safetensors, .npz or .toml."


def _json(shown: ExportShown) -> Iterator[str]:
    notation, network = shown.notation, shown.notation.network
    content = {
        "file": shown.path,
        "convention": notation.convention.name,
        "cell": network.cell.name,
        "activation": network.activation if network.cell.has_activation else None,
        "dtype": shown.dtype,
        "total": notation.total,
        "bytes": notation.total * _SIZES[shown.dtype],
        "arrays": [
            {
                "symbol": stored.symbol,
                "shape": list(notation.shape(stored)),
                "gates": list(stored.gates),
                "made_of": list(shown.origins[stored.symbol]),
                "count": notation.count(stored),
            }
            for stored in notation.stored
        ],
        "notes": list(shown.notes),
    }
    return json_object("export", content)


def _csv(shown: ExportShown) -> Iterator[tuple[object, ...]]:
    notation = shown.notation
    yield ("symbol", "shape", "gates", "made_of", "count")
    for stored in notation.stored:
        shape = "x".join(map(str, notation.shape(stored)))
        made_of = " ".join(shown.origins[stored.symbol])
        yield (stored.symbol, shape, " ".join(stored.gates), made_of, notation.count(stored))
