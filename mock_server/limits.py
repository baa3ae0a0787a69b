"""Who may come in: the buckets of one class of models, and what is still going to be taken from them.

The API's rules (rate-limit page, 2026-10-08): requests count when they start; input tokens are estimated at the start
and corrected later; output tokens count as they are produced.  A running answer is never cut, so the output level can
fall below zero; only new requests are refused.  Pure: time is an argument, in seconds.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from dataclasses import dataclass, field
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

    def units(self, after: float) -> float:
        """What it takes later than `after`."""
        at_once = max(0.0, self.at_once) if self.begin > after else 0.0
        return at_once + self.rate * max(0.0, self.end - max(self.begin, after))

    def changes(self) -> list[Change]:
        """What happens to a bucket, and when."""
        begin = (-self.begin, self.at_once, self.rate)
        return [begin, (-self.end, 0.0, -self.rate)] if self.rate else [begin]


@dataclass(slots=True)
class DrainedBucket(Bucket):
    """A token bucket that running answers drain, each at its own rate.

    The sum of the drains is constant between the beginnings and ends of answers, so the level is settled exactly with
    two changes an answer instead of one step a token.
    """

    drain: float = 0.0
    """Units lost a second, beside the `rate` gained."""
    changes: list[Change] = field(default_factory=list)
    """Still to come, sorted."""
    owed: float = 0.0
    """What they will take in all: while the level covers it, nobody need look at them one by one."""

    def settle(self, now: float) -> float:
        """Bring the level forward to `now` and return it.  A time in the past changes nothing."""
        changes = self.changes
        if changes and -changes[-1][0] <= now:
            del changes[self._follow(len(changes), now) :]
        elif now > self.at:
            self._flow(now)
        return self.level

    def schedule(self, drain: Drain) -> None:
        """Let `drain` take its units when its time comes."""
        self.owed += drain.units(self.at)
        for change in drain.changes():
            insort(self.changes, change)

    def stop(self, drain: Drain, now: float) -> None:
        """Cancel what a scheduled drain has not taken by `now`; once, for one that was stopped is forgotten."""
        self.settle(now)
        if now >= drain.end:
            return
        self.owed -= drain.units(now)
        for change in drain.changes():
            if -change[0] > now:
                del self.changes[bisect_left(self.changes, change)]
        if drain.begin <= now:
            insort(self.changes, (-now, 0.0, -drain.rate))
            self.settle(now)

    def seconds_until(self, amount: float, now: float, least: int) -> int:
        """The smallest whole number of seconds, from `least`, after which `amount` fits, as drains are scheduled."""
        if self.settle(now) - self.owed >= amount:
            return least
        ahead = DrainedBucket(self.capacity, self.rate, self.level, self.at, self.drain, self.changes)
        left, seconds = len(self.changes), least
        while True:
            left = ahead._follow(left, now + seconds)
            missing = min(amount, self.capacity) - ahead.level
            if missing <= TOLERANCE:
                return seconds
            seconds += 1 if left else math.ceil(missing / self.rate)

    def _follow(self, left: int, until: float) -> int:
        """Go to `until` through the last of the first `left` changes; return how many of them are then left."""
        while left and -self.changes[left - 1][0] <= until:
            left -= 1
            when, amount, rate = self.changes[left]
            self._flow(-when)
            self.level = min(self.capacity, self.level - amount)
            self.owed -= max(0.0, amount)
            self.drain += rate
            if not left:  # 0 exactly, or rounding errors would gather
                self.drain = self.owed = 0.0
        self._flow(until)
        return left

    def _flow(self, to: float) -> None:
        if to > self.at:
            elapsed = to - self.at
            level = self.level + elapsed * (self.rate - self.drain)
            self.level = level if level < self.capacity else self.capacity
            self.owed -= elapsed * self.drain
            self.at = to


class Refusal(NamedTuple):
    """Which limit said no, and how many whole seconds later it would not."""

    limit: str
    retry_after: int


class Gate:
    """The three buckets of one class of models.  A request comes in only if all three allow it."""

    __slots__ = ("_rejected_count", "input", "limits", "output", "requests")

    def __init__(self, limits: Limits, burst: float, *, rejected_count: bool = False) -> None:
        self.limits = limits
        self._rejected_count = rejected_count
        requests, input_tokens, output_tokens = (limit and (limit / 60 * burst, limit / 60) for limit in limits)
        self.requests = Bucket.full(*requests) if requests else None
        self.input = DrainedBucket.full(*input_tokens) if input_tokens else None
        self.output = DrainedBucket.full(*output_tokens) if output_tokens else None

    def admit(self, input_tokens: int, output_tokens: int, now: float) -> Refusal | None:
        """Let a request in and take one request and its input tokens; or refuse it and take nothing.

        `output_tokens` must be in the output bucket but are not taken: that is for the answer to do.
        """
        requests, tokens, output = self.requests, self.input, self.output
        if requests and requests.wait(1, now) > 0:
            limit = "requests"
        elif tokens and tokens.wait(input_tokens, now) > 0:
            limit = "input_tokens"
        elif output and output.wait(output_tokens, now) > 0:
            limit = "output_tokens"
        else:
            if requests:
                requests.take(1, now)
            if tokens:
                tokens.take(input_tokens, now)
            return None
        if requests and self._rejected_count:
            requests.take(max(0.0, min(1.0, requests.level)), now)
        return Refusal(limit, self._retry_after(input_tokens, output_tokens, now))

    def state(self, now: float) -> RateLimits:
        """What the headers of a response at `now` say."""
        requests = None
        if self.requests:
            remaining = int(self.requests.settle(now) + TOLERANCE)
            requests = Window(self.limits.requests or 0, max(0, remaining), now + self.requests.full_in(now))
        return RateLimits(
            requests,
            _window(self.limits.input_tokens, self.input, now),
            _window(self.limits.output_tokens, self.output, now),
        )

    def _retry_after(self, input_tokens: int, output_tokens: int, now: float) -> int:
        seconds, agreed = 1, 0
        if self.requests:
            seconds = max(1, math.ceil(self.requests.wait(1, now)))
        while seconds != agreed:  # a level may rise and fall again, so both must allow the same moment
            agreed = seconds
            if self.input:
                seconds = self.input.seconds_until(input_tokens, now, seconds)
            if self.output:
                seconds = self.output.seconds_until(output_tokens, now, seconds)
        return seconds


def _window(limit: int | None, bucket: Bucket | None, now: float) -> Window | None:
    if limit is None or bucket is None:
        return None
    remaining = int(bucket.settle(now) / 1000 + 0.5) * 1000
    return Window(limit, remaining if remaining > 0 else 0, now + bucket.full_in(now))
