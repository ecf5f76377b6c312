"""What can be drawn and measured against, in words: drawing and measuring need NumPy, their names do not."""

from __future__ import annotations

INITS = {
    "gaussian": "matrices N(0, gain²/fan_in), biases 0",
    "uniform": "everything U(−1/√d_h, 1/√d_h), as torch.nn.RNN does it; matrices times gain",
    "xavier": "matrices U(−a, a) with a = gain·√(6/(fan_in + fan_out)), biases 0",
    "orthogonal": "matrices with orthonormal rows or columns, times gain, biases 0",
    "identity": "W_hh = gain·I, other matrices as gaussian, biases 0",
}
INPUTS = ("gaussian", "zeros")

LOSSES = {
    "last": "the outputs of the last step added up",
    "sum": "the outputs of every step added up",
    "mse": "the squares of output − target",
    "cross-entropy": "−log softmax(output)[class]",
}
REDUCTIONS = {"mean": "divided by how many are counted", "sum": "added up"}
