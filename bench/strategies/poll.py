"""When to look at a batch again, and when to call again what failed.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.scenario.strategies import Poll

_SOON, _RARELY = 1.0, 60.0


def waits(poll: Poll) -> Iterator[float]:
    """Seconds to wait before each look, without end."""
    return _growing(poll.first, poll.factor, poll.cap)


def backoff() -> Iterator[float]:
    """Seconds to wait before each new try of a call where the server does not say: 1, 2, 4 ... 60."""
    return _growing(_SOON, 2.0, _RARELY)


def _growing(wait: float, factor: float, cap: float) -> Iterator[float]:
    while True:
        yield min(wait, cap)
        wait = min(wait * factor, cap)
