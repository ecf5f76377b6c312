"""The largest eigenvalue of a Gram matrix with an interval that proves it, from a Krylov space.

Let the columns of V be orthonormal, H = VᵀGV and S = GV − VH. In the basis of V and its complement G is
[[H, Bᵀ], [B, C]] with BᵀB = SᵀS and ‖C‖_F² = ‖G‖_F² − ‖H‖_F² − 2‖S‖_F². In a Krylov space S is its last column s but
for rounding, so λ_max(H) ≤ λ_max(G) ≤ λ_max([[H, ‖s‖e], [‖s‖eᵀ, ‖C‖_F]]) + rounding. The last component of H's
eigenvector is tiny once the iteration has converged, and with it the interval, if only ‖C‖_F is below the eigenvalue.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np

from rnn_calc.core.weights import Array

UNIT_ROUNDOFF = 2.0**-53
_STEPS = 48
_LOOK_EVERY = 6
# Up to this size a decomposition is as fast; beyond this share of it, a longer iteration.
_FEW = 96
_LONGEST = 1 / 3
# Where Σλᵢ² is more than this many λ₁², too many directions are large.
_SPREAD = 14.0


class TopEigenvalue(NamedTuple):
    """The largest eigenvalue lies in [low, high]; `vector` is about its eigenvector."""

    low: float
    high: float
    vector: Array


def lanczos(gram: Array, start: Array | None, width: float) -> TopEigenvalue | None:
    """The largest eigenvalue within a relative `width`; None where a decomposition is about as fast or surer.

    `start` is about its eigenvector, if one is known. Shapes: gram (n, n), positive semidefinite.
    """
    n = len(gram)
    if n <= _FEW:
        return None
    total = float(np.vdot(gram, gram))
    v = gram @ (np.random.default_rng(0).standard_normal(n) if start is None else start)
    v /= sqrt(float(v @ v)) or 1.0
    image = gram @ v
    # |Gv| is no more than λ₁, and near it if v is any good.
    if total > _SPREAD * float(image @ image):
        return None
    V, steps = np.empty((n, _STEPS), order="F"), min(_STEPS, int(_LONGEST * n))
    H = np.zeros((_STEPS, _STEPS))
    for k in range(steps):
        V[:, k] = v
        basis = V[:, : k + 1]
        image = gram @ v
        for _ in range(2):
            parts = basis.T @ image
            image -= basis @ parts
            H[k, k] += parts[k]
        length = sqrt(float(image @ image))
        if length <= 1e-14 * sqrt(total):
            return None
        if k % _LOOK_EVERY == _LOOK_EVERY - 1:
            values, vectors = np.linalg.eigh(H[: k + 1, : k + 1])
            if (length * vectors[k, -1]) ** 2 <= 0.25 * width * values[-1] ** 2:
                found = _proved(gram, basis, total)
                if (
                    found is not None
                    and found.high - found.low <= width * found.low + 100 * n * UNIT_ROUNDOFF * found.low
                ):
                    return found
        if k + 1 < _STEPS:
            H[k, k + 1] = H[k + 1, k] = length
        v = image / length
    return None


def _proved(gram: Array, V: Array, total: float) -> TopEigenvalue | None:
    """The interval from a basis that need only be nearly orthonormal and nearly a Krylov space's."""
    n, k = V.shape
    image = gram @ V
    H = V.T @ image
    H = (H + H.T) / 2
    rest = image - V @ H
    squares = np.einsum("ij,ij->j", rest, rest)
    slack = 8 * (n + 10) * UNIT_ROUNDOFF * sqrt(total)
    complement = total - float(np.vdot(H, H)) - 2 * float(squares.sum())
    bordered = np.zeros((k + 1, k + 1))
    bordered[:k, :k] = H
    bordered[k, k - 1] = bordered[k - 1, k] = sqrt(squares[-1])
    bordered[k, k] = sqrt(max(complement, 0.0) + 4 * slack * sqrt(total))
    values, vectors = np.linalg.eigh(H)
    low = float(values[-1])
    if bordered[k, k] > 0.9 * low:
        return None
    # What is not orthonormal in V moves an eigenvalue by no more than its share of ‖G‖.
    skew = float(np.linalg.norm(V.T @ V - np.eye(k)))
    rounding = slack + 4 * skew * sqrt(total) + sqrt(float(squares[:-1].sum()))
    high = float(np.linalg.eigvalsh(bordered)[-1])
    return TopEigenvalue(low - rounding, high + rounding, V @ vectors[:, -1])
