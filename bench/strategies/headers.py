"""A pacer that is told no limits: it learns them from the `anthropic-ratelimit-*` headers of the answers.

It keeps a picture of the server's buckets.  Their rates are in the headers (a limit is per minute and refilled
continuously: rate-limit page, 2026-10-08); their levels are what it sent itself, put right by each `remaining`.  So it
slows down before a 429, also when others use the same limits.  Where there are no headers it only keeps the pauses
that the server asks for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.strategies.limit import is_refusal
from bench.strategies.pacer import Average, Cost, Lengths, Marks, Ticket, use
from mock_server.bucket import Bucket

if TYPE_CHECKING:
    from bench.results.record import Attempt, RateLimits

KEPT_BACK = 0.1
"""Share of each bucket that is left to what nobody can know: other users of the key, answers longer than expected."""

_ROUNDING = 500.0
"""By how many tokens `remaining` may be off: it comes rounded to the nearest thousand (rate-limit page, 2026-10-08)."""

_LEAST_SHARE = 1e-6


@dataclass(slots=True)
class Believed:
    """What is believed of one bucket of the server.  Until the headers have told its rate everything fits.

    A header says how things were when its request came in, and much was sent since.  So the level believed at that
    time is kept with the request (its mark), brought up to date with what was learned since, and only the difference
    that remains corrects the level of today.
    """

    rounding: float = 0.0
    bucket: Bucket = field(default_factory=lambda: Bucket(math.inf, 0.0, 0.0))
    most: float = 0.0
    """The largest `remaining` seen."""
    learned: float = 0.0
    """All corrections so far."""

    def wait(self, amount: float, now: float) -> float:
        """Seconds until `amount` fits."""
        return self.bucket.wait(amount, now) if self.bucket.rate else 0.0

    def take(self, amount: float, now: float) -> float:
        """Take `amount` and return the mark."""
        self.bucket.take(amount, now)
        return self.bucket.level - self.learned

    def correct(self, amount: float, now: float) -> None:
        """The level is, and was, higher by `amount` than believed."""
        self.bucket.take(-amount, now)
        self.learned += amount

    def told(self, limit: int | None, remaining: int | None, mark: float, under_way: float, now: float) -> None:
        """Learn from headers: the limit per minute, and what remained when the request of `mark` came in.

        `under_way` is what was going to be given back then, beyond what `remaining` can show.
        """
        if not limit or remaining is None:
            return
        self.bucket.settle(now)
        self.bucket.rate = limit / 60
        self.most = max(self.most, remaining, self.bucket.rate)
        self.bucket.capacity = self.most * (1 - KEPT_BACK)
        believed = mark + self.learned
        highest = remaining + under_way - self.most * KEPT_BACK
        # Nothing left may also mean a debt, of which the header says nothing.
        lowest = highest - 2 * self.rounding if remaining else -math.inf
        self.correct(min(max(believed, lowest), highest) - believed, now)

    def scale(self, factor: float, now: float) -> None:
        """So many times as much of it is one's own.  What is lost is lost at once; what is won has yet to refill."""
        level = self.bucket.settle(now)
        self.bucket.rate *= factor
        self.bucket.capacity *= factor
        self.most *= factor
        self.correct(min(0.0, level * (factor - 1)), now)

    def empty_for(self, seconds: float, now: float) -> None:
        """A refusal: whatever was believed, there is nothing to take for so many seconds."""
        self.correct(min(0.0, -self.bucket.rate * seconds - self.bucket.settle(now)), now)


class HeaderPacer:
    """A `Pace` under limits that it learns, with a pause for all when the server asks for one.

    Output tokens are reserved when a request is sent, but the server takes them as they are produced.  So what is in
    flight is taken off what remains, and what will refill while it is being produced is added.
    """

    __slots__ = (
        "_input", "_lengths", "_output", "_output_in_flight", "_paused_until", "_requests", "_seconds_per_token",
        "_share", "_squares_in_flight", "_told_of",
    )  # fmt: skip

    def __init__(self) -> None:
        self._requests = Believed()
        self._input = Believed(_ROUNDING)
        self._output = Believed(_ROUNDING)
        self._share = 1.0
        """Of what headers tell; the rest is for others who send beside it."""
        self._paused_until = -math.inf
        self._told_of = -math.inf
        """The latest moment of which headers have told; a long answer may tell of an earlier one, too late."""
        self._output_in_flight = 0.0
        """Tokens expected of all answers under way; and below, the sum of their squares."""
        self._squares_in_flight = 0.0
        self._lengths = Lengths()
        self._seconds_per_token = Average()
        """Of whole answers, first token included: unlike their length it is known early, when only short ones ended."""

    def wait(self, cost: Cost, now: float) -> float:
        """See `Pace`."""
        return max(
            self._paused_until - now,
            self._requests.wait(cost.requests, now),
            self._input.wait(cost.input_tokens, now),
            self._output.wait(self._lengths.expected(cost), now),
        )

    def take(self, cost: Cost, now: float) -> Ticket:
        """See `Pace`."""
        expected = self._lengths.expected(cost)
        self._output_in_flight += expected
        self._squares_in_flight += expected * expected
        marks = Marks(
            self._requests.take(cost.requests, now),
            self._input.take(cost.input_tokens, now),
            self._output.take(expected, now) + self._output_in_flight,
            self._squares_in_flight / self._output_in_flight if self._output_in_flight else 0.0,
        )
        return Ticket(Cost(cost.requests, cost.input_tokens, expected), cost.output_tokens, marks)

    def settle(self, ticket: Ticket, attempt: Attempt, now: float) -> None:
        """See `Pace`."""
        used = use(ticket.reserved, attempt)
        self._output_in_flight -= ticket.reserved.output_tokens
        self._squares_in_flight -= ticket.reserved.output_tokens**2
        self._input.correct(ticket.reserved.input_tokens - used.input_tokens, now)
        # Not a correction of the past: the mark holds what was in flight, so it cancels out there.
        self._output.bucket.take(used.output_tokens - ticket.reserved.output_tokens, now)
        self._lengths.learn(ticket, attempt)
        if attempt.usage is not None and attempt.ok:
            tokens = attempt.usage.output_tokens
            self._seconds_per_token.add((attempt.ended - attempt.sent) / max(1, tokens), tokens)
        if attempt.limits is not None and ticket.marks is not None and attempt.sent >= self._told_of:
            self._told_of = attempt.sent
            self._told(attempt.limits, ticket.marks, now)
        if attempt.cause is not None and attempt.retry_after is not None and is_refusal(attempt.cause):
            self._pause(attempt.cause, attempt.retry_after, now)

    def forgo(self, ticket: Ticket, now: float) -> None:
        """See `Pace`."""
        reserved = ticket.reserved
        self._output_in_flight -= reserved.output_tokens
        self._squares_in_flight -= reserved.output_tokens**2
        self._requests.correct(reserved.requests, now)
        self._input.correct(reserved.input_tokens, now)
        self._output.bucket.take(-reserved.output_tokens, now)

    def hold(self, share: float, now: float) -> None:
        """See `Pace`.  Something is always left: without a rate a limit would not be known."""
        share = max(share, _LEAST_SHARE)
        for one in (self._requests, self._input, self._output):
            one.scale(share / self._share, now)
        self._share = share

    def _told(self, limits: RateLimits, marks: Marks, now: float) -> None:
        told = limits if self._share == 1 else _part(limits, self._share)
        self._requests.told(told.requests_limit, told.requests_remaining, marks.requests, 0.0, now)
        self._input.told(told.input_tokens_limit, told.input_tokens_remaining, marks.input_tokens, 0.0, now)
        duration = marks.length * self._seconds_per_token.or_else(0.0)
        refill = (told.output_tokens_limit or 0) / 60 * duration
        self._output.told(told.output_tokens_limit, told.output_tokens_remaining, marks.output_tokens, refill, now)

    def _pause(self, cause: str, seconds: float, now: float) -> None:
        self._paused_until = max(self._paused_until, now + seconds)
        refused = {"requests": self._requests, "input_tokens": self._input, "output_tokens": self._output}
        if cause in refused:
            refused[cause].empty_for(seconds, now)


def _part(limits: RateLimits, share: float) -> RateLimits:
    """What headers told, as if there were only a share of it."""
    told = {name: getattr(limits, name) for name in limits.__struct_fields__}
    return type(limits)(**{name: None if value is None else round(value * share) for name, value in told.items()})
