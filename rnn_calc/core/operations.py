"""What a network computes in a step, forward and backward: each kind of operation, read off the equations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rnn_calc.core.closed_form import Term, term_of
from rnn_calc.core.equations import (
    COMPLEMENT,
    Apply,
    Equation,
    Expression,
    Hadamard,
    Lookup,
    Merge,
    Parameter,
    Product,
    Quotient,
    Sum,
    Vector,
    axis_of,
    operands,
    walk,
)
from rnn_calc.core.network import Network
from rnn_calc.core.stages import Layer, Stage

# A matrix's role, and what its products are called; a readout may go through the embedding's table.
PRODUCTS = {
    "input": "input products",
    "recurrent": "recurrent products",
    "projection": "projection",
    "readout": "readout product",
    "embedding": "readout product",
}
_OTHER_PRODUCTS = "other products"
BIASES, ELEMENTWISE, ACTIVATIONS = "biases", "element-wise", "activations"
OPERATIONS = (*dict.fromkeys(PRODUCTS.values()), _OTHER_PRODUCTS, BIASES, ELEMENTWISE, ACTIVATIONS)

# Operations an element takes to join two directions, and to hand the gradient on to them.
_MERGE_FORWARD = {"concat": 0, "sum": 1, "average": 2, "product": 1}
_MERGE_BACKWARD = {"concat": 0, "sum": 0, "average": 1, "product": 2}

# Whether a gradient of a value is formed: never, where a step hands it to the step before, or at every step.
_NEVER, _LINKED, _ALWAYS = 0, 1, 2


class Work(NamedTuple):
    """Operations of one kind that a step takes; of a matrix product, multiply-adds.

    `purpose` is forward, weights (gradients of parameters) or vectors (gradients of vectors). `linked`: done only where
    a step hands its gradient to the step before. `waits`: needs the state of the step before, so that it cannot be
    done for all steps at once.
    """

    stage: Stage
    gate: str
    operation: str
    purpose: str
    term: Term
    linked: bool = False
    waits: bool = False

    @property
    def is_product(self) -> bool:
        """Whether these are multiply-adds of a matrix product, of two FLOPs each."""
        return self.operation not in (BIASES, ELEMENTWISE, ACTIVATIONS)


def key_of(value: Vector | Equation) -> str:
    """What tells a value of a network from every other: its printed symbol, which bears the mark of its layer."""
    return value.symbol or value.name


def gates_of(stage: Stage) -> dict[str, str]:
    """For each equation of a stage the gate that its operations belong to; the state's own updates by their name.

    What stands around the layers has no gates: an empty name.
    """
    if not isinstance(stage, Layer):
        return {equation.name: "" for equation in stage.equations}
    found: dict[str, str] = {}
    for equation in stage.equations:
        own = next((node.gate for node in walk(equation.expression) if isinstance(node, Parameter)), None)
        if own is None and isinstance(equation.expression, Apply) and isinstance(equation.expression.argument, Vector):
            own = found.get(equation.expression.argument.name)
        found[equation.name] = own or equation.name
    return found


def is_activation(node: Expression) -> bool:
    """Whether the node is a function with a slope of its own: not the identity, nor 1 − v."""
    return isinstance(node, Apply) and node.function not in ("identity", COMPLEMENT)


def works(network: Network) -> tuple[Work, ...]:
    """All operations of a step of `network`, forward and backward."""
    return (*forward_works(network), *_Backward(network).works())


def _width(stage: Stage, node: Expression, times: int = 1) -> Term:
    return term_of([stage.extents[axis_of(node)]]).times(times)


def _matrix(stage: Stage, matrix: Parameter) -> Term:
    return term_of(stage.extents[axis] for axis in matrix.axes)


def _product_name(matrix: Parameter) -> str:
    return PRODUCTS.get(matrix.role, _OTHER_PRODUCTS)


def _gate_of_product(product: Product, gate: str) -> str:
    """The gate of the product's matrix, in a layer."""
    return product.matrix.gate if gate else gate


def forward_works(network: Network) -> Iterator[Work]:
    """The operations of the forward pass, as the equations are written: what stands there twice is done twice."""
    for stage in network.stages:
        gates, waiting = gates_of(stage), set[str]()
        for equation in stage.equations:
            gate = gates[equation.name]
            for node in walk(equation.expression):
                for operation, term in _forward(stage, node):
                    waits = _waits(node, waiting)
                    own = _gate_of_product(node, gate) if isinstance(node, Product) else gate
                    yield Work(stage, own, operation, "forward", term, waits=waits)
            if _waits(equation.expression, waiting):
                waiting.add(equation.name)


def _waits(expression: Expression, waiting: set[str]) -> bool:
    vectors = (node for node in walk(expression) if isinstance(node, Vector))
    return any(vector.previous or vector.name in waiting for vector in vectors)


def _forward(stage: Stage, node: Expression) -> Iterator[tuple[str, Term]]:
    """What one node costs beyond its operands."""
    match node:
        case Product(matrix, _):
            yield _product_name(matrix), _matrix(stage, matrix)
        case Sum(terms):
            products = sum(isinstance(term, Product) for term in terms)
            biases = sum(isinstance(term, Parameter) for term in terms)
            others = len(terms) - products - biases
            yield from _some(BIASES, stage, node, biases if products or others else biases - 1)
            yield from _some(ELEMENTWISE, stage, node, additions(products, others))
        case Hadamard() | Quotient() | Apply(function="complement"):
            yield from _some(ELEMENTWISE, stage, node, 1)
        case Merge(how):
            yield from _some(ELEMENTWISE, stage, node, _MERGE_FORWARD[how])
        case Apply() if is_activation(node):
            yield from _some(ACTIVATIONS, stage, node, 1)


def _some(operation: str, stage: Stage, node: Expression, times: int) -> Iterator[tuple[str, Term]]:
    if times > 0:
        yield operation, _width(stage, node, times)


def additions(products: int, others: int) -> int:
    """Additions an element takes to add up so many terms: a product's multiply-adds add it on to the rest."""
    return others if products else max(0, others - 1)


class Needs:
    """Which gradients of values are formed: of all that a parameter has part in, and of no input and no first state."""

    def __init__(self, network: Network) -> None:
        self._of: dict[str, int] = {}
        for equation in network.equations:
            self._of[key_of(equation)] = self.level(equation.expression)

    def level(self, node: Expression) -> int:
        """Never, where a step hands it to the step before, or always."""
        match node:
            case Parameter():
                return _ALWAYS
            case Vector(previous=True):
                return _LINKED
            case Vector():
                return self._of.get(key_of(node), _NEVER)
            case _:
                return max(map(self.level, operands(node)))

    def any(self, node: Expression) -> bool:
        """Whether it is formed at any step."""
        return self.level(node) > _NEVER


class _Backward:
    """The operations of the backward pass: each node's transposed derivative, applied to the gradient of its value."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.needs = Needs(network)
        # How often each value is used: [by a product, otherwise], at its own step and at the next one.
        self.uses: dict[str, dict[bool, list[int]]] = {}

    def works(self) -> Iterator[Work]:
        stages = [(stage, gates_of(stage)) for stage in self.network.stages]
        for stage, gates in stages:
            for equation in stage.equations:
                yield from self._descend(stage, gates[equation.name], equation.expression, product=False)
        if not self.network.readout:
            # The loss hands its gradient to the top layer's output itself.
            self._use(self.network.equations[-1].vector, product=False)
        for stage, gates in stages:
            for equation in stage.equations:
                yield from self._added_up(stage, gates[equation.name], equation)

    def _descend(self, stage: Stage, gate: str, node: Expression, *, product: bool) -> Iterator[Work]:
        """What it takes to hand the gradient of a node to everything beneath; `product`: it came by a product."""

        def work(operation: str, of: Expression, times: int, purpose: str = "vectors") -> Iterator[Work]:
            linked = purpose == "vectors" and self.needs.level(of) == _LINKED
            if times:
                yield Work(stage, gate, operation, purpose, _width(stage, of, times), linked)

        match node:
            case Vector():
                self._use(node, product=product)
                return
            case Product(matrix, vector):
                own, name, term = _gate_of_product(node, gate), _product_name(matrix), _matrix(stage, matrix)
                yield Work(stage, own, name, "weights", term)
                if level := self.needs.level(vector):
                    yield Work(stage, own, name, "vectors", term, level == _LINKED)
            case Lookup():
                yield from work(ELEMENTWISE, node, 1, "weights")
            case Sum(terms):
                biases = sum(isinstance(term, Parameter) for term in terms)
                yield from work(BIASES, node, biases, "weights")
            case Hadamard(left, right):
                for side in (left, right):
                    if isinstance(side, Parameter):  # multiplied, and added on to the steps before
                        yield from work(ELEMENTWISE, side, 2, "weights")
                    elif self.needs.any(side):
                        yield from work(ELEMENTWISE, side, 1)
            case Quotient(_, right):
                yield from work(ELEMENTWISE, node, 1)
                if self.needs.any(right):
                    yield from work(ELEMENTWISE, right, 1)
            case Merge(how):
                yield from work(ELEMENTWISE, node, _MERGE_BACKWARD[how])
            case Apply() if is_activation(node):
                yield from work(ACTIVATIONS, node, 1)
        for operand in operands(node):
            if not isinstance(operand, Parameter) and self.needs.any(operand):
                yield from self._descend(stage, gate, operand, product=isinstance(node, Product))

    def _use(self, vector: Vector, *, product: bool) -> None:
        counts = self.uses.setdefault(key_of(vector), {False: [0, 0], True: [0, 0]})
        counts[vector.previous][not product] += 1

    def _added_up(self, stage: Stage, gate: str, equation: Equation) -> Iterator[Work]:
        """The additions that make one gradient of a value from those of its uses."""
        if key_of(equation) not in self.uses:
            return
        now, later = (self.uses[key_of(equation)][previous] for previous in (False, True))
        last = additions(*now)
        more = additions(now[0] + later[0], now[1] + later[1]) - last
        for times, linked in ((last, False), (more, True)):
            if times:
                term = _width(stage, equation.expression, times)
                yield Work(stage, gate, ELEMENTWISE, "vectors", term, linked)
