"""When the next request may go, under limits on requests, input tokens and output tokens.

A pacer maps (cost, time) to a wait.  It never sleeps and never reads a clock, so its tests need no timers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from mock_server.bucket import Bucket

if TYPE_CHECKING:
    from bench.request import RequestSpec
    from bench.results.record import Attempt
    from bench.scenario.model import TokenBucket
    from mock_server.tiers import Limits

_MEMORY = 0.98
"""Weight of the past in running averages, an answer at a time: about the last fifty count."""


class Cost(msgspec.Struct, frozen=True, gc=False):
    """What one attempt draws from each limit: a reservation before it is sent, the true use afterwards."""

    requests: float
    input_tokens: float
    output_tokens: float


class Marks(NamedTuple):
    """What a pacer that learns believed when it let a request through, so that headers can be held against it."""

    requests: float
    input_tokens: float
    output_tokens: float
    """With all that was in flight and not yet produced, as the server sees it."""
    length: float
    """Output tokens of the answer to which a token in flight belonged, on average."""


class Ticket(msgspec.Struct, frozen=True, gc=False):
    """What an attempt was let through with: needed to settle it when it has ended."""

    reserved: Cost
    expected_output: float = 0.0
    """Output tokens that its request expects; what is reserved may be more or less."""
    marks: Marks | None = None
    """From a pacer that learns limits."""


class Pace(Protocol):
    """When the next request may go."""

    def wait(self, cost: Cost, now: float) -> float:
        """Seconds from `now` until `cost` fits, if nothing else is taken; 0 or less if it fits already."""
        ...

    def take(self, cost: Cost, now: float) -> Ticket:
        """Reserve `cost`, whether or not it fits: what exceeds a limit becomes a debt."""
        ...

    def settle(self, ticket: Ticket, attempt: Attempt, now: float) -> None:
        """Replace a reservation by what the attempt really used.  Every ticket is settled or forgone once."""
        ...

    def forgo(self, ticket: Ticket, now: float) -> None:
        """Take a reservation back whose attempt is not sent."""
        ...

    def hold(self, share: float, now: float) -> None:
        """Keep to this share of each limit from now on, since others send too.

        Whoever gets less gives up what it has saved above that; whoever gets more begins with nothing more.
        """
        ...


@dataclass(slots=True)
class Average:
    """A running average in which each value has a weight."""

    total: float = 0.0
    weight: float = 0.0

    def add(self, value: float, weight: float) -> None:
        """Take in one more value."""
        self.total = self.total * _MEMORY + value * weight
        self.weight = self.weight * _MEMORY + weight

    def or_else(self, default: float) -> float:
        """The average, or `default` while there is none."""
        return self.total / self.weight if self.weight else default


@dataclass(slots=True)
class Lengths:
    """How long answers turn out to be, measured by what was expected of them.

    Expectations are often wrong by the same factor for all requests: an estimate that is too low, or `max_tokens`.
    """

    factor: Average = field(default_factory=Average)

    def expected(self, cost: Cost) -> float:
        """Output tokens to reserve: those expected, times what answers so far had of theirs."""
        return cost.output_tokens * self.factor.or_else(1.0)

    def learn(self, ticket: Ticket, attempt: Attempt) -> None:
        """Take in an answer, if it is a whole one."""
        if attempt.usage is not None and attempt.ok and ticket.expected_output:
            self.factor.add(attempt.usage.output_tokens / ticket.expected_output, ticket.expected_output)


class Pacer:
    """Three token buckets that are taken together or not at all.  A None bucket is a limit that does not exist."""

    __slots__ = ("_input", "_lengths", "_output", "_requests", "_whole")

    def __init__(self, requests: Bucket | None, input_tokens: Bucket | None, output_tokens: Bucket | None) -> None:
        self._requests = requests
        self._input = input_tokens
        self._output = output_tokens
        self._whole = [(one, one.capacity, one.rate) for one in (requests, input_tokens, output_tokens) if one]
        self._lengths = Lengths()

    def wait(self, cost: Cost, now: float) -> float:
        """Seconds from `now` until `cost` fits into every bucket, if nothing else is taken."""
        longest = 0.0
        if self._requests is not None:
            longest = self._requests.wait(cost.requests, now)
        if self._input is not None:
            longest = max(longest, self._input.wait(cost.input_tokens, now))
        if self._output is not None:
            longest = max(longest, self._output.wait(self._lengths.expected(cost), now))
        return longest

    def take(self, cost: Cost, now: float) -> Ticket:
        """Reserve `cost`, whether or not it fits: what exceeds a bucket becomes a debt."""
        reserved = Cost(cost.requests, cost.input_tokens, self._lengths.expected(cost))
        self._draw(reserved, now)
        return Ticket(reserved, cost.output_tokens)

    def settle(self, ticket: Ticket, attempt: Attempt, now: float) -> None:
        """Replace a reservation by what was really used."""
        reserved, used = ticket.reserved, use(ticket.reserved, attempt)
        more = Cost(
            used.requests - reserved.requests,
            used.input_tokens - reserved.input_tokens,
            used.output_tokens - reserved.output_tokens,
        )
        self._draw(more, now)
        self._lengths.learn(ticket, attempt)

    def _draw(self, amounts: Cost, now: float) -> None:
        if self._requests is not None:
            self._requests.take(amounts.requests, now)
        if self._input is not None:
            self._input.take(amounts.input_tokens, now)
        if self._output is not None:
            self._output.take(amounts.output_tokens, now)

    def forgo(self, ticket: Ticket, now: float) -> None:
        """Take a reservation back whose attempt is not sent."""
        reserved = ticket.reserved
        self.take(Cost(-reserved.requests, -reserved.input_tokens, -reserved.output_tokens), now)

    def hold(self, share: float, now: float) -> None:
        """See `Pace`."""
        for bucket, capacity, rate in self._whole:
            bucket.settle(now)
            bucket.capacity, bucket.rate = capacity * share, rate * share
            bucket.level = min(bucket.level, bucket.capacity)


def reservation(spec: RequestSpec) -> Cost:
    """What to reserve for a request before its usage is known."""
    return Cost(1, spec.input_tokens - spec.cached_tokens, spec.output_tokens)


def use(reserved: Cost, attempt: Attempt) -> Cost:
    """What an attempt really drew from the limits.

    Cache reads are free of the input limit (rate-limit page, 2026-10-08).  An attempt that was refused used no tokens.
    One that ended without a whole answer may have: what it did not tell stands as reserved, because a pacer that
    guesses low is refused.
    """
    if attempt.usage is not None:
        spent = attempt.usage
        produced = spent.output_tokens if attempt.ok else max(spent.output_tokens, reserved.output_tokens)
        return Cost(reserved.requests, spent.total_input - spent.cache_read, produced)
    if attempt.status is not None and attempt.status >= 400:
        return Cost(reserved.requests, 0, 0)
    return reserved


def pacer_of(spec: TokenBucket, limits: Limits) -> Pacer:
    """The pacer a scenario asks for: its own rates, and the tier's where it names none."""

    def bucket(own: float | None, per_minute: float | None) -> Bucket | None:
        rate = own if own is not None else per_minute / 60 if per_minute is not None else None
        return None if rate is None else Bucket.full(rate * spec.share * spec.burst, rate * spec.share)

    return Pacer(
        bucket(spec.requests, limits.requests),
        bucket(spec.input_tokens, limits.input_tokens),
        bucket(spec.output_tokens, limits.output_tokens),
    )
