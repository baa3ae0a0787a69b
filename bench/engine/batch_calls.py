"""Calls of the Batches API as a pass makes them: within its limits, again when they fail, until a stop."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bench.clock import Clock
from bench.engine.stop import Stop
from bench.results.causes import CAUSES
from bench.strategies.admission import Admission
from bench.strategies.pacer import Cost, Pacer
from bench.strategies.poll import backoff
from bench.targets.batches import BatchCallError
from mock_server.bucket import Bucket

GIVE_UP = 3_600.0
"""Seconds that calls may fail again and again before that is believed.  The batches are safe meanwhile."""

_AT_ONCE = 10.0
"""Seconds' worth of the limit on calls that may go at once."""

_ONE = Cost(1, 0, 0)

T = TypeVar("T")


class LeftError(Exception):
    """The batches are left to go on by themselves: whoever waited for one stops waiting."""


class Calls:
    """Makes calls and waits between them.  `per_minute` is what all batch endpoints together allow.

    With `leaves`, whatever waits is ended by an interrupt; otherwise only by a second one.
    """

    def __init__(self, clock: Clock, stop: Stop, per_minute: int | None, *, leaves: bool) -> None:
        rate = (per_minute or 0) / 60
        pacer = Pacer(Bucket.full(max(1.0, _AT_ONCE * rate), rate), None, None) if rate else None
        self._limit = Admission(None, pacer, clock)
        self._clock, self._stop, self._leaves = clock, stop, leaves
        self._sleepers: set[asyncio.Future[None]] = set()

    @property
    def leaving(self) -> bool:
        """Whether the batches are to go on without us."""
        return self._stop.interrupted and (self._stop.cut or self._leaves)

    async def turn(self) -> None:
        """Wait until a call is within the limit."""
        await self._limit.pace(_ONE)

    async def until_it_works(self, call: Callable[[], Awaitable[T]], *, hidden_until: float = -math.inf) -> T:
        """Call until it succeeds.  BatchCallError when that is hopeless; until `hidden_until` a 404 is not."""
        waits, failing = backoff(), math.inf
        while True:
            await self.turn()
            try:
                return await call()
            except BatchCallError as failed:
                now = self._clock.now()
                failing = min(failing, now)
                unseen = failed.cause == "not_found" and now < hidden_until
                if not (unseen or CAUSES[failed.cause].retryable) or now - failing > GIVE_UP:
                    raise
                wait = failed.retry_after or next(waits)
            await self.pause(self._clock.now() + wait)

    async def pause(self, until: float) -> None:
        """Sleep until then, or until a stop is heard of.  LeftError when the batches are to be left."""
        if not self.leaving and until > self._clock.now():
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            timer = self._clock.call_at(until, _wake, woken)
            self._sleepers.add(woken)
            try:
                await woken
            finally:
                timer.cancel()
                self._sleepers.discard(woken)
        if self.leaving:
            raise LeftError

    def wake(self) -> None:
        """End every pause."""
        for woken in tuple(self._sleepers):
            _wake(woken)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
