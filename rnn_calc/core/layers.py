"""A cell's equations as one layer of a network has them: with its own parameters, its input, and its projection."""

from __future__ import annotations

from rnn_calc.core.cells import Cell
from rnn_calc.core.equations import Equation, Expression, Parameter, Product, Vector, resolve, rewrite


def layer_equations(
    cell: Cell, *, activation: str, biases: int, projected: bool, mark: str, below: str
) -> tuple[Equation, ...]:
    """The cell's equations written out; `mark` ends the names of parameters and values, `below` is the input's symbol.

    Without `below` the input is the network's own.
    """
    h_axis = "d_p" if projected else "d_h"

    def localized(node: Expression) -> Expression:
        match node:
            case Parameter(name, role, axes, gate):
                return Parameter(f"{name}^{mark}" if mark else name, role, axes, gate, mark)
            case Vector("x", axis):
                return Vector("x", axis, symbol=below)  # the input of an upper layer is the output below
            case Vector(name, axis, previous):
                return Vector(name, h_axis if name == "h" else axis, previous, value_symbol(name, mark))
            case _:
                return node

    def written(expression: Expression) -> Expression:
        return rewrite(resolve(expression, activation=activation, biases=biases, h_axis=h_axis), localized)

    return tuple(
        equation._replace(expression=written(equation.expression), symbol=value_symbol(equation.name, mark))
        for equation in (_projected(cell.equations) if projected else cell.equations)
    )


def value_symbol(name: str, mark: str) -> str:
    """How a value of a layer is printed: a^i for the pre-activation a_i, h^(2) in layer 2."""
    base, _, gate = name.partition("_")
    return f"{base}^{gate}{mark}" if gate or mark else name


def _projected(equations: tuple[Equation, ...]) -> tuple[Equation, ...]:
    """The equations with the state h projected to width d_p, as Sak, Senior, Beaufays 2014 do it: h = W_hr m."""
    *before, h = equations
    m = Equation("m", h.expression, "gate", "what the cell shows, before it is projected")
    product = Product(Parameter("W_hr", "projection", ("d_p", "d_h"), "m"), m.vector)
    return (*before, m, Equation("h", product, "state", "new hidden state: m projected"))
