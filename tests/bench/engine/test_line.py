"""Streams and users before one gate, on the virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench.clock import Clock
from bench.clock import run as run_loop
from bench.engine.budget import BudgetGuard
from bench.engine.dispatch import Pass
from bench.engine.exchange import Terms
from bench.engine.line import Line
from bench.engine.observe import Observers
from bench.engine.stop import Stop
from bench.engine.surroundings import Surroundings
from bench.request import RequestSpec
from bench.results.record import Attempt, Record
from bench.scenario.model import (
    Conversations,
    Exponential,
    Fixed,
    Lognormal,
    Retry,
    Scenario,
    Strategy,
    Users,
    Workload,
)
from bench.scenario.traces import Arrival
from bench.strategies.admission import Admission
from bench.strategies.pacer import Cost, Pacer, Ticket
from bench.targets.client import Watch
from bench.workload.requests import Placed, Source, sources_of
from mock_server.bucket import Bucket

MODEL = {"model": "claude-sonnet-5"}


def stream(name: str, times: Sequence[float], priority: int = 0, number: int = 0) -> Source:
    def spec(place: int, due: Arrival) -> RequestSpec:
        return RequestSpec(place * 10 + number, due.at, MODEL, 100, 10, stream=name)

    return Source(enumerate(map(Arrival, times)), spec, priority)


@dataclass
class Played:
    records: list[Record] = field(default_factory=list)
    ended: float = 0.0
    left_in_flight: int = 0

    @property
    def order(self) -> str:
        """Streams in the order in which their requests were sent."""
        sent = sorted(self.records, key=lambda record: record.attempts[0].sent)
        return "".join(record.stream or "?" for record in sent)


@dataclass
class Server:
    clock: Clock
    service: Callable[[RequestSpec], float]

    async def send(self, spec: RequestSpec, attempt: int, watch: Watch | None = None) -> Attempt:  # noqa: ARG002
        sent = self.clock.now()
        await self.clock.sleep_until(sent + self.service(spec))
        return Attempt(sent=sent, ended=self.clock.now(), status=200)


def play(
    sources: Sequence[Source],
    limit: int | None = None,
    *,
    service: Callable[[RequestSpec], float] = lambda _spec: 1.0,
    pacer: Pacer | None = None,
    by_priority: bool = True,
    interrupts: Sequence[float] = (),
) -> Played:
    played, stop = Played(), Stop()
    strategy = Strategy(name="s", kind="semaphore", limit=limit, retry=Retry())

    async def main() -> None:
        clock = Clock()
        admission = Admission(limit, pacer, clock)
        around = Surroundings(
            journal=played.records.append,
            observer=Observers(),
            budget=BudgetGuard(),
            stop=stop,
            cost=lambda _model, _attempt: 0.0,
            worst_case=lambda _spec: 0.0,
        )
        for when in interrupts:
            clock.call_at(when, stop.interrupt)
        line = Line(sources, clock, by_priority=by_priority)
        await Pass(line, Terms(strategy, 0, 7, admission, Server(clock, service), clock, around)).run()
        played.ended = clock.now()
        played.left_in_flight = admission.in_flight
        assert len(asyncio.all_tasks()) == 1

    run_loop(main(), virtual=True)
    return played


def low_and_high(low: Sequence[float], high: Sequence[float]) -> list[Source]:
    return [stream("l", low, 0, 0), stream("h", high, 1, 1)]


@pytest.mark.parametrize(
    ("low", "high", "limit", "expected"),
    [
        ([0] * 4, [0.5], 1, "lhlll"),
        ([0] * 4, [0.5, 0.6, 0.7], 1, "lhhhlll"),
        ([0] * 4, [2.5], 1, "lllhl"),
        ([0] * 2, [0] * 2, 1, "hhll"),
        ([0] * 6, [0.5] * 3, 2, "llhhhllll"),
        ([0], [100], 1, "lh"),
        ([3], [1], None, "hl"),
    ],
)
def test_a_higher_priority_goes_first_among_those_that_wait(
    low: list[float], high: list[float], limit: int | None, expected: str
) -> None:
    assert play(low_and_high(low, high), limit).order == expected


def test_without_priority_first_come_is_first_served() -> None:
    assert play(low_and_high([0] * 4, [0.5]), 1, by_priority=False).order == "llllh"


def test_equal_priorities_are_served_in_the_order_of_their_times() -> None:
    sources = [stream("a", [0, 0.1, 0.4], number=0), stream("b", [0.2, 0.3, 0.5], number=1)]
    assert play(sources, 1).order == "aabbab"


def test_streams_that_are_there_at_once_take_turns() -> None:
    assert play([stream("a", [0] * 3, number=0), stream("b", [0] * 3, number=1)], 1).order == "ababab"


def test_who_waits_for_the_pacer_is_overtaken_too() -> None:
    one_a_second = Pacer(Bucket.full(1.0, 1.0), None, None)
    assert play(low_and_high([0] * 4, [1.5]), None, pacer=one_a_second).order == "llhll"


@given(
    st.lists(st.floats(0, 20), max_size=15).map(sorted),
    st.lists(st.floats(0, 20), max_size=15).map(sorted),
    st.integers(1, 3),
    st.lists(st.floats(0, 15), max_size=2).map(sorted),
)
@example(low=[], high=[0.0, 2.0], limit=1, interrupts=[2.0, 2.0])
def test_every_request_is_sent_once_and_no_slot_is_lost(
    low: list[float], high: list[float], limit: int, interrupts: list[float]
) -> None:
    played = play(low_and_high(low, high), limit, interrupts=interrupts)
    assert played.left_in_flight == 0
    seqs = [record.seq for record in played.records]
    assert len(set(seqs)) == len(seqs)
    if not interrupts:
        assert len(seqs) == len(low) + len(high)


@given(st.lists(st.floats(0, 20), max_size=15).map(sorted), st.lists(st.floats(0, 20), max_size=15).map(sorted))
def test_no_urgent_request_waits_while_a_lesser_one_is_sent(low: list[float], high: list[float]) -> None:
    """With one slot: when a lesser request is sent, every urgent one that was due before has been sent."""
    records = play(low_and_high(low, high), 1).records
    urgent = [(record.intended, record.attempts[0].sent) for record in records if record.stream == "h"]
    for lesser in (record.attempts[0].sent for record in records if record.stream == "l"):
        assert not any(due < lesser - 1e-6 and sent > lesser for due, sent in urgent)


# Closed users


def closed(users: Users, requests: int | None = None, duration: float | None = None, seed: int = 0) -> list[Source]:
    size = Fixed(value=10)
    scenario = Scenario(
        version=1,
        name="job",
        question="?",
        model="claude-sonnet-5",
        workload=Workload(requests=requests, duration=duration, input_tokens=size, output_tokens=size, max_tokens=9),
        arrivals=users,
        strategies=(Strategy(name="s", kind="gather", retry=Retry()),),
        seed=seed,
    )
    return list(sources_of(scenario))


@given(st.integers(1, 12), st.sampled_from([0.5, 1.0, 4.0]), st.sampled_from([0.0, 1.0, 3.5]), st.integers(1, 20))
def test_the_interactive_response_time_law(n: int, service: float, think: float, rounds: int) -> None:
    """N users, service S, think time Z and nothing that binds: N / (S + Z) a second (Denning and Buzen, 1978)."""
    cycle = service + think
    played = play(closed(Users(count=n, think=think), duration=rounds * cycle), service=lambda _spec: service)
    assert len(played.records) == pytest.approx(n / cycle * (rounds * cycle), rel=1e-12)
    assert {record.response_time for record in played.records} == {service}


@given(st.integers(1, 10), st.integers(1, 4), st.integers(1, 5), st.sampled_from([0.5, 2.0]))
def test_with_fewer_slots_than_users_the_slots_set_the_pace(n: int, limit: int, rounds: int, service: float) -> None:
    """Bottleneck law: without think time, and with at least as many users as slots c, c / S a second."""
    requests = rounds * n * limit
    played = play(closed(Users(count=n * limit, think=0.0), requests), limit, service=lambda _spec: service)
    assert sorted(record.seq for record in played.records) == list(range(requests))
    assert requests / played.ended == limit / service


def test_a_user_asks_again_after_the_answer_and_the_think_time() -> None:
    played = play(closed(Users(count=2, think=3.0, ramp_up=1.0), requests=6), service=lambda _spec: 2.0)
    mine = sorted((record for record in played.records if record.seq % 2), key=lambda record: record.seq)
    assert [record.intended for record in mine] == [0.5, 5.5, 10.5]
    assert [record.attempts[-1].ended for record in mine] == [2.5, 7.5, 12.5]


@pytest.mark.parametrize("think", [Exponential(mean=5.0), Lognormal(median=4.0, p95=12.0)])
def test_think_times_belong_to_the_request_and_not_to_the_order_of_events(think: Exponential | Lognormal) -> None:
    users = Users(count=5, think=think)

    def thought(service: float) -> dict[int, float]:
        records = {record.seq: record for record in play(closed(users, 40), service=lambda _spec: service).records}
        return {
            seq: record.intended - records[seq - 5].attempts[-1].ended for seq, record in records.items() if seq >= 5
        }

    slow, quick = thought(50.0), thought(0.1)
    assert slow == pytest.approx(quick)
    assert len(set(quick.values())) == 35


# Conversations


def test_who_waits_to_be_let_through_keeps_its_place_when_one_that_goes_before_it_comes() -> None:
    """Two turns that are due at the same moment: the later one in the workload is already at the gate."""

    class Door:
        def __init__(self, *, is_open: bool) -> None:
            self.opened = asyncio.Event()
            if is_open:
                self.opened.set()

        async def acquire(self, cost: Cost) -> Ticket:
            await self.opened.wait()
            return Ticket(cost)

        def forgo(self, ticket: Ticket) -> None:  # noqa: ARG002
            raise AssertionError("whoever is let through goes")

        def release(self) -> None:
            raise AssertionError("whoever is let through goes")

    def spec(place: int, due: Arrival) -> RequestSpec:
        return RequestSpec(place, due.at, MODEL, 100, 10)

    def after(place: int, ended: float, ok: bool) -> list[Placed]:
        return [(place + 1, Arrival(ended))] if ok else []

    async def main() -> list[int]:
        line = Line([Source([(0, Arrival(0.0)), (10, Arrival(0.0))], spec, after=after)], Clock())
        door, closed = Door(is_open=True), Door(is_open=False)
        (first, _), (second, _) = await line.next(door) or never(), await line.next(door) or never()
        line.answered(second, 0.0)
        waiting = asyncio.ensure_future(line.next(closed))
        await asyncio.sleep(0)
        line.answered(first, 0.0)
        closed.opened.set()
        (third, _), (fourth, _) = await waiting or never(), await line.next(door) or never()
        for last in (third, fourth):
            line.answered(last, 1.0, ok=False)
        assert await line.next(door) is None
        return [each.seq for each in (first, second, third, fourth)]

    assert run_loop(main(), virtual=True) == [0, 10, 11, 1]


def never() -> tuple[RequestSpec, Ticket]:
    raise AssertionError("there is another one")


@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 3), st.sampled_from([0.0, 1.0]))
def test_every_turn_is_sent_once_and_after_the_answer_to_the_one_before_it(
    talks: int, turns: int, limit: int, think: float
) -> None:
    size = Fixed(value=10)
    conversations = Conversations(count=talks, turns=Fixed(value=turns), think=think)
    workload = Workload(conversations=conversations, input_tokens=size, output_tokens=size, max_tokens=9)
    scenario = Scenario(
        version=1,
        name="talks",
        question="?",
        model="claude-sonnet-5",
        workload=workload,
        strategies=(Strategy(name="s", kind="gather", retry=Retry()),),
    )
    played = play(list(sources_of(scenario)), limit)
    assert sorted(record.seq for record in played.records) == list(range(talks * turns))
    for before, after in pairwise(sorted(played.records, key=lambda record: record.seq)):
        if after.turn:
            assert after.intended == before.attempts[-1].ended + think
