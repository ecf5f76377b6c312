"""Whole pages at 80 columns without colour; UPDATE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.files.examples import example_names
from tests.commandline import calc

GOLDEN = Path(__file__).parent.parent / "golden"
# One BLAS and another differ in last digits, and a plot's cell may flip with them; words and tables may not.
PAGES = {
    "shapes": ("shapes",),
    **{f"shapes-{name}": ("shapes", "--convention", name) for name in CONVENTIONS if name != "equinox"},
    "shapes-equinox": ("shapes", "--convention", "equinox", "--cell", "gru"),  # it has no plain network
    "shapes-batch": ("shapes", "--steps", "20", "--batch", "32"),
    "shapes-time-first": ("shapes", "--steps", "20", "--batch", "32", "--time-first"),
    "shapes-many-to-one": ("shapes", "--steps", "4", "--mode", "many-to-one", "--unroll", "4"),
    "shapes-one-to-many": ("shapes", "--steps", "4", "--mode", "one-to-many", "--unroll", "4"),
    "shapes-seq2seq": ("shapes", "--steps", "3", "--mode", "seq2seq", "--decoder-steps", "2", "--unroll", "3"),
    "shapes-unroll": ("shapes", "--unroll", "7"),
    "shapes-unroll-stack": ("shapes", "--layers", "2", "--bidirectional", "--mode", "many-to-one", "--unroll", "2"),
    "shapes-lstm": ("shapes", "--cell", "lstm"),
    "shapes-gru-keras": ("shapes", "--cell", "gru", "--convention", "keras", "--steps", "20", "--batch", "32"),
    "shapes-embedding": ("shapes", "--vocab", "9", "--tied", "-i", "3", "-o", "9", "--convention", "row"),
    "shapes-stack": (
        *("shapes", "--cell", "lstm", "--layers", "2", "--bidirectional", "--convention", "pytorch"),
        *("--steps", "20", "--batch", "32"),
    ),
    "shapes-layers": ("shapes", "--layers", "12", "--steps", "3", "--unroll", "3", "--mode", "seq2seq"),
    "shapes-lengths": ("shapes", "--cell", "gru", "--convention", "pytorch", "--lengths", "7,3,1"),
    "shapes-got-gates": (
        *("shapes", "--cell", "gru", "--convention", "pytorch", "--steps", "5", "--batch", "7"),
        *("--got", "weight_ih_l0=12,4", "--got", "weight_hh_l0[r]=3,3", "--got", "input=7,5,4"),
    ),
    "shapes-got": ("shapes", "--got", "W_xh=4,3", "--got", "W_hh=3,3", "--got", "b_h=3,1", "--got", "x_t=5"),
    **{f"params-{name}": ("params", "--convention", name) for name in CONVENTIONS if name != "equinox"},
    "params-equinox": ("params", "--convention", "equinox", "--cell", "gru"),  # it has no plain network
    "params-stack": ("params", "--cell", "lstm", "--layers", "12", "--bidirectional", "--convention", "pytorch"),
    "params-widths": ("params", "--cell", "lstm", "--d-h", "6,7,5", "--d-in", "5", "--vocab", "9", "--tied"),
    "budget": ("params", "--budget", "1M", "--cell", "lstm", "--d-in", "64", "--layers", "2", "-c", "pytorch"),
    "budget-bytes": ("params", "--budget", "48MiB", "--dtype", "float16", "--cell", "gru", "--bidirectional"),
    "reverse-count": ("params", "--total", "3938304", "--limit", "12"),
    "params-conventions": ("params", "--cell", "gru", "-i", "64", "-H", "256", "-o", "0", "--all-conventions"),
    "params-mgu": ("params", "--cell", "mgu", "--all-conventions"),
    "params-large": ("params", "--d-in", "50", "--d-h", "128", "--d-out", "0", "--steps", "20"),
    "params-huge": ("params", "--d-h", "1000000000"),
    "cost": ("cost",),
    "cost-lstm": ("cost", "--cell", "lstm", "-i", "64", "-H", "128", "-T", "100", "-B", "32", "--truncate", "35"),
    "cost-stack": ("cost", "--cell", "gru", "--layers", "2", "--bidirectional", "--lengths", "7,3,1", "--count", "all"),
    "cells": ("cells",),
    "cells-keras": ("cells", "gru", "--convention", "keras"),
    "compare": ("compare",),
    "compare-conventions": ("compare", "--conventions", "pytorch,keras,flax", "--cell", "gru"),
    "compare-networks": ("compare", "--cell", "lstm", "--d-h", "128", "--with", "--cell gru --d-h 148"),
    "trace": ("trace",),
    "trace-explain": ("trace", "--steps", "2", "--explain"),
    "trace-explain-row": ("trace", "--steps", "2", "--explain", "--convention", "row"),
    "trace-long": ("trace", "--steps", "100", "--d-h", "12"),
    **{f"trace-{name}": ("trace", "--cell", name, "-T", "3", "-H", "2") for name in CELLS if name != "rnn"},
    "trace-stack": ("trace", "--cell", "lstm", "--layers", "3", "--d-h", "3,4,2", "-T", "2", "--convention", "pytorch"),
    "trace-two-directions": ("trace", "--cell", "gru", "--bidirectional", "--layers", "2", "-T", "3", "-H", "2"),
    "trace-layer": ("trace", "--layers", "2", "--layer", "1", "-T", "3", "-H", "2"),
    "trace-projected": ("trace", "--cell", "lstm", "--proj", "2", "-T", "2", "--explain", "--unit", "1"),
    "trace-explain-tokens": (
        *("trace", "--explain", "--vocab", "5", "--tied", "-o", "5", "-i", "2", "-H", "2", "-T", "2"),
        *("--bidirectional", "--merge", "average"),
    ),
    "trace-explain-gru": ("trace", "--cell", "gru", "--layers", "2", "-T", "2", "-H", "2", "-o", "0", "--explain"),
    "trace-step": ("trace", "--step", "2", "--unit", "1"),
    "trace-step-row": ("trace", "--step", "2", "--unit", "3", "--convention", "row", "-T", "30", "--vocab", "5"),
    "trace-step-lstm": ("trace", "--cell", "lstm", "--d-h", "2", "--step", "2", "--unit", "1"),
    **{f"trace-{name}": ("trace", "--example", name) for name in example_names()},
    "gradient-decay": ("gradient-decay",),
    "gradient-decay-radii": ("gradient-decay", "--d-h", "32", "--spectral-radius", "0.5,1,1.5"),
    **{f"gradient-decay-{name}": ("gradient-decay", "--cell", name) for name in CELLS if name != "rnn"},
    "gradient-decay-lstm-norms": ("gradient-decay", "--cell", "lstm", "--spectral-norm", "0.5,1", "-c", "pytorch"),
    "gradient-decay-layer": (
        *("gradient-decay", "--cell", "lstm", "--layers", "2", "--bidirectional"),
        *("--layer", "1", "--direction", "backward", "--steps", "8", "--jacobian", "2"),
    ),
    # Short and calm: chaos would make of one BLAS's last digit another's first.
    "sweep": (
        "sweep",
        "--d-h",
        "4",
        "--steps",
        "20",
        "--over",
        "spectral-radius=0.5:1.5:3",
        "--over",
        "activation=tanh,identity",
    ),
    "sweep-curve": ("sweep", "--cell", "lstm", "--over", "forget-bias=-2:4:4", "--steps", "20", "--repeats", "3"),
    "bptt": ("bptt",),
    "bptt-path": ("bptt", "--example", "tiny", "--path", "W_xh[0,0]@1"),
    "bptt-path-lstm": (
        "bptt",
        "--cell",
        "lstm",
        "--d-h",
        "2",
        "--steps",
        "12",
        "--path",
        "W_xi[0,0]@2",
        "--to",
        "loss",
    ),
    "bptt-truncate": ("bptt", "--d-h", "8", "--steps", "30", "--truncate", "1..20"),
    "bptt-stack": (
        *("bptt", "--cell", "gru", "--layers", "2", "--bidirectional", "--convention", "pytorch"),
        *("--steps", "4", "--loss", "cross-entropy", "--truncate", "2", "--clip", "1"),
    ),
    "gradient-decay-families": ("gradient-decay", "--cell", "lstm", "--family", "both", "--through", "h,state"),
    "gradient-decay-across": ("gradient-decay", "--layers", "2", "--across", "--steps", "20", "--no-remedies"),
    "gradient-decay-pairs": ("gradient-decay", "--steps", "24", "--pairs", "--singular-values", "2", "--lyapunov", "2"),
    "gradient-decay-from-loss": ("gradient-decay", "--cell", "lstm", "--from-loss", "--loss", "mse"),
    "gradient-decay-ensemble": ("gradient-decay", "--ensemble", "12", "--spectral-radius", "0.8,1.6"),
    "gradient-decay-jacobian": ("gradient-decay", "--example", "tiny", "--jacobian", "1"),
    **{f"gradient-decay-{name}": ("gradient-decay", "--example", name) for name in example_names() if name != "tiny"},
    "inspect": ("inspect",),
    "inspect-spectra": ("inspect", "--spectra"),
    "export": ("export",),
    "export-lstm": ("export", "--cell", "lstm", "--bidirectional", "--convention", "onnx"),
    "examples": ("examples",),
}


def page(name: str) -> str:
    result = calc(*PAGES[name])
    assert result.status == (1 if name.startswith("shapes-got") else 0), result.err
    return f"$ rnncalc {' '.join(PAGES[name])}\n{result.out}{result.err}"


def without_rounding(text: str) -> str:
    """A page without the numbers that are about rounding, so rounding themselves, and how each norm was proved."""
    for part in (
        r"^(estimated rounding.*?)[\d.e -]+$",
        r"(interval for each, )[^.]*\.",
        r"(at most )\S+(?= of a norm)",
        r"(product itself, about )\S+",
    ):
        text = re.sub(part, r"\1", text, flags=re.MULTILINE)
    return text


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_the_golden_one(name: str) -> None:
    path = GOLDEN / f"{name}.txt"
    text = page(name)
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    assert without_rounding(text) == without_rounding(path.read_text("utf-8"))


def test_there_is_no_golden_file_without_its_page() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(PAGES)


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("params")])
def test_the_counts_of_a_golden_page_add_up_to_its_total(name: str) -> None:
    text = (GOLDEN / f"{name}.txt").read_text("utf-8")
    for title in ("Parameters", "Closed form"):
        table = re.split(rf"^{title}$", text, flags=re.MULTILINE)[1].split("\n\n")
        # The total stands under an empty line of its own table.
        stacked = "\n  count " in table[0]
        rows = "\n".join(table[: 1 if stacked else 2]).splitlines()
        counts = [
            int(found[1].replace(",", "")) for row in rows if (found := re.search(r"(?:  |count )([\d,]+)$", row))
        ]
        assert len(counts) >= 2
        assert sum(counts[:-1]) == counts[-1]
