"""Widths and folds against Rich's, which had no part in them."""

from __future__ import annotations

import io
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len as rich_cell_len
from rich.console import Console
from rich.text import Text

from rnn_calc.show.folding import cell_len, fold, fold_line

CONSOLE = Console(file=io.StringIO(), width=200)

# Words, runs of blanks, our own signs, wide characters and combining ones.
TEXTS = st.text(st.sampled_from("ab,cd   —✓⊙²漢字é\u0301x"), max_size=80) | st.text(
    st.characters(exclude_categories=("C", "Z")), max_size=20
)
WIDTHS = st.integers(2, 40)


def test_every_printable_character_is_as_wide_as_rich_has_it() -> None:
    characters = [char for char in map(chr, range(0x30000)) if char.isprintable()]
    assert [char for char in characters if cell_len(char) != rich_cell_len(char)] == []
    assert {cell_len("W_xh ⊙ σ"), cell_len("漢字漢字")} == {8}
    assert unicodedata.combining("\u0301")
    assert cell_len("e\u0301") == 1


@given(TEXTS, WIDTHS)
def test_a_text_is_folded_where_rich_folds_it(text: str, width: int) -> None:
    wrapped = Text(text).wrap(CONSOLE, width, overflow="fold")
    assert fold(text, width) == [line.plain.rstrip() for line in wrapped] or not text.strip()


@given(st.lists(st.tuples(TEXTS, st.sampled_from(["", "title", "math"])), max_size=5), WIDTHS)
def test_a_line_of_several_styles_is_folded_like_its_text(line: list[tuple[str, str]], width: int) -> None:
    folded = fold_line(line, width)
    whole = "".join(text for text, _ in line)
    assert ["".join(text for text, _ in part).rstrip() for part in folded] == fold(whole, width)
    styles = [style for text, style in line for _ in text]
    assert [style for part in folded for text, style in part for _ in text] == styles
