from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.diophantine import Equation, positive_roots

small = st.integers(0, 12)


def brute(equation: Equation, lowest: int) -> set[tuple[int, int]]:
    """Every solution, x before h, by trying all."""
    a, b, c, d, n = equation
    return {
        (x, h)
        for h in range(lowest, n + 1)
        for x in range(1, n // (b * h + d) + 1)
        if a * h * h + b * h * x + c * h + d * x == n
    }


@given(a=small, b=st.integers(1, 12), c=small, d=small, n=st.integers(-5, 600), lowest=st.integers(1, 4))
@settings(deadline=None)
def test_the_candidates_hold_every_solution(a: int, b: int, c: int, d: int, n: int, lowest: int) -> None:
    equation = Equation(a, b, c, d, n)
    widths, complete = equation.candidates(lowest, 10_000)
    assert complete
    assert len(set(widths)) == len(widths)
    assert set(equation.solve_for_x(widths)) == brute(equation, lowest)


@given(a=small, b=st.integers(1, 12), c=small, d=small, n=st.integers(1, 600), most=st.integers(1, 40))
@settings(deadline=None)
def test_a_search_cut_short_says_so_and_finds_no_wrong_solution(
    a: int, b: int, c: int, d: int, n: int, most: int
) -> None:
    equation = Equation(a, b, c, d, n)
    widths, complete = equation.candidates(1, most)
    found = set(equation.solve_for_x(widths))
    assert found <= brute(equation, 1)
    assert not complete or found == brute(equation, 1)
    assert len(widths) <= 2 * most


@given(a=small, b=st.integers(1, 12), c=small, d=small, h=st.integers(1, 10**18), x=st.integers(1, 10**18))
@settings(deadline=None)
def test_h_follows_from_x_at_any_size(a: int, b: int, c: int, d: int, h: int, x: int) -> None:
    n = a * h * h + b * h * x + c * h + d * x
    assert Equation(a, b, c, d, n).solve_for_h(x) == (h,)
    assert (x, h) in Equation(a, b, c, d, n).solve_for_x([h])


@given(a=small, b=st.integers(0, 12), n=st.integers(-10, 2000))
def test_a_quadratic_has_the_roots_that_trial_finds(a: int, b: int, n: int) -> None:
    if a or b:
        assert positive_roots(a, b, n) == tuple(x for x in range(1, 2001) if a * x * x + b * x == n)
