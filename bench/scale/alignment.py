"""Clocks of several machines, held against one: how far apart they are, and how well that is known.

As in NTP (RFC 5905, section 8): a round trip bounds the other clock's reading between its two ends, and the shortest
one of several bounds it best.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class RoundTrip(NamedTuple):
    """One question for the time, in seconds of either clock."""

    asked: float
    theirs: float
    answered: float


class Alignment(NamedTuple):
    """What to add to this clock to have theirs."""

    offset: float
    """Seconds."""
    error: float
    """Seconds by which it can be wrong at most, as long as no clock runs faster than the other."""


def align(trips: Iterable[RoundTrip]) -> Alignment:
    """The offset by the shortest round trip."""
    best = min(trips, key=lambda trip: trip.answered - trip.asked)
    return Alignment(best.theirs - (best.asked + best.answered) / 2, (best.answered - best.asked) / 2)
