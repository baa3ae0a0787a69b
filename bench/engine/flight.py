"""The requests of a pass that are on their way."""

from __future__ import annotations

from collections.abc import Iterator

from bench.engine.exchange import Exchange
from bench.engine.line import Line
from bench.engine.stop import Stop


class Flight:
    """Carries each to its end, tells the line of it, and gives up what a stop asks to."""

    def __init__(self, line: Line, stop: Stop) -> None:
        self._line = line
        self._stop = stop
        self._live: set[Exchange] = set()

    async def carry(self, exchange: Exchange) -> None:
        """Run a request to its record."""
        self._live.add(exchange)
        ended = await exchange.run()
        self._live.discard(exchange)
        self._line.answered(exchange.spec, ended)

    def __iter__(self) -> Iterator[Exchange]:
        """Those on their way now."""
        return iter(tuple(self._live))

    def stop(self) -> None:
        """End what waits to retry; on a second interrupt, what is in flight too."""
        for exchange in self:
            exchange.give_up("cancelled", in_flight=self._stop.cut)
