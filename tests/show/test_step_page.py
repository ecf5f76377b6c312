"""The page of one step: where it is, a unit's weights inside their matrices, its lines in the arithmetic, all lit."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.one_step import find_step
from rnn_calc.core.trace import Trace, trace
from rnn_calc.show.document import Document, Figure, Layout, Line
from rnn_calc.show.heading import describe_network
from rnn_calc.show.page import page_lines
from rnn_calc.show.step_page import step_view
from rnn_calc.show.trace import TraceShown
from tests.core.drawing import random_arrays, random_weights, sequence
from tests.core.random_networks import written_networks
from tests.references import STEPS, Array, run, sigmoid

every_cell = pytest.mark.parametrize("cell", CELLS)
WIDE = Layout(2000, 15)


def traced(network: Network, steps: int = 4) -> Trace:
    tokens = np.arange(steps) * 2 % network.vocab if network.vocab else None
    x = sequence(1, steps, network.d_in) if tokens is None else tokens
    return trace(network, random_weights(network, 1), x)


def page(
    done: Trace, step: int, *, convention: str = "xh", units: tuple[int, ...] = (), layers: tuple[int, ...] = ()
) -> Document:
    notation = Notation(done.network, convention)
    heading = describe_network(done.network, notation.convention)
    shown = TraceShown(notation, heading, (), (), units=units, layers=layers)

    @cache
    def found() -> object:
        return find_step([done], step, done.steps)

    document = step_view(found, lambda: done, shown).document()  # type: ignore[arg-type]  # there is such a step
    assert isinstance(document, Document)
    return document


def figure(document: Document, title: str, layout: Layout = WIDE) -> list[Line]:
    (found,) = [block for block in document.blocks if isinstance(block, Figure) and block.title.startswith(title)]
    return found.draw(layout)


def text(line: Line) -> str:
    return "".join(part for part, _ in line)


def is_lit(line: Line) -> bool:
    return any(style == "lit" for part, style in line if part.strip())


def numbers(line: str) -> list[float]:
    return [float(found) for found in re.findall(r"(?<![\w^({→←])-?\d+(?:\.\d+)?(?:e[+-]\d+)?(?![\w)→←])", line)]


def drawn_matrices(lines: list[Line]) -> dict[str, list[Line]]:
    """What is drawn under each title."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        if len(line) == 1 and line[0][1] == "math":
            found[line[0][0]] = own = []
        elif text(line).strip():
            own.append(line)
    return found


# A unit's weights


def factors(cell: str, weights: dict[str, Array], x: Array, h: Array, c: Array) -> dict[str, Array]:
    """What each matrix of a cell multiplies, by plain NumPy."""

    def gate(letter: str) -> Array:
        return sigmoid(weights[f"W_x{letter}"] @ x + weights[f"W_h{letter}"] @ h + weights[f"b_{letter}"])

    special = {"gru-reset-before": ("W_hn", "r"), "mgu": ("W_hn", "f")}
    found = {name: x if name.startswith("W_x") else h for name in weights if name.startswith("W_")}
    if cell in special:
        name, letter = special[cell]
        found[name] = gate(letter) * h
    found |= {name: c for name in ("p_i", "p_f") if name in weights}
    if "u_h" in weights:
        found["u"] = h
    return found


@every_cell
def test_the_lit_row_of_every_matrix_is_the_unit_s_and_stands_under_what_it_multiplies(cell: str) -> None:
    network = Network(3, 4, cell=CELLS[cell])
    weights = random_arrays(network, 1)
    x = sequence(1, 4, 3)
    initial = {name: np.zeros(4) for name in network.cell.state}
    states = run(STEPS[cell], weights, x, initial)
    unit, t = 2, 3
    c = states["c"][t - 2] if "c" in states else np.zeros(4)
    expected = factors(cell, weights, x[t - 1], states["h"][t - 2], c)
    shown = drawn_matrices(figure(page(traced(network), t, units=(unit,)), "Unit 3: its row"))
    multiplied = {title.split(" ")[0]: own for title, own in shown.items()}
    assert multiplied.keys() == expected.keys() | ({"p_o"} if "p_o" in weights else set())
    for name, factor in expected.items():
        matrix, lines = weights["u_h" if name == "u" else name], multiplied[name]
        lit = [line for line in lines if is_lit(line)]
        assert [text(line).lstrip().startswith("▸ 3 ") for line in lines] == [line in lit for line in lines]
        ((index, *entries, value),) = (numbers(text(line).replace("·", " ")) for line in lit)
        assert index == unit + 1
        if matrix.ndim == 1:
            np.testing.assert_allclose(entries, [matrix[unit], factor[unit]], rtol=1e-12, atol=1e-14)
            assert value == pytest.approx(matrix[unit] * factor[unit], rel=1e-12, abs=1e-14)
            continue
        np.testing.assert_allclose(entries, matrix[unit], rtol=1e-13, atol=1e-14)
        assert value == pytest.approx(matrix[unit] @ factor, rel=1e-11, abs=1e-13)
        above = re.sub(r"^\s*[a-z]\S* ", "", text(lines[1]))
        np.testing.assert_allclose(numbers(above), factor, rtol=1e-11, atol=1e-13)
        # Every other row is there, in order, and muted.
        rows = [numbers(text(line)) for line in lines[2:]]
        np.testing.assert_allclose([row[1:-1] for row in rows], matrix, rtol=1e-13, atol=1e-14)
        assert [row[0] for row in rows] == [1, 2, 3, 4]


def test_of_row_vectors_the_unit_s_column_is_lit_beside_what_it_multiplies() -> None:
    done = traced(Network(3, 4))
    weights = done.weights
    shown = drawn_matrices(figure(page(done, 2, units=(1,), convention="row"), "Unit 2: its column"))
    assert list(shown) == ["x_2 W_xh", "h_1 W_hh"]
    for name, factor, lines in (
        ("W_xh", done.x[1], shown["x_2 W_xh"]),
        ("W_hh", done.h[0], shown["h_1 W_hh"]),
    ):
        assert "▸ 2" in text(lines[0])
        lit = [[part.strip() for part, style in line if style == "lit" and part.strip()] for line in lines]
        assert lit[0] == ["▸ 2"]
        np.testing.assert_allclose([float(own[0]) for own in lit[1:-1]], weights[name][1], rtol=1e-13, atol=1e-14)
        (value,) = lit[-1]
        assert float(value) == pytest.approx(weights[name][1] @ factor, rel=1e-12, abs=1e-14)
        rows = [numbers(text(line)) for line in lines[1:-1]]
        np.testing.assert_allclose([row[1] for row in rows], factor, rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose([row[2:] for row in rows], weights[name].T, rtol=1e-13, atol=1e-14)


def test_of_a_large_matrix_the_unit_s_row_is_among_the_first_and_the_last() -> None:
    done = traced(Network(3, 128))
    shown = drawn_matrices(figure(page(done, 2, units=(60,)), "Unit 61"))
    for lines in shown.values():
        rows = [int(found[1]) for line in lines[2:] if (found := re.match(r"(?:▸| )*(\d+) ", text(line)))]
        assert rows == [1, 2, 3, 4, 61, 125, 126, 127, 128]
        assert sum(text(line).strip() == "⋮" for line in lines) == 2
    assert re.sub(r"\s+", " ", text(shown["W_hh h_1"][0])).strip() == "1 2 3 4 … 125 126 127 128"


def test_a_page_of_few_characters_is_aligned_too() -> None:
    done = traced(Network(3, 20, bidirectional=True))
    for layout in (Layout(80, ascii=True), Layout(80)):
        for lines in drawn_matrices(figure(page(done, 2, units=(10,)), "Unit 11", layout)).values():
            rows = [text(line) for line in lines if text(line).strip() not in ("⋮", ":")]
            assert len({row.index("=") for row in rows if "=" in row}) == 1
            assert len({len(row) for row in rows if "=" in row}) == 1


# The arithmetic


def groups(lines: list[Line]) -> dict[str, list[Line]]:
    """The lines of each expression; headings and what is taken whole are none."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        if len(line) == 3 and not re.search(r"\[h.*;|E\[", text(line)):
            name = text(line[:1]).strip("▸ =")
            if name:
                found[name] = own = []
            own.append(line)
    return found


@every_cell
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_unit_s_lines_are_lit_and_marked_and_the_others_muted(cell: str, bidirectional: bool) -> None:
    network = Network(2, 3, 2, cell=CELLS[cell], bidirectional=bidirectional)
    shown = groups(figure(page(traced(network), 2, units=(1,)), "Step by step"))
    outputs = {name for name in shown if "W_hy" in name or name.startswith("y_")}
    assert outputs
    for name, lines in shown.items():
        marked = [text(line).startswith("▸ ") for line in lines]
        styles = [{style for part, style in line[1:]} for line in lines]
        if name in outputs:
            assert not any(marked)
            assert not any(map(is_lit, lines))
        else:
            assert marked == [False, True, False], name
            assert styles == [{"muted"}, {"lit"}, {"muted"}]


@every_cell
def test_the_lit_lines_end_in_the_unit_s_state(cell: str) -> None:
    network = Network(2, 3, 1, cell=CELLS[cell])
    done = traced(network)
    weights = random_arrays(network, 1)
    states = run(STEPS[cell], weights, sequence(1, 4, 2), {name: np.zeros(3) for name in network.cell.state})
    shown = groups(figure(page(done, 3, units=(2,)), "Step by step"))
    for state in network.cell.state:
        lit = text(shown[f"{state}_3"][2])
        assert lit.startswith("▸ ")
        assert numbers(lit[lit.rindex("[") :])[0] == pytest.approx(states[state][2][2], rel=1e-11, abs=1e-13)
    output = weights["W_hy"] @ states["h"][2] + weights["b_y"]
    (line,) = shown["y_3"]
    assert numbers(text(line)[text(line).rindex("[") :])[0] == pytest.approx(output[0], rel=1e-11, abs=1e-13)


def test_without_a_unit_nothing_is_lit_but_the_step() -> None:
    document = page(traced(Network(2, 3, 2)), 2)
    titles = [block.title for block in document.blocks if isinstance(block, Figure)]
    assert titles == ["Step 2 of 4 in the unrolled network", "Step by step"]
    assert not any(map(is_lit, figure(document, "Step by step")))
    assert any(map(is_lit, figure(document, "Step 2 of 4")))


def test_what_a_lit_line_continues_in_is_lit_and_marked_as_such() -> None:
    document = page(traced(Network(20, 3)), 2, units=(1,))
    lines = figure(document, "Step by step", Layout(60))
    start = next(index for index, line in enumerate(lines) if text(line).startswith("▸ "))
    assert text(lines[start]).startswith("▸ " + " " * 10)
    end = next(index for index in range(start + 1, len(lines)) if not text(lines[index]).startswith("│ "))
    assert end - start > 4
    assert all(line[-1][1] == "lit" for line in lines[start:end])
    assert lines[end][-1][1] == "muted"
    assert all(len(text(line)) <= 60 for line in lines)


def test_the_units_of_a_lower_layer_are_lit_when_it_is_shown() -> None:
    done = traced(Network(2, (3, 5), 2))
    shown = groups(figure(page(done, 2, units=(2,), layers=(0,)), "Step by step"))
    assert [is_lit(line) for line in shown["h^(1)_2"]] == [False, False, True]
    assert "h^(2)_2" not in shown


# Where the step is


def place(done: Trace, step: int, width: int = 80, *, ascii_only: bool = False) -> list[str]:
    lines = figure(page(done, step), f"Step {step}", Layout(width, ascii=ascii_only))
    return [text(line) for line in lines]


def test_the_step_s_cell_is_marked_in_every_layer_and_direction() -> None:
    done = traced(Network(4, 3, 2, layers=2, bidirectional=True))
    assert place(done, 2, 200) == [
        "           y_1 (2,)              y_2 (2,)              y_3 (2,)              y_4 (2,)",
        "              ↑                     ↑                     ↑                     ↑",
        "h^(2→)_0 → [ rnn ]  → h^(2→)_1 → [▸rnn◂]  → h^(2→)_2 → [ rnn ]  → h^(2→)_3 → [ rnn ]  → h^(2→)_4",
        "h^(2←)_1 ← [ rnn ]  ← h^(2←)_2 ← [▸rnn◂]  ← h^(2←)_3 ← [ rnn ]  ← h^(2←)_4 ← [ rnn ]  ← h^(2←)_5",
        "  (3,)        ↑         (3,)        ↑         (3,)        ↑         (3,)        ↑         (3,)",
        "h^(1→)_0 → [ rnn ]  → h^(1→)_1 → [▸rnn◂]  → h^(1→)_2 → [ rnn ]  → h^(1→)_3 → [ rnn ]  → h^(1→)_4",
        "h^(1←)_1 ← [ rnn ]  ← h^(1←)_2 ← [▸rnn◂]  ← h^(1←)_3 ← [ rnn ]  ← h^(1←)_4 ← [ rnn ]  ← h^(1←)_5",
        "  (3,)        ↑         (3,)        ↑         (3,)        ↑         (3,)        ↑         (3,)",
        "           x_1 (4,)              x_2 (4,)              x_3 (4,)              x_4 (4,)",
    ]


def test_the_step_s_input_cell_output_and_the_state_it_makes_are_lit() -> None:
    done = traced(Network(4, 3, 2, bidirectional=True))
    lines = figure(page(done, 2), "Step 2", Layout(200))
    lit = [[part for part, style in line if style == "lit"] for line in lines]
    # A backward step makes the state to its left.
    assert lit == [["y_2 (2,)"], [], ["[▸rnn◂]", "h^(→)_2"], ["h^(←)_2", "[▸rnn◂]"], [], ["x_2 (4,)"]]


@pytest.mark.parametrize("step", [1, 2, 37, 199, 200])
def test_of_a_long_run_as_many_steps_as_fit_are_drawn_around_the_step(step: int) -> None:
    done = traced(Network(4, 3), 200)
    *drawing, said = place(done, step, 100)
    found = re.fullmatch(r"steps (\d+)–(\d+) of 200", said)
    assert found
    first, last = int(found[1]), int(found[2])
    assert 1 <= first <= step <= last <= 200
    shown = re.findall(r"x_(\d+)", drawing[-1])
    assert [int(t) for t in shown] == list(range(first, last + 1))
    assert len(shown) >= 4
    # In the middle, but for the ends of the run.
    assert abs((first + last) / 2 - step) <= 0.5 or first == 1 or last == 200
    marked = drawing[0].index("▸")
    assert drawing[-1].find(f"x_{step} ") - 4 < marked < drawing[-1].find(f"x_{step} ") + 8


def test_where_not_even_one_step_fits_it_is_written_out_with_those_beside_it() -> None:
    done = traced(Network(4, 3, 2, cell=CELLS["lstm"], bidirectional=True), 7)
    lines = place(done, 4, 24)
    assert [line for line in lines if "t = " in line] == ["t = 3", "▸ t = 4", "t = 5"]
    assert lines[-1] == "steps 3–5 of 7"
    assert [line for line in place(done, 7, 24) if "t = " in line] == ["t = 5", "t = 6", "▸ t = 7"]
    one = traced(Network(4, 3, 2, cell=CELLS["lstm"], bidirectional=True), 1)
    assert [line for line in place(one, 1, 24) if "t = " in line] == ["▸ t = 1"]


def test_in_ascii_the_mark_is_ascii() -> None:
    done = traced(Network(4, 3))
    lines = list(page_lines(page(done, 2, units=(1,)), Layout(80, ascii=True)))
    assert all(text(line).isascii() for line in lines)
    assert any("[>rnn<]" in text(line) for line in lines)
    assert any(text(line).startswith("> W_xh") or text(line).startswith(">  ") for line in lines)


# Every network


@settings(max_examples=60, deadline=None)
@given(written_networks(12), st.integers(1, 3), st.integers(0, 11), st.integers(0, 3), st.integers(40, 200))
def test_the_page_of_every_step_is_no_wider_than_it_may_be(
    written: tuple[Network, Convention], step: int, unit: int, layer: int, width: int
) -> None:
    network, convention = written
    done = traced(network, 3)
    layer %= network.layers
    unit %= network.widths[layer]
    document = page(done, step, convention=convention.name, units=(unit,), layers=(layer,))
    lines = list(page_lines(document, Layout(width)))
    wide = [text(line) for line in lines if len(text(line).rstrip()) > width]
    # A name or a number is never broken.
    assert all(max(map(len, line.split())) > width - 4 for line in wide), wide
    if not convention.is_framework:
        assert not wide
    marked = [line for line in lines if text(line).startswith("▸ ") and len(line) > 1]
    assert marked
    assert all(map(is_lit, marked))


def test_every_convention_is_drawn_in_its_own_orientation() -> None:
    for name, convention in CONVENTIONS.items():
        cell = next(cell for cell in CELLS.values() if not convention.cells or cell.name in convention.cells)
        document = page(
            traced(Network(2, 3, cell=cell, biases=convention.biases(cell))), 2, convention=name, units=(0,)
        )
        titles = [block.title for block in document.blocks if isinstance(block, Figure)]
        assert any(("column" if convention.row_vectors else "row") in title for title in titles)
