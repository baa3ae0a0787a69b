"""Lets requests through, first come first served: a free slot first, then room in the pacer."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from bench.strategies.headers import HeaderPacer
from bench.strategies.limit import Fixed, limit_of
from bench.strategies.pacer import Ticket, pacer_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from bench.clock import Clock
    from bench.results.record import Attempt
    from bench.scenario.model import Strategy
    from bench.strategies.limit import Limit
    from bench.strategies.pacer import Cost, Pace
    from mock_server.tiers import Limits

_TICK = 1e-6
"""Wake-ups are this many seconds late at least, so that a rounding error cannot make one come too early for ever."""


class _Line:
    """First come, first served: whoever entered first stays first until it has what it waits for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turn = asyncio.Lock()
        self._first: asyncio.Future[None] | None = None

    async def __aenter__(self) -> None:
        await self._turn.acquire()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._turn.release()

    async def until(self, wait: Callable[[], float]) -> None:
        """Wait until `wait` says 0 seconds; asked again when they have passed and whenever something changed."""
        while (seconds := wait()) > 0:
            self._first = asyncio.get_running_loop().create_future()
            timer = None
            if seconds < math.inf:
                timer = self._clock.call_at(self._clock.now() + seconds + _TICK, self.changed)
            try:
                await self._first
            finally:
                self._first = None
                if timer is not None:
                    timer.cancel()

    def changed(self) -> None:
        """Let the first in line look again."""
        if self._first is not None and not self._first.done():
            self._first.set_result(None)


class Admission:
    """At most `limit` requests in flight (None: any number), each paid for at the pacer (None: free).

    Both stages keep their order: whoever is first at the pacer stays first until its cost fits, so a large prompt is
    never overtaken by the small ones behind it.  A request that kept its slot while it waited to retry only needs
    `pace`; were there one queue for both, it could wait behind a newcomer that waits for its slot.  A limit that falls
    lets what is in flight end.
    """

    def __init__(self, limit: int | Limit | None, pacer: Pace | None, clock: Clock) -> None:
        self._limit = Fixed(limit) if isinstance(limit, int) else limit
        self._pacer = pacer
        self._clock = clock
        self._for_slot = _Line(clock)
        self._for_pace = _Line(clock)
        self.in_flight = 0
        """Slots taken."""

    async def acquire(self, cost: Cost) -> Ticket:
        """Wait for a slot, then for `cost` to fit."""
        if (limit := self._limit) is not None:
            async with self._for_slot:
                await self._for_slot.until(lambda: limit.wait(self.in_flight, self._clock.now()))
                self.in_flight += 1
        else:
            self.in_flight += 1
        try:
            return await self.pace(cost)
        except asyncio.CancelledError:
            self.release()
            raise

    def release(self) -> None:
        """Give a slot back."""
        self.in_flight -= 1
        self._for_slot.changed()

    async def pace(self, cost: Cost) -> Ticket:
        """Wait until `cost` fits into the pacer, and reserve it."""
        if (pacer := self._pacer) is None:
            return Ticket(cost)
        async with self._for_pace:
            await self._for_pace.until(lambda: pacer.wait(cost, self._clock.now()))
            return pacer.take(cost, self._clock.now())

    def forgo(self, ticket: Ticket) -> None:
        """Give back what was reserved for an attempt that is not sent.  Its slot is another matter."""
        if self._pacer is not None:
            self._pacer.forgo(ticket, self._clock.now())
            self._for_pace.changed()

    def settle(self, ticket: Ticket, attempt: Attempt) -> None:
        """Tell limit and pacer how an attempt ended; what that frees may let the first in line go sooner."""
        now = self._clock.now()
        if self._limit is not None:
            self._limit.update(attempt, self.in_flight, now)
            self._for_slot.changed()
        if self._pacer is not None:
            self._pacer.settle(ticket, attempt, now)
            self._for_pace.changed()


def admission_of(strategy: Strategy, limits: Limits, clock: Clock) -> Admission:
    """The admission a strategy asks for, where the tier allows `limits`.  Adaptive strategies do not look at them."""
    if strategy.adaptive is not None:
        return Admission(limit_of(strategy.adaptive), HeaderPacer(), clock)
    pacer = None if strategy.pacer is None else pacer_of(strategy.pacer, limits)
    return Admission(strategy.limit, pacer, clock)
