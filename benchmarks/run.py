"""Speed and memory as ratios measured side by side in one run: `python benchmarks/run.py [startup trace decay …]`.

Each pair of things is run in turn, A B A B …, and the median of the pairwise ratios is printed with the smallest and
the largest, so that a machine whose speed drifts still gives a comparison. BLAS and torch have one thread each.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from gradients import across_lengths, bptt, chains, decay, from_loss, jacrev
from screen import first_screen, updates
from timing import STARTS, compare, process, report_peak, seconds, torch_alone


def startup() -> None:
    """Whole processes against importing NumPy, Typer and Rich's table."""
    script = Path(sys.executable).with_name("rnncalc")
    baseline = process("-c", "import numpy, typer, rich.table")
    for command in ("params", "shapes", "compare", "cost", "params --budget 1M --cell lstm", "cells", "--help"):
        ours = process(str(script), *command.split())
        compare(f"rnncalc {command}, whole process", ours, baseline, 0.75, STARTS)


# Cell, its class in torch.nn, d_in, d_h, T and the limit.
TRACES = (
    ("rnn", "RNN", 64, 64, 10_000, 0.45),
    ("rnn", "RNN", 512, 512, 2_000, 0.85),
    ("rnn", "RNN", 64, 512, 2_000, 0.85),
    ("lstm", "LSTM", 64, 64, 10_000, 0.7),
    ("lstm", "LSTM", 512, 512, 2_000, 0.95),
    ("gru", "GRU", 64, 64, 10_000, 0.7),
    ("gru", "GRU", 512, 512, 2_000, 0.95),
)


def trace() -> None:
    """The forward pass against torch.nn.RNN, LSTM and GRU in float64; a trace keeps every gate of every step."""
    torch = torch_alone("trace")
    if torch is None:
        return
    import numpy as np

    from rnn_calc import Network, make_weights
    from rnn_calc import trace as run_trace
    from rnn_calc.core.cells import CELLS

    for cell, kind, d_in, d_h, steps, limit in TRACES:
        network = Network(d_in, d_h, cell=CELLS[cell], biases=2)
        weights = make_weights(network)
        x = np.random.default_rng(0).standard_normal((steps, d_in))
        reference = getattr(torch.nn, kind)(d_in, d_h, dtype=torch.float64, batch_first=True)
        inputs = torch.tensor(x)[None]

        def theirs(reference: Any = reference, inputs: Any = inputs) -> None:
            with torch.no_grad():
                reference(inputs)

        compare(
            f"trace, {cell}, d_in = {d_in}, d_h = {d_h}, T = {steps:,}, against torch",
            lambda network=network, weights=weights, x=x: run_trace(network, weights, x),  # type: ignore[misc]
            theirs,
            limit,
        )


def memory() -> None:
    """The peak of a million-step CSV trace, and of the same read from a CSV file."""
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs.csv"
        with inputs.open("w") as file:
            file.writelines(f"{t % 7 - 3},0.5,-0.25,{t % 3}\n" for t in range(1_000_000))
        for name, source in (("drawn", ["--steps", "1000000"]), ("from CSV", ["--sequence", str(inputs)])):
            command = (sys.executable, "-m", "rnn_calc", "trace", "--d-h", "8", "--format", "csv", *source)
            report_peak(f"trace --format csv, d_h = 8, a million steps {name}", 150, *command)


def checkpoints() -> None:
    """Looking into a checkpoint of about 400 MB, against the start-up of a NumPy command."""
    import numpy as np

    from rnn_calc.files.checkpoints.safetensors import write_safetensors

    baseline = process("-c", "import numpy, typer, rich.table")
    script = Path(sys.executable).with_name("rnncalc")
    width = 2048
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.weight_ih_l0": (4 * width, width),
        "encoder.weight_hh_l0": (4 * width, width),
    }
    shapes |= {
        "head.weight": (4 * width, width),
        "encoder.bias_ih_l0": (4 * width,),
        "encoder.bias_hh_l0": (4 * width,),
    }
    arrays = {name: np.zeros(shape) for name, shape in shapes.items()}
    with tempfile.TemporaryDirectory() as folder:
        files = {"safetensors": Path(folder) / "model.safetensors"}
        with files["safetensors"].open("wb") as file:
            file.writelines(write_safetensors(arrays, {}, "float64"))
        try:
            import torch
        except ImportError:
            print("inspect of a .pt file: torch is not installed, nothing to write it with")
        else:
            files["pt"] = Path(folder) / "model.pt"
            torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, files["pt"])
        for kind, path in files.items():
            size = path.stat().st_size / 1e6
            command = (str(script), "inspect", str(path))
            compare(f"rnncalc inspect, {size:.0f} MB .{kind}", process(*command), baseline, 1.2, STARTS)
            report_peak(f"rnncalc inspect, {size:.0f} MB .{kind}", 60, sys.executable, *command)


def search() -> None:
    """The networks that have exactly a total: seconds of a whole process."""
    script = Path(sys.executable).with_name("rnncalc")
    for total in ("3938304", "24250078", "999999999989"):
        took = median(seconds(process(str(script), "params", "--total", total)) for _ in range(5))
        mark = "ok" if took <= 2 else "OVER"
        print(f"{f'rnncalc params --total {total}':<58} {took * 1e3:9.1f} ms, limit 2 s  {mark}")


PARTS = {
    "startup": startup,
    "trace": trace,
    "decay": decay,
    "chains": chains,
    "jacrev": jacrev,
    "bptt": bptt,
    "from-loss": from_loss,
    "lengths": across_lengths,
    "memory": memory,
    "checkpoints": checkpoints,
    "search": search,
    "ui": updates,
    "first-screen": first_screen,
}


def main() -> None:
    unknown = [name for name in sys.argv[1:] if name not in PARTS]
    if unknown:
        sys.exit(f"There is no benchmark {unknown[0]}; there are {', '.join(PARTS)}.")
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    main()
