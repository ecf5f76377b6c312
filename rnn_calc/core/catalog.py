"""Cells → their descriptions: equations, states, what each gate counts, and who else has them."""

from __future__ import annotations

from typing import NamedTuple

from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.conventions import CONVENTIONS, Convention, as_convention
from rnn_calc.core.counts import GateCount, count_notation
from rnn_calc.core.errors import DataError, did_you_mean, listed, quoted
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation


class CellEntry(NamedTuple):
    """One cell as a convention writes it.

    `gates` counts the parameters of each gate, `formula` all; `called` says which framework has it, as what.
    """

    cell: Cell
    equations: tuple[str, ...]
    gates: tuple[GateCount, ...]
    formula: str
    called: tuple[tuple[str, str], ...]


def describe_cells(
    names: tuple[str, ...] = (), convention: Convention | str = CONVENTIONS["xh"]
) -> tuple[CellEntry, ...]:
    """The cells of these names, in that order; without a name all that the convention writes.

    Raises: DataError for a name that there is not (with the nearest one), or that the convention cannot write.
    """
    convention = as_convention(convention)
    for name in names:
        if name not in CELLS:
            raise DataError(f"There is no cell {quoted(name)}; there are {listed(CELLS)}.{did_you_mean(name, CELLS)}")
    written = [cell for cell in CELLS.values() if not convention.cells or cell.name in convention.cells]
    return tuple(describe_cell(cell, convention) for cell in ([CELLS[name] for name in names] or written))


def describe_cell(cell: Cell, convention: Convention = CONVENTIONS["xh"]) -> CellEntry:
    """One cell as a convention writes it, whether or not it is one of ours."""
    # The sizes play no part: counts are shown as formulas.
    notation = Notation(Network(2, 2, cell=cell, biases=convention.biases(cell)), convention)
    report = count_notation(notation, steps=())
    equations = (f"{notation.vector(e)} = {notation.write(e.expression)}" for e in notation.network.equations)
    called = ((c.name, c.cells[cell.name].called) for c in CONVENTIONS.values() if cell.name in c.cells)
    return CellEntry(cell, tuple(equations), report.gates, report.formula, tuple(called))
