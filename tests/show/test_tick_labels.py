"""The numbers at the axes of a plot in the terminal are the numbers that stand there."""

from __future__ import annotations

import re

import numpy as np
import pytest

from rnn_calc.show.charts import chart_figure
from rnn_calc.show.document import Layout
from rnn_calc.show.picture import Chart, Curve
from rnn_calc.show.tick_labels import tick_texts


def drawn(x: list[float], y: list[float]) -> list[str]:
    chart = Chart("", "x", "y", (Curve("a", np.array(x), np.array(y)),))
    lines = chart_figure(chart).draw(Layout(width=80, precision=4, ascii=False, color=False))
    return ["".join(text for text, _ in line) for line in lines]


@pytest.mark.parametrize(
    ("x", "expected"),
    [([0.5, 1, 1.5], ["0.5", "1.0", "1.5"]), ([0, 2, 4], ["0", "1", "2", "3", "4"]), ([1, 2], ["1.0", "1.5", "2.0"])],
)
def test_the_labels_of_the_horizontal_axis_are_where_they_say(x: list[float], expected: list[str]) -> None:
    assert drawn(x, x)[-2].split() == expected


@pytest.mark.parametrize("top", [0.3, 0.75, 1.5, 7.5, 10.0, 12.5, 75.0])
@pytest.mark.parametrize("bottom", [0.0, 0.25, -0.01])
def test_the_labels_of_the_vertical_axis_are_where_they_say(bottom: float, top: float) -> None:
    rows = [line for line in drawn([0, 1], [bottom, top]) if line.startswith("│")]
    labelled = {place: row.rpartition("│")[2].strip() for place, row in enumerate(rows)}
    height = (top - bottom) / len(rows)
    found = {place: float(text) for place, text in labelled.items() if text}
    assert len(found) > 1
    for place, value in found.items():
        # Rows go from the top; a label is in the row in which its number lies, or next to its border.
        assert top - (place + 1.6) * height <= value <= top - (place - 0.6) * height


def test_no_label_is_minus_zero() -> None:
    assert tick_texts([-5e-17, 0.1, 0.2]) == ["0.0", "0.1", "0.2"]
    assert not any(re.search(r"-0\.0*\s*$", line) for line in drawn([0, 0.25], [-0.1, 0.25]))


def test_labels_have_the_fewest_decimals_that_say_them() -> None:
    assert tick_texts([0, 2.5, 5, 7.5, 10]) == ["0.0", "2.5", "5.0", "7.5", "10.0"]
    assert tick_texts([1000, 2000]) == ["1,000", "2,000"]
    assert tick_texts([0.1 * 3, 0.2 * 3]) == ["0.3", "0.6"]
    assert tick_texts([1e-30, 2e-30]) == ["1e-30", "2e-30"]
