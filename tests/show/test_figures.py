"""Pictures drawn with characters: each cell and each point where the numbers put it, on any page."""

from __future__ import annotations

import io
import re
from math import inf, nan

import numpy as np
import pytest

from rnn_calc.show.axis_ticks import log_ticks, text_ticks
from rnn_calc.show.charts import evenly, sparkline
from rnn_calc.show.document import Column as TableColumn
from rnn_calc.show.document import Document, Layout, Table
from rnn_calc.show.figures import picture_figure
from rnn_calc.show.heat_map import letters_of
from rnn_calc.show.page import page_lines
from rnn_calc.show.picture import Chart, Curve, HeatMap, Picture
from rnn_calc.show.plain import render_latex, render_markdown
from rnn_calc.show.terminal import render_svg, render_terminal
from tests.show.pictures import DECAY, EMPTY, ENSEMBLE, EVERY, LAGS, NOTHING, PHASES, RAMP, WIDE

every_picture = pytest.mark.parametrize("picture", EVERY.values(), ids=EVERY)


def drawn(picture: Picture, width: int = 80, *, ascii: bool = False) -> list[str]:
    figure = picture_figure(picture)
    return ["".join(text for text, _ in line) for line in figure.draw(Layout(width, ascii=ascii))]


def frame(lines: list[str]) -> list[str]:
    """What stands between the sides of a heat map's frame."""
    return [line.split("│")[1] for line in lines if line.count("│") == 2]


@every_picture
@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_picture_is_no_wider_than_the_page(picture: Picture, width: int) -> None:
    for ascii in (False, True):
        assert max(map(len, drawn(picture, width, ascii=ascii))) <= width


@every_picture
def test_every_format_has_the_picture(picture: Picture) -> None:
    document = Document((picture_figure(picture),))
    last = (picture.title or "against the lag").split()[-1]
    assert last in render_svg(document, precision=4, title="", width=80)
    assert last in render_markdown(document, precision=4)
    assert render_latex(document, precision=4).isascii()


@every_picture
def test_a_page_of_ascii_has_nothing_else(picture: Picture) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, "ascii")
    render_terminal(Document((picture_figure(picture),)), stream, precision=4, width=80)
    stream.flush()
    assert b"\\u" not in raw.getvalue()


@every_picture
def test_a_terminal_of_ascii_with_colours_gets_ascii_too(picture: Picture) -> None:
    layout = Layout(80, ascii=True, color=True)
    for line in page_lines(Document((picture_figure(picture),)), layout):
        assert all(text.isascii() for text, _ in line)


def test_a_category_is_its_letter_and_a_gap_is_blank() -> None:
    lines = drawn(PHASES)
    assert frame(lines) == ["vvvvvvsssssseeeeee", "vvvvvv      nnnnnn"]
    assert lines[0] == "down: gain · across: spectral radius ρ"
    assert lines[3] == "      0.5   1     1.5"
    assert lines[-1] == "phase: v vanishing   s steady   e exploding   n even so"


def test_a_single_row_needs_no_name() -> None:
    lines = drawn(RAMP._replace(y_label="", y_ticks=("",)))
    assert lines[0] == "across: earlier step k"
    assert lines[1] == " │██████▒▒▒▒▒▒······      │"


def test_letters_are_distinct() -> None:
    assert letters_of(("steady", "sse", "set", "42")) == ("s", "e", "t", "a")
    assert len(set(letters_of([f"x{place}" for place in range(26)]))) == 26
    assert letters_of(["x"] * 27)[-1] == "?"


def test_the_highest_value_is_full_and_the_lowest_no_gap() -> None:
    lines = drawn(RAMP)
    assert frame(lines) == ["██████▒▒▒▒▒▒······      "]
    assert lines[-1] == "log₁₀ norm: -2 ·░▒▓█ 0   (-1 in the middle)"
    assert frame([line.replace("|", "│") for line in drawn(RAMP, ascii=True)]) == ["@@@@@@++++++......      "]


def test_colours_diverge_from_the_centre_or_rise_from_the_lowest() -> None:
    def styles(picture: Picture) -> list[str]:
        lines = picture_figure(picture).draw(Layout(80, color=True))
        return [style for text, style in lines[1][2:-1] if not text.strip()]

    assert styles(RAMP) == ["level:1.00", "level:0.50", "level:0.00", ""]
    # As far to either side: 0 is one end, and there is nothing at the other.
    assert styles(RAMP._replace(centre=-0.5)) == ["heat:0.33", "heat:-0.33", "heat:-1.00", ""]
    assert [style for _, style in picture_figure(PHASES).draw(Layout(80, color=True))[1]][2:5] == [
        "kind:0",
        "kind:1",
        "kind:2",
    ]


def test_what_does_not_fit_is_evenly_left_out_and_said() -> None:
    lines = drawn(WIDE)
    assert lines[-1] == "Drawn: 75 of 1,000 columns and 26 of 90 rows, evenly taken."
    rows = [line for line in lines if line.count("│") == 2]
    assert (rows[0].split()[0], rows[-1].split()[0]) == ("1", "90")
    # sin(0) is the centre; all 90 units are alike.
    assert len(set(frame(lines))) == 1
    assert frame(lines)[0][0] == "▒"


def test_evenly_keeps_the_first_and_the_last() -> None:
    assert list(evenly(5, 9)) == [0, 1, 2, 3, 4]
    assert list(evenly(100, 4)) == [0, 33, 66, 99]
    assert list(evenly(3, 1)) == [0]


def test_a_map_without_values_is_blank() -> None:
    assert frame(drawn(EMPTY)) == [" " * 24]


def test_a_chart_says_what_its_axes_are() -> None:
    assert picture_figure(DECAY).title == "log₁₀ ‖∂h_T/∂h_{T−lag}‖₂ against the lag"
    assert picture_figure(ENSEMBLE).title == "40 seeds: h_t against the step t"


def test_each_curve_of_a_chart_has_its_letter() -> None:
    text = "\n".join(drawn(DECAY))
    assert "++ norm   xx bound" in text
    assert "threshold" not in text
    # The bound rises to 80 and the norm falls to −3900.
    assert text.index("x") < text.index("+")
    assert "xx median, quartiles" in "\n".join(drawn(ENSEMBLE))


@pytest.mark.parametrize("count", [6, 7, 40])
def test_many_curves_are_all_drawn_without_colours(count: int) -> None:
    curves = tuple(Curve(f"run-{place}", LAGS, LAGS * 0 + place) for place in range(count))
    for ascii in (False, True):
        text = "\n".join(drawn(Chart("", "t", "h", curves), 200, ascii=ascii))
        marks = re.findall(r"(\S)\1 run-(\d+)", text)
        assert [int(place) for _, place in marks] == list(range(count))
        assert len({mark for mark, _ in marks}) == min(count, 30)


@pytest.mark.parametrize("level", [0.0, -2.5, -400000.0])
def test_what_differs_by_rounding_alone_is_level(level: float) -> None:
    lags = np.arange(1.0, 50.0)
    curve = Curve("norm", lags, level + max(1.0, abs(level)) * 1e-16 * lags, "norm")
    lines = drawn(Chart("", "lag", "norm", (curve,), log10=True))
    rows = [line for line in lines if line.startswith("│") and re.search("[\u2801-\u28ff]", line)]
    assert len(rows) == 1
    assert "e-" not in "".join(lines)


def test_exact_zeros_alone_are_no_curve() -> None:
    assert drawn(NOTHING) == ["norm: exactly 0, so not drawn."]
    beside = drawn(NOTHING._replace(curves=(*NOTHING.curves, *DECAY.curves[1:])))
    assert beside[-1] == "norm: exactly 0, so not drawn."
    assert "bound" in beside[-2]
    empty = Chart("", "t", "h", (Curve("h", LAGS, np.full(40, np.nan)),))
    assert drawn(empty) == ["h: no finite number, so not drawn."]


def test_a_sparkline_goes_from_the_lowest_to_the_highest() -> None:
    assert sparkline(range(8)) == "▁▂▃▄▅▆▇█"
    assert sparkline([3, -inf, nan, 5]) == "▁  █"
    assert sparkline([2, 2]) == "▄▄"
    assert sparkline([-1e308, 1e308]) == "▁█"
    assert sparkline([nan]) == " "
    assert sparkline([]) == ""
    assert sparkline(range(1000), 8) == "▁▂▃▄▅▆▇█"


def test_a_sparkline_in_a_table_is_drawn_in_every_format() -> None:
    table = Table("Norms", (TableColumn("shape"),), ((sparkline(range(8)),),))
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, "ascii")
    render_terminal(Document((table,)), stream, precision=4, width=80)
    stream.flush()
    assert raw.getvalue().splitlines()[-1] == b"_.:-=+*#"
    latex = render_latex(Document((table,)), precision=4)
    assert latex.isascii()
    assert re.findall(r"\\rule\{0.4em\}\{([\d.]+)ex\}", latex) == [f"{0.2 * height:.1f}" for height in range(1, 9)]


@pytest.mark.parametrize(
    ("low", "high", "first", "last"),
    [
        (-4000.0, 0.0, "10⁻⁴⁰⁰⁰", "10⁰"),
        (-5.0, 0.3, "10⁻⁵", "10⁰"),
        (-1.2, 0.3, "10⁻¹", "10⁰"),
        (-0.01, 0.002, "0.98", "1"),
        (3000.01, 3000.013, "1.024·10³⁰⁰⁰", "1.03·10³⁰⁰⁰"),
    ],
)
def test_ticks_of_logarithms_are_the_numbers_themselves(low: float, high: float, first: str, last: str) -> None:
    ticks = log_ticks(low, high)
    assert (ticks[0][1], ticks[-1][1]) == (first, last)
    assert 2 <= len(ticks) <= 10
    assert all(low <= place <= high for place, _ in ticks)


def test_a_tick_between_powers_of_ten_stands_at_its_logarithm() -> None:
    ticks = {text: place for place, text in log_ticks(-0.3, 0.31)}
    assert ticks["2"] == pytest.approx(np.log10(2), abs=1e-12)
    assert dict(log_ticks(-1.2, 0.3))[0] == "10⁰"


def test_ticks_of_texts_are_some_of_them() -> None:
    assert text_ticks(["a", "b"], 12) == [(0, "a"), (1, "b")]
    assert [text for _, text in text_ticks([str(n) for n in range(100)], 10)] == [str(n) for n in range(0, 100, 10)]
    assert text_ticks([], 5) == []
    assert text_ticks(["a word that is long"], 5) == [(0, "a word that…")]


def test_a_hostile_tick_steers_no_terminal() -> None:
    picture = RAMP._replace(x_ticks=("\x1b[31m", "b", "c", "d"))
    raw = io.StringIO()
    render_terminal(Document((picture_figure(picture),)), raw, precision=4, width=80)
    assert "\x1b" not in raw.getvalue()
    assert isinstance(picture, HeatMap)
