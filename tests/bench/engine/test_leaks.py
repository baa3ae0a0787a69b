"""Whatever goes wrong and however it is ended: every slot, reservation and dollar at risk is given back."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

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
from bench.strategies.limit import Aimd
from bench.strategies.pacer import Cost, Pace, Pacer, Ticket
from bench.targets.sim import SimClient
from bench.workload.requests import Placed, Source
from mock_server.bucket import Bucket
from mock_server.engine import Engine
from mock_server.faults import Fault
from mock_server.settings import Settings

WORST = 0.25
"""Dollars an attempt can cost; a power of two, so that sums are exact."""


@dataclass
class Counting:
    """A pace that knows which tickets are still open."""

    pace: Pace
    open: list[Ticket] = field(default_factory=list)

    def wait(self, cost: Cost, now: float) -> float:
        return self.pace.wait(cost, now)

    def take(self, cost: Cost, now: float) -> Ticket:
        self.open.append(self.pace.take(cost, now))
        return self.open[-1]

    def settle(self, ticket: Ticket, attempt: Attempt, now: float) -> None:
        self._close(ticket)
        self.pace.settle(ticket, attempt, now)

    def hold(self, share: float, now: float) -> None:
        self.pace.hold(share, now)

    def forgo(self, ticket: Ticket, now: float) -> None:
        self._close(ticket)
        self.pace.forgo(ticket, now)

    def _close(self, ticket: Ticket) -> None:
        self.open.remove(ticket)  # a ValueError for one that was given back before


def pacers() -> st.SearchStrategy[Callable[[], Pace | None]]:
    return st.sampled_from(
        [
            lambda: None,
            HeaderPacer,
            lambda: Pacer(Bucket.full(20, 2.0), Bucket.full(20_000, 2_000), Bucket.full(5_000, 500)),
        ]
    )


strategies = st.builds(
    Strategy,
    name=st.just("s"),
    kind=st.just("semaphore"),
    hold_slot=st.booleans(),
    retry=st.builds(
        Retry,
        policy=st.sampled_from(["none", "retry_after", "exponential", "sdk"]),
        attempts=st.integers(1, 4),
        base=st.sampled_from([0.0, 0.5]),
    ),
    pool=st.one_of(st.none(), st.builds(Pool, workers=st.integers(1, 8), queue=st.integers(1, 5))),
    hedge=st.one_of(
        st.none(),
        st.builds(Hedge, after=st.sampled_from([0.1, 2.0, 6.0, "p50"]), most=st.sampled_from([0.2, 1.0])),
    ),
)
faults = st.dictionaries(
    st.sampled_from(
        ["requests", "overloaded", "server_error", "reset", "cut", "stall", "stream_error", "slow_headers"]
    ),
    st.builds(Fault, rate=st.sampled_from([0.1, 0.5, 1.0]), delay=st.sampled_from([None, 0.0, 3.0])),
)
situations = st.fixed_dictionaries(
    {
        "faults": faults,
        "limit": st.one_of(st.none(), st.integers(1, 6), st.builds(Aimd, most=st.integers(1, 6))),
        "timeout": st.sampled_from([3.0, 20.0, 4_000.0]),
        "stall": st.sampled_from([1.0, math.inf]),
        "longest": st.sampled_from([0.5, 9.0, math.inf]),
        "interrupts": st.lists(st.floats(0.0, 30.0), max_size=2),
        "given_up": st.dictionaries(st.integers(0, 29), st.floats(0.0, 20.0), max_size=10),
        "most": st.sampled_from([None, 10, 40]),
        "every": st.sampled_from([0.0, 0.3]),
    }
)


def source(count: int, every: float) -> Source:
    def spec(seq: int, due: Arrival) -> RequestSpec:
        message = {"role": "user", "content": "word " * 40}
        params = {"model": "claude-sonnet-5-5", "max_tokens": 300, "messages": [message], "stream": seq % 3 > 0}
        return RequestSpec(seq, due.at, params, 60, 1 + seq * 37 % 250)

    def arrivals() -> Generator[Placed, float, None]:
        yield from ((seq, Arrival(seq * every)) for seq in range(count))

    return Source(arrivals(), spec)


@settings(max_examples=300, deadline=None)
@given(strategies, pacers(), situations)
def test_nothing_is_leaked(strategy: Strategy, pacer: Callable[[], Pace | None], at: dict[str, Any]) -> None:
    records: list[Record] = []
    sent: list[str] = []
    stop, budget = Stop(), BudgetGuard(max_requests=at["most"], max_cost=1e9)

    class Watching(Observers):
        def sent(self, strategy: str) -> None:
            sent.append(strategy)

    async def main() -> None:
        clock = Clock()
        pace = pacer()
        counting = None if pace is None else Counting(pace)
        client = SimClient(
            Engine(Settings(tier="build", seed=3, faults=at["faults"])),
            clock, seed=3, timeout=at["timeout"], stall=at["stall"],
        )  # fmt: skip
        admission = Admission(None if strategy.pool else at["limit"], counting, clock)
        around = Surroundings(
            journal=records.append,
            observer=Watching(),
            budget=budget,
            stop=stop,
            cost=lambda _model, attempt: WORST if attempt.ok else None if attempt.usage else 0.0,
            worst_case=lambda _spec: WORST,
        )
        hedging = None if strategy.hedge is None else Hedging(strategy.hedge)
        terms = Terms(strategy, 0, 3, admission, client, clock, around, at["longest"], hedging)
        line = Line([source(30, at["every"])], clock)
        one_pass = WorkerPool(line, terms) if strategy.pool else Pass(line, terms)
        for when in at["interrupts"]:
            clock.call_at(when, stop.interrupt)
        for seq, when in at["given_up"].items():
            clock.call_at(when, give_up, one_pass, seq)
        await one_pass.run()
        assert admission.in_flight == 0
        assert counting is None or counting.open == []
        await clock.sleep_until(clock.now() + 1e5)
        if isinstance(pace, Pacer):
            assert pace.wait(Cost(20, 20_000, 5_000), clock.now()) <= 0

    def give_up(one_pass: Pass | WorkerPool, seq: int) -> None:
        for exchange in one_pass.flight:
            if exchange.spec.seq == seq:
                exchange.give_up("outrun")

    run_loop(main(), virtual=True)
    assert budget.at_risk == 0
    assert budget.sent == sum(one.cause != "unsent" for record in records for one in record.attempts)
    assert at["most"] is None or budget.sent <= at["most"]
    assert len(records) == len(sent)
    seqs = [record.seq for record in records]
    assert len(set(seqs)) == len(seqs)
    if stop.reason is None:
        assert sorted(seqs) == list(range(30))
    for record in records:
        check(record, strategy)


def check(record: Record, strategy: Strategy) -> None:
    """What holds for every record."""
    assert record.queue_time >= -1e-9  # a timer rounds
    assert record.throttle_wait >= -1e-9
    parts = record.queue_time + record.throttle_wait + record.latency
    assert math.isclose(record.response_time, parts, abs_tol=1e-9)
    assert all(attempt.ended <= record.attempts[-1].ended + 1e-9 for attempt in record.attempts)
    assert not any(attempt.ok for attempt in record.attempts[:-1])
    assert strategy.hedge is not None or not any(attempt.hedge for attempt in record.attempts)
    tries = sum(not attempt.hedge for attempt in record.attempts)
    assert tries <= strategy.retry.attempts
