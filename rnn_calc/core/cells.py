"""Every recurrent cell, written as its equations."""

from __future__ import annotations

from dataclasses import dataclass

from rnn_calc.core.equations import Affine, Apply, Equation, Parameter, Product, Sum, Vector


@dataclass(frozen=True)
class Cell:
    """A recurrent cell: the equations of one step, in the order in which they are evaluated."""

    name: str
    state: tuple[str, ...]
    equations: tuple[Equation, ...]
    source: str


def _pre_activation(name: str, gate: str) -> Equation:
    return Equation(name, Affine(gate), "gate", "pre-activation: the sum before the non-linearity")


_Z = _pre_activation("z", "h")

RNN = Cell(
    "rnn",
    state=("h",),
    source="Elman 1990, as the tutorials write it",
    equations=(
        _Z,
        Equation("h", Apply("phi", _Z.vector), "state", "new hidden state: the memory up to step t"),
    ),
)

CELLS = {cell.name: cell for cell in (RNN,)}

# The readout is no part of a cell: any cell's hidden state can be read out.
READOUT = Equation(
    "y",
    Sum(
        (
            Product(Parameter("W_hy", "readout", ("d_out", "d_h"), "y"), Vector("h", "d_h")),
            Parameter("b_y", "readout_bias", ("d_out",), "y"),
        )
    ),
    "output",
    "output at step t",
)
