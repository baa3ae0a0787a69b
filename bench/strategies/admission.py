"""Lets requests through, first come first served: a free slot first, then room in the pacer."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import TYPE_CHECKING

from bench.strategies.headers import HeaderPacer
from bench.strategies.limit import limit_of
from bench.strategies.pacer import Ticket, pacer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
        self.is_empty = True
        """Whether nobody waits, so that whoever comes and needs not wait is first."""
        self._behind: deque[asyncio.Future[None]] = deque()
        self._first: asyncio.Future[None] | None = None

    async def until(self, wait: Callable[[], float]) -> None:
        """Wait for one's turn, and then until `wait` says 0 seconds; asked again when they have passed and whenever
        something changed."""
        if not self.is_empty:
            await self._get_behind()
        self.is_empty = False
        try:
            while (seconds := wait()) > 0:
                await self._look_after(seconds)
        finally:
            self._give_turn()

    async def _get_behind(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._behind.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._behind:
                self._behind.remove(turn)
            elif not turn.cancelled():
                self._give_turn()
            raise

    def _give_turn(self) -> None:
        """To whoever has waited longest; who was given up in this very moment gives it on."""
        while self._behind:
            turn = self._behind.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.is_empty = True

    async def _look_after(self, seconds: float) -> None:
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

    @property
    def waits(self) -> bool:
        """Whether somebody does."""
        return self._first is not None

    def changed(self) -> None:
        """Let the first in line look again."""
        if self._first is not None and not self._first.done():
            self._first.set_result(None)


class Slots:
    """At most `limit` requests in flight (None: any number), first come first served."""

    def __init__(self, limit: int | Limit | None, clock: Clock) -> None:
        self._limit = None if isinstance(limit, int) else limit
        self._most = limit if isinstance(limit, int) else math.inf
        self._clock = clock
        self._line = _Line(clock)
        self.taken = 0

    def takes(self) -> bool:
        """Take a slot if one is free and nobody waits for it."""
        free = self._most == math.inf and self._limit is None
        if free or (self._line.is_empty and self._wait() <= 0):
            self.taken += 1
            return True
        return False

    async def take(self) -> None:
        """Wait for a slot that could not be had at once."""
        await self._line.until(self._wait)
        self.taken += 1

    def _wait(self) -> float:
        if self._limit is None:
            return 0.0 if self.taken < self._most else math.inf
        return self._limit.wait(self.taken, self._clock.now())

    def release(self) -> None:
        """Give a slot back."""
        self.taken -= 1
        self._line.changed()

    def learn(self, attempt: Attempt) -> None:
        """Tell the limit how an attempt ended."""
        if self._limit is not None:
            self._limit.update(attempt, self.taken, self._clock.now())
            self._line.changed()

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for one."""
        return self._line.waits

    def hold(self, most: float) -> None:
        """At most so many from now on, since others have some too.  What is taken stays so until it is released."""
        self._most = most
        self._line.changed()


class Admission:
    """Slots, which several admissions may share, and a pacer at which each request is paid for (None: free).

    Both stages keep their order: whoever is first at the pacer stays first until its cost fits, so a large prompt is
    never overtaken by the small ones behind it.  A request that kept its slot while it waited to retry only needs
    `pace`; were there one queue for both, it could wait behind a newcomer that waits for its slot.  A limit that falls
    lets what is in flight end.
    """

    def __init__(self, slots: Slots | int | Limit | None, pacer: Pace | None, clock: Clock) -> None:
        self.slots = slots if isinstance(slots, Slots) else Slots(slots, clock)
        self._pacer = pacer
        self._clock = clock
        self._for_pace = _Line(clock)

    @property
    def in_flight(self) -> int:
        """Slots taken, by all who share them."""
        return self.slots.taken

    async def acquire(self, cost: Cost) -> Ticket:
        """Wait for a slot, then for `cost` to fit."""
        if not self.slots.takes():
            await self.slots.take()
        if self._pacer is None:
            return Ticket(cost)
        try:
            return await self.pace(cost)
        except asyncio.CancelledError:
            self.release()
            raise

    def release(self) -> None:
        """Give a slot back."""
        self.slots.release()

    async def pace(self, cost: Cost) -> Ticket:
        """Wait until `cost` fits into the pacer, and reserve it."""
        if (pacer := self._pacer) is None:
            return Ticket(cost)
        if not (self._for_pace.is_empty and pacer.wait(cost, self._clock.now()) <= 0):
            await self._for_pace.until(lambda: pacer.wait(cost, self._clock.now()))
        return pacer.take(cost, self._clock.now())

    def forgo(self, ticket: Ticket) -> None:
        """Give back what was reserved for an attempt that is not sent.  Its slot is another matter."""
        if self._pacer is not None:
            self._pacer.forgo(ticket, self._clock.now())
            self._for_pace.changed()

    @property
    def paced(self) -> bool:
        """Whether there is a pacer."""
        return self._pacer is not None

    def hold(self, share: float) -> None:
        """Keep to this share of what the pacer keeps to."""
        if self._pacer is not None:
            self._pacer.hold(share, self._clock.now())
            self._for_pace.changed()

    def settle(self, ticket: Ticket, attempt: Attempt) -> None:
        """Tell limit and pacer how an attempt ended; what that frees may let the first in line go sooner."""
        self.slots.learn(attempt)
        if self._pacer is not None:
            self._pacer.settle(ticket, attempt, self._clock.now())
            self._for_pace.changed()


def admissions_of(strategy: Strategy, limits: Mapping[str, Limits], clock: Clock) -> dict[str, Admission]:
    """The admission of each class of models, where the tier allows each what `limits` says.

    The API keeps its limits by class (rate-limit page, 2026-10-08), so each is paced by itself, and what an adaptive
    strategy, which does not look at the tier, learns of one says nothing of another.  A fixed number in flight is one
    for all of them; where there is nothing else they have a single admission, and with it one order.
    """
    if strategy.adaptive is not None:
        return {name: Admission(limit_of(strategy.adaptive), HeaderPacer(), clock) for name in limits}
    slots, pacing = Slots(strategy.limit, clock), strategy.pacer
    if pacing is None:
        return dict.fromkeys(limits, Admission(slots, None, clock))
    return {name: Admission(slots, pacer_of(pacing, own), clock) for name, own in limits.items()}
