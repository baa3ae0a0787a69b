"""The part of a workload that one of several workers sends: known by arithmetic, nobody hands out work."""

from __future__ import annotations

from typing import NamedTuple


class Stripe(NamedTuple):
    """Every `of`-th of what arrives, beginning with number `first`; what follows on an answer stays with it."""

    first: int = 0
    of: int = 1

    def has(self, number: int) -> bool:
        """Whether the arrival of that number, from 0, is in it."""
        return number % self.of == self.first


WHOLE = Stripe()
