"""Ratios and peaks: two things run in turn in one process, and the memory of a child."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

THREADS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
os.environ.update(THREADS)

ROUNDS = 11
STARTS = 21

Action = Callable[[], object]


def seconds(action: Action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def compare(
    name: str, ours: Action, theirs: Action, limit: float, rounds: int = ROUNDS, *, warm_up: bool = True
) -> None:
    """Print the ratio of `ours` to `theirs`, pair by pair after one warm-up, beside the limit that is promised."""
    if warm_up:
        ours(), theirs()
    report_pairs(name, [(seconds(ours), seconds(theirs)) for _ in range(rounds)], limit)


def report_pairs(name: str, pairs: Sequence[tuple[float, float]], limit: float) -> None:
    """Print the median of the ratios of pairs of seconds, ours and theirs, beside the limit that is promised."""
    ratios = sorted(a / b for a, b in pairs)
    a, b = (median(pair[side] for pair in pairs) * 1e3 for side in (0, 1))
    mark = "ok" if median(ratios) <= limit else "OVER"
    print(
        f"{name:<58} {a:9.1f} ms {b:9.1f} ms  ratio {median(ratios):.3f} "
        f"({ratios[0]:.3f} to {ratios[-1]:.3f}), limit {limit}  {mark}"
    )


def torch_alone(part: str) -> Any:
    """Torch with one thread; None, and a line that says so, where it is not installed."""
    try:
        import torch
    except ImportError:
        print(f"{part}: torch is not installed, nothing to compare with")
        return None
    torch.set_num_threads(1)
    return torch


def process(*command: str) -> Action:
    # As a user starts it: without the limits on threads that are set above for comparisons within this process.
    environment = {name: value for name, value in os.environ.items() if name not in THREADS}

    def run() -> None:
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL, env=environment)

    return run


def peak_mib(*command: str) -> float:
    """The peak of a child's memory: a process of its own asks for the usage of its only child."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    result = subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True, text=True)
    return float(result.stdout)


def report_peak(name: str, limit: int, *command: str) -> None:
    start = time.perf_counter()
    peak = peak_mib(*command)
    print(
        f"{name:<58} {peak:9.1f} MiB in {time.perf_counter() - start:.1f} s, limit {limit} MB  "
        f"{'ok' if peak * 1.048576 <= limit else 'OVER'}"
    )
