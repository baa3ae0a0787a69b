"""Who may come in: the buckets of one class of models, and what is still going to be taken from them.

The API's rules (rate-limit page, 2026-10-08): requests count when they start; input tokens are estimated at the start
and corrected later; output tokens count as they are produced.  A running answer is never cut, so the output level can
fall below zero; only new requests are refused.  Pure: time is an argument, in seconds.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import msgspec

from mock_server.bucket import TOLERANCE, Bucket
from mock_server.plan import Error, RateLimits, Window
from mock_server.request import RequestError
from mock_server.tenants import Tenant
from mock_server.tiers import Limits

Change = tuple[float, float, float]
"""Minus the time, units taken then, change of the drain: sorted upwards, the soonest comes last."""


class Drain(msgspec.Struct, frozen=True, gc=False):
    """Units to be taken: `at_once` when it begins (negative: given back), then `rate` a second until it ends."""

    begin: float
    end: float
    at_once: float
    rate: float = 0.0

    def units(self, after: float) -> float:
        """What it takes later than `after`."""
        at_once = self.at_once if self.begin > after and self.at_once > 0 else 0.0
        return at_once + self.rate * max(0.0, self.end - max(self.begin, after)) if self.rate else at_once

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
        elif now > self.at:  # as `_flow` does, without calling it
            elapsed = now - self.at
            level = self.level + elapsed * (self.rate - self.drain)
            self.level = level if level < self.capacity else self.capacity
            self.owed -= elapsed * self.drain
            self.at = now
        return self.level

    def schedule(self, drain: Drain) -> None:
        """Let `drain` take its units when its time comes."""
        self.owed += drain.units(self.at)
        insort(self.changes, (-drain.begin, drain.at_once, drain.rate))
        if drain.rate:
            insort(self.changes, (-drain.end, 0.0, -drain.rate))

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
            seconds += 1 if left else math.ceil((missing - TOLERANCE) / self.rate)

    def _follow(self, left: int, until: float) -> int:
        """Go to `until` through the last of the first `left` changes; return how many of them are then left."""
        while left and -self.changes[left - 1][0] <= until:
            left -= 1
            when, amount, rate = self.changes[left]
            self._flow(-when)
            if amount:
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
    """Which limit said no, how much it allows, and how many whole seconds later it would not have."""

    limit: str
    """`requests`, `input_tokens`, `output_tokens`, `acceleration` or `concurrency`."""
    allowed: int | None
    """Per minute; None where it is not so counted."""
    retry_after: int


_PER_MINUTE = {"requests": "requests", "input_tokens": "input tokens", "output_tokens": "output tokens"}


def rate_limit_error(refusal: Refusal, tenant: Tenant, model_id: str) -> Error:
    """The refusal in the words seen in public in 2025 and 2026."""
    return _rate_limit_error(refusal.limit, refusal.allowed, tenant.organization_id, model_id)


@lru_cache(maxsize=256)  # a herd is told the same thousands of times
def _rate_limit_error(limit: str, allowed: int | None, organization_id: str, model_id: str) -> Error:
    if limit == "concurrency":
        return Error("rate_limit_error", "Number of concurrent connections has exceeded your rate limit.")
    if limit == "acceleration":
        message = (
            "This request would exceed your organization's maximum usage increase rate for input tokens per minute."
            " Scale up more gradually to stay within the acceleration limit."
        )
        return Error("rate_limit_error", message, "ramp_limit_exceeded")
    message = (
        f"This request would exceed your organization's rate limit of {allowed:,} {_PER_MINUTE[limit]}"
        f" per minute (org: {organization_id}, model: {model_id}). The response headers show the current"
        " use. Shorten the prompt, lower the maximum tokens requested, or try again later."
    )
    return Error("rate_limit_error", message)


_COUNTED = {
    "token_counts": "token counting requests per minute",
    "batch_requests": "batch requests per minute",
    "batch_queue": "requests in the processing queue of batches",
}


def too_many_requests(limit: str, allowed: int, wait: float, tenant: Tenant) -> RequestError:
    """The 429 of endpoints that count only requests; `wait` is the seconds until one fits."""
    message = (
        f"This request would exceed your organization's rate limit of {allowed:,} {_COUNTED[limit]}"
        f" (org: {tenant.organization_id}). Try again later."
    )
    return RequestError(429, Error("rate_limit_error", message), max(1, _whole(wait)), limit)


class Connections:
    """How many requests of an organisation are open at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._ends: list[float] = []

    def open(self, ends: float) -> None:
        """One more, which ends then."""
        insort(self._ends, ends)

    def close(self, ends: float) -> None:
        """One that would have ended then is gone already."""
        place = bisect_left(self._ends, ends)
        if place < len(self._ends) and self._ends[place] == ends:
            del self._ends[place]

    def wait(self, now: float) -> float:
        """Seconds until one more may be opened."""
        del self._ends[: bisect_right(self._ends, now + TOLERANCE)]
        return 0.0 if len(self._ends) < self._most else self._ends[len(self._ends) - self._most] - now


class Growth:
    """How fast the use of input tokens may rise, minute by minute: see `settings.Ramp`.

    The first request of a minute always fits; otherwise one that is larger than the allowance never would.
    """

    def __init__(self, factor: float, floor: int) -> None:
        self._factor, self._floor = factor, floor
        self._minute = 0
        self._used = 0
        self._before: deque[int] = deque(maxlen=5)

    def wait(self, amount: int, now: float) -> float:
        """Seconds until so many tokens fit."""
        self._turn(now)
        allowed = max(self._floor, self._factor * max(self._before, default=0))
        return 0.0 if not self._used or self._used + amount <= allowed else (self._minute + 1) * 60 - now

    def take(self, amount: int, now: float) -> None:
        """Use so many tokens."""
        self._turn(now)
        self._used += amount

    def _turn(self, now: float) -> None:
        minute = int((now + TOLERANCE) // 60)
        for _ in range(min(minute - self._minute, 6)):
            self._before.append(self._used)
            self._used = 0
        self._minute = max(minute, self._minute)


class Gate:
    """The three buckets of one class of models.  A request comes in only if all three allow it.

    A workspace with limits of its own has a gate in front of its organisation's: both must allow a request, and what
    it uses is taken from both.
    """

    __slots__ = (
        "_rejected_count",
        "connections",
        "counts_output",
        "growth",
        "input",
        "limits",
        "organization",
        "output",
        "requests",
    )

    def __init__(
        self, limits: Limits, burst: float, *, rejected_count: bool = False, organization: Gate | None = None
    ) -> None:
        self.limits = limits
        self.organization = organization
        self.growth: Growth | None = None
        self.connections: Connections | None = None
        self._rejected_count = rejected_count
        requests, input_tokens, output_tokens = (limit and (limit / 60 * burst, limit / 60) for limit in limits)
        self.requests = Bucket.full(*requests) if requests else None
        self.input = DrainedBucket.full(*input_tokens) if input_tokens else None
        self.output = DrainedBucket.full(*output_tokens) if output_tokens else None
        self.counts_output: bool = bool(self.output or (organization and organization.counts_output))

    def admit(self, input_tokens: int, output_tokens: int, now: float) -> Refusal | None:
        """Let a request in and take one request and its input tokens; or refuse it and take nothing.

        `output_tokens` must be in the output bucket but are not taken: that is for the answer to do.
        """
        gate: Gate | None = self
        while gate:
            if limit := gate._lacks(input_tokens, output_tokens, now):
                return self._refuse(gate, limit, input_tokens, output_tokens, now)
            gate = gate.organization
        self._take(input_tokens, now)
        return None

    def correct(self, drain: Drain) -> None:
        """Let `drain` correct the input tokens when its time comes."""
        for gate in self._gates():
            if gate.input:
                gate.input.schedule(drain)

    def produce(self, drain: Drain) -> None:
        """Let an answer take its output tokens as they are produced."""
        if self.output:
            self.output.schedule(drain)
        if self.organization:
            self.organization.produce(drain)

    def reserve(self, tokens: int, now: float) -> None:
        """Take output tokens at once; a negative number gives back."""
        for gate in self._gates():
            if gate.output:
                gate.output.take(tokens, now)

    def stop(self, drain: Drain, now: float) -> None:
        """Cancel what an answer would still have taken."""
        for gate in self._gates():
            if gate.output:
                gate.output.stop(drain, now)

    def state(self, now: float) -> RateLimits:
        """What the headers of a response at `now` say: of the workspace and its organisation what leaves less."""
        requests = None
        if (bucket := self.requests) is not None:
            level = bucket.settle(now)
            remaining = int(level + TOLERANCE)
            full = now + (bucket.capacity - level) / bucket.rate
            requests = Window(self.limits.requests or 0, remaining if remaining > 0 else 0, full, level)
        own = RateLimits(
            requests,
            _window(self.limits.input_tokens, self.input, now),
            _window(self.limits.output_tokens, self.output, now),
        )
        return _closest(own, self.organization.state(now)) if self.organization else own

    def _gates(self) -> tuple[Gate, ...]:
        return (self, self.organization) if self.organization else (self,)

    def _lacks(self, input_tokens: int, output_tokens: int, now: float) -> str | None:
        """The limit that does not allow it."""
        if self.requests and self.requests.wait(1, now) > 0:
            return "requests"
        if self.input and self.input.wait(input_tokens, now) > 0:
            return "input_tokens"
        if self.output and self.output.wait(output_tokens, now) > 0:
            return "output_tokens"
        if self.growth and self.growth.wait(input_tokens, now) > 0:
            return "acceleration"
        if self.connections and self.connections.wait(now) > 0:
            return "concurrency"
        return None

    def _take(self, input_tokens: int, now: float) -> None:
        if self.requests:
            self.requests.take(1, now)
        if self.input:
            self.input.take(input_tokens, now)
        if self.growth:
            self.growth.take(input_tokens, now)
        if self.organization:
            self.organization._take(input_tokens, now)

    def _refuse(self, gate: Gate, limit: str, input_tokens: int, output_tokens: int, now: float) -> Refusal:
        if self._rejected_count:
            for each in self._gates():
                if each.requests:
                    each.requests.take(max(0.0, min(1.0, each.requests.settle(now))), now)
        return Refusal(limit, getattr(gate.limits, limit, None), self._retry_after(input_tokens, output_tokens, now))

    def _retry_after(self, input_tokens: int, output_tokens: int, now: float) -> int:
        gates = self._gates()
        seconds, agreed = max([1, *(_whole(gate._wait_for_place(input_tokens, now)) for gate in gates)]), 0
        while seconds != agreed:  # a level may rise and fall again, so all must allow the same moment
            agreed = seconds
            for gate in gates:
                if gate.input:
                    seconds = gate.input.seconds_until(input_tokens, now, seconds)
                if gate.output:
                    seconds = gate.output.seconds_until(output_tokens, now, seconds)
        return seconds

    def _wait_for_place(self, input_tokens: int, now: float) -> float:
        """Seconds until those limits allow it that keep allowing it once they do."""
        waits = [self.requests.wait(1, now) if self.requests else 0.0]
        if self.growth:
            waits.append(self.growth.wait(input_tokens, now))
        if self.connections:
            waits.append(self.connections.wait(now))
        return max(waits)


def _whole(seconds: float) -> int:
    """Rounded up, but not because of a rounding error: what is short by less is within the tolerance of a bucket."""
    return math.ceil(seconds - 1e-9)


def _window(limit: int | None, bucket: Bucket | None, now: float) -> Window | None:
    if limit is None or bucket is None:
        return None
    level = bucket.settle(now)
    remaining = int(level / 1000 + 0.5) * 1000
    full = now + (bucket.capacity - level) / bucket.rate
    return Window(limit, remaining if remaining > 0 else 0, full, level)


def _closest(own: RateLimits, organization: RateLimits) -> RateLimits:
    """What a workspace's headers say.  Without token limits of its own its tokens headers say what they always do."""
    requests = _closer(own.requests, organization.requests)
    input_tokens = _closer(own.input_tokens, organization.input_tokens)
    output_tokens = _closer(own.output_tokens, organization.output_tokens)
    limited = own.input_tokens or own.output_tokens
    return RateLimits(requests, input_tokens, output_tokens, _closer(input_tokens, output_tokens) if limited else None)


def _closer(one: Window | None, other: Window | None) -> Window | None:
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda window: (window.remaining, window.limit))
