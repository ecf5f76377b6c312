from __future__ import annotations

import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.network import Network
from rnn_calc.core.shapes import shapes
from rnn_calc.core.tensors import MODES, Mode
from rnn_calc.show.document import Layout
from rnn_calc.show.unrolled import draw_unrolled


def drawn(
    network: Network, steps: int, mode: Mode = "many-to-many", *, width: int = 80, ascii_only: bool = False
) -> list[str]:
    lines = draw_unrolled(shapes(network, unroll=steps, mode=mode), Layout(width=width, ascii=ascii_only))
    return ["".join(text for text, _ in line) for line in lines]


def test_two_directions_stand_under_each_other_with_their_arrows() -> None:
    assert drawn(Network(4, 3, 2, bidirectional=True), 2) == [
        "          y_1 (2,)             y_2 (2,)",
        "             ↑                    ↑",
        "h^(→)_0 → [ rnn ]  → h^(→)_1 → [ rnn ]  → h^(→)_2",
        "h^(←)_1 ← [ rnn ]  ← h^(←)_2 ← [ rnn ]  ← h^(←)_3",
        "  (3,)       ↑         (3,)       ↑         (3,)",
        "          x_1 (4,)             x_2 (4,)",
    ]


def test_in_a_small_character_set_everything_stays_under_each_other() -> None:
    assert drawn(Network(4, 3, bidirectional=True), 1, ascii_only=True) == [
        "h^(->)_0 -> [ rnn ]  -> h^(->)_1",
        "h^(<-)_1 <- [ rnn ]  <- h^(<-)_2",
        "  (3,)         ↑          (3,)",
        "            x_1 (4,)",
    ]


def test_of_many_layers_the_first_and_the_last_are_drawn() -> None:
    assert drawn(Network(4, 3, 2, layers=6), 1) == [
        "          y_1 (2,)",
        "             ↑",
        "h^(6)_0 → [ rnn ]  → h^(6)_1",
        "  (3,)       ↑         (3,)",
        "layers 2 to 5 between",
        "             ↑",
        "h^(1)_0 → [ rnn ]  → h^(1)_1",
        "  (3,)       ↑         (3,)",
        "          x_1 (4,)",
    ]


def test_where_not_even_one_step_fits_the_steps_are_listed() -> None:
    assert drawn(Network(4, 3, 2, layers=2), 1, width=20) == [
        "t = 1",
        "  in   x_1 (4,)",
        "  makes h^(1)_1",
        "        h^(2)_1",
        "  out  y_1 (2,)",
    ]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("layers", [1, 3, 9])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("width", [45, 80, 200])
def test_no_line_is_wider_than_the_page_and_every_step_is_there(
    mode: Mode, layers: int, both: bool, width: int
) -> None:
    if both and mode == "one-to-many":
        return
    network = Network(4, 3, 2, CELLS["lstm"], layers=layers, bidirectional=both, vocab=9)
    lines = drawn(network, 4, mode, width=width)
    assert all(len(line) <= width for line in lines if not line.startswith("The decoder"))
    text = "\n".join(lines)
    assert all(f"token_{t}" in text for t in range(1, 2 if mode == "one-to-many" else 5))
    assert "y_4 (2,)" in text
    assert ("s_4" in text) == (mode == "seq2seq")
