from __future__ import annotations

import re
from textwrap import wrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.show.document import Line
from rnn_calc.show.worked_lines import Row, aligned, folded

terms = st.lists(
    st.sampled_from(["0.5·1", "(-0.1234)·(-0.5678)", "tanh(0.1)", "1 − 0.25", "0"]), min_size=1, max_size=40
)


def text(line: Line) -> str:
    return "".join(part for part, _ in line)


def test_the_arithmetic_stands_in_one_column_and_the_values_in_the_next() -> None:
    lines = [text(line) for line in aligned("h_2", [Row("0.5 + 0.25", "0.75"), Row("1 + 0", "1")])]
    assert lines == ["  h_2 = [0.5 + 0.25] = [0.75]", "        [1 + 0]      = [1]"]


def test_a_lit_row_has_a_mark_and_the_others_none() -> None:
    rows = [Row("1 + 1", "2", lit=False), Row("1 + 2", "3", lit=True)]
    lines = aligned("h_2", rows)
    assert [text(line)[:2] for line in lines] == ["  ", "▸ "]
    assert [line[1][1] for line in lines] == ["muted", "lit"]


@given(terms, st.integers(50, 160), st.booleans())
@settings(max_examples=200, deadline=None)
def test_a_line_is_folded_between_words_as_the_standard_library_folds(
    parts: list[str], width: int, second: bool
) -> None:
    line = aligned("W_hh h_1", [Row(" + ".join(parts), "0.5")] * 2)[second]
    found = [text(part) for part in folded(line, width)]
    if len(text(line)) <= width:
        assert found == [text(line)]
        return
    whole = re.sub(r"\] += \[", "] =\N{NO-BREAK SPACE}[", text(line))
    indent = " " * min(whole.index("[") + 1, width // 2)
    expected = wrap(whole, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    assert found == [part.replace("\N{NO-BREAK SPACE}", " ") for part in expected]


@pytest.mark.parametrize("lit", [None, False, True])
def test_every_part_of_a_folded_line_keeps_its_style(lit: bool | None) -> None:
    (line,) = aligned("W_xh x_1", [Row(" + ".join(["0.5·1"] * 30), "15", lit)])
    parts = folded(line, 60)
    assert len(parts) > 3
    style = {None: "", False: "muted", True: "lit"}[lit]
    assert parts[0][0][1] == "math"
    assert {part[-1][1] for part in parts} == {style}
    starts = {text(part)[:2] for part in parts[1:]}
    assert starts == ({"│ "} if lit else {"  "})


def test_where_the_page_is_narrow_the_lines_are_set_in_less() -> None:
    (line,) = aligned("W_xh x_1", [Row(" + ".join(["(-1234.5678)·(-1234.5678)"] * 3), "0.5")])
    assert all(len(text(part)) <= 40 for part in folded(line, 40))
