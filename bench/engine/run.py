"""A run: every strategy of every case, one pass after another, in rounds when it is repeated."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Container, Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace

import msgspec

from bench.clock import Clock, calendar
from bench.clock import run as run_loop
from bench.engine.batch_pass import BatchPass
from bench.engine.budget import certain
from bench.engine.gauge import Gauge, Gauged
from bench.engine.hybrid import HybridPass
from bench.engine.live import LivePass
from bench.engine.part import ALL, Part
from bench.engine.stop import Stop
from bench.engine.surroundings import Surroundings
from bench.errors import Exit
from bench.results.record import OfPass, Record
from bench.results.selfcheck import SelfCheck
from bench.results.workers import WorkerNote
from bench.scenario.model import Rounds, Scenario, Strategy
from bench.targets.keeping import Keeping
from bench.targets.target import Session, Target
from bench.workload.requests import count_of, warmup_of
from bench.workload.streams import traffic_of
from bench.workload.stripe import Stripe


@dataclass(frozen=True, slots=True)
class PassEnd:
    """What is known of a pass beyond its records."""

    case: str | None
    strategy: str
    number: int
    """0-based repeat."""
    stopped: str | None
    """Why it ended early, in words."""
    server_latencies: dict[str, float] | None
    """Seconds each request took in the server, by request id, where the target tells."""
    resumed_at: float | None = None
    """Seconds since its start at which it went on after a pause, which does not count; None if it came through."""
    selfcheck: SelfCheck | None = None
    """What the client saw of itself; None in virtual time, where nothing is late."""
    workers: tuple[WorkerNote, ...] = ()
    """Who sent it, where several processes did."""


def run_passes(
    scenario: Scenario, targets: Mapping[str | None, Target], around: Surroundings, *, without: Container[OfPass] = ()
) -> Iterator[PassEnd]:
    """Run pass after pass and tell of each when it has ended.  A stop skips those that have not begun.

    `targets` has one for each case by its name, or, without cases, one under None.  `without` are passes to leave out.
    Each pass has an event loop of its own, so that simulated time starts at 0.  Repeats differ in their seed.
    """
    for place, (number, case, variant, strategy) in enumerate(rounds_of(scenario, without)):
        target = targets[case]
        pause = scenario.pause if place and not target.resets else 0.0
        if around.stop.reason is None:
            yield run_loop(run_pass(variant, case, strategy, number, target, around, pause), virtual=target.virtual)


def rounds_of(scenario: Scenario, without: Container[OfPass] = ()) -> list[tuple[int, str | None, Scenario, Strategy]]:
    """The passes of a scenario in their order: repeat, case, the scenario of that case, strategy."""
    return [
        (number, case, variant, strategy)
        for number in range(scenario.repeat)
        for case, variant in scenario.variants
        for strategy in variant.strategies
        if (case, strategy.name, number) not in without
    ]


async def run_pass(
    scenario: Scenario, case: str | None, strategy: Strategy, number: int, target: Target, around: Surroundings,
    pause: float = 0.0, part: Part = ALL,
) -> PassEnd:  # fmt: skip
    """Run one pass, or a part of it, on the running event loop."""
    clock = Clock(1.0 if target.virtual else scenario.speed)
    await wait(clock, pause, around.stop)
    seeded = scenario.model_copy(update={"seed": scenario.seed + number})
    if target.resets and around.batches is not None:
        around.batches.ids.clear()  # the server has forgotten them, and may use them again
    async with target.session(clock, seeded.seed) as session:
        if strategy.kind != "batch":
            await session.connect(_connections(strategy, seeded, part.stripe))
            await _warm_up(seeded, session, around, part.stripe)
        resumed_at = _reached(strategy, around.recorded.get((case, strategy.name, number), {}))
        await part.begin(session, clock, resumed_at or 0.0)
        around.observer.pass_started(strategy.name, number, count_of(seeded), clock.speed, case)
        if around.texts is not None:
            session = replace(session, client=Keeping(session.client, around.texts, (case, strategy.name, number)))
        with nullcontext() if target.virtual else Gauge(clock) as gauge:
            if gauge is not None:
                session = replace(session, client=Gauged(session.client, gauge, clock))
            around = _dated(around, scenario, target, clock)
            await _send_all(seeded, case, strategy, number, session, clock, around, part)
        around.observer.pass_ended()
        latencies = await session.server_latencies()
    found = None if gauge is None else gauge.found
    return PassEnd(case, strategy.name, number, around.stop.reason, latencies, resumed_at, found)


MOST_CONNECTIONS = 50
"""Connections that are open before a pass begins: a handshake is no part of a latency, and more at once are a flood."""


def _connections(strategy: Strategy, scenario: Scenario, stripe: Stripe) -> int:
    """As many as there will be requests in flight, if that many may be."""
    in_flight = (strategy.limit, count_of(scenario), MOST_CONNECTIONS)
    return math.ceil(min(one for one in in_flight if one is not None) / stripe.of)


def _reached(strategy: Strategy, recorded: Mapping[int, Record]) -> float | None:
    """Where the clock of a live pass goes on that an earlier process has begun: the pause is no time of the pass."""
    if not recorded or strategy.batch is not None:
        return None
    return max(record.attempts[-1].ended for record in recorded.values())


def _dated(around: Surroundings, scenario: Scenario, target: Target, clock: Clock) -> Surroundings:
    """Where requests come in rounds: the same, with records that tell the time of day.  To the millisecond."""
    if not any(isinstance(traffic.arrivals, Rounds) for traffic in traffic_of(scenario)):
        return around
    at = calendar(clock, target.epoch)

    def keep(record: Record) -> None:
        around.journal(msgspec.structs.replace(record, at=round(at(record.first_sent), 3)))

    return replace(around, journal=keep)


async def wait(clock: Clock, seconds: float, stop: Stop) -> None:
    """Let the limits of a target that cannot be reset refill.  A stop ends the wait."""
    waiting = asyncio.ensure_future(clock.sleep_until(clock.now() + seconds))
    with stop.heard_by(waiting.cancel), suppress(asyncio.CancelledError):
        await waiting


async def _warm_up(scenario: Scenario, session: Session, around: Surroundings, stripe: Stripe) -> None:
    """Send what is not counted, one after another.  The budget counts it all the same."""
    for spec in warmup_of(scenario, stripe):
        if around.stop.reason is not None:
            return
        worst = around.worst_case(spec)
        if (why := await around.budget.reserve(worst)) is not None:
            around.stop.request(why, Exit.BUDGET)
            return
        around.aside(1, worst)
        attempt = await session.client.send(spec, 1)
        known = certain(around.cost(spec.params["model"], attempt), attempt)
        around.budget.settle(worst, known)
        if known is not None:
            around.aside(0, known - worst)
        around.stop.request_if_useless(attempt.cause, attempt.message)


async def _send_all(
    scenario: Scenario, case: str | None, strategy: Strategy, number: int, session: Session, clock: Clock,
    around: Surroundings, part: Part,
) -> None:  # fmt: skip
    one_pass = _pass(scenario, case, strategy, number, session, clock, around, part)
    alarm = None
    if (left := around.budget.time_left) is not None:
        words = f"the budget of {around.budget.max_time:g} s of scenario time is used up"
        alarm = clock.call_at(left, around.stop.request, words, Exit.BUDGET)
    try:
        await one_pass.run()
    finally:
        around.budget.time_used += clock.now()
        if alarm is not None:
            alarm.cancel()


def _pass(
    scenario: Scenario, case: str | None, strategy: Strategy, number: int, session: Session, clock: Clock,
    around: Surroundings, part: Part,
) -> LivePass | BatchPass | HybridPass:  # fmt: skip
    match strategy.kind:
        case "batch":
            return BatchPass(scenario, case, strategy, number, session.batches, clock, around)
        case "hybrid":
            return HybridPass(scenario, case, strategy, number, session, clock, around)
        case _:
            return LivePass(scenario, case, strategy, number, session.client, clock, around, part)
