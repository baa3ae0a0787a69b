"""How many requests may be in flight: a fixed number, or one that finds itself.

A limit maps (in flight, time) to a wait and learns from how attempts ended.  It never sleeps and never reads a clock;
`admission.py` enforces it.  The split of policy and enforcement, and the three kinds of outcome (answered, ignored,
dropped), follow Netflix's concurrency-limits (read 2026-11-20).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from bench.results.causes import CAUSES

if TYPE_CHECKING:
    from bench.results.record import Attempt
    from bench.scenario.strategies import Adaptive

START = 10.0
"""In flight at second 0 and after a pause."""

DOUBLES_IN = 2.0
"""Seconds in which a slow start doubles the limit.  The API asks to ramp up gradually, without numbers (2026-10-08)."""

SLOWEST = 60.0
"""The longest that a slow start may take to double, however often the API finds it too fast."""

CUT = 0.7
"""What is left after a refusal."""

GROWTH = 0.01
"""By what share of itself the limit grows each second once it was refused (but by one every two seconds at least):
about 45 s to make up for a cut."""

TOLERANCE = 1.5
"""How much slower than usual answers may become before that counts as a queue.  Our choice: Gradient2 allows nothing,
but lets every sample count a little; here a window counts in full."""

_LEAST_FACTOR = 0.5
"""The deepest cut for slowness at a time (Gradient2)."""

_UP, _DOWN = 0.01, 0.2
"""How fast the long average follows the short one, a window: slowly into a queue, or it would take that for normal."""


class Limit(Protocol):
    """How many may be in flight."""

    def wait(self, in_flight: int, now: float) -> float:
        """Seconds until one more may be sent if none ends; infinite where only an end can help."""
        ...

    def update(self, attempt: Attempt, in_flight: int, now: float) -> None:
        """Learn from an attempt that ended at `now`, when `in_flight` were on their way, itself included."""
        ...


class Aimd:
    """Additive increase, multiplicative decrease, as TCP does it, but by the second instead of by the round trip.

    Answers of ten and more seconds would make a limit that grows by the round trip useless.  Below `threshold` it
    doubles every few seconds (slow start), above it grows by a fixed share of the threshold each second.  A refusal
    that headers could not foretell cuts the threshold, once an episode: what was sent before the last cut says nothing
    about the limit after it.  A pause that the server asks for ends in a slow start, so that nobody stampedes back.  A
    limit of which less than half is used does not grow, or it would mean nothing when it is needed.
    """

    __slots__ = ("_at", "_doubles_in", "_last_cut", "_least", "_most", "_slowness", "_threshold", "_value")

    def __init__(self, least: float = 1.0, most: float = math.inf, slowness: Gradient | None = None) -> None:
        self._least, self._most, self._slowness = least, most, slowness
        self._value = self._start
        self._at = 0.0
        self._threshold = math.inf
        self._doubles_in = DOUBLES_IN
        self._last_cut = -math.inf

    @property
    def _start(self) -> float:
        return min(max(START, self._least), self._most)

    def value(self, now: float) -> float:
        """The limit at `now`."""
        elapsed = max(0.0, now - self._at)
        doublings, ramp = elapsed / self._doubles_in, self._ramp()
        if elapsed <= ramp:
            return min(self._most, self._value * math.exp2(min(doublings, 64.0)))
        return min(self._most, max(self._value, self._threshold) + (elapsed - ramp) * self._growth())

    def wait(self, in_flight: int, now: float) -> float:
        """See `Limit`."""
        wanted = in_flight + 1
        if wanted <= self.value(now):
            return 0.0
        return math.inf if wanted > self._most else max(0.0, self._at + self._reaches(wanted) - now)

    def _ramp(self) -> float:
        """Seconds from `_at` that the slow start takes."""
        return self._doubles_in * math.log2(self._threshold / self._value) if self._value < self._threshold else 0.0

    def _reaches(self, wanted: float) -> float:
        """Seconds from `_at` until the limit is `wanted`."""
        if wanted <= self._threshold:
            return self._doubles_in * math.log2(wanted / self._value)
        return self._ramp() + (wanted - max(self._value, self._threshold)) / self._growth()

    def _growth(self) -> float:
        """By how much the limit grows a second above the threshold."""
        return max(0.5, GROWTH * self._threshold)

    def update(self, attempt: Attempt, in_flight: int, now: float) -> None:
        """See `Limit`.  What is neither an answer nor a refusal says nothing about load and is ignored."""
        if attempt.cause is None:
            self._keep_in_use(in_flight, now)
            factor = 1.0 if self._slowness is None else self._slowness.factor(attempt, in_flight)
            if factor < 1:
                self._cut(factor, attempt, in_flight, now)
        elif is_refusal(attempt.cause):
            if not _is_told_by_headers(attempt):
                self._cut(CUT, attempt, in_flight, now)
            if attempt.retry_after is not None:
                self._set(min(self._start, self._threshold), max(self._at, now + attempt.retry_after))

    def _keep_in_use(self, in_flight: int, now: float) -> None:
        if self.value(now) > max(self._start, 2.0 * in_flight):
            self._set(max(self._start, 2.0 * in_flight), now)

    def _cut(self, factor: float, attempt: Attempt, in_flight: int, now: float) -> None:
        if attempt.sent <= self._last_cut:
            return
        self._last_cut = now
        self._threshold = max(self._least, factor * min(self.value(now), in_flight))
        self._set(self._threshold, now)
        if attempt.cause == "acceleration":
            self._doubles_in = min(SLOWEST, 2 * self._doubles_in)

    def _set(self, value: float, at: float) -> None:
        self._value, self._at = min(self._most, max(self._least, value)), at


class Gradient:
    """Tells a queue at the server from ordinary spread: the long average of a time over its short one.

    After Netflix's Gradient2, with two changes that model answers ask for.  The time is one that does not depend on
    how long an answer is: to the first token (`ttft`), or per output token (`tpot`); never the whole.  And a short
    average is one round trip of answers instead of one answer, because times to first token spread threefold by
    themselves.
    """

    __slots__ = ("_count", "_long", "_sum", "_tpot")

    def __init__(self, by: str) -> None:
        self._tpot = by == "tpot"
        self._long: float | None = None
        self._sum, self._count = 0.0, 0

    def factor(self, attempt: Attempt, in_flight: int) -> float:
        """What to multiply the limit by after this answer: 1, or less (at least 0.5) at the end of a slow window."""
        if (time := self._time(attempt)) is None:
            return 1.0
        self._sum, self._count = self._sum + time, self._count + 1
        if self._count < max(10, in_flight):
            return 1.0
        short, self._sum, self._count = self._sum / self._count, 0.0, 0
        usual = short if self._long is None else self._long
        self._long = usual + (short - usual) * (_DOWN if short < usual else _UP)
        return max(_LEAST_FACTOR, min(1.0, TOLERANCE * usual / short)) if short else 1.0

    def _time(self, attempt: Attempt) -> float | None:
        if attempt.first_token is None or attempt.last_token is None or attempt.usage is None:
            return None
        if not self._tpot:
            return attempt.first_token - attempt.sent
        rest = attempt.usage.output_tokens - 1
        return (attempt.last_token - attempt.first_token) / rest if rest > 0 else None


def is_refusal(cause: str) -> bool:
    """Whether a failure says "too much": a 429 that passes with time, or 529."""
    return CAUSES[cause].rate_limit or cause == "overloaded"


def _is_told_by_headers(attempt: Attempt) -> bool:
    """Whether it was refused by a limit per minute of which headers tell: keeping to it is for the pacer.

    With fewer in flight it would be met just as well, only later.
    """
    return attempt.limits is not None and attempt.cause in ("requests", "input_tokens", "output_tokens")


def limit_of(spec: Adaptive) -> Limit:
    """The limit a scenario's `adaptive` asks for."""
    slowness = None if spec.by == "refusals" else Gradient(spec.by)
    return Aimd(spec.min_in_flight, spec.max_in_flight, slowness)
