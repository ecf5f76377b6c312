from __future__ import annotations

import json
import re
from math import prod

import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS
from tests.commandline import calc, refused


def listing(*args: str) -> list[dict[str, object]]:
    result = calc("cells", "--json", *args)
    assert result.status == 0, result.err
    rows: list[dict[str, object]] = json.loads(result.out)["rows"]
    return rows


def evaluated(formula: str, **sizes: int) -> int:
    """4·d_h² + d_h·d_in with numbers put in, by nothing but a look at the text."""
    total = 0
    for term in formula.split(" + "):
        factors = [re.sub(r"(.*)²", r"\1·\1", factor) for factor in term.split("·")]
        names = "·".join(factors).split("·")
        total += prod(int(name) if name.isdecimal() else sizes[name] for name in names)
    return total


def test_every_cell_is_listed_with_its_source() -> None:
    rows = listing()
    assert [row["name"] for row in rows] == list(CELLS)
    for row in rows:
        assert re.search(r"(19|20)\d\d", str(row["source"])), row
        assert row["equations"]


@pytest.mark.parametrize("name", CELLS)
def test_the_formula_counts_what_params_counts(name: str) -> None:
    (row,) = listing(name)
    counted = json.loads(calc("params", "--cell", name, "-i", "5", "-H", "7", "-o", "0", "--json").out)
    assert evaluated(str(row["formula"]), d_in=5, d_h=7) == counted["total"]
    gates = row["gates"]
    assert isinstance(gates, list)
    assert sum(evaluated(gate["formula"], d_in=5, d_h=7) for gate in gates) == counted["total"]


@pytest.mark.parametrize("name", ["gru", "gru-reset-before"])
def test_a_gru_says_what_its_update_gate_keeps(name: str) -> None:
    page = calc("cells", name).out
    assert "z = 1 keeps the old state" in page
    assert "h_t = z_t ⊙ h_{t-1} + (1 − z_t) ⊙ n_t" in page


def test_a_framework_lists_the_cells_that_it_ships() -> None:
    for convention in CONVENTIONS.values():
        names = [row["name"] for row in listing("--convention", convention.name)]
        assert names == [name for name in CELLS if not convention.cells or name in convention.cells]


def test_an_unknown_cell_is_answered_with_the_nearest() -> None:
    assert "Did you mean lstm?" in refused("cells", "lsmt", status=2)
    assert "keras has no mgu" in refused("cells", "mgu", "-c", "keras", status=2)
