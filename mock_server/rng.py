"""Counter-based random numbers: a draw depends on its key and position alone, never on who drew before.

That is what makes a simulated run repeat byte for byte whatever order its requests arrive in.  The generator is
SplitMix64 (Steele, Lea, Flood 2014): 64 bits of state, one multiplication chain a draw, and cheap to seed, where
numpy's generators take ten microseconds to construct.
"""

from __future__ import annotations

import math
from functools import lru_cache
from hashlib import blake2b
from statistics import NormalDist

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_inverse_normal = NormalDist().inv_cdf
below = NormalDist().cdf
"""The share of the standard normal distribution that lies below a number."""

Z95 = _inverse_normal(0.95)
"""How many standard deviations the 95th percentile of a normal distribution lies above its median."""


@lru_cache(maxsize=1024)
def _number(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")


class Draws:
    """The stream of draws that belongs to a key, such as `Draws(run_seed, "latency", request, attempt)`."""

    __slots__ = ("_begin", "_state")

    def __init__(self, *key: int | str, begin: int = 0) -> None:
        z = begin
        for part in key:  # the mixing is written out here and in `bits`: calling a function for it doubles the cost
            z = (z + _GOLDEN + (part if part.__class__ is int else _number(part))) & _MASK
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
            z ^= z >> 31
        self._begin = self._state = z

    def of(self, *parts: int | str) -> Draws:
        """The stream of the longer key: `Draws("a", 1).of("b")` is `Draws("a", 1, "b")`, whatever was drawn before."""
        return Draws(*parts, begin=self._begin)

    def bits(self) -> int:
        """64 random bits."""
        z = self._state = (self._state + _GOLDEN) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in the open interval (low, high)."""
        return low + (high - low) * (((self.bits() >> 11) + 0.5) / (1 << 53))

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + self.bits() % (high - low + 1)

    def normal(self) -> float:
        """A draw from the standard normal distribution."""
        return _inverse_normal(((self.bits() >> 11) + 0.5) / (1 << 53))

    def lognormal(self, median: float, p95: float) -> float:
        """A draw from the lognormal distribution that has this median and 95th percentile."""
        return median * math.exp(math.log(p95 / median) / Z95 * self.normal())

    def exponential(self, mean: float) -> float:
        """A draw from the exponential distribution: the gaps of a Poisson process have `mean` = 1 / rate."""
        return -mean * math.log(self.uniform())
