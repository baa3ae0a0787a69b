"""One pass in two parts: batches for what need not be live, a live strategy for the rest, all done by a deadline.

Whatever is not back from its batch when it has to be sent live to be done in time is cancelled there first; what the
batch had answered by then is kept, so nothing is paid twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import msgspec

from bench.clock import Clock
from bench.engine.batch_pass import BatchPass, Leftovers, Tally
from bench.engine.dispatch import Pass, Surroundings
from bench.engine.line import Line
from bench.engine.observe import Observer
from bench.results.record import Attempt, Record
from bench.scenario.model import Scenario, Strategy
from bench.strategies.admission import admission_of
from bench.strategies.pacer import Cost
from bench.strategies.split import RESERVE, batch_share, live_time, rates_of, spread
from bench.targets.target import Session
from bench.workload.requests import only, requests_of, sources_of
from mock_server.tiers import limits_for


class HybridPass:
    """A workload once through a hybrid strategy, on a clock that starts at 0."""

    def __init__(
        self, scenario: Scenario, strategy: Strategy, number: int, session: Session, clock: Clock, around: Surroundings
    ) -> None:
        assert strategy.batch is not None
        assert strategy.batch.deadline is not None
        limits = limits_for(scenario.tier, scenario.model)
        self._scenario, self._strategy, self._number = scenario, strategy, number
        self._session, self._clock, self._around = session, clock, around
        self._admission = admission_of(strategy, limits, clock)
        self._rates = rates_of(strategy, limits)
        self._deadline = strategy.batch.deadline
        share = strategy.batch.share
        self._share = (
            batch_share(live_time(self._demand(lambda _: True), self._rates), self._deadline)
            if share is None
            else share
        )
        self._recorded = around.recorded.get((strategy.name, number), ())
        self._batched = self._demand(lambda seq: self._in_batch(seq) and seq not in self._recorded)
        self._batches = BatchPass(
            scenario, strategy, number, session.batches, clock, around,
            chosen=self._in_batch, leftover=self._rescue, cancel_at=self._cancel_at,
        )  # fmt: skip

    async def run(self) -> None:
        """Return when every request has its record, or when a stop has run its course."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._batches.run())
            group.create_task(
                self._live(lambda seq: not self._in_batch(seq) and seq not in self._recorded, self._around)
            )

    def _in_batch(self, seq: int) -> bool:
        return spread(seq, self._share)

    def _demand(self, wanted: Callable[[int], bool]) -> Cost:
        """What these requests of the workload would take live."""
        tally = Tally()
        for spec in requests_of(self._scenario):
            if wanted(spec.seq):
                tally.add(spec)
        return Cost(tally.requests, tally.input_tokens, tally.output_tokens)

    def _cancel_at(self) -> float:
        """When what is still in batches has to go live."""
        whole, back = self._batched, self._batches.back
        rest = Cost(
            whole.requests - back.requests,
            whole.input_tokens - back.input_tokens,
            whole.output_tokens - back.output_tokens,
        )
        return self._deadline - RESERVE - live_time(rest, self._rates)

    async def _rescue(self, leftovers: Leftovers) -> None:
        """Send live what did not get through a batch; its record has what was tried there."""

        def journal(record: Record) -> None:
            self._around.journal(_with(record, leftovers[record.seq]))

        around = replace(self._around, journal=journal, observer=_Resent(self._around.observer, leftovers))
        await self._live(leftovers.__contains__, around)

    async def _live(self, wanted: Callable[[int], bool], around: Surroundings) -> None:
        sources = [only(source, wanted) for source in sources_of(self._scenario)]
        line = Line(sources, self._clock, by_priority=self._strategy.priority)
        await Pass(
            line, self._strategy, self._number, self._scenario.seed, self._admission, self._session.client,
            self._clock, around,
        ).run()  # fmt: skip


def _with(record: Record, tried: tuple[Attempt, ...]) -> Record:
    return msgspec.structs.replace(record, attempts=(*tried, *record.attempts))


class _Resent:
    """An observer of requests that have been counted as sent before, if they were in a batch."""

    def __init__(self, observer: Observer, leftovers: Leftovers) -> None:
        self._observer, self._leftovers = observer, leftovers

    def pass_started(self, strategy: str, pass_: int, total: int | None, speed: float) -> None:
        """Tell that a pass begins."""
        self._observer.pass_started(strategy, pass_, total, speed)

    def sent(self, strategy: str) -> None:
        """Nothing: it was sent when its batch was."""

    def done(self, record: Record, cost: float | None) -> None:
        """Tell that a request has its final record; one that was in no batch has not been counted as sent yet."""
        tried = self._leftovers[record.seq]
        if not tried:
            self._observer.sent(record.strategy)
        self._observer.done(_with(record, tried), cost)

    def pass_ended(self) -> None:
        """Tell that the pass is over."""
        self._observer.pass_ended()
