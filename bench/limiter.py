"""The limiters of the strategies for your own program, around the SDK's client.

    gate = limiter.adaptive()
    async with gate.slot(input_tokens=1200, max_tokens=500) as slot:
        raw = await client.messages.with_raw_response.create(...)
        message = slot.done(await raw.parse(), raw.headers)

docs/limiters.md has a whole program.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

import anthropic

from bench.clock import Clock
from bench.errors import UsageError
from bench.results.record import Attempt, RateLimits, Usage
from bench.scenario.problems import nearest
from bench.scenario.strategies import Adaptive, TokenBucket
from bench.strategies.admission import Admission
from bench.strategies.headers import HeaderPacer
from bench.strategies.limit import limit_of
from bench.strategies.pacer import Cost, pacer_of
from bench.targets import classify
from mock_server.tiers import TIERS, Limits, limits_for

__all__ = ["Limiter", "Limits", "Slot", "adaptive", "semaphore", "tier", "token_bucket"]


class _Counts(Protocol):
    """`message.usage`, as far as limits go by it."""

    @property
    def input_tokens(self) -> int: ...
    @property
    def cache_creation_input_tokens(self) -> int | None: ...
    @property
    def output_tokens(self) -> int: ...


class _Answer(Protocol):
    @property
    def usage(self) -> _Counts: ...


AnswerT = TypeVar("AnswerT", bound=_Answer)


class Slot:
    """The right to send one request."""

    def __init__(self) -> None:
        self._usage: Usage | None = None
        self._limits: RateLimits | None = None

    def done(self, message: AnswerT, headers: Mapping[str, str] | None = None) -> AnswerT:
        """Tell the limiter what an answer used, and what its response headers said.  Returns the message.

        Without this the request is taken to have used what it reserved, and `adaptive` learns nothing of the limits.
        """
        used = message.usage
        self._usage = Usage(used.input_tokens, used.output_tokens, cache_write_5m=used.cache_creation_input_tokens or 0)
        self._limits = None if headers is None else classify.rate_limits(headers)
        return message

    def _attempt(self, sent: float, ended: float, error: BaseException | None) -> Attempt:
        if error is None or self._usage is not None:
            return Attempt(sent, ended, status=200, usage=self._usage, limits=self._limits)
        if not isinstance(error, anthropic.APIStatusError):
            return Attempt(sent, ended, cause="connection" if isinstance(error, anthropic.APIError) else "cancelled")
        status, headers = error.status_code, error.response.headers
        if status < 400:  # an error event in the stream; its response has no body that could be read again
            return Attempt(sent, ended, status=status, cause="stream_error")
        limits = classify.rate_limits(headers)
        cause = classify.cause_of(status, classify.read_error(error.response.content), limits)
        return Attempt(
            sent, ended, status=status, cause=cause, retry_after=classify.retry_after(headers), limits=limits
        )


class Limiter:
    """Lets requests through, first come first served.  Made with the functions below; for one event loop."""

    def __init__(self, admission: Callable[[Clock], Admission]) -> None:
        self._make = admission
        self._opened: tuple[Clock, Admission] | None = None

    @asynccontextmanager
    async def slot(
        self, *, input_tokens: int, max_tokens: int, output_tokens: int | None = None
    ) -> AsyncIterator[Slot]:
        """Wait until a request of this size may go; it holds its place until the block is left.

        `output_tokens` is the length you expect; without it `max_tokens` is reserved until the answer is there.
        An exception that leaves the block (a 429, say) is passed on, after the limiter has learned from it.
        """
        clock, admission = self._open()
        expected = max_tokens if output_tokens is None else min(output_tokens, max_tokens)
        ticket = await admission.acquire(Cost(1, input_tokens, expected))
        slot, sent, failure = Slot(), clock.now(), None
        try:
            yield slot
        except BaseException as error:
            failure = error
            raise
        finally:
            admission.settle(ticket, slot._attempt(sent, clock.now(), failure))
            admission.release()

    @property
    def in_flight(self) -> int:
        """Slots that are held now."""
        return 0 if self._opened is None else self._opened[1].in_flight

    def _open(self) -> tuple[Clock, Admission]:
        """Made on first use, when a loop runs: limiters may be made at the top of a module."""
        if self._opened is None:
            clock = Clock()
            self._opened = clock, self._make(clock)
        return self._opened


def semaphore(in_flight: int) -> Limiter:
    """At most so many at a time."""
    return Limiter(lambda clock: Admission(in_flight, None, clock))


def token_bucket(limits: Limits, *, share: float = 1.0, burst: float = 10.0, in_flight: int | None = None) -> Limiter:
    """Under `limits` per minute, of which it uses `share`.

    `burst` is how many seconds' worth may go at once, `in_flight` how many at a time.
    """
    spec = TokenBucket(share=share, burst=burst)
    return Limiter(lambda clock: Admission(in_flight, pacer_of(spec, limits), clock))


def adaptive(*, min_in_flight: int = 1, max_in_flight: int = 1000) -> Limiter:
    """As many at a time as the API turns out to bear, without being told the tier.

    The client must be made with `max_retries=0`, or the SDK hides the refusals from it.
    """
    spec = Adaptive(min_in_flight=min_in_flight, max_in_flight=max_in_flight)
    return Limiter(lambda clock: Admission(limit_of(spec), HeaderPacer(), clock))


def tier(name: str, model: str) -> Limits:
    """What a tier, such as `build`, allows a model per minute, as published (mock_server/tiers.py has the dates)."""
    if name not in TIERS:
        raise UsageError(f"no tier `{name}`.{nearest(name, TIERS)}", f"There are {', '.join(TIERS)}.")
    return limits_for(name, model)
