"""Whose symbols, orientation, size names and bias rule: one entry for each way of writing the same network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rnn_calc.core.equations import Apply, Expression, Hadamard, Parameter, Product, Sum, Vector
from rnn_calc.core.errors import DataError, did_you_mean, listed, quoted
from rnn_calc.core.sizes import Sizes

Step = int | Literal["t"]

# The tensors of a whole sequence: input, every state, first state, last state, output.
_TENSORS = ("x", "h", "h_0", "h_T", "y")


@dataclass(frozen=True)
class Convention:
    """How a textbook or a framework writes a recurrent network.

    `symbols` maps a parameter's role to its name, with `{gate}` where the gate's letter goes. `sizes` renames the axes.
    `row_vectors`: vectors are rows, a matrix is stored (columns, rows) and stands on the right, `x W`.
    `column_matrices`: a vector is written as an n × 1 matrix.
    `sequences` names the tensors of a whole sequence; `stacked_state`: the last state has a leading axis of layers.
    """

    name: str
    whose: str
    symbols: dict[str, str]
    sizes: dict[str, str] = field(default_factory=dict)
    sequences: dict[str, str] = field(default_factory=lambda: dict(zip(_TENSORS, _TENSORS, strict=True)))
    row_vectors: bool = False
    column_matrices: bool = False
    biases: int = 1
    batch_first: bool = True
    stacked_state: bool = False

    def symbol(self, parameter: Parameter) -> str:
        """The parameter's name as this convention prints it.

        Raises: DataError for a parameter that this convention has no name for, as a second bias in a textbook.
        """
        if parameter.role not in self.symbols:
            raise DataError(
                f"The convention {self.name} has {self.biases} bias a gate and no name for {parameter.name}; take a "
                f"network with biases={self.biases}, or the convention pytorch."
            )
        return self.symbols[parameter.role].format(gate=parameter.gate)

    def size(self, axis: str) -> str:
        """The name of a size as this convention prints it."""
        return self.sizes.get(axis, axis)

    def stored_axes(self, parameter: Parameter) -> tuple[str, ...]:
        """The parameter's axes in the order in which this convention stores them."""
        return parameter.axes[::-1] if self.row_vectors and parameter.is_matrix else self.column(parameter.axes)

    def column(self, axes: tuple[str, ...]) -> tuple[str, ...]:
        """The axes of a vector: (n,), or (n, 1) where vectors are written as columns."""
        return (*axes, "1") if self.column_matrices and len(axes) == 1 else axes

    def vector(self, vector: Vector, step: Step = "t") -> str:
        """A vector's printed symbol at a step: x_t, h_{t-1}; x_3, h_2."""
        if step == "t":
            return f"{vector.name}_{{t-1}}" if vector.previous else f"{vector.name}_t"
        return f"{vector.name}_{step - vector.previous}"

    def write(self, expression: Expression, step: Step = "t") -> str:
        """The expression as this convention prints it: `tanh(W_xh x_t + …)`, or `x_t W_xh` with row vectors."""
        match expression:
            case Vector():
                return self.vector(expression, step)
            case Parameter():
                return self.symbol(expression)
            case Product(matrix, vector):
                factors = [self.symbol(matrix), self.write(vector, step)]
                return " ".join(reversed(factors) if self.row_vectors else factors)
            case Sum(terms):
                return " + ".join(self.write(term, step) for term in terms)
            case Hadamard(left, right):
                return f"{self.write(left, step)} ⊙ {self.write(right, step)}"
            case Apply("identity", argument):
                return self.write(argument, step)
            case Apply(function, argument):
                return f"{function}({self.write(argument, step)})"
            case _:
                raise AssertionError(f"unresolved expression: {expression}")


def shape_of(axes: tuple[str, ...], sizes: Sizes) -> tuple[int, ...]:
    """The numbers behind a tuple of axis names."""
    return tuple(sizes[axis] for axis in axes)


def write_shape(shape: tuple[int, ...], *, column_matrices: bool = False) -> str:
    """A shape as it is read aloud: (3,), (3, 4), or (3×4) where vectors are written as columns."""
    if column_matrices:
        return f"({'×'.join(map(str, shape))})"
    return f"({shape[0]},)" if len(shape) == 1 else f"({', '.join(map(str, shape))})"


def write_axes(axes: tuple[str, ...]) -> str:
    """Axis names as a shape is read aloud: (d_h,), (d_h, d_in)."""
    return f"({', '.join(axes)}{',' if len(axes) == 1 else ''})"


_ROLES = ("input", "recurrent", "bias", "readout", "readout_bias")


def _symbols(names: str) -> dict[str, str]:
    """The names of a convention with one bias a gate, in the order of `_ROLES`."""
    return dict(zip(_ROLES, names.split(), strict=True))


def _sequences(names: str) -> dict[str, str]:
    """The names of whole-sequence tensors, in the order of `_TENSORS`."""
    return dict(zip(_TENSORS, names.split(), strict=True))


CONVENTIONS = {
    convention.name: convention
    for convention in (
        Convention(
            "xh",
            "most textbooks: column vectors, W_xh x + W_hh h + b_h",
            _symbols("W_x{gate} W_h{gate} b_{gate} W_hy b_y"),
        ),
        Convention(
            "hx",
            "named to-from: W_hx takes x to h; the readout is W_ho, b_v",
            _symbols("W_{gate}x W_{gate}h b_{gate} W_ho b_v"),
        ),
        Convention(
            "wx",
            "sizes d, n, k; W_x, W_h, b; vectors are n × 1 matrices",
            _symbols("W_x W_h b W_y b_y"),
            sizes={"d_in": "d", "d_h": "n", "d_out": "k"},
            column_matrices=True,
        ),
        Convention(
            "row",
            "sizes E, H; vectors are rows: x W_xh with W_xh stored (E, H)",
            _symbols("W_x{gate} W_h{gate} b_{gate} W_hy b_y"),
            sizes={"d_in": "E", "d_h": "H"},
            row_vectors=True,
        ),
        Convention(
            "pytorch",
            "torch.nn.RNN and Linear: two biases; time first by default",
            symbols={
                "input": "weight_ih_l0",
                "recurrent": "weight_hh_l0",
                "bias": "bias_ih_l0",
                "recurrent_bias": "bias_hh_l0",
                "readout": "linear.weight",
                "readout_bias": "linear.bias",
            },
            sizes={"d_in": "input_size", "d_h": "hidden_size", "d_out": "out_features"},
            sequences=_sequences("input output h_0 h_n linear(output)"),
            biases=2,
            batch_first=False,
            stacked_state=True,
        ),
        Convention(
            "keras",
            "SimpleRNN and Dense: row vectors, kernel stored (input_dim, units)",
            _symbols("kernel recurrent_kernel bias dense.kernel dense.bias"),
            sizes={"d_in": "input_dim", "d_h": "units", "d_out": "dense.units"},
            sequences=_sequences("inputs outputs initial_state state dense(outputs)"),
            row_vectors=True,
        ),
    )
}


def as_convention(convention: Convention | str) -> Convention:
    """A convention, or the one of that name.

    Raises: DataError for a name that there is not (with the nearest one).
    """
    if isinstance(convention, Convention):
        return convention
    if convention not in CONVENTIONS:
        raise DataError(
            f"There is no convention {quoted(convention)}; it must be {listed(CONVENTIONS)}."
            f"{did_you_mean(convention, CONVENTIONS)}"
        )
    return CONVENTIONS[convention]
