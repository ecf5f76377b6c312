from __future__ import annotations

from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.divisors import divisors


def test_small_numbers_have_the_divisors_that_trial_finds() -> None:
    for n in range(1, 2000):
        assert divisors(n) == [d for d in range(1, n + 1) if n % d == 0]


@given(n=st.integers(1, 10**6))
@settings(deadline=None, max_examples=50)
def test_any_number_has_the_divisors_that_trial_finds(n: int) -> None:
    assert divisors(n) == [d for d in range(1, n + 1) if n % d == 0]


@pytest.mark.parametrize(
    ("primes", "count"),
    [
        ((999_983, 1_000_003), 4),
        ((1_000_003, 1_000_003, 1_000_003), 4),
        ((1_000_003, 1_000_033, 1_000_037), 8),
        ((1009, 1009, 1013), 6),
        ((999_999_937, 999_999_929), 4),
        ((2**61 - 1,), 2),
        ((2,) * 59, 60),
        # Pseudoprimes to the bases 2, 3, 5 and 7.
        ((151, 751, 28_351), 8),
        ((6_763, 10_627, 29_947), 8),
    ],
)
def test_products_of_large_primes_are_taken_apart(primes: tuple[int, ...], count: int) -> None:
    found = divisors(prod(primes))
    assert len(found) == count
    assert set(primes) <= set(found)
    assert all(prod(primes) % divisor == 0 for divisor in found)


def test_a_highly_composite_number_has_all_its_divisors() -> None:
    assert len(divisors(963_761_198_400)) == 6720
    assert len(divisors(897_612_484_786_617_600)) == 103_680
