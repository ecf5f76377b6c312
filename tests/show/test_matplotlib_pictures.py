"""Pictures in files: every curve and cell of the report, axes that say what they are, and the same bytes each time."""

from __future__ import annotations

import logging
import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnn_calc.core.cells import CELLS
from rnn_calc.show.matplotlib_charts import OKABE_ITO, draw_chart
from rnn_calc.show.matplotlib_heat_maps import draw_heat_map
from rnn_calc.show.matplotlib_pictures import write_pictures
from rnn_calc.show.picture import Chart, Curve, HeatMap, Picture
from tests.show.pictures import DECAY, ENSEMBLE, EVERY, LAGS, NORMS, NOTHING, PHASES, RAMP, WIDE


def svg_of(*pictures: Picture, folder: Path) -> ElementTree.Element:
    path = folder / "drawn.svg"
    write_pictures(pictures, path)
    return ElementTree.fromstring(path.read_bytes())


def texts(svg: ElementTree.Element) -> list[str]:
    return ["".join(element.itertext()) for element in svg.iter("{http://www.w3.org/2000/svg}text")]


def names(svg: ElementTree.Element) -> list[str]:
    return [name for element in svg.iter() if (name := element.get("id", "")).startswith("picture-")]


def chart_axes(chart: Chart) -> Axes:
    axes = Figure().add_subplot()
    draw_chart(axes, chart, "picture-1")
    return axes


def map_axes(heat_map: HeatMap) -> Axes:
    axes = Figure().add_subplot()
    draw_heat_map(axes, heat_map)
    return axes


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_every_picture_is_drawn_the_same_each_time(suffix: str, tmp_path: Path) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    write_pictures(list(EVERY.values()), first)
    write_pictures(list(EVERY.values()), second)
    content = first.read_bytes()
    assert content == second.read_bytes()
    assert content.startswith({".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix])
    assert not re.search(rb"20\d\d-\d\d-\d\d|D:20\d\d", content)


def test_one_picture_is_drawn_whatever_it_holds(tmp_path: Path) -> None:
    for picture in EVERY.values():
        write_pictures([picture], tmp_path / "x.png")


def test_a_vector_file_has_a_curve_for_each_curve_and_labelled_axes(tmp_path: Path) -> None:
    svg = svg_of(DECAY, ENSEMBLE, folder=tmp_path)
    assert names(svg) == [
        *("picture-1", "picture-1-curve-1", "picture-1-curve-2", "picture-1-curve-3"),
        *("picture-2", "picture-2-curve-1"),
    ]
    found = texts(svg)
    for text in ("lag (steps)", "‖∂h_T/∂h_{T−lag}‖₂", "norm", "bound", "threshold 0.001", "step t", "h_t", "40 seeds"):
        assert text in found
    assert "median, quartiles" in found
    assert {"10⁻³⁰⁰⁰", "10⁰"} <= set(found)


def test_a_heat_map_has_its_axes_its_ticks_and_its_legend(tmp_path: Path) -> None:
    found = texts(svg_of(PHASES, RAMP, folder=tmp_path))
    for text in ("spectral radius ρ", "gain", "phase", "0.5", "1.5", "low", "high", "Phases", "log₁₀ norm"):
        assert text in found
    legend = [" ".join(text.split()) for text in found]
    assert {"v vanishing", "s steady", "e exploding", "n even so"} <= set(legend)
    # The letter of every cell, for print without colours.
    assert [letter for letter in found if letter in "vsen"] == list("vsevn")


def test_the_text_of_a_vector_file_is_text_in_a_generic_font(tmp_path: Path) -> None:
    svg_of(DECAY, folder=tmp_path)
    assert "sans-serif" in (tmp_path / "drawn.svg").read_text("utf-8")


def test_a_curve_holds_the_reports_numbers() -> None:
    norm, bound, threshold = chart_axes(DECAY).get_lines()
    assert np.array_equal(norm.get_xdata(), LAGS)
    # The exact zero has no place; the others are where they were.
    assert np.array_equal(norm.get_ydata(), np.append(NORMS[:-1], np.nan), equal_nan=True)
    assert np.array_equal(bound.get_ydata(), 2 * LAGS)
    assert np.array_equal(threshold.get_ydata(), [-3, -3])


def test_curves_differ_without_their_colours() -> None:
    curves = tuple(Curve(f"ρ = {place}", LAGS, LAGS * place) for place in range(8))
    lines = chart_axes(Chart("", "lag", "norm", curves)).get_lines()
    assert len({line.get_marker() for line in lines}) == 8
    assert len({line.get_color() for line in lines}) == len(OKABE_ITO)


def test_norm_bound_and_threshold_have_dashes_of_their_own(tmp_path: Path) -> None:
    svg = svg_of(DECAY, folder=tmp_path)
    found = []
    for curve in svg.iter():
        if "-curve-" in curve.get("id", ""):
            style = curve[0].get("style", "")
            dashes = re.search(r"stroke-dasharray: ([\d.,]+)", style)
            found.append(dashes[1] if dashes else "solid")
    assert found[0] == "solid"
    assert len(set(found)) == 3


def test_a_band_reaches_from_its_lower_edge_to_its_upper() -> None:
    axes = chart_axes(ENSEMBLE)
    (band,) = axes.collections
    bounds = band.get_paths()[0].get_extents()
    assert (bounds.y0, bounds.y1) == pytest.approx((LAGS[0] / 50, LAGS[-1] / 30), rel=1e-12)


def test_a_band_down_to_an_exact_zero_ends_with_the_axes() -> None:
    below = np.full(40, -np.inf)
    axes = chart_axes(DECAY._replace(curves=(Curve("median", LAGS, -LAGS, "", (below, -LAGS / 2)),)))
    assert axes.collections[0].get_paths()[0].get_extents().y0 == axes.get_ylim()[0]


def test_exact_zeros_alone_are_said_and_not_drawn(tmp_path: Path) -> None:
    assert "norm: exactly 0" in texts(svg_of(NOTHING, folder=tmp_path))
    assert not chart_axes(NOTHING).get_lines()
    beside = svg_of(NOTHING._replace(curves=(*NOTHING.curves, *DECAY.curves[1:])), folder=tmp_path)
    assert {"norm: exactly 0", "bound", "threshold 0.001"} <= set(texts(beside))
    assert names(beside) == ["picture-1", "picture-1-curve-1", "picture-1-curve-2"]


def test_a_heat_map_holds_the_reports_numbers_the_first_row_at_the_top() -> None:
    axes = map_axes(RAMP)
    (image,) = axes.get_images()
    shown = image.get_array()
    assert shown is not None
    assert np.array_equal(np.ma.filled(shown, np.nan), RAMP.values, equal_nan=True)
    assert image.get_clim() == (-2, 0)
    low, high = map_axes(PHASES).get_ylim()
    assert low > high


def test_a_map_about_a_centre_goes_as_far_to_either_side() -> None:
    (image,) = map_axes(RAMP._replace(centre=-0.5)).get_images()
    assert image.get_clim() == (-2, 1)
    assert image.get_cmap().name != map_axes(RAMP).get_images()[0].get_cmap().name


def test_a_large_map_has_some_of_its_ticks() -> None:
    axes = map_axes(WIDE)
    assert [label.get_text() for label in axes.get_xticklabels()] == [str(step) for step in range(0, 1000, 100)]
    assert len(axes.get_yticklabels()) <= 12


@pytest.mark.parametrize("ticks", [tuple(CELLS), ("0.464159",) * 11, ("1", "2", "3"), ("lstm", "gru-reset-before")])
def test_no_tick_of_a_map_is_written_over_its_neighbour(ticks: tuple[str, ...]) -> None:
    axes = map_axes(PHASES._replace(values=np.zeros((2, len(ticks))), x_ticks=ticks))
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert len(boxes) == len(ticks)
    assert all(before.x1 < after.x0 for before, after in pairwise(boxes))


def test_a_map_of_one_row_without_a_name_has_no_tick_beside_it() -> None:
    assert not len(map_axes(PHASES._replace(values=np.zeros((1, 3)), y_ticks=("",))).get_yticks())


def test_a_huge_map_keeps_its_axes_and_draws_some_of_its_cells() -> None:
    steps = 20_000
    huge = WIDE._replace(values=np.tile(np.arange(steps), (2, 1)), x_ticks=("t",) * steps, y_ticks=("1", "2"))
    axes = map_axes(huge)
    shown = axes.get_images()[0].get_array()
    assert shown is not None
    assert np.array_equal(shown, huge.values[:, ::5])
    assert axes.get_xlim() == (-0.5, steps - 0.5)


def test_dollars_and_control_characters_are_drawn_as_they_are(tmp_path: Path) -> None:
    found = texts(svg_of(RAMP._replace(title="$x_2$", x_ticks=("\x1b[1m", "猫", "$", "d")), folder=tmp_path))
    assert {"$x_2$", "\\x1b[1m", "猫", "$", "d"} <= set(found)


def test_drawing_leaves_matplotlib_as_it_was(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with mpl.rc_context({"font.size": 31, "svg.fonttype": "path", "text.usetex": False}):
        before = dict(mpl.rcParams)
        with caplog.at_level(logging.WARNING):
            found = texts(svg_of(RAMP, folder=tmp_path))
        assert dict(mpl.rcParams) == before
    # And the user's own style changes nothing here.
    assert "earlier step k" in found
    assert not caplog.records
