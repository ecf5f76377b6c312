"""What a notebook shows of a report: the page of the command that makes the same one, and its pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from rnn_calc.core.cells import Cell
from rnn_calc.core.cost import CostReport
from rnn_calc.core.counts import CountReport, count_parameters
from rnn_calc.core.decay import DecayReport
from rnn_calc.core.errors import DataError
from rnn_calc.core.gradients import Gradients
from rnn_calc.core.lag_shares import LagGradients
from rnn_calc.core.loss_decay import LossDecay
from rnn_calc.core.lyapunov import LyapunovReport
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.shapes import ShapeReport
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Weights
from rnn_calc.show.document import Document, Text
from rnn_calc.show.heading import describe_network
from rnn_calc.show.html import render_html
from rnn_calc.show.output import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rnn_calc.show.picture import Picture

# Multiply-adds of all lags that are made without being asked for: well under a second.
_MOST_WORK = 1e9


class Page(NamedTuple):
    """How a report is shown: its document, and its pictures where it has any; both made when they are asked for."""

    document: Callable[[], Document]
    pictures: Callable[[], Sequence[Picture]] | None = None


def html(report: object, /) -> str:
    """The report as a fragment of HTML; where its page cannot be made, what it is and why not."""
    try:
        return render_html(_page(report).document())
    except Exception as error:
        # What was computed is there all the same: no cell of a notebook fails because of how it is shown.
        lines = (repr(report), f"It cannot be shown as a table: {type(error).__name__}: {error}")
        return render_html(Document((Text(lines, "muted"),)))


def figure(report: object, /) -> Figure:
    """The pictures that --plot draws of the report, as one figure.

    Raises: OutputError where matplotlib is not installed; DataError for a report that has no picture.
    """
    from rnn_calc.show.plotting import require_matplotlib

    require_matplotlib("plot()")
    from rnn_calc.show.matplotlib_pictures import figure_of

    pictures = _page(report).pictures
    if pictures is None:
        raise DataError("The trace of a batch has no pictures; trace one of its sequences: x[:, 0].")
    return figure_of(pictures())


def _page(report: object) -> Page:
    return PAGES[type(report)](report)


def _of(view: View) -> Page:
    return Page(view.document, view.pictures)


def _heading(notation: Notation) -> Text:
    return describe_network(notation.network, notation.convention)


def _cell(cell: Cell) -> Page:
    from rnn_calc.core.catalog import describe_cell
    from rnn_calc.show.cells import cell_blocks

    return Page(lambda: Document(tuple(cell_blocks(describe_cell(cell)))))


def _network(network: Network) -> Page:
    from rnn_calc.show.library import network_document

    return Page(lambda: network_document(count_parameters(network, steps=())))


def _weights(weights: Weights) -> Page:
    from rnn_calc.show.library import weights_document

    return Page(lambda: weights_document(weights))


def _shapes(report: ShapeReport) -> Page:
    from rnn_calc.show.shapes import shapes_view

    return _of(shapes_view(report, (), (), _heading(report.notation)))


def _counts(report: CountReport) -> Page:
    from rnn_calc.show.counts import counts_view

    return _of(counts_view(report, _heading(report.notation), unrolled=bool(report.unrolled)))


def _cost(report: CostReport) -> Page:
    from rnn_calc.core.memory_cost import DTYPES, OPTIMIZERS, count_memory
    from rnn_calc.show.cost import cost_view
    from rnn_calc.show.memory_cost import Memory

    kept = count_memory(report.network, report.notation.convention, report.run)
    return _of(cost_view(report, Memory(kept, tuple(DTYPES), tuple(OPTIMIZERS)), _heading(report.notation)))


def _trace(report: Trace) -> Page:
    from rnn_calc.show.library import batch_document
    from rnn_calc.show.trace import TraceShown, trace_view

    notation = Notation(report.network)
    if report.x.ndim > 2:
        return Page(lambda: batch_document(report, _heading(notation)))
    return _of(
        trace_view(lambda: report, lambda: [report], TraceShown(notation, _heading(notation), (), has_options=False))
    )


def _decay(report: DecayReport) -> Page:
    from rnn_calc.show.decay import decay_view
    from rnn_calc.show.decay_series import DecayShown, NetworkDecay

    notation = Notation(report.trace.network)
    networks = (NetworkDecay("norm", (report,)),)
    return _of(decay_view(networks, DecayShown(_heading(notation), (), notation)))


def _gradients(report: Gradients) -> Page:
    from rnn_calc.core.lag_shares import lag_work
    from rnn_calc.core.stored_gradients import lag_shares
    from rnn_calc.show.bptt import bptt_view
    from rnn_calc.show.bptt_report import Bptt

    notation = Notation(report.trace.network)
    find_lags = partial(lag_shares, report) if lag_work(report.trace) <= _MOST_WORK else None
    return _of(bptt_view(Bptt(report, notation, _heading(notation), (), find_lags=find_lags, has_options=False)))


def _loss_decay(report: LossDecay) -> Page:
    from rnn_calc.show.decay_loss import LossDecayShown, loss_decay_view

    heading, places = _heading(Notation(report.trace.network)), tuple(range(len(report.layers)))
    return _of(loss_decay_view(LossDecayShown(heading, (), ("norm",), (report,), places, "", 1e-3)))


def _lag(report: LagGradients) -> Page:
    from rnn_calc.show.library import lag_document

    return Page(lambda: lag_document(report))


def _lyapunov(report: LyapunovReport) -> Page:
    from rnn_calc.show.library import lyapunov_document

    return Page(lambda: lyapunov_document(report))


# Any: each function takes the type that it stands beside.
PAGES: dict[type, Callable[[Any], Page]] = {
    Cell: _cell,
    Network: _network,
    Weights: _weights,
    ShapeReport: _shapes,
    CountReport: _counts,
    CostReport: _cost,
    Trace: _trace,
    DecayReport: _decay,
    Gradients: _gradients,
    LossDecay: _loss_decay,
    LagGradients: _lag,
    LyapunovReport: _lyapunov,
}
