"""Pages of what the library gives and no command shows by itself: a network, weights, a batch, one lag, exponents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnn_calc.core.notation import write_shape
from rnn_calc.show.counts import parameter_table
from rnn_calc.show.document import Block, Column, Document, Magnitude, Table, Text, Value
from rnn_calc.show.format import plural
from rnn_calc.show.heading import describe_network
from rnn_calc.show.selection import head_and_tail

if TYPE_CHECKING:
    from rnn_calc.core.counts import CountReport
    from rnn_calc.core.lag_shares import LagGradients
    from rnn_calc.core.lyapunov import LyapunovReport
    from rnn_calc.core.trace import Trace
    from rnn_calc.core.weights import Weights

# Arrays of a network, which may have a thousand layers.
_MOST_ARRAYS = 24


def network_document(report: CountReport) -> Document:
    """What a network is, by its count."""
    return Document((describe_network(report.network, report.notation.convention), parameter_table(report)))


def weights_document(weights: Weights) -> Document:
    """The arrays, their shapes and norms, and where each came from."""
    import numpy as np

    init = weights.init
    drawn = f"drawn ({init.scheme}, gain {init.gain:g}, seed {init.seed})"
    names = list(weights.arrays)
    chosen = head_and_tail(len(names), _MOST_ARRAYS)
    rows: list[tuple[Value, ...]] = []
    for name in (names[place] for place in chosen.shown):
        array = weights[name]
        origin = drawn if name in weights.drawn else "given"
        rows.append((name, write_shape(array.shape), float(np.linalg.norm(array)), origin))
    columns = (Column("parameter", "math"), Column("shape", "shape"), Column("norm", "number"), Column("from"))
    blocks: list[Block] = [Table("Weights", columns, tuple(rows))]
    notes = [f"{plural(chosen.left_out, 'array')} between the first and the last left out."] if chosen.left_out else []
    notes += [weights.scaling] if weights.scaling else []
    return Document((*blocks, Text(tuple(notes), "muted")))


def batch_document(trace: Trace, heading: Text) -> Document:
    """The arrays of a trace of several sequences, whose steps have no page."""
    states = {f"h_n of {run.layer.part}": run.final["h"] for run in trace.layers[:_MOST_ARRAYS]}
    arrays = {"x": trace.x, "h": trace.h, "c": trace.c, "y": trace.y, **states}
    rows = tuple((name, write_shape(array.shape)) for name, array in arrays.items() if array is not None)
    said = f"A batch of {plural(trace.x.shape[1], 'sequence')}, time first: (T, B, d). Trace one to see its steps."
    columns = (Column("array"), Column("shape", "shape"))
    return Document((heading, Text((said,), "muted"), Table("What the trace holds", columns, rows)))


def lag_document(report: LagGradients) -> Document:
    """The norm of what paths of one length add to each gradient."""
    names = list(report.gradients)
    chosen = head_and_tail(len(names), _MOST_ARRAYS)
    rows = tuple(
        (f"∂L/∂{name}", write_shape(own.scaled.shape), Magnitude(own.log10_norm))
        for name, own in ((names[place], report.gradients[names[place]]) for place in chosen.shown)
    )
    columns = (Column("gradient", "math"), Column("shape", "shape"), Column("norm", "number"))
    title = f"What paths that go {plural(report.lag, 'step')} back add to each gradient"
    return Document((Table(title, columns, rows),))


def lyapunov_document(report: LyapunovReport) -> Document:
    """The exponents, their errors, and what they say."""
    from rnn_calc.show.decay_lyapunov import exponents_alone

    return Document(tuple(exponents_alone(report)))
