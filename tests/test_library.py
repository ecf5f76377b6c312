"""The library's interface: its names, what each says of itself, and how its results show themselves."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest import mock

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

import rnn_calc
from rnn_calc import notebook
from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.errors import DataError, OutputError
from rnn_calc.core.network import Network
from rnn_calc.core.trace import Trace
from tests.show.test_html import Page

# Whoever adds a name adds it here; one that was here stays.
NAMES = {
    *("CELLS", "CONVENTIONS", "Init", "Loss", "Network", "RnnCalcError", "backpropagate", "bptt", "count_cost"),
    *("count_parameters", "gradient_decay", "lag_gradients", "loss_decay", "lyapunov_exponents", "make_weights"),
    *("read_arrays", "scale_recurrent", "shapes", "trace", "write_arrays"),
}
# Those with which the README begins.
FIRST = ("Network", "shapes", "count_parameters", "trace", "gradient_decay", "bptt")

# "cat sat here", as the tutorial works it out by hand.
GIVEN = {
    "W_xh": np.array([[0.3, 0.7], [0.4, 0.2]]),
    "W_hh": np.array([[0.1, 0.5], [0.6, 0.3]]),
    "b_h": np.array([0.1, 0.2]),
}
WORDS = [[0.5, 0.2], [0.1, 0.9], [0.8, 0.3]]


def small_trace() -> Trace:
    network = rnn_calc.Network(d_in=2, d_h=2)
    return rnn_calc.trace(network, rnn_calc.make_weights(network, GIVEN), WORDS)


def run_of(network: Network, steps: int = 12) -> Trace:
    x = np.random.default_rng(0).standard_normal((steps, network.d_in))
    return rnn_calc.trace(network, rnn_calc.make_weights(network), x)


def test_the_names_are_these() -> None:
    assert set(rnn_calc.__all__) == NAMES
    assert list(rnn_calc.__all__) == sorted(rnn_calc.__all__)
    assert set(FIRST) <= NAMES


def test_every_name_can_be_found_and_imported() -> None:
    everything: dict[str, object] = {}
    exec("from rnn_calc import *", everything)
    assert everything.keys() - {"__builtins__"} == NAMES
    assert set(dir(rnn_calc)) >= NAMES
    for name in NAMES:
        assert getattr(rnn_calc, name) is everything[name]
    with pytest.raises(AttributeError, match="has no attribute 'tracer'"):
        rnn_calc.tracer  # noqa: B018 - asking is what is tested


def test_the_readme_shows_every_name() -> None:
    text = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
    section = text.partition("\n## From Python\n")[2].partition("\n## ")[0]
    code = section.partition("```python\n")[2].partition("```")[0]
    assert {name for name in FIRST if f"rnn_calc.{name}(" in code} == set(FIRST)
    assert {name for name in NAMES if re.search(rf"rnn_calc\.{name}\(|`{name}`", section)} == NAMES


def test_bptt_is_the_other_name_of_backpropagate() -> None:
    assert rnn_calc.bptt is rnn_calc.backpropagate


MADE = sorted(NAMES - {"CELLS", "CONVENTIONS"})
# What is made of arrays.
RUNS = ("trace", "gradient_decay", "bptt", "loss_decay", "lyapunov_exponents")


@pytest.mark.parametrize("name", MADE)
def test_every_name_says_what_it_gives_and_what_goes_wrong(name: str) -> None:
    made = getattr(rnn_calc, name)
    text = inspect.getdoc(made)
    assert text
    assert re.match(r"[A-Z].*?[.:,]$", text.partition("\n\n")[0], re.DOTALL)
    if inspect.isfunction(made):
        assert re.search(r"^Raises: ", text, re.MULTILINE)


@pytest.mark.parametrize("name", RUNS)
def test_what_gives_arrays_says_their_shapes(name: str) -> None:
    function = getattr(rnn_calc, name)
    given = sys.modules[function.__module__].__dict__[function.__annotations__["return"]]
    assert any("Shapes: " in (own.__doc__ or "") for own in given.__mro__)


def test_importing_the_library_and_naming_a_network_takes_no_numpy() -> None:
    code = (
        "import rnn_calc, sys; network = rnn_calc.Network(4, 3, 2); rnn_calc.count_parameters(network)\n"
        "print([name for name in ('numpy', 'rnn_calc.notebook', 'rnn_calc.show', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# Names of cells


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_may_be_given_by_its_name(name: str) -> None:
    network = Network(4, 3, cell=name)  # type: ignore[arg-type]  # for notebooks, which nothing checks
    assert network == Network(4, 3, cell=CELLS[name])
    assert network.cell is CELLS[name]
    assert eval(repr(network), {"Network": Network}) == network


def test_a_cell_that_there_is_not_names_the_nearest() -> None:
    with pytest.raises(DataError, match=r"There is no cell 'ltsm'; .* Did you mean lstm"):
        Network(4, 3, cell="ltsm")  # type: ignore[arg-type]  # what is tested


# How results show themselves


def results(network: Network, steps: int) -> list[Any]:
    done = run_of(network, steps)
    loss = rnn_calc.Loss("sum")
    return [
        network.cell,
        network,
        done.weights,
        rnn_calc.shapes(network, steps=steps, batch=2),
        rnn_calc.count_parameters(network),
        rnn_calc.count_cost(network),
        done,
        rnn_calc.gradient_decay(done),
        rnn_calc.bptt(done, loss),
        rnn_calc.loss_decay(done, loss),
        next(iter(rnn_calc.lag_gradients(done, loss))),
        rnn_calc.lyapunov_exponents(done),
    ]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "more", [{}, {"layers": 2, "bidirectional": True, "d_out": 2}, {"biases": 2}], ids=["plain", "stack", "biases"]
)
def test_every_result_shows_itself_as_tables(cell: str, more: dict[str, Any]) -> None:
    network = Network(3, 2, cell=CELLS[cell], **more)
    found = results(network, 12)
    assert {type(result) for result in found} == set(notebook.PAGES)
    for result in found:
        html = result._repr_html_()
        assert "cannot be shown" not in html
        assert "Again:" not in html
        # A cell with one gate has no table of them.
        assert Page(html).tables or result is CELLS[cell]


def tables(result: Any) -> list[list[list[str]]]:
    return Page(result._repr_html_()).tables


def test_the_count_is_the_one_worked_out_by_hand() -> None:
    # 3·4 + 3·3 + 3 and 2·3 + 2.
    network = Network(d_in=4, d_h=3, d_out=2)
    for shown in (network, rnn_calc.count_parameters(network)):
        assert [row[-1] for row in tables(shown)[0]] == ["count", "12", "9", "3", "6", "2", "32"]


def test_the_trace_is_the_one_worked_out_by_hand() -> None:
    # tanh(0.3·0.5 + 0.7·0.2 + 0.1) and so on, to four digits.
    memory = next(table for table in tables(small_trace()) if table[0] == ["", "unit 1", "unit 2"])
    assert memory[1:] == [
        ["h_0", "0", "0"],
        ["h_1", "0.3714", "0.4136"],
        ["h_2", "0.7633", "0.6451"],
        ["h_3", "0.7393", "0.8430"],
    ]


def test_the_convention_of_a_report_is_that_of_its_page() -> None:
    for convention in CONVENTIONS:
        # Every convention has an LSTM, and none asks for biases.
        html = rnn_calc.shapes(Network(4, 3, cell=CELLS["lstm"], biases=0), convention)._repr_html_()
        assert html is not None
        assert f"convention {convention}: " in html


def test_of_a_long_trace_the_head_and_the_tail_are_shown() -> None:
    html = run_of(Network(3, 2), 10_000)._repr_html_()
    assert html is not None
    assert len(html) < 50_000
    assert "9,988 steps of 10,000 left out" in html
    assert "--" not in Page(html).text


def test_a_batch_is_shown_by_its_shapes() -> None:
    network = Network(3, 2, 4)
    done = rnn_calc.trace(network, rnn_calc.make_weights(network), np.zeros((5, 7, 3)))
    (table,) = tables(done)
    assert table[1:4] == [["x", "(5, 7, 3)"], ["h", "(5, 7, 2)"], ["y", "(5, 7, 4)"]]
    with pytest.raises(DataError, match="trace one of its sequences"):
        done.plot()


def test_the_lags_of_a_batch_are_refused_in_words() -> None:
    network = Network(3, 2)
    done = rnn_calc.trace(network, rnn_calc.make_weights(network), np.zeros((5, 7, 3)))
    with pytest.raises(DataError, match="not on a batch"):
        next(rnn_calc.lag_gradients(done, rnn_calc.Loss("sum")))


def test_what_cannot_be_shown_says_why_and_what_it_is() -> None:
    result = rnn_calc.count_parameters(Network(4, 3, 2))
    with mock.patch("rnn_calc.show.counts.counts_view", side_effect=ZeroDivisionError("<b>")):
        text = Page(result._repr_html_() or "").text
    assert "<CountReport: Network(d_in=4, d_h=3, d_out=2), 32 parameters>" in text
    assert "ZeroDivisionError: <b>" in text


def test_one_line_says_what_a_result_is() -> None:
    network = Network(4, 64, 2, layers=2)
    for result in results(network, 300):
        assert "\n" not in repr(result)
        assert len(repr(result)) < 400
    assert max(map(len, map(repr, (*CELLS.values(), *CONVENTIONS.values())))) < 120
    assert repr(network) == "Network(d_in=4, d_h=64, d_out=2, layers=2)"


# Figures


def drawn(figure: Figure) -> np.ndarray[Any, Any]:
    png, size = figure._repr_png_()  # type: ignore[attr-defined]  # what a notebook asks for
    image = matplotlib.image.imread(BytesIO(png))
    # Two dots to each that is shown.
    assert image.shape[:2] == (2 * size["height"], 2 * size["width"])
    return image


def labels(figure: Figure) -> list[str]:
    return [axes.get_ylabel() for part in figure.subfigs for axes in part.axes]


def test_what_runs_through_time_draws_itself() -> None:
    done = small_trace()
    loss = rnn_calc.Loss("sum")
    decay = rnn_calc.gradient_decay(done)
    expected: Sequence[tuple[Any, str]] = (
        (done, "h_t"),
        (decay, "‖∂h_T/∂h_{T−lag}‖₂"),
        (rnn_calc.bptt(done, loss), "‖∂L/∂h_t‖"),
        (rnn_calc.loss_decay(done, loss), "‖∂L/∂h_t‖"),
    )
    for result, label in expected:
        figure = result.plot()
        assert isinstance(figure, Figure)
        assert labels(figure)[0] == label
        assert drawn(figure).std() > 0


def test_the_curve_of_a_trace_is_its_states() -> None:
    done = small_trace()
    (axes,) = [axes for part in done.plot().subfigs for axes in part.axes]
    curves = [line.get_ydata() for line in axes.lines if len(np.asarray(line.get_ydata())) == 4]
    expected = np.vstack([np.zeros(2), done.h]).T
    assert np.array_equal(np.array(curves), expected)


def test_a_figure_leaves_pyplot_and_its_settings_alone() -> None:
    before = dict(matplotlib.rcParams)
    drawn(small_trace().plot())
    assert dict(matplotlib.rcParams) == before
    code = (
        "import sys, rnn_calc; network = rnn_calc.Network(2, 2)\n"
        "rnn_calc.trace(network, rnn_calc.make_weights(network), [[1, 2], [3, 4]]).plot()._repr_png_()\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_without_matplotlib_plot_says_how_to_get_it() -> None:
    done = small_trace()
    gone = {name: None for name in sys.modules if name.partition(".")[0] == "matplotlib"} | {"matplotlib": None}
    ours = [name for name in sys.modules if name.startswith("rnn_calc.show.matplotlib_")]
    with mock.patch.dict(sys.modules, gone):
        for name in ours:
            sys.modules.pop(name)
        with pytest.raises(OutputError, match=r"pip install 'rnn-calc\[plot\]'"):
            done.plot()
    # What needs no picture works all the same.
    assert "0.3714" in str(done._repr_html_())
