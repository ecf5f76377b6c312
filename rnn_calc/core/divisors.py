"""The divisors of a whole number, by Pollard's rho; for the reverse count, which finds widths among them."""

from __future__ import annotations

from math import gcd, isqrt

_SMALL_PRIMES = tuple(n for n in range(2, 1000) if all(n % p for p in range(2, isqrt(n) + 1)))

# As bases of Miller and Rabin's test these leave no doubt below 3.3·10^24 (Sorenson, Webster 2017).
_WITNESSES = _SMALL_PRIMES[:13]


def divisors(n: int) -> list[int]:
    """Every divisor of a positive `n` up to about 10^20, in order."""
    found = [1]
    for prime, power in sorted(_factors(n).items()):
        found = [divisor * prime**exponent for divisor in found for exponent in range(power + 1)]
    return sorted(found)


def _factors(n: int) -> dict[int, int]:
    """Each prime factor with its power."""
    found: dict[int, int] = {}
    for prime in _SMALL_PRIMES:
        while n % prime == 0:
            found[prime] = found.get(prime, 0) + 1
            n //= prime
    rest = [n] if n > 1 else []
    while rest:
        n = rest.pop()
        if _is_prime(n):
            found[n] = found.get(n, 0) + 1
        else:
            factor = _proper_factor(n)
            rest += [factor, n // factor]
    return found


def _is_prime(n: int) -> bool:
    if n < _SMALL_PRIMES[-1] ** 2:
        return n > 1 and all(n % prime for prime in _SMALL_PRIMES if prime * prime <= n)
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in _WITNESSES:
        x = pow(base, odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def _proper_factor(n: int) -> int:
    """A factor of a composite number without small factors: Brent's variant, one gcd for many steps."""
    root = isqrt(n)
    if root * root == n:
        return root
    for shift in range(1, 100):
        y = slow = start = 2
        common, product, length = 1, 1, 1
        while common == 1:
            slow = y
            for _ in range(length):
                y = (y * y + shift) % n
            done = 0
            while done < length and common == 1:
                start = y
                for _ in range(min(128, length - done)):
                    y = (y * y + shift) % n
                    product = product * abs(slow - y) % n
                common = gcd(product, n)
                done += 128
            length *= 2
        if common == n:
            # The many steps went past it: once more, one by one.
            common = 1
            while common == 1:
                start = (start * start + shift) % n
                common = gcd(abs(slow - start), n)
        if common != n:
            return common
    raise AssertionError(f"no factor of {n} found")
