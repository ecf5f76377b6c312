"""Every cell that the package ships, and some that it does not: they show that the engine serves any of them.

The others are written in the package's equations to strain the compiler: constants, gates that are used in every way,
states that share a call, sums that are states themselves. Each comes with its reference in plain NumPy.
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
    Quotient,
    Sum,
    Vector,
)
from tests import references
from tests.references import Array, Step

C_PREV = Vector("c", "d_h", previous=True)
MINUS = Parameter("minus", "constant", ("d_h",))
PLUS = Parameter("plus", "constant", ("d_h",))


def _matrix(name: str, columns: str) -> Parameter:
    return Parameter(name, "matrix", ("d_h", columns))


def _gate(name: str, expression: Expression | None = None, function: str = "sigmoid") -> Equation:
    return Equation(name, Apply(function, expression or Affine(name)), "gate", "")


def _state(name: str, expression: Expression) -> Equation:
    return Equation(name, expression, "state", "")


def _sru() -> Cell:
    f, r = (_gate(name, Affine(name, None)) for name in "fr")
    g = Equation("g", Product(_matrix("W_xg", "d_in"), INPUT), "gate", "")
    rest = Hadamard(Sum((PLUS, Hadamard(MINUS, f.vector))), g.vector)
    c = _state("c", Sum((rest, Hadamard(f.vector, C_PREV))))
    h = _state("h", Hadamard(r.vector, Apply("tanh", c.vector)))
    return Cell("sru", ("c", "h"), (f, r, g, c, h), "after Lei et al. 2018")


def _shared_gates() -> Cell:
    """Gates that multiply one another, themselves, and are summands: none may be kept as its reciprocal."""
    i, f = _gate("i"), _gate("f")
    c = _state("c", Hadamard(Hadamard(i.vector, f.vector), C_PREV) + Hadamard(i.vector, i.vector) + f.vector)
    g = _gate("g", Affine("g", c.vector), "tanh")
    h = _state("h", Quotient(g.vector, i.vector + PLUS + Hadamard(f.vector, f.vector)))
    return Cell("shared gates", ("h", "c"), (i, f, c, g, h), "")


def _two_states() -> Cell:
    """Three gates of one stack and one function, two of them states; a sum of two products; a state that is a copy."""
    q_prev, late = (Vector(name, "d_h", previous=True) for name in ("q", "late"))
    p = _gate("p", Affine("p") + Product(_matrix("V", "d_h"), q_prev), "tanh")
    q = _state("q", Apply("tanh", Affine("q")))
    h = _state("h", Apply("tanh", Affine("h") + Hadamard(Hadamard(MINUS, p.vector), late)))
    return Cell("two states", ("h", "q", "late"), (p, q, h, _state("late", H_PREV)), "")


def _linear() -> Cell:
    """States that are sums of products, with no function on the way; one of the products is used twice."""
    seen = Product(Parameter("W_hh", "recurrent", ("d_h", "d_h")), H_PREV)
    c = _state("c", Hadamard(seen, C_PREV) + Product(_matrix("W_hm", "d_h"), H_PREV))
    return Cell("linear", ("h", "c"), (_state("h", Affine("h")), c), "")


@dataclass(frozen=True)
class Case:
    """A cell, the same cell in plain NumPy, and what its constants are."""

    cell: Cell
    step: Step
    constants: dict[str, float] = field(default_factory=lambda: {"minus": -1.0, "plus": 1.0})

    def with_constants(self, arrays: dict[str, Array]) -> dict[str, Array]:
        return {n: np.full_like(a, self.constants[n]) if n in self.constants else a for n, a in arrays.items()}


CASES = (
    *(Case(cell, references.STEPS[name]) for name, cell in CELLS.items()),
    Case(_sru(), references.sru_step),
    Case(_shared_gates(), references.shared_gates_step),
    Case(_two_states(), references.two_states_step),
    Case(_linear(), references.linear_step),
)
