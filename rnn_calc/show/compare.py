"""Networks side by side → document, JSON, CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

from rnn_calc.core.comparison import KINDS, Entry
from rnn_calc.core.notation import Stored, write_shape
from rnn_calc.show.document import Block, Column, Document, Table, Text, Value
from rnn_calc.show.heading import describe_network
from rnn_calc.show.output import View, json_object


def comparison_view(entries: tuple[Entry, ...], remarks: tuple[str, ...] = ()) -> View:
    """The comparison in every format; `remarks` say what was accepted and changes nothing."""
    return View("compare", partial(_document, entries, remarks), partial(_json, entries), partial(_csv, entries))


def _document(entries: tuple[Entry, ...], remarks: tuple[str, ...]) -> Document:
    headings = [describe_network(entry.network, entry.notation.convention) for entry in entries]
    lines = tuple(f"{entry.label}: {heading.title}" for entry, heading in zip(entries, headings, strict=True))
    blocks: list[Block] = [
        Text((*lines, *remarks), "", title="Side by side"),
        _count_table(entries),
        _shape_table(entries),
    ]
    differences = tuple(_differences(entries))
    if differences:
        blocks.append(Text(differences, "", title=f"What makes the difference to {entries[0].label}"))
    notes = {entry.network.cell.name: entry.network.cell.note for entry in entries if entry.network.cell.note}
    if notes:
        blocks.append(Text(tuple(f"{name}: {note}." for name, note in notes.items()), "muted"))
    return Document(tuple(blocks))


def _kinds(entries: tuple[Entry, ...]) -> list[str]:
    """The kinds of parameters that any of the networks has."""
    return [kind for kind in KINDS if any(entry.by_kind[kind] for entry in entries)]


def _count_table(entries: tuple[Entry, ...]) -> Table:
    columns = (Column("count"), *(Column(entry.label, "count") for entry in entries))
    rows: list[tuple[Value, ...]] = [
        (f"parameters: {kind}", *(entry.by_kind[kind] for entry in entries)) for kind in _kinds(entries)
    ]
    first = entries[0].counts.total
    rows += [
        ("parameters in all", *(entry.counts.total for entry in entries)),
        (f"more than {entries[0].label}", *(entry.counts.total - first for entry in entries)),
        ("bytes of weights, float32", *(4 * entry.counts.total for entry in entries)),
        ("multiply-adds a step, forward", *(entry.multiply_adds for entry in entries)),
        ("… that need the step before", *(entry.waiting for entry in entries)),
        ("numbers a step keeps for BPTT", *(entry.kept for entry in entries)),
    ]
    return Table("Counts and cost", columns, tuple(rows))


def _shape_table(entries: tuple[Entry, ...]) -> Table:
    columns = (Column("arrays"), *(Column(entry.label, "shape") for entry in entries))
    rows: list[tuple[Value, ...]] = [
        (kind, *(_arrays(entry, entry.stored(kind)) for entry in entries)) for kind in _kinds(entries)
    ]
    rows.append(("biases a gate", *(entry.rule for entry in entries)))
    rows.append(
        ("states", *(", ".join(f"{name} ({width},)" for name, width in entry.states.items()) for entry in entries))
    )
    return Table("Shapes as they are stored", columns, tuple(rows))


def _arrays(entry: Entry, stored: tuple[Stored, ...]) -> str:
    """The arrays' shapes, equal ones together."""
    shapes = Counter(entry.notation.shape(one) for one in stored)
    words = [write_shape(shape) if many == 1 else f"{many} × {write_shape(shape)}" for shape, many in shapes.items()]
    return ", ".join(words) or "–"


def _differences(entries: tuple[Entry, ...]) -> Iterator[str]:
    """What each has more or less than the first; those of which the same is to be said together."""
    labels: dict[str, list[str]] = {}
    for entry in entries[1:]:
        labels.setdefault(_difference(entry, entries[0], _kinds(entries)), []).append(entry.label)
    for difference, names in labels.items():
        yield f"{', '.join(names)}: {difference}"


def _difference(entry: Entry, first: Entry, kinds: list[str]) -> str:
    if entry.network.sizes != first.network.sizes:
        more = {kind: entry.by_kind[kind] - first.by_kind[kind] for kind in kinds}
        changed = ", ".join(f"{count:+,} {kind}" for kind, count in more.items() if count)
        return f"{changed or 'nothing: the counts are equal'} (the sizes differ)"
    terms = ", ".join(f"{_signed(form.write(str))} of {kind}" for kind, form in entry.differences)
    rules = f": {entry.rule} against {first.rule}" if entry.rule != first.rule else ""
    return f"{terms}{rules}" if terms else "nothing, the counts are equal"


def _signed(form: str) -> str:
    return form if form.startswith("−") else f"+ {form}"


def _json(entries: tuple[Entry, ...]) -> Iterator[str]:
    rows = [
        {
            "label": entry.label,
            "cell": entry.network.cell.name,
            "convention": entry.notation.convention.name,
            "total": entry.counts.total,
            "formula": entry.counts.formula,
            "difference": entry.counts.total - entries[0].counts.total,
            "difference_terms": {kind: form.write(str) for kind, form in entry.differences},
            "parameters": {kind: count for kind, count in entry.by_kind.items() if count},
            "biases": entry.rule,
            "multiply_adds_per_step": entry.multiply_adds,
            "waiting_multiply_adds_per_step": entry.waiting,
            "kept_per_step": entry.kept,
            "states": entry.states,
            "arrays": [
                {"symbol": stored.symbol, "shape": list(entry.notation.shape(stored))}
                for stored in entry.notation.stored
            ],
        }
        for entry in entries
    ]
    return json_object("compare", {"rows": rows})


def _csv(entries: tuple[Entry, ...]) -> Iterator[tuple[object, ...]]:
    kinds = _kinds(entries)
    yield ("label", "cell", "convention", *kinds, "total", "multiply_adds_per_step", "kept_per_step")
    for entry in entries:
        counts = (entry.by_kind[kind] for kind in kinds)
        names = (entry.label, entry.network.cell.name, entry.notation.convention.name)
        yield (*names, *counts, entry.counts.total, entry.multiply_adds, entry.kept)
