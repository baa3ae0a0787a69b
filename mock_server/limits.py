"""Who may come in: the buckets of one class of models, and what is still going to be taken from them.

The API's rules (rate-limit page, 2026-10-08): requests count when they start; input tokens are estimated at the start
and corrected later; output tokens count as they are produced.  A running answer is never cut, so the output level can
fall below zero; only new requests are refused.  Pure: time is an argument, in seconds.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from mock_server.bucket import TOLERANCE, Bucket
from mock_server.plan import RateLimits, Window
from mock_server.tiers import Limits

Change = tuple[float, float, float]
"""Minus the time, units taken then, change of the drain: sorted upwards, the soonest comes last."""


class Drain(NamedTuple):
    """Units to be taken: `at_once` when it begins (negative: given back), then `rate` a second until it ends."""

    begin: float
    end: float
    at_once: float
    rate: float = 0.0

    def changes(self) -> list[Change]:
        """What happens to a bucket, and when."""
        begin = (-self.begin, self.at_once, self.rate)
        return [begin, (-self.end, 0.0, -self.rate)] if self.rate else [begin]


@dataclass(slots=True)
class _Course:
    """A level on its way through time: refilled and drained at constant rates between changes."""

    capacity: float
    refill: float
    level: float
    at: float
    drain: float = 0.0

    def advance(self, to: float) -> None:
        if to > self.at:
            self.level = min(self.capacity, self.level + (to - self.at) * (self.refill - self.drain))
            self.at = to

    def follow(self, changes: list[Change], upto: int, until: float) -> int:
        """Go through the changes before index `upto` that are due by `until`; return how many are left."""
        while upto and -changes[upto - 1][0] <= until:
            upto -= 1
            when, amount, rate = changes[upto]
            self.advance(-when)
            self.level = min(self.capacity, self.level - amount)
            self.drain = self.drain + rate if upto else 0.0  # 0 exactly, or rounding errors would gather
        self.advance(until)
        return upto


@dataclass(slots=True)
class DrainedBucket:
    """A token bucket that running answers drain, each at its own rate.

    The sum of the drains is constant between the beginnings and ends of answers, so the level is settled exactly with
    two changes an answer instead of one step a token.
    """

    course: _Course
    changes: list[Change] = field(default_factory=list)
    """Still to come, sorted."""

    @classmethod
    def full(cls, capacity: float, rate: float) -> DrainedBucket:
        """A bucket that starts full at second 0."""
        return cls(_Course(capacity, rate, capacity, 0.0))

    def settle(self, now: float) -> float:
        """Bring the level forward to `now` and return it."""
        del self.changes[self.course.follow(self.changes, len(self.changes), now) :]
        return self.course.level

    def take(self, amount: float, now: float) -> None:
        """Remove `amount` now, whether or not it fits."""
        self.course.level = min(self.course.capacity, self.settle(now) - amount)

    def schedule(self, drain: Drain) -> None:
        """Let `drain` take its units when its time comes."""
        for change in drain.changes():
            insort(self.changes, change)

    def stop(self, drain: Drain, now: float) -> None:
        """Cancel what a scheduled drain has not taken by `now`."""
        self.settle(now)
        begun = drain.begin <= now
        for change in drain.changes():
            if -change[0] > now:
                del self.changes[bisect_left(self.changes, change)]
        if begun and now < drain.end:
            insort(self.changes, (-now, 0.0, -drain.rate))
            self.settle(now)

    def fits(self, amount: float, now: float) -> bool:
        """Whether `amount` is there; one larger than the capacity fits when the bucket is full."""
        return self.settle(now) >= min(amount, self.course.capacity) - TOLERANCE

    def seconds_until(self, amount: float, now: float, least: int) -> int:
        """The smallest whole number of seconds, from `least`, after which `amount` fits, as drains are scheduled."""
        self.settle(now)
        ahead, left = replace(self.course), len(self.changes)
        enough = min(amount, ahead.capacity) - TOLERANCE
        seconds = least
        left = ahead.follow(self.changes, left, now + seconds)
        while ahead.level < enough:
            seconds += 1 if left else math.ceil((enough - ahead.level) / ahead.refill)
            left = ahead.follow(self.changes, left, now + seconds)
        return seconds

    def full_at(self, now: float) -> float:
        """When it is full again if nothing more is taken."""
        return now + (self.course.capacity - self.settle(now)) / self.course.refill


class Refusal(NamedTuple):
    """Which limit said no, and how many whole seconds later it would not."""

    limit: str
    retry_after: int


class Gate:
    """The three buckets of one class of models.  A request comes in only if all three allow it."""

    __slots__ = ("_limits", "_rejected_count", "input", "output", "requests")

    def __init__(self, limits: Limits, burst: float, *, rejected_count: bool = False) -> None:
        self._limits = limits
        self._rejected_count = rejected_count
        requests, input_tokens, output_tokens = (limit and (limit / 60 * burst, limit / 60) for limit in limits)
        self.requests = Bucket.full(*requests) if requests else None
        self.input = DrainedBucket.full(*input_tokens) if input_tokens else None
        self.output = DrainedBucket.full(*output_tokens) if output_tokens else None

    def admit(self, input_tokens: int, output_tokens: int, now: float) -> Refusal | None:
        """Let a request in and take one request and its input tokens; or refuse it and take nothing.

        `output_tokens` must be in the output bucket but are not taken: that is for the answer to do.
        """
        limit = self._refusing(input_tokens, output_tokens, now)
        if limit is None:
            if self.requests:
                self.requests.take(1, now)
            if self.input:
                self.input.take(input_tokens, now)
            return None
        if self._rejected_count and self.requests:
            self.requests.take(max(0.0, min(1.0, self.requests.settle(now))), now)
        return Refusal(limit, self._retry_after(input_tokens, output_tokens, now))

    def state(self, now: float) -> RateLimits:
        """What the headers of a response at `now` say."""
        requests = input_tokens = output_tokens = None
        if self.requests:
            remaining = max(0, int(self.requests.settle(now) + TOLERANCE))
            requests = Window(self._limits.requests or 0, remaining, now + self.requests.full_in(now))
        if self.input:
            input_tokens = _window(self._limits.input_tokens or 0, self.input, now)
        if self.output:
            output_tokens = _window(self._limits.output_tokens or 0, self.output, now)
        return RateLimits(requests, input_tokens, output_tokens)

    def _refusing(self, input_tokens: int, output_tokens: int, now: float) -> str | None:
        if self.requests and self.requests.wait(1, now) > 0:
            return "requests"
        if self.input and not self.input.fits(input_tokens, now):
            return "input_tokens"
        if self.output and not self.output.fits(output_tokens, now):
            return "output_tokens"
        return None

    def _retry_after(self, input_tokens: int, output_tokens: int, now: float) -> int:
        seconds = max(1, math.ceil(self.requests.wait(1, now))) if self.requests else 1
        while True:
            start = seconds
            for bucket, amount in ((self.input, input_tokens), (self.output, output_tokens)):
                if bucket:
                    seconds = bucket.seconds_until(amount, now, seconds)
            if seconds == start:  # a level may rise and fall again, so both must agree on one moment
                return seconds


def _window(limit: int, bucket: DrainedBucket, now: float) -> Window:
    remaining = max(0, int(bucket.settle(now) / 1000 + 0.5) * 1000)
    return Window(limit, remaining, bucket.full_at(now))
