"""Which way imports run, and how long a file may grow."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import rnn_calc

PACKAGE = Path(rnn_calc.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# What the files of each part may not import, at the top of the file or inside a function.
FORBIDDEN = {
    "core": (
        "typer",
        "rich",
        "uniplot",
        "textual",
        "rnn_calc.files",
        "rnn_calc.show",
        "rnn_calc.quiz",
        "rnn_calc.commands",
        "rnn_calc.ui",
        "rnn_calc.cli",
    ),
    "files": (
        "typer",
        "rich",
        "uniplot",
        "textual",
        "rnn_calc.show",
        "rnn_calc.quiz",
        "rnn_calc.commands",
        "rnn_calc.ui",
        "rnn_calc.cli",
    ),
    "show": (
        "typer",
        "textual",
        "rnn_calc.files",
        "rnn_calc.quiz",
        "rnn_calc.commands",
        "rnn_calc.ui",
        "rnn_calc.cli",
    ),
    "quiz": (
        "typer",
        "rich",
        "uniplot",
        "textual",
        "rnn_calc.files",
        "rnn_calc.commands",
        "rnn_calc.ui",
        "rnn_calc.cli",
    ),
    "commands": ("textual", "rnn_calc.ui", "rnn_calc.cli"),
    "ui": ("uniplot", "rnn_calc.cli"),
}

# The order in which the core is built up: a module imports only from those before it.
CORE_ORDER = (
    "errors",
    "vocabulary",
    "display",
    "sizes",
    "grid",
    "memory",
    "records",
    "equations",
    "cells",
    "frameworks",
    "conventions",
    "layers",
    "stages",
    "network",
    "notation",
    "structure",
    "forget_gates",
    "expectations",
    "tensors",
    "packing",
    "roles",
    "sequences",
    "unrolling",
    "shapes",
    "closed_form",
    "counts",
    "budget",
    "divisors",
    "diophantine",
    "search",
    "catalog",
    "operations",
    "run",
    "cost",
    "memory_cost",
    "comparison",
    "unknown_symbols",
    "diagnosis",
    "weights",
    "storage",
    "stored_entries",
    "spectra",
    "inspection",
    "functions",
    "evaluation",
    "program",
    "layout",
    "lowering",
    "stepping",
    "engine",
    "elementwise",
    "node_layout",
    "linearization",
    "backward",
    "inputs",
    "losses",
    "layer_trace",
    "trace",
    "one_step",
    "perturbed",
    "gradient_probes",
    "gradient_check",
    "path_search",
    "paths",
    "lanczos",
    "certificate",
    "compression",
    "products",
    "convoy",
    "direct",
    "extended",
    "entry_linearization",
    "entry_products",
    "singular_values",
    "block_norms",
    "occurrences",
    "gradients",
    "lag_vectors",
    "lag_shares",
    "stored_gradients",
    "loss_decay",
    "measurable",
    "pairs",
    "decay",
    "growth",
    "remedies",
    "stack_linearization",
    "ensembles",
    "lyapunov",
    "phases",
)

# These answer before NumPy would have been imported: all that comes before the first arrays.
WITHOUT_NUMPY = CORE_ORDER[: CORE_ORDER.index("weights")]

# About 300, as the ways of writing say.
LONGEST_FILE = 320


def imported(file: Path) -> set[str]:
    """Every module a file imports, wherever in it; `from a import b` gives a and a.b."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_only_the_top_of_the_package_knows_notebooks() -> None:
    notebook = {"rnn_calc.notebook", "IPython"}
    assert [file.relative_to(PACKAGE) for file in FILES if imported(file) & notebook] == [Path("__init__.py")]


@pytest.mark.parametrize("part", FORBIDDEN)
def test_imports_run_one_way(part: str) -> None:
    for file in (PACKAGE / part).rglob("*.py"):
        for module in imported(file):
            for forbidden in FORBIDDEN[part]:
                assert module != forbidden, f"{file} imports {module}"
                assert not module.startswith(f"{forbidden}."), f"{file} imports {module}"


def test_the_parts_are_those_of_the_design() -> None:
    assert {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()} == set(FORBIDDEN)


def test_the_screen_s_library_is_imported_by_the_screen_alone() -> None:
    users = {file for file in FILES if any(name.partition(".")[0] == "textual" for name in imported(file))}
    assert users
    assert {file.parent for file in users} == {PACKAGE / "ui"}


def test_the_command_that_opens_the_screen_imports_its_library_when_it_has_one() -> None:
    assert not {name for name in modules_after("import rnn_calc.ui.command, rnn_calc.ui.worker") if "textual" in name}


def test_the_core_is_built_up_in_one_order() -> None:
    names = {file.stem for file in (PACKAGE / "core").glob("*.py")} - {"__init__"}
    assert names == set(CORE_ORDER)
    for position, name in enumerate(CORE_ORDER):
        later = {f"rnn_calc.core.{other}" for other in CORE_ORDER[position:]}
        assert not imported(PACKAGE / "core" / f"{name}.py") & later


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("name", WITHOUT_NUMPY)
def test_what_counts_integers_alone_imports_no_numpy(name: str) -> None:
    assert not modules_after(f"import rnn_calc.core.{name}") & {"numpy", "typer", "rich"}


def test_the_whole_core_imports_neither_typer_nor_rich() -> None:
    imports = "\n".join(f"import rnn_calc.core.{name}" for name in CORE_ORDER)
    assert not modules_after(imports) & {"typer", "rich", "uniplot", "rnn_calc.files", "rnn_calc.show"}


def test_the_package_alone_imports_none_of_its_parts() -> None:
    loaded = modules_after("import rnn_calc")
    assert not loaded & {"numpy", "typer", "rich"}
    assert not any(module.startswith("rnn_calc.") for module in loaded)


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(PACKAGE)) for file in FILES])
def test_no_file_is_too_long_to_read(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("name", ["utils", "helpers", "models"])
def test_no_file_has_a_name_that_says_nothing(name: str) -> None:
    assert not [file for file in FILES if file.stem == name]
