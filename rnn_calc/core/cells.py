"""Every recurrent cell, written as its equations."""

from __future__ import annotations

from rnn_calc.core.equations import (
    COMPLEMENT,
    H_PREV,
    Affine,
    Apply,
    Equation,
    Expression,
    Hadamard,
    Parameter,
    Product,
    Quotient,
    RecurrentAffine,
    Sum,
    Vector,
    walk,
)
from rnn_calc.core.errors import DataError, did_you_mean, listed, quoted
from rnn_calc.core.records import Record


class Cell(Record):
    """A recurrent cell: the equations of one step, in the order in which they are evaluated.

    `title` is its name in words, `source` the paper, `note` what is decided differently elsewhere.
    """

    name: str
    state: tuple[str, ...]
    equations: tuple[Equation, ...]
    source: str
    title: str = ""
    note: str = ""

    def __repr__(self) -> str:
        return f"<Cell {self.name}: {self.title}>"

    def _repr_html_(self) -> str | None:
        from rnn_calc.core.display import html_of

        return html_of(self)

    @property
    def has_activation(self) -> bool:
        """Whether a network's choice of activation is used anywhere."""
        nodes = (node for equation in self.equations for node in walk(equation.expression))
        return any(isinstance(node, Apply) and node.function == "phi" for node in nodes)


C_PREV = Vector("c", "d_h", previous=True)

# What each gate and candidate is called, by its letter.
GATE_NAMES = {
    "h": "hidden state",
    "i": "input gate",
    "f": "forget gate",
    "g": "candidate",
    "o": "output gate",
    "r": "reset gate",
    "z": "update gate",
    "n": "candidate",
}


def _named(letter: str, function: str, role: str, affine: Expression | None = None) -> tuple[Equation, Equation]:
    """A gate or candidate: its pre-activation, and the function of it."""
    before = Equation(f"a_{letter}", affine or Affine(letter), "gate", f"pre-activation of the {GATE_NAMES[letter]}")
    return before, Equation(letter, Apply(function, before.vector), "gate", f"{GATE_NAMES[letter]}: {role}")


def _h(expression: Expression, role: str = "new hidden state: the memory up to step t") -> Equation:
    return Equation("h", expression, "state", role)


def _mix(gate: Equation, kept: Expression, new: Expression) -> Sum:
    """gate ⊙ kept + (1 − gate) ⊙ new."""
    return Hadamard(gate.vector, kept) + Hadamard(Apply(COMPLEMENT, gate.vector), new)


def _rnn() -> Cell:
    z = Equation("z", Affine("h"), "gate", "pre-activation: the sum before the non-linearity")
    return Cell("rnn", ("h",), (z, _h(Apply("phi", z.vector))), "Elman 1990, as the tutorials write it", "vanilla RNN")


def _lstm(name: str, title: str, source: str, *, peepholes: bool) -> Cell:
    def looking(letter: str, state: Vector) -> Expression:
        """The gate's affine part, which also sees the cell state through a vector of weights."""
        peephole = Parameter(f"p_{letter}", "peephole", ("d_h",), letter)
        return Affine(letter) + Hadamard(peephole, state) if peepholes else Affine(letter)

    a_i, i = _named("i", "sigmoid", "how much of the candidate enters", looking("i", C_PREV))
    a_f, f = _named("f", "sigmoid", "how much of the cell state stays", looking("f", C_PREV))
    a_g, g = _named("g", "phi", "what may enter the cell state")
    c = Equation(
        "c",
        Hadamard(f.vector, C_PREV) + Hadamard(i.vector, g.vector),
        "state",
        "new cell state: the long memory",
    )
    a_o, o = _named("o", "sigmoid", "how much of the cell state shows", looking("o", c.vector))
    h = _h(Hadamard(o.vector, Apply("phi", c.vector)))
    gates = (a_i, i, a_f, f, a_g, g, c, a_o, o, h) if peepholes else (a_i, i, a_f, f, a_g, g, a_o, o, c, h)
    return Cell(name, ("h", "c"), gates, source, title)


_KEEPS = (
    "z = 1 keeps the old state, as in Cho et al. 2014 (EMNLP), PyTorch, Keras and ONNX; Chung et al. 2014 have z and "
    "1 − z exchanged"
)


def _gru(name: str, title: str, source: str, *, reset_after: bool) -> Cell:
    a_r, r = _named("r", "sigmoid", "how much of the old state the candidate sees")
    a_z, z = _named("z", "sigmoid", "how much of the old state stays")
    after = Affine("n", None) + Hadamard(r.vector, RecurrentAffine("n"))
    before = Affine("n", Hadamard(r.vector, H_PREV))
    a_n, n = _named("n", "phi", "what may become the new state", after if reset_after else before)
    h = _h(_mix(z, H_PREV, n.vector))
    return Cell(name, ("h",), (a_r, r, a_z, z, a_n, n, h), source, title, _KEEPS)


def _mgu() -> Cell:
    a_f, f = _named("f", "sigmoid", "how much of the state is made anew, and how much the candidate sees")
    a_n, n = _named("n", "phi", "what may become the new state", Affine("n", Hadamard(f.vector, H_PREV)))
    h = _h(_mix(f, n.vector, H_PREV))
    note = "f = 0 keeps the old state, as in the paper; Flax's MGUCell has f and 1 − f exchanged"
    return Cell("mgu", ("h",), (a_f, f, a_n, n, h), "Zhou, Wu, Zhang, Zhou 2016", "minimal gated unit", note)


def _indrnn() -> Cell:
    u = Parameter("u_h", "diagonal", ("d_h",), "h")
    z = Equation("z", Affine("h", None) + Hadamard(u, H_PREV), "gate", "pre-activation: each unit sees only itself")
    equations = (z, _h(Apply("phi", z.vector)))
    return Cell("indrnn", ("h",), equations, "Li, Li, Cook, Zhu, Gao 2018", "independently recurrent network")


_PARALLEL = "its gates see the input alone, so that all steps can be computed at once"


def _minlstm() -> Cell:
    a_i, i = _named("i", "sigmoid", "how much of the candidate enters", Affine("i", None))
    a_f, f = _named("f", "sigmoid", "how much of the state stays", Affine("f", None))
    g = Equation("g", Affine("g", None), "gate", "candidate: what may enter the state")
    whole = f.vector + i.vector
    share_f = Equation("f'", Quotient(f.vector, whole), "gate", "forget gate's share of both gates")
    share_i = Equation("i'", Quotient(i.vector, whole), "gate", "input gate's share of both gates")
    h = _h(Hadamard(share_f.vector, H_PREV) + Hadamard(share_i.vector, g.vector))
    equations = (a_i, i, a_f, f, g, share_f, share_i, h)
    return Cell("minlstm", ("h",), equations, "Feng, Tung, Ahmed, Bengio, Hajimirsadeghi 2024", "minLSTM", _PARALLEL)


def _mingru() -> Cell:
    a_z, z = _named("z", "sigmoid", "how much of the state is made anew", Affine("z", None))
    n = Equation("n", Affine("n", None), "gate", "candidate: what may become the new state")
    h = _h(_mix(z, n.vector, H_PREV))
    note = f"{_PARALLEL}; z = 0 keeps the old state, the other way round than in a GRU here"
    return Cell("mingru", ("h",), (a_z, z, n, h), "Feng, Tung, Ahmed, Bengio, Hajimirsadeghi 2024", "minGRU", note)


RNN = _rnn()

CELLS = {
    cell.name: cell
    for cell in (
        RNN,
        _lstm(
            "lstm",
            "long short-term memory",
            "Hochreiter, Schmidhuber 1997; with the forget gate, Gers, Schmidhuber, Cummins 2000",
            peepholes=False,
        ),
        _lstm("lstm-peephole", "LSTM whose gates see the cell state", "Gers, Schmidhuber 2000", peepholes=True),
        _gru(
            "gru",
            "gated recurrent unit, reset after the product",
            "Cho et al. 2014, as cuDNN, PyTorch and Keras compute it",
            reset_after=True,
        ),
        _gru(
            "gru-reset-before",
            "gated recurrent unit, reset before the product",
            "Cho et al. 2014; Keras with reset_after=False",
            reset_after=False,
        ),
        _mgu(),
        _indrnn(),
        _minlstm(),
        _mingru(),
    )
}

# The readout is no part of a cell: any cell's hidden state can be read out.
READOUT = Equation(
    "y",
    Sum(
        (
            Product(Parameter("W_hy", "readout", ("d_out", "d_o"), "y"), Vector("h", "d_o")),
            Parameter("b_y", "readout_bias", ("d_out",), "y"),
        )
    ),
    "output",
    "output at step t",
)


def as_cell(cell: Cell | str) -> Cell:
    """A cell, or the one of that name.

    Raises: DataError for a name that there is not (with the nearest one).
    """
    if isinstance(cell, Cell):
        return cell
    if cell not in CELLS:
        raise DataError(f"There is no cell {quoted(cell)}; it must be {listed(CELLS)}.{did_you_mean(str(cell), CELLS)}")
    return CELLS[cell]
