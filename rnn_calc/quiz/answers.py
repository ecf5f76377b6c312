"""Shapes and choices as answers, however they are typed."""

from __future__ import annotations

import re
from typing import NamedTuple

from rnn_calc.core.errors import listed
from rnn_calc.core.notation import write_shape
from rnn_calc.quiz.question import Verdict
from rnn_calc.quiz.reading import plain, read_shape
from rnn_calc.show.document import Text

RIGHT = Verdict(True, "Right.")


class ShapeAnswer(NamedTuple):
    """A shape, in any usual spelling."""

    shape: tuple[int, ...]

    @property
    def written(self) -> str:
        """The shape as it is read aloud."""
        return write_shape(self.shape)

    @property
    def hint(self) -> str:
        """What to type; as many axes as it has are not told."""
        return "a shape, as in 3,4"

    def judge(self, text: str) -> Verdict:
        """Right where every axis is; a transposed shape, other axes and axes of length 1 are told apart."""
        typed = plain(text)
        got = read_shape(typed) if typed else None
        if got is None:
            return Verdict(None, "Write a shape in numbers, without thousands separators: 3,4 or (3, 4); (3,) or 3.")
        if got == self.shape:
            return RIGHT
        return Verdict(False, self._fault(got))

    def _fault(self, got: tuple[int, ...]) -> str:
        needs = self.shape
        if sorted(got) == sorted(needs):
            if len(got) == 2:
                return "Transposed: these are its two sizes, in the other order."
            return "These are its sizes, in another order."
        if [size for size in got if size != 1] == [size for size in needs if size != 1]:
            if len(needs) == 1:
                return "A vector has one axis here; with a second one of length 1 it would be a matrix."
            if len(got) == 1:
                return "One axis is too few: here it is written with axes of length 1."
            return "The sizes are right but for axes of length 1."
        if len(got) != len(needs):
            return f"It has {len(needs)} {'axis' if len(needs) == 1 else 'axes'}, not {len(got)}."
        wrong = [str(index) for index, pair in enumerate(zip(got, needs, strict=True), 1) if pair[0] != pair[1]]
        return f"Not right: look at {'axis' if len(wrong) == 1 else 'axes'} {_and(wrong)}."


def _and(words: list[str]) -> str:
    return listed(words).replace(" or ", " and ")


LETTERS = "abcdefghijkl"


class ChoiceAnswer(NamedTuple):
    """One of several texts; `right` counts from 0. It is named by its letter, number, text, or how the text begins."""

    choices: tuple[str, ...]
    right: int

    @property
    def written(self) -> str:
        """The letter and the text of the right choice."""
        return f"{LETTERS[self.right]}) {self.choices[self.right]}"

    @property
    def hint(self) -> str:
        """The letters that there are."""
        return listed(LETTERS[: len(self.choices)])

    @property
    def block(self) -> Text:
        """The choices with their letters, for the prompt."""
        return Text(tuple(f"{letter}) {choice}" for letter, choice in zip(LETTERS, self.choices, strict=False)))

    def judge(self, text: str) -> Verdict:
        """Right where the choice is; None where the text names none, or fits several."""
        typed = plain(text)
        found = self._named(typed) if typed else []
        if len(found) == 1:
            return RIGHT if found[0] == self.right else Verdict(False, f"No, not {LETTERS[found[0]]}).")
        if found:
            return Verdict(None, f"That fits {_and([f'{LETTERS[index]})' for index in found])}; name one of them.")
        return Verdict(None, f"Answer with {self.hint}.")

    def _named(self, typed: str) -> list[int]:
        """The choices that the text fits: the whole text first, then letter and number, then beginnings."""
        texts = [_folded(choice) for choice in self.choices]
        folded = _folded(typed)
        if folded in texts:
            return [texts.index(folded)]
        label = re.fullmatch(r"[(\[]?([a-z]|[0-9]{1,2})[)\].:]?(?:\s+(.*))?", folded)
        if label and (not label[2] or label[2] in texts):
            index = self._labelled(label[1])
            if index is not None:
                # A letter with the text of another choice says two things.
                return [index] if label[2] in (None, texts[index]) else []
        return [index for index, own in enumerate(texts) if folded and own.startswith(folded)]

    def _labelled(self, label: str) -> int | None:
        index = int(label) - 1 if label.isdigit() else LETTERS.find(label)
        return index if 0 <= index < len(self.choices) else None


def _folded(text: str) -> str:
    """The text without case, quotes and differences that only spelling makes: many to many, many-to-many."""
    text = (plain(text) or "").casefold().strip("\"'“” ").rstrip(".").strip()
    return re.sub(r"(?<=[^\W\d_])[-_ ]+(?=[^\W\d_])", " ", text)
