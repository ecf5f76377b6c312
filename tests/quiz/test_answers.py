"""Answers are understood as people type them, judged as exactly as was asked, and nothing typed does harm."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_calc.quiz.answers import ChoiceAnswer, ShapeAnswer
from rnn_calc.quiz.numbers import CountAnswer, Mistake, NumberAnswer
from rnn_calc.quiz.question import Expected

SHAPES = st.lists(st.integers(1, 5000), min_size=1, max_size=4).map(tuple)
SEVERAL: list[Expected] = [
    ShapeAnswer((3, 4)),
    ShapeAnswer((3,)),
    NumberAnswer(0.42371, 3),
    NumberAnswer(1.5e-7, 3, significant=True),
    NumberAnswer(0.0, 2),
    CountAnswer(1234),
    ChoiceAnswer(("W_xh", "W_hh", "W_hy"), 1),
]
HOSTILE = [
    *("", " ", "\n", "\x00", "\x1b[31m3\x1b[0m", "\u202e4,3", "\ud800", "٣", "½", "10²", "3\x07", "🎈"),
    *(
        "inf",
        "-inf",
        "nan",
        "1e999999999",
        "1e-999999999",
        "1/0",
        "0/0",
        "1/1e-9999",
        "0x10",
        "__import__",
    ),
    *("9" * 10**6, "9" * 300, "1," * 10**6, "(" * 10**5, "3x" * 10**5, "[" * 90 + "3" + "]" * 91, "1e" * 99),
    *("a" * 10**7, "1" + " " * 10**7 + "2", "=" * 10**6, "-" * 199, "," * 199, "1 " * 99, "1_" * 99 + "1", "'" * 150),
]


@pytest.mark.parametrize("expected", SEVERAL, ids=lambda expected: type(expected).__name__)
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_input_is_never_right_and_never_takes_long(expected: Expected, text: str) -> None:
    start = perf_counter()
    verdict = expected.judge(text)
    assert verdict.right in (None, False)
    assert verdict.message.isprintable()
    assert len(verdict.message) < 200
    # Ten million characters take a few milliseconds here; quadratic work would take hours.
    assert perf_counter() - start < 1


@given(st.text(max_size=60), st.sampled_from(SEVERAL))
def test_whatever_is_typed_is_judged(text: str, expected: Expected) -> None:
    verdict = expected.judge(text)
    assert verdict.message
    assert verdict.right in (True, False, None)


@given(st.text(alphabet="0123456789.,-−+eE/ x×^()[]_'=≈km", max_size=30), st.sampled_from(SEVERAL))
def test_whatever_looks_like_a_number_is_judged(text: str, expected: Expected) -> None:
    assert expected.judge(text).message


@pytest.mark.parametrize("expected", SEVERAL, ids=lambda expected: type(expected).__name__)
def test_the_answer_as_it_is_written_is_right(expected: Expected) -> None:
    assert expected.judge(expected.written).right
    assert expected.hint


# Shapes


@given(SHAPES)
def test_a_shape_is_right_in_every_usual_spelling(shape: tuple[int, ...]) -> None:
    sizes = [str(size) for size in shape]
    spellings = [join.join(sizes) for join in (",", ", ", "x", " x ", "×", " × ", " ", " by ", "X", "*", ";")]
    listed = ", ".join(sizes)
    spellings += [f"({listed})", f"[{listed}]", f"({listed},)", f"torch.Size([{listed}])", f"TensorShape([{listed}])"]
    spellings += [f"shape ({listed})", f"  {listed} \n", f"{{{listed}}}", str(shape), str(list(shape))]
    for spelling in spellings:
        assert ShapeAnswer(shape).judge(spelling).right, spelling


@given(SHAPES, SHAPES)
def test_another_shape_is_wrong(shape: tuple[int, ...], other: tuple[int, ...]) -> None:
    assert ShapeAnswer(shape).judge(str(other)).right is (shape == other)


def test_what_is_wrong_with_a_shape_is_said() -> None:
    assert "Transposed" in ShapeAnswer((3, 4)).judge("4,3").message
    assert "another order" in ShapeAnswer((2, 3, 4)).judge("4,3,2").message
    assert "vector has one axis" in ShapeAnswer((3,)).judge("(3, 1)").message
    assert "vector has one axis" in ShapeAnswer((3,)).judge("1x3").message
    assert "axes of length 1" in ShapeAnswer((3, 1)).judge("3").message
    assert "axes of length 1" in ShapeAnswer((1, 3, 4)).judge("3,4").message
    assert "3 axes, not 2" in ShapeAnswer((2, 3, 4)).judge("3,4").message
    assert "axis 2" in ShapeAnswer((3, 4)).judge("3,5").message
    assert "axes 1 and 2" in ShapeAnswer((3, 4)).judge("5,6").message


@pytest.mark.parametrize(
    "text", ["1,000,4", "03,4", "3.5,4", "-3,4", "B,T,H", "(3,,4)", "(3,4", "3,4)", "3 and 4", "()"]
)
def test_what_is_no_shape_is_asked_again(text: str) -> None:
    assert ShapeAnswer((3, 4)).judge(text).right is None


def test_a_shape_does_not_tell_how_many_axes_it_has() -> None:
    assert ShapeAnswer((3,)).hint == ShapeAnswer((3, 4, 5)).hint


# Numbers

VALUES = st.floats(-1e4, 1e4, allow_nan=False)


@given(VALUES, st.integers(1, 6))
def test_a_number_rounded_as_asked_is_right(value: float, digits: int) -> None:
    exact, unit = Decimal(value), Decimal(1).scaleb(-digits)
    for rounding in (ROUND_HALF_EVEN, ROUND_HALF_UP):
        assert NumberAnswer(value, digits).judge(str(exact.quantize(unit, rounding))).right
    assert NumberAnswer(value, digits).judge(NumberAnswer(value, digits).written).right
    assert NumberAnswer(value, digits).judge(f"{exact:f}"[:39]).right


@given(VALUES, st.integers(1, 6), st.integers(51, 10**6), st.sampled_from([-1, 1]))
def test_a_number_off_by_more_than_half_a_unit_is_wrong(value: float, digits: int, hundredths: int, sign: int) -> None:
    off = Decimal(value) + sign * hundredths * Decimal(1).scaleb(-digits - 2)
    typed = off.quantize(Decimal(1).scaleb(-digits - 4))
    assert NumberAnswer(value, digits).judge(f"{typed:f}").right is False


@given(st.floats(1e-12, 1e12), st.integers(1, 6), st.sampled_from([-1, 1]))
def test_significant_digits_count_from_the_first(size: float, digits: int, sign: int) -> None:
    answer = NumberAnswer(sign * size, digits, significant=True)
    assert answer.judge(f"{sign * size:.{digits - 1}e}").right
    assert answer.judge(answer.written).right
    rounded = Decimal(f"{sign * size:.{digits - 1}e}")
    unit = Decimal(1).scaleb(rounded.adjusted() - digits + 1)
    assert answer.judge(str(rounded + 2 * unit)).right is False
    assert answer.judge(str(rounded - 2 * unit)).right is False
    assert answer.judge(str(-rounded)).right is False


@pytest.mark.parametrize(
    "text",
    [
        *("0.424", ".424", "0,424", "+0.424", "0.42371", "424e-3", "4.24E-1", "4.24×10^-1", "4.24 x 10^-1", "53/125"),
        *("h = 0.424", "≈0.424", "~ 0.424", " 0.424\n", "0.4240", "4,24e-1", "0.424e0"),
    ],
)
def test_a_number_is_right_in_every_usual_spelling(text: str) -> None:
    assert NumberAnswer(0.42371, 3).judge(text).right


@pytest.mark.parametrize("minus", ["-", "−", "–", "- "])
def test_every_minus_is_one(minus: str) -> None:
    assert NumberAnswer(-0.25, 2).judge(f"{minus}0.25").right
    assert NumberAnswer(-0.25, 2).judge(f"{minus}1/4").right
    assert NumberAnswer(0.25, 2).judge(f"{minus}0.25").message == "The sign is wrong."


def test_a_comma_that_could_be_either_is_asked_again() -> None:
    answer = NumberAnswer(1.234, 3)
    assert answer.judge("1,234").right is None
    assert "comma" in answer.judge("1,234").message
    assert answer.judge("1.234").right
    assert NumberAnswer(1234.0, 1).judge("1,234.0").right
    assert NumberAnswer(1.25, 2).judge("1,25").right


def test_what_is_wrong_with_a_number_is_said() -> None:
    answer = NumberAnswer(0.42371, 3)
    assert "cut off" in answer.judge("0.423").message
    assert "too few digits" in answer.judge("0.42").message
    assert "last digit" in answer.judge("0.426").message
    assert answer.judge("7").message == "Not right."


def test_a_common_mistake_is_told_unless_it_rounds_to_the_answer() -> None:
    answer = NumberAnswer(0.5, 1, mistakes=(Mistake(0.7, "That is z."), Mistake(0.52, "never")))
    assert answer.judge("0.7").message == "That is z."
    assert answer.judge("0.5").right
    count = CountAnswer(32, (Mistake(27, "The biases are missing."),))
    assert count.judge("27").message == "The biases are missing."


def test_zero_is_written_without_a_sign() -> None:
    assert NumberAnswer(-0.0001, 2).written == "0.00"
    assert NumberAnswer(0.0, 3, significant=True).written == "0"


# Counts


@given(st.integers(0, 10**12))
def test_a_count_is_right_in_every_usual_spelling(value: int) -> None:
    grouped = f"{value:,}"
    spellings = [grouped.replace(",", sign) for sign in (",", " ", "_", "'", "\u202f", "’", "")]
    for text in (*spellings, f"= {value}"):
        assert CountAnswer(value).judge(text).right, text
    assert CountAnswer(value).judge(str(value + 1)).right is False
    assert CountAnswer(value + 1).judge(str(value)).right is False


def test_thousands_may_be_short_where_that_is_exact() -> None:
    assert CountAnswer(1200).judge("1.2k").right
    assert CountAnswer(1234).judge("1.2k").right is False
    assert "exact" in CountAnswer(1234).judge("1.2k").message
    assert CountAnswer(2_500_000).judge("2.5M").right


@pytest.mark.parametrize("text", ["1.5", "1,23", "12,34", "1,2345", "1 2", "1/2", "1.234", "k", "twelve", "1,234,56"])
def test_what_is_no_count_is_asked_again(text: str) -> None:
    assert CountAnswer(1234).judge(text).right is None


# Choices

CHOICES = ("many-to-many", "many-to-one", "one-to-many", "seq2seq")


@pytest.mark.parametrize("right", range(4))
def test_a_choice_is_its_letter_its_number_or_its_text(right: int) -> None:
    answer, letter, text = ChoiceAnswer(CHOICES, right), "abcd"[right], CHOICES[right]
    for typed in (
        letter,
        letter.upper(),
        f"{letter})",
        f"({letter})",
        f"{letter}.",
        str(right + 1),
        text,
        text.upper(),
    ):
        assert answer.judge(typed).right, typed
    for typed in (text.replace("-", " "), f'"{text}"', f"{letter}) {text}", text[:9], f"{text}."):
        assert answer.judge(typed).right, typed
    for other in set(range(4)) - {right}:
        assert answer.judge("abcd"[other]).right is False
        assert answer.judge(CHOICES[other]).right is False


def test_a_beginning_that_fits_several_choices_is_asked_again() -> None:
    assert ChoiceAnswer(CHOICES, 0).judge("many").right is None
    assert "a) and b)" in ChoiceAnswer(CHOICES, 0).judge("many").message
    assert ChoiceAnswer(CHOICES, 0).judge("b) many-to-many").right is None
    assert ChoiceAnswer(CHOICES, 0).judge("e").right is None
    assert ChoiceAnswer(("weight_ih_l0", "weight_ih_l0_reverse"), 0).judge("weight_ih_l0").right


def test_a_choice_shows_its_letters() -> None:
    assert ChoiceAnswer(CHOICES, 1).block.lines[1] == "b) many-to-one"
    assert ChoiceAnswer(CHOICES, 1).hint == "a, b, c or d"
