"""The arithmetic of one token bucket, continuously refilled.  Pure: time is an argument, in seconds.

The Claude API limits requests, input tokens and output tokens per minute by such buckets (facts of the rate-limit
page, read 2026-10-08): refilled continuously up to a maximum, no fixed windows.  The mock server enforces with it and
the token-bucket strategy paces with it, so both sides of a benchmark share one definition.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

TOLERANCE = 1e-6
"""Units by which a level may fall short and still count as enough.

Floating point leaves a bucket a hair below the amount it was waited for; without this a virtual clock would wait
ever smaller times and never get there.
"""


@dataclass(slots=True)
class Bucket:
    """Holds up to `capacity` units, gains `rate` units a second, and may go below zero (a debt).

    An amount larger than the capacity fits when the bucket is full, and leaves a debt behind; otherwise it could
    never be served at all.
    """

    capacity: float
    rate: float
    level: float
    at: float = 0.0
    """When `level` was true, in the caller's seconds."""

    @classmethod
    def full(cls, capacity: float, rate: float, at: float = 0.0) -> Self:
        """A bucket that starts full."""
        return cls(capacity, rate, capacity, at)

    def settle(self, now: float) -> float:
        """Bring the level forward to `now` and return it.  A time in the past changes nothing."""
        if now > self.at:
            level = self.level + (now - self.at) * self.rate
            self.level = level if level < self.capacity else self.capacity
            self.at = now
        return self.level

    def take(self, amount: float, now: float) -> None:
        """Remove `amount`, whether or not it fits.  A negative amount gives back, up to the capacity."""
        level = self.settle(now) - amount
        self.level = level if level < self.capacity else self.capacity

    def wait(self, amount: float, now: float) -> float:
        """Seconds from `now` until `amount` fits, if nothing else is taken: 0 if it does already, infinite if never."""
        missing = (amount if amount < self.capacity else self.capacity) - self.settle(now)
        return 0.0 if missing <= TOLERANCE else missing / self.rate if self.rate else math.inf

    @property
    def refill(self) -> float:
        """Seconds from when it was last settled until the bucket is full again."""
        return (self.capacity - self.level) / self.rate
