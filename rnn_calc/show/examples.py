"""The worked examples as a list, and one example's file as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial

from rnn_calc.show.document import Column, Document, Figure, Layout, Line, Table, Text
from rnn_calc.show.output import View, json_object


@dataclass(frozen=True)
class ExampleShown:
    """One line of the list: what the example is, where it is from, and the commands that check its values."""

    name: str
    title: str
    source: str
    commands: tuple[str, ...]


def examples_view(examples: Sequence[ExampleShown]) -> View:
    """The list of examples in every format."""
    return View(
        "examples",
        partial(_document, examples),
        lambda: json_object("examples", {"rows": [asdict(example) for example in examples]}),
        partial(_csv, examples),
    )


def _document(examples: Sequence[ExampleShown]) -> Document:
    columns = (Column("example"), Column("what"), Column("checked by"), Column("source"))
    rows = tuple((e.name, e.title, ", ".join(e.commands), e.source) for e in examples)
    hint = "Run one: rnncalc trace --example cat-sat-here --check. Its file: rnncalc examples cat-sat-here."
    return Document((Table("Worked examples", columns, rows), Text((hint,), "muted")))


def _csv(examples: Sequence[ExampleShown]) -> Iterator[tuple[object, ...]]:
    yield ("example", "title", "commands", "source")
    for example in examples:
        yield (example.name, example.title, " ".join(example.commands), example.source)


def example_view(name: str, toml: str) -> View:
    """One example's file, to be read or redirected into a file of one's own."""

    def draw(_: Layout) -> list[Line]:
        return [[(line, "")] for line in toml.splitlines()]

    def rows() -> Iterator[tuple[object, ...]]:
        yield ("example", "toml")
        yield (name, toml)

    return View(
        "examples",
        lambda: Document((Figure("", draw),)),
        lambda: json_object("examples", {"name": name, "toml": toml}),
        rows,
    )
