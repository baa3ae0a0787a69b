"""One pass with a fixed number of workers on a bounded queue: what comes in is read only as fast as it is sent."""

from __future__ import annotations

import asyncio
from collections import deque

from bench.engine.exchange import Exchange, Terms
from bench.engine.flight import Flight
from bench.engine.groups import Groups
from bench.engine.line import Line
from bench.request import RequestSpec
from bench.strategies.pacer import Cost, Ticket, reservation


class Queue:
    """A gate that lets `room` requests wait for a worker; the next, which the reader holds, waits for room.

    Once full it is refilled when half of it is empty, so that reader and workers take turns seldom.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._taken = 0
        self._waiting: deque[RequestSpec] = deque()
        self._closed = False
        self._reader: asyncio.Future[None] | None = None
        self._workers: deque[asyncio.Future[None]] = deque()

    async def acquire(self, cost: Cost) -> Ticket:
        """Wait until there is room for one more."""
        if self._taken >= self._room:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        self._taken += 1
        return Ticket(cost)

    def forgo(self, ticket: Ticket) -> None:
        """Nothing is reserved for what waits here."""

    def release(self) -> None:
        """Make room again for a request that is not put in."""
        self._taken -= 1

    def put(self, spec: RequestSpec) -> None:
        """Let a request wait for a worker."""
        self._waiting.append(spec)
        self._wake_worker()

    def close(self, *, empty: bool = False) -> None:
        """No more will come; with `empty`, what waits is not to be sent either."""
        self._closed = True
        if empty:
            self._waiting.clear()
        while self._workers:
            self._wake_worker()

    async def take(self) -> RequestSpec | None:
        """The request that has waited longest; None when there will be no more."""
        while not self._waiting:
            if self._closed:
                return None
            self._workers.append(asyncio.get_running_loop().create_future())
            await self._workers[-1]
        self._taken -= 1
        if self._reader is not None and not self._reader.done() and self._taken <= self._room // 2:
            self._reader.set_result(None)
        return self._waiting.popleft()

    def _wake_worker(self) -> None:
        if self._workers:
            worker = self._workers.popleft()
            if not worker.done():
                worker.set_result(None)


class Pool:
    """One strategy, once over the requests of a line, on a clock that starts at 0."""

    def __init__(self, line: Line, terms: Terms, groups: Groups | None = None) -> None:
        assert terms.strategy.pool is not None
        self._line = line
        self._terms = terms
        self._workers = terms.strategy.pool.workers
        self._queue = Queue(terms.strategy.pool.queue)
        self.flight = Flight(line, terms, groups)
        """What it has on its way."""
        self._reader: asyncio.Task[None] | None = None
        self._waiting: set[asyncio.Task[object]] = set()
        """Workers whose request has not been let through yet."""

    async def run(self) -> None:
        """Send all requests and return when each has its final record, or when a stop has run its course."""
        with self._terms.around.stop.heard_by(self._on_stop):
            async with asyncio.TaskGroup() as group:
                self._reader = group.create_task(self._read())
                for _ in range(self._workers):
                    group.create_task(self._work())

    async def _read(self) -> None:
        stop = self._terms.around.stop
        while stop.reason is None and (through := await self._line.next(self._queue)) is not None:
            spec, ticket = through
            if ticket is None:
                self.flight.drop(spec)
            else:
                self._queue.put(spec)
        self._queue.close()

    async def _work(self) -> None:
        """Take a request and stay with it until it has its record: retries keep the worker."""
        while self._terms.around.stop.reason is None and (spec := await self._queue.take()) is not None:
            if not self.flight.wanted(spec):
                self.flight.drop(spec)
                continue
            if (exchange := await self._let_through(spec)) is None:
                return
            await self.flight.carry(exchange)

    async def _let_through(self, spec: RequestSpec) -> Exchange | None:
        """Wait until a request may go, which a stop ends; None where the budget forbids it."""
        worker = asyncio.current_task()
        assert worker is not None
        self._waiting.add(worker)
        try:
            exchange = Exchange(self._terms, spec, await self._terms.admission.acquire(reservation(spec)))
            return exchange if await exchange.begins() else None
        finally:
            self._waiting.discard(worker)

    def _on_stop(self) -> None:
        assert self._reader is not None
        self._reader.cancel()
        for worker in self._waiting:
            worker.cancel()
        self._queue.close(empty=True)
        self.flight.stop()
