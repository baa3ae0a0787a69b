"""One pass in two parts: batches for what need not be live, a live strategy for the rest, all done by a deadline.

Whatever is not back from its batch when it has to be sent live to be done in time is cancelled there first; what the
batch had answered by then is kept, so nothing is paid twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec

from bench.clock import Clock
from bench.engine.batch_pass import BatchPass, Leftovers
from bench.engine.live import LivePass
from bench.engine.observe import Observer
from bench.engine.surroundings import Surroundings
from bench.request import RequestSpec
from bench.results.format import pass_name
from bench.results.record import Attempt, Record
from bench.scenario.model import Scenario, Strategy
from bench.strategies.pacer import Cost
from bench.strategies.split import RESERVE, batch_share, live_time, rates_of, spread
from bench.targets.target import Session
from bench.workload.requests import only, requests_of, sources_of
from mock_server.tiers import find_tier


class HybridPass:
    """A workload once through a hybrid strategy, on a clock that starts at 0."""

    def __init__(
        self, scenario: Scenario, case: str | None, strategy: Strategy, number: int, session: Session, clock: Clock,
        around: Surroundings,
    ) -> None:  # fmt: skip
        assert strategy.batch is not None
        assert strategy.batch.deadline is not None
        tier = find_tier(scenario.tier)
        self._scenario, self._around = scenario, around
        self._mark = pass_name(strategy.name, number, case)
        self._pools = {model: tier.pool(model) for model in scenario.models}
        self._rates = {pool: rates_of(strategy, tier.limits_of(model)) for model, pool in self._pools.items()}
        self._deadline = strategy.batch.deadline
        share = strategy.batch.share
        self._share = batch_share(self._time(self._demand(lambda _: True)), self._deadline) if share is None else share
        self._recorded = around.recorded.get((case, strategy.name, number), ())
        self._rest = self._demand(lambda seq: self._in_batch(seq) and seq not in self._recorded)
        self._live = LivePass(scenario, case, strategy, number, session.client, clock, around)
        self._batches = BatchPass(
            scenario, case, strategy, number, session.batches, clock, around,
            chosen=self._in_batch, leftover=self._rescue, cancel_at=self._cancel_at, came_back=self._came_back,
        )  # fmt: skip

    async def run(self) -> None:
        """Return when every request has its record, or when a stop has run its course."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._batches.run())
            group.create_task(
                self._send(lambda seq: not self._in_batch(seq) and seq not in self._recorded, self._around)
            )

    def _in_batch(self, seq: int) -> bool:
        return spread(seq, self._share)

    def _demand(self, wanted: Callable[[int], bool]) -> dict[str, Cost]:
        """What these requests of the workload would take live, by the models that share limits."""
        demand = dict.fromkeys(self._rates, Cost(0, 0, 0))
        for spec in requests_of(self._scenario, self._mark):
            if wanted(spec.seq):
                pool = self._pools[spec.params["model"]]
                demand[pool] = _plus(demand[pool], spec, 1)
        return demand

    def _came_back(self, spec: RequestSpec) -> None:
        pool = self._pools[spec.params["model"]]
        self._rest[pool] = _plus(self._rest[pool], spec, -1)

    def _time(self, demand: Mapping[str, Cost]) -> float:
        """Seconds that it takes live: models that do not share limits do not wait for each other."""
        return max(live_time(amount, self._rates[pool]) for pool, amount in demand.items())

    def _cancel_at(self) -> float:
        """When what is still in batches has to go live."""
        return self._deadline - RESERVE - self._time(self._rest)

    async def _rescue(self, leftovers: Leftovers) -> None:
        """Send live what did not get through a batch.  Its record has what was tried there, even after a stop."""
        tried = {seq: attempts for seq, attempts in leftovers.items() if attempts}

        def journal(record: Record) -> None:
            tried.pop(record.seq, None)
            self._around.journal(_with(record, leftovers[record.seq]))

        around = replace(self._around, journal=journal, observer=_Resent(self._around.observer, leftovers))
        await self._send(leftovers.__contains__, around)
        if tried and not self._around.stop.interrupted:  # after an interrupt they can be resumed
            for spec in requests_of(self._scenario, self._mark):
                if spec.seq in tried:
                    self._batches.keep(spec, tried[spec.seq])

    async def _send(self, wanted: Callable[[int], bool], around: Surroundings) -> None:
        await self._live.send((only(source, wanted) for source in sources_of(self._scenario, self._mark)), around)


def _plus(demand: Cost, spec: RequestSpec, times: int) -> Cost:
    return Cost(
        demand.requests + times,
        demand.input_tokens + times * spec.input_tokens,
        demand.output_tokens + times * spec.output_tokens,
    )


def _with(record: Record, tried: tuple[Attempt, ...]) -> Record:
    return msgspec.structs.replace(record, attempts=(*tried, *record.attempts))


class _Resent:
    """An observer of requests that have been counted as sent before, if they were in a batch."""

    def __init__(self, observer: Observer, leftovers: Leftovers) -> None:
        self._observer, self._leftovers = observer, leftovers

    def pass_started(self, strategy: str, pass_: int, total: int | None, speed: float, case: str | None = None) -> None:
        """Tell that a pass begins."""
        self._observer.pass_started(strategy, pass_, total, speed, case)

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
