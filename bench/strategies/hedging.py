"""When a request gets a second attempt beside its first, and how often.  Pure: no clock, no randomness."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.results.record import Attempt
    from bench.scenario.strategies import Hedge

ENOUGH = 72
"""Answers from which a percentile is taken: the fewest with which a p95 has a 95 % interval (`samples_needed`)."""

_STEP = math.log(1.01)


class Percentile:
    """A percentile of all values so far, to one per cent of its value: counts by size, and a pointer among them."""

    __slots__ = ("_at", "_counts", "_p", "_up_to", "n")

    def __init__(self, p: float) -> None:
        self._p = p
        self._counts: defaultdict[int, int] = defaultdict(int)
        self._at = 0
        self._up_to = 0
        """Values in the bins up to and with the one that the pointer is at."""
        self.n = 0

    def add(self, value: float) -> None:
        """Take in a value; those below a microsecond count as one."""
        place = math.floor(math.log(max(value, 1e-6)) / _STEP)
        self._at = place if self.n == 0 else self._at
        self._counts[place] += 1
        self._up_to += place <= self._at
        self.n += 1
        while self._up_to < self._p * self.n:
            self._at += 1
            self._up_to += self._counts.get(self._at, 0)
        while self._up_to - self._counts.get(self._at, 0) >= self._p * self.n:
            self._up_to -= self._counts.get(self._at, 0)
            self._at -= 1

    @property
    def value(self) -> float:
        """The upper end of the bin in which the percentile lies."""
        return math.exp((self._at + 1) * _STEP)


class Hedging:
    """The hedges of one pass."""

    __slots__ = ("_after", "_hedges", "_most", "_percentile", "requests")

    def __init__(self, spec: Hedge) -> None:
        self._after = spec.after if isinstance(spec.after, float) else None
        self._percentile = None if isinstance(spec.after, float) else Percentile(float(spec.after[1:]) / 100)
        self._most = spec.most
        self._hedges = 0
        self.requests = 0
        """How many were sent so far."""

    @property
    def after(self) -> float | None:
        """Seconds after which an attempt without an answer is late; None while too few answers have come to say."""
        if self._percentile is None or self._percentile.n < ENOUGH:
            return self._after
        return self._percentile.value

    def may(self) -> bool:
        """Whether one more hedge keeps to the share of requests that may have one; if so, it is counted."""
        if self._hedges + 1 > self._most * self.requests:
            return False
        self._hedges += 1
        return True

    def take_back(self) -> None:
        """Uncount a hedge that was not sent after all."""
        self._hedges -= 1

    def learn(self, attempt: Attempt) -> None:
        """Learn from the attempts of one try how long an answer takes: from the first of them, never from a hedge.

        One that was outrun would have taken longer than it did.  It was late already, so counting the time it had is
        enough to keep the percentile where it belongs; leaving it out would let the percentile sink with every hedge.
        """
        if self._percentile is None or attempt.hedge:
            return
        if attempt.ok or attempt.cause == "outrun":
            answered = attempt.ended if attempt.first_token is None else attempt.first_token
            self._percentile.add(answered - attempt.sent)
