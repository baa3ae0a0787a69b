"""One lane of a pass: one strategy, once over the requests that wait for each other.

A single dispatcher takes the requests as the line has them: it waits until one is due, then until the strategy lets it
through, then starts it and turns to the next.  So a million requests that wait are one generator, not a million tasks.
"""

from __future__ import annotations

import asyncio

from bench.engine.exchange import Exchange, Terms
from bench.engine.flight import Flight
from bench.engine.groups import Groups
from bench.engine.line import Line


class Pass:
    """One strategy, once over the requests of a line, on a clock that starts at 0."""

    def __init__(self, line: Line, terms: Terms, groups: Groups | None = None) -> None:
        self._line = line
        self._terms = terms
        self.flight = Flight(line, terms, groups)
        """What it has on its way."""
        self._dispatcher: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Send all requests and return when each has its final record, or when a stop has run its course."""
        with self._terms.around.stop.heard_by(self._on_stop):
            async with asyncio.TaskGroup() as group:
                self._dispatcher = group.create_task(self._dispatch(group))

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        admission, clock, stop = self._terms.admission, self._terms.clock, self._terms.around.stop
        while stop.reason is None and (through := await self._line.next(admission)) is not None:
            spec, ticket = through
            if ticket is None or not self.flight.wanted(spec):
                self.flight.drop(spec, ticket)
            elif await (exchange := Exchange(self._terms, spec, ticket)).begins():
                group.create_task(self.flight.carry(exchange))
            else:
                return
            # Let it get on the wire before the next one is built, or a burst would wait for its own last request.
            await clock.yield_turn()

    def _on_stop(self) -> None:
        assert self._dispatcher is not None
        self._dispatcher.cancel()
        self.flight.stop()
