"""A network: a cell, its sizes and its readout."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from rnn_calc.core.cells import READOUT, RNN, Cell
from rnn_calc.core.equations import ACTIVATIONS, Equation, Parameter, parameters, resolve
from rnn_calc.core.errors import DataError, did_you_mean, listed, quoted
from rnn_calc.core.sizes import Sizes, check_size


@dataclass(frozen=True)
class Network:
    """A recurrent layer of `d_h` units on inputs of width `d_in`, read out to `d_out` values (0: no readout).

    `biases` is how many bias vectors each gate has: 0, 1, or 2 as PyTorch keeps them.

    Raises: SizeError for an illegal size; DataError for an unknown activation.
    """

    d_in: int
    d_h: int
    d_out: int = 0
    cell: Cell = RNN
    activation: str = "tanh"
    biases: int = 1

    def __post_init__(self) -> None:
        self._keep("d_in", check_size("d_in", self.d_in))
        self._keep("d_h", check_size("d_h", self.d_h))
        self._keep("d_out", check_size("d_out", self.d_out, minimum=0))
        if self.activation not in ACTIVATIONS:
            raise DataError(
                f"There is no activation {quoted(self.activation)}; it must be {listed(ACTIVATIONS)}."
                f"{did_you_mean(self.activation, ACTIVATIONS)}"
            )
        if self.biases not in (0, 1, 2):
            raise DataError(f"A gate has 0, 1 or 2 biases, not {self.biases}.")
        self._keep("biases", check_size("biases", self.biases, minimum=0))

    def _keep(self, name: str, value: int) -> None:
        # NumPy's integers overflow in a product; a plain int never does.
        object.__setattr__(self, name, value)

    @cached_property
    def sizes(self) -> Sizes:
        """The numbers behind the axis names."""
        return {"d_in": self.d_in, "d_h": self.d_h, "d_out": self.d_out, "1": 1}

    @cached_property
    def equations(self) -> tuple[Equation, ...]:
        """The cell's equations and the readout's, with activation and biases written out."""
        readout = (READOUT,) if self.d_out else ()
        return tuple(
            Equation(
                equation.name,
                resolve(equation.expression, activation=self.activation, biases=self.biases),
                equation.kind,
                equation.role,
            )
            for equation in (*self.cell.equations, *readout)
        )

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Each parameter once: the recurrent part first, then the readout."""
        return parameters(self.equations)
