"""How a table fits a page: no number is folded or cut; what is too wide is split, and at last stacked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rnn_calc.show.document import Column, Kind, Layout, Table
from rnn_calc.show.folding import cell_len
from rnn_calc.show.format import write_value

# A blank, a line or another blank, and a blank stand between two columns.
_GAP = 3
# A column of these may be folded between words, down to so many characters; other columns keep every cell whole.
_FOLDABLE: dict[Kind, int] = {"text": 16, "math": 16, "shape": 16, "verdict": 16, "vector": 24}
# A longer word than this is no number of ours, and may be folded in the middle.
_LONGEST_WORD = 30


class Part(NamedTuple):
    """A table, or some columns of it, with a width for each; no widths: its rows must be stacked."""

    table: Table
    widths: tuple[int, ...]


def fit_table(table: Table, layout: Layout, clean: Callable[[str], str]) -> list[Part]:
    """The table as parts that each fit the page: the columns before the first number stand in every one."""
    columns = [_cells(table, index, layout, clean) for index in range(len(table.columns))]
    natural = [max(map(cell_len, cells)) for cells in columns]
    least = [_least(cells, column, whole) for cells, column, whole in zip(columns, table.columns, natural, strict=True)]
    kinds = [column.kind for column in table.columns]
    keys = next((i for i, kind in enumerate(kinds) if kind in ("number", "count")), len(kinds))
    room = layout.width - sum(least[:keys]) - _GAP * keys
    groups: list[list[int]] = [[]]
    used = 0
    for index in range(keys, len(least)):
        if groups[-1] and used + least[index] > room:
            groups.append([])
            used = 0
        groups[-1].append(index)
        used += least[index] + _GAP
    chosen = [[*range(keys), *group] for group in groups]
    fitted = [
        _shrink([natural[i] for i in part], [least[i] for i in part], layout.width - _GAP * (len(part) - 1))
        for part in chosen
    ]
    if not all(fitted):
        return [Part(table, ())]
    return [
        Part(_columns_of(table, part, n), widths) for n, (part, widths) in enumerate(zip(chosen, fitted, strict=True))
    ]


def _cells(table: Table, index: int, layout: Layout, clean: Callable[[str], str]) -> list[str]:
    column = table.columns[index]
    rows = (*table.rows, *(() if table.total is None else (table.total,)))
    return [clean(column.heading), *(clean(write_value(row[index], column.kind, layout.precision)) for row in rows)]


def _least(cells: Sequence[str], column: Column, natural: int) -> int:
    """How narrow a column can be without folding a word that may be a number."""
    if column.kind not in _FOLDABLE:
        return natural
    longest = max((cell_len(word) for cell in cells for word in cell.split()), default=0)
    if column.kind in ("text", "verdict"):
        longest = min(longest, _LONGEST_WORD)
    return min(natural, max(_FOLDABLE[column.kind], longest))


def _shrink(natural: list[int], least: list[int], room: int) -> tuple[int, ...]:
    """Widths that fit in `room`, the widest columns folded first; none where nothing fits."""
    widths = list(natural)
    while sum(widths) > room:
        excess, index = max(
            (width if width > low else 0, i) for i, (width, low) in enumerate(zip(widths, least, strict=True))
        )
        if not excess:
            return ()
        widths[index] -= 1
    return tuple(widths)


def _columns_of(table: Table, indices: list[int], part: int) -> Table:
    return Table(
        table.title if part == 0 else f"{table.title} (continued)",
        tuple(table.columns[index] for index in indices),
        tuple(tuple(row[index] for index in indices) for row in table.rows),
        None if table.total is None else tuple(table.total[index] for index in indices),
    )
