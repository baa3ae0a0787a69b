"""The requests of a lane that are on their way."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bench.engine.exchange import Exchange, Terms, keep, unsent
from bench.engine.groups import Groups
from bench.engine.line import Line
from bench.request import RequestSpec
from bench.results.record import Record
from bench.strategies.pacer import Ticket


class Flight:
    """Carries each to its end, tells line and group of it, and gives up what a stop or a group asks to."""

    def __init__(self, line: Line, terms: Terms, groups: Groups | None = None) -> None:
        self._line = line
        self._terms = terms
        self._recorded = terms.around.recorded.get(terms.of_pass, {})
        self._groups = groups
        self._live: set[Exchange] = set()
        if groups is not None:
            groups.heard_by(line.look_again)

    def wanted(self, spec: RequestSpec) -> bool:
        """Whether anybody still waits for its answer."""
        return spec.seq not in self._recorded and (self._groups is None or self._groups.wanted(spec))

    def drop(self, spec: RequestSpec, ticket: Ticket | None = None) -> None:
        """Keep the record of a request that nobody wants any more; with a ticket, its place is free again.

        One that an earlier process has recorded has its record: what follows on it comes now.
        """
        if (record := self._recorded.get(spec.seq)) is not None:
            self._ended(spec, record)
            return
        if ticket is not None:
            self._terms.admission.forgo(ticket)
            self._terms.admission.release()
        self._terms.around.observer.sent(self._terms.strategy.name)
        self._ended(spec, keep(self._terms, spec, [unsent(self._terms.clock.now())], 0.0))

    async def carry(self, exchange: Exchange) -> None:
        """Run a request to its record."""
        self._live.add(exchange)
        if self._groups is not None:
            self._groups.sent(exchange.spec, partial(exchange.give_up, "outrun"))
        record = await exchange.run()
        self._live.discard(exchange)
        self._ended(exchange.spec, record)

    def __iter__(self) -> Iterator[Exchange]:
        """Those on their way now."""
        return iter(tuple(self._live))

    def stop(self) -> None:
        """End what waits to retry; on a second interrupt, what is in flight too."""
        for exchange in self:
            exchange.give_up("cancelled", in_flight=self._terms.around.stop.cut)

    def _ended(self, spec: RequestSpec, record: Record) -> None:
        if self._groups is None:
            self._line.answered(spec, record.attempts[-1].ended, ok=record.ok)
        else:
            self._groups.ended(record, partial(self._line.answered, spec))
