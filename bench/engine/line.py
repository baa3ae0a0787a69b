"""Who goes next: the requests of all streams and users, the most urgent of those that are due first."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple, Protocol

from bench.clock import Clock
from bench.request import RequestSpec
from bench.scenario.traces import Arrival
from bench.strategies.pacer import Cost, Ticket, reservation
from bench.workload.requests import Placed, Source


class Gate(Protocol):
    """What lets requests through."""

    async def acquire(self, cost: Cost) -> Ticket:
        """Wait to be let through."""
        ...

    def forgo(self, ticket: Ticket) -> None:
        """Take back what was reserved for a request that is not sent."""

    def release(self) -> None:
        """Give back the place of a request that is not sent."""


class _Next(NamedTuple):
    """A request that comes.  Earlier ones go first, then lower ranks, lower places, earlier sources."""

    at: float
    rank: int
    place: int
    source: int
    arrival: Arrival
    rest: Iterator[Placed]
    """What comes after it, whether or not it has been answered."""


class Line:
    """The requests of several sources in the order in which they are to be sent.

    A request joins when it is due.  Higher priorities go first, and within one first come is first served.  Whoever
    waits to be let through is overtaken by a more urgent request that comes meanwhile; what was sent stays sent.
    Nothing keeps a low priority from starving.  Of what comes by itself only the next request exists.

    Where `wanted` is given, a request for which it comes to be false leaves at once, without waiting for anything.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        clock: Clock,
        *,
        by_priority: bool = True,
        wanted: Callable[[RequestSpec], bool] | None = None,
    ) -> None:
        self._sources = tuple(sources)
        self._clock = clock
        self._wanted = wanted
        ranks = sorted({-source.priority for source in self._sources}) if by_priority else [0]
        self._ranks = [ranks.index(-source.priority) if by_priority else 0 for source in self._sources]
        self._coming: list[list[_Next]] = [[] for _ in ranks]
        self._specs: dict[tuple[int, int], RequestSpec] = {}
        self._asking: dict[int, tuple[int, Callable[[float, bool], Iterable[Placed]]]] = {}
        """For requests on whose answers something may follow, by their number: their source, and what it is."""
        self._changed: asyncio.Future[None] | None = None
        self._reached = 0.0
        for number, source in enumerate(self._sources):
            self._join(number, iter(source.arrivals))

    async def next(self, gate: Gate) -> tuple[RequestSpec, Ticket | None] | None:
        """Wait until a request is let through, and return it with its ticket; None when there will be no more.

        One that is not wanted any more comes without a ticket.
        """
        while True:
            rank = self._due()
            if rank is None and (rank := await self._first_due()) is None:
                return None
            first = self._coming[rank][0]
            spec = self._spec(first)
            if rank == 0 and self._wanted is None:
                ticket: Ticket | None = await gate.acquire(reservation(spec))
            else:
                ticket = await self._let_through(gate, spec, rank)
            if ticket is not None or not self._is_wanted(spec):
                self._leave(rank, first, spec)
                return spec, ticket

    def answered(self, spec: RequestSpec, ended: float, *, ok: bool = True) -> None:
        """Tell that a request has its final answer, or failed for good: what follows on it joins."""
        asked = self._asking.pop(spec.seq, None)
        if asked is not None:
            number, after = asked
            self._join(number, iter(after(ended, ok)))
            self._wake()

    def look_again(self) -> None:
        """Tell that requests may not be wanted any more."""
        self._wake()

    def _join(self, number: int, arrivals: Iterator[Placed]) -> None:
        """The next of some arrivals of a source, if there is one."""
        for place, arrival in arrivals:
            coming = _Next(arrival.at, arrival.rank, place, number, arrival, arrivals)
            heapq.heappush(self._coming[self._ranks[number]], coming)
            return

    def _spec(self, first: _Next) -> RequestSpec:
        """The request itself, made once, when it is first in line."""
        key = (first.source, first.place)
        spec = self._specs.get(key)
        if spec is None:
            spec = self._specs[key] = self._sources[first.source].spec(first.place, first.arrival)
        return spec

    def _leave(self, rank: int, first: _Next, spec: RequestSpec) -> None:
        """Take out what was let through; while it waited, another may have joined before it."""
        line = self._coming[rank]
        if line[0] is first:
            heapq.heappop(line)
        else:
            line.remove(first)
            heapq.heapify(line)
        del self._specs[first.source, first.place]
        if (after := self._sources[first.source].after) is not None:
            self._asking[spec.seq] = (first.source, partial(after, first.place))
        self._join(first.source, first.rest)

    async def _first_due(self) -> int | None:
        """Wait until something is due; the rank of the most urgent, None when nothing will come any more."""
        while (due := self._due()) is None:
            at = min((rank[0].at for rank in self._coming if rank), default=math.inf)
            if at == math.inf and not self._asking:
                return None
            await self._change(at)
        return due

    def _due(self) -> int | None:
        """The rank of the most urgent that is due now."""
        now = self._now()
        for place, rank in enumerate(self._coming):
            if rank and rank[0].at <= now:
                return place
        return None

    async def _let_through(self, gate: Gate, spec: RequestSpec, rank: int) -> Ticket | None:
        """Wait until `spec` is let through; None once it is not wanted, or something more urgent is due instead."""
        if not self._is_wanted(spec):
            return None
        waiting = asyncio.ensure_future(gate.acquire(reservation(spec)))
        waiting.add_done_callback(lambda _: self._wake())
        try:
            while not waiting.done() and self._is_wanted(spec) and (at := self._more_urgent(rank)) > self._now():
                await self._change(at)
        except asyncio.CancelledError:
            if (ticket := await _ticket(waiting)) is not None:
                gate.forgo(ticket)
                gate.release()
            raise
        return await _ticket(waiting)

    def _more_urgent(self, rank: int) -> float:
        """When the next request of a higher priority is due."""
        return min((other[0].at for other in self._coming[:rank] if other), default=math.inf)

    def _is_wanted(self, spec: RequestSpec) -> bool:
        return self._wanted is None or self._wanted(spec)

    def _now(self) -> float:
        """The time, at least that of the last timer: rounding must not make it seem too early."""
        now = self._clock.now()
        return now if now > self._reached else self._reached

    async def _change(self, at: float) -> None:
        """Sleep until `at`, or until the line changes."""
        self._changed = asyncio.get_running_loop().create_future()
        timer = self._clock.call_at(at, self._reach, at) if at < math.inf else None
        try:
            await self._changed
        finally:
            self._changed = None
            if timer is not None:
                timer.cancel()

    def _reach(self, at: float) -> None:
        self._reached = at
        self._wake()

    def _wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)


async def _ticket(waiting: asyncio.Future[Ticket]) -> Ticket | None:
    """End the waiting; what it got, if it had succeeded already."""
    waiting.cancel()
    await asyncio.wait({waiting})
    return None if waiting.cancelled() else waiting.result()
