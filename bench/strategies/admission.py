"""Lets requests through, first come first served: a free slot first, then room in the pacer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.clock import Clock
    from bench.strategies.pacer import Cost, Pacer

_TICK = 1e-6
"""Wake-ups are this many seconds late at least, so that a rounding error cannot make one come too early for ever."""


class Admission:
    """At most `limit` requests in flight (None: any number), each paid for at the pacer (None: free).

    Both stages keep their order: whoever is first at the pacer stays first until its cost fits, so a large prompt is
    never overtaken by the small ones behind it.  A request that kept its slot while it waited to retry only needs
    `pace`; were there one queue for both, it could wait behind a newcomer that waits for its slot.
    """

    def __init__(self, limit: int | None, pacer: Pacer | None, clock: Clock) -> None:
        self._slots = None if limit is None else asyncio.Semaphore(limit)
        self._pacer = pacer
        self._clock = clock
        self._turn = asyncio.Lock()
        self._first: asyncio.Future[None] | None = None
        self.in_flight = 0
        """Slots taken."""

    async def acquire(self, cost: Cost) -> None:
        """Wait for a slot, then for `cost` to fit."""
        if self._slots is not None:
            await self._slots.acquire()
        self.in_flight += 1
        try:
            await self.pace(cost)
        except asyncio.CancelledError:
            self.release()
            raise

    def release(self) -> None:
        """Give a slot back."""
        self.in_flight -= 1
        if self._slots is not None:
            self._slots.release()

    async def pace(self, cost: Cost) -> None:
        """Wait until `cost` fits into the pacer, and reserve it."""
        if self._pacer is None:
            return
        async with self._turn:
            while (wait := self._pacer.wait(cost, self._clock.now())) > 0:
                await self._change_within(wait)
            self._pacer.take(cost, self._clock.now())

    def correct(self, reserved: Cost, used: Cost) -> None:
        """Tell the pacer what an attempt really used; what comes back may let the first in line go sooner."""
        if self._pacer is not None:
            self._pacer.correct(reserved, used, self._clock.now())
            self._wake()

    async def _change_within(self, wait: float) -> None:
        """Sleep until `wait` seconds have passed or something was given back."""
        self._first = asyncio.get_running_loop().create_future()
        timer = self._clock.call_at(self._clock.now() + wait + _TICK, self._wake)
        try:
            await self._first
        finally:
            self._first = None
            timer.cancel()

    def _wake(self) -> None:
        if self._first is not None and not self._first.done():
            self._first.set_result(None)
