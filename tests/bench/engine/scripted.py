"""A pass on the virtual clock with a client that answers from a table, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from bench.clock import Clock
from bench.clock import run as run_loop
from bench.engine.budget import BudgetGuard
from bench.engine.dispatch import Pass
from bench.engine.exchange import Terms
from bench.engine.line import Line
from bench.engine.observe import Observers
from bench.engine.pool import Pool as WorkerPool
from bench.engine.stop import Stop
from bench.engine.surroundings import Surroundings
from bench.request import RequestSpec
from bench.results.record import Attempt, Record
from bench.scenario.model import Retry, Strategy
from bench.scenario.strategies import Hedge, Pool
from bench.scenario.traces import Arrival
from bench.strategies.admission import Admission
from bench.strategies.headers import HeaderPacer
from bench.strategies.hedging import Hedging
from bench.strategies.limit import Aimd, Limit
from bench.targets.client import Watch
from bench.workload.requests import Placed, Source

Answer = Callable[[RequestSpec, int], tuple[float, str | None]]
"""(request, attempt number) -> (service time, cause of failure)."""

RETRY = Retry()


def always(seconds: float) -> Answer:
    return lambda _spec, _attempt: (seconds, None)


@dataclass
class Result:
    records: list[Record] = field(default_factory=list)
    ended: float = 0.0
    most_in_flight: int = 0
    made_ahead: int = 0
    """The most requests that were made and not yet sent."""
    left_in_flight: int = 0
    stop: Stop = field(default_factory=Stop)
    budget: BudgetGuard = field(default_factory=BudgetGuard)

    @property
    def seqs(self) -> list[int]:
        return sorted(record.seq for record in self.records)

    def attempts(self, seq: int) -> list[tuple[float, float, bool, str | None]]:
        """When each was sent and ended, whether it was a hedge, and why it failed."""
        record = next(record for record in self.records if record.seq == seq)
        return [(one.sent, one.ended, one.hedge, one.cause) for one in record.attempts]


@dataclass
class ScriptedClient:
    clock: Clock
    answer: Answer
    made: list[int]
    retry_after: float | None = None
    sent: set[int] = field(default_factory=set)
    in_flight: int = 0
    most_in_flight: int = 0
    made_ahead: int = 0

    async def send(self, spec: RequestSpec, attempt: int, watch: Watch | None = None) -> Attempt:
        sent = self.clock.now()
        seconds, cause = self.answer(spec, attempt)
        if watch is not None and seconds >= watch.within:
            seconds, cause = watch.within, "timeout"
        self.sent.add(spec.seq)
        self.made_ahead = max(self.made_ahead, len(self.made) - len(self.sent))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.clock.sleep_until(sent + seconds)
        finally:
            self.in_flight -= 1
        return Attempt(
            sent=sent,
            ended=self.clock.now(),
            status=None if cause in ("connection", "timeout") else 429 if cause else 200,
            cause=cause,
            retry_after=self.retry_after if cause else None,
        )


def open_source(count: int, every: float, made: list[int]) -> Source:
    def arrivals() -> Generator[Placed, float, None]:
        yield from ((seq, Arrival(seq * every)) for seq in range(count))

    def spec(seq: int, due: Arrival) -> RequestSpec:
        made.append(seq)
        return RequestSpec(seq, due.at, {"model": "claude-sonnet-5"}, 1000, 300)

    return Source(arrivals(), spec)


def play(
    count: int,
    limit: int | Limit | None,
    answer: Answer,
    *,
    every: float = 0.0,
    retry: Retry = RETRY,
    hold_slot: bool = True,
    hedge: Hedge | None = None,
    workers: Pool | None = None,
    longest: float = math.inf,
    retry_after: float | None = None,
    budget: BudgetGuard | None = None,
    price: float = 0.0,
    worst: float | None = None,
    interrupts: tuple[float, ...] = (),
) -> Result:
    result = Result(budget=budget or BudgetGuard())
    strategy = Strategy(name="s", kind="semaphore", retry=retry, hold_slot=hold_slot, hedge=hedge, pool=workers)

    async def main() -> None:
        clock, made = Clock(), list[int]()
        client = ScriptedClient(clock, answer, made, retry_after)
        admission = Admission(limit, HeaderPacer() if isinstance(limit, Aimd) else None, clock)
        around = Surroundings(
            journal=result.records.append,
            observer=Observers(),
            budget=result.budget,
            stop=result.stop,
            cost=lambda _model, attempt: price if attempt.ok else 0.0,
            worst_case=lambda _spec: price if worst is None else worst,
        )
        for when in interrupts:
            clock.call_at(when, result.stop.interrupt)
        line = Line([open_source(count, every, made)], clock)
        hedging = None if hedge is None else Hedging(hedge)
        terms = Terms(strategy, 0, 7, admission, client, clock, around, longest, hedging)
        await (Pass(line, terms) if workers is None else WorkerPool(line, terms)).run()
        result.ended = clock.now()
        result.most_in_flight, result.made_ahead = client.most_in_flight, client.made_ahead
        result.left_in_flight = admission.in_flight

    run_loop(main(), virtual=True)
    return result
