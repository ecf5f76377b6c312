"""Numbers and counts as answers: as exact as the question asks, and no more."""

from __future__ import annotations

from fractions import Fraction
from math import isfinite
from typing import NamedTuple

from rnn_calc.quiz.answers import RIGHT
from rnn_calc.quiz.question import Verdict
from rnn_calc.quiz.reading import after_equals, could_be_either, plain, read_number
from rnn_calc.show.format import plural

# What float64 may have made of a value that is exactly between two answers, in units of the last digit asked for.
_SLACK = Fraction(1, 10**6)


class Mistake(NamedTuple):
    """An answer that a common mistake leads to, and what is said to it."""

    value: float
    message: str


class NumberAnswer(NamedTuple):
    """A number to so many digits: behind the point, or with `significant` from the first that is not 0.

    `mistakes` that round to the right answer are none.
    """

    value: float
    digits: int
    significant: bool = False
    mistakes: tuple[Mistake, ...] = ()

    @property
    def asked(self) -> str:
        """How exact the answer is to be, as the question says it."""
        return f"to {plural(self.digits, 'significant digit' if self.significant else 'decimal')}"

    @property
    def written(self) -> str:
        """The number, rounded as the question asks."""
        if not self.significant:
            text = f"{self.value:.{self.digits}f}"
            return text.removeprefix("-") if float(text) == 0 else text
        scientific = f"{self.value:.{self.digits - 1}e}"
        mantissa, _, exponent = scientific.partition("e")
        if self.value == 0 or not -5 < int(exponent) < 7:
            return "0" if self.value == 0 else f"{mantissa}e{int(exponent)}"
        return f"{float(scientific):.{max(0, self.digits - 1 - int(exponent))}f}"

    @property
    def hint(self) -> str:
        """What to type, and how exactly."""
        return f"a number, {self.asked}"

    @property
    def _unit(self) -> Fraction:
        """One of the last digit that is asked for."""
        if not self.significant:
            return Fraction(1, 10**self.digits)
        exponent = int(f"{self.value:.{self.digits - 1}e}".partition("e")[2])
        return Fraction(10) ** (exponent - self.digits + 1)

    def judge(self, text: str) -> Verdict:
        """Right up to half of the last digit asked for; what is close but badly rounded is told so."""
        typed = plain(text)
        if typed and could_be_either(typed):
            return Verdict(None, "With that comma it could be two numbers; write a point, or no comma at all.")
        got = read_number(typed) if typed else None
        if got is None:
            return Verdict(None, "Write a number, as in 0.42, -1.5, 1e-3 or 1/3.")
        if self._fits(got, self.value):
            return RIGHT
        for mistake in self.mistakes:
            if self._fits(got, mistake.value) and not self._fits(got, self.value):
                return Verdict(False, mistake.message)
        return Verdict(False, self._fault(got))

    def _off(self, got: Fraction, value: float) -> Fraction:
        return abs(got - Fraction(value)) / self._unit

    def _fits(self, got: Fraction, value: float) -> bool:
        return isfinite(value) and self._off(got, value) <= Fraction(1, 2) + _SLACK

    def _fault(self, got: Fraction) -> str:
        off = self._off(got, self.value)
        if off < 1:
            return f"Close, but not rounded {self.asked}: it looks as if digits were cut off."
        if off <= 3:
            return f"Close: the last digit is off. Carry more digits on the way, and round at the end {self.asked}."
        if self.value and self._fits(-got, self.value):
            return "The sign is wrong."
        if self.value and self._rounded_earlier(got):
            return f"That has too few digits; the question asks for it {self.asked}."
        return "Not right."

    def _rounded_earlier(self, got: Fraction) -> bool:
        """Whether it is the right number, to fewer digits."""
        return any(
            self._off(got, self.value) <= Fraction(10**less, 2) + _SLACK and got % (self._unit * 10**less) == 0 and got
            for less in range(1, self.digits)
        )


class CountAnswer(NamedTuple):
    """A whole number, exactly."""

    value: int
    mistakes: tuple[Mistake, ...] = ()

    @property
    def written(self) -> str:
        """The number with thousands separators."""
        return f"{self.value:,}"

    @property
    def hint(self) -> str:
        """What to type."""
        return "a whole number"

    def judge(self, text: str) -> Verdict:
        """Right where it is the very number; separators between thousands, and 1.2k for 1,200, are understood."""
        typed = plain(text)
        got = self._read(typed) if typed else None
        if got is None or got.denominator != 1:
            return Verdict(None, "Write a whole number, as in 1234 or 1,234.")
        if got == self.value:
            return RIGHT
        for mistake in self.mistakes:
            if got == mistake.value:
                return Verdict(False, mistake.message)
        if typed and typed[-1:].casefold() in _THOUSANDS and abs(got - self.value) < _THOUSANDS[typed[-1:].casefold()]:
            return Verdict(False, "That is rounded; give the exact number.")
        return Verdict(False, "Too many." if got > self.value else "Too few.")

    @staticmethod
    def _read(typed: str) -> Fraction | None:
        typed = after_equals(typed)
        if "/" in typed:
            return None
        factor = _THOUSANDS.get(typed[-1:].casefold(), 1)
        got = read_number(typed[:-1].strip() if factor > 1 else typed, decimal_comma=False)
        return None if got is None else got * factor


_THOUSANDS = {"k": 1000, "m": 10**6}
