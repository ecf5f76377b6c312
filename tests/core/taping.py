"""Networks unrolled step by step, each operation counted when it is done: an oracle for the counts of `cost`.

Nothing here calls the package. A value knows only its width and what it was made of; the backward pass walks the
unrolled graph and counts what handing on the gradients takes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(eq=False)
class Value:
    """A vector or a parameter of one run."""

    tape: Tape
    shape: tuple[int, ...]
    trained: bool
    parents: tuple[Value, ...] = ()
    made: str = ""
    is_parameter: bool = False
    direct: int = 0
    by_product: int = 0

    @property
    def width(self) -> int:
        return self.shape[0]

    def __matmul__(self, vector: Value) -> Value:
        assert self.shape[1:] == vector.shape
        self.tape.forward["products"] += self.shape[0] * self.shape[1]
        return self.tape.make((self.shape[0],), "product", self, vector)

    def __mul__(self, other: Value) -> Value:
        self.tape.forward["element-wise"] += self.width
        return self.tape.make(self.shape, "times", self, other)

    def __truediv__(self, other: Value) -> Value:
        self.tape.forward["element-wise"] += self.width
        return self.tape.make(self.shape, "over", self, other)


@dataclass
class Tape:
    """Every value in the order in which it was made, and what was counted."""

    forward: Counter[str] = field(default_factory=Counter)
    weights: Counter[str] = field(default_factory=Counter)
    vectors: Counter[str] = field(default_factory=Counter)
    values: list[Value] = field(default_factory=list)

    def make(self, shape: tuple[int, ...], made: str, *parents: Value) -> Value:
        value = Value(self, shape, any(parent.trained for parent in parents), parents, made)
        self.values.append(value)
        return value

    def parameter(self, *shape: int) -> Value:
        return Value(self, shape, trained=True, is_parameter=True)

    def data(self, width: int, *, trained: bool = False) -> Value:
        return Value(self, (width,), trained)

    def add(self, *terms: Value) -> Value:
        """A sum; what is a product adds itself on."""
        biases = sum(term.is_parameter for term in terms)
        products = sum(term.made == "product" for term in terms)
        others = len(terms) - biases - products
        self.forward["biases"] += biases * terms[0].width
        self.forward["element-wise"] += (others if products else others - 1) * terms[0].width
        return self.make(terms[0].shape, "sum", *terms)

    def join(self, how: str, forward: Value, backward: Value) -> Value:
        """Two directions made one: [f; b], f + b, (f + b) / 2 or f ⊙ b."""
        if how == "concat":
            return self.make((forward.width + backward.width,), "join", forward, backward)
        if how == "product":
            return forward * backward
        summed = self.add(forward, backward)
        if how == "sum":
            return summed
        self.forward["element-wise"] += summed.width
        return self.make(summed.shape, "half", summed)

    def apply(self, value: Value) -> Value:
        self.forward["activations"] += value.width
        return self.make(value.shape, "function", value)

    def complement(self, value: Value) -> Value:
        self.forward["element-wise"] += value.width
        return self.make(value.shape, "complement", value)

    def backward(self, losses: Iterable[Value]) -> None:
        """Count the backward pass from gradients given for these values."""
        for value in losses:
            value.direct += 1
        for value in reversed(self.values):
            if not value.direct and not value.by_product:
                continue
            added = value.direct if value.by_product else value.direct - 1
            self.vectors["element-wise"] += added * value.width
            self._hand_on(value)

    def finish(self, inputs: Iterable[Value]) -> None:
        """Rows of an embedding: each one's gradient is added to the table."""
        for value in inputs:
            assert not value.direct
            self.weights["element-wise"] += value.width

    def _hand_on(self, value: Value) -> None:
        for position, parent in enumerate(value.parents):
            if not parent.trained:
                continue
            if value.made == "product":
                kind = "weights" if position == 0 else "vectors"
                getattr(self, kind)["products"] += value.width * value.parents[0].shape[1]
                parent.by_product += position
                continue
            if parent.is_parameter:
                name, times = ("biases", 1) if value.made == "sum" else ("element-wise", 2)
                self.weights[name] += times * value.width
                continue
            name = "activations" if value.made == "function" else "element-wise"
            self.vectors[name] += value.width * (value.made in ("function", "times", "over", "half"))
            parent.direct += 1


Step = Callable[[Tape, dict[str, Value], Value, dict[str, Value]], dict[str, Value]]


def _gate(t: Tape, w: dict[str, Value], gate: str, x: Value, h: Value | None, *more: Value) -> Value:
    terms = [w[f"W_x{gate}"] @ x] + ([] if h is None else [w[f"W_h{gate}"] @ h])
    return t.add(*terms, *(w[name] for name in (f"b_{gate}", f"bb_{gate}") if name in w), *more)


def _rnn(t: Tape, w: dict[str, Value], x: Value, s: dict[str, Value]) -> dict[str, Value]:
    return {"h": t.apply(_gate(t, w, "h", x, s["h"]))}


def _lstm(t: Tape, w: dict[str, Value], x: Value, s: dict[str, Value]) -> dict[str, Value]:
    i, f, g, o = (t.apply(_gate(t, w, gate, x, s["h"])) for gate in "ifgo")
    c = t.add(f * s["c"], i * g)
    return {"c": c, "h": o * t.apply(c)}


def _peephole(t: Tape, w: dict[str, Value], x: Value, s: dict[str, Value]) -> dict[str, Value]:
    i, f = (t.apply(_gate(t, w, gate, x, s["h"], w[f"p_{gate}"] * s["c"])) for gate in "if")
    g = t.apply(_gate(t, w, "g", x, s["h"]))
    c = t.add(f * s["c"], i * g)
    o = t.apply(_gate(t, w, "o", x, s["h"], w["p_o"] * c))
    return {"c": c, "h": o * t.apply(c)}


def _mix(t: Tape, z: Value, kept: Value, new: Value) -> Value:
    return t.add(z * kept, t.complement(z) * new)


def _gru(t: Tape, w: dict[str, Value], x: Value, s: dict[str, Value]) -> dict[str, Value]:
    r, z = (t.apply(_gate(t, w, gate, x, s["h"])) for gate in "rz")
    recurrent = w["W_hn"] @ s["h"]
    inside = t.add(recurrent, w["bb_n"]) if "bb_n" in w else recurrent
    bias = [w["b_n"]] if "b_n" in w else []
    n = t.apply(t.add(w["W_xn"] @ x, *bias, r * inside))
    return {"h": _mix(t, z, s["h"], n)}


def _gru_before(t: Tape, w: dict[str, Value], x: Value, s: dict[str, Value]) -> dict[str, Value]:
    r, z = (t.apply(_gate(t, w, gate, x, s["h"])) for gate in "rz")
    n = t.apply(_gate(t, w, "n", x, r * s["h"]))
    return {"h": _mix(t, z, s["h"], n)}


def _mgu(t: Tape, w: dict[str, Value], x: Value, s: dict[str, Value]) -> dict[str, Value]:
    f = t.apply(_gate(t, w, "f", x, s["h"]))
    n = t.apply(_gate(t, w, "n", x, f * s["h"]))
    return {"h": _mix(t, f, n, s["h"])}


def _indrnn(t: Tape, w: dict[str, Value], x: Value, s: dict[str, Value]) -> dict[str, Value]:
    return {"h": t.apply(_gate(t, w, "h", x, None, w["u"] * s["h"]))}


def _minlstm(t: Tape, w: dict[str, Value], x: Value, s: dict[str, Value]) -> dict[str, Value]:
    i, f = (t.apply(_gate(t, w, gate, x, None)) for gate in "if")
    g = _gate(t, w, "g", x, None)
    f_share, i_share = f / t.add(f, i), i / t.add(f, i)
    return {"h": t.add(f_share * s["h"], i_share * g)}


def _mingru(t: Tape, w: dict[str, Value], x: Value, s: dict[str, Value]) -> dict[str, Value]:
    z = t.apply(_gate(t, w, "z", x, None))
    return {"h": _mix(t, z, s["h"], _gate(t, w, "n", x, None))}


@dataclass(frozen=True)
class Recipe:
    """A cell's step, its gates, which of them see h by a matrix, and which by a vector of weights."""

    step: Step
    gates: str
    recurrent: str
    states: str = "h"
    vectors: tuple[str, ...] = ()
    bias_apart: str = ""


RECIPES = {
    "rnn": Recipe(_rnn, "h", "h"),
    "lstm": Recipe(_lstm, "ifgo", "ifgo", "hc"),
    "lstm-peephole": Recipe(_peephole, "ifgo", "ifgo", "hc", ("p_i", "p_f", "p_o")),
    "gru": Recipe(_gru, "rzn", "rzn", bias_apart="n"),
    "gru-reset-before": Recipe(_gru_before, "rzn", "rzn"),
    "mgu": Recipe(_mgu, "fn", "fn"),
    "indrnn": Recipe(_indrnn, "h", "", vectors=("u",)),
    "minlstm": Recipe(_minlstm, "ifg", ""),
    "mingru": Recipe(_mingru, "zn", ""),
}


def layer_weights(t: Tape, recipe: Recipe, d_in: int, d_h: int, biases: int) -> dict[str, Value]:
    """Parameters of one direction of a layer."""
    w = {f"W_x{gate}": t.parameter(d_h, d_in) for gate in recipe.gates}
    w |= {f"W_h{gate}": t.parameter(d_h, d_h) for gate in recipe.recurrent}
    w |= {name: t.parameter(d_h) for name in recipe.vectors}
    if biases:
        w |= {f"b_{gate}": t.parameter(d_h) for gate in recipe.gates}
    second = recipe.recurrent if biases == 2 else recipe.bias_apart if biases else ""
    return w | {f"bb_{gate}": t.parameter(d_h) for gate in second}


def run_layer(t: Tape, recipe: Recipe, w: dict[str, Value], xs: Sequence[Value], d_h: int, cut: int) -> list[Value]:
    """The states of one direction; every `cut` steps (0: never) the gradient's way back is cut."""
    state = {name: t.data(d_h) for name in recipe.states}
    found = []
    for index, x in enumerate(xs):
        if cut and index % cut == 0:
            state = {name: t.data(d_h) for name in recipe.states}
        state = recipe.step(t, w, x, state)
        found.append(state["h"])
    return found


def count_run(
    cell: str,
    lengths: Sequence[int],
    widths: Sequence[int],
    d_in: int,
    d_out: int,
    *,
    biases: int = 1,
    cut: int = 0,
    embedded: bool = False,
    merge: str = "",
) -> Tape:
    """The counts of a stack over sequences of these lengths, forward and backward; with `merge`, in two directions."""
    t, recipe = Tape(), RECIPES[cell]
    both = 2 if merge == "concat" else 1
    inner = zip([d_in, *(both * width for width in widths[:-1])], widths, strict=True)
    layers = [[layer_weights(t, recipe, below, d_h, biases) for _ in range(2 if merge else 1)] for below, d_h in inner]
    readout = (t.parameter(d_out, both * widths[-1]), t.parameter(d_out)) if d_out else None
    losses, inputs = [], []
    for length in lengths:
        values = [t.data(d_in, trained=embedded) for _ in range(length)]
        inputs += values if embedded else []
        for directions, d_h in zip(layers, widths, strict=True):
            states = [run_layer(t, recipe, directions[0], values, d_h, cut)]
            if merge:
                backward = run_layer(t, recipe, directions[1], values[::-1], d_h, cut)
                values = [t.join(merge, *pair) for pair in zip(*states, backward[::-1], strict=True)]
            else:
                (values,) = states
        if readout:
            values = [t.add(readout[0] @ h, readout[1]) for h in values]
        losses += values
    t.backward(losses)
    t.finish(inputs)
    return t
