"""Cells that the package does not ship, written in its equations: they show that the engine serves any of them.

Each comes with its reference in plain NumPy and with the parameters that are constants.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.equations import (
    H_PREV,
    INPUT,
    Affine,
    Apply,
    Equation,
    Expression,
    Hadamard,
    Parameter,
    Product,
    Sum,
    Vector,
)
from tests import references
from tests.references import Array, Step

C_PREV = Vector("c", "d_h", previous=True)
MINUS = Parameter("minus", "constant", ("d_h",))
PLUS = Parameter("plus", "constant", ("d_h",))


def _vector(name: str) -> Parameter:
    return Parameter(name, "diagonal", ("d_h",))


def _matrix(name: str, columns: str) -> Parameter:
    return Parameter(name, "matrix", ("d_h", columns))


def _gate(name: str, expression: Expression | None = None) -> Equation:
    return Equation(name, Apply("sigmoid", expression or Affine(name)), "gate", "")


def _state(name: str, expression: Expression) -> Equation:
    return Equation(name, expression, "state", "")


def _input_affine(gate: str) -> Sum:
    return Sum((Product(_matrix(f"W_x{gate}", "d_in"), INPUT), _vector(f"b_{gate}")))


def _mix(gate: Equation, new: Equation) -> Expression:
    """(1 − z) ⊙ n + z ⊙ h_prev, in the language of sums and products alone."""
    return Sum((new.vector, Hadamard(gate.vector, Sum((H_PREV, Hadamard(MINUS, new.vector))))))


def _lstm() -> Cell:
    i, f, o = _gate("i"), _gate("f"), _gate("o")
    g = Equation("g", Apply("tanh", Affine("g")), "gate", "")
    c = _state("c", Sum((Hadamard(f.vector, C_PREV), Hadamard(i.vector, g.vector))))
    h = _state("h", Hadamard(o.vector, Apply("tanh", c.vector)))
    return Cell("lstm", ("h", "c"), (i, f, g, o, c, h), "Gers, Schmidhuber, Cummins 2000")


def _peephole() -> Cell:
    i = _gate("i", Sum((Affine("i"), Hadamard(_vector("p_i"), C_PREV))))
    f = _gate("f", Sum((Hadamard(C_PREV, _vector("p_f")), Affine("f"))))
    c = _state("c", Sum((Hadamard(f.vector, C_PREV), Hadamard(i.vector, Apply("tanh", Affine("g"))))))
    o = _gate("o", Sum((Affine("o"), Hadamard(_vector("p_o"), c.vector))))
    h = _state("h", Hadamard(o.vector, Apply("tanh", c.vector)))
    return Cell("peephole", ("c", "h"), (i, f, c, o, h), "Gers, Schmidhuber 2000")


def _gru_after() -> Cell:
    r, z = _gate("r"), _gate("z")
    recurrent = Sum((Product(_matrix("W_hn", "d_h"), H_PREV), _vector("b_hn")))
    n = Equation("n", Apply("tanh", Sum((*_input_affine("n").terms, Hadamard(r.vector, recurrent)))), "gate", "")
    return Cell("gru after", ("h",), (r, z, n, _state("h", _mix(z, n))), "cuDNN")


def _gru_before() -> Cell:
    r, z = _gate("r"), _gate("z")
    reset = Product(_matrix("W_hn", "d_h"), Hadamard(r.vector, H_PREV))
    n = Equation("n", Apply("tanh", Sum((*_input_affine("n").terms, reset))), "gate", "")
    return Cell("gru before", ("h",), (r, z, n, _state("h", _mix(z, n))), "Cho et al. 2014")


def _indrnn() -> Cell:
    h = Apply("phi", Sum((*_input_affine("h").terms, Hadamard(_vector("u"), H_PREV))))
    return Cell("indrnn", ("h",), (_state("h", h),), "Li et al. 2018")


def _sru() -> Cell:
    f, r = (_gate(name, _input_affine(name)) for name in "fr")
    g = Equation("g", Product(_matrix("W_xg", "d_in"), INPUT), "gate", "")
    rest = Hadamard(Sum((PLUS, Hadamard(MINUS, f.vector))), g.vector)
    c = _state("c", Sum((rest, Hadamard(f.vector, C_PREV))))
    h = _state("h", Hadamard(r.vector, Apply("tanh", c.vector)))
    return Cell("sru", ("c", "h"), (f, r, g, c, h), "after Lei et al. 2018")


@dataclass(frozen=True)
class Case:
    """A cell, the same cell in plain NumPy, and what its constants are."""

    cell: Cell
    step: Step
    constants: dict[str, float] = field(default_factory=lambda: {"minus": -1.0, "plus": 1.0})

    def with_constants(self, arrays: dict[str, Array]) -> dict[str, Array]:
        return {n: np.full_like(a, self.constants[n]) if n in self.constants else a for n, a in arrays.items()}


CASES = (
    Case(CELLS["rnn"], references.rnn_step),
    Case(_lstm(), references.lstm_step),
    Case(_peephole(), references.peephole_step),
    Case(_gru_after(), references.gru_after_step),
    Case(_gru_before(), references.gru_before_step),
    Case(_indrnn(), references.indrnn_step),
    Case(_sru(), references.sru_step),
)
