"""Gradients and their decay, against plain NumPy chains and torch: parts of `run.py`."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from timing import compare, seconds, torch_alone


def decay() -> None:
    """All lags against the plain way: the product in NumPy and its 2-norm at every lag."""
    import numpy as np

    from rnn_calc import Network, gradient_decay, make_weights
    from rnn_calc import trace as run_trace

    d_h, steps = 256, 500
    network = Network(64, d_h)
    weights = make_weights(network)
    done = run_trace(network, weights, np.random.default_rng(0).standard_normal((steps, 64)))
    slopes, W_hh = 1 - done.h**2, weights["W_hh"]
    found: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}

    def plain() -> None:
        product, logarithm, norms = np.eye(d_h), 0.0, []
        for t in range(steps - 1, 0, -1):
            product = (product * slopes[t]) @ W_hh
            norm = np.linalg.norm(product, 2)
            product /= norm
            logarithm += np.log10(norm)
            norms.append(logarithm)
        found["plain"] = np.array(norms)

    def ours() -> None:
        found["ours"] = gradient_decay(done).log10_norms

    compare(f"gradient-decay, all lags, d_h = {d_h}, T = {steps}, against the plain way", ours, plain, 0.3, rounds=5)
    print(f"{'':<58} largest difference in log10: {np.abs(found['ours'] - found['plain']).max():.1e}, limit 1e-09")


def _run(cell: str, d_in: int, d_h: int, steps: int, biases: int = 1) -> Any:
    """A trace of a random network with the cell's usual initialization."""
    import numpy as np

    from rnn_calc import Network, make_weights
    from rnn_calc import trace as run_trace
    from rnn_calc.core.cells import CELLS

    network = Network(d_in, d_h, cell=CELLS[cell], biases=biases)
    x = np.random.default_rng(0).standard_normal((steps, d_in))
    return run_trace(network, make_weights(network), x)


def chains() -> None:
    """All lags with their certificate against the bare chain of Jacobians: without norms, and with one at each lag."""
    import numpy as np

    from rnn_calc import gradient_decay

    d_h, steps = 512, 500
    done = _run("rnn", 64, d_h, steps)
    slopes, W_hh = 1 - done.h**2, done.weights["W_hh"]

    def chain(*, norms: bool) -> None:
        product = np.eye(d_h)
        for t in range(steps - 1, 0, -1):
            product = (product * slopes[t]) @ W_hh
            product /= np.linalg.norm(product, 2) if norms else np.abs(product).max()

    def ours() -> object:
        return gradient_decay(done)

    what = f"gradient-decay, rnn, d_h = {d_h}, T = {steps}"
    compare(f"{what}, against the bare chain", ours, lambda: chain(norms=False), 0.5, rounds=5)
    compare(f"{what}, … with norm(., 2)", ours, lambda: chain(norms=True), 0.1, rounds=1, warm_up=False)
    _lstm_chain(256, steps)


def _lstm_chain(d_h: int, steps: int) -> None:
    """The decay of h and of c against the chain of full Jacobians (2n × 2n), which are made beforehand."""
    import numpy as np

    from rnn_calc import gradient_decay

    done = _run("lstm", 64, d_h, steps)
    now, before = done.layers[0].values.now, done.layers[0].values.previous
    W = {gate: done.weights[f"W_h{gate}"] for gate in "ifgo"}
    jacobians = []
    for t in range(1, steps):
        i, f, g, o, c = (now[name][t] for name in ("i", "f", "g", "o", "c"))
        into_c = (i * (1 - i) * g)[:, None] * W["i"] + (f * (1 - f) * before["c"][t])[:, None] * W["f"]
        into_c += (i * (1 - g**2))[:, None] * W["g"]
        shown = o * (1 - np.tanh(c) ** 2)
        into_h = shown[:, None] * into_c + (o * (1 - o) * np.tanh(c))[:, None] * W["o"]
        jacobians.append(np.block([[into_h, np.diag(shown * f)], [into_c, np.diag(f)]]))

    def chain(*, norms: bool) -> None:
        product = np.eye(2 * d_h)
        for jacobian in reversed(jacobians):
            product = product @ jacobian
            if norms:
                np.linalg.norm(product[:d_h, :d_h], 2), np.linalg.norm(product[d_h:, d_h:], 2)
            product /= np.abs(product).max()

    def ours() -> object:
        return gradient_decay(done)

    def of_h() -> object:
        return gradient_decay(done, states=("h",))

    what = f"gradient-decay, lstm, h and c, d_h = {d_h}, T = {steps}"
    compare(f"{what}, against the bare chain", ours, lambda: chain(norms=False), 0.5, rounds=5)
    compare(f"{what}, h alone", of_h, lambda: chain(norms=False), 0.5, rounds=5)
    compare(f"{what}, … with norm(., 2)", ours, lambda: chain(norms=True), 0.1, rounds=1, warm_up=False)


def jacrev() -> None:
    """All lags against torch.func.jacrev of h_T by h_k, for each k."""
    torch = torch_alone("jacrev")
    if torch is None:
        return
    from rnn_calc import gradient_decay

    d_h, steps = 64, 100
    done = _run("rnn", 64, d_h, steps)
    W_xh, W_hh = (torch.tensor(done.weights[name]) for name in ("W_xh", "W_hh"))
    x, h = torch.tensor(done.x), torch.tensor(done.h)

    def theirs() -> None:
        for k in range(steps - 1):

            def last(state: Any, k: int = k) -> Any:
                for t in range(k + 1, steps):
                    state = torch.tanh(W_xh @ x[t] + W_hh @ state)
                return state

            torch.linalg.matrix_norm(torch.func.jacrev(last)(h[k]), 2)

    name = f"gradient-decay, rnn, d_h = {d_h}, T = {steps}, against jacrev for each lag"
    compare(name, lambda: gradient_decay(done), theirs, 0.01, rounds=3)


def bptt() -> None:
    """Forward and backward, every parameter's gradient, against torch.nn.RNN, LSTM and GRU in float64."""
    torch = torch_alone("bptt")
    if torch is None:
        return
    from rnn_calc import Loss, backpropagate
    from rnn_calc import trace as run_trace

    for cell, kind in (("rnn", "RNN"), ("lstm", "LSTM"), ("gru", "GRU")):
        for d_h, steps in ((64, 1_000), (512, 500)):
            done = _run(cell, d_h, d_h, steps, biases=2)
            reference = getattr(torch.nn, kind)(d_h, d_h, dtype=torch.float64, batch_first=True)
            inputs = torch.tensor(done.x)[None]

            def theirs(reference: Any = reference, inputs: Any = inputs) -> None:
                reference.zero_grad()
                reference(inputs)[0][:, -1].sum().backward()

            def ours(done: Any = done) -> object:
                return backpropagate(run_trace(done.network, done.weights, done.x), Loss("last")).parameters

            compare(f"bptt, {cell}, d_in = d_h = {d_h}, T = {steps:,}, against torch", ours, theirs, 0.3)


_PEAKS = """
import sys
import numpy as np
from rnn_calc import Loss, Network, loss_decay, make_weights, trace

def peak():
    (line,) = (line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6

network = Network(64, 2048, 2)
weights = make_weights(network)
done = trace(network, weights, np.random.default_rng(0).standard_normal((2000, 64)))
before = peak()
loss_decay(done, Loss(sys.argv[1]))
print(before, peak())
"""


def from_loss() -> None:
    """The memory that the norms of a loss's gradients take beside the trace, in a process of its own."""
    for loss in ("last", "sum"):
        found = subprocess.run([sys.executable, "-c", _PEAKS, loss], check=True, capture_output=True, text=True)
        before, after = map(float, found.stdout.split())
        name = f"--from-loss {loss}, d_h = 2048, T = 2,000: peak {before:.1f} MB with the trace"
        print(f"{name:<58} {after - before:9.1f} MB more, limit 20  {'ok' if after - before <= 20 else 'OVER'}")


def across_lengths() -> None:
    """Ten times the length takes about ten times as long."""
    from rnn_calc import gradient_decay

    short, long = (_run("rnn", 64, 64, steps) for steps in (10_000, 100_000))
    for done in (short, long):
        seconds(lambda done=done: gradient_decay(done))  # type: ignore[misc]
    compare(
        "gradient-decay, rnn, d_h = 64, T = 100,000 against 10,000",
        lambda: gradient_decay(long),
        lambda: gradient_decay(short),
        12,
        rounds=3,
        warm_up=False,
    )
