"""The direct path of a gated state: what a gate alone lets through from one step to the next."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import log

import numpy as np

from rnn_calc.core.engine import Engine
from rnn_calc.core.equations import COMPLEMENT, Apply, Expression, Hadamard, Quotient, Sum, Vector
from rnn_calc.core.evaluation import Values, evaluate
from rnn_calc.core.stages import Layer
from rnn_calc.core.weights import Array


@dataclass(frozen=True)
class DirectPath:
    """The share k of a state that stays, s_t = k_t ⊙ s_{t−1} + …, and the products of it over the last steps.

    `log10_norms[lag − 1]` is log₁₀ of the largest entry of k_T ⊙ … ⊙ k_{T−lag+1}; `mean`, `least` and `largest` are
    over all units and steps. `alone` says that nothing else in the equation sees the state before, so that its
    Jacobian is the diagonal matrix of k. `log_shares` are the natural logarithms of k.

    Shapes: log10_norms (T − 1,), log_shares (T, d_h).
    """

    share: Expression
    alone: bool
    log_shares: Array
    log10_norms: Array
    mean: float
    least: float
    largest: float

    def matrix(self, lag: int) -> Array:
        """The diagonal matrix of k_T ⊙ … ⊙ k_{T−lag+1}."""
        return np.diag(np.exp(self.log_shares[-lag:].sum(axis=0)))


def direct_path(engine: Engine, values: Values, state: str) -> DirectPath | None:
    """The direct path of a state over a run of one sequence; None where no gate multiplies it."""
    found = _shared(engine.layer, state)
    if found is None:
        return None
    share, others = found
    alone = not any(map(engine.depends_on_state, (share, *others)))
    logs = log_value(share, engine, values)
    sums = np.cumsum(logs[:0:-1], axis=0)
    sizes = np.exp(logs)
    return DirectPath(
        share,
        alone,
        logs,
        sums.max(axis=1) / log(10),
        float(sizes.mean()),
        float(sizes.min()),
        float(sizes.max()),
    )


def share_that_stays(layer: Layer, state: str) -> Expression | None:
    """What multiplies a state from one step to the next, and nothing else of it: f of c, 1 − z of h; None without."""
    found = _shared(layer, state)
    return None if found is None else found[0]


def _shared(layer: Layer, state: str) -> tuple[Expression, list[Expression]] | None:
    """The share of a state that stays, and the other terms of its equation."""
    (equation,) = (equation for equation in layer.equations if equation.name == state)
    terms = equation.expression.terms if isinstance(equation.expression, Sum) else (equation.expression,)
    shares = [(term, share) for term in terms if (share := _share(term, state)) is not None]
    if len(shares) != 1:
        return None
    ((direct, share),) = shares
    return share, [term for term in terms if term is not direct]


def _share(term: Expression, state: str) -> Expression | None:
    """What the term multiplies the previous state by, if that is all it does."""
    match term:
        case Hadamard(share, Vector(name, previous=True)) | Hadamard(Vector(name, previous=True), share):
            return share if name == state else None
        case _:
            return None


def is_share(expression: Expression, engine: Engine) -> bool:
    """Whether the value lies between 0 and 1 because it is a gate, what a gate leaves over, or a share of gates."""
    match engine.made(expression):
        case Apply("sigmoid") | Quotient():
            return True
        case Apply(function, gate) if function == COMPLEMENT:
            return is_share(gate, engine)
        case _:
            return False


def log_value(expression: Expression, engine: Engine, values: Values) -> Array:
    """The natural logarithm of a value between 0 and 1: to every digit also where the value itself rounds to 0 or 1."""
    made = engine.made(expression)
    match made:
        case Apply("sigmoid", argument):
            return -np.logaddexp(0.0, -evaluate(argument, values, engine.weights))
        case Apply(function, gate) if function == COMPLEMENT:
            match engine.made(gate):
                case Apply("sigmoid", argument):
                    return -np.logaddexp(0.0, evaluate(argument, values, engine.weights))
        case Quotient(left, right):
            return log_value(left, engine, values) - log_value(right, engine, values)
        case Sum(terms):
            return reduce(np.logaddexp, (log_value(term, engine, values) for term in terms))
    with np.errstate(divide="ignore"):
        return np.log(evaluate(made, values, engine.weights))
