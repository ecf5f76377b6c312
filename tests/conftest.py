"""What holds for every test."""

from __future__ import annotations

import os

import pytest

# A process for each core already: more threads in each would only wait for one another.
for threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(threads, "1")


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: those that drive a screen or a server wait for others much of the time."""
    from rnn_calc.commands.workers import cores

    return cores() + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of a module that may ask torch is run again where torch has been installed: `-m torch`."""
    for item in items:
        if hasattr(getattr(item, "module", None), "torch"):
            item.add_marker("torch")
